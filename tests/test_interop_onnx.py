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
    model,
    node,
    numbers,
    operator,
    ours,
    recurrence,
    rng,
    value,
)

import fastrnn as fr
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


def test_layout_1_says_which_axis_is_time() -> None:
    """It tells behind the operator: which step is the last, and how the next operator must read."""
    given = given_inputs("GRU", 1, 3, 4, 5, 2, by_batch=True, names="B initial_h")
    second = {"W2": numbers(1, 1, 12, 4), "R2": numbers(2, 1, 12, 4)}
    weights = {n: given[n] for n in "WRB"} | {"two": np.array([2]), "last": np.array(-1)}
    inputs = [value("X", ["N", "T", 3])]
    first = [node("GRU", "X W R B", "Y -", layout=1), node("Squeeze", "Y two", "y")]
    x = given["X"]
    Y, _ = recurrence("GRU", {"layout": 1}, {n: a for n, a in given.items() if n != "initial_h"})
    picked = model([*first, node("Gather", "y last", "out", axis=1)], weights, inputs, "out")
    agree(from_onnx(picked).predict(x), Y[:, -1, 0])
    del weights["last"]
    next_ = node("GRU", "t W2 R2", "- Y_h", hidden_size=4)
    turned = node("Transpose", "y", "t", perm=[1, 0, 2])
    _, Y_h = recurrence("GRU", {}, {"X": Y[:, :, 0].swapaxes(0, 1), "W": second["W2"], "R": second["R2"]})
    agree(from_onnx(model([*first, turned, next_], weights | second, inputs, "Y_h")).predict(x), Y_h[0])
    with pytest.raises(fr.ModelFormatError, match="reads the batch axis of its input as time"):
        from_onnx(model([*first, node("Identity", "y", "t"), next_], weights | second, inputs, "Y_h"))
    decoder = [
        node("GRU", "X W R B", "- h", layout=1),
        node("Shape", "X", "T", start=1, end=2),
        node("Concat", "one T one", "shape", axis=0),
        node("Expand", "h shape", "r"),
        node("GRU", "r W2 R2", "Z -", layout=1),
    ]
    del weights["two"]
    made = from_onnx(model(decoder, weights | second | {"one": np.array([1])}, inputs, "Z"))
    _, h = recurrence("GRU", {"layout": 1}, {n: a for n, a in given.items() if n != "initial_h"})
    repeated = {"X": np.repeat(h, 5, axis=1), "W": second["W2"], "R": second["R2"]}
    agree(made.predict(x), recurrence("GRU", {"layout": 1}, repeated)[0][:, :, 0])
    assert made.layers[1].n is None


@pytest.mark.parametrize("layout", [0, 1])
def test_a_constant_state_has_the_axes_of_the_layout(layout: int) -> None:
    """Bidirectional, so that the axes of directions and batch have different sizes or lie otherwise."""
    given = given_inputs("LSTM", 2, 3, 4, 5, 2, by_batch=layout == 1, names="B")
    h, c = (np.repeat(numbers([5, k], 2, 1, 4), 2, axis=1) for k in range(2))
    h, c = (h, c) if layout == 0 else (h.swapaxes(0, 1), c.swapaxes(0, 1))
    weights = {n: given[n] for n in "WRB"} | {"h": h, "c": c}
    attributes = {"direction": "bidirectional", "layout": layout}
    axes = [5, 2, 3] if layout == 0 else [2, 5, 3]
    one = node("LSTM", "X W R B - h c", "Y - -", **attributes)
    wanted = recurrence("LSTM", attributes, {**given, "initial_h": h, "initial_c": c})
    made = from_onnx(model([one], weights, [value("X", axes)], "Y"))
    agree(made.predict(call(given, layout == 1)["x"]), ours("LSTM", wanted, layout == 1)[0])
    assert made.layers[0].forward_layer.learn_state


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
        known = list(FUNCTIONS)
        attributes["activations"] = [known[r.integers(len(known))] for _ in range(D * len(USUAL[op]))]
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


def test_500_random_operators_are_those_of_the_specification() -> None:
    """The same 500 where ONNX Runtime has no kernels: float64, and every other one with layout 1."""
    for seed in range(500):
        op, attributes, given = random_case(seed)
        given = {name: a if a.dtype.kind == "i" else a.astype("f8") for name, a in given.items()}
        by_batch = seed % 2 == 1
        if by_batch:
            attributes["layout"] = 1
            given |= {n: a.swapaxes(0, 1) for n, a in given.items() if n in ("X", "initial_h", "initial_c")}
        made = from_onnx(operator(op, given, attributes))
        wanted = ours(op, recurrence(op, attributes, given), by_batch)
        agree(made.predict(**call(given, by_batch)), wanted, 1e-10)


@pytest.mark.parametrize("seed", range(24))
def test_imported_operators_train(seed: int) -> None:
    """Gradients are the finite differences of the specification, for W, R, B and P of the file."""
    op, attributes, given = random_case(1000 + seed)
    smooth = {"Tanh", "Sigmoid", "Softsign", "Softplus", "ScaledTanh", "Affine"}  # others bend, as clip does
    if not {*attributes.get("activations", [])} <= smooth:
        attributes = {name: a for name, a in attributes.items() if not name.startswith("activation")}
    attributes.pop("clip", None)
    given = {name: a if a.dtype.kind == "i" else a.astype("f8") for name, a in given.items()}
    T, B, _ = given["X"].shape
    inside = np.arange(T) < given.get("sequence_lens", np.full(B, T))[:, None]

    def read(step: float = 0.0) -> Any:
        moved = {name: a + step * v[name] if name in v else a for name, a in given.items()}
        wanted = ours(op, recurrence(op, attributes, moved))[0]
        return from_onnx(operator(op, moved, attributes, "Y")), float(((wanted - target)[inside] ** 2).mean())

    v = {n: numbers([seed, k], *given[n].shape, dtype="f8") for k, n in enumerate("WRBP") if n in given}
    target = numbers([seed, 9], B, T, given["W"].shape[0] * given["R"].shape[2], dtype="f8")
    (made, loss), (ahead, up), (_, down) = read(), read(1e-5), read(-1e-5)
    start = {name: array.copy() for name, array in made.named_params().items()}
    made.compile(fr.optimizers.SGD(1e-3), "mse")
    arguments = call(given)
    assert abs(made.train_on_batch(y=target, **arguments) - loss) < 1e-12
    along = sum(
        float((made.named_grads()[name] * (array - start[name])).sum()) / 1e-5
        for name, array in ahead.named_params().items()
    )
    assert abs(along - (up - down) / 2e-5) < 1e-6 * max(1e-2, abs(along))
    assert made.evaluate(y=target, **arguments) < loss


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
