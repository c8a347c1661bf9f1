"""The lists that the tests of the mathematics walk through, and one way to call every cell.

A state is always a tuple here, also where a cell has one: (h,) or (h, c).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import fastrnn as fr
from fastrnn.backends import get_backend
from fastrnn.cells import CELLS, Cell
from fastrnn.packed import Layout, Packed

NAMES = tuple(CELLS)  # rnn_tanh, rnn_relu, lstm, gru
BACKENDS = ("reference", "cpu")
THREADS = (1, 2, 3, 7)

# B, T, I, H: ones and zeros, one beyond a panel of 64 columns, more rows than a block.
SIZES = (
    (1, 1, 1, 1),
    (3, 1, 2, 4),
    (1, 6, 3, 5),
    (9, 4, 1, 1),
    (0, 4, 3, 5),
    (2, 0, 3, 5),
    (0, 0, 3, 5),
    (17, 5, 130, 65),
)
# Enough multiply-adds in every phase for more threads to start (FEW_MULTIPLY_ADDS = 5,000,000).
BIG = (40, 14, 130, 97)

LENGTHS = {
    "all full": [6, 6, 6, 6, 6],
    "all shorter": [4, 4, 4, 4, 4],
    "ragged": [3, 6, 1, 0, 5],
    "one row long": [1, 1, 6, 1, 1],
    "only one": [0, 0, 0, 2, 0],
    "all empty": [0, 0, 0, 0, 0],
}


def layouts() -> dict[str, Layout]:
    """Every kind of layout, five sequences of at most six steps."""
    made = {name: Layout.from_lengths(np.array(n), 6) for name, n in LENGTHS.items()}
    made["one step"] = Layout.plain(5, 1)
    made["holes"] = Layout.from_mask(holes(5, 6))
    return made


def holes(batch: int, span: int) -> np.ndarray:
    """A mask with left padding, right padding, holes, a full and an empty row (batch >= 5)."""
    mask = np.random.default_rng(7).random((batch, span)) < 0.6
    mask[0] = False
    mask[1] = True
    mask[2] = np.arange(span) >= span // 2  # left padding
    mask[3] = np.arange(span) < span // 2  # right padding
    mask[4, :] = [t % 2 == 1 for t in range(span)]
    return mask


def random_params(cell: Cell, inputs: int, units: int, rng: Any, dtype: Any = np.float64) -> Any:
    """Random, asymmetric weights and biases: no two gates alike, nothing zero."""
    G = len(cell.gates) * units
    shapes: dict[str, tuple[int, ...]] = {"W_ih": (G, inputs), "W_hh": (G, units)}
    shapes |= {b: (G,) for b in (("b_ih", "b_hh") if cell.name == "gru" else ("b",))}
    params = {}
    for name, shape in shapes.items():
        scale = 1.0 if len(shape) == 1 else 1.2 / max(1, shape[1]) ** 0.5
        params[name] = (scale * rng.standard_normal(shape)).astype(dtype)
    return params


def random_states(cell: Cell, batch: int, units: int, rng: Any, dtype: Any = np.float64) -> Any:
    """Non-zero initial states, different from each other."""
    return tuple(rng.standard_normal((batch, units)).astype(dtype) for _ in cell.states)


def ragged(batch: int, span: int, rng: Any) -> np.ndarray:
    """Random lengths, 0 and 1 and `span` among them where there is room."""
    lengths = rng.integers(0, span + 1, batch)
    for place, n in zip(range(batch), (span, 0, min(1, span)), strict=False):
        lengths[place] = n
    return lengths


def packed_problem(cell: Cell, layout: Layout, inputs: int, units: int, dtype: Any = np.float64) -> Any:
    """(params, x, s0) for `Backend.run`."""
    rng = np.random.default_rng([layout.B, layout.N, inputs, units])
    params = random_params(cell, inputs, units, rng, dtype)
    x = Packed(rng.standard_normal((layout.N, inputs)).astype(dtype), layout)
    return params, x, random_states(cell, layout.B, units, rng, dtype)


def call(cell: Any, x: Any, params: Any, s0: Any = None, **options: Any) -> Any:
    """fr.functional's forward of that cell: (y, sT as a tuple, cache)."""
    kind, _, activation = cell.name.partition("_")
    if activation:
        options["activation"] = activation
    if s0 is not None and len(cell.states) == 1:
        (s0,) = s0
    y, sT, cache = getattr(fr.functional, f"{kind}_forward")(x, params, s0, **options)
    return y, sT if len(cell.states) > 1 else (sT,), cache


def call_back(cell: Any, dy: Any, cache: Any, dsT: Any = None) -> Any:
    """fr.functional's backward of that cell: (dx, ds0 as a tuple, dparams)."""
    if dsT is not None and len(cell.states) == 1:
        (dsT,) = dsT
    kind = cell.name.partition("_")[0]
    dx, ds0, dparams = getattr(fr.functional, f"{kind}_backward")(dy, cache, dsT)
    return dx, ds0 if len(cell.states) > 1 else (ds0,), dparams


def as_functions(cell: Cell, layout: Layout, backend: str = "reference", h_mask: Any = None) -> Any:
    """(forward, backward) of `Backend.run`, as gradcheck.py wants them; inputs: x, states, params."""

    def split(inputs: Any) -> Any:
        params = {k: v for k, v in inputs.items() if k != "x" and k not in cell.states}
        return params, Packed(inputs["x"], layout), tuple(inputs[s] for s in cell.states)

    def forward(inputs: Any) -> Any:
        y, sT, _ = get_backend(backend).run(cell, "forward", *split(inputs), False, h_mask)
        return (y, *sT)

    def backward(inputs: Any, douts: Any) -> Any:
        run, (params, x, s0) = get_backend(backend).run, split(inputs)
        cache = run(cell, "forward", params, x, s0, True, h_mask)[2]
        dsT = None if all(d is None for d in douts[1:]) else tuple(douts[1:])
        dx, ds0, dparams = run(cell, "backward", params, cache, douts[0], dsT)
        return {"x": dx, **dict(zip(cell.states, ds0, strict=True)), **dparams}

    return forward, backward


def flat(result: Any) -> list[np.ndarray]:
    """Every array of a nested result, in a fixed order."""
    if result is None:
        return []
    if isinstance(result, dict):
        return [a for key in sorted(result) for a in flat(result[key])]
    if isinstance(result, (tuple, list)):
        return [a for part in result for a in flat(part)]
    return [result]


def assert_close(got: Any, wanted: Any, tolerance: float, of_array: bool = False) -> None:
    """Every number of two results agrees to `tolerance` of max(1, |wanted|).

    With `of_array`, |wanted| is the largest of its array: what rounding in a sum is measured by, where
    terms cancel (the array code in float32 is no better than that either).
    """
    a, b = flat(got), flat(wanted)
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        assert one.shape == other.shape, (one.shape, other.shape)
        size = np.abs(other).max(initial=1) if of_array else np.maximum(1, np.abs(other))
        error = np.abs(one - other) / size
        assert error.max(initial=0) <= tolerance, f"off by {error.max():.3g}"  # NaN is not <=


def assert_same_bits(got: Any, wanted: Any) -> None:
    """Every array of two results has the same dtype, shape and bytes."""
    a, b = flat(got), flat(wanted)
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert one.tobytes() == other.tobytes()


def numpy_of(result: Any) -> Any:
    """A result with every CuPy array brought home."""
    if isinstance(result, dict):
        return {k: numpy_of(v) for k, v in result.items()}
    if isinstance(result, (tuple, list)):
        return tuple(numpy_of(v) for v in result)
    return result.get() if hasattr(result, "get") else result
