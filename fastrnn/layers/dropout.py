"""Dropout (Srivastava et al. 2014) with masks that depend on nothing but seed, step and place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, sentence
from ..packed import Packed
from .base import Layer, Shape, check_rate
from .noise import Noise


def _places(x: Packed) -> tuple[Any, Any]:
    """The caller's row and time of each row of x; time is None for vectors."""
    return x.layout.caller if x.sequence else (x.layout.order, None)


class Dropout(Layer):
    """In training, set a share `rate` of the numbers to 0 and scale the others by 1 / (1 - rate).

    noise_shape : None, or (None, T, F) for sequences, as in Keras; an axis of 1 shares the mask along it.
        (None, None, 1) drops whole steps (words, behind an Embedding), (None, 1, None) the same features at
        every step

    >>> import numpy as np, fastrnn as fr
    >>> model = fr.Sequential([fr.Dropout(0.5, noise_shape=(None, None, 1))], seed=0)
    >>> model.predict(np.ones((1, 2, 3), "float32")).tolist()  # nothing is dropped but in training
    [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]
    """

    rowwise = True
    passes = True

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.rate = check_rate("Dropout", "rate", rate)
        if noise_shape is not None:
            given = tuple(noise_shape) if isinstance(noise_shape, (tuple, list)) else ()
            if len(given) != 3 or given[0] is not None or any(n not in (None, 1) for n in given):
                expected = "None, or (None, T, F) with None or 1 for T and F"
                raise ValueError(sentence("Dropout", "noise_shape", expected, repr(noise_shape)))
            noise_shape = given
        self.noise_shape = noise_shape

    def shape(self, in_shape: Shape) -> Shape:
        if self.noise_shape is not None and not (in_shape.sequence and len(in_shape.features) == 1):
            expected = "sequences [B, T, F], as noise_shape says"
            raise ShapeError(sentence(str(self), "input", expected, str(in_shape)))
        return in_shape

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        if noise is None or self.rate == 0:
            return x, None
        (b, t), features = _places(x), int(np.prod(x.rows.shape[1:]))
        if self.noise_shape is not None:
            t, features = (None if self.noise_shape[1] else t), self.noise_shape[2] or features
        mask = noise.dropout(self.backend.xp, 2 * self.index, b, t, features, self.rate, x.rows.dtype)
        if self.noise_shape is None:
            mask = mask.reshape(x.rows.shape)
        return x.with_rows(x.rows * mask), mask

    def backward(self, cache: Any, dy: Any) -> Any:
        return dy if cache is None else dy * cache

    def cache_bytes(self, rows: int, batch: int) -> int:
        """The mask."""
        assert self.in_shape is not None
        if not self.rate:
            return 0
        features = int(np.prod(self.in_shape.features, dtype=np.int64))
        if self.noise_shape is not None:
            features = self.noise_shape[2] or features
        return rows * features * self.dtype.itemsize

    def config(self) -> dict[str, Any]:
        shared = None if self.noise_shape is None else list(self.noise_shape)
        return {**super().config(), "rate": self.rate, "noise_shape": shared}


class GaussianNoise(Layer):
    """In training, add normal noise of the given standard deviation; what a denoising autoencoder needs."""

    rowwise = True
    passes = True

    def __init__(self, stddev: float, name: str | None = None) -> None:
        super().__init__(name)
        if isinstance(stddev, bool) or not isinstance(stddev, (int, float)) or not stddev >= 0:
            raise ValueError(sentence("GaussianNoise", "stddev", "a number of at least 0", repr(stddev)))
        self.stddev = float(stddev)

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        if noise is None or self.stddev == 0:
            return x, None
        xp, features = self.backend.xp, int(np.prod(x.rows.shape[1:]))
        added = noise.normal(xp, self.index, *_places(x), features, x.rows.dtype).reshape(x.rows.shape)
        return x.with_rows(x.rows + added * xp.asarray(self.stddev, x.rows.dtype)), None

    def backward(self, cache: Any, dy: Any) -> Any:
        return dy

    def config(self) -> dict[str, Any]:
        return {**super().config(), "stddev": self.stddev}
