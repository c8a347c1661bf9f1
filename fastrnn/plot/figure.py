"""What every picture has: its axes, its colours, and letters that can be drawn."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

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


def finish(ax: Axes) -> Axes:
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
