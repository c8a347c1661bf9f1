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


# -- one operator, in the axes of ONNX -----------------------------------------------------------------

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def numbers(seed: Any, *shape: int, dtype: str = "f4") -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * 0.4).astype(dtype)


def given_inputs(op: str, D: int, I: int, H: int, T: int, B: int, dtype: str = "f4", by_batch: bool = False,
                 names: str = "") -> dict[str, np.ndarray]:  # fmt: skip
    """Random values for X, W, R and the inputs in `names`."""
    gates = GATES[op]
    state = (B, D, H) if by_batch else (D, B, H)
    shapes = {
        "X": (B, T, I) if by_batch else (T, B, I), "W": (D, gates * H, I), "R": (D, gates * H, H),
        "B": (D, 2 * gates * H), "initial_h": state, "initial_c": state, "P": (D, 3 * H),
    }  # fmt: skip
    given = {name: numbers([7, k], *shapes[name], dtype=dtype) for k, name in enumerate(shapes)
             if name in ("X", "W", "R", *names.split())}  # fmt: skip
    if "sequence_lens" in names:
        given["sequence_lens"] = rng(3).integers(1, T + 1, B).astype("i4")
    return given


def operator(
    op: str, given: dict[str, Any], attributes: dict[str, Any], outputs: str = "", opset: int = 14
) -> bytes:
    """A model of one node; weights are initializers, the rest inputs."""
    names = ["X", "W", "R", "B", "sequence_lens", "initial_h", *(["initial_c", "P"] if op == "LSTM" else [])]
    outputs = outputs or ("Y Y_h Y_c" if op == "LSTM" else "Y Y_h")
    weights = {name: given[name] for name in "WRBP" if name in given}
    kinds = {"f": {4: FLOAT, 8: DOUBLE}, "i": {4: INT32}}
    inputs = [
        value(name, given[name].shape, kinds[given[name].dtype.kind][given[name].dtype.itemsize])
        for name in names
        if name in given and name not in weights
    ]
    called = " ".join(name if name in given else "-" for name in names)
    there = [name if name in outputs.split() else "-" for name in ("Y", "Y_h", "Y_c")]
    made = node(op, called, " ".join(there[: 2 + (op == "LSTM")]), **attributes)
    return model([made], weights, inputs, outputs, opset)


def call(given: dict[str, Any], by_batch: bool = False) -> dict[str, Any]:
    """What `predict` is called with for these inputs."""
    X = given["X"] if by_batch else given["X"].swapaxes(0, 1)
    arguments: dict[str, Any] = {"x": np.ascontiguousarray(X)}
    if "sequence_lens" in given:
        arguments["lengths"] = given["sequence_lens"]
    states = [given[name] for name in ("initial_h", "initial_c") if name in given]
    if states:
        by_direction = [s.swapaxes(0, 1) if by_batch else s for s in states]
        arguments["initial_state"] = tuple(s[d] for d in range(len(by_direction[0])) for s in by_direction)
    return arguments


def ours(op: str, onnx: tuple[np.ndarray, ...], by_batch: bool = False) -> tuple[np.ndarray, ...]:
    """Y, Y_h and Y_c as `predict` gives them: batch first, directions side by side."""
    Y, *states = onnx
    D = states[0].shape[1 if by_batch else 0]
    batch_first = Y if by_batch else Y.transpose(2, 0, 1, 3)
    y = batch_first.reshape(*batch_first.shape[:2], -1)
    by_direction = [s.swapaxes(0, 1) if by_batch else s for s in states]
    return (y, *(s[d] for d in range(D) for s in by_direction))


def agree(found: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    found, wanted = (x if isinstance(x, (tuple, list)) else (x,) for x in (found, wanted))
    assert [x.shape for x in found] == [x.shape for x in wanted]
    for one, two in zip(found, wanted, strict=True):
        scale = max(1.0, float(np.abs(two).max(initial=0)))
        assert np.abs(one - two).max(initial=0) <= tolerance * scale


def keras_like(**changes: Any) -> bytes:
    """Embedding, two directions whose outputs are folded, dropout, LSTM, its last state, Dense, softmax."""
    W = {name: numbers([k, 1], *shape) for k, (name, shape) in enumerate({
        "E": (11, 3), "W1": (2, 12, 3), "R1": (2, 12, 4), "B1": (2, 24), "W2": (1, 20, 8), "R2": (1, 20, 5),
        "B2": (1, 40), "K": (5, 6), "bias": (6,)}.items())}  # fmt: skip
    nodes = [
        node("Gather", "E ids", "e"),
        node("Transpose", "e", "et", perm=[1, 0, 2]),
        node("GRU", "et W1 R1 B1", "y1", hidden_size=4, direction="bidirectional", linear_before_reset=1),
        node("Transpose", "y1", "y1t", perm=[2, 0, 1, 3]),
        node("Reshape", "y1t shape", "y1r"),
        node("Dropout", "y1r", "dropped"),
        node("Transpose", "dropped", "z", perm=[1, 0, 2]),
        node("LSTM", "z W2 R2 B2", "y2 - -", hidden_size=5),
        node("Squeeze", "y2 one", "y2s"),
        node("Gather", "y2s last", "h", axis=0),
        node("MatMul", "h K", "p"),
        node("Add", "p bias", "logits"),
        node("Softmax", "logits", "out", axis=-1),
    ]
    extra = {"shape": np.array([0, 0, 8]), "one": np.array([1]), "last": np.array(-1)}
    return model(nodes, {**W, **extra, **changes}, [value("ids", ["N", "T"], INT64)], "out")


def stack(
    *nodes: dict[str, Any],
    outputs: str,
    op: str = "GRU",
    D: int = 2,
    weights: Any = None,
    **attributes: Any,
) -> bytes:
    """One recurrence x -> Y Y_h (Y_c), and nodes behind it."""
    given = given_inputs(op, D, 3, 4, 5, 2, names="B")
    W = {name: given[name] for name in "WRB"}
    direction = "bidirectional" if D == 2 else attributes.pop("direction", "forward")
    names = "Y Y_h Y_c" if op == "LSTM" else "Y Y_h"
    made = node(op, "x W R B", names, hidden_size=4, direction=direction, **attributes)
    return model([made, *nodes], {**W, **(weights or {})}, [value("x", ["T", "N", 3])], outputs)


def split(what: str, axis: int) -> list[dict[str, Any]]:
    """Both directions of an output, `fwd` and `bwd`."""
    return [
        node("Split", f"{what} halves", "a b", axis=axis),
        node("Squeeze", "a axes", "fwd"),
        node("Squeeze", "b axes", "bwd"),
    ]
