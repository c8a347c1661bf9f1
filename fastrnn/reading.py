"""A Sequential from its description: layers, weights, and the proof once more.

Descriptions come from files (`load_model`), and from Python's own copying (copy.deepcopy, and what joblib
sends to other processes), which knows how to copy dicts and arrays.
"""

from __future__ import annotations

import copyreg
from typing import Any

from . import proof, serialization
from .backends import get_backend
from .cells import CELLS
from .errors import ModelFormatError
from .layers import Recurrent, Shape, from_description
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
        model = _made(description, tensors, backend, cells)
    except ModelFormatError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, MemoryError, OverflowError) as error:
        raise ModelFormatError(f"load: {path} does not describe a model: {error!r}.") from error
    if model.proof is not None:
        model.proof.check(f"load: {path}", model)
    return model, description


def _made(
    description: dict[str, Any], tensors: serialization.Tensors, backend: str | None, cells: Any
) -> Sequential:
    model = _empty(description["layers"], description["seed"], description["dtype"], backend, cells)
    features, sequence, length, ids = description["input"]
    model.build(Shape(tuple(features), sequence, length, ids=ids))
    proof.restore(model, description, tensors)
    serialization.restore(model, description, tensors)
    return model


def _empty(layers: Any, seed: Any, dtype: Any, backend: str | None, cells: Any) -> Sequential:
    return Sequential([from_description(d, cells) for d in layers], seed=seed, dtype=dtype, backend=backend)


# -- copies ------------------------------------------------------------------------------------------


def _copied(
    description: dict[str, Any], arrays: dict[str, Any], backend: str, cells: dict[str, Any]
) -> Sequential:
    return _made(description, serialization.Tensors("copy", arrays), backend, cells)


def _copied_unbuilt(layers: Any, options: tuple[Any, ...], compiled: tuple[Any, ...] | None) -> Sequential:
    model = _empty(layers, *options)
    if compiled is not None:
        model.compile(*compiled)
    return model


def _parts(model: Sequential) -> tuple[Any, ...]:
    """(function, arguments) that make the same model again, with the state of its optimizer."""
    whole = [one for layer in model.layers for one in layer.whole() if type(one) is Recurrent]
    own = {one.cell.name: one.cell for one in whole if one.cell.name not in CELLS}
    if model.built:
        return _copied, (*serialization.describe(model), model.backend.name, own)
    layers = [{"class": type(layer).__name__, "config": layer.config()} for layer in model.layers]
    compiled = None if model.optimizer is None else (model.optimizer, model.loss, model.metrics)
    options = (model.seed, str(model.dtype), model.backend.name, own)
    return _copied_unbuilt, (layers, options, compiled)


copyreg.pickle(Sequential, _parts)
