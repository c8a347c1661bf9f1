"""Masked steps are dropped when they are met; nothing downstream ever sees a mask."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError, sentence
from ..packed import Packed
from .base import Layer, Shape
from .embedding import drop
from .noise import Noise


class Masking(Layer):
    """Drop every step whose features all equal `mask_value`.

    Dropping a step is the same as carrying the state over it.

    >>> import numpy as np, fastrnn as fr
    >>> x = np.ones((1, 4, 2), "float32"); x[0, 1] = 0
    >>> y = fr.Sequential([fr.Masking(0.0), fr.RNN(1, return_sequences=True)], seed=0).predict(x)
    >>> (y[0, :, 0] != 0).tolist()
    [True, False, True, True]
    """

    streams = False

    def __init__(self, mask_value: float = 0.0, name: str | None = None) -> None:
        super().__init__(name)
        if isinstance(mask_value, bool) or not isinstance(mask_value, (int, float)):
            raise TypeError(sentence("Masking", "mask_value", "a number", repr(mask_value)))
        if mask_value != mask_value:
            advice = "NaN equals nothing; replace it in x and mask that value."
            raise ValueError(sentence("Masking", "mask_value", "a number", repr(mask_value), advice))
        self.mask_value = float(mask_value)

    def shape(self, in_shape: Shape) -> Shape:
        if not in_shape.sequence:
            raise ShapeError(sentence(str(self), "input", "sequences [B, T, F]", str(in_shape)))
        return Shape(in_shape.features, True)

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        keep = (x.rows != self.mask_value).reshape(len(x.rows), -1).any(axis=1)
        y, index = drop(self.backend.xp, x, keep)
        return y, (index, x.rows.shape) if noise is not None else None

    def backward(self, cache: Any, dy: Any) -> Any:
        index, shape = cache
        dx = self.backend.xp.zeros(shape, dy.dtype)
        dx[index] = dy
        return dx

    def cache_bytes(self, rows: int, batch: int) -> int:
        """Which rows stayed."""
        return 8 * rows

    def config(self) -> dict[str, Any]:
        return {**super().config(), "mask_value": self.mask_value}
