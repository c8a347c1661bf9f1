"""What a recurrent network keeps in mind while it reads: its states, word by word."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import plot
from ..layers import Recurrent

BLANK = "___"


@dataclass(frozen=True, eq=False)
class MemoryTrace:
    """The states at every word of a text with a blank; what `BlankFiller.memory_trace` gives.

    D is the number of units H, or 2H where the words behind the blank are read, too: first the units that
    read from the left, then those that read from the right.  The row of the blank holds the states that
    decide, the last ones of each direction.  (A text is read as a ring, so the units that read from the left
    have read what stands behind the blank before the text's first word, and likewise from the right.)

    Attributes
    ----------
    tokens : the words in the order of the text, and ``___``
    blank : the index of ``___``
    h : [T, D], the output of every unit after every word
    c : [T, D], the cell states of an LSTM; None for other cells
    probabilities : candidate -> probability
    answer, rival : the likeliest candidate, and the next
    contributions : [D], what each unit adds to the difference of the logits of answer and rival:
        (W[answer] - W[rival]) h[blank], W being the weights of the output layer
    units : unit numbers, from the one that speaks most for the answer to the one that speaks most against it;
        the first ones carry what decides
    """

    tokens: tuple[str, ...]
    blank: int
    h: np.ndarray
    c: np.ndarray | None
    probabilities: dict[str, float]
    answer: str
    rival: str
    contributions: np.ndarray
    units: tuple[int, ...]
    from_right: int  # number of the first unit that reads from the right; D where none does

    @property
    def memory(self) -> np.ndarray:
        """[T, D]: c, or h where the cell has no other state."""
        return self.h if self.c is None else self.c

    def carried(self, unit: int) -> tuple[np.ndarray, np.ndarray]:
        """(indices of the words on that unit's side of the blank, its `memory` there)."""
        first, end = (0, self.blank + 1) if unit < self.from_right else (self.blank, len(self.tokens))
        return np.arange(first, end), self.memory[first:end, unit]

    def plot(self, ax: Any = None, *, units: int = 3) -> Any:
        """Draw the states of the first so many of `units` over the words; see `fastrnn.plot.memory_trace`."""
        return plot.memory_trace(self, ax, units=units)

    def __str__(self) -> str:
        chances = ", ".join(f"{word} {p:.3f}" for word, p in self.probabilities.items())
        unit = self.units[0]
        index, values = self.carried(unit)
        side = "left" if unit < self.from_right else "right"
        what = "output" if self.c is None else "cell state"
        scale = max(float(np.abs(values).max()), 1e-9)
        width = max(_columns(self.tokens[k]) for k in index)
        lines = [
            f"{BLANK} = {self.answer}  ({chances})",
            f"{what} of unit {unit}, which reads from the {side} and speaks most for {self.answer}:",
        ]
        for k, value in zip(index, values, strict=True):
            bar = round(12 * float(value) / scale)
            left, right = "#" * max(-bar, 0), "#" * max(bar, 0)
            word = " " * (width - _columns(self.tokens[k])) + self.tokens[k]
            lines.append(f"{word} {value:+8.3f} {left:>12}|{right}")
        return "\n".join(lines)


def _columns(text: str) -> int:
    """How wide a text is in a terminal; Hangul is two columns a syllable."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def states_of(layer: Recurrent, x: Any) -> list[np.ndarray]:
    """The states after each row of x [T, I], each [T, H], in the order of the cell: h, then c of an LSTM.

    The layer runs step by step, so these are the very numbers of the whole-sequence call.
    """
    step = layer.stepper(1)
    found: list[list[np.ndarray]] = [[] for _ in layer.cell.states]
    for t in range(len(x)):
        step(x[t : t + 1])
        for several, state in zip(found, step.state, strict=True):
            several.append(np.array(layer.backend.to_numpy(state)[0]))
    return [np.stack(several) for several in found]


def trace(
    layers: tuple[Recurrent, ...], x: Any, left: list[str], right: list[str],
    probabilities: dict[str, float], weights: np.ndarray,
) -> MemoryTrace:  # fmt: skip
    """Of one recurrent layer, or of two that read in opposite directions.

    x : [T, I], the inputs for the words behind the blank, for the edge of the text, and for those before it
    weights : [K, D] of the output layer, a row a candidate
    """
    n = len(right)
    columns = []
    for k, layer in enumerate(layers):
        states = states_of(layer, x if k == 0 else x[::-1])
        if k:
            states = [one[::-1] for one in states]
        last = slice(-1, None) if k == 0 else slice(0, 1)
        columns.append([np.concatenate([one[n + 1 :], one[last], one[:n]]) for one in states])
    h, *c = (np.concatenate(several, axis=1) for several in zip(*columns, strict=True))
    names = sorted(probabilities, key=probabilities.__getitem__, reverse=True)
    answer, rival = (list(probabilities).index(name) for name in names[:2])
    contributions = (weights[answer] - weights[rival]) * h[len(left)]
    return MemoryTrace(
        tokens=(*left, BLANK, *right), blank=len(left), h=h, c=c[0] if c else None,
        probabilities=probabilities, answer=names[0], rival=names[1], contributions=contributions,
        units=tuple(int(k) for k in np.argsort(-contributions, kind="stable")), from_right=layers[0].units,
    )  # fmt: skip
