"""Every kernel, by every door and beside any mates: the same bits.  `test_engine.py` has a model's doors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import THREADS, assert_same_bits, random_params, random_states
from test_kernels import DTYPES, NAMES, TRIED, problem, whole

import fastrnn as fr
from fastrnn.backends import get_backend
from fastrnn.packed import Layout, Packed

cpu = get_backend("cpu")


def sequences(name: str, lengths: Any, inputs: int, units: int, dtype: Any) -> Any:
    """(params, one (x, s0, dy, dsT) a sequence)."""
    cell, rng = TRIED[name], np.random.default_rng([inputs, units])
    params = {k: v / 4 for k, v in random_params(cell, inputs, units, rng, dtype).items()}
    made = []
    for n in lengths:
        x, dy = (rng.standard_normal((n, size)).astype(dtype) for size in (inputs, cell.widths(units)[0]))
        s0, dsT = (random_states(cell, 1, units, rng, dtype) for _ in range(2))
        made.append((x, s0, dy, dsT))
    return params, made


def together(name: str, params: Any, chosen: Any, threads: int) -> list[Any]:
    """(y, dx, last states, gradients of the first ones) of each sequence, from one training call for all."""
    lengths = np.array([len(one[0]) for one in chosen])
    layout = Layout.from_lengths(lengths, lengths.max())
    owner, step = layout.order[layout.sequence], layout.step
    x, dy = (np.stack([chosen[b][k][t] for b, t in zip(owner, step, strict=True)]) for k in (0, 2))
    s0, dsT = (
        tuple(np.concatenate([chosen[b][k][i] for b in layout.order]) for i in range(len(chosen[0][k])))
        for k in (1, 3)
    )
    (y, sT), (dx, ds0, _) = whole(cpu, name, (params, Packed(x, layout), s0, None, dy, dsT), threads)
    again = cpu.run(TRIED[name], "forward", params, Packed(x, layout), s0, False, threads=threads)
    assert_same_bits(again[:2], (y, sT))
    results: list[Any] = [None] * len(chosen)
    for place, b in enumerate(layout.order):
        results[b] = y[owner == b], dx[owner == b], [s[place] for s in sT], [d[place] for d in ds0]
    return results


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_mates(name: str, dtype: Any) -> None:
    """Alone and in batches of every size, plain and ragged, in any order."""
    rng = np.random.default_rng(0)
    for T, inputs, units in ((1, 1, 1), (5, 3, 5), (3, 20, 33), (6, 40, 130)):
        for lengths in (np.full(17, T), rng.integers(1, T + 1, 17)):
            params, made = sequences(name, lengths, inputs, units, dtype)
            alone = [together(name, params, [one], 1)[0] for one in made]
            for B in (2, 5, 9, 17):
                order = rng.permutation(17)[:B]
                found = together(name, params, [made[k] for k in order], 1)
                assert_same_bits(found, [alone[k] for k in order])


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_mates_and_threads(name: str, dtype: Any) -> None:
    """Threads share units or rows; a ragged batch goes over from one to the other (`plan` in _doors.pyx)."""
    rng = np.random.default_rng(1)
    params, made = sequences(name, rng.integers(10, 33, 13), 8, 400, dtype)
    alone = [together(name, params, [one], 1)[0] for one in made]
    for B in (1, 5, 13):
        order = rng.permutation(13)[:B]
        for threads in THREADS:
            found = together(name, params, [made[k] for k in order], threads)
            assert_same_bits(found, [alone[k] for k in order])


@pytest.mark.parametrize("ids", [False, True], ids=["dense", "one-hot"])
@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_a_stream(name: str, dtype: Any, ids: bool) -> None:
    """One step at a time, from the states in which the one before ended; weights kept packed and not."""
    for B, T, inputs, units in ((1, 6, 3, 5), (3, 4, 9, 33), (2, 3, 40, 900)):
        layout = Layout.plain(B, T)
        params, x, s0, *_ = problem(name, layout, inputs, units, dtype, False, ids)
        y, sT, _ = cpu.run(TRIED[name], "forward", params, x, s0, False)
        for kept in (params, fr.Weights(params)):
            stream = cpu.kernels[name].steps(kept, B, ids, 2)
            stream.reset(s0)
            for t in range(T):
                assert_same_bits(stream(x.rows[t * B : (t + 1) * B]), y[t * B : (t + 1) * B])
            assert_same_bits(stream.state, sT)


@pytest.mark.parametrize("masked", [False, True], ids=["", "dropout"])
@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_both_directions(name: str, dtype: Any, masked: bool) -> None:
    """Beside each other and one after the other, they are what each is alone."""
    kernel = cpu.kernels[name]
    for lengths, inputs, units in (([5, 2, 0, 3], 4, 21), ([30] * 4, 8, 260), ([9, 8] * 10, 30, 40)):
        layout = Layout.from_lengths(np.array(lengths), max(lengths))
        back = layout.reversal
        one = problem(name, layout, inputs, units, dtype, masked, False)
        params, x, s0, h_mask, dy, dsT = one
        other = (
            {k: v[::-1].copy() for k, v in params.items()}, x.with_rows(x.rows[back]),
            tuple(s[::-1].copy() for s in s0), None if h_mask is None else h_mask[::-1].copy(), dy[back], dsT,
        )  # fmt: skip
        found = [whole(cpu, name, arguments) for arguments in (one, other)]
        ((y, sT), (dx, ds, grads)), ((y_back, sT_back), (dx_back, ds_back, grads_back)) = found
        for threads in (1, 2, 3):
            both, states, caches = kernel.forward_both(
                (params, other[0]), x, (s0, other[2]), True, (h_mask, other[3]), threads=threads
            )
            assert_same_bits(both, np.concatenate([y, y_back[back]], axis=1))
            assert_same_bits(states, (sT, sT_back))
            result = kernel.backward_both(
                (params, other[0]), caches, (dy, dy), (dsT, dsT), threads=threads
            )
            assert_same_bits(result, (dx + dx_back[back], (ds, ds_back), (grads, grads_back)))


@pytest.mark.parametrize(
    ("one", "other"),
    [("gru_before", "lstm_coupled"), ("rnn_tanh", "rnn_relu"), ("lstm_coupled", "gru_before")],
)
def test_weights_of_the_same_shapes_serve_any_cell(one: str, other: str) -> None:
    """What was packed for one cell is not read by another."""
    layout = Layout.plain(3, 4)
    params, x, s0, *_ = problem(one, layout, 5, 21, np.float32, False, False)
    weights, h = fr.Weights(params), s0[0]
    for name in (one, other, one):
        states = tuple(h for _ in TRIED[name].states)
        runs = [cpu.run(TRIED[name], "forward", p, x, states, False)[:2] for p in (weights, params)]
        assert_same_bits(*runs)
