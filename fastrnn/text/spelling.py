"""Tokens as rows of ids: which word, and how it is spelt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import sentence, unknown
from .tokens import jamo
from .vocabulary import Vocabulary

SPELLINGS: dict[str, Callable[[str], str]] = {
    "characters": lambda token: unicodedata.normalize("NFC", token),
    "jamo": jamo,
}
_LONGEST = {"characters": 24, "jamo": 48}  # of longer tokens the middle is left out
_HANGUL = re.compile("[\uac00-\ud7a3]")
_DIGIT = re.compile(r"\d")


class Spelling:
    """The words and characters of a text; each token as ids [1 + sum(lengths)], as `layers.Words` takes it.

    Parameters
    ----------
    words : those that are known; letter case and digits do not tell them apart
    names : of the spellings, "characters" or "jamo"
    alphabets : the characters of each
    lengths : number of ids for each

    >>> spelling = Spelling.of([["나는", "간다"]], ["jamo"])
    >>> spelling.encode([["나는", "나도"]])[0].tolist()
    [[1, 6, 3, 6, 7, 4], [0, 6, 3, 5, 1, 0]]
    """

    def __init__(
        self, words: Iterable[str], names: Sequence[str], alphabets: Sequence[str], lengths: Sequence[int]
    ) -> None:
        self.words = Vocabulary(words)
        self.names = check_spellings("Spelling", names)
        self.alphabets = [Vocabulary(letters) for letters in alphabets]
        self.lengths = list(lengths)
        if not len(self.names) == len(self.alphabets) == len(self.lengths):
            raise ValueError(
                sentence("Spelling", "alphabets", "as many as names and lengths", str(len(self.alphabets)))
            )

    @classmethod
    def of(cls, sentences: Iterable[Iterable[str]], names: Sequence[str] | None = None) -> Spelling:
        """Of a text.

        names : None takes characters, and jamo as well where a tenth of the different words have Hangul
        """
        tokens = [token for one in sentences for token in one]
        kinds = sorted(set(tokens))
        if names is None:
            hangul = sum(_HANGUL.search(token) is not None for token in kinds)
            names = ["characters", "jamo"] if 10 * hangul >= len(kinds) else ["characters"]
        alphabets, lengths = [], []
        for name in names:
            spelt = [SPELLINGS[name](token) for token in kinds]
            alphabets.append("".join(dict.fromkeys("".join(spelt))))
            lengths.append(min(max(map(len, spelt)), _LONGEST[name]))
        return cls(dict.fromkeys(map(word, tokens)), names, alphabets, lengths)

    @property
    def sizes(self) -> list[int]:
        """The number of ids of each alphabet: 0 is no character and 1 an unknown one."""
        return [letters.size + 1 for letters in self.alphabets]

    @property
    def width(self) -> int:
        """The number of ids of a token."""
        return 1 + sum(self.lengths)

    def knows(self, token: str) -> bool:
        """Whether the word was in the text."""
        return word(token) in self.words

    def encode(self, sentences: Iterable[Sequence[str]]) -> list[np.ndarray]:
        """Each sentence as int64 [T, width]."""
        rows: dict[str, np.ndarray] = {}
        for one in sentences:
            for token in one:
                if token not in rows:
                    rows[token] = self._row(token)
        empty = np.zeros((0, self.width), np.int64)
        return [np.stack([rows[token] for token in one]) if one else empty for one in sentences]

    def _row(self, token: str) -> np.ndarray:
        row = np.zeros(self.width, np.int64)
        row[0] = self.words.ids.get(word(token), 0)
        first = 1
        for name, letters, length in zip(self.names, self.alphabets, self.lengths, strict=True):
            spelt = SPELLINGS[name](token)
            if len(spelt) > length:
                spelt = spelt[: length // 2] + spelt[length // 2 - length :]
            row[first : first + len(spelt)] = letters.encode(spelt) + 1
            first += length
        return row

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, JSON-able."""
        return {
            "words": self.words.tokens,
            "names": self.names,
            "alphabets": ["".join(letters.tokens) for letters in self.alphabets],
            "lengths": self.lengths,
        }


def word(token: str) -> str:
    """What the vocabulary holds of a token: without case, all digits alike."""
    return _DIGIT.sub("0", unicodedata.normalize("NFC", token).lower())


def check_spellings(owner: str, names: Any) -> list[str]:
    """`names` as a list, each a spelling there is, none twice."""
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        expected = 'names such as ("characters", "jamo")'
        raise ValueError(sentence(owner, "spellings", expected, repr(names)))
    for name in names:
        if name not in SPELLINGS:
            raise unknown(owner, "spellings", name, tuple(SPELLINGS))
    if len(set(names)) < len(names):
        raise ValueError(sentence(owner, "spellings", "different names", names))
    return list(names)
