"""Text cut into words, and Hangul syllables into their letters."""

from __future__ import annotations

import re
import unicodedata

# A word with the apostrophes inside it; a run of one and the same sign; nothing is lost but white space.
_WORD = re.compile(r"\w+(?:['’]\w+)*|([^\w\s])\1*")


def words(text: str) -> list[str]:
    """Words and signs, without white space.  Korean words are eojeol, cut off from the signs around them.

    >>> words("It's raining... 나는 집에 간다!")
    ["It's", 'raining', '...', '나는', '집에', '간다', '!']
    """
    return [match.group() for match in _WORD.finditer(unicodedata.normalize("NFC", text))]


def jamo(text: str) -> str:
    """The text with each Hangul syllable as its two or three letters, Unicode's canonical decomposition.

    >>> [f"{ord(letter):x}" for letter in jamo("한")]
    ['1112', '1161', '11ab']
    """
    return unicodedata.normalize("NFD", text)
