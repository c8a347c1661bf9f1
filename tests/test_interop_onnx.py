"""`from_onnx`: RNN, LSTM and GRU against the operators' specification, the onnx package and ONNX Runtime."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from onnx_files import (
    FUNCTIONS,
    GATES,
    TAKES,
    USUAL,
    agree,
    call,
    given_inputs,
    numbers,
    operator,
    ours,
    recurrence,
    rng,
)

from fastrnn.interop import from_onnx
from fastrnn.proof import Example

ATTRIBUTES: list[tuple[str, dict[str, Any], str]] = [
    ("RNN", {}, ""),
    ("RNN", {"activations": ["Relu"], "clip": 0.5}, "B initial_h"),
    ("RNN", {"direction": "reverse"}, "B sequence_lens"),
    (
        "RNN",
        {"direction": "bidirectional", "activations": ["Tanh", "LeakyRelu"], "activation_alpha": [0.3]},
        "B sequence_lens initial_h",
    ),
    ("LSTM", {}, "B"),
    ("LSTM", {"direction": "reverse", "clip": 0.7}, "B P initial_h initial_c sequence_lens"),
    ("LSTM", {"direction": "bidirectional"}, "B P sequence_lens initial_h initial_c"),
    ("LSTM", {"input_forget": 1}, "B"),
    ("LSTM", {"input_forget": 1, "clip": 0.4}, "P initial_h initial_c"),
    (
        "LSTM",
        {
            "activations": ["HardSigmoid", "Softsign", "Relu"],
            "activation_alpha": [0.3],
            "activation_beta": [0.4],
        },
        "B",
    ),
    (
        "LSTM",
        {
            "direction": "bidirectional",
            "activations": ["Sigmoid", "Tanh", "Tanh", "HardSigmoid", "Elu", "Affine"],
            "activation_alpha": [0.25, 0.5, 0.6],
            "activation_beta": [0.45, 0.1],
        },
        "B P",
    ),
    ("GRU", {}, "B"),
    ("GRU", {"linear_before_reset": 1}, "B initial_h"),
    ("GRU", {"direction": "reverse", "clip": 0.3}, "B sequence_lens initial_h"),
    ("GRU", {"direction": "bidirectional", "linear_before_reset": 1, "clip": 0.3}, "B sequence_lens"),
    (
        "GRU",
        {"activations": ["Sigmoid", "ScaledTanh"], "activation_alpha": [1.7], "activation_beta": [0.7]},
        "B",
    ),
]


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
    "simple_rnn_defaults",
    "simple_rnn_with_initial_bias",
    "rnn_seq_length",
    "simple_rnn_batchwise",
    "simple_rnn_reverse",
    "simple_rnn_bidirectional",
    "lstm_defaults",
    "lstm_with_initial_bias",
    "lstm_with_peepholes",
    "lstm_batchwise",
    "lstm_reverse",
    "lstm_bidirectional",
    "gru_defaults",
    "gru_with_initial_bias",
    "gru_seq_length",
    "gru_batchwise",
    "gru_reverse",
    "gru_bidirectional",
]


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
