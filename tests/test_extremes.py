"""The engine's activations, swept; and numbers that are no numbers, infinite, or denormal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cases import NAMES, assert_same_bits, flat, random_params, random_states
from scipy.special import expit

from fastrnn.backends import get_backend
from fastrnn.cells import CELLS
from fastrnn.layers.dense import FORMULA
from fastrnn.packed import Layout, Packed

DTYPES = (np.float32, np.float64)
cpu, reference = get_backend("cpu"), get_backend("reference")


def activated(values: np.ndarray, activation: str) -> np.ndarray:
    """f(values): a Dense layer of one input, which is 1, whose weights are the values."""
    params = {"W": values[:, None], "b": np.full(len(values), -0.0, values.dtype)}
    one = Packed(np.ones((1, 1), values.dtype), Layout.plain(1, 1))
    return cpu.kernels["dense"].forward(params, one, activation, threads=1)[0]


def through_rnn(values: np.ndarray) -> np.ndarray:
    """tanh(values): one step of a recurrence whose input weights are the identity."""
    width, dtype = 64, values.dtype
    rows = values.reshape(-1, width)
    params = {
        "W_ih": np.eye(width, dtype=dtype),
        "W_hh": np.zeros((width, width), dtype),
        "b": np.full(width, -0.0, dtype),
    }
    x = Packed(rows, Layout.plain(len(rows), 1))
    s0 = (np.zeros((len(rows), width), dtype),)
    return cpu.run(CELLS["rnn_tanh"], "forward", params, x, s0, False)[0].ravel()


def sigmoid(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x)) if x.dtype == np.longdouble else expit(x)


def all_floats() -> Iterator[np.ndarray]:
    """Every 97th float32 that is normal, of both signs, in pieces."""
    patterns = np.arange(0, 2**32, 97, dtype=np.int64).astype(np.uint32)
    for piece in np.array_split(patterns, 40):
        x = piece.view(np.float32)
        x = x[np.isfinite(x) & (np.abs(x) >= np.finfo(np.float32).tiny)]
        if len(x):
            yield x


def many_doubles() -> np.ndarray:
    rng = np.random.default_rng(0)
    far = rng.choice([-1, 1], 10**6) * 2.0 ** rng.uniform(-1021, 1023, 10**6)
    return np.concatenate([rng.uniform(-22, 22, 10**6), far, rng.uniform(-710, 40, 10**6)])


def error_in_ulp(y: np.ndarray, exact: np.ndarray) -> float:
    """The largest, where exact is normal; elsewhere y has to be next to zero."""
    smallest = np.finfo(y.dtype).tiny
    normal = np.abs(exact) >= smallest
    assert (np.abs(y[~normal]) <= smallest).all()
    spacing = np.spacing(np.abs(exact[normal]).astype(y.dtype)).astype(exact.dtype)
    return float((np.abs(y[normal] - exact[normal]) / spacing).max(initial=0))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_float32_within_8_ulp(activation: str) -> None:
    exact = {"tanh": np.tanh, "sigmoid": sigmoid}[activation]
    worst = 0.0
    for x in all_floats():
        y = activated(x, activation)
        assert np.abs(y).max() <= 1
        worst = max(worst, error_in_ulp(y, exact(x.astype(np.float64))))
    assert 0.5 < worst <= 8


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_float64_within_4_ulp(activation: str) -> None:
    """Against long double; where that is double itself, its own error is added."""
    exact = {"tanh": np.tanh, "sigmoid": sigmoid}[activation]
    x = many_doubles()
    y = activated(x, activation)
    assert np.abs(y).max() <= 1
    limit = 4 if np.finfo(np.longdouble).eps < 1e-18 else 6
    assert 0.5 < error_in_ulp(y, exact(x.astype(np.longdouble))) <= limit


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
def test_one_formula_everywhere(dtype: Any) -> None:
    """Inside a cell as behind a product: the same bits."""
    x = np.random.default_rng(0).uniform(-12, 12, 64 * 500).astype(dtype)
    assert_same_bits(through_rnn(x), activated(x, "tanh"))


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
def test_signs_infinities_and_nan(dtype: Any) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).max, np.finfo(dtype).min], dtype)
    for activation, wanted in (
        ("linear", x),
        ("relu", [0, 0, np.inf, 0, np.nan, np.finfo(dtype).max, 0]),
        ("tanh", [0, -0.0, 1, -1, np.nan, 1, -1]),
        ("sigmoid", [0.5, 0.5, 1, 0, np.nan, 1, 0]),
    ):
        y = activated(x, activation)
        np.testing.assert_array_equal(y, np.array(wanted, dtype))
        if activation in ("linear", "tanh"):
            assert np.signbit(y[:2]).tolist() == [False, True]


# ---------------------------------------------------------------------- in the cells


def problem(name: str, dtype: Any, scale: float = 1.0) -> Any:
    """(arrays by name, layout): inputs, states, parameters and the gradients that come back."""
    cell, rng = CELLS[name], np.random.default_rng(3)
    layout = Layout.from_lengths(np.array([4, 2, 5, 1, 5]), 5)
    arrays = random_params(cell, 6, 19, rng, dtype)
    arrays["x"] = rng.standard_normal((layout.N, 6)).astype(dtype)
    arrays |= dict(zip(cell.states, random_states(cell, 5, 19, rng, dtype), strict=True))
    arrays["dy"] = rng.standard_normal((layout.N, 19)).astype(dtype)
    for state, d in zip(cell.states, random_states(cell, 5, 19, rng, dtype), strict=True):
        arrays[f"d{state}"] = d
    return {k: (dtype(scale) * v).astype(dtype) for k, v in arrays.items()}, layout


def run(backend: Any, name: str, arrays: Any, layout: Layout) -> Any:
    """Every result of a training call, forward and backward."""
    cell = CELLS[name]
    given = {"x", "dy", *cell.states, *(f"d{s}" for s in cell.states)}
    params = {k: v for k, v in arrays.items() if k not in given}
    x, s0 = Packed(arrays["x"], layout), tuple(arrays[s] for s in cell.states)
    dsT = tuple(arrays[f"d{s}"] for s in cell.states)
    y, sT, cache = backend.run(cell, "forward", params, x, s0, True)
    return (y.copy(), sT), backend.run(cell, "backward", params, cache, arrays["dy"], dsT)


def kinds(result: Any) -> list[Any]:
    """0 where a number is finite, 1 and -1 where it is infinite, 2 where it is none."""
    return [np.where(np.isnan(a), 2, np.where(np.isinf(a), np.sign(a), 0)) for a in flat(result)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=["nan", "inf", "-inf"])
@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_they_spread_as_in_the_cells(name: str, dtype: Any, bad: float) -> None:
    """One number of one argument is bad: NaN and both infinities come out where the array code has them."""
    arrays, layout = problem(name, dtype)
    for which, array in arrays.items():
        changed = array.copy()
        changed.flat[changed.size // 2] = bad
        given = {**arrays, which: changed}
        with np.errstate(all="ignore"):
            wanted, found = run(reference, name, given, layout), run(cpu, name, given, layout)
        assert any(k.any() for k in kinds(wanted)) or np.isinf(bad), which  # which may saturate a gate
        for place, (a, b) in enumerate(zip(kinds(found), kinds(wanted), strict=True)):
            np.testing.assert_array_equal(a, b, err_msg=f"{which}, result {place}")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=["nan", "inf", "-inf"])
@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "sigmoid", "softmax"])
def test_they_spread_in_dense_as_in_array_code(activation: str, bad: float) -> None:
    rng = np.random.default_rng(0)
    shapes = {"x": (6, 7), "W": (5, 7), "b": (5,), "dy": (6, 5)}
    arrays = {k: rng.standard_normal(shape).astype(np.float32) for k, shape in shapes.items()}
    for which in shapes:
        given = {k: v.copy() for k, v in arrays.items()}
        given[which].flat[1] = bad
        params, x = {k: given[k] for k in "Wb"}, Packed(given["x"], Layout.plain(6, 1))
        results = []
        for backend in (cpu, reference):
            with np.errstate(all="ignore"):
                y = backend.run(FORMULA, "forward", params, x, activation)
                results.append((y, backend.run(FORMULA, "backward", params, x, activation, y, given["dy"])))
        for a, b in zip(kinds(results[0]), kinds(results[1]), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=which)


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_nan_stays_in_its_row_and_in_its_time(name: str, dtype: Any) -> None:
    """NaN in one step of one row: NaN from there on in that row, no bit changes elsewhere."""
    layout, cell = Layout.plain(17, 6), CELLS[name]
    rng = np.random.default_rng(0)
    params, s0 = random_params(cell, 5, 65, rng, dtype), random_states(cell, 17, 65, rng, dtype)
    x = Packed(rng.standard_normal((layout.N, 5)).astype(dtype), layout)
    y, sT, _ = cpu.run(cell, "forward", params, x, s0, False)
    rows = x.rows.copy()
    rows[2 * 17 + 9] = np.nan  # step 2 of sequence 9
    bad, bad_sT, _ = cpu.run(cell, "forward", params, x.with_rows(rows), s0, False)
    hit = (layout.sequence == 9) & (layout.step >= 2)
    assert np.isnan(bad[hit]).all()
    assert_same_bits(bad[~hit], y[~hit])
    others = np.arange(17) != 9
    for one, other in zip(bad_sT, sT, strict=True):
        assert np.isnan(one[9]).all()
        assert_same_bits(one[others], other[others])


# ---------------------------------------------------------------------- denormals


def denormals_survive(dtype: Any) -> bool:
    tiny = np.full(64, np.finfo(dtype).smallest_subnormal)
    return bool((tiny * dtype(1)).all() and (np.full(64, np.finfo(dtype).tiny) / dtype(4)).all())


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_denormals_are_zeros(name: str, dtype: Any) -> None:
    """In every argument alone, and in all: the results of zeros, and the caller's arithmetic is as it was."""
    arrays, layout = problem(name, dtype)
    small = float(np.finfo(dtype).tiny) / 64
    assert 0 < small < np.finfo(dtype).tiny
    for which in [[k] for k in arrays] + [list(arrays)]:
        changed, zeros = dict(arrays), dict(arrays)
        for k in which:
            changed[k] = (np.sign(arrays[k]) * dtype(small)).astype(dtype)
            zeros[k] = np.zeros_like(arrays[k])
        assert all(changed[k].all() for k in which) and denormals_survive(dtype)
        found, wanted = run(cpu, name, changed, layout), run(cpu, name, zeros, layout)
        assert denormals_survive(dtype)
        for a, b in zip(flat(found), flat(wanted), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=str(which))


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "sigmoid", "softmax"])
def test_denormals_in_dense(activation: str, dtype: Any) -> None:
    kernel, rng = cpu.kernels["dense"], np.random.default_rng(0)
    small = dtype(np.finfo(dtype).tiny / 64)
    params = {"W": np.full((5, 7), small), "b": np.full(5, -small)}
    zeros = {k: np.zeros_like(v) for k, v in params.items()}
    rows, dy = rng.standard_normal((9, 7)).astype(dtype), rng.standard_normal((9, 5)).astype(dtype)
    results = []
    for given, out in ((params, np.full_like(dy, small)), (zeros, np.zeros_like(dy))):
        x = Packed(rows, Layout.plain(9, 1))
        y = kernel.forward(given, x, activation, threads=1)
        results.append((y, kernel.backward(given, x, activation, y, dy, threads=1),
                        kernel.backward(given, x, activation, y, out, threads=1)))  # fmt: skip
    for a, b in zip(flat(results[0]), flat(results[1]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert denormals_survive(dtype)


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
def test_large_calls_leave_the_mode_alone(dtype: Any, threads: int) -> None:
    """Also where a team of threads flushes, and where a thread of it is the caller."""
    cell, rng, layout = CELLS["lstm"], np.random.default_rng(0), Layout.plain(20, 8)
    params, s0 = random_params(cell, 30, 130, rng, dtype), random_states(cell, 20, 130, rng, dtype)
    x = Packed(rng.standard_normal((layout.N, 30)).astype(dtype), layout)
    y, sT, cache = cpu.run(cell, "forward", params, x, s0, True, threads=threads)
    assert denormals_survive(dtype)
    cpu.run(cell, "backward", params, cache, y.copy(), sT, threads=threads)
    assert denormals_survive(dtype)
    dense = {"W": rng.standard_normal((300, 300)).astype(dtype), "b": np.zeros(300, dtype)}
    rows = Packed(rng.standard_normal((300, 300)).astype(dtype), Layout.plain(300, 1))
    y = cpu.kernels["dense"].forward(dense, rows, "tanh", threads=threads)
    assert denormals_survive(dtype)
    cpu.kernels["dense"].backward(dense, rows, "tanh", y, y, threads=threads)
    assert denormals_survive(dtype)
