"""What a graph computes with constants and shapes alone, done while it is read.

Exporters write how a zero state gets its batch size, how biases are put together, how a shape is asked for
and put back.  The results are small, or rearrangements of the weights: whoever makes more than a few times
the numbers that the file holds is refused before they are made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .onnx_tensors import DTYPES, RANK_AT_MOST
from .onnx_values import Constant, Size, permutation, place

_SMALL = 64  # numbers that are repeated at once: vectors of sizes are
ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Equal": np.equal,
}  # fmt: skip


class Folding:
    """The operators on constants.

    left : how many numbers they may still make
    """

    def __init__(self, left: int) -> None:
        self.left = left

    def _make(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise ValueError("makes many times more numbers than the file holds")

    # -- arrangement ----------------------------------------------------------------------------------

    def transpose(self, x: Constant, perm: Sequence[int] | None) -> Constant:
        order = permutation(perm, x.array.ndim)
        return replace(x, array=x.array.transpose(order), sizes=tuple(x.sizes[k] for k in order))

    def squeeze(self, x: Constant, axes: Sequence[int] | None) -> Constant:
        if axes is None:
            axes = [k for k, size in enumerate(x.sizes) if isinstance(size, int) and size == 1]
        chosen = {place(k, x.array.ndim) for k in axes}
        for k in chosen:
            if x.sizes[k] != 1:
                raise ValueError(f"removes the axis {k} of {list(map(str, x.sizes))}")
        sizes = tuple(size for k, size in enumerate(x.sizes) if k not in chosen)
        return replace(x, array=x.array.squeeze(tuple(chosen)), sizes=sizes)

    def unsqueeze(self, x: Constant, axes: Sequence[int]) -> Constant:
        rank = x.array.ndim + len(axes)
        _check_rank(rank)
        chosen = {place(k, rank) for k in axes}
        if len(chosen) != len(axes):
            raise ValueError(f"adds the axes {list(axes)}")
        rest = iter(x.sizes)
        sizes = tuple(1 if k in chosen else next(rest) for k in range(rank))
        return replace(x, array=np.expand_dims(x.array, tuple(chosen)), sizes=sizes)

    def reshape(self, x: Constant, shape: Sequence[Any], allowzero: bool = False) -> Constant:
        _check_rank(len(shape))
        wanted = [
            x.sizes[k] if _is(size, 0) and not allowzero and k < len(x.sizes) else size
            for k, size in enumerate(shape)
        ]
        if x.array.size == 1 and math.prod(wanted) == math.prod(x.sizes):
            return replace(x, array=x.array.reshape((1,) * len(wanted)), sizes=tuple(wanted))
        if not x.whole or not all(isinstance(size, int) for size in wanted):
            raise ValueError(f"makes {list(map(str, wanted))} of repeated numbers")
        array = x.array.reshape(wanted)
        return replace(x, array=array, sizes=array.shape)

    def expand(self, x: Constant, shape: Sequence[Any]) -> Constant:
        rank = max(len(shape), x.array.ndim)
        _check_rank(rank)
        own = (1,) * (rank - x.array.ndim) + x.sizes
        other = (1,) * (rank - len(shape)) + tuple(shape)
        sizes = []
        for one, two in zip(own, other, strict=True):
            if one != two and not _is(one, 1) and not _is(two, 1):
                raise ValueError(f"expands {list(map(str, own))} to {list(map(str, other))}")
            sizes.append(two if _is(one, 1) else one)
        if any(isinstance(size, int) and size < 0 for size in sizes):
            raise ValueError(f"expands to {list(map(str, sizes))}")
        array = x.array.reshape((1,) * (rank - x.array.ndim) + x.array.shape)
        if all(isinstance(size, int) for size in sizes) and math.prod(sizes) <= _SMALL:
            array = np.array(np.broadcast_to(array, sizes))
        return replace(x, array=array, sizes=tuple(sizes))

    def part(self, x: Constant, axis: int, chosen: range, keep: bool) -> Constant:
        """The positions `chosen` of an axis; without `keep` the axis goes."""
        array, sizes = x.array, list(x.sizes)
        index: Any = slice(chosen.start, chosen.stop) if keep else chosen.start
        if array.shape[axis] == sizes[axis]:
            array = array[(slice(None),) * axis + (index,)]
        elif not keep:
            array = array.take(0, axis)
        sizes[axis : axis + 1] = [chosen.stop - chosen.start] if keep else []
        return replace(x.like(np.asarray(array)), sizes=tuple(sizes))

    def take(self, x: Constant, axis: int, indices: np.ndarray) -> Constant:
        """x at `indices` of an axis."""
        if not x.whole:
            raise ValueError("gathers from repeated numbers")
        size = x.array.shape[axis]
        if indices.dtype.kind != "i" or not ((-size <= indices) & (indices < size)).all():
            raise ValueError(f"gathers from {size} numbers at {indices.reshape(-1)[:8].tolist()}")
        _check_rank(x.array.ndim - 1 + indices.ndim)
        self._make(x.array.size // max(1, size) * indices.size)
        return x.like(np.asarray(x.array.take(indices, axis)))

    def concat(self, parts: Sequence[Constant], axis: int) -> Constant:
        rank = parts[0].array.ndim
        axis = place(axis, rank)
        sizes = list(parts[0].sizes)
        for part in parts:
            rest = [part.sizes[k] for k in range(part.array.ndim) if k != axis]
            if part.array.ndim != rank or rest != [sizes[k] for k in range(rank) if k != axis]:
                raise ValueError("joins arrays of different shapes")
        shapes = [part.array.shape for part in parts]
        if len({shape[:axis] + shape[axis + 1 :] for shape in shapes}) > 1 or any(
            part.array.shape[axis] != part.sizes[axis] for part in parts
        ):
            raise ValueError("joins repeated numbers")
        if len({part.array.dtype for part in parts if part.array.dtype != object}) > 1:
            raise ValueError("joins arrays of different dtypes")
        self._make(sum(part.array.size for part in parts))
        array = np.concatenate([part.array for part in parts], axis)
        sizes[axis] = array.shape[axis]
        return _merged(array, parts, tuple(sizes))

    # -- arithmetic ------------------------------------------------------------------------------------

    def elementwise(self, op: str, parts: Sequence[Constant]) -> Constant:
        """`ARITHMETIC`, and Where."""
        if not all(part.whole for part in parts):
            raise ValueError("computes with repeated numbers")
        arrays = [part.array for part in parts]
        try:
            self._make(math.prod(np.broadcast_shapes(*(array.shape for array in arrays))))
        except ValueError as error:
            raise ValueError(f"computes with {' and '.join(str(list(a.shape)) for a in arrays)}") from error
        symbols = any(array.dtype == object for array in arrays)
        if not symbols and len({array.dtype for array in arrays[op == "Where" :]}) > 1:
            raise ValueError("computes with arrays of different dtypes")
        if op == "Where":
            array = np.where(arrays[0].astype(bool), *arrays[1:])
        else:
            array = self._calculated(op, arrays)
        return _merged(array, parts, array.shape)

    def _calculated(self, op: str, arrays: list[np.ndarray]) -> np.ndarray:
        function = ARITHMETIC[op]
        if op == "Div" and arrays[0].dtype.kind != "f":
            function = np.floor_divide  # of sizes, which are not negative
        try:
            with np.errstate(divide="raise", over="ignore", under="ignore", invalid="ignore"):
                array = np.asarray(function(*arrays))
        except (TypeError, FloatingPointError, ZeroDivisionError) as error:
            raise ValueError("computes what only a run of the graph can know") from error
        if op == "Equal":
            return array.astype(bool)
        if array.dtype == object:
            numbers = [n.factor if isinstance(n, Size) else n for n in array.reshape(-1)]
            if any(abs(n) >> 62 for n in numbers):
                raise ValueError("computes a size that is no size")
        return array

    def cast(self, x: Constant, number: Any) -> Constant:
        if number not in DTYPES:
            raise ValueError(f"casts to the element type {number}")
        if x.array.dtype == object and DTYPES[number].kind == "i":
            return x
        if x.array.dtype == object:
            raise ValueError("casts sizes to other numbers than integers")
        self._make(x.array.size)
        with np.errstate(all="ignore"):
            return replace(x, array=x.array.astype(DTYPES[number]))


def shape_vector(sizes: Sequence[Any]) -> Constant:
    """What Shape gives."""
    if all(isinstance(size, int) for size in sizes):
        if any(size >> 62 for size in sizes):
            raise ValueError("is asked for a shape that is no shape")
        return Constant.of(np.array(sizes, np.int64))
    array = np.empty(len(sizes), object)
    array[:] = list(sizes)
    return Constant.of(array)


def numbers_of(name: str, x: Any) -> list[Any]:
    """The integers, or sizes, of a constant vector."""
    if not isinstance(x, Constant) or not x.whole or x.array.ndim > 1 or x.array.dtype.kind not in "iO":
        raise ValueError(f"{name} must be a constant vector of integers")
    if x.array.size > 4 * RANK_AT_MOST:
        raise ValueError(f"{name} has {x.array.size} numbers")
    return x.array.reshape(-1).tolist()


def _merged(array: np.ndarray, parts: Sequence[Constant], sizes: tuple[Any, ...]) -> Constant:
    origins = frozenset(name for part in parts for name in part.origins)
    return Constant(array, sizes, origins, sum(part.numbers for part in parts))


def _is(size: Any, number: int) -> bool:
    return isinstance(size, int) and size == number


def _check_rank(rank: int) -> None:
    if rank > RANK_AT_MOST:
        raise ValueError(f"makes an array of {rank} axes")
