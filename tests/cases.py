"""The lists that the tests of the mathematics walk through, and one way to call every cell.

A state is always a tuple here, also where a cell has one: (h,) or (h, c).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastrnn as fr
from fastrnn.backends import get_backend
from fastrnn.cells import CELLS, Cell
from fastrnn.packed import Layout, Packed, layout_of, pack, unpack

NAMES = ("rnn_tanh", "rnn_relu", "lstm", "gru")  # those that fastrnn.functional has
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



def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


@dataclass(frozen=True)
class Tried:
    """A cell of the battery, and what the textbook has to know of it: its activations, written once more.

    f, g, h : of the gates, of the candidate (or new state), and of the memory that is shown
    """

    cell: Cell
    f: Callable[[Any], Any] = sigmoid
    g: Callable[[Any], Any] = np.tanh
    h: Callable[[Any], Any] = np.tanh


def within(bound: float, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """f behind a clip."""
    return lambda a: f(np.maximum(np.minimum(a, bound), -bound))


def leaky(a: Any) -> Any:
    return np.where(a < 0, 0.3 * a, a)


# Every cell that has a name, and combinations that have each feature beside each other one.
TRIED: dict[str, Tried] = {
    **{name: Tried(CELLS[name]) for name in CELLS},
    "rnn_relu": Tried(CELLS["rnn_relu"], g=lambda a: np.maximum(a, 0)),
    "lstm_projected": Tried(fr.LSTM(4, projection=3).cell),
    "rnn[leaky_relu,clip]": Tried(
        fr.RNN(4, ["leaky_relu", 0.3], clip=1.5).cell, g=within(1.5, leaky)
    ),
    "gru[softsign,silu,clip]": Tried(
        fr.GRU(4, "silu", "softsign", clip=2).cell,
        within(2, lambda a: a / (1 + abs(a))),
        within(2, lambda a: a * sigmoid(a)),
    ),
    "gru_before[sigmoid,leaky_relu]": Tried(
        fr.GRU(4, ["leaky_relu", 0.3], reset_after=False).cell, g=leaky
    ),
    "lstm[elu,affine,softsign]": Tried(
        fr.LSTM(4, ["affine", 0.7, 0.2], ["elu", 0.5], output_activation="softsign").cell,
        lambda a: np.where(a < 0, 0.5 * np.expm1(np.minimum(a, 0)), a),
        lambda a: 0.7 * a + 0.2,
        lambda a: a / (1 + abs(a)),
    ),
    "lstm with everything": Tried(
        fr.LSTM(
            4, ["leaky_relu", 0.3], output_activation=["scaled_tanh", 1.5, 0.5], peepholes=True,
            coupled=True, clip=1.5, projection=3,
        ).cell,
        within(1.5, sigmoid),
        within(1.5, leaky),
        lambda a: 1.5 * np.tanh(0.5 * a),
    ),
    "lstm_peephole_projected[clip]": Tried(
        fr.LSTM(4, peepholes=True, projection=5, clip=1.5).cell, within(1.5, sigmoid), within(1.5, np.tanh)
    ),
}  # fmt: skip

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
    made = cell.init(np.random.default_rng(0), inputs, units, np.float64)
    params = {}
    for name, shape in ((name, array.shape) for name, array in made.items()):
        scale = 1.0 if len(shape) == 1 else 1.2 / max(1, shape[1]) ** 0.5
        params[name] = (scale * rng.standard_normal(shape)).astype(dtype)
    return params


def random_states(cell: Cell, batch: int, units: int, rng: Any, dtype: Any = np.float64) -> Any:
    """Non-zero initial states, different from each other."""
    return tuple(rng.standard_normal((batch, width)).astype(dtype) for width in cell.widths(units))


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
    """fr.functional's forward of that cell: (y, sT as a tuple, cache); of other cells, what it would be."""
    if cell.name not in NAMES:
        return _door(cell, x, params, s0, **options)
    kind, _, activation = cell.name.partition("_")
    if activation:
        options["activation"] = activation
    if s0 is not None and len(cell.states) == 1:
        (s0,) = s0
    y, sT, cache = getattr(fr.functional, f"{kind}_forward")(x, params, s0, **options)
    return y, sT if len(cell.states) > 1 else (sT,), cache


def call_back(cell: Any, dy: Any, cache: Any, dsT: Any = None) -> Any:
    """fr.functional's backward of that cell: (dx, ds0 as a tuple, dparams)."""
    if cell.name not in NAMES:
        return _door_back(dy, cache, dsT)
    if dsT is not None and len(cell.states) == 1:
        (dsT,) = dsT
    kind = cell.name.partition("_")[0]
    dx, ds0, dparams = getattr(fr.functional, f"{kind}_backward")(dy, cache, dsT)
    return dx, ds0 if len(cell.states) > 1 else (ds0,), dparams


def _door(
    cell: Cell, x: Any, params: Any, s0: Any, lengths: Any = None, mask: Any = None, reverse: bool = False,
    training: bool = False, time_major: bool = False,
) -> Any:  # fmt: skip
    backend = get_backend()
    T, B = x.shape[:2] if time_major else x.shape[1::-1]
    layout = layout_of("door", B, T, lengths, mask)
    turn = layout.reversal if reverse else slice(None)
    packed = Packed(pack(np, x, layout, time_major)[turn], layout)
    start = tuple(s[layout.order] for s in s0)
    y, sT, content = backend.run(cell, "forward", params, packed, start, training)
    y = unpack(np, y[turn], layout, time_major)
    cache = (cell, backend, params, layout, turn, time_major, content)
    return y, tuple(s[layout.inverse_order] for s in sT), cache if training else None


def _door_back(dy: Any, cache: Any, dsT: Any) -> Any:
    cell, backend, params, layout, turn, time_major, content = cache
    rows = None if dy is None else pack(np, dy, layout, time_major)[turn]
    last = None if dsT is None else tuple(d[layout.order] for d in dsT)
    dx, ds0, dparams = backend.run(cell, "backward", params, content, rows, last)
    dx = unpack(np, dx[turn], layout, time_major)
    return dx, tuple(d[layout.inverse_order] for d in ds0), dparams


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
