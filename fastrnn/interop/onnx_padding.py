"""Steps past the ends of sequences: what a graph does with the lengths beside giving them to recurrences.

A model here never computes such steps.  So a graph that sets them to zero says nothing new, as long as the
lengths are those of the recurrences; and one that turns each sequence round says where its last step is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .onnx_chain import Reading
from .onnx_graph import Node
from .onnx_states import lengths_input
from .onnx_values import Axis, Constant, Data, Size


def turned(run: Reading, x: Data, axis: int) -> Data:
    """Slice with step -1: x from its last step to its first, of sequences that are all whole."""
    if run.chain.lengths:
        raise ValueError("turns padded sequences round with their padding; ReverseSequence turns each")
    _become(x.groups[axis], "time")
    return replace(x, turned=not x.turned)


def _become(group: Sequence[Axis], role: str) -> None:
    if len(group) != 1 and not (role == "batch" and not group):
        raise ValueError(f"has an axis of {list(group)} where {role} must be")
    for axis in group:
        axis.become(role)


def _reverse_sequence(run: Reading, node: Node, x: Any, lengths: Any) -> Data:
    places = [node.take(f"{role}_axis", int, usual) for role, usual in (("time", 0), ("batch", 1))]
    if not isinstance(x, Data):
        raise ValueError("turns a constant round")
    for place, role in zip(places, ("time", "batch"), strict=True):
        _become(x.groups[x.axis(place)], role)
    run.chain.has_lengths(lengths_input("sequence_lens", lengths))
    return replace(x, turned=not x.turned)


def _range(run: Reading, node: Node, start: Any, limit: Any, delta: Any) -> Data:
    """The numbers of the steps of an axis."""
    found = [one.array.reshape(-1).tolist() for one in (start, limit, delta) if isinstance(one, Constant)]
    if len(found) != 3 or (found[0], found[2]) != ([0], [1]) or len(found[1]) != 1:
        raise ValueError("must count from 0 to the size of an axis")
    (size,) = found[1]
    if isinstance(size, Size) and size.factor == 1 and len(size.axes) == 1:
        axis = size.axes[0]
    elif isinstance(size, int) and size > 0:
        axis = Axis("steps", size)
    else:
        raise ValueError(f"counts to {size}, which is not the size of an axis")
    return Data(0, "steps", ((axis,),), ids=True)


def _less(run: Reading, node: Node, steps: Any, lengths: Any) -> Data:
    """Which steps are not past the ends."""
    if not isinstance(steps, Data) or steps.what != "steps":
        raise ValueError("must compare the numbers of steps with lengths")
    source = lengths_input("what they are compared with", lengths, apart=True)
    rank = max(len(steps.groups), len(lengths.groups))
    both = [((),) * (rank - len(x.groups)) + x.groups for x in (steps, lengths)]
    if any(one and two for one, two in zip(*both, strict=True)):
        raise ValueError("compares the numbers of steps with lengths on the same axis")
    groups = tuple(one or two for one, two in zip(*both, strict=True))
    _become(next(group for group in both[1] if group), "batch")
    return Data(0, "mask", groups, source=source)


def _where(run: Reading, node: Node, where: Any, x: Any, other: Any) -> Any:
    given = (where, x, other)
    if all(isinstance(one, Constant) for one in given):
        return run.folding.elementwise("Where", given)
    if not isinstance(where, Data) or where.what != "mask":
        raise ValueError("chooses between data; only steps past the ends of sequences are set to zero")
    if not isinstance(x, Data) or not isinstance(other, Constant) or other.array.any():
        raise ValueError("sets steps past the ends of sequences to something else than zero")
    if len(where.groups) > len(x.groups):
        raise ValueError(f"chooses between {x} and zeros by {where}")
    for mask, group in zip(where.groups[::-1], x.groups[::-1], strict=False):
        if not mask:
            continue
        of_batch = mask[0].role == "batch"
        _become(group, "batch" if of_batch else "time")
        if not of_batch and group[0] is not mask[0] and group[0].size != mask[0].size:
            raise ValueError(f"counts {mask[0].size} steps of {x}")
    run.chain.has_lengths(where.source)
    return x


# operator -> (fewest inputs, most inputs, what reads it)
PADDING: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "Less": (2, 2, _less), "Range": (3, 3, _range), "ReverseSequence": (2, 2, _reverse_sequence),
    "Where": (3, 3, _where),
}  # fmt: skip
