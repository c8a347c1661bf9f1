"""The kernels equal the cells, for any number of threads; and what they stand on, piece by piece."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from cases import (
    BIG,
    SIZES,
    THREADS,
    assert_close,
    assert_same_bits,
    packed_problem,
    ragged,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from fastrnn.backends import get_backend
from fastrnn.cells import CELLS, Cell, lstm_cell
from fastrnn.kernels import _memory, update
from fastrnn.layers import embedding
from fastrnn.packed import Layout, Packed

DTYPES = (np.float32, np.float64)
# (tolerance, of_array): see assert_close.
TOLERANCE = {np.float32: (1e-5, True), np.float64: (1e-12, False)}
cpu = get_backend("cpu")
# Every cell that has a kernel. 70 outputs are fewer than the units of some cases and more than those of
# others, and fill no panel.
TRIED: dict[str, Cell] = {
    name: cell
    for name, cell in {**CELLS, "lstm_projected": lstm_cell(projection=70)}.items()
    if name in cpu.kernels
}
NAMES = tuple(TRIED)


def test_every_named_cell_has_a_kernel_and_is_tried() -> None:
    formulas = {"dense", "embedding", "crossentropy", *update.RULES}
    assert set(NAMES) == set(cpu.kernels) - formulas and set(CELLS) < set(NAMES)


def problem(
    name: str, layout: Layout, inputs: int, units: int, dtype: Any, masked: bool, ids: bool
) -> Any:
    """(params, x, s0, h_mask, dy, dsT); weights small enough that float32 keeps its digits."""
    cell = TRIED[name]
    params, x, s0 = packed_problem(cell, layout, inputs, units, dtype)
    rng = np.random.default_rng(2)
    if ids:
        x = Packed(rng.integers(0, inputs, layout.N), layout, depth=inputs)
    width = cell.widths(units)[0]
    keep = rng.random((layout.B, width)) < 0.7
    h_mask = keep.astype(dtype) / dtype(0.7) if masked else None
    dy = rng.standard_normal((layout.N, width)).astype(dtype)
    dsT = tuple(rng.standard_normal(s.shape).astype(dtype) for s in s0)
    # Peepholes see a memory that nothing bounds, step after step.
    params = {k: dtype(0.2 if k == "p" else 0.5) * v for k, v in params.items()}
    return params, x, s0, h_mask, dy, dsT


def double(value: Any) -> Any:
    """A result or an argument in float64."""
    if isinstance(value, dict):
        return {k: double(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return tuple(double(v) for v in value)
    if isinstance(value, Packed):
        return value if value.depth is not None else value.with_rows(double(value.rows))
    return None if value is None else value.astype(np.float64)


def whole(backend: Any, name: str, arguments: Any, threads: int = 1) -> Any:
    """Outputs, states and all gradients of one training call."""
    params, x, s0, h_mask, dy, dsT = arguments
    cell = TRIED[name]
    y, sT, cache = backend.run(cell, "forward", params, x, s0, True, h_mask, threads=threads)
    out = y.copy(), tuple(s.copy() for s in sT)
    return out, backend.run(cell, "backward", params, cache, dy, dsT, threads=threads)


def compare(name: str, arguments: Any, dtype: Any, threads: Any = (1,)) -> None:
    """The kernel equals the cell, which computes in float64, and itself for any thread count."""
    wanted = whole(get_backend("reference"), name, double(arguments))
    results = [whole(cpu, name, arguments, n) for n in threads]
    assert_close(results[0], wanted, *TOLERANCE[dtype])
    for result in results[1:]:
        assert_same_bits(result, results[0])
    params, x, s0, h_mask, _, _ = arguments
    for n in threads:
        y, sT, cache = cpu.run(
            TRIED[name], "forward", params, x, s0, False, h_mask, threads=n
        )
        assert cache is None
        assert_same_bits((y, sT), results[0][0])


@pytest.mark.parametrize("ids", [False, True], ids=["dense", "one-hot"])
@pytest.mark.parametrize("masked", [False, True], ids=["", "dropout"])
@pytest.mark.parametrize("shape", ["plain", "ragged"])
@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_kernel_equals_cell_for_any_threads(
    name: str, dtype: Any, shape: str, masked: bool, ids: bool
) -> None:
    B, T, I, H = BIG
    if shape == "plain":
        layout = Layout.plain(B, T)
    else:
        layout = Layout.from_lengths(ragged(B, 2 * T, np.random.default_rng(1)), 2 * T)
    assert layout.N * H * H > 5_000_000  # so that the smallest phase starts its threads
    compare(name, problem(name, layout, I, H, dtype, masked, ids), dtype, THREADS)


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_kernel_equals_cell_at_odd_sizes(name: str, size: Any, dtype: Any) -> None:
    B, T, I, H = size
    rng = np.random.default_rng(0)
    for layout in (Layout.plain(B, T), Layout.from_lengths(ragged(B, T, rng), T)):
        for masked in (False, True):
            compare(name, problem(name, layout, I, H, dtype, masked, False), dtype, (1, 3))


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_many_units_and_many_steps(name: str, dtype: Any) -> None:
    """More units than a task of a weight gradient (256), more rows than a chunk (96)."""
    layout = Layout.from_lengths(np.array([3, 1, 0, 2]), 3)
    compare(name, problem(name, layout, 5, 259, dtype, False, False), dtype, (1, 3))
    layout = Layout.from_lengths(np.array([230, 100, 97, 96, 1, 130, 0, 99, 99]), 230)
    compare(name, problem(name, layout, 3, 5, dtype, True, False), dtype, (1, 2))


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("masked", [False, True], ids=["", "dropout"])
@pytest.mark.parametrize("name", NAMES)
def test_one_sequence_is_shared_by_units(name: str, masked: bool, dtype: Any) -> None:
    """Threads then wait for each other at every step, and at every half of one."""
    B, T, I, H = 1, 30, 9, 400
    assert T * H * H > 4_000_000 and H * 70 * 5 > 2 * 60_000  # see `plan` in kernels/_doors.pyx
    compare(name, problem(name, Layout.plain(B, T), I, H, dtype, masked, False), dtype, THREADS)


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_a_large_vocabulary_and_few_rows(name: str, dtype: Any) -> None:
    """One-hot rows then read the weights themselves, not their panels."""
    for layout in (Layout.plain(2, 5), Layout.from_lengths(np.array([1, 0, 4]), 4)):
        compare(name, problem(name, layout, 500, 9, dtype, False, True), dtype, (1, 3))


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    lengths=st.lists(st.integers(0, 9), min_size=0, max_size=20),
    inputs=st.integers(1, 70),
    units=st.integers(1, 70),
    dtype=st.sampled_from(DTYPES),
    masked=st.booleans(),
    ids=st.booleans(),
)
def test_kernel_equals_cell_at_any_shape(
    name: str, lengths: list[int], inputs: int, units: int, dtype: Any, masked: bool, ids: bool
) -> None:
    layout = Layout.from_lengths(np.array(lengths, np.int64), 9)
    compare(name, problem(name, layout, inputs, units, dtype, masked, ids), dtype, (1, 2))


@pytest.mark.parametrize("name", NAMES)
def test_layouts_of_memory_do_not_matter(name: str) -> None:
    """Fortran order and strides are read as what they mean."""
    layout = Layout.from_lengths(np.array([3, 5, 1, 0, 5]), 5)
    params, x, s0, h_mask, dy, dsT = problem(name, layout, 3, 4, np.float64, True, False)

    def strided(a: np.ndarray) -> np.ndarray:
        out = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan)[..., ::2]
        out[...] = a
        return out

    wanted = whole(cpu, name, (params, x, s0, h_mask, dy, dsT))
    for other in (np.asfortranarray, strided):
        moved = (
            {k: other(v) for k, v in params.items()},
            x.with_rows(other(x.rows)),
            tuple(other(s) for s in s0),
            other(h_mask),
            other(dy),
            tuple(other(d) for d in dsT),
        )
        assert_same_bits(whole(cpu, name, moved), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_of_zero_end_in_arrays_not_in_signals(name: str) -> None:
    """I = 0 and H = 0: in a process of its own, because a wrong division would end this one."""
    code = f"""
