"""What the gates of a recurrence do while it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, sentence
from .figure import COLORS, Axes, finish, new_axes, shown

NAMES = {
    "i": "input i", "f": "forget f", "g": "candidate g", "o": "output o", "r": "reset r", "z": "update z",
    "n": "new n", "a": "state a",
}  # fmt: skip
_TICKS = 40  # as many tokens as can be read under one picture


def gate_activity(
    gates: Mapping[str, Any] | Any, ax: Axes = None, *, tokens: Sequence[Any] | None = None, title: str = ""
) -> Axes:
    """The gates over time: a line a gate, or every unit of one gate as a map.

    Parameters
    ----------
    gates : letter -> [T, H], as in `fastrnn.diagnose(...).gates`, drawn as the mean over the units and, in
        pale, the middle half of them; or one of its arrays [T, H], drawn as a map of time by unit, in which
        units are sorted by their mean
    tokens : the T tokens that were read; without them steps are numbered
    title : of the picture
    """
    lines = isinstance(gates, Mapping)
    found = {k: np.asarray(v) for k, v in gates.items()} if lines else {"gates": np.asarray(gates)}
    if not found:
        raise ValueError(sentence("gate_activity", "gates", "those of at least one gate", "none"))
    T = len(next(iter(found.values())))
    for name, values in found.items():
        if values.ndim != 2 or len(values) != T or not values.size:
            raise ShapeError(sentence("gate_activity", name, f"[T, H] with T = {T}", values))
    if tokens is not None and len(tokens) != T:
        raise ShapeError(sentence("gate_activity", "tokens", f"{T}, one a step", str(len(tokens))))
    ax = new_axes(7.2, 3.6) if ax is None else ax
    if lines:
        _lines(ax, found, T)
    else:
        _map(ax, found["gates"])
    if tokens is not None:
        texts = shown(tokens)
        every = -(-T // _TICKS)
        rotated = sum(len(text) + 1 for text in texts[::every]) > 60
        ax.set_xticks(range(0, T, every), texts[::every], rotation=90 if rotated else 0)
    else:
        ax.set_xlabel("time step")
    if title:
        ax.set_title(shown([title])[0], fontsize="medium")
    return finish(ax)


def _lines(ax: Axes, gates: Mapping[str, np.ndarray], T: int) -> None:
    for k, (letter, values) in enumerate(gates.items()):
        color = COLORS[k % len(COLORS)]
        low, high = np.quantile(values, (0.25, 0.75), axis=1)
        ax.fill_between(range(T), low, high, color=color, alpha=0.15, linewidth=0)
        label = NAMES.get(letter, letter)
        ax.plot(range(T), values.mean(axis=1), color=color, label=label, marker="." if T <= _TICKS else None)
    ax.set_xlim(-0.5, T - 0.5)
    ax.set_ylabel("activation, mean over units")
    ax.grid(alpha=0.3)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")


def _map(ax: Axes, values: np.ndarray) -> None:
    ordered = values[:, np.argsort(values.mean(axis=0), kind="stable")]
    signed = values.min() < 0
    image = ax.imshow(
        ordered.T, aspect="auto", interpolation="nearest", cmap="RdBu_r" if signed else "viridis",
        vmin=-1 if signed else 0, vmax=1, origin="lower",
    )  # fmt: skip
    ax.figure.colorbar(image, ax=ax, label="activation")
    ax.set_ylabel("unit, sorted by its mean")
