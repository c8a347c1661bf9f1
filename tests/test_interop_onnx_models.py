"""`from_onnx`: whole models, by hand, of PyTorch's exporter and of `to_onnx`."""

from __future__ import annotations

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
    FLOAT,
    INT32,
    agree,
    given_inputs,
    keras_like,
    model,
    node,
    numbers,
    recurrence,
    rng,
    split,
    stack,
    value,
)

import fastrnn as fr
from fastrnn.interop import from_onnx
from fastrnn.interop.protobuf import decode, encode
from fastrnn.proof import Example

THOROUGH = os.environ.get("FASTRNN_THOROUGH") == "1"


def test_a_whole_model_runs_trains_saves_and_streams(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(keras_like())
    made = from_onnx(file)
    assert [type(layer).__name__ for layer in made.layers] == [
        "Embedding",
        "Bidirectional",
        "Dropout",
        "LSTM",
        "Dense",
    ]
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


def definition(op: str = "GRU", D: int = 2, direction: str = "") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x [B, T, 3], Y [T, D, B, 4], Y_h [D, B, 4] of `stack`."""
    given = given_inputs(op, D, 3, 4, 5, 2, names="B")
    attributes = {"direction": direction or ("bidirectional" if D == 2 else "forward")}
    Y, Y_h, *_ = recurrence(op, attributes, given)
    return np.ascontiguousarray(given["X"].swapaxes(0, 1)), Y, Y_h


ZERO, ONE, LAST = np.array(0), np.array([1]), np.array(-1)


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
    (
        1,
        "reverse",
        [node("Squeeze", "Y one", "s"), node("Gather", "s last", "out", axis=0)],
        ["Reversed", "LastStep"],
    ),
    (
        2,
        "",
        [
            node("Transpose", "Y", "t", perm=[0, 2, 1, 3]),
            node("Reshape", "t shape", "s"),
            node("Gather", "s last", "out", axis=0),
        ],
        ["Bidirectional", "LastStep"],
    ),
    (
        2,
        "",
        [
            node("Slice", "Y from to zeros", "s"),
            node(
                "Squeeze",
                "s",
                "t",
            ),
            node("Transpose", "t", "u", perm=[1, 0, 2]),
            node("Flatten", "u", "out", axis=1),
        ],
        ["Bidirectional", "LastStep"],
    ),
]


@pytest.mark.parametrize(("D", "direction", "nodes", "layers"), LAST_STEPS)
def test_the_last_step(D: int, direction: str, nodes: Any, layers: list[str]) -> None:
    """Where it is a final state it is taken as such; else `LastStep` takes it."""
    weights = {
        "one": ONE,
        "zero": ZERO,
        "last": LAST,
        "shape": np.array([0, 0, -1]),
        "from": np.array([-1]),
        "to": np.array([2**31 - 1]),
        "zeros": np.array([0]),
    }
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
    "Relu": {},
    "Tanh": {},
    "Sigmoid": {},
    "Softplus": {},
    "Softsign": {},
    "Exp": {},
    "Elu": {"alpha": 0.7},
    "LeakyRelu": {"alpha": 0.2},
    "ThresholdedRelu": {"alpha": 0.3},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "HardSwish": {},
    "Selu": {},
    "Softmax": {},
    "Gelu": {},
}


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


F32 = {name: np.float32(n) for name, n in {
    "zero": 0, "half": 0.5, "one": 1, "two": 2, "three": 3, "six": 6, "root": np.sqrt(2), "few": 0.2,
    "some": 0.7, "steep": 1000, "bound": 20, "shift": -3015.6, "cubic": 0.044715, "slope": 0.7978846,
}.items()}  # fmt: skip
COMPOSED: dict[str, tuple[list[str], Any]] = {  # "operator inputs": each reads what is before it as "-"
    "silu": (["Sigmoid x", "Mul x -"], "silu"),
    "gelu of PyTorch": (["Div x root", "Erf -", "Add - one", "Mul x -", "Mul - half"], "gelu"),
    "hard_sigmoid of Keras": (["Add x three", "Clip - zero six", "Div - six"], ["hard_sigmoid", 1 / 6, 0.5]),
    "hard_silu": (["Add x three", "Clip - zero six", "Mul x -", "Div - six"], "hard_silu"),
    "leaky_relu": (["Mul x few", "Max - x"], ["leaky_relu", 0.2]),
    "relu": (["Max x zero"], "relu"),
    "softsign": (["Abs x", "Add - one", "Div x -"], "softsign"),
    "softplus": (["Exp x", "Add - one", "Log -"], "softplus"),
    "sigmoid": (["Neg x", "Exp -", "Add - one", "Reciprocal -"], "sigmoid"),
    "scaled_tanh": (["Mul x some", "Tanh -", "Mul two -"], ["scaled_tanh", 2.0, 0.7]),
    "affine": (["Sub one x"], ["affine", -1.0, 1.0]),
    "one behind the other": (["Tanh x", "Sigmoid -", "Exp -"], ["tanh", "sigmoid", "exponential"]),
    "a bound too far": (["Min x bound"], None),
    "a step": (["Mul x steep", "Sigmoid -", "Mul x -"], None),
    "x tanh x": (["Tanh x", "Mul x -"], None),
    "a jump, and more": (["ThresholdedRelu:1.01 x", "Max - zero"], [["thresholded_relu", 1.01], "relu"]),
    "a step elsewhere": (["Mul x steep", "Add - shift", "Erf -", "Add - one", "Mul - half"], None),
    "a sigmoid near gelu": (["Mul x two", "Sigmoid -", "Mul x -"], None),
    "a tanh near gelu": (
        [
            "Pow x three",
            "Mul - cubic",
            "Add x -",
            "Mul - slope",
            "Tanh -",
            "Add - one",
            "Mul x -",
            "Mul - half",
        ],
        None,
    ),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_activations_of_several_operators(name: str) -> None:
    """Known by their values; what is near to one and not the same is refused."""
    steps, wanted = COMPOSED[name]
    last, nodes = "x", [node("MatMul", "a K", "b"), node("Add", "b bias", "x")]
    for k, step in enumerate(steps):
        op, *inputs = step.split()
        op, *alpha = op.split(":")
        more = {"alpha": float(alpha[0])} if alpha else {}
        nodes.append(node(op, " ".join(last if one == "-" else one for one in inputs), f"n{k}", **more))
        last = f"n{k}"
    used = {one for each in nodes for one in each["input"]}
    weights = {"K": numbers(1, 4, 5), "bias": numbers(2, 5), **{n: a for n, a in F32.items() if n in used}}
    file = model(nodes, weights, [value("a", ["N", 4])], last)
    if wanted is None:
        with pytest.raises(fr.ModelFormatError, match="make of each number is none of"):
            from_onnx(file)
        return
    made = from_onnx(file)
    several = isinstance(wanted, list) and not isinstance(wanted[1], float)
    found = [layer.activation for layer in made.layers]
    for one, other in zip(found, wanted if several else [wanted], strict=True):
        assert one[0] == other[0] if isinstance(other, list) else one == other
        if isinstance(other, list):
            np.testing.assert_allclose(one[1:], other[1:], rtol=1e-6)
    ort, x = pytest.importorskip("onnxruntime"), numbers(3, 50, 4) * 10
    agree(made.predict(x), ort.InferenceSession(file).run(None, {"a": x})[0])


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
