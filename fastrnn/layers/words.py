"""Tokens in, as what they are and as how they are spelt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..backends import Backend
from ..errors import ShapeError, sentence
from ..packed import Layout, Packed
from .base import Layer, Shape, check_rate, check_units
from .bidirectional import Bidirectional
from .embedding import Embedding
from .lstm import LSTM
from .noise import Noise


class Words(Layer):
    """A vector for each token: one learnt for the word, beside what small LSTMs read in its spellings.

    A spelling is a row of character ids, and a bidirectional LSTM of its own reads it (Ling et al. 2015,
    "Finding function in form").  A word may have several, say its syllables and their letters.  Words that
    occur more than once in a batch are read once.

    Parameters
    ----------
    input_dim : V, the number of word ids; 0 is the unknown word
    output_dim : size of a word's vector
    alphabets : for each spelling, the number of its character ids; 0 is no character
    lengths : for each spelling, the number of characters of the longest word
    character_dim : size of a character's vector
    units : size of the LSTM over characters, in each direction
    unknown : share of words that training takes for unknown ones (Iyyer et al. 2015), so that the model
        learns to tell them by their spelling

    x : ids [B, T, 1 + sum(lengths)]: the word, then the characters of each spelling, filled up with 0
    y : [B, T, output_dim + 2 * units * number of spellings]

    >>> import numpy as np, fastrnn as fr
    >>> layer = fr.Words(5, 3, alphabets=[9], lengths=[4], character_dim=2, units=3)
    >>> x = np.array([[[1, 8, 2, 0, 0], [0, 3, 4, 5, 6], [1, 8, 2, 0, 0]]])
    >>> fr.Sequential([layer], seed=0).predict(x).shape
    (1, 3, 9)
    """

    takes_ids = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        *,
        alphabets: Sequence[int],
        lengths: Sequence[int],
        character_dim: int = 32,
        units: int = 50,
        unknown: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        if not alphabets or len(alphabets) != len(lengths):
            expected = "as many numbers as lengths, at least one"
            raise ValueError(sentence("Words", "alphabets", expected, f"{list(alphabets)}, {list(lengths)}"))
        self.alphabets = [check_units("Words", "a size in alphabets", size) for size in alphabets]
        self.lengths = [check_units("Words", "a length in lengths", length) for length in lengths]
        self.character_dim = check_units("Words", "character_dim", character_dim)
        self.units = check_units("Words", "units", units)
        self.unknown = check_rate("Words", "unknown", unknown)
        self.words = Embedding(input_dim, output_dim, name="word")
        self.readers = [
            (
                Embedding(size, self.character_dim, name=f"characters_{k}"),
                Bidirectional(LSTM(self.units), name=f"spelling_{k}"),
            )
            for k, size in enumerate(self.alphabets, 1)
        ]

    @property
    def id_features(self) -> tuple[int, ...]:
        return (1 + sum(self.lengths),)

    def layers(self) -> tuple[Layer, ...]:
        return (self.words, *(layer for pair in self.readers for layer in pair))

    def build(self, in_shape: Shape, rng: np.random.Generator, dtype: Any, backend: Backend) -> Shape:
        if not in_shape.ids or in_shape.features != self.id_features:
            expected = f"integer ids [B, T, {self.id_features[0]}]"
            advice = "Each token is its word id, then the characters of each spelling."
            raise ShapeError(sentence(str(self), "input", expected, str(in_shape), advice))
        ids = Shape((), True, ids=True)
        self.words.build(ids, rng, dtype, backend)
        for characters, reader in self.readers:
            reader.build(characters.build(ids, rng, dtype, backend), rng, dtype, backend)
        return super().build(in_shape, rng, dtype, backend)

    def shape(self, in_shape: Shape) -> Shape:
        width = self.words.output_dim + 2 * self.units * len(self.readers)
        return Shape((width,), True, in_shape.length)

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        xp = self.backend.xp
        y, words = self.words.forward(x.with_rows(self._told(x, noise)), noise)
        distinct, inverse = _distinct(self.backend.to_numpy(x.rows)[:, 1:])
        place = xp.asarray(inverse)
        parts, caches = [y.rows], []
        for (characters, reader), letters in zip(self.readers, self._cut(distinct), strict=True):
            layout = self._layout(letters)
            b, t = layout.caller
            ids = Packed(xp.asarray(letters[b, t]), layout, gradient=False)
            read, of_characters = characters.forward(ids, noise)
            read, of_reader = reader.forward(read, noise)
            at = xp.asarray(layout.inverse_order)[place]
            parts.append(read.rows[at])
            caches.append((of_characters, of_reader, at))
        cache = (words, len(distinct), caches) if noise is not None else None
        return x.with_rows(xp.concatenate(parts, axis=1)), cache

    def _told(self, x: Packed, noise: Noise | None) -> Any:
        """The word ids of the rows; in training some of them are hidden."""
        words = x.rows[:, 0]
        if noise is None or not self.unknown:
            return words
        xp = self.backend.xp
        kept = noise.dropout(xp, 2 * self.index, *x.layout.caller, 1, self.unknown, self.dtype)[:, 0] > 0
        return xp.where(kept, words, 0)

    def _cut(self, rows: Any) -> Iterator[Any]:
        """The columns of each spelling."""
        first = 0
        for length in self.lengths:
            yield rows[:, first : first + length]
            first += length

    def _layout(self, letters: np.ndarray) -> Layout:
        there = letters != 0
        if (there[:, 1:] > there[:, :-1]).any():
            expected = "characters followed by zeros alone"
            raise ValueError(sentence(str(self), "x", expected, "a zero in front of a character"))
        return Layout.from_lengths(there.sum(axis=1), letters.shape[1])

    def backward(self, cache: Any, dy: Any) -> Any:
        xp = self.backend.xp
        words, distinct, caches = cache
        first = self.words.output_dim
        self.words.backward(words, dy[:, :first])
        for (characters, reader), (of_characters, of_reader, at) in zip(self.readers, caches, strict=True):
            last = first + 2 * self.units
            d = xp.zeros((distinct, 2 * self.units), dy.dtype)
            xp.add.at(d, at, dy[:, first:last])
            characters.backward(of_characters, reader.backward(of_reader, d))
            first = last

    def cache_bytes(self, rows: int, batch: int) -> int:
        """Where all words are different, and as long as the longest."""
        spelt = zip(self.lengths, self.readers, strict=True)
        return sum(reader.cache_bytes(length * rows, rows) for length, (_, reader) in spelt)

    def flops(self) -> int:
        """Of a word as long as the longest."""
        lengths = zip(self.lengths, self.readers, strict=True)
        return sum(length * reader.flops() for length, (_, reader) in lengths)

    def config(self) -> dict[str, Any]:
        return {
            **super().config(),
            "input_dim": self.words.input_dim,
            "output_dim": self.words.output_dim,
            "alphabets": self.alphabets,
            "lengths": self.lengths,
            "character_dim": self.character_dim,
            "units": self.units,
            "unknown": self.unknown,
        }

    def __str__(self) -> str:
        return f"Words({self.words.input_dim}, {self.words.output_dim})"


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different ones among the rows [N, L], and for each row its place among them."""
    rows = np.ascontiguousarray(rows)
    # A row as one opaque value is sorted five times faster than np.unique(axis=0) does it.
    whole = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).reshape(len(rows))
    _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
    return rows[first], inverse.reshape(len(rows))
