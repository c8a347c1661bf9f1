"""Pictures.  Each function draws on `ax`, or on a new figure of its own, and returns the Axes.

matplotlib is imported when something is drawn.  New figures do not pass through pyplot: nothing has to be
closed, and no display is needed.

    import fastrnn.plot
    fastrnn.plot.training_curves(model.fit(x, y, epochs=5)).figure.savefig("loss.png")
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from .errors import ShapeError, sentence

Axes = Any

# One family of each platform that ships with Hangul, then the free ones that people install.
HANGUL = (
    "Noto Sans CJK KR", "Noto Sans KR", "Malgun Gothic", "Apple SD Gothic Neo", "AppleGothic",
    "NanumGothic", "NanumBarunGothic", "Noto Sans CJK JP", "Source Han Sans K", "UnDotum", "Baekmuk Dotum",
)  # fmt: skip
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito: for every eye


def new_axes(width: float = 5.6, height: float = 3.7) -> Axes:
    """Axes on a figure of its own, in inches.  The type is large enough for a phone."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained").add_subplot()


@cache
def hangul_font() -> str | None:
    """The family of an installed font that has Hangul, or None."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return next((name for name in HANGUL if name in installed), None)


def shown(labels: Iterable[Any]) -> list[str]:
    """The labels as text that can be drawn: without a font for it, Hangul becomes #0, #1, ... by position."""
    texts = [str(label) for label in labels]
    if hangul_font() or all(text.isascii() for text in texts):
        return texts
    hidden = [any("\u1100" <= c <= "\u11ff" or "\u3130" <= c <= "\ud7ff" for c in t) for t in texts]
    if any(hidden):
        advice = "no font with Hangul is installed, so labels are numbered; install one, such as NanumGothic."
        warnings.warn(f"fastrnn.plot: {advice}", UserWarning, stacklevel=3)
    return [f"#{k}" if hide else text for k, (text, hide) in enumerate(zip(texts, hidden, strict=True))]


def _finish(ax: Axes) -> Axes:
    """Give every text of the picture the font that has Hangul, behind the usual one."""
    font = hangul_font()
    if font:
        legend = ax.get_legend()
        texts = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts, *ax.get_xticklabels()]
        for text in [*texts, *ax.get_yticklabels(), *(legend.get_texts() if legend else ())]:
            text.set_fontfamily([*_families(text), font])
    return ax


def _families(text: Any) -> list[str]:
    return [family for family in text.get_fontfamily() if family != hangul_font()]


def training_curves(history: Any, ax: Axes = None, *, ylabel: str = "loss") -> Axes:
    """A line for each name over the epochs; those that begin with ``val_`` dashed, in their partner's colour.

    history : what `fit` returned, or name -> values, one an epoch
    """
    values: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    ax = new_axes() if ax is None else ax
    color: dict[str, str] = {}
    for name, text in zip(values, shown(values), strict=True):
        base = name.removeprefix("val_")
        color.setdefault(base, COLORS[len(color) % len(COLORS)])
        epochs = np.arange(1, len(values[name]) + 1)
        style = {"linestyle": "--" if name.startswith("val_") else "-", "color": color[base]}
        ax.plot(epochs, values[name], label=text, marker="." if len(epochs) < 15 else None, **style)
    ax.set_xlabel("epoch")
    ax.set_ylabel(ylabel)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)
    if values:
        ax.legend()
    return _finish(ax)


