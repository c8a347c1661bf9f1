"""Model files of any framework: told apart by what is in them, read to one kind of model, written by name."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ModelFormatError, sentence
from ..layers import from_description
from ..proof import Example, random_input
from ..reading import load_model
from ..serialization import FORMAT, write_atomically
from .keras import from_keras, write_keras_weights
from .onnx import from_onnx
from .onnx_export import to_onnx
from .torch import from_torch, to_torch_state_dict

FASTRNN, TORCH, KERAS, ONNX = "fastrnn", "torch", "keras", "onnx"
READERS: dict[str, Callable[..., Any]] = {TORCH: from_torch, KERAS: from_keras, ONNX: from_onnx}
_PEEK = 1 << 24  # bytes of a safetensors header that are looked at


def kind_of(path: Any) -> str:
    """"fastrnn", "torch", "keras" or "onnx": the framework that a file is for, by its content.

    Raises
    ------
    ModelFormatError : it is none of them
    FileNotFoundError
    """
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        if head.startswith(b"\x89HDF\r\n\x1a\n"):
            return KERAS
        if head.startswith(b"PK"):
            return _kind_of_zip(path)
        if head[:1] == b"\x80":  # an old .pt; from_torch says what to do with it
            return TORCH
        length = int.from_bytes(head[:8], "little")
        if head[8:9] == b"{" and length <= size - 8:
            file.seek(8)
            return _kind_of_header(file.read(min(length, _PEEK)))
    if head[:1] == b"\x08" or path.suffix.lower() == ".onnx":  # the field ir_version, which comes first
        return ONNX
    raise ModelFormatError(
        f"{path.name} is no model of fastrnn, PyTorch (.pt, .safetensors), Keras (.keras, .weights.h5) or "
        "ONNX."
    )


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise ModelFormatError(f"{path.name} is a broken zip file: {error}.") from error
    return KERAS if "config.json" in names else TORCH


def _kind_of_header(header: bytes) -> str:
    try:
        metadata = json.loads(header).get("__metadata__")
        return FASTRNN if isinstance(metadata, dict) and metadata.get("format") == FORMAT else TORCH
    except (ValueError, RecursionError, AttributeError):
        return TORCH  # whose reader says what is wrong with it


def write(model: Any, path: Any) -> None:
    """Write a Sequential: .onnx, .safetensors (a state dict of PyTorch), .weights.h5 (Keras), else our own.

    Raises
    ------
    ValueError : the ending is that of a file which only the framework itself can write, or its format has no
        such layers
    """
    path = Path(path)
    name, ending = path.name.lower(), path.suffix.lower()
    if ending in (".pt", ".pth"):
        advice = "torch.save(safetensors.torch.load_file(...)) makes a .pt of it."
        raise ValueError(sentence("write", "the ending", ".safetensors for PyTorch", path.suffix, advice))
    if ending in (".keras", ".h5", ".hdf5") and not name.endswith(".weights.h5"):
        advice = "Build the model in Keras and call load_weights."
        raise ValueError(sentence("write", "the ending", ".weights.h5 for Keras", path.suffix, advice))
    if ending == ".onnx":
        to_onnx(model, path)
    elif ending == ".safetensors":
        from safetensors.numpy import save

        write_atomically(path, save(to_torch_state_dict(model)))
    elif name.endswith(".weights.h5"):
        write_keras_weights(model, path)
    else:
        model.save(path)


def check(model: Any, path: Any) -> Any:
    """Read back what `write` wrote, and compare the outputs of both; gives the model that was read.

    Raises
    ------
    ModelFormatError : they differ
    """
    kind = kind_of(path)
    if kind == FASTRNN:
        return load_model(path)[0]  # runs the proof
    x = random_input(model)
    options: dict[str, Any] = {"example": Example(x, model.predict(x))}
    if kind != ONNX:  # arrays alone, which say little about layers
        options["layers"] = [
            from_description({"class": type(layer).__name__, "config": layer.config()})
            for layer in model.layers
        ]
    return READERS[kind](path, **options)
