"""Dropout (Srivastava et al. 2014) with masks that depend on nothing but seed, step and place."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import sentence
from ..packed import Packed
from .base import Layer, check_rate
from .noise import Noise


def _places(x: Packed) -> tuple[Any, Any]:
    """The caller's row and time of each row of x; time is None for vectors."""
    return x.layout.caller if x.sequence else (x.layout.order, None)


class Dropout(Layer):
    """In training, set a share `rate` of the numbers to 0 and scale the others by 1 / (1 - rate)."""

    rowwise = True
    passes = True

    def __init__(self, rate: float, name: str | None = None) -> None:
        super().__init__(name)
        self.rate = check_rate("Dropout", "rate", rate)

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        if noise is None or self.rate == 0:
            return x, None
        features = int(np.prod(x.rows.shape[1:]))
        xp = self.backend.xp
        mask = noise.dropout(xp, 2 * self.index, *_places(x), features, self.rate, x.rows.dtype)
        mask = mask.reshape(x.rows.shape)
        return x.with_rows(x.rows * mask), mask

    def backward(self, cache: Any, dy: Any) -> Any:
        return dy if cache is None else dy * cache

    def config(self) -> dict[str, Any]:
        return {**super().config(), "rate": self.rate}


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