import numpy as np
from test_kernels import *
from cases import packed_problem
for inputs, units in ((0, 4), (3, 0), (0, 0)):
    results = []
    for backend in ("cpu", "reference"):
        run, cell = get_backend(backend).run, TRIED[{name!r}]
        for layout in (Layout.plain(3, 2), Layout.from_lengths(np.array([2, 0, 1]), 2)):
            params, x, s0 = packed_problem(cell, layout, inputs, units)
            y, sT, cache = run(cell, "forward", params, x, s0, True)
            results.append((y.copy(), sT, run(cell, "backward", params, cache, y.copy(), s0)))
    assert_close(results[:2], results[2:], 1e-12)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": ":".join(p for p in sys.path if p)},
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == done.stderr == ""  # BLAS prints where it is called with a bad size


# ---------------------------------------------------------------------- Dense


ACTIVATIONS = {
    "linear": (lambda a: a, lambda y, dy: dy),
    "relu": (lambda a: np.maximum(a, 0), lambda y, dy: dy * (y > 0)),
    "tanh": (np.tanh, lambda y, dy: dy * (1 - y * y)),
    "sigmoid": (expit, lambda y, dy: dy * y * (1 - y)),
    "softmax": (
        lambda a: softmax(a, axis=1),
        lambda y, dy: y * dy - y * (y * dy).sum(axis=1, keepdims=True),
    ),
}


