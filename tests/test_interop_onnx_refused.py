"""`from_onnx`: what a Sequential cannot say, and files that are damaged."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from onnx_files import (
    INT32,
    given_inputs,
    keras_like,
    model,
    node,
    numbers,
    rng,
    split,
    stack,
    tensor,
    value,
)

import fastrnn as fr
from fastrnn.interop import from_onnx
from fastrnn.interop.protobuf import FIELDS_AT_MOST, decode, encode

ONE, LAST = np.array([1]), np.array(-1)
THOROUGH = os.environ.get("FASTRNN_THOROUGH") == "1"

GRU = given_inputs("GRU", 1, 3, 4, 5, 2, names="B")
LSTM = given_inputs("LSTM", 1, 3, 4, 5, 2, names="B")
X = [value("x", ["T", "N", 3])]
WRB = {name: GRU[name] for name in "WRB"}
TWICE = {**WRB, "W2": numbers(1, 1, 12, 4), "R2": numbers(2, 1, 12, 4)}


def gru(
    *more: dict[str, Any], outputs: str = "out", weights: Any = None, inputs: Any = None, **attributes: Any
) -> bytes:
    made = node("GRU", "x W R B", "Y Y_h", "encoder", **{"hidden_size": 4, **attributes})
    return model([made, *more], {**WRB, **(weights or {})}, inputs or X, outputs)


def masked(lengths: str, past: float = 0) -> bytes:
    """Steps past the ends set to a number; the recurrence has the lengths n."""
    nodes = [
        node("GRU", "x W R B n", "Y -", hidden_size=4),
        node("Squeeze", "Y one", "s"),
        node("MatMul", "s K", "k"),
        node("Shape", "k", "t", start=0, end=1),
        node("Squeeze", "t", "steps"),
        node("Range", "zero steps unit", "r"),
        node("Unsqueeze", "r one", "r1"),
        node("Less", f"r1 {lengths}", "mask"),
        node("Unsqueeze", "mask two", "m3"),
        node("Where", "m3 k past", "out"),
    ]
    K = {"K": numbers(1, 4, 3), "one": ONE, "two": np.array([2]), "zero": np.array(0), "unit": np.array(1)}
    inputs = [*X, *(value(name, ["N"], INT32) for name in sorted({"n", lengths}))]
    return model(nodes, {**WRB, **K, "past": np.float32(past)}, inputs, "out")


def test_a_mask_of_the_same_lengths_says_nothing_new() -> None:
    made = from_onnx(masked("n"))
    assert [type(layer).__name__ for layer in made.layers] == ["GRU", "Dense"]
    y = made.predict(np.ones((2, 5, 3), "f4"), lengths=[5, 2])
    assert (y[1, 2:] == 0).all() and (y[1, :2] == y[0, :2]).all()


REFUSED: dict[str, tuple[Any, str]] = {
    "operator": (lambda: gru(node("If", "Y_h", "out", "choice")), "If node 'choice': If is no operator"),
    "domain": (
        lambda: gru({**node("Cool", "Y", "out"), "domain": "com.here"}),
        "is of the domain 'com.here'",
    ),
    "attribute": (lambda: gru(outputs="Y", colour=1), "attributes that are not known: ['colour']"),
    "attribute kind": (lambda: gru(outputs="Y", clip=1), "the attribute 'clip' is of the wrong kind"),
    "direction": (
        lambda: gru(outputs="Y", direction="sideways"),
        "direction must be one of forward, reverse",
    ),
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
            {name: LSTM[name] for name in "WR"},
            X,
            "out",
        ),
        "reads the cell state Y_c",
    ),
    "branch": (lambda: gru(node("Tanh", "Y_h", "a"), node("Relu", "Y_h", "b"), outputs="a b"), "no branches"),
    "addition of branches": (
        lambda: gru(node("Softmax", "Y_h", "a"), node("Add", "a Y_h", "out")),
        "no branches",
    ),
    "output of an earlier layer": (
        lambda: gru(
            node("Squeeze", "Y one", "s"), node("Relu", "s", "out"), outputs="out Y_h", weights={"one": ONE}
        ),
        "the output 'Y_h' is not of the last layer",
    ),
    "one direction": (
        lambda: stack(
            node("Gather", "Y_h last", "h", axis=0),
            node("Tanh", "h", "out"),
            outputs="out",
            weights={"last": LAST},
        ),
        "one direction of two",
    ),
    "shared weights": (
        lambda: model(
            [
                node("GRU", "x W R", "Y", hidden_size=4),
                node("Squeeze", "Y one", "s"),
                node("GRU", "s W2 R", "Z", hidden_size=4),
            ],
            {"W": GRU["W"], "R": GRU["R"], "W2": numbers(1, 1, 12, 4), "one": ONE},
            X,
            "Z",
        ),
        "R is ['R'], which another layer has",
    ),
    "part of a weight": (
        lambda: gru(
            node("Slice", "K a b c", "k"),
            node("MatMul", "Y_h k", "out"),
            weights={"K": numbers(1, 8, 2), "a": np.array([0]), "b": np.array([4]), "c": np.array([0])},
        ),
        "the matrix is not made of each number of ['K'] once",
    ),
    "unused weight": (lambda: gru(outputs="Y", weights={"left": numbers(1, 3)}), "nothing uses ['left']"),
    "unused node": (
        lambda: gru(node("Relu", "Y", "z", "idle"), outputs="Y"),
        "nothing uses what Relu node 'idle'",
    ),
    "unused input": (
        lambda: model([node("GRU", "x W R B", "Y", hidden_size=4)], WRB, [*X, value("more", [2])], "Y"),
        "nothing uses ['more']",
    ),
    "cycle": (
        lambda: model([node("Add", "a b", "c"), node("Relu", "c", "b")], {}, [value("a", [2, 2])], "c"),
        "reads 'b', which nothing before it gives: the graph has a cycle",
    ),
    "missing input": (lambda: gru(node("Relu", "nowhere", "out")), "reads 'nowhere'"),
    "missing output": (lambda: gru(outputs="Y_c"), "the output 'Y_c' is given by nothing"),
    "name given twice": (lambda: gru(node("Relu", "Y_h", "Y")), "gives 'Y', which is given already"),
    "two dtypes": (
        lambda: model(
            [node("GRU", "x W R", "Y", hidden_size=4)], {"W": GRU["W"], "R": GRU["R"].astype("f8")}, X, "Y"
        ),
        "float64 meets float32",
    ),
    "time of a feature": (
        lambda: gru(
            node("Squeeze", "Y one", "s"),
            node("Transpose", "s", "t", perm=[1, 2, 0]),
            node("MatMul", "t K", "out"),
            weights={"one": ONE, "K": numbers(1, 5, 2)},
        ),
        "the last axis must be the features",
    ),
    "part of time": (
        lambda: gru(
            node("Slice", "Y a b c", "out"),
            weights={"a": np.array([1]), "b": np.array([3]), "c": np.array([0])},
        ),
        "takes 1 to 3 of a free axis",
    ),
    "reversed time": (
        lambda: gru(
            node("Slice", "Y a b c d", "out"),
            weights={"a": np.array([-1]), "b": np.array([-99]), "c": np.array([0]), "d": np.array([-1])},
        ),
        "takes other steps than 1",
    ),
    "another shape": (
        lambda: gru(node("Reshape", "Y shape", "out"), weights={"shape": np.array([-1, 2])}),
        "which divides an axis",
    ),
    "mean": (lambda: gru(node("ReduceMean", "Y", "out", axes=[0])), "ReduceMean is no operator"),
    "bias alone": (
        lambda: gru(node("Add", "Y_h b", "out"), weights={"b": numbers(1, 4)}),
        "what is no product",
    ),
    "log softmax": (lambda: gru(node("LogSoftmax", "Y_h", "out")), "LogSoftmax is no operator"),
    "scale": (
        lambda: gru(node("Mul", "Y_h b", "out"), weights={"b": numbers(1, 4)}),
        "Mul of data and several numbers",
    ),
    "a function of its own": (
        lambda: gru(node("Tanh", "Y_h", "a"), node("Mul", "a Y_h", "out", "last")),
        "what Mul node 'last' and those before it make of each number is none of linear, relu",
    ),
    "approximated gelu": (
        lambda: gru(node("Gelu", "Y_h", "out", approximate="tanh"), outputs="out"),
        "is approximated",
    ),
    "integers": (
        lambda: model(
            [node("Sub", "n one", "m"), node("GRU", "x W R B m", "Y", hidden_size=4)],
            {**WRB, "one": np.array(1, "i4")},
            [*X, value("n", ["N"], INT32)],
            "Y",
        ),
        "Sub node 0: computes with integers",
    ),
    "a jump": (
        lambda: gru(
            node("Greater", "Y_h k", "b"),
            node("Where", "b Y_h zero", "out"),
            weights={"k": np.float32(0.1), "zero": np.float32(0)},
        ),
        "Greater is no operator",
    ),
    "two versions of the data": (
        lambda: gru(
            node("MatMul", "Y_h K", "a"),
            node("Softmax", "a", "b"),
            node("Mul", "a b", "out"),
            weights={"K": numbers(1, 4, 3)},
        ),
        "computes with two parts of the data",
    ),
    "a mask of others": (lambda: masked("m"), "all recurrences of a model read the same"),
    "a mask that is no zero": (lambda: masked("n", 1), "to something else than zero"),
    "padding turned round": (
        lambda: model(
            [node("GRU", "x W R B n", "Y", direction="reverse"), node("Slice", "Y a b c a", "out")],
            {**WRB, "a": LAST[None], "b": np.array([-(1 << 40)]), "c": np.array([0])},
            [*X, value("n", ["N"], INT32)],
            "out",
        ),
        "turns padded sequences round with their padding",
    ),
    "one direction alone": (
        lambda: stack(node("Gather", "Y_h last", "h", axis=0), outputs="h", weights={"last": LAST}),
        "the output 'h' is one direction of two",
    ),
    "two by the sum": (
        lambda: stack(
            *split("Y_h", 0),
            node("Add", "fwd bwd", "s"),
            node("Div", "two s", "out"),
            outputs="out",
            weights={"halves": np.array([1, 1]), "axes": np.array([0]), "two": np.float32(2)},
        ),
        "what Div node 5 and those before it make",
    ),
    "x again": (
        lambda: model(
            [
                node("GRU", "x W R B", "Y", hidden_size=4),
                node("GRU", "x W2 R2", "Z", hidden_size=4),
                node("Concat", "Y Z", "out", axis=-1),
            ],
            {**WRB, "W2": numbers(1, 1, 12, 3), "R2": TWICE["R2"]},
            X,
            "out",
        ),
        "reads the input 'x' a second time",
    ),
    "lengths of others": (
        lambda: model(
            [
                node("GRU", "x W R B n", "Y", hidden_size=4),
                node("ReverseSequence", "Y m", "r"),
                node("Squeeze", "r one", "s"),
                node("Tanh", "s", "out"),
            ],
            {**WRB, "one": ONE},
            [*X, value("n", ["N"], INT32), value("m", ["N"], INT32)],
            "out",
        ),
        "all recurrences of a model read the same",
    ),
    "turned round": (
        lambda: gru(
            node("Slice", "Y a b c d", "r"),
            node("Tanh", "r", "out"),
            weights={"a": LAST[None], "b": np.array([-(1 << 40)]), "c": np.array([0]), "d": LAST[None]},
        ),
        "reads time turned round",
    ),
    "counting elsewhere": (
        lambda: gru(
            node("Range", "two five one", "r"),
            node("Less", "r n", "mask"),
            node("Where", "mask Y zero", "out"),
            weights={"two": np.array(2), "five": np.array(5), "one": np.array(1), "zero": np.float32(0)},
            inputs=[*X, value("n", ["N"], INT32)],
        ),
        "must count from 0 to the size of an axis",
    ),
    "dropout that drops": (
        lambda: gru(node("Dropout", "Y_h r t", "out"), weights={"r": np.float32(0.5), "t": np.array(True)}),
        "it drops in inference too",
    ),
    "lengths for some": (
        lambda: model(
            [
                node("GRU", "x W R B n", "Y", hidden_size=4),
                node("Squeeze", "Y one", "s"),
                node("GRU", "s W2 R2", "Z", hidden_size=4),
            ],
            {**TWICE, "one": ONE},
            [*X, value("n", ["N"], INT32)],
            "Z",
        ),
        "all recurrences of a model read the same",
    ),
    "last of padded": (
        lambda: model(
            [node("GRU", "x W R B n", "Y", hidden_size=4), node("Gather", "Y last", "out", axis=0)],
            {**WRB, "last": LAST},
            [*X, value("n", ["N"], INT32)],
            "out",
        ),
        "Y_h has the last step",
    ),
    "constant lengths": (
        lambda: model(
            [node("GRU", "x W R B n", "Y", hidden_size=4)], {**WRB, "n": np.array([3, 5], "i4")}, X, "Y"
        ),
        "sequence_lens is a constant",
    ),
    "states of a batch": (
        lambda: model(
            [node("GRU", "x W R B - h", "Y", hidden_size=4)], {**WRB, "h": numbers(1, 1, 2, 4)}, X, "Y"
        ),
        "not the same for all of a batch",
    ),
    "no layer": (lambda: model([node("Identity", "x", "Y")], {}, X, "Y"), "is not of the last layer"),
    "NaN": (
        lambda: model(
            [node("GRU", "x W R B", "Y", hidden_size=4)], {**WRB, "B": WRB["B"] * np.float32("nan")}, X, "Y"
        ),
        "holds NaN or infinity",
    ),
    "opset": (lambda: model([], {}, X, "x", opset=99), "its operators have version 99"),
    "functions": (lambda: encode("Model", {"functions": [b""], "graph": {}}), "it holds functions"),
    "no graph": (lambda: encode("Model", {"ir_version": 8}), "it holds no graph"),
}


@pytest.mark.parametrize("what", list(REFUSED))
def test_what_a_sequential_cannot_say_is_refused_by_name(what: str) -> None:
    make, message = REFUSED[what]
    with pytest.raises(fr.ModelFormatError) as caught:
        from_onnx(make())
    assert str(caught.value).startswith("from_onnx: bytes: ") and message in str(caught.value)


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
