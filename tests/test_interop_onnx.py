"""`from_onnx`: against the operators' specification, ONNX Runtime, and what exporters write."""

from __future__ import annotations

import importlib
import io
import itertools
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_files import (
    DOUBLE,
    FLOAT,
    FUNCTIONS,
    INT32,
    INT64,
    TAKES,
    USUAL,
    model,
    node,
    recurrence,
    tensor,
    value,
)

import fastrnn as fr
from fastrnn.interop import from_onnx
from fastrnn.interop.protobuf import FIELDS_AT_MOST, decode, encode
from fastrnn.proof import Example

THOROUGH = os.environ.get("FASTRNN_THOROUGH") == "1"
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- one operator, in the axes of ONNX --------------------------------------------------------------------


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


ATTRIBUTES: list[tuple[str, dict[str, Any], str]] = [
    ("RNN", {}, ""),
    ("RNN", {"activations": ["Relu"], "clip": 0.5}, "B initial_h"),
    ("RNN", {"direction": "reverse"}, "B sequence_lens"),
    ("RNN", {"direction": "bidirectional", "activations": ["Tanh", "LeakyRelu"], "activation_alpha": [0.3]},
     "B sequence_lens initial_h"),
    ("LSTM", {}, "B"),
    ("LSTM", {"direction": "reverse", "clip": 0.7}, "B P initial_h initial_c sequence_lens"),
    ("LSTM", {"direction": "bidirectional"}, "B P sequence_lens initial_h initial_c"),
    ("LSTM", {"input_forget": 1}, "B"),
    ("LSTM", {"input_forget": 1, "clip": 0.4}, "P initial_h initial_c"),
    ("LSTM", {"activations": ["HardSigmoid", "Softsign", "Relu"], "activation_alpha": [0.3],
              "activation_beta": [0.4]}, "B"),
    ("LSTM", {"direction": "bidirectional", "activations": ["Sigmoid", "Tanh", "Tanh", "HardSigmoid", "Elu", "Affine"],
              "activation_alpha": [0.25, 0.5, 0.6], "activation_beta": [0.45, 0.1]}, "B P"),
    ("GRU", {}, "B"),
    ("GRU", {"linear_before_reset": 1}, "B initial_h"),
    ("GRU", {"direction": "reverse", "clip": 0.3}, "B sequence_lens initial_h"),
    ("GRU", {"direction": "bidirectional", "linear_before_reset": 1, "clip": 0.3}, "B sequence_lens"),
    ("GRU", {"activations": ["Sigmoid", "ScaledTanh"], "activation_alpha": [1.7], "activation_beta": [0.7]}, "B"),
]  # fmt: skip


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("op", "attributes", "names"), ATTRIBUTES)
def test_recurrences_are_those_of_the_specification(
    op: str, attributes: dict[str, Any], names: str, dtype: str, layout: int
) -> None:
    """Neither onnx nor ONNX Runtime is asked: every attribute, both layouts, both dtypes."""
    D = 2 if attributes.get("direction") == "bidirectional" else 1
    given = given_inputs(op, D, 3, 4, 5, 6, dtype, layout == 1, names)
    attributes = {**attributes, "hidden_size": 4, "layout": layout}
    made = from_onnx(operator(op, given, attributes))
    wanted = ours(op, recurrence(op, attributes, given), layout == 1)
    agree(made.predict(**call(given, layout == 1)), wanted, {"f4": 1e-5, "f8": 1e-12}[dtype])
    assert made.dtype == np.dtype(dtype) and made.proof.source == "onnx"


@pytest.mark.parametrize("opset", [1, 7, 14, 22])
@pytest.mark.parametrize("op", list(GATES))
def test_every_version_of_the_operators(op: str, opset: int) -> None:
    given = given_inputs(op, 2, 3, 4, 5, 2, names="B initial_h")
    attributes: dict[str, Any] = {"hidden_size": 4, "direction": "bidirectional"}
    if opset == 1:
        attributes["output_sequence"] = 1
    made = from_onnx(operator(op, given, attributes, "Y", opset))
    arguments = call(given)
    if op == "LSTM":
        h = arguments["initial_state"]
        arguments["initial_state"] = tuple(s for one in h for s in (one, np.zeros_like(one)))
    agree(made.predict(**arguments), ours(op, recurrence(op, attributes, given))[0])


