"""Safetensors files that mean harm or are damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hostile_torch import lstm

Build = Callable[[Path], Path]


def file(header: Any, data: bytes, size: int | None = None) -> bytes:
    """A file of that header, a dict or its bytes, and that data; `size` is what it says of the header."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(raw) if size is None else size).to_bytes(8, "little") + raw + data


def whole() -> tuple[dict[str, Any], bytes]:
    """The header and the data of an LSTM."""
    header, data = {}, b""
    for name, array in lstm().items():
        offsets = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        data += array.tobytes()
    return header, data


def _write(make: Callable[[], bytes]) -> Build:
    def build(folder: Path) -> Path:
        path = folder / "hostile.safetensors"
        path.write_bytes(make())
        return path

    return build


def _entry(**changes: Any) -> Build:
    """A whole file but for one entry."""
    header, data = whole()
    header["weight_hh_l0"] = {k: v for k, v in {**header["weight_hh_l0"], **changes}.items() if v is not None}
    return _write(lambda: file(header, data))


def _header(header: Any) -> Build:
    return _write(lambda: file(header, b""))


def _more(name: str, dtype: str, shape: list[int], extra: bytes) -> Build:
    """A whole file and one more tensor."""
    header, data = whole()
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(extra)]}
    return _write(lambda: file(header, data + extra))


def _twice() -> bytes:
    header, data = whole()
    text = json.dumps(header)
    entry = json.dumps(header["weight_hh_l0"])
    return file((text[:-1] + f', "weight_hh_l0": {entry}}}').encode(), data)


def _nan() -> bytes:
    header, data = whole()
    return file(header, data[:40] + np.float32(np.nan).tobytes() + data[44:])


def _sparse(folder: Path) -> Path:
    """A header of a terabyte of nothing."""
    path = folder / "hostile.safetensors"
    with path.open("wb") as out:
        out.write(((1 << 40) - 8).to_bytes(8, "little") + b"{")
        out.truncate(1 << 40)
    return path


KINDS: dict[str, Build] = {
    "an empty file": _write(bytes),
    "seven bytes": _write(lambda: bytes(7)),
    "a header longer than the file": _write(lambda: file(*whole(), size=1 << 20)),
    "a header of 2^64 - 1 bytes": _write(lambda: file(*whole(), size=(1 << 64) - 1)),
    "a header of a terabyte": _sparse,
    "a header of three megabytes": _write(lambda: file(b"{" + b" " * 3_000_000 + b"}", b"")),
    "a truncated file": _write(lambda: file(*whole())[:-1]),
    "bytes behind the last tensor": _write(lambda: file(*whole()) + b"x"),
    "no JSON": _header(b"not JSON"),
    "no UTF-8": _header(b'{"\xff": 1}'),
    "a list": _header([]),
    "lists in lists": _header(b"[" * 100_000 + b"]" * 100_000),
    "tables in tables": _header(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "a number of 5,000 digits": _header(b'{"a": ' + b"9" * 5_000 + b"}"),
    "no tensors": _header({}),
    "metadata alone": _header({"__metadata__": {"format": "pt"}}),
    "metadata that are no texts": _header({"__metadata__": {"format": [1]}}),
    "a key twice": _write(_twice),
    "an entry that is a list": _header({"weight": [1, 2]}),
    "an entry without a shape": _entry(shape=None),
    "an entry with more": _entry(code="import os"),
    "an unknown dtype": _entry(dtype="Q99"),
    "a dtype that is a list": _entry(dtype=["F32"]),
    "a shape of another size": _entry(shape=[12, 4]),
    "a huge shape": _entry(shape=[1 << 40, 1 << 22]),
    "a shape that overflows to its size": _entry(shape=[(1 << 62) + 12, 4, 3]),
    "a negative axis": _entry(shape=[-12, -3]),
    "an axis that is a fraction": _entry(shape=[12.0, 3]),
    "an axis that is true": _entry(shape=[True, 36]),
    "a hundred axes": _entry(shape=[36] + [1] * 99),
    "offsets behind the end": _entry(data_offsets=[1 << 40, (1 << 40) + 144]),
    "offsets the wrong way round": _entry(data_offsets=[240, 96]),
    "negative offsets": _entry(data_offsets=[-48, 96]),
    "three offsets": _entry(data_offsets=[96, 240, 240]),
    "tensors over each other": _entry(data_offsets=[0, 144]),
    "a gap": _entry(shape=[12, 2], data_offsets=[96, 192]),
    "NaN": _write(_nan),
    "whole numbers": _more("weight", "I64", [1, 1], bytes(8)),
    "mixed dtypes": _more("fc.weight", "F64", [1, 3], bytes(24)),
    "a name that nothing reads": _more("running_mean", "F32", [1], bytes(4)),
    "a tensor too many": _more("weight_ih_l1", "F32", [12, 3], bytes(144)),
}


def READ(path: Path) -> Any:
    from fastrnn.interop import from_torch

    return from_torch(path)
