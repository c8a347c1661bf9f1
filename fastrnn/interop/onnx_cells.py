"""ONNX's RNN, LSTM and GRU: attributes and weights of one node, as the arguments and arrays of layers.

The source is the operators' specification (onnx.ai/onnx/operators, versions 1 to 22) and, where it is
silent, ONNX Runtime: the numbers of `activation_alpha` and `activation_beta` go to those functions that take
one, in order, and the rest have those of the operator of that name.  (Of ThresholdedRelu that is 1; ONNX
Runtime 1.32 takes 0.)

============  ===================================================================================
there         here
============  ===================================================================================
W, R          W_ih, W_hh of each direction, gates in the order of `gates.ORDERS`
B             both halves added, but for a GRU that resets after the product: b_ih and b_hh
P             p, peepholes
input_forget  coupled: the weights of the forget gate count for nothing, and are left out
============  ===================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layers import GRU, LSTM, RNN, Bidirectional, Layer, Reversed
from ..layers.activation import FUNCTIONS
from .gates import reorder
from .onnx_activations import RECURRENT
from .onnx_graph import Node

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
STATES = {"RNN": ("h",), "LSTM": ("h", "c"), "GRU": ("h",)}
_USUAL = {"RNN": ("tanh",), "LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh")}
_DIRECTIONS = {"forward": ("forward",), "reverse": ("reverse",), "bidirectional": ("forward", "reverse")}
# ONNX's name, in small letters as ONNX Runtime takes it -> ours, and how many of alpha and beta it takes.
_ACTIVATIONS = {theirs.lower(): (ours, count) for ours, (theirs, count) in RECURRENT.items()}
_NO_DEFAULTS = ("affine", "scaled_tanh")  # there are no operators of that name to have them from


@dataclass
class Recurrence:
    """A node on its way to being a layer.

    Attributes
    ----------
    node : what it was read from
    directions : "forward", "reverse", or both
    options : for each direction, the arguments of its layer
    arrays : for each direction, its parameters
    sequences, states : what is asked of it; set while the rest of the graph is read
    merge : how both directions are put together
    """

    node: Node
    directions: tuple[str, ...]
    options: list[dict[str, Any]]
    arrays: list[dict[str, np.ndarray]]
    sequences: bool = False
    states: bool = False
    merge: str = "concat"

    def part(self) -> tuple[Layer, dict[str, np.ndarray]]:
        """The layer, and its arrays."""
        cls: Any = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}[self.node.op]
        whole = {"return_sequences": self.sequences, "return_state": self.states}
        whole["learn_state"] = any("h0" in arrays for arrays in self.arrays)
        backwards = self.directions == ("reverse",)
        if backwards and not self.sequences:
            whole["go_backwards"] = True
        layers = [cls(**options, **whole) for options in self.options]
        if len(layers) == 2:
            back = None if self.options[0] == self.options[1] else layers[1]
            both = Bidirectional(layers[0], self.merge, back)
            sides = zip(("forward", "backward"), self.arrays, strict=True)
            return both, {f"{side}.{name}": a for side, arrays in sides for name, a in arrays.items()}
        if backwards and self.sequences:
            return Reversed(layers[0]), {f"layer.{name}": array for name, array in self.arrays[0].items()}
        return layers[0], self.arrays[0]


def read(node: Node, W: np.ndarray, R: np.ndarray, B: Any = None, P: Any = None) -> Recurrence:
    """The recurrence that a node says; its attributes are taken away.

    W [D, G, I], R [D, G, H], B [D, 2G], P [D, 3H] : the node's weights, or None for B and P

    Raises
    ------
    ValueError : they do not fit to each other, or to the attributes
    """
    gates = GATES[node.op]
    directions = _DIRECTIONS.get(node.take("direction", str, "forward"))
    if directions is None:
        raise ValueError(f"direction must be one of {', '.join(_DIRECTIONS)}")
    D, H = len(directions), node.take("hidden_size", int, R.shape[-1])
    node.take("output_sequence", int)  # of version 1: which outputs it has says the same
    wanted = {
        "W": (W, (D, gates * H, W.shape[-1])),
        "R": (R, (D, gates * H, H)),
        "B": (B, (D, 2 * gates * H)),
        "P": (P, (D, 3 * H)),
    }
    for name, (array, shape) in wanted.items():
        if array is not None and (array.shape != shape or 0 in shape or array.dtype != W.dtype):
            raise ValueError(f"{name} must be {list(shape)} {W.dtype}, got {list(array.shape)} {array.dtype}")
    clip = node.take("clip", float)
    options: dict[str, Any] = {"units": H, "clip": None if clip is None else _number(clip, W.dtype)}
    coupled = reset_after = False
    if node.op == "LSTM":
        coupled = _flag(node, "input_forget")
        options |= {"coupled": coupled, "peepholes": P is not None}
    if node.op == "GRU":
        reset_after = _flag(node, "linear_before_reset")
        options["reset_after"] = reset_after
    functions = _functions(node, D, W.dtype)
    sides = zip(W, R, [None] * D if B is None else B, [None] * D if P is None else P, strict=True)
    arrays = [_arrays(node.op.lower(), *side, reset_after) for side in sides]
    if coupled:
        arrays = [_without_forget(one, H) for one in arrays]
    return Recurrence(node, directions, [{**options, **_named(node.op, one)} for one in functions], arrays)


def _flag(node: Node, name: str) -> bool:
    value = node.take(name, int, 0)
    if value not in (0, 1):
        raise ValueError(f"{name} must be 0 or 1, got {value}")
    return bool(value)


def _arrays(kind: str, W: Any, R: Any, B: Any, P: Any, reset_after: bool) -> dict[str, np.ndarray]:
    """The parameters of one direction, their gates in our order."""
    halves = np.zeros((2, len(W)), W.dtype) if B is None else B.reshape(2, -1)
    b_ih, b_hh = (reorder(half, kind, "onnx", "fastrnn") for half in halves)
    biases = {"b_ih": b_ih, "b_hh": b_hh} if reset_after else {"b": b_ih + b_hh}
    peepholes = {} if P is None else {"p": reorder(P, "peephole", "onnx", "fastrnn")}
    weights = {name: reorder(a, kind, "onnx", "fastrnn") for name, a in (("W_ih", W), ("W_hh", R))}
    return {**weights, **biases, **peepholes}


def _without_forget(arrays: dict[str, np.ndarray], units: int) -> dict[str, np.ndarray]:
    """Without the second block of each array, which is the forget gate's."""
    return {name: np.delete(a, np.s_[units : 2 * units], axis=0) for name, a in arrays.items()}


