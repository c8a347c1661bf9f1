"""Operators that compute nothing with data: axes moved about, parts taken, constants made.

Each function reads one operator: `run`, the node, its inputs; it gives the values of the node's outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..layers import LastStep
from .onnx_cells import Recurrence
from .onnx_chain import Draft, Reading
from .onnx_folding import numbers_of, shape_vector
from .onnx_graph import Node
from .onnx_padding import turned
from .onnx_tensors import DTYPES
from .onnx_values import Constant, Data, joined, place

_FAR = (1 << 31) - 1  # where a Slice may end that has no end


def _identity(run: Reading, node: Node, x: Any) -> Any:
    return x


def _transpose(run: Reading, node: Node, x: Any) -> Any:
    perm = node.take("perm", int, []) or None
    return x.transposed(perm) if isinstance(x, Data) else run.folding.transpose(x, perm)


def _squeeze(run: Reading, node: Node, x: Any, axes: Any) -> Any:
    chosen = run.numbers(node, "axes", axes, 13)
    return x.squeezed(chosen) if isinstance(x, Data) else run.folding.squeeze(x, chosen)


def _unsqueeze(run: Reading, node: Node, x: Any, axes: Any) -> Any:
    chosen = run.numbers(node, "axes", axes, 13)
    if not chosen:
        raise ValueError("axes are missing")
    return x.unsqueezed(chosen) if isinstance(x, Data) else run.folding.unsqueeze(x, chosen)


def _reshape(run: Reading, node: Node, x: Any, shape: Any) -> Any:
    sizes = run.numbers(node, "shape", shape, 5) or []
    allowzero = bool(node.take("allowzero", int, 0))
    if isinstance(x, Data):
        return x.reshaped(sizes, allowzero)
    return run.folding.reshape(x, sizes, allowzero)


def _flatten(run: Reading, node: Node, x: Any) -> Any:
    return data(x).flattened(node.take("axis", int, 1))


def data(x: Any) -> Data:
    if not isinstance(x, Data):
        raise ValueError("reads a constant")
    return x


def _shape(run: Reading, node: Node, x: Any) -> Any:
    start, end = node.take("start", int, 0), node.take("end", int)
    return shape_vector(x.sizes[start:end])


def _cast(run: Reading, node: Node, x: Any) -> Any:
    number = node.take("to", int)
    node.take("saturate", int)
    if isinstance(x, Constant):
        return run.folding.cast(x, number)
    wanted = DTYPES.get(number)
    if wanted is None or wanted.kind != ("i" if x.ids else "f"):
        raise ValueError(f"casts data to the element type {number}")
    if not x.ids:
        run.chain.same_dtype(wanted)
    return x


def _concat(run: Reading, node: Node, *given: Any) -> Any:
    axis = node.take("axis", int, 1)
    parts = [part for part in given if part is not None]
    if all(isinstance(part, Constant) for part in parts):
        return run.folding.concat(parts, axis)
    if not all(isinstance(part, Data) for part in parts):
        raise ValueError("joins data and constants")
    return joined(parts, axis)


# -- parts ----------------------------------------------------------------------------------------------


def gather(run: Reading, node: Node, x: Any, indices: Any) -> Any:
    axis = place(node.take("axis", int, 0), len(x.sizes))
    if not isinstance(indices, Constant) or indices.array.dtype.kind != "i" or not indices.whole:
        raise ValueError("the indices must be constant integers, or ids for a table of vectors")
    array = indices.array
    if isinstance(x, Constant):
        if array.ndim or x.whole:
            return run.folding.take(x, axis, array)
        return run.folding.part(x, axis, _one(int(array), x.sizes[axis]), False)
    if array.size != 1:
        raise ValueError(f"gathers {array.size} positions of data")
    keep = array.ndim > 0
    if array.ndim > 1:
        raise ValueError("gathers with indices of more than one axis")
    return _select(run, x, axis, _one(int(array.reshape(-1)[0]), x.sizes[axis]), keep)


def _one(index: int, size: Any) -> range:
    """One position; the last of a free size is -1 .. 0."""
    if isinstance(size, int):
        index = place(index, size)
    elif index not in (0, -1):
        raise ValueError(f"takes the position {index} of a free axis")
    return range(index, index + 1)


def _slice(run: Reading, node: Node, x: Any, *given: Any) -> Any:
    names = ("starts", "ends", "axes", "steps")
    starts, ends, axes, steps = (
        run.numbers(node, name, value, 10) for name, value in zip(names, given, strict=True)
    )
    if starts is None or ends is None or len(starts) != len(ends):
        raise ValueError("starts and ends do not fit")
    axes = list(range(len(starts))) if axes is None else axes
    if steps is not None and any(step != 1 for step in steps):
        if isinstance(x, Data) and len(axes) == 1 and (starts, steps) == ([-1], [-1]) and _is_far(ends[0]):
            return turned(run, x, place(axes[0], len(x.groups)))
        raise ValueError("takes other steps than 1")
    for axis, start, end in zip(axes, starts, ends, strict=True):
        k = place(axis, len(x.sizes))
        chosen = _range(start, end, x.sizes[k])
        if chosen is not None:
            x = run.folding.part(x, k, chosen, True) if isinstance(x, Constant) else (
                _select(run, x, k, chosen, True)
            )  # fmt: skip
    return x


def _is_far(end: Any) -> bool:
    return isinstance(end, int) and abs(end) >= _FAR


def _range(start: Any, end: Any, size: Any) -> range | None:
    """What a slice takes of an axis; None where that is all."""
    far = _is_far(end) and end > 0
    if start == 0 and (end == size or far):
        return None
    if not isinstance(start, int) or not (isinstance(end, int) or end == size):
        raise ValueError("takes what only a run of the graph can know")
    if not isinstance(size, int):
        if (start == -1 and far) or (start == 0 and end == 1):
            return range(start, start + 1)
        raise ValueError(f"takes {start} to {end} of a free axis")
    first, last, _ = slice(start, min(end, size)).indices(size)
    if last <= first:
        raise ValueError("takes nothing")
    return range(first, last)


def _split(run: Reading, node: Node, x: Any, lengths: Any) -> Any:
    axis = place(node.take("axis", int, 0), len(x.sizes))
    count = node.take("num_outputs", int, len(node.outputs))
    size = x.sizes[axis]
    sizes = run.numbers(node, "split", lengths, 13)
    if not isinstance(size, int) or (sizes is None and size % count):
        raise ValueError(f"splits {size} in {count}")
    sizes = [size // count] * count if sizes is None else sizes
    if sum(sizes) != size or len(sizes) < len(node.outputs) or min(sizes) <= 0:
        raise ValueError(f"splits {size} in {sizes}")
    ends = np.cumsum(sizes).tolist()
    parts = [range(end - n, end) for n, end in zip(sizes, ends, strict=True)]
    if isinstance(x, Constant):
        return tuple(run.folding.part(x, axis, part, True) for part in parts)
    return tuple(_select(run, x, axis, part, True) for part in parts)


def _select(run: Reading, x: Data, axis: int, chosen: range, keep: bool) -> Data:
    """A part of data: directions, a part of an input that is a state, or the last step."""
    part = x.part(axis, chosen, keep)
    if part is not None:
        return part
    group, size = x.groups[axis], x.sizes[axis]
    at_end = chosen == range(-1, 0) or (isinstance(size, int) and chosen == range(size - 1, size))
    at_start = chosen == range(1)
    if len(group) != 1 or group[0].role not in ("time", None) or not (at_end or at_start):
        raise ValueError(
            f"takes a part of {x} on the axis {axis}; the last step can be taken, and directions"
        )
    group[0].become("time")
    groups = (*x.groups[:axis], *(((),) if keep else ()), *x.groups[axis + 1 :])
    head, padded = run.chain.head, at_end and bool(run.chain.lengths)
    if x.turned:
        at_end, at_start = at_start, at_end
    if padded:
        raise ValueError(
            "takes the last step of padded sequences, which is zero where a sequence is shorter; Y_h has the "
            "last step of each"
        )
    if x.what == "y" and isinstance(head, Recurrence) and x.version == run.chain.version:
        ways = {head.directions[direction] for _, direction in x.lanes}
        if (ways == {"forward"} and at_end and not run.chain.lengths) or (ways == {"reverse"} and at_start):
            return replace(x, what="h", groups=groups, turned=False)
    if not at_end:
        raise ValueError("takes the first step; a Sequential has a layer for the last alone")
    x = run.chain.enter(replace(x, turned=False))
    return run.chain.grow(Draft(LastStep), replace(x, groups=groups))


# -- constants ------------------------------------------------------------------------------------------


def _constant(run: Reading, node: Node) -> Any:
    if len(node.attributes) != 1:
        raise ValueError(f"has the attributes {sorted(node.attributes)}")
    ((kind, value),) = node.attributes.items()
    node.attributes.clear()
    dtypes = {"value_float": "<f4", "value_floats": "<f4", "value_int": "<i8", "value_ints": "<i8"}
    if kind == "value" and isinstance(value, np.ndarray):
        return Constant.of(value, node.outputs[0])
    if kind not in dtypes:
        raise ValueError(f"has its value as {kind!r}")
    return Constant.of(np.asarray(value, dtypes[kind]), node.outputs[0])


def _constant_of_shape(run: Reading, node: Node, shape: Any) -> Any:
    value = node.take("value", np.ndarray, np.zeros(1, "<f4"))
    if value.size != 1:
        raise ValueError(f"repeats {value.size} numbers")
    return run.folding.expand(Constant.of(value.reshape(())), numbers_of("the shape", shape))


# operator -> (fewest inputs, most inputs, what reads it)
AXES: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "Cast": (1, 1, _cast), "Concat": (1, 1000, _concat), "Constant": (0, 0, _constant),
    "ConstantOfShape": (1, 1, _constant_of_shape), "Flatten": (1, 1, _flatten), "Identity": (1, 1, _identity),
    "Reshape": (1, 2, _reshape), "Shape": (1, 1, _shape), "Slice": (1, 5, _slice), "Split": (1, 2, _split),
    "Squeeze": (1, 2, _squeeze), "Transpose": (1, 1, _transpose), "Unsqueeze": (1, 2, _unsqueeze),
}  # fmt: skip
