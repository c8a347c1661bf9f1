"""Outputs of a model, NumPy out: for whole sequences, or for long ones in windows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from .batches import Inputs
from .errors import ShapeError
from .layers import Layer, RepeatVector
from .layers.base import check_units
from .packed import unpack, unpack_list
from .threads import get_num_threads, threads
from .windows import Sequences, carry, in_groups

_ONE_HOT = "predict: the model's output is one-hot rows, which are never materialised."


def outputs(model: Any, inputs: Inputs, layers: range, batch_size: int) -> Any:
    """What `Sequential.predict` gives, of those layers alone, so many examples at a time."""
    backend, xp = model.backend, model.backend.xp
    parts: list[Any] = []
    states: list[tuple[Any, ...]] = []
    n = len(inputs)
    fixed = fixed_steps(model.layers[i] for i in layers) if inputs.ragged else None
    for k in range(0, max(n, 1), batch_size):
        index = np.arange(k, min(k + batch_size, n))
        x = inputs.batch(index)
        given = inputs.states(index, x.layout)
        for i in layers:
            layer = model.layers[i]
            options = {"state": given[layer.name]} if given and layer.name in given else {}
            x, _ = layer.forward(x, None, **options)
        if x.depth is not None:
            raise ShapeError(_ONE_HOT)
        if x.states is not None:
            states.append(x.states)
        if not x.sequence:
            in_order = x.layout.is_plain
            parts.append(x.rows if in_order else x.rows[xp.asarray(x.layout.inverse_order)])
        elif inputs.ragged:
            rows = backend.to_numpy(x.rows)
            lengths = inputs.lengths[index] if fixed is None else [fixed] * len(index)
            parts.extend(unpack_list(rows, x.layout, lengths))
        else:
            parts.append(unpack(xp, x.rows, x.layout))
    if inputs.ragged and x.sequence:
        y: Any = parts
    else:
        y = parts[0] if len(parts) == 1 else xp.concatenate(parts)
    if not states:
        return y
    return (y, *(xp.concatenate(s) for s in zip(*states, strict=True)))


def in_windows(
    model: Any, x: Any, window: int, batch_size: int, lengths: Any = None, mask: Any = None,
    initial_state: Any = None,
) -> Any:  # fmt: skip
    """The same for all layers, in windows of so many steps: the memory of one window, and of the outputs.

    Raises
    ------
    ValueError : a layer runs backwards or needs the whole sequence
    """
    size = check_units("predict", "window", window)
    data = Sequences(model, "predict", x, None, size, lengths=lengths, mask=mask, initial_state=initial_state)
    last, xp = model.layers[-1], model.backend.xp
    if last.out_shape.one_hot:
        raise ShapeError(_ONE_HOT)
    n, features, zeros = len(data), last.out_shape.features, partial(xp.zeros, dtype=model.dtype)
    listed = data.ragged and data.every_step
    if listed:
        y: Any = [np.zeros((T, *features), model.dtype) for T in data.lengths]
    else:
        y = zeros((n, data.span, *features) if data.every_step else (n, *features))
    widths = last.state_widths if getattr(last, "return_state", False) else ()
    final = [zeros((n, width)) for width in widths]
    for part in in_groups(data, np.arange(n), batch_size):
        where = xp.asarray(part.examples)
        if not part.ends:
            carry(model, part)
            continue
        with threads(get_num_threads()), part.carried():
            out, _ = model.run(part.inputs.batch(np.arange(len(where))), None)
        if not data.every_step:
            y[where] = out.rows[xp.asarray(out.layout.inverse_order)]
        elif listed:
            # Masked steps are gone from the layout, so that a window's lengths are those of its inputs.
            parts = unpack_list(model.backend.to_numpy(out.rows), out.layout, part.inputs.lengths)
            for i, steps in zip(part.examples, parts, strict=True):
                y[i][part.start : part.start + len(steps)] = steps
        else:
            steps = unpack(xp, out.rows, out.layout)
            y[where, part.start : part.start + steps.shape[1]] = steps
        for whole, states in zip(final, part.states.now[last.name] if final else (), strict=True):
            whole[where] = states[xp.asarray(part.rows)]
    return (y, *final) if final else y


def fixed_steps(layers: Iterable[Layer]) -> int | None:
    """The number of output steps where a layer sets it, None where they are those of x."""
    steps = [one.n for one in layers if isinstance(one, RepeatVector) and one.n is not None]
    return steps[-1] if steps else None
