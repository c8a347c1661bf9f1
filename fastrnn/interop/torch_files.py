"""Files of weights that PyTorch users write: safetensors, and the zip files of `torch.save`.

PyTorch is not needed to read them, and nothing in them is run.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from ..tensors import numbers, read_tensors
from .archive import Archive
from .pickled import HOW, Refused, Storage, Tensor, follow
from .torch_names import check_names

_HEADER = 1 << 21  # bytes of a safetensors header: 20,000 tensors
_PROGRAM = 1 << 22  # bytes of a data.pkl


def read_file(owner: str, path: Any) -> tuple[dict[str, np.ndarray], bool]:
    """(the tensors of a file by name, whether they come in the order in which they were put there).

    F16 and BF16 of safetensors stay what they are but for BF16, which becomes float32, that holds each of its
    numbers; so in `.pt` files.

    Raises
    ------
    ModelFormatError : it is neither format, damaged, or needs code
    FileNotFoundError
    """
    with Path(path).open("rb") as file:
        head = file.read(9)
    if head[:2] == b"PK":
        return read_pt(owner, path), True
    if head[:1] == b"\x80":
        raise ModelFormatError(
            f"{owner}: it is of torch.save before PyTorch 1.6. Load it in PyTorch and save it again."
        )
    try:
        return read_tensors(path, _HEADER)[1], False
    except MemoryError as error:
        raise ModelFormatError(f"{owner}: its tensors are larger than the memory.") from error
    except ValueError as error:
        raise ModelFormatError(
            f"{owner}: it is no .pt file, and no whole safetensors file: {error}."
        ) from error


def read_pt(owner: str, path: Any) -> dict[str, np.ndarray]:
    """The state dict in a `.pt` file, in its order: the file's dict of tensors, or the one such dict in it.

    Raises
    ------
    ModelFormatError : the file is damaged, needs code, or holds no dict of tensors or several
    FileNotFoundError
    """
    with Archive(owner, path) as archive:
        programs = [n for n in archive.members if n.endswith("/data.pkl") and n.count("/") == 1]
        if len(programs) != 1:
            raise ModelFormatError(
                f"{owner}: it is no file of torch.save: it has {len(programs)} members model/data.pkl."
            )
        root = programs[0].removesuffix("data.pkl")
        if root + "constants.pkl" in archive.members:
            raise ModelFormatError(f"{owner}: it is TorchScript, which is code. {HOW}")
        order = b"little"  # of files from before that member existed
        if root + "byteorder" in archive.members:
            order = archive.read(root + "byteorder", 16)
        if order not in (b"little", b"big"):
            raise ModelFormatError(f"{owner}: its byte order must be little or big, got {order!r}.")
        sizes = {name: member.size for name, member in archive.members.items()}
        try:
            found = follow(archive.read(programs[0], _PROGRAM), sizes, root)
        except Refused as error:
            raise ModelFormatError(f"{owner}: {error}") from error
        state = _state_dict(owner, found)
        check_names(owner, state)  # before their numbers take memory
        return _arrays(owner, archive, state, order == b"big")


def _is_state_dict(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(v, Tensor) for v in value.values())


def _state_dict(owner: str, found: Any) -> dict[str, Tensor]:
    """The one dict of tensors in what was saved."""
    if _is_state_dict(found):
        states = {"": found}
    else:
        states = {k: v for k, v in found.items() if _is_state_dict(v)} if isinstance(found, dict) else {}
    if len(states) != 1:
        got = f"several: {[str(key)[:80] for key in sorted(states, key=str)[:8]]}" if states else "none"
        raise ModelFormatError(f"{owner}: it must hold one dict of tensors, got {got}. {HOW}")
    (state,) = states.values()
    if not all(isinstance(name, str) for name in state):
        raise ModelFormatError(f"{owner}: the names of its tensors must be texts. {HOW}")
    return state


def _arrays(
    owner: str, archive: Archive, state: dict[str, Tensor], big_endian: bool
) -> dict[str, np.ndarray]:
    """The numbers of the tensors; each storage is read once."""
    wanted = sum(math.prod(tensor.shape) for tensor in state.values())
    stored = sum(storage.size for storage in {tensor.storage for tensor in state.values()})
    if wanted > 4 * stored:  # tied weights are the same numbers twice
        raise ModelFormatError(
            f"{owner}: its {stored} numbers stand in its tensors {wanted // stored} times."
        )
    storages: dict[Storage, np.ndarray] = {}
    arrays = {}
    for name, tensor in state.items():
        storage = tensor.storage
        if storage not in storages:
            storages[storage] = numbers(storage.element, archive.read(storage.member), big_endian)
        whole = storages[storage][tensor.offset :]
        strides = tuple(n * whole.itemsize for n in tensor.strides)
        if 0 in tensor.shape:  # its strides may be anything
            arrays[name] = np.empty(tensor.shape, whole.dtype)
        else:
            arrays[name] = np.ascontiguousarray(np.lib.stride_tricks.as_strided(whole, tensor.shape, strides))
    return arrays
