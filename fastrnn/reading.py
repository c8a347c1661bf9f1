"""The Sequential of a model file: layers from their descriptions, weights, and the proof once more."""

from __future__ import annotations

from typing import Any

from . import proof, serialization
from .backends import get_backend
from .errors import ModelFormatError
from .layers import Shape, from_description
from .model import Sequential


def load_model(
    path: Any, backend: str | None = None, cells: dict[str, Any] | None = None
) -> tuple[Sequential, dict[str, Any]]:
    """The Sequential of a model file, and the description beside it; see `fastrnn.load`."""
    get_backend(backend)  # a wrong name is no fault of the file
    description, arrays = serialization.read(path)
    tensors = serialization.Tensors(f"load: {path}", arrays)
    try:
        serialization.check_sizes(description["layers"], arrays)
        layers = [from_description(d, cells) for d in description["layers"]]
        model = Sequential(layers, seed=description["seed"], dtype=description["dtype"], backend=backend)
        features, sequence, length, ids = description["input"]
        model.build(Shape(tuple(features), sequence, length, ids=ids))
        proof.restore(model, description, tensors)
        serialization.restore(model, description, tensors)
    except ModelFormatError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, MemoryError, OverflowError) as error:
        raise ModelFormatError(f"load: {path} does not describe a model: {error!r}.") from error
    if model.proof is not None:
        model.proof.check(f"load: {path}", model)
    return model, description
