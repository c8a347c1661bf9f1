"""Files of `torch.save` that mean harm or are damaged, and a writer of whole ones, without PyTorch."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

STORAGES = {"f8": "DoubleStorage", "f4": "FloatStorage", "f2": "HalfStorage", "i8": "LongStorage"}


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True) if value >= 1 << 63 else (
        b"\x8a\x08" + value.to_bytes(8, "little", signed=True)
    )  # fmt: skip


def numbers(values: Any) -> bytes:
    return b"(" + b"".join(number(v) for v in values) + b"t"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def tensor(key: str, storage: str, size: int, shape: Any, strides: Any, offset: int = 0) -> bytes:
    """The instructions that make a tensor."""
    stored = b"((" + text("storage") + name("torch", storage) + text(key) + text("cpu") + number(size) + b"tQ"
    hooks = b"\x89" + name("collections", "OrderedDict") + b")R"
    return (
        name("torch._utils", "_rebuild_tensor_v2")
        + stored + number(offset) + numbers(shape) + numbers(strides) + hooks + b"tR"
    )  # fmt: skip


def table(items: dict[str, bytes]) -> bytes:
    body = b"".join(text(key) + value for key, value in items.items())
    return name("collections", "OrderedDict") + b")R(" + body + b"u"


def program(body: bytes, protocol: int = 2) -> bytes:
    return b"\x80" + bytes([protocol]) + body + b"."


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for member, data in members.items():
            file.writestr(member, data)
    return buffer.getvalue()


def whole(state: dict[str, np.ndarray], order: str = "little") -> dict[str, bytes]:
    """The members of the file that `torch.save` writes for a state dict."""
    items, members = {}, {}
    for k, (key, array) in enumerate(state.items()):
        strides = [int(np.prod(array.shape[i + 1 :], dtype=int)) for i in range(array.ndim)]
        items[key] = tensor(str(k), STORAGES[array.dtype.str[1:]], array.size, array.shape, strides)
        members[f"model/data/{k}"] = array.astype(array.dtype.newbyteorder("<>"[order == "big"])).tobytes()
    return {
        "model/data.pkl": program(table(items)), "model/byteorder": order.encode(), **members,
        "model/version": b"3\n",
    }  # fmt: skip


def lstm(dtype: str = "f4", inputs: int = 2, units: int = 3) -> dict[str, np.ndarray]:
    """The state dict of an LSTM."""
    rng = np.random.default_rng(0)
    shapes = {"weight_ih_l0": (4 * units, inputs), "weight_hh_l0": (4 * units, units)}
    shapes |= {"bias_ih_l0": (4 * units,), "bias_hh_l0": (4 * units,)}
    return {key: rng.standard_normal(shape).astype(dtype) for key, shape in shapes.items()}


# -- the files -----------------------------------------------------------------------------------------

Build = Callable[[Path], Path]


def _bytes(make: Callable[[], bytes]) -> Build:
    def build(folder: Path) -> Path:
        path = folder / "hostile.pt"
        path.write_bytes(make())
        return path

    return build


def _program(body: bytes, protocol: int = 2) -> Build:
    """A file of that program and one storage of four numbers."""
    members = {"model/data.pkl": program(body, protocol), "model/data/0": bytes(16)}
    return _bytes(lambda: archive(members))


def _state(**changes: Any) -> Build:
    return _bytes(lambda: archive(whole({k: v for k, v in {**lstm(), **changes}.items() if v is not None})))


def _edited(edit: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Build:
    return _bytes(lambda: archive(edit(whole(lstm()))))


def _patched(mark: bytes, offset: int, value: bytes, nth: int = 0) -> Build:
    """`value` at `offset` behind the n-th `mark` of a whole file."""

    def make() -> bytes:
        data, at = bytearray(archive(whole(lstm()))), -1
        for _ in range(nth + 1):
            at = data.index(mark, at + 1)
        data[at + offset : at + offset + len(value)] = value
        return bytes(data)

    return _bytes(make)


def _view(shape: Any, strides: Any, offset: int = 0, size: int = 4, key: str = "0") -> Build:
    return _program(table({"weight": tensor(key, "FloatStorage", size, shape, strides, offset)}))


def _ripped(share: float) -> Build:
    return _bytes(lambda: (data := archive(whole(lstm())))[: int(len(data) * share)])


def _nan() -> np.ndarray:
    bad = lstm()["weight_ih_l0"]
    bad[1, 1] = np.nan
    return bad


def _sparse(folder: Path) -> Path:
    """A terabyte of nothing."""
    path = folder / "hostile.pt"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(1 << 40)
    return path


def _unread(folder: Path) -> Path:
    """A gigabyte of nothing, in a tensor that nothing reads."""
    path, size = folder / "hostile.pt", 1 << 30
    code = program(table({"running_mean": tensor("0", "FloatStorage", size // 4, (size // 4,), (1,))}))
    listed = b""
    with path.open("wb") as file:
        for member, data, length in (("model/data.pkl", code, len(code)), ("model/data/0", b"", size)):
            said = struct.pack("<3L2H", zlib.crc32(data), length, length, len(member), 0)
            at = struct.pack("<3H2L", 0, 0, 0, 0, file.tell())
            listed += b"PK\x01\x02" + struct.pack("<6H", 20, 20, 0, 0, 0, 0) + said + at + member.encode()
            file.write(b"PK\x03\x04" + struct.pack("<5H", 20, 0, 0, 0, 0) + said + member.encode() + data)
            file.seek(length - len(data), 1)
        begin = file.tell()
        file.write(listed + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(listed), begin, 0))
    return path


_SYSTEM = name("posix", "system") + b"(" + text("touch pwned") + b"tR"
_CENTRAL, _END = b"PK\x01\x02", b"PK\x05\x06"

KINDS: dict[str, Build] = {
    "code": _program(_SYSTEM),
    "code beside tensors": _edited(
        lambda m: {**m, "model/data.pkl": program(_SYSTEM + b"0" + m["model/data.pkl"][2:-1])}
    ),
    "code by STACK_GLOBAL": _program(b"\x8c\x08builtins\x8c\x04exec\x93\x8c\x04pass\x85R", 4),
    "code by INST": _program(b"(" + text("touch pwned") + b"iposix\nsystem\n"),
    "code by NEWOBJ": _program(name("collections", "OrderedDict") + b")\x81"),
    "code by EXT1": _program(b"\x82\x01"),
    "a function of torch": _program(name("torch.hub", "load") + b"(" + text("x") + b"tR"),
    "a whole module": _program(name("__main__", "Net") + b")\x81}b"),
    "a call of what is no name": _program(text("x") + b")R"),
    "a state that is set on a dict": _program(b"}" + text("x") + b"b"),
    "a text of 2^62 bytes": _program(b"\x8d" + struct.pack("<Q", 1 << 62) + b"abc", 4),
    "a whole number of 2^31 bytes": _program(b"\x8b" + struct.pack("<I", 1 << 31)),
    "a million lists": _program(b"]" * 1_000_000),
    "a million lists in lists": _program(b"]" + b"]a" * 1_000_000),
    "a list of a list of ...": _program(b"]" * 10_000 + b"a" * 9_999),
    "a tuple of a tuple of ... as key": _program(b"})" + b"\x85" * 100_000 + b"Ns"),
    "a dict in itself": _program(b"}q\x00" + text("x") + b"h\x00s"),
    "marks without end": _program(b"(" * 100_000),
    "an empty stack": _program(b"tRRR"),
    "a program without end": _bytes(lambda: archive({"model/data.pkl": b"\x80\x02}"})),
    "a frame longer than the program": _program(b"\x95" + struct.pack("<Q", 1 << 60) + b"}", 4),
    "protocol 0": _bytes(lambda: archive({"model/data.pkl": b"(dp0\n."})),
    "a list, not a dict": _program(b"]"),
    "two dicts of tensors with long names": _program(
        table({end * 1_000_000: table({"w": tensor("0", "FloatStorage", 4, (4,), (1,))}) for end in "ab"})
    ),
    "two dicts of tensors": _program(
        table({k: table({"weight": tensor("0", "FloatStorage", 4, (2, 2), (2, 1))}) for k in "ab"})
    ),
    "a huge shape": _view((1 << 40, 1 << 22), (1 << 22, 1)),
    "a shape that overflows": _view((1 << 32, 1 << 32), (1, 1)),
    "strides that overflow": _view((2, 2), ((1 << 63) - 1, (1 << 63) - 1)),
    "a number of 65 bits": _view((1 << 64, 1), (1, 1)),
    "one number 2^40 times": _view((1 << 40,), (0,)),
    "no numbers times 2^62": _view((0, 1 << 62), (1, 1)),
    "2^62 vectors of no numbers": _view((1 << 62, 0), (1, 1)),
    "a gigabyte that nothing reads": _unread,
    "a negative axis": _view((-2, -2), (2, 1)),
    "a negative stride": _view((2, 2), (-2, 1), 2),
    "an offset behind the storage": _view((2, 2), (2, 1), 1),
    "a million axes": _view((1,) * 10_000, (1,) * 10_000),
    "a storage larger than its member": _view((2, 2), (2, 1), size=1 << 50),
    "a storage that is not there": _view((2, 2), (2, 1), key="1"),
    "a storage outside": _view((2, 2), (2, 1), key="../../../../etc/passwd"),
    "an unknown storage": _program(table({"weight": tensor("0", "ComplexFloatStorage", 2, (2,), (1,))})),
    "a storage in a hundred tensors": _program(
        table({f"{k}.weight": tensor("0", "FloatStorage", 4, (2, 2), (2, 1)) for k in range(100)})
    ),
    "a damaged storage": _patched(lstm()["bias_hh_l0"].tobytes(), 0, b"\xff\xff"),
    "an unknown byte order": _edited(lambda m: {**m, "model/byteorder": b"middle"}),
    "TorchScript": _edited(lambda m: {**m, "model/constants.pkl": b"\x80\x02)."}),
    "two programs": _edited(lambda m: {**m, "other/data.pkl": m["model/data.pkl"]}),
    "no program": _bytes(lambda: archive({"model/data/0": bytes(16)})),
    "a path that leads out": _edited(lambda m: {**m, "../../evil": b"x"}),
    "an absolute path": _edited(lambda m: {**m, "/tmp/evil": b"x"}),
    "a zip bomb": _bytes(lambda: archive({"model/data.pkl": bytes(100_000_000)}, zipfile.ZIP_DEFLATED)),
    "an encrypted member": _patched(_CENTRAL, 8, b"\x01\x00"),
    "a member larger than the file": _patched(_CENTRAL, 20, b"\xff\xff\xff\x7f" * 2),
    "a member behind the end": _patched(_CENTRAL, 42, b"\xff\xff\xff\x7f"),
    "a member twice": _bytes(lambda: archive(whole(lstm())).replace(b"model/data/1", b"model/data/0")),
    "members over each other": _patched(_CENTRAL, 20, b"\x40\x02\x00\x00" * 2, nth=2),
    "millions of members": _patched(_END, 8, b"\xff\xfe\xff\xfe"),
    "a list of members outside": _patched(_END, 16, b"\xff\xff\xff\x7f"),
    "only the beginning": _ripped(0.1),
    "the first half": _ripped(0.5),
    "all but the end": _ripped(0.99),
    "a terabyte of nothing": _sparse,
    "the form before PyTorch 1.6": _bytes(
        lambda: b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
    ),
    "an empty file": _bytes(bytes),
    "NaN": _state(weight_ih_l0=_nan()),
    "infinity": _state(bias_hh_l0=np.full(12, np.inf, "f4")),
    "biases whose sum is infinite": _state(
        bias_ih_l0=np.full(12, 3e38, "f4"), bias_hh_l0=np.full(12, 3e38, "f4")
    ),
    "whole numbers": _state(weight_ih_l0=np.ones((12, 2), "i8")),
    "mixed dtypes": _state(weight_ih_l0=np.ones((12, 2), "f8")),
    "five gates": _state(weight_ih_l0=np.ones((15, 2), "f4"), weight_hh_l0=np.ones((15, 3), "f4")),
    "no units": _state(weight_hh_l0=np.ones((12, 0), "f4")),
    "a weight of one axis": _state(weight_hh_l0=np.ones(12, "f4")),
    "a missing bias": _state(bias_hh_l0=None),
    "a missing layer": _state(weight_ih_l9=np.ones((12, 3), "f4")),
    "a layer too many": _state(weight_ih_l9999=np.ones((12, 3), "f4")),
    "an unknown name": _state(running_mean=np.ones(3, "f4")),
    "a name with braces": _state(**{"{0.__class__}.weight_ih": np.ones((4, 2), "f4")}),
    "a thousand modules": _bytes(
        lambda: archive(whole({f"{k}.weight": np.ones((1, 1), "f4") for k in range(1000)}))
    ),
    "modules that fit in no order": _bytes(
        lambda: archive(whole({f"{k}.weight": np.ones((2, 2 + (k == 29)), "f4") for k in range(30)}))
    ),
}


def READ(path: Path) -> Any:
    from fastrnn.interop import from_torch

    return from_torch(path)
