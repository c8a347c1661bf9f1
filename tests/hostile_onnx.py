"""ONNX files that mean harm; every one must be refused, in little time and memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx_files import DOUBLE, FLOAT, INT64, model, node, tensor, value

from fastrnn.interop import from_onnx
from fastrnn.interop.protobuf import decode, encode

READ = from_onnx
W, R = np.full((1, 12, 3), 0.1, "f4"), np.full((1, 12, 4), 0.1, "f4")
X = [value("x", ["T", "N", 3])]
GRU = node("GRU", "x W R", "Y Y_h", hidden_size=4)


def varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(parts + bytes([number]))


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def file(make: Callable[[], bytes]) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        path = folder / "model.onnx"
        path.write_bytes(make())
        return path

    return build


def whole(
    *more: dict[str, Any], outputs: str = "Y", weights: Any = None, inputs: Any = None, **options: Any
) -> bytes:
    nodes = options.pop("nodes", [GRU])
    return model([*nodes, *more], {"W": W, "R": R, **(weights or {})}, inputs or X, outputs, **options)


def with_tensor(**fields: Any) -> bytes:
    """A file whose tensor W has these fields."""
    message = decode("Model", whole())
    message["graph"]["initializer"][0] = {**tensor("W", W), **fields}
    return encode("Model", message)


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    message = decode("Model", whole())
    change(message["graph"])
    return encode("Model", message)


def external(location: str, offset: str = "0", length: str = "144") -> Callable[[Path], Path]:
    entries = [
        {"key": k, "value": v} for k, v in (("location", location), ("offset", offset), ("length", length))
    ]
    make = file(lambda: with_tensor(raw_data=None, external_data=entries, data_location=1))

    def build(folder: Path) -> Path:
        inside = folder / "inside"
        inside.mkdir()
        (folder / "secret.bin").write_bytes(W.tobytes())
        (inside / "weights.bin").write_bytes(W.tobytes())
        os.symlink(folder / "secret.bin", inside / "link.bin")
        os.symlink("loop.bin", inside / "loop.bin")
        return make(inside)

    return build


def overlapping(folder: Path) -> Path:
    """Ten tensors of 32 bytes, a byte apart."""
    (folder / "weights.bin").write_bytes(bytes(64))
    message = decode("Model", whole())
    for k in range(10):
        place = {"location": "weights.bin", "offset": str(k), "length": "32"}
        entries = [{"key": key, "value": text} for key, text in place.items()]
        message["graph"]["initializer"].append(
            {"name": f"t{k}", "dims": [8], "data_type": FLOAT, "external_data": entries, "data_location": 1}
        )
    (folder / "model.onnx").write_bytes(encode("Model", message))
    return folder / "model.onnx"


def sparse(size: int) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        path = folder / "model.onnx"
        with path.open("wb") as there:
            there.truncate(size)
        return path

    return build


def nested(depth: int) -> bytes:
    """If in If in If."""
    graph = b""
    for _ in range(depth):
        attribute = field(1, b"then_branch") + field(6, graph)
        graph = field(1, field(4, b"If") + field(2, b"y") + field(5, attribute))
    return field(8, varint(2 << 3) + varint(17)) + field(7, graph + field(12, field(1, b"y")))


def doubled(times: int) -> bytes:
    """2 ** times copies of a weight, by Concat."""
    nodes = [node("Concat", f"k{k} k{k}", f"k{k + 1}", axis=0) for k in range(times)]
    return whole(
        *nodes, node("MatMul", f"Y k{times}", "out"), outputs="out", weights={"k0": np.ones((4, 4), "f4")}
    )


def squared(times: int) -> bytes:
    """(2 N) ** 2 ** times, as a size."""
    nodes = [
        node("Shape", "x", "shape"),
        node("Mul", "shape two", "s0"),
        *(node("Mul", f"s{k} s{k}", f"s{k + 1}") for k in range(times)),
        node("Reshape", f"Y s{times}", "out"),
    ]
    return whole(*nodes, outputs="out", weights={"two": np.array([2, 2, 2])})


def shared(layers: int) -> bytes:
    """One weight for many layers: small on disk, large in memory."""
    nodes = [node("MatMul", f"h{k} K", f"h{k + 1}") for k in range(layers)]
    zeros = np.zeros((1000, 1000), "f4")
    return model(nodes, {"K": zeros}, [value("h0", ["N", 1000])], f"h{layers}")


def repeated(*sizes: int) -> bytes:
    nodes = [node("Expand", "Y_h shape", "r"), node("GRU", "r W2 R2", "out", hidden_size=4)]
    weights = {"shape": np.array(sizes), "W2": np.ones((1, 12, 4), "f4"), "R2": R}
    return whole(*nodes, outputs="out", weights=weights)


def large_constant(*sizes: int) -> bytes:
    """A constant that is repeated, then made whole."""
    nodes = [
        node("Expand", "one shape", "big"),
        node("Concat", "big big", "bigger", axis=0),
        node("MatMul", "Y bigger", "out"),
    ]
    return whole(*nodes, outputs="out", weights={"shape": np.array(sizes), "one": np.ones((1, 1), "f4")})


KINDS: dict[str, Callable[[Path], Path]] = {
    "empty": file(lambda: b""),
    "text": file(lambda: b"import os; os.system('touch harm')"),
    "a pickle": file(lambda: b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00harmq\x01\x85q\x02Rq\x03."),
    "cut in the structure": file(lambda: whole()[:40]),
    "cut in a weight": file(lambda: whole()[:300]),
    "cut at the end": file(lambda: whole()[:-1]),
    "number without an end": file(lambda: b"\x08" + b"\xff" * 1000),
    "length past the end": file(lambda: b"\x3a" + varint(1 << 62) + b"x"),
    "length past its message": file(lambda: field(7, b"\x0a" + varint(50) + b"x") + bytes(100)),
    "groups": file(lambda: b"\x0b" * 100_000),
    "field number 0": file(lambda: bytes(1000)),
    "deep sub-graphs": file(lambda: nested(3000)),
    "a million nodes": file(lambda: field(7, b"\x0a\x00" * 1_000_000)),
    "a million integers": file(
        lambda: with_tensor(data_type=INT64, raw_data=None, int64_data=[1] * 1_000_000)
    ),
    "a name of megabytes": file(lambda: whole(node("Relu", "Y", "out", "n" * 5_000_000), outputs="out")),
    "a name that is no text": file(lambda: field(2, b"\xff\xfe")),
    "a graph twice": file(lambda: whole() + whole()),
    "3 GiB": sparse(3 << 30),
    "1 GiB of zeros": sparse(1 << 30),
    "huge shape": file(lambda: with_tensor(dims=[1 << 40, 1 << 40])),
    "shape that overflows": file(lambda: with_tensor(dims=[1 << 62, 4, 1 << 2], raw_data=b"")),
    "negative shape": file(lambda: with_tensor(dims=[-1, -12, 3])),
    "shape of many axes": file(lambda: with_tensor(dims=[1] * 1000)),
    "shape without data": file(lambda: with_tensor(raw_data=b"")),
    "data in two places": file(lambda: with_tensor(float_data=[0.0] * 36)),
    "data of another dtype": file(lambda: with_tensor(raw_data=None, double_data=[0.0] * 36)),
    "unknown dtype": file(lambda: with_tensor(data_type=99)),
    "strings": file(lambda: with_tensor(data_type=8, raw_data=None, string_data=[b"x"] * 36)),
    "weights of two dtypes": file(lambda: with_tensor(data_type=DOUBLE, raw_data=W.astype("f8").tobytes())),
    "NaN weights": file(lambda: with_tensor(raw_data=np.full(36, np.nan, "f4").tobytes())),
    "infinite weights": file(lambda: with_tensor(raw_data=np.full(36, np.inf, "f4").tobytes())),
    "NaN attribute": file(lambda: whole(nodes=[node("GRU", "x W R", "Y", clip=float("nan"))])),
    "huge hidden_size": file(lambda: whole(nodes=[node("GRU", "x W R", "Y", hidden_size=1 << 62)])),
    "negative hidden_size": file(lambda: whole(nodes=[node("GRU", "x W R", "Y", hidden_size=-4)])),
    "external: up and out": external("../secret.bin"),
    "external: absolute": external("/etc/passwd"),
    "external: a link out": external("link.bin"),
    "external: a link in a circle": external("loop.bin"),
    "external: a device": external("/dev/zero"),
    "external: the folder": external("."),
    "external: not there": external("nowhere.bin"),
    "external: NUL": external("weights.bin\0.txt"),
    "external: a long name": external("n" * 4000),
    "external: past the end": external("weights.bin", offset="100"),
    "external: negative offset": external("weights.bin", offset="-8"),
    "external: huge offset": external("weights.bin", offset=str(1 << 63)),
    "external: huge length": external("weights.bin", length=str(1 << 62)),
    "external: no number": external("weights.bin", offset="0x10"),
    "external: the same bytes": overlapping,
    "unknown operator": file(lambda: whole(node("Harm", "Y", "out"), outputs="out")),
    "another domain": file(lambda: whole({**node("Relu", "Y", "out"), "domain": "evil"}, outputs="out")),
    "a loop": file(lambda: whole(node("Loop", "Y", "out"), outputs="out")),
    "functions": file(lambda: whole(functions=[b"\x0a\x01f"])),
    "sparse initializer": file(lambda: changed(lambda g: g.update(sparse_initializer=[b"\x0a\x00"]))),
    "names twice": file(lambda: changed(lambda g: g["initializer"].append(tensor("W", W)))),
    "a name given twice": file(lambda: whole(node("Relu", "Y", "Y"))),
    "attributes twice": file(lambda: whole(nodes=[{**GRU, "attribute": GRU["attribute"] * 2}])),
    "a cycle": file(lambda: whole(node("Add", "a Y", "b"), node("Relu", "b", "a"), outputs="a")),
    "itself": file(lambda: whole(node("Relu", "a", "a"), outputs="a")),
    "an input that is not there": file(lambda: whole(node("Relu", "nowhere", "out"), outputs="out")),
    "a weight that nothing uses": file(lambda: whole(weights={"left": W})),
    "doubled forty times": file(lambda: doubled(40)),
    "a size squared forty times": file(lambda: squared(40)),
    "one weight for 200 layers": file(lambda: shared(200)),
    "layers without end": file(
        lambda: whole(
            *(node("Relu", "Y" if not k else f"r{k}", f"r{k + 1}") for k in range(2000)), outputs="r2000"
        )
    ),
    "activations of several operators without end": file(
        lambda: whole(
            *(
                node(op, f"{'Y' if not k else f'r{k}'}{more}", f"r{k + 1}")
                for k, (op, more) in enumerate(
                    [("Mul", " k"), ("Tanh", ""), ("Mul", " k"), ("Identity", "")] * 300
                )
            ),
            outputs="r1200",
            weights={"k": np.float32(0.7)},
        )
    ),
    "a function of a thousand operators": file(
        lambda: whole(
            *(node("Erf", "Y" if not k else f"r{k}", f"r{k + 1}") for k in range(1000)), outputs="r1000"
        )
    ),
    "a number squared a thousand times": file(
        lambda: whole(
            *(node("Mul", " ".join(["Y" if not k else f"r{k}"] * 2), f"r{k + 1}") for k in range(1000)),
            outputs="r1000",
        )
    ),
    "steps counted for ever": file(
        lambda: whole(
            node("Range", "zero many one", "r"),
            node("Less", "r n", "mask"),
            node("Where", "mask Y nought", "out"),
            outputs="out",
            weights={
                "zero": np.array(0),
                "many": np.array(1 << 62),
                "one": np.array(1),
                "nought": np.float32(0),
            },
            inputs=[*X, value("n", ["N"], INT64)],
        )
    ),
    "a vector repeated for ever": file(lambda: repeated(1 << 50, 1, 1)),
    "a constant of terabytes": file(lambda: large_constant(1 << 40, 1 << 40)),
    "a shape of terabytes": file(
        lambda: whole(
            node("ConstantOfShape", "shape", "c"),
            node("Shape", "c", "s"),
            node("Reshape", "Y s", "out"),
            outputs="out",
            weights={"shape": np.array([1 << 61] * 8)},
        )
    ),
    "an axis of 2 ** 62": file(
        lambda: whole(
            node("Split", "Y", " ".join(f"o{k}" for k in range(50)), axis=0),
            outputs="o1",
            inputs=[value("x", [1 << 62, 1 << 62, 3])],
        )
    ),
    "one-hot rows without weights": file(
        lambda: model(
            [node("OneHot", "x depth values", "out")],
            {"depth": np.array(1 << 30), "values": np.array([0, 1], "f4")},
            [value("x", ["N", "T"], INT64)],
            "out",
        )
    ),
    "many axes": file(
        lambda: whole(node("Unsqueeze", "Y axes", "out"), outputs="out", weights={"axes": np.arange(1000)})
    ),
    "another version": file(lambda: whole(opset=10_000)),
}
