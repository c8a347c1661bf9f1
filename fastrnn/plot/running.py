"""Probabilities that move while a text is read."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from .figure import COLORS, Axes, finish, new_axes, shown

_COLUMNS = 100  # of letters that fit under the picture


def running_probability(running: Any, ax: Axes = None, *, label: Any = None) -> Axes:
    """The probability after each token: of one label where there are two, else of each.

    running : what `SentimentClassifier.explain` gave
    label : the one to draw; None is the likeliest at the end, or all where there are more than two
    """
    ax = new_axes(7.2, 3.4) if ax is None else ax
    several = label is None and len(running.classes) > 2
    drawn = running.classes if several else [running.label if label is None else label]
    tokens = shown(running.visible)
    places = np.arange(len(tokens))
    for k, (one, name) in enumerate(zip(drawn, shown(drawn), strict=True)):
        ax.plot(places, running.of(one), marker="o", markersize=4, color=COLORS[k % len(COLORS)], label=name)
    ax.axhline(1 / len(running.classes), color="0.5", linewidth=0.8, linestyle=":")
    widest = max((len(a) + len(b) for a, b in pairwise(tokens)), default=0) / 2 + 1  # of two side by side
    tilted = widest * len(tokens) > _COLUMNS
    ax.set_xticks(places, tokens, rotation=60 if tilted else 0, ha="right" if tilted else "center")
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel("probability" if several else f"p({shown(drawn)[0]})")
    ax.grid(axis="y", alpha=0.3)
    if several:
        ax.legend(fontsize="small")
    return finish(ax)
