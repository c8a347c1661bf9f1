"""What a tagger says of each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, sentence
from .figure import Axes, finish, new_axes, shown


def tag_probabilities(
    probabilities: Any, tokens: Sequence[str], tags: Sequence[str], ax: Axes = None, *, least: float = 0.01
) -> Axes:
    """For each word (a column) the probability of each tag (a row), from white to blue.

    probabilities : [T, K], as from `PosTagger.probabilities`
    least : probabilities from here on are written in, in percent

    ``fr.plot.tag_probabilities(tagger.probabilities(tokens), tokens, tagger.tags)``
    """
    p = np.asarray(probabilities)
    if p.shape != (len(tokens), len(tags)):
        expected = f"[T, K] = [{len(tokens)}, {len(tags)}], a row a token and a column a tag"
        raise ShapeError(sentence("tag_probabilities", "probabilities", expected, p))
    ax = new_axes(1.4 + 0.62 * max(len(tokens), 4), 0.9 + 0.27 * max(len(tags), 4)) if ax is None else ax
    ax.imshow(p.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for edge in range(1, len(tokens)):  # between words
        ax.axvline(edge - 0.5, color="0.85", linewidth=0.8)
    for t, k in zip(*np.nonzero(p >= least), strict=True):
        color = "white" if p[t, k] > 0.5 else "black"
        ax.text(t, k, f"{100 * p[t, k]:.0f}", ha="center", va="center", color=color, fontsize=8)
    ax.set_xticks(range(len(tokens)), shown(tokens))
    ax.set_yticks(range(len(tags)), shown(tags))
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_xlabel("probability of each tag, in percent")
    return finish(ax)
