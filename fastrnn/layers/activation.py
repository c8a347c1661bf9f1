"""Element-wise activations and softmax, each with its gradient from its value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..errors import sentence, unknown
from ..packed import Packed
from .base import Layer
from .noise import Noise


def _softmax(xp: Any, a: Any) -> Any:
    e = xp.exp(a - a.max(axis=-1, keepdims=True))
    e /= e.sum(axis=-1, keepdims=True)
    return e


def _softmax_backward(xp: Any, y: Any, dy: Any) -> Any:
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


# name -> (f(xp, a), da(xp, y, dy)); every gradient is a function of y = f(a).
FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "linear": (lambda xp, a: a, lambda xp, y, dy: dy),
    "relu": (lambda xp, a: xp.maximum(a, 0), lambda xp, y, dy: dy * (y > 0)),
    "tanh": (lambda xp, a: xp.tanh(a), lambda xp, y, dy: dy * (1 - y * y)),
    "sigmoid": (lambda xp, a: 0.5 * xp.tanh(0.5 * a) + 0.5, lambda xp, y, dy: dy * y * (1 - y)),
    "softmax": (_softmax, _softmax_backward),
    "softplus": (lambda xp, a: xp.logaddexp(a, 0), lambda xp, y, dy: -dy * xp.expm1(-y)),
    "elu": (
        lambda xp, a: xp.where(a > 0, a, xp.expm1(xp.minimum(a, 0))),
        lambda xp, y, dy: dy * xp.where(y > 0, 1, y + 1),
    ),
}


def check_activation(owner: str, activation: str | None) -> str:
    """The name of an activation; None is "linear"."""
    name = "linear" if activation is None else activation
    if name not in FUNCTIONS:
        raise unknown(owner, "activation", name, tuple(FUNCTIONS))
    return name


class Activation(Layer):
    """An activation as a layer of its own: linear, relu, tanh, sigmoid, softmax, softplus or elu."""

    rowwise = True

    def __init__(self, activation: str, name: str | None = None) -> None:
        super().__init__(name)
        self.activation = check_activation(str(self), activation)

    def forward(self, x: Packed, noise: Noise | None, logits: bool = False) -> tuple[Packed, Any]:
        activation = "linear" if logits else self.activation
        y = FUNCTIONS[activation][0](self.backend.xp, x.rows)
        return x.with_rows(y), (activation, y) if noise is not None else None

    def backward(self, cache: Any, dy: Any) -> Any:
        activation, y = cache
        return FUNCTIONS[activation][1](self.backend.xp, y, dy)

    def cache_bytes(self, rows: int, batch: int) -> int:
        """The output."""
        assert self.in_shape is not None
        return rows * math.prod(self.in_shape.features) * self.dtype.itemsize

    def config(self) -> dict[str, Any]:
        return {**super().config(), "activation": self.activation}


class ActivityRegularization(Layer):
    """Pass x on, and add l1 * mean over rows of the sum of |x| to the loss: few numbers stay away from 0."""

    rowwise = True
    passes = True

    def __init__(self, l1: float, name: str | None = None) -> None:
        super().__init__(name)
        if isinstance(l1, bool) or not isinstance(l1, (int, float)) or not l1 >= 0:
            expected = "a number of at least 0"
            raise ValueError(sentence("ActivityRegularization", "l1", expected, repr(l1)))
        self.l1 = float(l1)

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        return x, x.rows if noise is not None else None

    def penalty(self, cache: Any) -> float:
        return self.l1 * float(abs(cache).sum(dtype="float64")) / max(1, len(cache))

    def backward(self, cache: Any, dy: Any) -> Any:
        return dy + self.backend.xp.sign(cache) * (self.l1 / max(1, len(cache)))

    def config(self) -> dict[str, Any]:
        return {**super().config(), "l1": self.l1}
