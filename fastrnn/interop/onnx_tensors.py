"""The tensors of an ONNX file, in the file or beside it.

A count, offset or size is held against the bytes that are there before anything is made of it.
"""

from __future__ import annotations

import math
import mmap
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"), 6: np.dtype("<i4"), 7: np.dtype("<i8"), 9: np.dtype("bool"), 11: np.dtype("<f8"),
}  # fmt: skip
_DATA = {  # the field of a tensor that holds its numbers where raw_data does not
    "float_data": (1,), "double_data": (11,), "int64_data": (7,), "int32_data": (6, 9),
    "uint64_data": (), "string_data": (),
}  # fmt: skip
RANK_AT_MOST = 8
_BYTES_AT_MOST = 1 << 31  # of a file; Protocol Buffers' own limit


class Tensors:
    """The tensors of one file.

    folder : where its external data may lie; None where it has none
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.places: list[tuple[str, int, int, str]] = []  # (file, start, end, tensor) of external data

    def read(self, message: dict[str, Any]) -> np.ndarray:
        """The array of a decoded Tensor: a view where it can be; refuses what it would have to guess."""
        name = f"the tensor {message.get('name', '')!r}"
        dims, number = message.get("dims", []), message.get("data_type", 0)
        if number not in DTYPES:
            raise ValueError(f"{name} has the element type {number}; {known()}")
        if len(dims) > RANK_AT_MOST or any(n < 0 for n in dims):
            raise ValueError(f"{name} has the shape {dims[: RANK_AT_MOST + 1]}")
        if message.get("segment"):
            raise ValueError(f"{name} is a segment of another")
        count, dtype = math.prod(dims), DTYPES[number]
        external = message.get("data_location", 0)
        fields = [field for field in ("raw_data", *_DATA) if len(message.get(field, ()))]
        if external not in (0, 1) or (external and fields) or len(fields) > 1:
            raise ValueError(f"{name} does not say which of its data count")
        if external or "raw_data" in fields:
            content = self._external(name, message) if external else message["raw_data"]
            if len(content) != count * dtype.itemsize:
                raise ValueError(f"{name} is {dims} {dtype}, but has {len(content)} bytes")
            array = np.frombuffer(content, dtype)
            if number == 9 and content and max(content) > 1:
                raise ValueError(f"{name} is bool, but holds other bytes than 0 and 1")
            return array.reshape(dims)
        if message.get("external_data"):
            raise ValueError(f"{name} names a file, but says that its data are here")
        values = message[fields[0]] if fields else []
        if fields and number not in _DATA[fields[0]]:
            raise ValueError(f"{name} is {dtype}, but its numbers are in {fields[0]}")
        if len(values) != count:
            raise ValueError(f"{name} has the shape {dims}, but {len(values)} numbers")
        if dtype.kind in "ib" and count:
            low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
            if min(values) < low or max(values) > high:
                raise ValueError(f"{name} is {dtype}, but holds numbers from {min(values)} to {max(values)}")
        return np.asarray(values, dtype).reshape(dims)

    def _external(self, name: str, message: dict[str, Any]) -> memoryview:
        """The bytes that a tensor has in another file, which lies in the model's own folder or below it."""
        entries: dict[str, str] = {}
        for entry in message.get("external_data", []):
            key = entry.get("key", "")
            if key in entries:
                raise ValueError(f"{name} has two external {key!r}")
            entries[key] = entry.get("value", "")
        location = entries.get("location", "")
        if self.folder is None:
            raise ValueError(f"{name} is in another file, {location!r}; give a path instead of bytes")
        path = _inside(self.folder.resolve(), location)
        if path is None:
            raise ValueError(f"{name} is in {location!r}, which is no file in the model's folder")
        numbers = {key: entries.get(key) for key in ("offset", "length")}
        if not all(n is None or (n.isascii() and n.isdigit() and len(n) < 20) for n in numbers.values()):
            raise ValueError(f"{name} is at {numbers} of {location!r}")
        offset = int(numbers["offset"] or 0)
        content = mapped(path)
        length = len(content) - offset if numbers["length"] is None else int(numbers["length"])
        if offset + length > len(content) or length < 0:
            raise ValueError(f"{name} is past the end of {location!r}")
        self.places.append((str(path), offset, offset + length, name))
        return content[offset : offset + length]

    def check_apart(self) -> None:
        """Refuse external data that lie over each other: few bytes would be many weights."""
        for (path, _, end, name), (other_path, start, _, other) in pairwise(sorted(self.places)):
            if path == other_path and start < end:
                raise ValueError(f"{name} and {other} have the same bytes of {Path(path).name!r}")


def known() -> str:
    """The sentence that says which element types there are."""
    return f"{', '.join(str(dtype) for dtype in DTYPES.values())} are read"


def _inside(root: Path, location: str) -> Path | None:
    """The file of that name below `root`, links followed; None where there is none."""
    given = Path(location)
    if not location or "\0" in location or "\\" in location or given.is_absolute() or ".." in given.parts:
        return None
    try:
        path = (root / given).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, RuntimeError):  # too long a name, or links in a circle
        return None


def mapped(path: Path) -> memoryview:
    """The bytes of a file, read from the disk as they are used."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise ValueError(f"{path.name} is empty")
        if size > _BYTES_AT_MOST:
            raise ValueError(f"{path.name} has {size} bytes, at most {_BYTES_AT_MOST} are read")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
