"""Lines and bars: training curves, numbers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .figure import COLORS, Axes, finish, new_axes, shown


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
    return finish(ax)


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
    return finish(ax)
