"""summary(): parameters, bytes and floating-point operations against a count by hand."""

from __future__ import annotations

from typing import Any

import pytest

import fastrnn as fr


def summary(layers: list[Any], shape: tuple[Any, ...], **options: Any) -> list[list[str]]:
    """The table's rows, split at two spaces or more."""
    model = fr.Sequential(layers, seed=0, **options)
    model.build(shape)
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert len({len(line) for line in lines if line.strip("-")}) == 1  # the columns stand straight
    assert [k for k, line in enumerate(lines) if not line.strip("-")] == [1, len(lines) - 2]
    table = [[c for c in line.split("  ") if c] for line in lines if line.strip("-")]
    return [[c.strip() for c in row] for row in table]


def test_the_table() -> None:
    I, H, V, C = 5, 4, 11, 3  # inputs, units, ids, classes
    rows = summary(
        [fr.Embedding(V, I), fr.Bidirectional(fr.LSTM(H, return_sequences=True)), fr.GRU(H), fr.Dense(C)],
        (None, None),
    )  # fmt: skip
    lstm = 4 * H * I + 4 * H * H + 4 * H
    gru = 3 * H * 2 * H + 3 * H * H + 2 * 3 * H
    counts = [V * I, 2 * lstm, gru, C * H + C]

    def step(gates: int, inputs: int) -> int:
        """Two products of a multiplication and an addition each, and two for every gate's function."""
        return 2 * gates * H * inputs + 2 * gates * H * H + 2 * gates * H

    flops = [0, 2 * step(4, I), step(3, 2 * H), 2 * C * H + C]
    names = ["embedding (Embedding)", "bidirectional (Bidirectional)", "gru (GRU)", "dense (Dense)"]
    shapes = ["[B, T, 5]", "[B, T, 8]", "[B, 4]", "[B, 3]"]
    wanted = [
        [name, shape, f"{n:,}", f"{4 * n:,}", f"{f:,}"]
        for name, shape, n, f in zip(names, shapes, counts, flops, strict=True)
    ]
    assert rows[0] == ["layer", "output", "parameters", "bytes", "FLOPs/step"]
    assert rows[1:-1] == wanted
    assert rows[-1] == ["total", f"{sum(counts):,}", f"{4 * sum(counts):,}", f"{sum(flops):,}"]


@pytest.mark.parametrize(
    ("layers", "shape", "flops"),
    [
        ([fr.OneHot(100_000), fr.LSTM(4)], (None, None), [0, 16 + 2 * 16 * 4 + 2 * 16]),
        ([fr.OneHot(100_000), fr.Dense(4)], (None, None), [0, 4 + 4]),
        ([fr.RNN(4)], (None, None, 3), [2 * 4 * 3 + 2 * 4 * 4 + 2 * 4]),
        ([fr.Dense(7)], (None, None, 5, 3), [5 * (2 * 7 * 3 + 7)]),
        ([fr.TimeDistributed(fr.Dense(7))], (None, None, 3), [2 * 7 * 3 + 7]),
        ([fr.Dropout(0.5), fr.Masking(), fr.Activation("tanh")], (None, None, 3), [0, 0, 0]),
    ],
)
def test_operations(layers: list[Any], shape: tuple[Any, ...], flops: list[int]) -> None:
    assert [int(row[-1].replace(",", "")) for row in summary(layers, shape)[1:-1]] == flops


def test_bytes_follow_the_dtype_and_shapes_the_fixed_length() -> None:
    rows = summary([fr.LSTM(4, return_sequences=True)], (None, 6, 3), dtype="float64")
    assert rows[1][1:4] == ["[B, 6, 4]", "128", "1,024"]


def test_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    model = fr.Sequential([fr.Input((None, 8)), fr.LSTM(4)], seed=0)
    model.summary()
    assert "lstm (LSTM)" in capsys.readouterr().out
    assert model.count_params() == 4 * 4 * (8 + 4) + 16
