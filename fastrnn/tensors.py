"""Named tensors in a file: safetensors, checked as a whole before anything is allocated.

The format (the documentation of safetensors, "Format"): eight bytes, the size of the header; the header,
JSON, name -> {dtype, shape, data_offsets}, and under ``__metadata__`` texts by name; the tensors' bytes,
little endian.  Here the tensors must lie behind each other without gap or overlap and fill the file.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

# name of the element type -> its dtype; BF16 is the upper half of a float32
ELEMENTS: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("f8"), "F32": np.dtype("f4"), "F16": np.dtype("f2"), "BF16": np.dtype("u2"),
    "I64": np.dtype("i8"), "I32": np.dtype("i4"), "I16": np.dtype("i2"), "I8": np.dtype("i1"),
    "U64": np.dtype("u8"), "U32": np.dtype("u4"), "U16": np.dtype("u2"), "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}  # fmt: skip
_AXES = 32  # NumPy's limit was that for long


def numbers(element: str, raw: Any, big_endian: bool = False) -> np.ndarray:
    """The numbers [n] in bytes; BF16 becomes float32, which holds each of its numbers exactly.

    element : a key of `ELEMENTS`
    raw : bytes or memoryview, a whole number of elements; shared with the array where its form allows
    """
    array = np.frombuffer(raw, ELEMENTS[element].newbyteorder(">" if big_endian else "<"))
    array = np.require(array.astype(ELEMENTS[element], copy=False), requirements="A")
    return (array.astype(np.uint32) << 16).view(np.float32) if element == "BF16" else array


def read_tensors(path: Any, header_limit: int) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """(metadata, tensors) of a safetensors file; BF16 becomes float32.

    header_limit : the most bytes that its header may have

    Raises
    ------
    ValueError : the file is not as above; says how, without the file's name
    FileNotFoundError
    """
    with Path(path).open("rb") as file:
        whole = os.fstat(file.fileno()).st_size
        size = int.from_bytes(file.read(8), "little")
        if whole < 8 or size > whole - 8:
            raise ValueError("it is truncated")
        if size > header_limit:
            raise ValueError(f"its header has {size} bytes, at most {header_limit} are read")
        try:
            header = json.loads(file.read(size), object_pairs_hook=once_each)
        except RecursionError:
            raise ValueError("its header is nested too deeply") from None
        if not isinstance(header, dict):
            raise ValueError("its header is no table")
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
            raise ValueError("its metadata are not texts by name")
        places = _places(header, whole - 8 - size)
        data = bytearray(whole - 8 - size)  # the arrays that share it can be written
        if file.readinto(data) != len(data):
            raise ValueError("it is truncated")
    return metadata, {
        name: numbers(element, memoryview(data)[begin:end]).reshape(shape)
        for name, (element, shape, begin, end) in places.items()
    }


def _places(header: dict[str, Any], room: int) -> dict[str, tuple[str, tuple[int, ...], int, int]]:
    """name -> (element, shape, first byte, byte behind the last), after all checks."""
    found = {}
    for name, entry in header.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"the entry of {name!r} is not dtype, shape and data_offsets")
        element, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(element, str) or element not in ELEMENTS:
            raise ValueError(f"the dtype of {name!r} is not one of {', '.join(ELEMENTS)}")
        if not _counts(shape) or len(shape) > _AXES or not _counts(offsets) or len(offsets) != 2:
            raise ValueError(f"the shape or the offsets of {name!r} are not whole numbers from 0")
        begin, end = offsets
        if math.prod(shape) * ELEMENTS[element].itemsize != end - begin or end > room:
            raise ValueError(f"{name!r} does not lie in the file as its shape says")
        found[name] = element, tuple(shape), begin, end
    last = 0
    for name, (_, _, begin, end) in sorted(found.items(), key=lambda item: item[1][2:]):
        if begin != last:
            raise ValueError(f"before {name!r} tensors overlap, or there is a gap")
        last = end
    if last != room:
        raise ValueError("there are bytes behind the last tensor")
    return found


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n <= sys.maxsize for n in value)


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The `object_pairs_hook` of `json` that takes no key twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found
