"""Operators that become layers.

Each function reads one operator: `run`, the node, its inputs; it gives the values of the node's outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..layers import Dense, Dropout, Embedding, OneHot, RepeatVector
from .onnx_axes import data, gather
from .onnx_cells import GATES, Recurrence
from .onnx_chain import Draft, Reading
from .onnx_folding import ARITHMETIC, numbers_of
from .onnx_formulas import arithmetic
from .onnx_graph import Node
from .onnx_states import place_recurrence
from .onnx_values import Axis, Constant, Data, Size, place

_STEPS_AT_MOST = 10_000  # of a vector that is repeated: no weights stand behind them
_DEPTH_AT_MOST = 1 << 31  # of one-hot rows, which are never materialised; their weights are in the file


def _gather(run: Reading, node: Node, x: Any, indices: Any) -> Any:
    ids = isinstance(x, Constant) and isinstance(indices, Data)
    return (_embedding if ids else gather)(run, node, x, indices)


def _embedding(run: Reading, node: Node, table: Constant, ids: Data) -> Data:
    if place(node.take("axis", int, 0), table.array.ndim) != 0:
        raise ValueError("gathers ids from another axis than the first")
    W = run.chain.take(table, "the table", 2)
    x = run.chain.enter(ids)
    if not x.ids:
        raise ValueError("its indices are no integers")
    draft = Draft(Embedding, {"input_dim": W.shape[0], "output_dim": W.shape[1]}, {"W": W})
    return run.chain.widened(draft, replace(x, groups=(*x.groups, ())), W.shape[1])


def _one_hot(run: Reading, node: Node, ids: Any, depth: Any, values: Any) -> Data:
    x = run.chain.enter(ids)
    axis = node.take("axis", int, -1)
    right = isinstance(depth, Constant) and isinstance(values, Constant) and depth.array.size == 1
    if not right or not x.ids or values.array.reshape(-1).tolist() != [0, 1]:
        raise ValueError("must make rows of 0 with a 1 of ids, as deep as a constant says")
    if axis not in (-1, len(x.groups)):
        raise ValueError(f"puts the rows on the axis {axis}; the last is read")
    number = depth.array.reshape(-1).tolist()[0]
    if number != int(number) or not 0 < number < _DEPTH_AT_MOST:
        raise ValueError(f"has the depth {number}")
    return run.chain.widened(
        Draft(OneHot, {"depth": int(number)}), replace(x, groups=(*x.groups, ())), int(number)
    )


def _matmul(run: Reading, node: Node, x: Any, W: Any) -> Any:
    array = run.chain.take(W, "the matrix", 2)
    return _dense(run, x, array.T)


def _gemm(run: Reading, node: Node, x: Any, W: Any, b: Any) -> Any:
    alpha, beta = node.take("alpha", float, 1.0), node.take("beta", float, 1.0)
    turned = [node.take(name, int, 0) for name in ("transA", "transB")]
    node.take("broadcast", int)
    array = run.chain.take(W, "B", 2)
    x = data(x)
    if len(x.groups) != 2:
        raise ValueError(f"multiplies {x}, which has not two axes")
    array = array if turned[1] else array.T
    scaled = array if alpha == 1 else array * array.dtype.type(alpha)
    found = _dense(run, x.transposed(None) if turned[0] else x, scaled)
    return found if b is None else _bias(run, found, b, beta)


def _dense(run: Reading, x: Any, W: np.ndarray) -> Data:
    x = run.chain.vectors(x, W.shape[1])
    return run.chain.widened(Draft(Dense, {"units": len(W)}, {"W": W}), x, len(W))


def _wants_bias(run: Reading, x: Data) -> bool:
    """Whether x is a product that has no bias yet."""
    head = run.chain.head
    if not isinstance(head, Draft) or head.cls is not Dense or x.version != run.chain.version:
        return False
    return "b" not in head.arrays and "activation" not in head.options


def _bias(run: Reading, x: Data, given: Any, beta: float = 1.0) -> Data:
    """Add a constant to the product before it."""
    b = run.chain.take(given, "what is added", bias=True)
    x = run.chain.enter(x)
    if not _wants_bias(run, x):
        raise ValueError("adds a constant to what is no product; a layer for it there is none")
    head = run.chain.head
    assert isinstance(head, Draft)
    units = len(head.arrays["W"])
    if b.size not in (1, units) or b.shape[-1:] not in ((), (1,), (units,)):
        raise ValueError(f"adds {list(b.shape)} to {units} features")
    head.arrays["b"] = np.array(np.broadcast_to(b.reshape(-1), (units,))) * b.dtype.type(beta)
    return run.chain.changed(x)


def _arithmetic(run: Reading, node: Node, a: Any, b: Any) -> Any:
    node.take("broadcast", int)
    if isinstance(a, Constant) and isinstance(b, Constant):
        return run.folding.elementwise(node.op, (a, b))
    x, other = (a, b) if isinstance(a, Data) else (b, a)
    if isinstance(other, Data) and (x.formula or other.formula) is None and x.lanes != other.lanes:
        return _both(run, node, x, other)
    if isinstance(other, Constant) and x.formula is None:
        if node.op == "Add" and (_wants_bias(run, x) or other.array.size > 1):
            return _bias(run, x, other)
        if _is_mean(run, node, x, a, b):
            return _averaged(run, x)
    return arithmetic(run, node, a, b)


def _both(run: Reading, node: Node, a: Data, b: Data) -> Data:
    """Both directions added or multiplied."""
    chain = run.chain
    modes = {"Add": "sum", "Mul": "mul"}
    lanes = sorted((*a.lanes, *b.lanes))
    same = (a.what, a.groups, a.version) == (b.what, b.groups, b.version)
    both = same and len(lanes) == 2 and lanes == sorted(chain.lanes)
    if not isinstance(chain.head, Recurrence) or not both or node.op not in modes:
        raise ValueError("computes with two parts of the data: a Sequential has no branches")
    x = chain.enter(replace(a, lanes=chain.lanes))
    chain.head.merge = modes[node.op]
    return chain.changed(replace(x, lanes=()))


def _is_mean(run: Reading, node: Node, x: Data, a: Any, b: Any) -> bool:
    """Whether the sum of both directions is halved."""
    head, number = run.chain.head, a if isinstance(a, Constant) else b
    if not isinstance(head, Recurrence) or head.merge != "sum" or number.array.size != 1:
        return False
    half = (node.op, float(number.array.reshape(-1)[0]))
    return x.version == run.chain.version and (half == ("Mul", 0.5) or (half == ("Div", 2.0) and x is a))


def _averaged(run: Reading, x: Data) -> Data:
    assert isinstance(run.chain.head, Recurrence)
    run.chain.head.merge = "ave"
    return run.chain.changed(x)


def _dropout(run: Reading, node: Node, x: Any, ratio: Any, training: Any) -> Any:
    node.take("seed", int)
    node.take("is_test", int)
    rate = node.take("ratio", float, 0.5)
    if ratio is not None:
        if not isinstance(ratio, Constant) or ratio.array.size != 1 or not ratio.whole:
            raise ValueError("its ratio must be a constant")
        rate = float(ratio.array.reshape(-1)[0])
    if training is not None and not (isinstance(training, Constant) and not training.array.any()):
        raise ValueError("it drops in inference too")
    if isinstance(x, Constant) or rate == 0:
        return x, None
    return run.chain.grow(Draft(Dropout, {"rate": float(str(np.float32(rate)))}), run.chain.enter(x)), None


def _softmax(run: Reading, node: Node, x: Any) -> Any:
    axis = node.take("axis", int, -1 if run.opset >= 13 else 1)
    x = data(x)
    if x.axis(axis) != len(x.groups) - 1:
        raise ValueError(f"is over the axis {axis} of {x}; the last is read")
    return run.chain.activate(x, "softmax")


def _expand(run: Reading, node: Node, x: Any, shape: Any) -> Any:
    sizes = numbers_of("the shape", shape)
    if isinstance(x, Constant):
        return run.folding.expand(x, sizes)
    return _repeat(run, x, [1] * (len(x.groups) - len(sizes)) + sizes)


def _tile(run: Reading, node: Node, x: Any, repeats: Any) -> Any:
    return _repeat(run, data(x), numbers_of("repeats", repeats))


def _repeat(run: Reading, x: Data, sizes: Sequence[Any]) -> Data:
    """A vector at every step."""
    if len(sizes) != len(x.groups):
        raise ValueError(f"repeats {x}")
    larger = [k for k, (one, two) in enumerate(zip(x.sizes, sizes, strict=True)) if two not in (1, one)]
    if not larger:
        return x
    (k,) = larger if len(larger) == 1 else (-1,)
    times = sizes[k]
    if k < 0 or x.groups[k] or x.has("time"):
        raise ValueError(f"repeats {x}; a vector can be repeated along time")
    x = run.chain.vectors(x)
    same = isinstance(times, Size) and times.factor == 1 and [a.role for a in times.axes] == ["time"]
    if not same and (not isinstance(times, int) or not 1 <= times <= _STEPS_AT_MOST):
        raise ValueError(f"repeats {x} {times} times")
    axis = times.axes[0] if same else Axis("time", times, "time")
    if not same:
        run.chain.lengths = ""  # from here on all sequences are whole
    groups = (*x.groups[:k], (axis,), *x.groups[k + 1 :])
    return run.chain.grow(Draft(RepeatVector, {"n": None if same else times}), replace(x, groups=groups))


# operator -> (fewest inputs, most inputs, what reads it)
LAYERS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "Dropout": (1, 3, _dropout), "Expand": (2, 2, _expand), "Gather": (2, 2, _gather),
    "Gemm": (2, 3, _gemm), "MatMul": (2, 2, _matmul), "OneHot": (3, 3, _one_hot),
    "Softmax": (1, 1, _softmax), "Tile": (2, 2, _tile),
    **{op: (2, 2, _arithmetic) for op in ARITHMETIC},
    **{op: (3, 8 if op == "LSTM" else 6, place_recurrence) for op in GATES},
}  # fmt: skip
