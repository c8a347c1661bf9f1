"""One file a model: safetensors with a JSON description in its header.

Writing is atomic: a temporary file in the same folder, fsync, rename, fsync of the folder.  Reading runs no
code and is strict: every name, shape and dtype is checked, each tensor is used exactly once, and a SHA-256
over description and tensors tells an edited file from a whole one.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from . import losses, metrics, optimizers, proof
from .errors import ModelFormatError
from .layers import CLASSES
from .tensors import once_each, read_tensors

FORMAT = "fastrnn 1"
_HEADER_LIMIT = 100_000_000  # bytes; safetensors' own


def describe(model: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(description, tensors) of a Sequential."""
    numpy = model.backend.to_numpy
    tensors = {f"params/{k}": numpy(v) for k, v in model.named_params().items()}
    description: dict[str, Any] = {
        "dtype": str(model.dtype),
        "seed": model.seed,
        "epochs_done": model.epochs_done,
        "steps_done": model.steps_done,
        "input": [_layer_input(model).features, _layer_input(model).sequence, _layer_input(model).length,
                  _layer_input(model).ids],
        "layers": [{"class": type(layer).__name__, "config": layer.config()} for layer in model.layers],
        "states": {},
        "compiled": None,
    }  # fmt: skip
    description["proof"], example = proof.describe(model)
    tensors.update(example)
    for layer in model.layers:
        state = getattr(layer, "state", None)
        if state is not None:
            description["states"][layer.name] = len(state[0])
            for name, s in zip(layer.cell.states, state, strict=True):
                tensors[f"state/{layer.name}/{name}"] = numpy(s)
        for made in {type(one) for one in layer.whole()}:
            if CLASSES.get(made.__name__) is not made:
                raise ValueError(f"save: {made.__name__} is a layer of your own; load cannot make it.")
    if model.optimizer is not None:
        kept = [m for m in model.metrics if _comes_back(m, metrics.get)]
        whole = _comes_back(model.optimizer, optimizers.get) and _comes_back(model.loss, losses.get)
        if len(kept) < len(model.metrics) or not whole:
            what = "metrics of your own" if whole else "a loss, optimizer or schedule of your own"
            warnings.warn(
                f"fastrnn: {what} cannot be saved; compile again after loading.", UserWarning, stacklevel=4
            )
        if not whole:
            return description, tensors
        description["compiled"] = {
            "optimizer": model.optimizer.config(),
            "iterations": int(model.optimizer.iterations),
            "loss": model.loss.config(),
            "metrics": [m.config() for m in kept],
        }
        tensors.update({f"optimizer/{k}": numpy(v) for k, v in model.optimizer.state().items()})
    return description, tensors


def _comes_back(thing: Any, get: Any) -> bool:
    """Whether `get` makes such a thing from its description."""
    try:
        return type(get(thing.config())) is type(thing)
    except (KeyError, TypeError, ValueError):
        return False


def _layer_input(model: Any) -> Any:
    return model.layers[0].in_shape


def save(path: Any, model: Any, kind: str = "Sequential", extra: dict[str, Any] | None = None) -> None:
    """Write `model` (a Sequential) to `path`; `kind` and `extra` describe what stands around it."""
    from safetensors.numpy import save as to_bytes

    folder = Path(path).parent
    if not folder.is_dir():
        raise FileNotFoundError(f"save: there is no folder {folder}. Make it first.")
    description, tensors = describe(model)
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise ValueError(f"save: {name} holds NaN or infinity. Load the last good model instead.")
    text = json.dumps({**description, "kind": kind, "extra": extra or {}}, sort_keys=True)
    plain = {k: np.ascontiguousarray(v) for k, v in tensors.items()}
    metadata = {"format": FORMAT, "description": text, "sha256": _digest(text, plain)}
    write_atomically(Path(path), to_bytes(plain, metadata=metadata))