def gradient_norms(norms: Mapping[str, Any], ax: Axes = None, *, ylabel: str = "mean norm of dL/dh") -> Axes:
    """Norms over time on a log axis; the loss stands at the right, and the gradient travels to the left.

    norms : name -> [T], the norm of dL/dh_t for t = 0 .. T - 1
    """
    ax = new_axes() if ax is None else ax
    span = 0
    for k, (name, text) in enumerate(zip(norms, shown(norms), strict=True)):
        values = np.asarray(norms[name])
        if values.ndim != 1:
            raise ShapeError(sentence("gradient_norms", name, "[T]", values))
        ax.plot(np.arange(len(values)) - len(values) + 1, values, label=text, color=COLORS[k % len(COLORS)])
        span = max(span, len(values))
    ax.set_yscale("log")
    ax.set_xlim(1 - max(span, 2), 0)
    ax.set_xlabel("time step; the loss is that of step 0")
    ax.set_ylabel(ylabel)
    ax.grid(alpha=0.3)
    if norms:
        ax.legend()
    return _finish(ax)


def confusion_matrix(matrix: Any, labels: Sequence[Any], ax: Axes = None) -> Axes:
    """Counts [K, K] of true classes (rows) told as (columns), with the numbers written in.

    Colours show the share of the row, so that rare classes are seen as well.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(labels), len(labels)):
        expected = f"[K, K] = [{len(labels)}, {len(labels)}], a row and a column a label"
        raise ShapeError(sentence("confusion_matrix", "matrix", expected, matrix))
    ax = new_axes(5.2, 4.8) if ax is None else ax
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            if count:
                color = "white" if share[i, j] > 0.5 else "black"
                ax.text(j, i, f"{count:g}", ha="center", va="center", color=color, fontsize=9)
    texts = shown(labels)
    ax.set_xticks(range(len(texts)), texts)
    ax.set_yticks(range(len(texts)), texts)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    return _finish(ax)


def reconstructions(
    originals: Any, rebuilt: Any, ax: Axes = None, *, labels: Sequence[Any] | None = None
) -> Axes:
    """Images in the top row and what autoencoders made of them below.

    originals : [N, height, width]
    rebuilt : the same shape, or name -> array, a row for each
    labels : one for each of the N columns
    """
    rows = {"original": np.asarray(originals)}
    given = rebuilt if isinstance(rebuilt, Mapping) else {"reconstruction": rebuilt}
    rows.update({name: np.asarray(images) for name, images in given.items()})
    shape = rows["original"].shape
    for name, images in rows.items():
        if images.ndim != 3 or images.shape != shape:
            expected = f"[N, height, width], as the originals {list(shape)}"
            raise ShapeError(sentence("reconstructions", name, expected, images))
    n, height, width = shape
    canvas = np.full((len(rows) * (height + 1) - 1, max(n * (width + 1) - 1, 1)), np.nan)
    for r, images in enumerate(rows.values()):
        for k, image in enumerate(images):
            top, left = r * (height + 1), k * (width + 1)
            canvas[top : top + height, left : left + width] = image
    ax = new_axes(5.6, 0.35 + 4.8 * len(canvas) / canvas.shape[1]) if ax is None else ax
    first = rows["original"]
    ax.imshow(canvas, cmap="gray_r", vmin=first.min(initial=0), vmax=first.max(initial=0))
    centres = np.arange(len(rows)) * (height + 1) + (height - 1) / 2
    ax.set_yticks(centres, shown(rows))
    ax.set_xticks([])
    if labels is not None:
        ax.set_xticks(np.arange(n) * (width + 1) + (width - 1) / 2, shown(labels))
        ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return _finish(ax)


def bars(values: Mapping[str, float], ax: Axes = None, *, ylabel: str = "", form: str = "{:.3g}") -> Axes:
    """A bar a name from zero, with its number on top."""
    ax = new_axes() if ax is None else ax
    heights = [float(v) for v in values.values()]
    colors = [COLORS[k % len(COLORS)] for k in range(len(heights))]
    drawn = ax.bar(range(len(heights)), heights, color=colors, width=0.6)
    ax.bar_label(drawn, [form.format(h) for h in heights], padding=2)
    ax.set_xticks(range(len(heights)), shown(values))
    ax.set_ylabel(ylabel)
    ax.margins(y=0.12)
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    return _finish(ax)