@pytest.mark.parametrize("ids", [False, True], ids=["dense", "one-hot"])
@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dense(activation: str, dtype: Any, ids: bool) -> None:
    """y = f(x W' + b) and its gradients, against NumPy in float64 and over threads."""
    kernel, (f, back) = cpu.kernels["dense"], ACTIVATIONS[activation]
    # More inputs than a tile meets at a time (512): the activation comes at the end, and once.
    sizes = ((0, 3, 4), (1, 1, 1), (5, 3, 2), (129, 7, 257), (300, 300, 65), (3, 700, 5), (2, 1100, 70),
             (700, 2, 400))  # fmt: skip
    for N, I, U in sizes:
        rng = np.random.default_rng([N, I, U])
        layout = Layout.plain(N, 1)
        params = {"W": rng.standard_normal((U, I)) / I**0.5, "b": rng.standard_normal(U)}
        params = {k: v.astype(dtype) for k, v in params.items()}
        rows = rng.standard_normal((N, I)).astype(dtype)
        numbers = rng.integers(0, I, N)
        x = Packed(numbers, layout, depth=I) if ids else Packed(rows, layout)
        dense_rows = np.eye(I)[numbers] if ids else double(rows)
        dy = rng.standard_normal((N, U)).astype(dtype)
        given = [a.tobytes() for a in (rows, dy, *params.values())]
        results = []
        for threads in THREADS:
            y = kernel.forward(params, x, activation, threads=threads)
            results.append((y, kernel.backward(params, x, activation, y, dy, threads=threads)))
            assert_same_bits(results[-1], results[0])
        y, (dx, grads) = results[0]
        W, b = double(params["W"]), double(params["b"])
        wanted = f(dense_rows @ W.T + b)
        da = back(wanted, double(dy))
        assert_close(y, wanted, *TOLERANCE[dtype])
        assert_close(grads, {"W": da.T @ dense_rows, "b": da.sum(0)}, *TOLERANCE[dtype])
        assert dx is None if ids else True
        if not ids:
            assert_close(dx, da @ W, *TOLERANCE[dtype])
        assert [a.tobytes() for a in (rows, dy, *params.values())] == given