@pytest.mark.parametrize("outputs", ["Y", "Y_h", "Y Y_h", "Y_h Y_c", "Y_c", "Y_c Y", "Y Y_h Y_c"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_any_outputs(direction: str, outputs: str) -> None:
    D = 2 if direction == "bidirectional" else 1
    given = given_inputs("LSTM", D, 3, 4, 5, 2, names="B sequence_lens")
    attributes = {"hidden_size": 4, "direction": direction}
    y, *states = ours("LSTM", recurrence("LSTM", attributes, given))
    found = from_onnx(operator("LSTM", given, attributes, outputs)).predict(**call(given))
    last = np.concatenate(states[::2], axis=1)
    first = y if "Y" in outputs.split() else last
    agree(found, first if outputs in ("Y", "Y_h") else (first, *states))


def random_case(seed: int) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """An operator with random attributes and inputs, among those that ONNX Runtime computes."""
    r = rng(seed)
    op = list(GATES)[r.integers(3)]
    direction = ("forward", "reverse", "bidirectional")[r.integers(3)]
    D = 2 if direction == "bidirectional" else 1
    I, H, T, B = (int(r.integers(1, most)) for most in (6, 9, 8, 6))
    names = [name for name in ("B", "sequence_lens", "initial_h") if r.random() < 0.5]
    names += [name for name in ("initial_c", "P") if op == "LSTM" and r.random() < 0.5]
    if op == "LSTM" and ("initial_h" in names) != ("initial_c" in names):
        names += ["initial_h", "initial_c"]
    given = given_inputs(op, D, I, H, T, B, names=" ".join(names))
    for k, name in enumerate(given):
        if name != "sequence_lens":
            given[name] = numbers([seed, k], *given[name].shape)
        else:
            given[name] = r.integers(1, T + 1, B).astype("i4")
    attributes: dict[str, Any] = {"hidden_size": H, "direction": direction}
    if r.random() < 0.3:
        attributes["clip"] = float(np.float32(r.uniform(0.2, 2)))
    if op == "LSTM" and r.random() < 0.3:
        attributes["input_forget"] = 1
    if op == "GRU" and r.random() < 0.5:
        attributes["linear_before_reset"] = 1
    if r.random() < 0.5:
        # A sum of growing gates is no longer the same in float32 and float64 after a few steps.
        bounded = [name for name in FUNCTIONS if name not in ("ThresholdedRelu", "Affine")]
        attributes["activations"] = [bounded[r.integers(len(bounded))] for _ in range(D * len(USUAL[op]))]
        for k, name in enumerate(("activation_alpha", "activation_beta")):
            count = sum(len(TAKES.get(one, ())) > k for one in attributes["activations"])
            if count:
                attributes[name] = [float(np.float32(n)) for n in r.uniform(0.1, 0.9, count)]
    return op, attributes, given


def test_500_random_operators_agree_with_onnx_runtime() -> None:
    """All 500 always run.  The specification, written out in `onnx_files`, is held against both."""
    ort = pytest.importorskip("onnxruntime")
    ort.set_default_logger_severity(4)
    for seed in range(500):
        op, attributes, given = random_case(seed)
        file = operator(op, given, attributes)
        inputs = {name: array for name, array in given.items() if name not in "WRBP"}
        there = ours(op, ort.InferenceSession(file).run(None, inputs))
        agree(there, ours(op, recurrence(op, attributes, given)))
        arguments = call(given)
        example = Example(arguments["x"], there, arguments.get("lengths"), arguments.get("initial_state"))
        made = from_onnx(file, example=example)  # which compares
        assert made.proof.difference <= 1e-5 * max(1.0, *(float(np.abs(a).max()) for a in there))
        agree(made.predict(**arguments), there)


NODE_TESTS = [
    "simple_rnn_defaults", "simple_rnn_with_initial_bias", "rnn_seq_length", "simple_rnn_batchwise",
    "simple_rnn_reverse", "simple_rnn_bidirectional", "lstm_defaults", "lstm_with_initial_bias",
    "lstm_with_peepholes", "lstm_batchwise", "lstm_reverse", "lstm_bidirectional", "gru_defaults",
    "gru_with_initial_bias", "gru_seq_length", "gru_batchwise", "gru_reverse", "gru_bidirectional",
]  # fmt: skip


@pytest.fixture(scope="module")
def node_tests() -> dict[str, Any]:
    """The recurrent node tests of the onnx package, by name: importing its generators makes them."""
    cases = pytest.importorskip("onnx.backend.test.case.node")
    for op in ("rnn", "lstm", "gru"):
        importlib.import_module(f"onnx.backend.test.case.node.{op}")
    found = {test.name.removeprefix("test_"): test for test in cases._NodeTestCases}
    return {name: test for name, test in found.items() if test.model.graph.node[0].op_type in GATES}


@pytest.mark.parametrize("name", NODE_TESTS)
def test_the_node_tests_of_onnx(name: str, node_tests: dict[str, Any]) -> None:
    test = node_tests[name]
    graph = test.model.graph
    ((inputs, outputs),) = test.data_sets
    given = dict(zip((one.name for one in graph.input), inputs, strict=True))
    attributes = {one.name: one for one in graph.node[0].attribute}
    by_batch = "layout" in attributes and attributes["layout"].i == 1
    weights = {name: array for name, array in given.items() if name in "WRBP"}
    made = from_onnx(test.model.SerializeToString(), constants=weights)
    found = made.predict(**call(given, by_batch))
    D = len(weights["W"])
    names = [one.name for one in graph.output]
    parts = list(found) if isinstance(found, tuple) else [found]
    count = 2 if graph.node[0].op_type == "LSTM" else 1
    first = parts.pop(0)
    for output, wanted in zip(names, outputs, strict=True):
        if output == "Y":
            layout = first.reshape(*first.shape[:2], D, -1)
            got = layout if by_batch else layout.transpose(1, 2, 0, 3)
        else:
            if not parts:  # Y_h alone: the model's output
                assert output == "Y_h"
                states = np.split(first, D, axis=1)
            else:
                states = parts[0 if output == "Y_h" else 1 :: count]
            got = np.stack(states, axis=1 if by_batch else 0)
        agree(got, wanted, 1e-6)


def test_the_node_tests_are_all_there_are(node_tests: dict[str, Any]) -> None:
    assert sorted(node_tests) == sorted(NODE_TESTS) and len(NODE_TESTS) == 18


# -- whole models, by hand -------------------------------------------------------------------------------


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


def test_a_whole_model_runs_trains_saves_and_streams(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(keras_like())
    made = from_onnx(file)
    assert [type(layer).__name__ for layer in made.layers] == [
        "Embedding", "Bidirectional", "Dropout", "LSTM", "Dense",
    ]  # fmt: skip
    assert made.layers[-1].activation == "softmax" and made.layers[2].rate == 0.5
    ids = rng().integers(0, 11, (7, 9))
    y = made.predict(ids)
    assert y.shape == (7, 6)
    agree(made.predict([row[:5] for row in ids]), made.predict(ids, lengths=np.full(7, 5)))
    made.compile(fr.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    labels = ids[:, 0] % 6
    losses = made.fit(ids, labels, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    made.save(tmp_path / "model.fastrnn")
    assert (fr.load(tmp_path / "model.fastrnn").predict(ids) == made.predict(ids)).all()


def test_it_gives_what_onnx_runtime_gives(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    ids = rng().integers(0, 11, (7, 9))
    wanted = ort.InferenceSession(keras_like()).run(None, {"ids": ids})[0]
    made = from_onnx(keras_like(), example=(ids, wanted))
    assert made.proof.reference == "given outputs" and made.proof.difference < 1e-6
    made.save(tmp_path / "model.fastrnn")
    assert fr.load(tmp_path / "model.fastrnn").proof.difference == made.proof.difference


def test_a_swapped_gate_fails() -> None:
    """With an example; the definition alone cannot know which gate was meant."""
    ids = rng().integers(0, 11, (7, 9))
    y = from_onnx(keras_like()).predict(ids)
    W = numbers([4, 1], 1, 20, 8)
    swapped = W[:, [*range(5, 10), *range(5), *range(10, 20)]]
    with pytest.raises(fr.ModelFormatError, match="A gate may stand in another's place"):
        from_onnx(keras_like(W2=swapped), example=(ids, y))
    from_onnx(keras_like(), example=(ids, y))


def stack(*nodes: dict[str, Any], outputs: str, op: str = "GRU", D: int = 2, weights: Any = None, **attributes: Any
          ) -> bytes:  # fmt: skip
    """One recurrence x -> Y Y_h (Y_c), and nodes behind it."""
    given = given_inputs(op, D, 3, 4, 5, 2, names="B")
    W = {name: given[name] for name in "WRB"}
    direction = "bidirectional" if D == 2 else attributes.pop("direction", "forward")
    names = "Y Y_h Y_c" if op == "LSTM" else "Y Y_h"
    made = node(op, "x W R B", names, hidden_size=4, direction=direction, **attributes)
    return model([made, *nodes], {**W, **(weights or {})}, [value("x", ["T", "N", 3])], outputs)


def definition(op: str = "GRU", D: int = 2, direction: str = "") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x [B, T, 3], Y [T, D, B, 4], Y_h [D, B, 4] of `stack`."""
    given = given_inputs(op, D, 3, 4, 5, 2, names="B")
    attributes = {"direction": direction or ("bidirectional" if D == 2 else "forward")}
    Y, Y_h, *_ = recurrence(op, attributes, given)
    return np.ascontiguousarray(given["X"].swapaxes(0, 1)), Y, Y_h


ZERO, ONE, LAST = np.array(0), np.array([1]), np.array(-1)


def split(what: str, axis: int) -> list[dict[str, Any]]:
    return [
        node("Split", f"{what} halves", "a b", axis=axis),
        node("Squeeze", "a axes", "fwd"),
        node("Squeeze", "b axes", "bwd"),
    ]


HALVES = {"halves": np.array([1, 1])}


@pytest.mark.parametrize(
    ("nodes", "weights", "wanted"),
    [
        ([node("Concat", "fwd bwd", "out", axis=-1)], {}, lambda f, b: np.concatenate([f, b], -1)),
        ([node("Add", "fwd bwd", "out")], {}, lambda f, b: f + b),
        ([node("Mul", "bwd fwd", "out")], {}, lambda f, b: f * b),
        ([node("Add", "fwd bwd", "s"), node("Mul", "half s", "out")], {"half": np.float32(0.5)},
         lambda f, b: (f + b) / 2),
        ([node("Add", "fwd bwd", "s"), node("Div", "s two", "out")], {"two": np.float32([2.0])},
         lambda f, b: (f + b) / 2),
    ],
)  # fmt: skip
@pytest.mark.parametrize("what", ["Y", "Y_h"])
def test_directions_are_merged(nodes: Any, weights: Any, wanted: Any, what: str) -> None:
    axis = 1 if what == "Y" else 0
    file = stack(
        *split(what, axis), *nodes, outputs="out", weights={**HALVES, **weights, "axes": np.array([axis])}
    )
    x, Y, Y_h = definition()
    result = wanted(Y[:, 0], Y[:, 1]).swapaxes(0, 1) if what == "Y" else wanted(Y_h[0], Y_h[1])
    agree(from_onnx(file).predict(x), result)


LAST_STEPS = [
    (1, "forward", [node("Squeeze", "Y one", "s"), node("Gather", "s last", "out", axis=0)], ["GRU"]),
    (1, "reverse", [node("Squeeze", "Y one", "s"), node("Gather", "s zero", "out", axis=0)], ["GRU"]),
    (1, "reverse", [node("Squeeze", "Y one", "s"), node("Gather", "s last", "out", axis=0)],
     ["Reversed", "LastStep"]),
    (2, "", [node("Transpose", "Y", "t", perm=[0, 2, 1, 3]), node("Reshape", "t shape", "s"),
             node("Gather", "s last", "out", axis=0)], ["Bidirectional", "LastStep"]),
    (2, "", [node("Slice", "Y from to zeros", "s"), node("Squeeze", "s", "t", ), node("Transpose", "t", "u",
             perm=[1, 0, 2]), node("Flatten", "u", "out", axis=1)], ["Bidirectional", "LastStep"]),
]  # fmt: skip


@pytest.mark.parametrize(("D", "direction", "nodes", "layers"), LAST_STEPS)
def test_the_last_step(D: int, direction: str, nodes: Any, layers: list[str]) -> None:
    """Where it is a final state it is taken as such; else `LastStep` takes it."""
    weights = {"one": ONE, "zero": ZERO, "last": LAST, "shape": np.array([0, 0, -1]),
               "from": np.array([-1]), "to": np.array([2**31 - 1]), "zeros": np.array([0])}  # fmt: skip
    used = {name for one in nodes for name in one["input"]}
    weights = {name: array for name, array in weights.items() if name in used}
    extra = {"direction": direction} if direction else {}
    made = from_onnx(stack(*nodes, outputs="out", D=D, weights=weights, **extra))
    x, Y, _ = definition(D=D, direction=direction)
    step = Y[0 if "zero" in used else -1]
    agree(made.predict(x), step.transpose(1, 0, 2).reshape(2, -1))
    assert [type(layer).__name__ for layer in made.layers] == layers


def test_final_states_one_by_one() -> None:
    """Gathered, turned round and put together again, as PyTorch's h_n[-2], h_n[-1]."""
    nodes = [
        node("Gather", "Y_h first", "a", axis=0),
        node("Gather", "Y_h last", "b", axis=0),
        node("Concat", "a b", "c", axis=1),
        node("Gemm", "c K bias", "out", transB=1, alpha=0.5, beta=2.0),
    ]
    weights = {"first": np.array(-2), "last": LAST, "K": numbers(1, 3, 8), "bias": numbers(2, 3)}
    x, _, Y_h = definition()
    wanted = 0.5 * np.concatenate(list(Y_h), 1) @ weights["K"].T + 2 * weights["bias"]
    agree(from_onnx(stack(*nodes, outputs="out", weights=weights)).predict(x), wanted)


ACTIVATIONS = {
    "Relu": {}, "Tanh": {}, "Sigmoid": {}, "Softplus": {}, "Softsign": {}, "Exp": {}, "Elu": {"alpha": 0.7},
    "LeakyRelu": {"alpha": 0.2}, "ThresholdedRelu": {"alpha": 0.3}, "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "HardSwish": {}, "Selu": {}, "Softmax": {}, "Gelu": {},
}  # fmt: skip


@pytest.mark.parametrize("before", ["Dense", "recurrence"])
@pytest.mark.parametrize("op", list(ACTIVATIONS))
def test_activations(op: str, before: str) -> None:
    ort = pytest.importorskip("onnxruntime")
    K = {"K": numbers(1, 4, 5) * 3} if before == "Dense" else {}
    nodes = [node("Squeeze", "Y_h zeros", "h")]
    nodes += [node("MatMul", "h K", "p")] if K else []
    nodes += [node(op, "p" if K else "h", "out", **ACTIVATIONS[op])]
    given = given_inputs("GRU", 1, 3, 4, 5, 2, names="B")
    W = {name: given[name] for name in "WRB"}
    recurrent = node("GRU", "x W R B", "- Y_h", hidden_size=4)
    file = model(
        [recurrent, *nodes], {**W, **K, "zeros": np.array([0])}, [value("x", ["T", "N", 3])], "out", 20
    )
    made = from_onnx(file)
    wanted = ort.InferenceSession(file).run(None, {"x": given["X"]})[0]
    agree(made.predict(np.ascontiguousarray(given["X"].swapaxes(0, 1))), wanted)
    assert len(made.layers) == 2  # Dense takes the activation, else it is a layer


def test_ids_one_hot_and_no_recurrence() -> None:
    """OneHot in front of a product is a gather; without a recurrence the batch is first."""
    K = numbers(1, 7, 3)
    nodes = [node("OneHot", "ids depth values", "o"), node("MatMul", "o K", "p"), node("Tanh", "p", "out")]
    weights = {"depth": np.array(7), "values": np.array([0, 1], "f4"), "K": K}
    made = from_onnx(model(nodes, weights, [value("ids", ["N", "T"], INT32)], "out"))
    ids = rng().integers(0, 7, (2, 5))
    agree(made.predict(ids), np.tanh(K[ids]))
    assert [type(layer).__name__ for layer in made.layers] == ["OneHot", "Dense"]
    plain = from_onnx(model([node("MatMul", "x K", "out")], {"K": K}, [value("x", ["N", "F"])], "out"))
    x = numbers(3, 4, 7)
    agree(plain.predict(x), x @ K)


def test_a_vector_repeated_for_a_decoder() -> None:
    """Encoder, one vector, repeated as often as it was made from steps, decoder."""
    given = given_inputs("GRU", 1, 3, 4, 5, 2)
    W = {"W1": given["W"], "R1": given["R"], "W2": numbers(1, 1, 12, 4), "R2": numbers(2, 1, 12, 4)}
    nodes = [
        node("GRU", "x W1 R1", "- h", hidden_size=4),
        node("Shape", "x", "s"),
        node("Gather", "s zero", "t"),
        node("Unsqueeze", "t zeros", "tu"),
        node("Concat", "tu ones", "shape", axis=0),
        node("Expand", "h shape", "r"),
        node("GRU", "r W2 R2", "y -", hidden_size=4),
        node("Squeeze", "y one", "out"),
    ]
    extra = {"zero": ZERO, "zeros": np.array([0]), "one": ONE, "ones": np.array([1, 1])}
    made = from_onnx(model(nodes, {**W, **extra}, [value("x", ["T", "N", 3])], "out"))
    _, h = recurrence("GRU", {}, given)
    Y, _ = recurrence("GRU", {}, {"X": np.repeat(h, 5, axis=0), "W": W["W2"], "R": W["R2"]})
    agree(made.predict(np.ascontiguousarray(given["X"].swapaxes(0, 1))), Y[:, 0].swapaxes(0, 1))
    assert [type(layer).__name__ for layer in made.layers] == ["GRU", "RepeatVector", "GRU"]


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_a_constant_state_is_learnt(direction: str) -> None:
    D = 2 if direction == "bidirectional" else 1
    given = given_inputs("LSTM", D, 3, 4, 5, 2, names="B")
    h = numbers(5, D, 1, 4)
    W = {name: given[name] for name in "WRB"} | {"h": h, "two": np.array([1, 2, 1])}
    nodes = [
        node("Expand", "h two", "h0"),
        node("LSTM", "x W R B - h0", "Y - -", hidden_size=4, direction=direction),
    ]
    made = from_onnx(model(nodes, W, [value("x", ["T", 2, 3])], "Y"))
    Y, *_ = recurrence("LSTM", {"direction": direction}, {**given, "initial_h": np.repeat(h, 2, axis=1)})
    x = np.ascontiguousarray(given["X"].swapaxes(0, 1))
    agree(made.predict(x), Y.transpose(2, 0, 1, 3).reshape(2, 5, -1))
    assert sum(name.endswith(("h0", "c0")) for name in made.named_params()) == 2 * D


def test_zero_states_leave_no_trace() -> None:
    given = given_inputs("LSTM", 1, 3, 4, 5, 2, names="B")
    W = {name: given[name] for name in "WRB"} | {"zero": np.zeros((1, 2, 4), "f4")}
    file = model(
        [node("LSTM", "x W R B - zero zero", "Y - -", hidden_size=4)], W, [value("x", ["T", 2, 3])], "Y"
    )
    made = from_onnx(file)
    assert not made.layers[0].learn_state
    assert made.predict(given["X"][:, :1]).shape == (5, 1, 4)  # of any batch


def test_data_in_every_form(tmp_path: Path) -> None:
    """raw, typed, and in another file, at an offset."""
    x, K = numbers(1, 3, 4), numbers(2, 4, 2)
    wanted = x @ K
    inputs = [value("x", ["N", 4])]
    plain = decode("Model", model([node("MatMul", "x K", "out")], {"K": K}, inputs, "out"))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "weights.bin").write_bytes(b"skip" + K.tobytes())
    place = {"location": "below/weights.bin", "offset": "4", "length": "32"}
    entries = [{"key": key, "value": text} for key, text in place.items()]
    forms = [
        {"float_data": K.reshape(-1)},
        {"raw_data": K.tobytes()},
        {"external_data": entries, "data_location": 1},
    ]
    for form in forms:
        plain["graph"]["initializer"] = [{"dims": [4, 2], "data_type": FLOAT, "name": "K", **form}]
        (tmp_path / "model.onnx").write_bytes(encode("Model", plain))
        agree(from_onnx(tmp_path / "model.onnx").predict(x), wanted)
        agree(from_onnx(str(tmp_path / "model.onnx")).predict(x), wanted)


# -- what exporters write --------------------------------------------------------------------------------


def exported(cell: str, layers: int, both: bool, pick: str, ids: bool, batch_first: bool, **how: Any) -> Any:
    """(file, x, PyTorch's output) of a classifier."""
    torch = pytest.importorskip("torch")

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(11, 4) if ids else torch.nn.Identity()
            self.reader = getattr(torch.nn, cell)(4, 5, layers, bidirectional=both, batch_first=batch_first)
            self.head = torch.nn.Linear(10 if both else 5, 3)

        def forward(self, x: Any) -> Any:
            y, h = self.reader(self.table(x))
            h = h[0] if isinstance(h, tuple) else h
            chosen = {"all": y, "last": y[:, -1] if batch_first else y[-1], "h": h[-1]}
            chosen["both"] = torch.cat([h[-2], h[-1]], 1) if both else None
            return torch.softmax(self.head(chosen[pick]), -1)

    torch.manual_seed(0)
    module, buffer = Classifier().eval(), io.BytesIO()
    x = torch.randint(0, 11, (3, 6)) if ids else torch.randn(3, 6, 4)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (x,), buffer, dynamo=False, input_names=["x"], **how)
        y = module(x).numpy()
    return buffer.getvalue(), x.numpy(), y


def exports() -> Iterator[tuple[Any, ...]]:
    grid = itertools.product(
        ["LSTM", "GRU", "RNN"],
        [1, 2],
        [False, True],
        ["last", "h", "both", "all"],
        [True, False],
        [True, False],
    )
    usual = (case for case in grid if (case[3] == "both") <= case[2] and (case[3] == "h") <= (not case[2]))
    yield from (case for k, case in enumerate(usual) if THOROUGH or k % 5 == 0)


@pytest.mark.parametrize(("cell", "layers", "both", "pick", "ids", "batch_first"), list(exports()))
def test_exports_of_pytorch(
    cell: str, layers: int, both: bool, pick: str, ids: bool, batch_first: bool
) -> None:
    """A fifth of the grid; all of it with FASTRNN_THOROUGH=1.

    Axes free or fixed, constants folded or not.
    """
    pytest.importorskip("onnx")
    free = {"dynamic_axes": {"x": {0: "first", 1: "second"}}}
    for how in ({**free}, {}, {**free, "do_constant_folding": False}):
        file, x, y = exported(cell, layers, both, pick, ids, batch_first, **how)
        x = x if batch_first else np.ascontiguousarray(x.swapaxes(0, 1))
        y = y.swapaxes(0, 1) if pick == "all" and not batch_first else y
        made = from_onnx(file, example=(x, y))
        agree(made.predict(x), y)


def test_packed_sequences_of_pytorch() -> None:
    """Lengths go through the export as sequence_lens; PyTorch's head gives its bias where ours gives zero."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    packing = torch.nn.utils.rnn

    class Reader(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reader = torch.nn.LSTM(4, 5, bidirectional=True, batch_first=True)
            self.head = torch.nn.Linear(10, 3)

        def forward(self, x: Any, lengths: Any) -> Any:
            y, _ = self.reader(packing.pack_padded_sequence(x, lengths, batch_first=True))
            return self.head(packing.pad_packed_sequence(y, batch_first=True)[0])

    torch.manual_seed(0)
    module, buffer = Reader().eval(), io.BytesIO()
    x, lengths = torch.randn(3, 6, 4), torch.tensor([6, 4, 1])
    axes = {"x": {0: "B", 1: "T"}, "lengths": {0: "B"}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (x, lengths), buffer, dynamo=False, input_names=["x", "lengths"], dynamic_axes=axes
        )
        y = module(x, lengths).numpy()
    inside = np.arange(6)[None, :, None] < lengths.numpy()[:, None, None]
    made = from_onnx(buffer.getvalue(), example=Example(x.numpy(), y * inside, lengths.numpy()))
    agree(made.predict(x.numpy(), lengths=lengths.numpy()), y * inside)


# -- what is refused --------------------------------------------------------------------------------------

GRU = given_inputs("GRU", 1, 3, 4, 5, 2, names="B")
LSTM = given_inputs("LSTM", 1, 3, 4, 5, 2, names="B")
X = [value("x", ["T", "N", 3])]
WRB = {name: GRU[name] for name in "WRB"}
TWICE = {**WRB, "W2": numbers(1, 1, 12, 4), "R2": numbers(2, 1, 12, 4)}


def gru(*more: dict[str, Any], outputs: str = "out", weights: Any = None, **attributes: Any) -> bytes:
    made = node("GRU", "x W R B", "Y Y_h", "encoder", **{"hidden_size": 4, **attributes})
    return model([made, *more], {**WRB, **(weights or {})}, X, outputs)


REFUSED: dict[str, tuple[Any, str]] = {
    "operator": (lambda: gru(node("If", "Y_h", "out", "choice")), "If node 'choice': If is no operator"),
    "domain": (lambda: gru({**node("Cool", "Y", "out"), "domain": "com.here"}), "is of the domain 'com.here'"),
    "attribute": (lambda: gru(outputs="Y", colour=1), "attributes that are not known: ['colour']"),
    "attribute kind": (lambda: gru(outputs="Y", clip=1), "the attribute 'clip' is of the wrong kind"),
    "direction": (lambda: gru(outputs="Y", direction="sideways"), "direction must be one of forward, reverse"),
    "activation": (lambda: gru(outputs="Y", activations=["Sigmoid", "Cos"]), "activations has 'Cos'"),
    "activations": (lambda: gru(outputs="Y", activations=["Sigmoid"]), "activations must be 2 names"),
    "alpha": (lambda: gru(outputs="Y", activation_alpha=[0.5]), "activation_alpha has 1 numbers more"),
    "no alpha": (lambda: gru(outputs="Y", activations=["Sigmoid", "Affine"]), "needs activation_alpha"),
    "hidden_size": (lambda: gru(outputs="Y", hidden_size=5), "GRU node 'encoder': W must be [1, 15, 3]"),
    "huge hidden_size": (lambda: gru(outputs="Y", hidden_size=1 << 60), "W must be [1, "),
    "layout": (lambda: gru(outputs="Y", layout=2), "layout must be 0 or 1, got 2"),
    "clip": (lambda: gru(outputs="Y", clip=-1.0), "clip must be"),
    "cell state": (
        lambda: model(
            [node("LSTM", "x W R", "- - c", hidden_size=4), node("Tanh", "c", "out")],
            {name: LSTM[name] for name in "WR"}, X, "out"),
        "reads the cell state Y_c"),
    "branch": (lambda: gru(node("Tanh", "Y_h", "a"), node("Relu", "Y_h", "b"), outputs="a b"), "no branches"),
    "addition of branches": (lambda: gru(node("Tanh", "Y_h", "a"), node("Add", "a Y_h", "out")), "no branches"),
    "output of an earlier layer": (
        lambda: gru(node("Squeeze", "Y one", "s"), node("Relu", "s", "out"), outputs="out Y_h",
                    weights={"one": ONE}), "the output 'Y_h' is not of the last layer"),
    "one direction": (
        lambda: stack(node("Gather", "Y_h last", "h", axis=0), node("Tanh", "h", "out"), outputs="out",
                      weights={"last": LAST}), "one direction of two"),
    "shared weights": (
        lambda: model([node("GRU", "x W R", "Y", hidden_size=4), node("Squeeze", "Y one", "s"),
                       node("GRU", "s W2 R", "Z", hidden_size=4)],
                      {"W": GRU["W"], "R": GRU["R"], "W2": numbers(1, 1, 12, 4), "one": ONE}, X, "Z"),
        "R is ['R'], which another layer has"),
    "part of a weight": (
        lambda: gru(node("Slice", "K a b c", "k"), node("MatMul", "Y_h k", "out"),
                    weights={"K": numbers(1, 8, 2), "a": np.array([0]), "b": np.array([4]), "c": np.array([0])}),
        "the matrix is not made of each number of ['K'] once"),
    "unused weight": (lambda: gru(outputs="Y", weights={"left": numbers(1, 3)}), "nothing uses ['left']"),
    "unused node": (lambda: gru(node("Relu", "Y", "z", "idle"), outputs="Y"), "nothing uses what Relu node 'idle'"),
    "unused input": (
        lambda: model([node("GRU", "x W R B", "Y", hidden_size=4)], WRB, [*X, value("more", [2])], "Y"),
        "nothing uses ['more']"),
    "cycle": (
        lambda: model([node("Add", "a b", "c"), node("Relu", "c", "b")], {}, [value("a", [2, 2])], "c"),
        "reads 'b', which nothing before it gives: the graph has a cycle"),
    "missing input": (lambda: gru(node("Relu", "nowhere", "out")), "reads 'nowhere'"),
    "missing output": (lambda: gru(outputs="Y_c"), "the output 'Y_c' is given by nothing"),
    "name given twice": (lambda: gru(node("Relu", "Y_h", "Y")), "gives 'Y', which is given already"),
    "two dtypes": (
        lambda: model([node("GRU", "x W R", "Y", hidden_size=4)], {"W": GRU["W"], "R": GRU["R"].astype("f8")},
                      X, "Y"), "float64 meets float32"),
    "time of a feature": (
        lambda: gru(node("Squeeze", "Y one", "s"), node("Transpose", "s", "t", perm=[1, 2, 0]),
                    node("MatMul", "t K", "out"), weights={"one": ONE, "K": numbers(1, 5, 2)}),
        "the last axis must be the features"),
    "part of time": (
        lambda: gru(node("Slice", "Y a b c", "out"), weights={"a": np.array([1]), "b": np.array([3]),
                                                             "c": np.array([0])}), "takes 1 to 3 of a free axis"),
    "reversed time": (
        lambda: gru(node("Slice", "Y a b c d", "out"),
                    weights={"a": np.array([-1]), "b": np.array([-99]), "c": np.array([0]), "d": np.array([-1])}),
        "takes other steps than 1"),
    "another shape": (
        lambda: gru(node("Reshape", "Y shape", "out"), weights={"shape": np.array([-1, 2])}),
        "which divides an axis"),
    "mean": (lambda: gru(node("ReduceMean", "Y", "out", axes=[0])), "ReduceMean is no operator"),
    "bias alone": (lambda: gru(node("Add", "Y_h b", "out"), weights={"b": numbers(1, 4)}), "what is no product"),
    "log softmax": (lambda: gru(node("LogSoftmax", "Y_h", "out")), "LogSoftmax is no operator"),
    "scale": (lambda: gru(node("Mul", "Y_h b", "out"), weights={"b": np.float32(3)}), "Mul of data and a constant"),
    "dropout that drops": (
        lambda: gru(node("Dropout", "Y_h r t", "out"), weights={"r": np.float32(0.5), "t": np.array(True)}),
        "it drops in inference too"),
    "lengths for some": (
        lambda: model([node("GRU", "x W R B n", "Y", hidden_size=4), node("Squeeze", "Y one", "s"),
                       node("GRU", "s W2 R2", "Z", hidden_size=4)], {**TWICE, "one": ONE},
                      [*X, value("n", ["N"], INT32)], "Z"), "all recurrences of a model read the same"),
    "last of padded": (
        lambda: model([node("GRU", "x W R B n", "Y", hidden_size=4), node("Gather", "Y last", "out", axis=0)],
                      {**WRB, "last": LAST}, [*X, value("n", ["N"], INT32)], "out"), "Y_h has the last step"),
    "constant lengths": (
        lambda: model([node("GRU", "x W R B n", "Y", hidden_size=4)], {**WRB, "n": np.array([3, 5], "i4")}, X, "Y"),
        "sequence_lens is a constant"),
    "states of a batch": (
        lambda: model([node("GRU", "x W R B - h", "Y", hidden_size=4)], {**WRB, "h": numbers(1, 1, 2, 4)}, X, "Y"),
        "not the same for all of a batch"),
    "no layer": (lambda: model([node("Identity", "x", "Y")], {}, X, "Y"), "is not of the last layer"),
    "NaN": (
        lambda: model([node("GRU", "x W R B", "Y", hidden_size=4)], {**WRB, "B": WRB["B"] * np.float32("nan")}, X, "Y"),
        "holds NaN or infinity"),
    "opset": (lambda: model([], {}, X, "x", opset=99), "its operators have version 99"),
    "functions": (lambda: encode("Model", {"functions": [b""], "graph": {}}), "it holds functions"),
    "no graph": (lambda: encode("Model", {"ir_version": 8}), "it holds no graph"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(REFUSED))
def test_what_a_sequential_cannot_say_is_refused_by_name(what: str) -> None:
    make, message = REFUSED[what]
    with pytest.raises(fr.ModelFormatError) as caught:
        from_onnx(make())
    assert str(caught.value).startswith("from_onnx: bytes: ") and message in str(caught.value)


def test_constants_name_inputs() -> None:
    file = model([node("MatMul", "x K", "out")], {}, [value("x", ["N", 3]), value("K", [3, 2])], "out")
    K = numbers(1, 3, 2)
    agree(from_onnx(file, constants={"K": K}).predict(K.T @ np.ones((3, 3), "f4")), K.T @ np.ones((3, 3)) @ K)
    with pytest.raises(
        fr.ModelFormatError, match="constants must name inputs of the graph, of x, K, got 'Q'"
    ):
        from_onnx(file, constants={"Q": K})
    with pytest.raises(fr.ModelFormatError, match="the matrix must be a constant"):
        from_onnx(file)


def test_equal_biases_that_an_exporter_merged() -> None:
    """PyTorch writes two zero biases once; that ties nothing."""
    K = {"K1": numbers(1, 3, 3), "K2": numbers(2, 3, 3), "zero": np.zeros(3, "f4")}
    nodes = [node("Gemm", "x K1 zero", "a"), node("Relu", "a", "b"), node("Gemm", "b K2 zero", "out")]
    made = from_onnx(model(nodes, K, [value("x", ["N", 3])], "out"))
    assert len(made.layers) == 2
    K["zero"] = np.float32([0, 1, 0])
    with pytest.raises(fr.ModelFormatError, match="which another layer has"):
        from_onnx(model(nodes, K, [value("x", ["N", 3])], "out"))


def test_no_other_framework_is_imported(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(keras_like())
    code = (
        "import sys, fastrnn as fr; fr.interop.from_onnx(sys.argv[1]);"
        "print(sorted({'onnx', 'onnxruntime', 'torch', 'keras'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "model.onnx")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# -- the wire ------------------------------------------------------------------------------------------------


def test_messages_are_those_of_the_onnx_package() -> None:
    onnx = pytest.importorskip("onnx")
    file = keras_like()
    read = onnx.load_from_string(file)
    assert read.graph.node[2].attribute[1].s == b"bidirectional"
    again = encode("Model", decode("Model", read.SerializeToString()))
    assert onnx.load_from_string(again) == read


def test_numbers_of_any_size() -> None:
    for number in (0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -(2**63)):
        assert decode("Attribute", encode("Attribute", {"i": number})) == {"i": number}
        assert decode("Tensor", encode("Tensor", {"int64_data": [number, 5]})) == {"int64_data": [number, 5]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08", "ends at byte 1 within a number"),
        (b"\x08" + b"\xff" * 11, "more than ten bytes"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "more than 64 bits"),
        (b"\x3a\xff\xff\xff\xff\x0f", "bytes past its message"),
        (b"\x0b", "unknown wire type 3"),
        (b"\x00\x01", "has the number 0"),
        (b"\x0a\x01a", "ir_version of Model is not written as int"),
        (b"\x10\x01", "producer_name of Model is not written as text"),
        (b"\x08\x01\x08\x02", "ir_version of Model is there twice"),
        (b"\x12\x01\xff", "utf-8"),
        (b"\x42\x00" * (FIELDS_AT_MOST + 1), "it has more than 20000 fields"),
    ],
)
def test_bytes_that_are_no_message(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode("Model", data)
    with pytest.raises(fr.ModelFormatError, match=message):
        from_onnx(data)


def test_any_damage_is_found_or_harmless() -> None:
    """Bits flipped, bytes cut off: ModelFormatError, or a model; nothing else, and no warning."""
    file = keras_like()
    # Weights are most of the file, and any weight is right: names and structure are what can be damaged.
    r, refused = rng(1), 0
    spans = [k for k in range(len(file)) if k < 900 or k > len(file) - 200]
    rounds = 3000 if THOROUGH else 400
    for _ in range(rounds):
        damaged = bytearray(file)
        for place in r.choice(spans, r.integers(1, 4)):
            damaged[place] ^= 1 << r.integers(8)
        if r.random() < 0.3:
            damaged = damaged[: r.integers(len(file))]
        try:
            from_onnx(bytes(damaged))
        except fr.ModelFormatError:
            refused += 1
    assert refused > rounds / 2


def test_tensors_that_lie() -> None:
    def read(**fields: Any) -> Any:
        plain = decode("Model", model([node("MatMul", "x K", "out")], {}, [value("x", ["N", 4])], "out"))
        plain["graph"]["initializer"] = [{**tensor("K", numbers(1, 4, 2)), **fields}]
        return from_onnx(encode("Model", plain))

    with pytest.raises(fr.ModelFormatError, match=r"is \[4, 3\] float32, but has 32 bytes"):
        read(dims=[4, 3])
    with pytest.raises(fr.ModelFormatError, match="has the shape"):
        read(dims=[-4, -2])
    with pytest.raises(fr.ModelFormatError, match="but has 32 bytes"):
        read(dims=[1 << 62, 1 << 62])
    with pytest.raises(fr.ModelFormatError, match="has the element type 10; float32, int32"):
        read(data_type=10)
    with pytest.raises(fr.ModelFormatError, match="does not say which of its data count"):
        read(float_data=[1.0])
    with pytest.raises(fr.ModelFormatError, match="but 1 numbers"):
        read(raw_data=None, float_data=[1.0])
    with pytest.raises(fr.ModelFormatError, match="its numbers are in double_data"):
        read(raw_data=None, double_data=[1.0])
