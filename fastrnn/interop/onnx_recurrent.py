"""Recurrent layers as ONNX's RNN, LSTM and GRU: weights, states, directions and merges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..layers import GRU, LSTM, RNN, Bidirectional, Recurrent, Reversed
from . import onnx_activations
from .gates import reorder
from .onnx_writer import Writer

# What a layer that was given the name of a cell is.
_NAMED: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "rnn_tanh": (RNN, {}), "rnn_relu": (RNN, {"activation": "relu"}), "lstm": (LSTM, {}), "gru": (GRU, {}),
    "lstm_peephole": (LSTM, {"peepholes": True}), "lstm_coupled": (LSTM, {"coupled": True}),
    "lstm_peephole_coupled": (LSTM, {"peepholes": True, "coupled": True}),
    "gru_before": (GRU, {"reset_after": False}),
}  # fmt: skip
Weight = Callable[[Any, str], np.ndarray]


def write(graph: Writer, layer: Any, x: str, lengths: str, weight: Weight) -> tuple[str, list[str]]:
    """The operator for a `Recurrent`, `Reversed` or `Bidirectional`.

    Parameters
    ----------
    x : its input [T, B, I]
    lengths : the name of the lengths, or ""
    weight : (layer, name of a parameter) -> array

    Returns
    -------
    the name of its output, [T, B, F] or [B, F], and those of its final states, where it gives them

    Raises
    ------
    ValueError : ONNX has no such recurrence
    """
    directions = lanes_of(layer)
    first, both = directions[0], len(directions) > 1
    op, attributes = _operator(layer.name, [_form(layer.name, one) for one in directions])
    H, states = first.units, first.cell.states
    backwards = isinstance(layer, Reversed) or first.go_backwards
    attributes["direction"] = "bidirectional" if both else "reverse" if backwards else "forward"
    made = [_arrays(op, one, weight) for one in directions]
    W, R, B, *P = (graph.constant(name, np.stack([arrays[name] for arrays in made])) for name in made[0])
    learns = any(one.learn_state for one in directions)
    starts = [_start(graph, directions, f"{s}0", x, weight) if learns else "" for s in states]
    inputs = [x, W, R, B, lengths, *starts, *P]
    while not inputs[-1]:
        inputs.pop()
    Y, *finals = graph(op, *inputs, outputs=1 + len(states), hidden_size=H, **attributes)
    y = _merged(graph, layer, Y, 1) if first.return_sequences else _merged(graph, layer, finals[0], 0)
    if first.return_sequences and first.go_backwards:  # ONNX gives y in the order of x
        y = flipped(graph, y, lengths)
    if not layer.return_state:
        return y, []
    for s, final in zip(states, finals, strict=True):
        if both:
            graph("Identity", final, name=s)
        else:
            graph("Squeeze", final, graph.sizes(0), name=s)
    return y, list(states)


def lanes_of(layer: Any) -> tuple[Any, ...]:
    """The recurrence that a layer is, or both."""
    return layer.layers() if isinstance(layer, (Bidirectional, Reversed)) else (layer,)


def _form(name: str, layer: Any) -> Any:
    """The layer as one of RNN, LSTM and GRU."""
    if not isinstance(layer, (RNN, LSTM, GRU)):
        if layer.cell.name not in _NAMED:
            what = f"the layer {name!r} has the cell {layer.cell.name!r}"
            raise ValueError(f"to_onnx: {what}, which ONNX lacks.")
        make, options = _NAMED[layer.cell.name]
        return make(layer.units, **options)
    if getattr(layer, "projection", None) is not None:
        raise ValueError(f"to_onnx: the layer {name!r} has a projection, which ONNX lacks.")
    return layer


def _operator(name: str, forms: list[Any]) -> tuple[str, dict[str, Any]]:
    """(operator, its attributes) for one direction or both."""
    found = [_direction(form) for form in forms]
    op, attributes, _ = found[0]
    if any(other[:2] != found[0][:2] for other in found):
        what = f"both directions of the layer {name!r} must be alike but for their activations"
        raise ValueError(f"to_onnx: {what}, for ONNX has one operator for them.")
    functions = [function for *_, own in found for function in own]
    return op, {**onnx_activations.recurrent(name, functions), **attributes}


def _direction(form: Any) -> tuple[str, dict[str, Any], list[Any]]:
    """(operator, attributes, activations) of one direction."""
    attributes: dict[str, Any] = {} if form.clip is None else {"clip": form.clip}
    if isinstance(form, RNN):
        return "RNN", attributes, [form.activation]
    if isinstance(form, GRU):
        attributes["linear_before_reset"] = int(form.reset_after)
        return "GRU", attributes, [form.recurrent_activation, form.activation]
    shown = form.activation if form.output_activation is None else form.output_activation
    if form.coupled:
        attributes["input_forget"] = 1
    return "LSTM", attributes, [form.recurrent_activation, form.activation, shown]


def _arrays(op: str, layer: Recurrent, weight: Weight) -> dict[str, np.ndarray]:
    """W, R, B and, of an LSTM with peepholes, P of one direction."""
    params = {name: weight(layer, name) for name in layer.params}
    coupled = op == "LSTM" and len(layer.cell.gates) == 3

    def blocks(name: str, kind: str = op.lower()) -> np.ndarray:
        array = params[name]
        if coupled:  # f is 1 - i: ONNX has room for its weights and does not read them
            i = array[: layer.units]
            array = np.concatenate([i, np.zeros_like(i), array[layer.units :]])
        return reorder(array, kind, "fastrnn", "onnx")

    two = "b_ih" in params
    b = blocks("b_ih" if two else "b")
    found = {
        "W": blocks("W_ih"),
        "R": blocks("W_hh"),
        "B": np.concatenate([b, blocks("b_hh") if two else np.zeros_like(b)]),
    }
    return {**found, "P": blocks("p", "peephole")} if "p" in params else found


def _start(graph: Writer, directions: tuple[Any, ...], name: str, x: str, weight: Weight) -> str:
    """Learnt initial states for a batch like that of x, [lanes, B, H]."""
    zeros = np.zeros((1, directions[0].state_widths[0]), graph.dtype)
    learnt = np.stack([weight(one, name)[None] if one.learn_state else zeros for one in directions])
    batch = graph("Shape", x, start=1, end=2)
    shape = graph("Concat", graph.sizes(len(directions)), batch, graph.sizes(learnt.shape[2]), axis=0)
    start: str = graph("Expand", graph.constant(name, learnt), shape)
    return start


def flipped(graph: Writer, y: str, lengths: str) -> str:
    """y [T, B, F] with every sequence from its last step to its first."""
    if lengths:
        ends = graph("Cast", lengths, to=7)
        return str(graph("ReverseSequence", y, ends, time_axis=0, batch_axis=1))
    from_last = (graph.sizes(-1), graph.sizes(-(2**63)), graph.sizes(0), graph.sizes(-1))
    return str(graph("Slice", y, *from_last))


def _merged(graph: Writer, layer: Any, y: str, axis: int) -> str:
    """Y [T, lanes, B, H], or Y_h [lanes, B, H], with its lanes, which lie along `axis`, as one."""
    if not isinstance(layer, Bidirectional):
        return str(graph("Squeeze", y, graph.sizes(axis)))
    if layer.merge_mode == "concat":
        turned = graph("Transpose", y, perm=[0, 2, 1, 3] if axis else [1, 0, 2])
        kept = [0, 0] if axis else [0]
        return str(graph("Reshape", turned, graph.sizes(*kept, 2 * layer.forward_layer.units)))
    halves = graph("Split", y, graph.sizes(1, 1), outputs=2, axis=axis)
    one, two = (graph("Squeeze", half, graph.sizes(axis)) for half in halves)
    made: str = graph("Mul" if layer.merge_mode == "mul" else "Add", one, two)
    return graph("Mul", made, graph.number(0.5)) if layer.merge_mode == "ave" else made
