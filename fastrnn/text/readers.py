"""Text files.  Everything is UTF-8; what is not is an error that names the line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_text(path: Any) -> str:
    """The whole of a text file, with line ends as they are on Unix and without a byte order mark.

    Raises
    ------
    ValueError : it is not UTF-8
    OSError
    """
    content = Path(path).read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: this is not UTF-8 ({error.reason}). Save the file as UTF-8, "
            f"for example with: iconv -f CP949 -t UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_labelled(path: Any) -> tuple[list[str], list[str]]:
    """(texts, labels) of a file with a text, a tab and its label on each line.  Empty lines are left out.

    Raises
    ------
    ValueError : a line has no tab, or nothing before or after it; it is named
    """
    texts, labels = [], []
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        text, tab, label = line.rpartition("\t")
        if not tab or not text.strip() or not label.strip():
            got = line if len(line) < 60 else line[:57] + "..."
            raise ValueError(f"{path}, line {number}: expected a text, a tab and its label, got {got!r}.")
        texts.append(text.strip())
        labels.append(label.strip())
    return texts, labels


def _lines(path: Any) -> Iterator[str]:
    yield from read_text(path).split("\n")  # not splitlines(): U+2028 may stand in a text
