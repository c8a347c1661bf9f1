"""What all importers share: the table of gates, telling files apart, and the commands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from fastrnn.interop.gates import ORDERS, reorder

DOCS = Path(__file__).resolve().parents[1] / "docs" / "interop.md"


@pytest.mark.skipif(not DOCS.is_file(), reason="docs/interop.md is not beside an installed package")
def test_the_table_of_the_docs_is_the_table_of_the_code() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]  # fmt: skip
    frameworks = ["fastrnn", "torch", "keras", "onnx"]
    said = {row[0]: dict(zip(frameworks, row[1:], strict=True)) for row in rows if len(row) == 5}
    for row, recurrence in (("LSTM", "lstm"), ("LSTM, peepholes", "peephole"), ("GRU", "gru")):
        found = {f: order.replace(" ", "") for f, order in said[row].items() if order != "none"}
        assert found == ORDERS[recurrence]
    assert re.search(r"i input, f forget, g candidate, o output", DOCS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("recurrence", ORDERS)
def test_there_and_back(recurrence: str) -> None:
    for there, order in ORDERS[recurrence].items():
        blocks = np.repeat(np.arange(len(order)), 3)[:, None] * np.ones(2)
        here = reorder(blocks, recurrence, there, "fastrnn")
        letters = [order[int(k)] for k in here[::3, 0]]
        assert letters == list(ORDERS[recurrence]["fastrnn"])
        assert (reorder(here, recurrence, "fastrnn", there) == blocks).all()
