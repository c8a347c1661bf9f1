"""ONNX files made by hand, and what the recurrent operators' specification says they give.

The files are made with `fastrnn.interop.protobuf`, which `test_interop_onnx.py` holds against the onnx
package.  `recurrence` follows the text of the specification (onnx.ai/onnx/operators) in float64, one step and
one sequence at a time; it shares nothing with the cells of fastrnn, and is held against ONNX Runtime.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrnn.interop.onnx_tensors import DTYPES
from fastrnn.interop.protobuf import encode

TYPES = {dtype: number for number, dtype in DTYPES.items()}
FLOAT, INT32, INT64, DOUBLE = 1, 6, 7, 11


def tensor(name: str, array: Any) -> dict[str, Any]:
    array = np.asarray(array)
    return {
        "dims": list(array.shape),
        "data_type": TYPES[array.dtype],
        "name": name,
        "raw_data": array.tobytes(),
    }


def attribute(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, np.ndarray):
        return {"name": name, "t": tensor("", value), "type": 4}
    many = isinstance(value, (list, tuple))
    first = value[0] if many and value else value
    kind = {float: ("f", 1), int: ("i", 2), str: ("s", 3)}[type(first) if not many or value else int]
    coded = [one.encode() if isinstance(one, str) else one for one in (value if many else [value])]
    if not many:
        return {"name": name, kind[0]: coded[0], "type": kind[1]}
    return {"name": name, {"f": "floats", "i": "ints", "s": "strings"}[kind[0]]: coded, "type": kind[1] + 5}


def node(op: str, inputs: str, outputs: str, name: str = "", **attributes: Any) -> dict[str, Any]:
    """`inputs` and `outputs` are names with spaces between; "-" is one that is left out."""
    names = [[one if one != "-" else "" for one in names.split()] for names in (inputs, outputs)]
    made = [attribute(key, value) for key, value in attributes.items()]
    return {"input": names[0], "output": names[1], "name": name, "op_type": op, "attribute": made}


def value(name: str, sizes: Any, kind: int = FLOAT) -> dict[str, Any]:
    """A size is a number, or a name."""
    dims = [{"dim_value" if isinstance(n, int) else "dim_param": n} for n in sizes]
    return {"name": name, "type": {"tensor_type": {"elem_type": kind, "shape": {"dim": dims}}}}


def model(
    nodes: list[dict[str, Any]],
    weights: dict[str, Any],
    inputs: list[dict[str, Any]],
    outputs: Any,
    opset: int = 17,
    **fields: Any,
) -> bytes:
    """The bytes of a model; `outputs` are names with spaces between."""
    graph = {
        "node": nodes,
        "name": "graph",
        "initializer": [tensor(name, array) for name, array in weights.items()],
        "input": inputs,
        # Their shapes are found by who runs it.
        "output": [{"name": name, "type": {"tensor_type": {"elem_type": FLOAT}}} for name in outputs.split()],
    }
    rest = {"ir_version": 8, "opset_import": [{"domain": "", "version": opset}], "graph": graph, **fields}
    return encode("Model", rest)


# -- the specification ---------------------------------------------------------------------------------

FUNCTIONS = {
    "Relu": lambda x, a, b: max(x, 0.0),
    "Tanh": lambda x, a, b: np.tanh(x),
    "Sigmoid": lambda x, a, b: 1 / (1 + np.exp(-x)),
    "Affine": lambda x, a, b: a * x + b,
    "LeakyRelu": lambda x, a, b: x if x >= 0 else a * x,
    "ThresholdedRelu": lambda x, a, b: x if x >= a else 0.0,
    "ScaledTanh": lambda x, a, b: a * np.tanh(b * x),
    "HardSigmoid": lambda x, a, b: min(max(a * x + b, 0.0), 1.0),
    "Elu": lambda x, a, b: x if x >= 0 else a * (np.exp(x) - 1),
    "Softsign": lambda x, a, b: x / (1 + abs(x)),
    "Softplus": lambda x, a, b: np.log(1 + np.exp(x)),
}
TAKES = {  # which of alpha and beta a function takes, and what they are where nobody says
    "Affine": (1.0, 0.0),
    "LeakyRelu": (0.01,),
    "ThresholdedRelu": (1.0,),
    "ScaledTanh": (1.0, 1.0),
    "HardSigmoid": (0.2, 0.5),
    "Elu": (1.0,),
}
USUAL = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}


def recurrence(op: str, attributes: dict[str, Any], given: dict[str, Any]) -> tuple[np.ndarray, ...]:
    """(Y, Y_h) or (Y, Y_h, Y_c) of one operator, in the axes of its layout, float64.

    given : X, W, R and the optional B, sequence_lens, initial_h, initial_c, P
    """
    by_batch = attributes.get("layout", 0) == 1
    X = np.asarray(given["X"], np.float64)
    X = X.swapaxes(0, 1) if by_batch else X
    T, B, _ = X.shape
    W, R = (np.asarray(given[name], np.float64) for name in "WR")
    D, H = W.shape[0], R.shape[2]
    lengths = np.asarray(given.get("sequence_lens", [T] * B))
    bias = np.asarray(given.get("B", np.zeros((D, 2 * W.shape[1]))), np.float64)
    P = np.asarray(given.get("P", np.zeros((D, 3 * H))), np.float64)
    starts = []
    for name in ("initial_h", "initial_c"):
        start = np.asarray(given.get(name, np.zeros((B, D, H) if by_batch else (D, B, H))), np.float64)
        starts.append(start.swapaxes(0, 1) if by_batch else start)
    Y, Y_h, Y_c = np.zeros((T, D, B, H)), np.zeros((D, B, H)), np.zeros((D, B, H))
    for d, functions in enumerate(_functions(op, attributes, D)):
        backwards = attributes.get("direction") == "reverse" or d == 1
        step = _Step(op, attributes, functions, W[d], R[d], bias[d], P[d])
        for b in range(B):
            h, c = starts[0][d, b], starts[1][d, b]
            times = range(lengths[b])
            for t in reversed(times) if backwards else times:
                h, c = step(X[t, b], h, c)
                Y[t, d, b] = h
            Y_h[d, b], Y_c[d, b] = h, c
    if by_batch:
        Y, Y_h, Y_c = Y.transpose(2, 0, 1, 3), Y_h.swapaxes(0, 1), Y_c.swapaxes(0, 1)
    return (Y, Y_h, Y_c) if op == "LSTM" else (Y, Y_h)


def _functions(op: str, attributes: dict[str, Any], directions: int) -> list[list[Any]]:
    names = attributes.get("activations") or USUAL[op] * directions
    left = [list(attributes.get(key, [])) for key in ("activation_alpha", "activation_beta")]
    made = []
    for name in names:
        numbers = [own.pop(0) if own else usual for own, usual in zip(left, TAKES.get(name, ()))]  # noqa: B905
        numbers = [*map(float, map(np.float32, numbers)), 0.0, 0.0]
        made.append(lambda x, f=FUNCTIONS[name], n=numbers: np.array([f(one, n[0], n[1]) for one in x]))
    size = len(USUAL[op])
    return [made[d * size : (d + 1) * size] for d in range(directions)]


class _Step:
    """(x, h, c) -> (h, c): the equations of the specification, gate by gate."""

    def __init__(self, op: str, attributes: dict[str, Any], functions: Any, W: Any, R: Any, B: Any, P: Any):
        self.op, self.functions = op, functions
        count = {"RNN": 1, "LSTM": 4, "GRU": 3}[op]
        self.W, self.R = np.split(W, count), np.split(R, count)
        self.Wb, self.Rb = (np.split(half, count) for half in np.split(B, 2))
        self.P = np.split(P, 3)
        clip = attributes.get("clip")  # attributes are float32 in the file, whatever the data are
        self.bound = None if clip is None else float(np.float32(clip))
        self.coupled = attributes.get("input_forget", 0) == 1
        self.linear_before_reset = attributes.get("linear_before_reset", 0) == 1

    def gate(self, k: int, x: Any, h: Any, more: Any = 0.0) -> Any:
        return self.clip(self.W[k] @ x + self.R[k] @ h + self.Wb[k] + self.Rb[k] + more)

    def clip(self, a: Any) -> Any:
        return a if self.bound is None else np.clip(a, -self.bound, self.bound)

    def __call__(self, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
        f = self.functions
        if self.op == "RNN":
            return f[0](self.gate(0, x, h)), c
        if self.op == "LSTM":
            i = f[0](self.gate(0, x, h, self.P[0] * c))
            forget = 1 - i if self.coupled else f[0](self.gate(2, x, h, self.P[2] * c))
            new = forget * c + i * f[1](self.gate(3, x, h))
            o = f[0](self.gate(1, x, h, self.P[1] * new))
            return o * f[2](new), new
        z, r = f[0](self.gate(0, x, h)), f[0](self.gate(1, x, h))
        if self.linear_before_reset:
            n = f[1](self.clip(self.W[2] @ x + r * (self.R[2] @ h + self.Rb[2]) + self.Wb[2]))
        else:
            n = f[1](self.gate(2, x, r * h))
        return (1 - z) * n + z * h, c
