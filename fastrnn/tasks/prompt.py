"""A prompt that a network has read, and how it goes on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..model import Sequential
from ..text import Vocabulary
from ..text.pieces import LEVELS, Joiner, joined, pieces
from .decoding import Sampling, beam_search, known


class Prompt:
    """A prompt, read by as many rows of a stream as are needed.

    An empty prompt is read as a line end, behind which a text begins; where the vocabulary has none, the
    unknown token is as good as any.  At the word level a space at the end belongs to the next word.

    Parameters
    ----------
    model : ids to probabilities of the next id, at every step
    level : of `LEVELS`
    text : the prompt
    rows : how many beginnings are kept

    Attributes
    ----------
    p : float64 [V], the probabilities of the next id, as of `known`
    """

    def __init__(
        self, model: Sequential, vocabulary: Vocabulary, level: str, text: str, rows: int = 1
    ) -> None:
        self.tokens, self.level = vocabulary.tokens, level
        self._to_numpy = model.backend.to_numpy
        self._add: Callable[[str], str] = str
        if level == "word":
            bare = text.rstrip(" ")
            self._add = Joiner(pieces(bare), spaced=bare != text).add
            text = bare
        self._stream = model.stream(rows)
        for k in vocabulary.encode(LEVELS[level](text or "\n")):
            p = self._step([k] * rows)
        self.p = p[0]

    def _step(self, ids: Sequence[int]) -> np.ndarray:
        """The probabilities [rows, V] after one more token in each row."""
        return known(self._to_numpy(self._stream.step(np.array(ids, np.int64))))

    def drawn(self, sampling: Sampling, length: int | None) -> Iterator[str]:
        """Token by token what is drawn, as it adds to the text; once."""
        n = 0
        while n != length:
            k = sampling.draw(self.p)
            text = self._add(self.tokens[k - 1])
            yield text
            n += 1
            if sampling.ended(text):
                return
            if n != length:
                self.p = self._step([k])[0]

    def searched(self, length: int, stop: str | None) -> str:
        """The likeliest continuation that a beam of all rows finds; once."""
        join = "".join if self.level == "char" else joined

        def ends(ids: Sequence[int]) -> bool:
            return stop is not None and stop in join(self.tokens[k - 1] for k in ids)

        found = beam_search(self._stream, self.p, length, ends, self._to_numpy)
        return "".join([self._add(self.tokens[k - 1]) for k in found])
