"""The puzzles are those of the paper: lengths, places of the marks, targets, balance."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn.samples.puzzles import CLASSES, SYMBOLS, adding_problem, temporal_order

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # at the end: it must not hide an installed fastrnn

from bench.accuracy import gradients  # noqa: E402


@pytest.mark.parametrize("T", [20, 100])
def test_the_adding_problem_follows_the_paper(T: int) -> None:
    x, y = adding_problem(400, T)
    lengths = np.array([len(one) for one in x])
    assert lengths.min() == T and lengths.max() == T + T // 10
    firsts, seconds, on_first_step = set(), set(), 0
    for one, target in zip(x, y, strict=True):
        assert one.dtype == np.float32 and one.shape[1] == 2 and np.abs(one[:, 0]).max() <= 1
        marks = one[:, 1]
        assert marks[-1] == -1 and set(np.unique(marks)) <= {-1.0, 0.0, 1.0}
        places = np.flatnonzero(marks == 1)
        assert len(places) == 2 and places[0] < 10 and places[1] < max(10, T // 2 - 1)
        firsts.add(int(places[0]))
        seconds.add(int(places[1]))
        if (
            places[0] == 0
        ):  # the mark of the number wins over that of the start, and its number counts nothing
            on_first_step += 1
            assert one[0, 0] == 0
        else:
            assert marks[0] == -1
        assert np.count_nonzero(marks) == (3 if places[0] == 0 else 4)
        assert target == pytest.approx(0.5 + one[places, 0].sum() / 4, abs=1e-6)
    assert firsts == set(range(10)) or T == 20
    assert max(seconds) == max(9, T // 2 - 2) and on_first_step > 10
    assert y.dtype == np.float32 and y.min() >= 0 and y.max() <= 1
    assert np.mean((y - 0.5) ** 2) == pytest.approx(1 / 24, rel=0.15)  # what is wrong with always saying 0.5


def test_temporal_order_follows_the_paper() -> None:
    x, y = temporal_order(2000)
    assert x[0].dtype == y.dtype == np.int64
    lengths = {len(one) for one in x}
    assert lengths == set(range(100, 111))
    places: tuple[set[int], set[int]] = (set(), set())
    for one, kind in zip(x, y, strict=True):
        word = [SYMBOLS[i] for i in one]
        assert word[0] == "E" and word[-1] == "B" and not {"E", "B"} & set(word[1:-1])
        found = [k for k, symbol in enumerate(word) if symbol in "XY"]
        assert len(found) == 2 and "".join(word[k] for k in found) == CLASSES[kind]
        for seen, k in zip(places, found, strict=True):
            seen.add(k)
    assert places == (set(range(10, 21)), set(range(50, 61)))
    assert np.bincount(y) / 2000 == pytest.approx(0.25, abs=0.04)
    distractors = np.bincount(np.concatenate(x), minlength=8)[2:6]
    assert distractors / distractors.sum() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("make", [adding_problem, temporal_order])
def test_a_seed_is_a_data_set(make: Any) -> None:
    (x, y), (same_x, same_y), (other, _) = make(20, 40, 3), make(20, 40, seed=3), make(20, 40, 4)
    assert all((a == b).all() for a, b in zip(x, same_x, strict=True)) and (y == same_y).all()
    assert not all(len(a) == len(b) and (a == b).all() for a, b in zip(x, other, strict=True))


def test_float64_has_the_same_numbers() -> None:
    (x, y), (x64, y64) = adding_problem(3, 20), adding_problem(3, 20, dtype="float64")
    assert x64[0].dtype == y64.dtype == np.float64
    np.testing.assert_allclose(x[2], x64[2], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(y, y64, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adding_problem(0), "adding_problem: n must be a whole number of at least 1, got 0"),
        (lambda: adding_problem(5, 19), "adding_problem: T must be a whole number of at least 20, got 19"),
        (lambda: temporal_order(5, 100.0),
         "temporal_order: T must be a whole number of at least 20, got 100.0"),
        (lambda: temporal_order(5, seed=-1),
         "temporal_order: seed must be a whole number of at least 0, got -1"),
        (lambda: temporal_order(True), "temporal_order: n must be a whole number of at least 1, got True"),
    ],
)  # fmt: skip
def test_messages(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
    with pytest.raises(fr.DtypeError, match="adding_problem: dtype must be float32 or float64, got float16"):
        adding_problem(3, dtype="float16")


def test_the_bench_stops_when_all_are_right() -> None:
    puzzle = gradients.Puzzle("order", 20, 12_000)
    found = gradients.solve(puzzle, fr.LSTM(16), 0, gradients.adam(0.01))
    assert found["verdict"] == "healthy" and 2_000 <= found["sequences"] < 12_000
    assert found["wrong"] < 20 and found["accuracy"] > 0.99
    failed = gradients.solve(gradients.Puzzle("adding", 20, 2_000), fr.RNN(4), 0)
    assert failed["sequences"] == 0 and failed["wrong"] > 1_000 and failed["mse"] > 0.01
    assert gradients.Puzzle("adding", 20, 1).wrong(np.array([[0.03], [0.05], [np.nan]])) == 2


def test_a_network_with_a_long_memory_learns_what_a_short_one_cannot() -> None:
    """The order of two symbols over 60 steps; the verdicts before training say so."""
    x, y = temporal_order(3000, 60)
    xt, yt = temporal_order(300, 60, seed=1)
    accuracy, verdict = {}, {}
    for name, layer in (
        ("long", fr.LSTM(16, bias_initializer=fr.initializers.Chrono(66))),
        ("short", fr.LSTM(16, unit_forget_bias=False)),
    ):
        model = fr.Sequential([fr.OneHot(8), layer, fr.Dense(4, activation="softmax")], seed=0)
        optimizer = fr.optimizers.Adam(0.005, global_clipnorm=1.0)
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        verdict[name] = fr.diagnose(model, x, y).verdict
        model.fit(x, y, epochs=3, verbose=0)
        accuracy[name] = model.evaluate(xt, yt)[1]
    assert verdict == {"long": "healthy", "short": "vanishing"}
    assert accuracy["long"] > 0.95 and accuracy["short"] < 0.6
