"""The hidden state of a recurrence over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, sentence
from .figure import Axes, finish, new_axes, shown


def hidden_states(states: Any, ax: Axes = None, *, tokens: Sequence[Any] | None = None) -> Axes:
    """A map of h: a column a time step, a row a unit; red is positive, blue negative.

    states : [T, H], what a recurrence with return_sequences=True gives for one sequence
    tokens : the T tokens that were read; without them steps are numbered from 1
    """
    h = np.asarray(states)
    if h.ndim != 2 or not h.size:
        raise ShapeError(sentence("hidden_states", "states", "[T, H], of at least one step and unit", h))
    T, H = h.shape
    if tokens is not None and len(tokens) != T:
        raise ShapeError(sentence("hidden_states", "tokens", f"{T}, one a step", str(len(tokens))))
    ax = new_axes() if ax is None else ax
    limit = max(float(np.abs(h).max()), 1e-9)
    image = ax.imshow(h.T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.figure.colorbar(image, ax=ax, label="h")
    ax.set_xticks(range(T), shown(range(1, T + 1) if tokens is None else tokens))
    ax.set_yticks(range(H) if H <= 12 else [0, H - 1])
    ax.set_xlabel("time step" if tokens is None else "")
    ax.set_ylabel("unit")
    return finish(ax)
