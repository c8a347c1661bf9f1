"""How a recurrent operator stands in its graph: what it reads, where it begins, what it gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .onnx_cells import STATES, Recurrence, read
from .onnx_chain import Chain, Reading
from .onnx_graph import Node
from .onnx_values import LANES, Axis, Constant, Data


def place_recurrence(
    run: Reading, node: Node, X: Any, W: Any, R: Any, B: Any = None, lengths: Any = None, h: Any = None,
    c: Any = None, P: Any = None,
) -> tuple[Data, ...]:  # fmt: skip
    """Y, Y_h and, of an LSTM, Y_c."""
    chain = run.chain
    layout = node.take("layout", int, 0)
    if layout not in (0, 1):
        raise ValueError(f"layout must be 0 or 1, got {layout}")
    weights = [
        None if w is None else chain.take(w, name, 3 if name in "WR" else 2, bias=name == "B")
        for name, w in (("W", W), ("R", R), ("B", B), ("P", P))
    ]
    assert weights[0] is not None and weights[1] is not None
    recurrence = read(node, weights[0], weights[1], *weights[2:])
    x = chain.vectors(X, weights[0].shape[-1])
    if len(x.groups) != 3:
        raise ValueError(f"reads {x}; X must have three axes")
    time, batch = x.groups[layout], x.groups[1 - layout]
    if len(time) != 1 or len(batch) > 1:
        raise ValueError(
            f"reads {x}; X must be [time, batch, features], with layout 1 [batch, time, features]"
        )
    time[0].become("time")
    for axis in batch:
        axis.become("batch")
    _set_lengths(chain, lengths, time[0])
    _set_states(chain, recurrence, STATES[node.op], (h, c), layout)
    directions, units = len(recurrence.directions), recurrence.options[0]["units"]
    lane: tuple[Axis, ...] = (LANES,) if directions > 1 else ()
    features = (Axis("features", units, "features"),)
    flow = chain.grow(recurrence, replace(x, lanes=tuple((0, d) for d in range(directions))))
    y = (time, lane, batch, features) if layout == 0 else (batch, time, lane, features)
    state = (lane, batch, features) if layout == 0 else (batch, lane, features)
    return (
        replace(flow, what="y", groups=y),
        *(replace(flow, what=name, groups=state) for name in STATES[node.op]),
    )


def _set_lengths(chain: Chain, lengths: Any, time: Axis) -> None:
    """Which input says how long sequences are; it is the same for all recurrences."""
    name = ""
    if isinstance(lengths, Data):
        name = lengths_input("sequence_lens", lengths)
    elif isinstance(lengths, Constant) and (time.size is None or (lengths.array != time.size).any()):
        raise ValueError("sequence_lens is a constant, and not the full length; make it an input")
    chain.has_lengths(name)


def _set_states(chain: Chain, to: Recurrence, names: tuple[str, ...], given: Any, layout: int) -> None:
    """Where the recurrence begins: at zeros, at states that the caller gives, or at learnt ones."""
    D, H = len(to.directions), to.options[0]["units"]
    learnt: dict[str, np.ndarray] = {}
    called = []
    for name, state in zip(names, given, strict=False):
        if isinstance(state, Data):
            if state.what != "x" or state.ids:
                raise ValueError(f"initial_{name} must be an input of the graph, or a constant")
            chain.given.add(state.source)
            called.append(name)
        elif state is not None:
            sizes = state.sizes if layout == 0 else state.sizes[1::-1] + state.sizes[2:]
            if len(sizes) != 3 or sizes[0] != D or sizes[2] != H or state.array.dtype.kind != "f":
                raise ValueError(
                    f"initial_{name} must be [{D}, batch, {H}], got {list(map(str, state.sizes))}"
                )
            array = state.array if layout == 0 else state.array.transpose(1, 0, 2)
            if array.any():
                if (array != array[:, :1]).any():
                    raise ValueError(f"initial_{name} is a constant that is not the same for all of a batch")
                whole = chain.take(
                    Constant(state.array, state.array.shape, state.origins, state.numbers), name
                )
                learnt[name] = np.array(np.broadcast_to(array[:, 0], (D, H)), whole.dtype)
    if learnt and called:
        raise ValueError(f"initial_{called[0]} is an input of the graph, and another state is not; give both")
    if learnt:
        zeros = np.zeros((D, H), next(iter(learnt.values())).dtype)
        for d, arrays in enumerate(to.arrays):
            arrays |= {f"{name}0": learnt.get(name, zeros)[d] for name in names}


def lengths_input(what: str, x: Any, apart: bool = False) -> str:
    """The name of the graph's input that is the lengths x; `apart`: it may stand on an axis among others."""
    given = isinstance(x, Data) and x.what == "x" and x.ids and not x.cut
    if not given or (len(x.groups) != 1 and not apart) or sum(map(len, x.groups)) != 1:
        raise ValueError(f"{what} must be an input of the graph, integers [batch]")
    return str(x.source)
