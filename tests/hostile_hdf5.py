"""HDF5 files that must be refused, where the arrays of one dense layer are asked for.

KINDS : name -> builds such a file in a folder and gives its path
READ : the call that must refuse it
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hostile_keras import dense, dense_arrays, describe, write_h5

import fastrnn as fr
from fastrnn.interop import from_keras

KINDS: dict[str, Callable[[Path], Path]] = {}


def READ(path: Path) -> Any:
    return from_keras(path, layers=[fr.Dense(2)])


def whole(path: Path) -> Path:
    """A file that is read."""
    write_h5(path, [dense()], [dense_arrays()])
    return path


def kind(change: Callable[[h5py.File], Any]) -> Callable[[h5py.File], Any]:
    """A file that is whole but for a change made with h5py."""

    def build(folder: Path) -> Path:
        path = whole(folder / f"{change.__name__}.weights.h5")
        with h5py.File(path, "a") as file:
            change(file)
        return path

    KINDS[change.__name__] = build
    return change


def patched(change: Callable[[bytearray], Any]) -> Callable[[bytearray], Any]:
    """A file that is whole but for its bytes."""

    def build(folder: Path) -> Path:
        path = whole(folder / f"{change.__name__}.weights.h5")
        content = bytearray(path.read_bytes())
        changed = change(content)
        path.write_bytes(content if changed is None else changed)
        return path

    KINDS[change.__name__] = build
    return change


KERNEL, BIAS = "layers/dense/vars/0", "layers/dense/vars/1"


@kind
def external_link(file: h5py.File) -> None:
    del file[KERNEL]
    file[KERNEL] = h5py.ExternalLink("/etc/hostname", "/x")


@kind
def external_link_to_a_group(file: h5py.File) -> None:
    del file["layers"]
    file["layers"] = h5py.ExternalLink("other.h5", "/layers")


@kind
def soft_link(file: h5py.File) -> None:
    del file[KERNEL]
    file[KERNEL] = h5py.SoftLink("/kernel")
    file["kernel"] = dense_arrays()["vars/0"]


@kind
def group_in_itself(file: h5py.File) -> None:
    file["layers/dense/again"] = file["layers"]


@kind
def array_with_two_names(file: h5py.File) -> None:
    file["layers/dense/vars/2"] = file[BIAS]


@kind
def virtual_array(file: h5py.File) -> None:
    del file[BIAS]
    layout = h5py.VirtualLayout(shape=(2,), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(2,))
    file.create_virtual_dataset(BIAS, layout)


@kind
def array_in_another_file(file: h5py.File) -> None:
    del file[BIAS]
    file.create_dataset(BIAS, shape=(2,), dtype="f4", external=[("/etc/hostname", 0, 8)])


@kind
def huge_shape_in_chunks(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000))


@kind
def huge_shape(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, shape=(10**6, 10**6), dtype="f4")  # which is never written


@kind
def shape_beyond_64_bits(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, shape=(2**62, 2**62), dtype="f4", chunks=(1, 1))


@kind
def compressed_zeros(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, data=np.zeros((3000, 2000), "f4"), compression="gzip")


@kind
def compressed(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, data=dense_arrays()["vars/0"], compression="gzip")


@kind
def deep_groups(file: h5py.File) -> None:
    file.create_group("layers/dense/" + "/".join("g" * 200))


@kind
def many_groups(file: h5py.File) -> None:
    for k in range(5000):
        file.create_group(f"layers/g{k}")


@kind
def many_groups_below(file: h5py.File) -> None:
    for k in range(5000):
        file.create_group(f"layers/g{k % 50}/g{k}")


@kind
def records(file: h5py.File) -> None:
    del file[BIAS]
    file[BIAS] = np.zeros(2, [("a", "f4"), ("b", "f4")])


@kind
def texts(file: h5py.File) -> None:
    del file[BIAS]
    file.create_dataset(BIAS, data=["a", "b"], dtype=h5py.string_dtype())


@kind
def references(file: h5py.File) -> None:
    del file[BIAS]
    file.create_dataset(BIAS, data=[file["layers"].ref, file["vars"].ref], dtype=h5py.ref_dtype)


@kind
def region_references(file: h5py.File) -> None:
    region = file[KERNEL].regionref[0:1]
    del file[BIAS]
    file.create_dataset(BIAS, data=[region, region], dtype=h5py.regionref_dtype)


@kind
def half_precision(file: h5py.File) -> None:
    del file[BIAS]
    file[BIAS] = np.zeros(2, "f2")


@kind
def whole_numbers(file: h5py.File) -> None:
    del file[BIAS]
    file[BIAS] = np.zeros(2, "i4")


@kind
def two_dtypes(file: h5py.File) -> None:
    del file[BIAS]
    file[BIAS] = np.zeros(2, "f8")


@kind
def no_shape(file: h5py.File) -> None:
    del file[BIAS]
    file[BIAS] = h5py.Empty("f4")


@kind
def a_type_instead_of_an_array(file: h5py.File) -> None:
    del file[BIAS]
    file[BIAS] = np.dtype("f4")


@kind
def infinite_weights(file: h5py.File) -> None:
    file[BIAS][0] = np.inf


@kind
def array_too_many(file: h5py.File) -> None:
    file["layers/dense/vars/2"] = np.zeros(3, "f4")


@kind
def layer_too_many(file: h5py.File) -> None:
    file["layers/lstm/cell/vars/0"] = np.zeros((3, 4), "f4")


@kind
def description_that_is_a_number(file: h5py.File) -> None:
    file.attrs["model_config"] = 5


@kind
def description_of_many_texts(file: h5py.File) -> None:
    file.attrs["model_config"] = ["{}"] * 1000


@kind
def description_without_a_model(file: h5py.File) -> None:
    file.attrs["model_config"] = "{}"


@patched
def truncated(content: bytearray) -> bytearray:
    return content[: len(content) // 2]


@patched
def only_the_beginning(content: bytearray) -> bytearray:
    return content[:100]


@patched
def user_block(content: bytearray) -> bytearray:
    return bytearray(512) + content


@patched
def overlapping_arrays(content: bytearray) -> None:
    """The bias is said to lie where the kernel does."""
    kernel, bias = _places(content)
    _replace(content, bias, kernel)


@patched
def array_behind_the_end(content: bytearray) -> None:
    _replace(content, _places(content)[1], len(content) - 4)


def _places(content: bytearray) -> tuple[int, int]:
    """Where the numbers of both arrays are."""
    found = tuple(content.find(a.tobytes()) for a in dense_arrays().values())
    assert min(found) > 0
    return found  # type: ignore[return-value]


def _replace(content: bytearray, old: int, new: int) -> None:
    at = content.find(struct.pack("<Q", old))
    assert at > 0
    struct.pack_into("<Q", content, at, new)


def _endless_index(folder: Path) -> Path:
    """The index of a group whose nodes lead to the same node 28 times, five levels deep, and to no name."""
    path = folder / "endless_index.weights.h5"
    with h5py.File(path, "w") as file:
        for k in range(600):
            file.create_group(f"layers/g{k:04d}")
    content = bytearray(path.read_bytes())
    nodes, at = [], content.find(b"TREE")
    while at >= 0:
        nodes.append((content[at + 5], struct.unpack_from("<H", content, at + 6)[0], at))
        at = content.find(b"TREE", at + 1)
    top = next(at for level, _, at in nodes if level == 1)
    count, low = next((n, at) for level, n, at in nodes if level == 0 and n > 1)
    names = struct.unpack_from("<Q", content, low + 32)[0]
    struct.pack_into("<H", content, names + 6, 0)
    for k in range(count):
        struct.pack_into("<Q", content, low + 32 + 16 * k, names)
    node, below = bytes(content[top : top + 24 + 33 * 16]), low
    for level in range(1, 6):
        here = bytearray(node)
        here[5] = level
        struct.pack_into("<H", here, 6, 32)
        for k in range(32):
            struct.pack_into("<QQ", here, 24 + 16 * k, 8, below)
        below = len(content)
        content += here
    _replace(content, top, below)
    struct.pack_into("<Q", content, 40, len(content))
    path.write_bytes(content)
    return path


KINDS["endless_index"] = _endless_index


def _texts_without_end(folder: Path) -> Path:
    """A whole model whose collection of texts has an unused place of size 0, before the text that is wanted."""
    path = folder / "texts_without_end.weights.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(describe([dense()], [None, 3]))
    content = bytearray(path.read_bytes())
    at = content.find(b"GCOL") + 16
    assert struct.unpack_from("<H", content, at)[0] == 1
    struct.pack_into("<HHIQ", content, at, 0, 0, 0, 0)
    path.write_bytes(content)
    return path


KINDS["texts_without_end"] = _texts_without_end


def _many_nodes(folder: Path) -> Path:
    """A plain file with half a million nodes of indices behind it."""
    path = whole(folder / "many_nodes.weights.h5")
    path.write_bytes(path.read_bytes() + (b"TREE" + bytes(20)) * 500_000)
    return path


KINDS["many_nodes"] = _many_nodes


def _addresses_of_four_bytes(folder: Path) -> Path:
    path = folder / "addresses_of_four_bytes.weights.h5"
    plan = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    plan.set_sizes(4, 4)
    with h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, fcpl=plan)) as file:
        file["layers/dense/vars/0"] = dense_arrays()["vars/0"]
    return path


KINDS["addresses_of_four_bytes"] = _addresses_of_four_bytes


def _no_hdf5(folder: Path) -> Path:
    path = folder / "no_hdf5.weights.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 40)
    return path


KINDS["no_hdf5"] = _no_hdf5
