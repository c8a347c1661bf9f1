"""Tokens as ids and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..errors import sentence


class Vocabulary:
    """Tokens as ids from 1; 0 stands for every token that is not in it.

    Parameters
    ----------
    tokens : different strings, in the order of their ids

    >>> vocabulary = Vocabulary.of("나는 학교에 간다".split())
    >>> vocabulary.encode(["나는", "집에", "간다"])
    array([1, 0, 3])
    >>> vocabulary.decode([1, 3])
    ['나는', '간다']
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = list(tokens)
        self.ids = {token: k for k, token in enumerate(self.tokens, 1)}
        if len(self.ids) != len(self.tokens) or not all(isinstance(token, str) for token in self.tokens):
            raise ValueError(sentence("Vocabulary", "tokens", "different strings", repr(self.tokens[:5])))

    @classmethod
    def of(cls, tokens: Iterable[str], *, least: int = 1, most: int | None = None) -> Vocabulary:
        """Of a text: tokens that occur at least so often, at most so many, in the order they first occur."""
        counts = Counter(tokens)
        kept = {token for token, n in counts.most_common(most) if n >= least}
        return cls(token for token in counts if token in kept)

    @property
    def size(self) -> int:
        """The number of ids, 0 included."""
        return len(self.tokens) + 1

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """int64 [number of tokens]."""
        ids = self.ids
        return np.array([ids.get(token, 0) for token in tokens], np.int64)

    def decode(self, ids: Iterable[Any], unknown: str = "?") -> list[str]:
        """The tokens of those ids; `unknown` for 0."""
        return [self.tokens[k - 1] if k else unknown for k in ids]

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self.ids

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)