def _digest(text: str, tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Either the whole of `content` stands at `path` afterwards, or what stood there before."""
    folder = path.parent
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp's 0600 would lock others out
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if os.name == "posix":
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def read(path: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(description, tensors) of a model file.

    Raises
    ------
    ModelFormatError : it is truncated, edited, or no fastrnn model
    FileNotFoundError
    """
    try:
        metadata, tensors = read_tensors(path, _HEADER_LIMIT)
        if metadata["format"] != FORMAT:
            raise ValueError(f"its format is {metadata['format']!r}, this version reads {FORMAT!r}")
        description = json.loads(metadata["description"], object_pairs_hook=once_each)
        if _digest(metadata["description"], tensors) != metadata["sha256"]:
            raise ValueError("its checksum does not match: it was edited or damaged")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"{error!r} is missing" if isinstance(error, KeyError) else error
        raise ModelFormatError(
            f"load: {path} is not a whole fastrnn model: {reason}. Save it again, or take a backup."
        ) from error
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise ModelFormatError(f"load: {path}: tensor {name!r} holds NaN or infinity.")
    return description, tensors


class Tensors:
    """The tensors of a file, each to be taken exactly once.

    owner : who reads which file, for messages: "load: model.fastrnn"
    """

    def __init__(self, owner: str, tensors: dict[str, np.ndarray]) -> None:
        self.owner, self.left = owner, dict(tensors)

    def take(self, name: str, shape: tuple[int, ...] | None = None, dtype: Any = None) -> np.ndarray:
        if name not in self.left:
            raise ModelFormatError(f"{self.owner}: tensor {name!r} is missing.")
        tensor = self.left.pop(name)
        if (shape is not None and tensor.shape != tuple(shape)) or (
            dtype is not None and tensor.dtype != dtype
        ):
            raise ModelFormatError(
                f"{self.owner}: tensor {name!r} must be {list(shape or ())} {dtype}, got "
                f"{list(tensor.shape)} {tensor.dtype}."
            )
        return tensor

    def finish(self) -> None:
        if self.left:
            raise ModelFormatError(f"{self.owner}: nothing uses the tensors {sorted(self.left)}.")


def check_sizes(layers: Any, tensors: dict[str, np.ndarray]) -> None:
    """Refuse a description that asks for larger layers than the file can fill, before they are made."""
    most = sum(tensor.size for tensor in tensors.values())
    for layer in layers:
        config = layer["config"]
        for name in ("units", "input_dim", "output_dim", "character_dim", "alphabets"):
            sizes = config.get(name, 1)
            if not all(0 < size <= most for size in (sizes if isinstance(sizes, list) else [sizes])):
                raise ValueError(f"{name}={sizes!r}, but all tensors hold {most} numbers")
        inner = [config[name] for name in ("layer", "backward_layer") if config.get(name) is not None]
        check_sizes(inner, tensors)


def restore(model: Any, description: dict[str, Any], tensors: Tensors) -> None:
    """Fill a built model from a description and tensors."""
    with model.writing() as params:
        for name, p in params.items():
            p[...] = model.backend.asarray(tensors.take(f"params/{name}", p.shape, p.dtype))
    by_name = {layer.name: layer for layer in model.layers}
    for name, batch in description["states"].items():
        layer = by_name[name]
        if not layer.stateful:
            raise ValueError(f"{name} is not stateful")
        arrays = [
            tensors.take(f"state/{name}/{s}", (_count(batch), width), model.dtype)
            for s, width in zip(layer.cell.states, layer.cell.widths(layer.units), strict=True)
        ]
        layer.state = tuple(model.backend.asarray(a) for a in arrays)
    model.epochs_done = _count(description["epochs_done"])
    model.steps_done = _count(description["steps_done"])
    compiled = description["compiled"]
    if compiled is not None:
        model.compile(compiled["optimizer"], compiled["loss"], compiled["metrics"])
        slots = {}
        if _count(compiled["iterations"]):
            for slot in model.optimizer.slot_names():
                for name, p in model.named_params().items():
                    key = f"{slot}/{name}"
                    slots[key] = model.backend.asarray(tensors.take(f"optimizer/{key}", p.shape, p.dtype))
        model.optimizer.load_state(slots, compiled["iterations"])
    tensors.finish()


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a whole number from 0")
    return value
