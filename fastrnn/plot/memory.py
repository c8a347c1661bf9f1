"""The memory of a recurrent network over the words that it reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import sentence
from .figure import COLORS, Axes, finish, new_axes, shown

_WORDS = 40  # as many as can be read under one picture


def memory_trace(trace: Any, ax: Axes = None, *, units: int = 3) -> Axes:
    """Cell states (h for cells without one) over the words of a text, of the units that decide at its blank.

    trace : what `BlankFiller.memory_trace` gave
    units : how many, from the one that speaks most for the answer

    A unit is drawn on the side of the blank that it reads last, and dashed on the side that it read before;
    beside its number stands its contribution.  Under a long text stand the words at which the drawn states
    change most.
    """
    if isinstance(units, bool) or not isinstance(units, (int, np.integer)) or units < 1:
        raise ValueError(sentence("memory_trace", "units", "a whole number of at least 1", repr(units)))
    ax = new_axes(7.6, 4.0) if ax is None else ax
    change = np.zeros(len(trace.tokens))
    for k, unit in enumerate(trace.units[:units]):
        index, values = trace.carried(unit)
        label = f"unit {unit}: {trace.contributions[unit]:+.1f}"
        color = COLORS[k % len(COLORS)]
        ax.plot(index, values, color=color, label=label)
        before = np.setdiff1d(np.arange(len(trace.tokens)), index)
        if len(before):
            ax.plot(before, trace.memory[before, unit], color=color, linestyle="--", alpha=0.5)
        # Read from the right, a word's change is the difference to the word behind it.
        way = 1 if unit < trace.from_right else -1
        moved = np.abs(np.diff(values[::way], prepend=0.0))[::way]
        change[index] = np.maximum(change[index], moved)
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.axvline(trace.blank, color="0.4", linewidth=0.8, linestyle=":")
    places = _labelled(change, trace.blank)
    texts = shown(trace.tokens)
    ax.set_xticks(places, [texts[k] for k in places], rotation=90, fontsize="small")
    ax.set_xlim(-0.5, len(trace.tokens) - 0.5)
    ax.set_ylabel("output h" if trace.c is None else "cell state c")
    answer = shown([trace.answer])[0]
    ax.set_title(f"___ = {answer}, p = {trace.probabilities[trace.answer]:.2f}", fontsize="medium")
    ax.legend(fontsize="small")
    ax.grid(axis="y", alpha=0.3)
    return finish(ax)


def _labelled(change: np.ndarray, blank: int) -> list[int]:
    """All words of a short text; of a long one the first, the blank, and where most happens, with gaps."""
    n = len(change)
    if n <= _WORDS:
        return list(range(n))
    gap = n / _WORDS
    chosen = [blank]
    for k in [0, *np.argsort(-change, kind="stable")]:
        if all(abs(k - other) >= gap for other in chosen):
            chosen.append(int(k))
    return sorted(chosen)
