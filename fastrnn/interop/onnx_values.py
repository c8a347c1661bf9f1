"""What stands between the nodes of a graph that is read: constants, and data known by their axes alone.

A graph turns and folds its tensors as its writer liked: time first or batch first, directions on an axis of
their own, ones squeezed in and out.  None of it computes anything.  So data are not numbers here but lists of
axes, and a Transpose or Reshape moves axes about; what computes becomes a layer (`onnx_lowering`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


class Axis:
    """One axis of the model's data; the same object wherever it is the same axis.

    size : None where it is free
    role : "time", "batch", "features", "lanes", or None while nothing has told which
    """

    def __init__(self, name: str, size: int | None = None, role: str | None = None) -> None:
        self.name, self.size, self.role = name, size, role

    def become(self, role: str) -> None:
        """Take a role, once."""
        if self.role not in (None, role):
            raise ValueError(f"reads the {self.role} axis of its input as {role}")
        self.role = role

    def __repr__(self) -> str:
        return self.role or self.name


LANES = Axis("directions", None, "lanes")  # its size is that of `Data.lanes`


@dataclass(frozen=True)
class Size:
    """A product of a number and free axes: what Shape gives, and what is made of it."""

    factor: int
    axes: tuple[Axis, ...]

    def __mul__(self, other: Any) -> Size:
        if isinstance(other, Size):
            return Size(self.factor * other.factor, _sorted((*self.axes, *other.axes)))
        return Size(self.factor * int(other), self.axes)

    __rmul__ = __mul__


def _sorted(axes: Iterable[Axis]) -> tuple[Axis, ...]:
    return tuple(sorted(axes, key=id))


def size_of(axes: Sequence[Axis], lanes: int) -> Any:
    """The size of axes that lie in one: an int, or a `Size` where one is free."""
    sizes = [lanes if axis is LANES else axis.size for axis in axes]
    free = _sorted(axis for axis, size in zip(axes, sizes, strict=True) if size is None)
    factor = math.prod(size for size in sizes if size is not None)
    return Size(factor, free) if free else factor


def divides(part: Any, whole: Any) -> bool:
    """Whether a size can be what remains of another."""
    one, all_ = (s if isinstance(s, Size) else Size(s, ()) for s in (part, whole))
    left = list(all_.axes)
    for axis in one.axes:
        if axis not in left:
            return False
        left.remove(axis)
    return one.factor > 0 and all_.factor % one.factor == 0


@dataclass(frozen=True)
class Constant:
    """Numbers that the file holds.

    Attributes
    ----------
    array : of integers, it may hold `Size` objects (dtype object)
    sizes : its shape; where a size is larger than that of `array`, which is 1 there, it is repeated
    origins : the names of the weights it was made from
    numbers : how many numbers of these weights are in it
    """

    array: np.ndarray
    sizes: tuple[Any, ...]
    origins: frozenset[str] = frozenset()
    numbers: int = 0

    @classmethod
    def of(cls, array: Any, name: str = "") -> Constant:
        """All of `array`; `name` is that of a weight."""
        array = np.asarray(array)
        weight = bool(name) and array.dtype.kind == "f"
        return cls(array, array.shape, frozenset([name] if weight else []), array.size if weight else 0)

    @property
    def whole(self) -> bool:
        """Whether nothing is repeated."""
        return self.array.shape == self.sizes

    def like(self, array: np.ndarray) -> Constant:
        """Other numbers of the same weights, or a part of them."""
        numbers = self.numbers * array.size // max(1, self.array.size)
        return Constant(array, array.shape, self.origins, numbers)


@dataclass(frozen=True)
class Data:
    """What flows.

    Attributes
    ----------
    version : after how many changes of the data in the chain of layers this is
    what : "x" an input of the graph, "y" "h" "c" an output of a recurrence, "rows" of another layer; "steps"
        are the numbers of its steps, "mask" says which of them are not past the ends
    groups : for each axis of the tensor, the axes of the model that lie in it; () is an axis of size 1
    lanes : (version, direction) of each output of a recurrence that is in it
    ids : whether it holds integers
    source : the graph's input, where it is "x"
    cut : whether a part of that input is left out
    turned : whether its steps run from the last of a sequence to its first
    formula : what is made of each number (`onnx_formulas.Formula`), or None
    """

    version: int
    what: str
    groups: tuple[tuple[Axis, ...], ...]
    lanes: tuple[tuple[int, int], ...] = ()
    ids: bool = False
    source: str = ""
    cut: bool = False
    turned: bool = False
    formula: Any = None

    @property
    def sizes(self) -> tuple[Any, ...]:
        return tuple(size_of(group, len(self.lanes)) for group in self.groups)

    def axis(self, index: Any) -> int:
        """`index` from 0, counted from the end where it is negative."""
        return place(index, len(self.groups))

    def has(self, role: str) -> bool:
        """Whether one of its axes has that role."""
        return any(axis.role == role for group in self.groups for axis in group)

    # -- axes moved about ----------------------------------------------------------------------------

    def transposed(self, perm: Sequence[int] | None) -> Data:
        order = permutation(perm, len(self.groups))
        return replace(self, groups=tuple(self.groups[k] for k in order))

    def squeezed(self, axes: Sequence[int] | None) -> Data:
        if axes is None:
            chosen = {k for k, size in enumerate(self.sizes) if isinstance(size, int) and size == 1}
        else:
            chosen = {self.axis(k) for k in axes}
        for k in chosen:
            if any(not (axis.role == "batch" and axis.size == 1) for axis in self.groups[k]):
                raise ValueError(f"removes the axis {k}, which is not of size 1: {self}")
        return replace(self, groups=tuple(g for k, g in enumerate(self.groups) if k not in chosen))

    def unsqueezed(self, axes: Sequence[int]) -> Data:
        rank = len(self.groups) + len(axes)
        chosen = {place(k, rank) for k in axes}
        rest = iter(self.groups)
        return replace(self, groups=tuple(() if k in chosen else next(rest, ()) for k in range(rank)))

    def reshaped(self, shape: Sequence[Any], allowzero: bool = False) -> Data:
        """The same axes in other groups; an axis is never divided."""
        wanted = list(shape)
        for k, size in enumerate(wanted):
            if isinstance(size, int) and size == 0 and not allowzero:
                if k >= len(self.groups):
                    raise ValueError(f"copies the size of axis {k}, which is not there: {self}")
                wanted[k] = self.sizes[k]
        free = [k for k, size in enumerate(wanted) if isinstance(size, int) and size == -1]
        if len(free) > 1:
            raise ValueError(f"leaves two sizes open: {wanted}")
        left = [axis for group in self.groups for axis in group]
        cut = free[0] if free else len(wanted)
        before = [self._first(left, size, wanted) for size in wanted[:cut]]
        left.reverse()
        after = [self._first(left, size, wanted)[::-1] for size in reversed(wanted[cut + 1 :])]
        left.reverse()
        middle = [tuple(left)] if free else []
        if not free and any(axis.size != 1 for axis in left):
            raise ValueError(f"makes {wanted} of {self}")
        return replace(self, groups=(*before, *middle, *reversed(after)))

    def _first(self, left: list[Axis], size: Any, wanted: Sequence[Any]) -> tuple[Axis, ...]:
        """The first axes of `left` that make `size`; they are taken away."""
        taken: list[Axis] = []
        if isinstance(size, int) and size == 1:  # an axis of size 1 may stand anywhere
            one = next((axis for axis in left if axis.size == 1 and axis is not LANES), None)
            if one is not None:
                left.remove(one)
                taken.append(one)
            return tuple(taken)
        while (have := size_of(taken, len(self.lanes))) != size:
            if not left or not divides(have, size):
                raise ValueError(f"makes {[str(s) for s in wanted]} of {self}, which divides an axis")
            taken.append(left.pop(0))
        return tuple(taken)

    def flattened(self, axis: int) -> Data:
        """Two axes: those before `axis`, and the rest."""
        axis = axis + len(self.groups) if axis < 0 else axis
        if not 0 <= axis <= len(self.groups):
            raise ValueError(f"flattens {self} at {axis}")
        halves = self.groups[:axis], self.groups[axis:]
        return replace(self, groups=tuple(tuple(a for group in half for a in group) for half in halves))

    # -- directions, and parts of an input -------------------------------------------------------------

    def part(self, index: int, chosen: range, keep: bool) -> Data | None:
        """What is at the positions `chosen` of an axis; without `keep` the axis goes, one is chosen.

        None where that is a part of time or batch, which are no matter of axes.
        """
        group, size = self.groups[index], self.sizes[index]
        if isinstance(size, int) and chosen == range(size) and (keep or not group):
            return self if keep else self._replaced(index, None)
        if self.what == "x" and len(group) == 1:
            axis = Axis(f"part of {group[0]}", chosen.stop - chosen.start, group[0].role)
            return replace(self._replaced(index, (axis,) if keep else None), cut=True)
        if not group or group[0] is not LANES or not isinstance(size, int):
            return None
        block = size // len(self.lanes)
        lanes = self.lanes[chosen.start // block : chosen.stop // block]
        if chosen.start % block or chosen.stop % block or not lanes:
            return None
        rest = group[1:] if len(lanes) == 1 else group
        return replace(self._replaced(index, rest if keep else None), lanes=lanes)

    def _replaced(self, index: int, group: tuple[Axis, ...] | None) -> Data:
        groups = list(self.groups)
        groups[index : index + 1] = [] if group is None else [group]
        return replace(self, groups=tuple(groups))

    def __str__(self) -> str:
        return f"[{', '.join(' x '.join(map(repr, group)) or '1' for group in self.groups)}]"


def joined(parts: Sequence[Data], axis: int) -> Data:
    """Outputs of recurrences side by side, on an axis of their own or before their features."""
    first = parts[0]
    axis = first.axis(axis)
    fits = all(len(part.groups) == len(first.groups) and part.what == first.what for part in parts)
    if not fits or not all(part.lanes for part in parts):
        raise ValueError("joins what are not the outputs of recurrences")
    groups = []
    for k in range(len(first.groups)):
        kinds = {tuple("features" if a.role == "features" else a for a in part.groups[k]) for part in parts}
        if k == axis:
            kinds = {tuple(a for a in kind if a is not LANES) for kind in kinds}
        if len(kinds) > 1:
            raise ValueError(f"joins {first} and others of other axes")
        groups.append(parts[-1].groups[k])
    here = groups[axis]
    own = tuple(a for a in here if a is not LANES)
    one_each = all(len(part.lanes) == 1 for part in parts)
    if len(own) > 1 or (own and (own[0].role != "features" or not one_each)):
        raise ValueError(f"joins {first} on the axis {axis}; directions are joined, and nothing else")
    groups[axis] = (LANES, *own)
    lanes = tuple(lane for part in parts for lane in part.lanes)
    version = max(part.version for part in parts)
    return replace(parts[-1], version=version, groups=tuple(groups), lanes=lanes)


def place(index: Any, rank: int) -> int:
    """An axis from 0; ValueError where a tensor of that rank has none such."""
    if not isinstance(index, (int, np.integer)) or not -rank <= index < rank:
        raise ValueError(f"names the axis {index} of {rank}")
    return int(index) % rank


def permutation(perm: Sequence[int] | None, rank: int) -> list[int]:
    """The order of axes that a Transpose makes."""
    order = list(range(rank))[::-1] if perm is None else list(perm)
    if sorted(order) != list(range(rank)):
        raise ValueError(f"puts {rank} axes in the order {order}")
    return order
