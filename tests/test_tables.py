"""CSV: numbers, times and labels come as they stand, and what is wrong is named by line and column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastrnn.text.tables import Rows, joined, read_table

CSV = "timestamp,온도,압력,anomaly\n2024-01-01,1.5,2,0\n\n2024-01-02,-1e3,.5,1\n"


def table(text: str, **options: Any) -> Any:
    return joined(Rows(text.split("\n"), "a.csv", **options))


def test_every_number_column_but_time_and_label() -> None:
    found = table(CSV, label="anomaly")
    assert found.columns == ("온도", "압력") and found.values.dtype == np.float64
    np.testing.assert_array_equal(found.values, [[1.5, 2], [-1000, 0.5]])
    assert found.times == ["2024-01-01", "2024-01-02"]
    assert found.labels.tolist() == [0, 1] and found.labels.dtype == np.int64
    assert table(CSV).columns == ("온도", "압력", "anomaly") and table(CSV).labels is None


def test_chosen_columns_and_times() -> None:
    assert table(CSV, columns=["압력", "온도"]).values[0].tolist() == [2, 1.5]
    assert table(CSV, columns=["압력"], time="온도").times == ["1.5", "-1e3"]
    assert table("time,x\n1,2\n").times == ["1"]  # by its name, though it is a number
    assert table("x,day\n1,mon\n").times == ["mon"]  # by being none
    assert table("x,y\n1,2\n").times is None
    assert table(",x\n0,7\n1,8\n").columns == ("x",)  # a nameless column counts rows
    assert table("time,x\n1,2\n", columns=["time"]).times is None


def test_files_of_spreadsheets(tmp_path: Path) -> None:
    path = tmp_path / "표.csv"
    path.write_bytes('\ufeff"time","x, y"\r\n"9:00","1"\r\n"9:05",2\r\n'.encode())
    found = read_table(path)
    assert found.columns == ("x, y",) and found.times == ["9:00", "9:05"]
    assert found.values[:, 0].tolist() == [1, 2]


def test_rows_are_read_when_they_are_asked_for() -> None:
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        yield "x"
        for k in range(1000):
            read += 1
            yield str(k)

    rows = iter(Rows(lines(), "a.csv", size=10))
    assert next(rows).values[:, 0].tolist() == list(range(10)) and read < 15
    assert [len(one.values) for one in rows] == [10] * 99


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "a.csv, line 1: this is empty. The first line must name the columns."),
        ("x\n", {}, "a.csv: there are no rows below the header."),
        ("1,2\n3,4\n", {}, "a.csv, line 1: expected the names of the columns, got numbers."),
        ("x,x\n1,2\n", {}, "a.csv, line 1: there are two columns 'x'. Name each differently."),
        ("x,y\n1,2\n1\n", {}, "a.csv, line 3: expected 2 cells as in the header, got 1."),
        ("x,y\n1,2\n1,\n", {},
         "a.csv, line 3: column 'y' must be a finite number, got ''. Fill it in or leave the row out."),
        ("x\n1\nnan\n", {}, "a.csv, line 3: column 'x' must be a finite number, got 'nan'."),
        ("x\n1\n\n\ninf\n", {}, "a.csv, line 5: column 'x' must be a finite number, got 'inf'."),
        ('x\n1\n"1,000"\n', {}, "line 3: column 'x' must be a finite number, got '1,000'."),
        ("x\n1\n1_000\n", {}, "line 3: column 'x' must be a finite number, got '1_000'."),
        ("name\nTom\n", {}, "a.csv: no column has a number in line 2."),
        ("time,value\n1,2\n", {"columns": ["valeu"]},
         "a.csv: a column must be one of time, value, got 'valeu'. Did you mean 'value'?"),
        ("x\n1\n", {"label": "y"}, "a.csv: a column must be one of x, got 'y'."),
        ("x\n1\n", {"time": "t"}, "a.csv: a column must be one of x, got 't'."),
        ("x,y\n1,2\n", {"label": "y"}, "a.csv, line 2: column 'y' must be 0 or 1, got '2'. 1 is an anomaly."),
    ],
)  # fmt: skip
def test_messages(text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        table(text, **options)
    assert message in str(caught.value)