# ---------------------------------------------------------------------- Embedding


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
def test_embedding(dtype: Any) -> None:
    """The same bits as array code, for any threads; the gradient goes on from what is there."""
    kernel, rng = cpu.kernels["embedding"], np.random.default_rng(0)
    for shape, V, F in (((0,), 3, 2), ((1,), 1, 1), ((50,), 7, 5), ((40, 3), 11, 4), ((9001,), 30, 113)):
        params = {"W": rng.standard_normal((V, F)).astype(dtype)}
        for ids in (rng.integers(0, V, shape), rng.integers(0, V, shape).astype(np.int8)):
            dy = rng.standard_normal((*shape, F)).astype(dtype)
            wanted = embedding.forward(np, params, ids), embedding.backward(np, params, ids, dy)
            for threads in THREADS:
                y = kernel.forward(params, ids, threads=threads)
                assert_same_bits((y, kernel.backward(params, ids, dy, threads=threads)), wanted)
            cut, grads = len(ids) // 3, None
            for part in (slice(cut, None), slice(0, cut)):
                grads = kernel.backward(params, ids[part], dy[part], threads=2, into=grads)
            assert_same_bits(grads, wanted[1])


@pytest.mark.parametrize("bad", [-1, 30, 2**62, -(2**63)])
@pytest.mark.parametrize("place", [0, 4500, 9000])
def test_embedding_reads_no_row_that_is_not_there(bad: int, place: int) -> None:
    params, ids = {"W": np.ones((30, 113))}, np.zeros(9001, np.int64)
    ids[place] = bad
    for threads in THREADS:
        assert cpu.kernels["embedding"].forward(params, ids, threads=threads) is None


# ---------------------------------------------------------------------- products


PRODUCTS = (
    (1, 1, 1), (2, 3, 4), (5, 64, 7), (33, 65, 3), (1, 129, 200), (70, 1, 70), (40, 63, 1100), (7, 200, 513),
)  # fmt: skip


@pytest.mark.parametrize("start", ["zero", "bias", "rows"])
@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("how", ["nn", "nt", "tn", "tt"])
def test_products(how: str, dtype: Any, start: str) -> None:
    """The whole grid: no branch may compute nothing, or forget a stride."""
    from fastrnn.kernels._panels import multiply

    for m, n, k in (*PRODUCTS, (2, 3, 0), (0, 3, 2), (2, 0, 3)):
        rng = np.random.default_rng([m, n, k])
        a, b, c = (rng.standard_normal(s).astype(dtype) for s in ((m, k), (k, n), (m, n)))
        c = None if start == "zero" else c if start == "rows" else rng.standard_normal(n).astype(dtype)
        # A transposed operand is the same numbers with other strides.
        found = multiply(
            np.asfortranarray(a) if how[0] == "t" else a, np.asfortranarray(b) if how[1] == "t" else b, c
        )
        assert found.dtype == dtype
        wanted = double(a) @ double(b) + (0 if c is None else double(c))
        assert_close(found, wanted, *TOLERANCE[dtype])


# ---------------------------------------------------------------------- memory


def test_memory_is_lent_from_call_to_call_and_never_twice() -> None:
    _memory.forget()
    first = _memory.borrow((300, 300), np.float32)
    second = _memory.borrow((300, 300), np.float32)
    assert not np.shares_memory(first, second)
    _memory.give_back(first)
    third, fourth = (_memory.borrow((290, 300), np.float32) for _ in range(2))
    assert np.shares_memory(first, third) and not np.shares_memory(third, fourth)
    assert _memory.borrow((4, 4), np.float64).shape == (4, 4)  # small: not worth lending
    _memory.give_back(third, None, np.zeros(3), second[:5])


def test_two_trainings_at_once_do_not_share_what_they_kept() -> None:
    """Two forward passes before the first backward: their caches are memory of their own."""
    layout = Layout.plain(40, 14)
    params, x, s0, _, dy, dsT = problem("lstm", layout, 30, 97, np.float32, False, False)
    other = x.with_rows(x.rows[::-1].copy())
    alone = {}
    for name, rows in (("x", x), ("other", other)):
        cache = cpu.run(CELLS["lstm"], "forward", params, rows, s0, True)[2]
        alone[name] = cpu.run(CELLS["lstm"], "backward", params, cache, dy, dsT)
    one = cpu.run(CELLS["lstm"], "forward", params, x, s0, True)[2]
    two = cpu.run(CELLS["lstm"], "forward", params, other, s0, True)[2]
    assert_same_bits(cpu.run(CELLS["lstm"], "backward", params, one, dy, dsT), alone["x"])
    assert_same_bits(cpu.run(CELLS["lstm"], "backward", params, two, dy, dsT), alone["other"])
