"""How the probabilities of labels move while a text is read."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import plot
from ..errors import unknown

_BAR = 20  # characters of a whole bar
_WIDEST = 24  # columns of a token; of longer ones the end is left out


@dataclass(frozen=True, eq=False)
class RunningProbability:
    """What `SentimentClassifier.explain` gives.

    Attributes
    ----------
    tokens : of the text, T of them
    classes : the K labels
    probabilities : [T, K], those of the text up to each token; the last row is the answer

    `print` shows the probability of the label that wins in the end, token by token:

    >>> import numpy as np
    >>> told = RunningProbability(["not", "bad"], ["neg", "pos"], np.array([[0.75, 0.25], [0.25, 0.75]]))
    >>> print(told)
    token  pos
    not    0.25  #####
    bad    0.75  ###############
    """

    tokens: list[str]
    classes: list[Any]
    probabilities: np.ndarray

    @property
    def label(self) -> Any:
        """The likeliest label at the end."""
        return self.classes[int(self.probabilities[-1].argmax())]

    def of(self, label: Any = None) -> np.ndarray:
        """The probability of a label after each token, [T]; of `self.label` where label is None."""
        label = self.label if label is None else label
        if label not in self.classes:
            raise unknown("RunningProbability.of", "label", label, [str(one) for one in self.classes])
        return np.asarray(self.probabilities[:, self.classes.index(label)])

    def __str__(self) -> str:
        names = [_cut(token) for token in ("token", *self.visible)]
        width = max(map(_columns, names))
        fields = [name + " " * (width - _columns(name)) for name in names]
        lines = [f"{fields[0]}  {self.label}"]
        for field, p in zip(fields[1:], self.of(), strict=True):
            lines.append(f"{field}  {p:.2f}  {'#' * round(_BAR * float(p))}".rstrip())
        return "\n".join(lines)

    @property
    def visible(self) -> list[str]:
        """The tokens, the space as a sign that can be seen."""
        return ["_" if token == " " else token for token in self.tokens]

    def plot(self, ax: Any = None, *, label: Any = None) -> Any:
        """Draw it, see `fastrnn.plot.running_probability`; returns the Axes."""
        return plot.running_probability(self, ax, label=label)


def _columns(text: str) -> int:
    """How wide a terminal shows it: Hangul and its like take two columns."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _cut(text: str) -> str:
    if _columns(text) <= _WIDEST:
        return text
    while _columns(text) > _WIDEST - 3:
        text = text[:-1]
    return text + "..."