def _named(op: str, functions: list[Any]) -> dict[str, Any]:
    """The layer's arguments for the functions of one direction, in ONNX's order."""
    if op == "RNN":
        return {"activation": functions[0]}
    named = {"recurrent_activation": functions[0], "activation": functions[1]}
    if op == "LSTM" and functions[2] != functions[1]:
        named["output_activation"] = functions[2]
    return named


def _functions(node: Node, directions: int, dtype: np.dtype[Any]) -> list[list[Any]]:
    """The activations of each direction, as layers take them."""
    usual = _USUAL[node.op]
    names = node.take("activations", str, []) or list(usual) * directions
    numbers = {name: iter(node.take(name, float, [])) for name in ("activation_alpha", "activation_beta")}
    if len(names) != directions * len(usual):
        raise ValueError(f"activations must be {directions * len(usual)} names, got {names}")
    functions: list[Any] = []
    for given in names:
        if given.lower() not in _ACTIVATIONS:
            known = ", ".join(theirs for theirs, _ in RECURRENT.values())
            raise ValueError(f"activations has {given!r}, which is none of {known}")
        name, count = _ACTIVATIONS[given.lower()]
        own = []
        for left, usual_number in zip(numbers.values(), FUNCTIONS[name].numbers, strict=False):
            number = next(left, None)
            if number is None and name in _NO_DEFAULTS:
                raise ValueError(f"activations has {given!r}, which needs activation_alpha and activation_beta")
            own.append(_number(usual_number if number is None else number, dtype))
        functions.append([name, *own] if count else name)
    for name, left in numbers.items():
        rest = len(list(left))
        if rest:
            raise ValueError(f"{name} has {rest} numbers more than the activations take")
    return [functions[d * len(usual) : (d + 1) * len(usual)] for d in range(directions)]


def _number(value: float, dtype: np.dtype[Any]) -> float:
    """A number of the file, which is float32; in a float32 model the shortest that is the same, as 0.2."""
    return float(str(np.float32(value))) if dtype == np.float32 else float(value)
