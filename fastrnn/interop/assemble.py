"""From layers and arrays to a model: strict, and proven."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from ..layers import Layer, Shape
from ..model import Sequential
from ..proof import Example, prove

Part = tuple[Layer, dict[str, np.ndarray]]


def assemble(
    owner: str,
    source: str,
    parts: Sequence[Part],
    shape: Shape,
    dtype: Any,
    *,
    example: Any = None,
    tolerance: float | None = None,
    backend: str | None = None,
) -> Sequential:
    """A Sequential of `parts`, with their weights and its proof.

    Parameters
    ----------
    owner : who asks, with the file's name: "from_torch: model.pt"
    source : "torch", "keras" or "onnx"
    parts : layers, not built, each with its arrays under the names of `Layer.named_params`
    shape : of the input
    example : `fastrnn.proof.Example`, (x, y) or None
    tolerance : of the proof

    Raises
    ------
    ModelFormatError : a parameter is missing, left over, of another shape or dtype, or not finite; layers
        do not fit to each other; outputs are not those of the example
    """
    try:
        model = Sequential([layer for layer, _ in parts], seed=0, dtype=dtype, backend=backend)
        model.build(shape)
    except (ValueError, TypeError, MemoryError, OverflowError) as error:
        raise ModelFormatError(f"{owner}: these layers do not make a model: {error}") from error
    with model.writing():
        for layer, arrays in parts:
            params = layer.named_params()
            missing, left = sorted(params.keys() - arrays), sorted(arrays.keys() - params)
            if missing or left:
                raise ModelFormatError(f"{owner}: {layer} lacks {missing or 'nothing'}, nothing uses {left}.")
            for name, array in arrays.items():
                check_weight(owner, f"{layer.name}/{name}", array, params[name].shape, model.dtype)
                params[name][...] = model.backend.asarray(array)
    if isinstance(example, tuple):
        example = Example(*example)
    prove(owner, model, source, example, tolerance)
    return model


def check_weight(owner: str, name: str, array: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """Raise ModelFormatError where `array` is not finite numbers of that shape and dtype."""
    if array.shape != shape or array.dtype != dtype:
        raise ModelFormatError(
            f"{owner}: {name} must be {list(shape)} {dtype}, got {list(array.shape)} {array.dtype}."
        )
    if not np.isfinite(array).all():
        raise ModelFormatError(f"{owner}: {name} holds NaN or infinity.")
