"""Text as words and signs that can be put together again, white space and all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

# As in `words`: a word with the apostrophes inside it, or a run of one and the same sign.
_PIECE = re.compile(r"\w+(?:['’]\w+)*|([^\w\s])\1*")
_JOINING = "-·/~"  # no space on either side: 3·1, well-known
_CLOSING = frozenset(".,!?;:…%)]}’”」』》〉" + _JOINING)  # no space before them
_OPENING = frozenset("([{‘“「『《〈" + _JOINING)  # no space behind them


def gap(left: str, right: str) -> str:
    """What stands between two pieces unless another piece says so: a space, or nothing beside a sign.

    left : the piece before, "" at the beginning of a text
    """
    return "" if not left or left[-1] in _OPENING or right[0] in _CLOSING else " "


def is_gap(piece: str) -> bool:
    """Whether a piece is white space that was written out, or "" for a space that is missing."""
    return not piece or piece.isspace()


def pieces(text: str) -> list[str]:
    """Words and signs; white space is a piece of its own only where it is not what one would expect.

    One expects a space between two pieces, but none before ``.,!?)`` and the like and none behind ``(``.
    Line ends, other white space, and "" where a space is missing are pieces.  `joined` gives the text back,
    character by character.

    >>> pieces("나는 학교에 간다. (정말!)")
    ['나는', '학교에', '간다', '.', '(', '정말', '!', ')']
    >>> pieces("one\\ntwo  three=3")
    ['one', '\\n', 'two', '  ', 'three', '', '=', '', '3']
    """
    found, before, end = [], "", 0
    for match in _PIECE.finditer(text):
        piece, between = match.group(), text[end : match.start()]
        if between != gap(before, piece):
            found.append(between)
        found.append(piece)
        before, end = piece, match.end()
    if end < len(text):
        found.append(text[end:])
    return found


class Joiner:
    """Pieces as text again, one at a time.

    before : the pieces that stand there already
    spaced : whether a space stands behind them, which is not to be written twice

    >>> joiner = Joiner()
    >>> [joiner.add(piece) for piece in ["나는", "간다", "."]]
    ['나는', ' 간다', '.']
    """

    def __init__(self, before: Iterable[str] = (), spaced: bool = False) -> None:
        self._left, self._spaced = "", False
        for piece in before:
            self.add(piece)
        self._spaced = spaced

    def add(self, piece: str) -> str:
        """The text that this piece adds."""
        if is_gap(piece):
            text, self._left = piece, ""  # the gap is written out, no other is expected
        else:
            text, self._left = gap(self._left, piece) + piece, piece
        if self._spaced:
            text, self._spaced = text.removeprefix(" "), False
        return text


def joined(parts: Iterable[str]) -> str:
    """The text of pieces.

    >>> joined(["나는", "학교에", "간다", "."])
    '나는 학교에 간다.'
    """
    joiner = Joiner()
    return "".join(joiner.add(part) for part in parts)


# How a text is cut into tokens.
LEVELS: dict[str, Callable[[str], list[str]]] = {"char": list, "word": pieces}
