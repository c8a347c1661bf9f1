"""CSV with a header: columns of numbers, and a column that says when.

What is missing or no number is an error that names line and column: what a hole in a series means, only its
owner knows.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import unknown
from .readers import read_text

TIME = ("timestamp", "time", "date", "datetime")  # names of the column that says when


@dataclass(frozen=True)
class Table:
    """Columns of a CSV file.

    Attributes
    ----------
    columns : names, F of them
    values : float64 [T, F]
    times : what the column of times says, T strings, or None where there is no such column
    labels : int64 [T], 0 or 1, or None where no column was named for them
    """

    columns: tuple[str, ...]
    values: np.ndarray
    times: list[str] | None
    labels: np.ndarray | None


class Rows:
    """The rows of a CSV with a header, read one at a time; iterating gives tables of up to `size` rows.

    Parameters
    ----------
    lines : the lines of the file
    name : of the file, for messages
    columns : names of the columns to read; None reads every column that has a number in the first row
    time : name of the column that says when; None takes the first one that is called timestamp, time, date or
        datetime, or else the first one that is no number
    label : name of a column of 0 and 1, or None
    size : rows a table

    Raises
    ------
    ValueError : no header, a name that is not in it, a row with too few or too many cells, a cell that is no
        finite number; line and column are named

    >>> rows = Rows(["time,value", "9:00,1.5", "9:05,2"], "a.csv")
    >>> [(table.times, table.values.tolist()) for table in rows]
    [(['9:00', '9:05'], [[1.5], [2.0]])]
    """

    def __init__(
        self, lines: Iterable[str], name: str, *, columns: Sequence[str] | None = None,
        time: str | None = None, label: str | None = None, size: int = 256,
    ) -> None:  # fmt: skip
        self.name, self.size = name, size
        self._reader = csv.reader(lines)
        header = next(self._reader, None)
        if not header:
            raise ValueError(f"{name}, line 1: this is empty. The first line must name the columns.")
        self.header = [cell.strip().removeprefix("\ufeff") for cell in header]
        if all(_number(cell) is not None for cell in self.header):
            raise ValueError(
                f"{name}, line 1: expected the names of the columns, got numbers. Put a line such as "
                "time,value in front."
            )
        doubled = [one for one in self.header if self.header.count(one) > 1]
        if doubled:
            raise ValueError(f"{name}, line 1: there are two columns {doubled[0]!r}. Name each differently.")
        for one in (*(columns or ()), *(option for option in (time, label) if option is not None)):
            if one not in self.header:
                raise unknown(name, "a column", one, self.header)
        first = next(self._full(), None)
        if first is None:
            raise ValueError(f"{name}: there are no rows below the header.")
        self._first = first
        numeric = [c for c, cell in zip(self.header, first[1], strict=True) if _number(cell) is not None]
        if time is None:
            named = [c for c in self.header if c.lower() in TIME and c not in (columns or ())]
            others = [c for c in self.header if c not in numeric and c not in (columns or ()) and c != label]
            time = next(iter([*named, *others]), None)
        self.time, self.label = time, label
        if columns is None:
            columns = [c for c in numeric if c and c not in (time, label)]  # a nameless one counts rows
        if not columns:
            raise ValueError(f"{name}: no column has a number in line {first[0]}.")
        self.columns = tuple(columns)

    def __iter__(self) -> Iterator[Table]:
        waiting = [self._first]
        for row in self._full():
            if len(waiting) == self.size:
                yield self._table(waiting)
                waiting = []
            waiting.append(row)
        yield self._table(waiting)

    def _full(self) -> Iterator[tuple[int, list[str]]]:
        """(number of its line, its cells) of each row that is not empty."""
        for cells in self._reader:
            if not any(cell.strip() for cell in cells):
                continue
            line = self._reader.line_num
            if len(cells) != len(self.header):
                expected = f"expected {len(self.header)} cells as in the header"
                raise ValueError(f"{self.name}, line {line}: {expected}, got {len(cells)}.")
            yield line, cells

    def _table(self, rows: list[tuple[int, list[str]]]) -> Table:
        places = [self.header.index(c) for c in self.columns]
        values = np.empty((len(rows), len(places)))
        for t, (line, cells) in enumerate(rows):
            for k, place in enumerate(places):
                number = _number(cells[place])
                if number is None:
                    advice = "Fill it in or leave the row out."
                    raise self._wrong(line, place, cells, "a finite number", advice)
                values[t, k] = number
        times = labels = None
        if self.time is not None:
            place = self.header.index(self.time)
            times = [cells[place].strip() for _, cells in rows]
        if self.label is not None:
            place = self.header.index(self.label)
            labels = np.empty(len(rows), np.int64)
            for t, (line, cells) in enumerate(rows):
                number = _number(cells[place])
                if number not in (0.0, 1.0):
                    raise self._wrong(line, place, cells, "0 or 1", "1 is an anomaly.")
                labels[t] = int(number)
        return Table(self.columns, values, times, labels)

    def _wrong(self, line: int, place: int, cells: list[str], expected: str, advice: str) -> ValueError:
        where = f"{self.name}, line {line}: column {self.header[place]!r}"
        return ValueError(f"{where} must be {expected}, got {cells[place]!r}. {advice}")


def read_table(path: Any, **options: Any) -> Table:
    """All of a CSV file; options and errors are those of `Rows`."""
    return joined(Rows(read_text(path).split("\n"), str(path), **options))


def joined(tables: Iterable[Table]) -> Table:
    """Tables of the same columns as one."""
    parts = list(tables)
    first = parts[0]
    times = None if first.times is None else [time for part in parts for time in part.times or ()]
    labels = None if first.labels is None else np.concatenate([p.labels for p in parts])
    return Table(first.columns, np.concatenate([part.values for part in parts]), times, labels)


def _number(cell: str) -> float | None:
    """The finite number that a cell holds, or None."""
    try:
        number = float(cell)
    except ValueError:
        return None
    if "_" in cell:  # Python reads 1_000, nobody else does
        return None
    return number if math.isfinite(number) else None
