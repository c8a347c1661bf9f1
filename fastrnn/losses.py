"""Losses: the mean over rows of `weight * l`, and its gradient with respect to the predictions.

Every loss works on rows: predictions `y` [N, F] (or [N]) float32 or float64, targets of the same
shape and dtype (labels may be integers), `weights` [N] or None. The value is the sum of
``weights[n] * l[n]`` over rows, divided by N (not by the sum of the weights), as in Keras;
``l[n]`` is the mean over F of the element losses, or the log loss of the row. It is accumulated in
float64. Array code only; the array module is passed in as `xp`.

The log losses take probabilities, clipped to ``[EPSILON, 1 - EPSILON]``, or logits. A model whose
last activation is the one a loss names in `fuses` skips that activation and calls
`forward_logits`, which neither overflows nor loses digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fastrnn.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from fastrnn.errors import describe, sentence, unknown
from fastrnn.loss import Loss, is_number


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """``l = mean_f (y - target)^2``."""

    name: ClassVar[str] = "mse"

    def rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        error = y - target.reshape(y.shape)
        losses = (error * error).mean(axis=1, dtype=xp.float64)
        if scale is None:
            return losses, None
        error *= scale * (2.0 / y.shape[1])
        return losses, error


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """``l = mean_f |y - target|``; the gradient at 0 is 0."""

    name: ClassVar[str] = "mae"

    def rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        error = y - target.reshape(y.shape)
        losses = xp.abs(error).mean(axis=1, dtype=xp.float64)
        if scale is None:
            return losses, None
        return losses, xp.sign(error) * (scale * (1.0 / y.shape[1]))


@dataclass(frozen=True)
class Huber(Loss):
    """``e^2 / 2`` where ``|e| <= delta``, ``delta (|e| - delta / 2)`` beyond; the mean over F."""

    delta: float = 1.0
    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        if not is_number(self.delta) or not 0 < self.delta < math.inf:
            raise ValueError(sentence("Huber", "delta", "a positive number", describe(self.delta)))

    def rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        error = y - target.reshape(y.shape)
        clipped = xp.clip(error, -self.delta, self.delta)
        # One formula for both branches: c (e - c / 2) with c = clip(e).
        losses = (clipped * (error - 0.5 * clipped)).mean(axis=1, dtype=xp.float64)
        if scale is None:
            return losses, None
        clipped *= scale * (1.0 / y.shape[1])
        return losses, clipped


_CLASSES: tuple[type[Loss], ...] = (
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
LOSSES: dict[str, type[Loss]] = {
    **{c.name: c for c in _CLASSES},
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
}


def get(loss: str | Loss | Mapping[str, Any]) -> Loss:
    """The loss of a name, of a `config()`, or the loss itself."""
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, Mapping):
        options = dict(loss)
        name = options.pop("name", None)
    else:
        name, options = loss, {}
    if not isinstance(name, str):
        expected = "the name of a loss or a fastrnn.losses.Loss"
        raise TypeError(sentence("losses.get", "loss", expected, name))
    if name not in LOSSES:
        raise unknown("losses.get", "loss", name, tuple(LOSSES))
    return LOSSES[name](**options)
