"""Activations as layers use them: those of `fastrnn.cells.activations`, and softmax."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from ..cells.activations import FORMULAS, Function, function
from ..errors import describe, sentence, unknown
from ..packed import Packed
from .base import Layer
from .noise import Noise


class Softmax:
    """exp(a) / sum exp(a) over the last axis; its members are those of `Function`, but for the slope."""

    config = "softmax"
    reads_input = False

    def value(self, xp: Any, a: Any) -> Any:
        """y."""
        e = xp.exp(a - a.max(axis=-1, keepdims=True))
        e /= e.sum(axis=-1, keepdims=True)
        return e

    def back(self, xp: Any, a: Any, y: Any, dy: Any) -> Any:
        """da from dy."""
        return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


FUNCTIONS: dict[str, Any] = {**{name: function(name) for name in FORMULAS}, "softmax": Softmax()}


def check_activation(owner: str, activation: Any) -> Any:
    """The `Function`, or `Softmax`, that a layer's argument `activation` says; None is "linear"."""
    if activation is None or activation == "softmax":
        return FUNCTIONS[activation or "linear"]
    return check_function(owner, "activation", activation, tuple(FUNCTIONS))


def check_function(
    owner: str, argument: str, given: Any, known: tuple[str, ...] = tuple(FORMULAS)
) -> Function:
    """The element-wise activation that an argument says: a name, or [name, alpha] or [name, alpha, beta].

    Raises
    ------
    ValueError : there is none of that name, it has fewer numbers, or they are not finite
    """
    name, *numbers = given if isinstance(given, (list, tuple)) and given else [given]
    if not isinstance(name, str) or name not in FORMULAS:
        raise unknown(owner, argument, name, known)
    most = len(FORMULAS[name].numbers)
    right = all(is_finite(n) for n in numbers)
    if not right or len(numbers) > most:
        expected = f"{name!r} with at most {most} finite numbers" if most else f"{name!r} without numbers"
        raise ValueError(sentence(owner, argument, expected, describe(given)))
    return function(name, *numbers)


def is_finite(value: Any) -> bool:
    """Whether it is a real number that a float can hold."""
    value = value.item() if isinstance(value, (np.integer, np.floating)) else value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


class Activation(Layer):
    """An activation as a layer of its own.

    activation : "softmax" or a name of `fastrnn.cells.activations` (relu, tanh, gelu, ...), or
        [name, alpha, beta] for one that has such numbers

    >>> import numpy as np, fastrnn as fr
    >>> fr.Sequential([fr.Activation(["leaky_relu", 0.5])]).predict(np.array([[-4.0, 3.0]], "float32"))
    array([[-2.,  3.]], dtype=float32)
    """

    rowwise = True

    def __init__(self, activation: Any, name: str | None = None) -> None:
        super().__init__(name)
        self.function = check_activation(str(self), activation)
        self.activation = self.function.config

    def forward(self, x: Packed, noise: Noise | None, logits: bool = False) -> tuple[Packed, Any]:
        chosen = FUNCTIONS["linear"] if logits else self.function
        y = chosen.value(self.backend.xp, x.rows)
        return x.with_rows(y), (chosen, x.rows, y) if noise is not None else None

    def backward(self, cache: Any, dy: Any) -> Any:
        chosen, a, y = cache
        return chosen.back(self.backend.xp, a, y, dy)

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
