"""Words as ids, where a word too rare to be learnt is known by how it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from .vocabulary import Vocabulary

_LONGEST = 3  # letters of an ending
_OFTEN = 4  # times that an ending must be seen in rare words to have an id
_LAST = ("^word", "~word", "~number")  # no ending is as long, and no word contains ^ or ~ beside letters


class WordsAndEndings:
    """Ids for words without regard to capitals; for a rare word, the id of its longest ending that is known.

    Endings of capitalised words are told from others: "Marcella" is known by "^lla", "umbrella" by "~lla", an
    eojeol such as "철수에게" by "~에게".  Words with digits share one id.  Nothing is unknown.

    Parameters
    ----------
    tokens : words and endings in the order of their ids, from 1

    >>> known = WordsAndEndings.of("he saw Anna and he saw Hanna and Joanna and Johanna".split(), least=2)
    >>> known.tokens
    ['he', 'saw', 'and', '^word', '~word', '~number', '^nna', '^na', '^a']
    >>> known.encode(["Saw", "Susanna", "Peter", "1984"])
    array([2, 7, 4, 6])
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self.vocabulary = Vocabulary(tokens)
        missing = [token for token in _LAST if token not in self.vocabulary]
        if missing:
            raise ValueError(
                f"WordsAndEndings: tokens must hold {', '.join(_LAST)}; there is no {missing[0]}."
            )

    @classmethod
    def of(cls, words: Iterable[str], *, least: int = 2) -> WordsAndEndings:
        """Of a text: the words that occur at least so often, and the endings of the others."""
        words = list(words)
        counts = Counter(word.lower() for word in words)
        kept = [word for word, n in counts.items() if n >= least]
        rare = [word for word in words if counts[word.lower()] < least]
        endings = Counter(ending for word in rare for ending in _endings(word) if ending not in _LAST)
        return cls([*kept, *_LAST, *(ending for ending, n in endings.items() if n >= _OFTEN)])

    @property
    def tokens(self) -> list[str]:
        return self.vocabulary.tokens

    @property
    def size(self) -> int:
        """The number of ids, 0, which is for nothing, included."""
        return self.vocabulary.size

    def encode(self, words: Iterable[str]) -> np.ndarray:
        """int64 [number of words]."""
        known = self.vocabulary
        return known.encode(
            next(form for form in (word.lower(), *_endings(word)) if form in known) for word in words
        )


def _endings(word: str) -> Iterator[str]:
    """From the longest to none; the last one is always known."""
    if any(letter.isdigit() for letter in word):
        yield "~number"
        return
    mark = "^" if word[:1].isupper() else "~"
    for n in range(_LONGEST, 0, -1):
        if len(word) > n:
            yield mark + word[-n:].lower()
    yield f"{mark}word"
