"""CoNLL-U (universaldependencies.org/format.html): sentences of words with ten columns each.

Everything that is read comes back when it is written: comments, multiword tokens (ID 3-4), empty nodes
(ID 5.1) and all columns.  Only the words (ID 1, 2, ...) are tagged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .readers import read_text

_COLUMNS = 10
_ID, _FORM, _UPOS = 0, 1, 3
_EMPTY = re.compile(r"[0-9]+\.[1-9][0-9]*")
_MULTIWORD = re.compile(r"([1-9][0-9]*)-([1-9][0-9]*)")
UNTAGGED = "_"


@dataclass(frozen=True)
class ConlluSentence:
    """One sentence of a file.

    Attributes
    ----------
    comments : its lines that begin with "#", in front of the words
    rows : the ten columns of each of its other lines, multiword tokens and empty nodes among them
    line : the number of its first line in the file

    >>> first = next(parse_conllu(conllu([("I", "PRON"), ("run", "VERB")])))
    >>> first.tokens, first.tags
    (['I', 'run'], ['PRON', 'VERB'])
    >>> print(first.tagged(["X", "Y"]).rows[1][:4])
    ('2', 'run', '_', 'Y')
    """

    comments: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    line: int = 1

    @property
    def words(self) -> list[tuple[str, ...]]:
        """The rows of words."""
        return [row for row in self.rows if row[_ID].isdigit()]

    @property
    def tokens(self) -> list[str]:
        """The words' forms."""
        return [row[_FORM] for row in self.words]

    @property
    def tags(self) -> list[str]:
        """The words' universal parts of speech; "_" where the file has none."""
        return [row[_UPOS] for row in self.words]

    def tagged(self, tags: Sequence[str]) -> ConlluSentence:
        """The same sentence with other parts of speech, one a word; all other columns are kept."""
        if len(tags) != len(self.tokens):
            raise ValueError(
                f"ConlluSentence.tagged: tags must be {len(self.tokens)}, one a word, got {len(tags)}."
            )
        left = iter(tags)
        rows = [
            (*row[:_UPOS], next(left), *row[_UPOS + 1 :]) if row[_ID].isdigit() else row for row in self.rows
        ]
        return ConlluSentence(self.comments, tuple(rows), self.line)

    def __str__(self) -> str:
        """The lines of the file, each with its end, without the empty line behind."""
        return "".join(f"{line}\n" for line in (*self.comments, *("\t".join(row) for row in self.rows)))


def conllu(pairs: Iterable[tuple[str, str]]) -> str:
    """A sentence of (token, tag) as the text of a file, all other columns empty.

    >>> print(conllu([("간다", "VERB")]), end="")
    1	간다	_	VERB	_	_	_	_	_	_
    <BLANKLINE>
    """
    rows = (f"{k}\t{token}\t_\t{tag}" + "\t_" * 6 for k, (token, tag) in enumerate(pairs, 1))
    return "".join(f"{row}\n" for row in rows) + "\n"


def read_conllu(path: Any) -> list[ConlluSentence]:
    """The sentences of a file.

    Raises
    ------
    ValueError : a line is malformed; it is named
    OSError
    """
    return list(parse_conllu(read_text(path), str(path)))


def write_conllu(path: Any, sentences: Iterable[ConlluSentence]) -> None:
    """Write a file, UTF-8, an empty line behind each sentence."""
    Path(path).write_bytes("".join(f"{sentence}\n" for sentence in sentences).encode())


def parse_conllu(text: str, name: str = "CoNLL-U") -> Iterator[ConlluSentence]:
    """The sentences of a text, one by one; `name` says in errors where it is from.

    Raises
    ------
    ValueError : a line is malformed; it is named
    """
    comments: list[str] = []
    rows: list[tuple[str, ...]] = []
    first = 1
    # Not splitlines(): U+2028 and the like may stand in a form.
    for number, line in enumerate([*text.split("\n"), ""], 1):
        where = f"{name}, line {number}"
        if not line.strip():
            if rows:
                yield ConlluSentence(tuple(comments), tuple(rows), first)
            elif comments:
                raise ValueError(f"{where}: expected the words of a sentence after its comments, got none.")
            comments, rows = [], []
            continue
        if not comments and not rows:
            first = number
        if line.startswith("#") and rows:
            raise ValueError(f"{where}: expected a word or an empty line, got a comment inside a sentence.")
        if line.startswith("#"):
            comments.append(line)
        else:
            rows.append(_row(line, where, rows))


def _row(line: str, where: str, before: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The columns of a line, checked; `before` are the rows of the sentence so far."""
    row = tuple(line.split("\t"))
    if len(row) != _COLUMNS:
        advice = "" if "\t" in line else " Columns are separated by tabs."
        raise ValueError(f"{where}: expected {_COLUMNS} columns, got {len(row)}.{advice}")
    if not all(row):
        raise ValueError(f'{where}: expected something in every column, got nothing in column '
                         f'{row.index("") + 1}. An unknown value is "_".')  # fmt: skip
    last = sum(one[_ID].isdigit() for one in before)
    multiword = _MULTIWORD.fullmatch(row[_ID])
    if multiword:
        right = int(multiword[1]) == last + 1 <= int(multiword[2])
    else:
        right = row[_ID] == str(last + 1) or _EMPTY.fullmatch(row[_ID]) is not None
    if not right:
        raise ValueError(
            f'{where}: expected the ID {last + 1}, "{last + 1}-n" or "{last}.n", got {row[_ID]!r}.'
        )
    return row
