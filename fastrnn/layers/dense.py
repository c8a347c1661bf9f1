"""The dense layer: y = f(x W' + b) on the last axis of anything.

Backward: da = f'(a) dy, dx = da W, dW = da' x, db = sum of da over rows.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import initializers
from ..packed import Packed
from .activation import FUNCTIONS, check_activation
from .base import Layer, Shape, check_units
from .noise import Noise

_LINEAR = FUNCTIONS["linear"]
_IN_KERNEL = tuple(FUNCTIONS[name] for name in ("linear", "relu", "tanh", "sigmoid", "softmax"))


def forward(xp: Any, params: dict[str, Any], x: Packed, activation: str) -> Any:
    """y [N, U] for rows x [N, I] (or one-hot ids [N])."""
    if x.depth is not None:
        a = params["W"].T[xp.asarray(x.rows)] + params["b"]
    else:
        a = x.rows @ params["W"].T + params["b"]
    return FUNCTIONS[activation].value(xp, a)


def backward(xp: Any, params: dict[str, Any], x: Packed, activation: str, y: Any, dy: Any) -> Any:
    """(dx [N, I], None for one-hot rows or where nobody wants it, {"W": dW, "b": db})."""
    da = FUNCTIONS[activation].back(xp, None, y, dy)  # those of kernels need y alone
    if x.depth is not None:
        dW = xp.zeros_like(params["W"])
        xp.add.at(dW.T, xp.asarray(x.rows), da)
        return None, {"W": dW, "b": da.sum(axis=0)}
    return da @ params["W"] if x.gradient else None, {"W": da.T @ x.rows, "b": da.sum(axis=0)}


FORMULA = SimpleNamespace(name="dense", forward=forward, backward=backward)


class Dense(Layer):
    """y = f(x W' + b), W [units, inputs], b [units], on the last axis.

    Parameters
    ----------
    units : size of the output's last axis
    activation : None, "softmax" or a name of `fastrnn.cells.activations` (relu, tanh, gelu, ...), or
        [name, alpha, beta] for one that has such numbers
    kernel_initializer, bias_initializer : names, objects of `fastrnn.initializers`, or functions

    >>> import numpy as np, fastrnn as fr
    >>> fr.Sequential([fr.Dense(4)], seed=0).predict(np.ones((2, 3), "float32")).shape
    (2, 4)
    """

    rowwise = True
    takes_one_hot = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.units = units
        self.units = check_units("Dense", "units", units)
        self.function = check_activation(str(self), activation)
        self.inside = self.function if self.function in _IN_KERNEL else _LINEAR  # what the formula computes
        self.activation = self.function.config
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def make_params(self, in_shape: Shape, rng: np.random.Generator, dtype: Any) -> dict[str, Any]:
        return {
            "W": self.kernel_initializer(rng, (self.units, in_shape.width), dtype),
            "b": self.bias_initializer(rng, (self.units,), dtype),
        }

    def shape(self, in_shape: Shape) -> Shape:
        return Shape((*in_shape.features[:-1], self.units), in_shape.sequence, in_shape.length)

    def forward(self, x: Packed, noise: Noise | None, logits: bool = False) -> tuple[Packed, Any]:
        chosen = _LINEAR if logits else self.function
        flat = x
        if x.depth is None and x.rows.ndim > 2:
            flat = x.with_rows(x.rows.reshape(-1, x.rows.shape[-1]))
        inside = _LINEAR if logits else self.inside
        a = y = self.backend.run(FORMULA, "forward", self.params, flat, inside.config)
        if inside is not chosen:
            y = chosen.value(self.backend.xp, a)
        shape = x.rows.shape if x.depth is None else (len(x.rows), x.depth)
        out = x.with_rows(y.reshape((*shape[:-1], self.units)))
        kept = (flat, shape, inside, chosen, a if chosen.reads_input else y, y)
        return out, kept if noise is not None else None

    def backward(self, cache: Any, dy: Any) -> Any:
        flat, shape, inside, chosen, a, y = cache
        dy = dy.reshape(-1, self.units)
        if inside is not chosen:
            dy = chosen.back(self.backend.xp, a, y, dy)
        given = self.params, flat, inside.config, y, dy
        dx, grads = self.backend.run(FORMULA, "backward", *given, into=self.grads)
        self.add_grads(grads)
        return None if dx is None else dx.reshape(shape)

    def cache_bytes(self, rows: int, batch: int) -> int:
        """The output, and what the activation read where its slope needs that."""
        assert self.in_shape is not None
        size = rows * int(np.prod(self.in_shape.features[:-1], dtype=np.int64)) * self.units
        return size * self.dtype.itemsize * (1 + self.function.reads_input)

    def flops(self) -> int:
        assert self.in_shape is not None
        rows = int(np.prod(self.in_shape.features[:-1], dtype=np.int64))
        product = self.units if self.in_shape.one_hot else 2 * self.units * self.in_shape.width
        return rows * (product + self.units)

    def config(self) -> dict[str, Any]:
        return {
            **super().config(),
            "units": self.units,
            "activation": self.activation,
            # A function cannot be saved, and weights that are there need none.
            "kernel_initializer": self.kernel_initializer.config() or {"name": "glorot_uniform"},
            "bias_initializer": self.bias_initializer.config() or {"name": "zeros"},
        }

    def __str__(self) -> str:
        return f"Dense(units={self.units})"
