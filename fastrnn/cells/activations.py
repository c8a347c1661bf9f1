"""Element-wise activations: y = f(a), and the slope f'(a) that a gradient is multiplied by.

Names, formulas and default numbers are those of ONNX's recurrent operators and of Keras 3.  Where both have
one they agree, but for two numbers: `hard_sigmoid` (alpha = 1/6 in Keras) and `leaky_relu` (0.2 in Keras).

=================  ===============================================  ============
name               f(a)                                             alpha, beta
=================  ===============================================  ============
linear             a
relu               max(a, 0)
tanh               tanh a
sigmoid            1 / (1 + exp(-a))
affine             alpha a + beta                                   1, 0
leaky_relu         a where a > 0, else alpha a                      0.01
thresholded_relu   a where a > alpha, else 0                        1
scaled_tanh        alpha tanh(beta a)                               1, 1
hard_sigmoid       alpha a + beta, held between 0 and 1             0.2, 0.5
elu                a where a > 0, else alpha (exp(a) - 1)           1
softsign           a / (1 + abs(a))
softplus           log(1 + exp(a))
selu               1.0507 elu(a) with alpha = 1.6733 (Klambauer et al. 2017)
exponential        exp a
silu               a sigmoid(a) (Elfwing et al. 2018)
hard_silu          a hard_sigmoid(a) with alpha = 1/6
gelu               a Phi(a), Phi the normal distribution (Hendrycks and Gimpel 2016)
relu6              max(a, 0), at most 6
hard_tanh          a, held between -1 and 1
=================  ===============================================  ============
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .cell import sigmoid

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # the fixed point of the paper
_ERF_END = 6.0  # from here on erf is 1 to the last bit of a double


def _erf_series(count: int) -> list[float]:
    """The Chebyshev coefficients of erf(s) / s, a smooth function of u = 2 (s / 6)^2 - 1 in [-1, 1]."""
    angles = [math.pi * (j + 0.5) / count for j in range(count)]
    s = [_ERF_END * math.cos(angle / 2) for angle in angles]  # where u = cos(angle)
    f = [math.erf(one) / one for one in s]
    sums = [math.fsum(y * math.cos(k * t) for y, t in zip(f, angles, strict=True)) for k in range(count)]
    return [sums[0] / count, *(2 / count * total for total in sums[1:])]


_ERF = _erf_series(46)


def _choose(xp: Any, where: Any, one: float, other: float, a: Any) -> Any:
    """One of two numbers, in the dtype of a; `xp.where` with two numbers gives doubles."""
    return xp.where(where, a.dtype.type(one), a.dtype.type(other))


def _erf(xp: Any, x: Any) -> Any:
    """The error function, by Clenshaw's recurrence in double precision, to about 1e-14."""
    s = xp.clip(x, -_ERF_END, _ERF_END).astype("float64")
    u = s * s * (2 / _ERF_END**2) - 1
    b, c = xp.zeros_like(u), xp.zeros_like(u)
    for k in _ERF[:0:-1]:
        b, c = 2 * u * b - c + k, b
    inside = s * (u * b - c + _ERF[0])
    return xp.where(xp.abs(x) < _ERF_END, inside, xp.sign(s)).astype(x.dtype)


def _phi(xp: Any, a: Any) -> Any:
    """The normal distribution function."""
    return 0.5 + 0.5 * _erf(xp, a * math.sqrt(0.5))


def _density(xp: Any, a: Any) -> Any:
    return xp.exp(-0.5 * a * a) * (1 / math.sqrt(2 * math.pi))


class Formula(NamedTuple):
    """One line of the table.

    value : (xp, a, *numbers) -> y
    slope : (xp, a, y, *numbers) -> f'(a)
    numbers : alpha and beta, where it has them
    reads_input : whether the slope needs a; else y is enough, and a may be overwritten
    """

    value: Callable[..., Any]
    slope: Callable[..., Any]
    numbers: tuple[float, ...] = ()
    reads_input: bool = False


FORMULAS: dict[str, Formula] = {
    "linear": Formula(lambda xp, a: a, lambda xp, a, y: xp.ones_like(y)),
    "relu": Formula(lambda xp, a: xp.maximum(a, 0), lambda xp, a, y: y > 0),
    "tanh": Formula(lambda xp, a: xp.tanh(a), lambda xp, a, y: 1 - y * y),
    "sigmoid": Formula(sigmoid, lambda xp, a, y: y * (1 - y)),
    "affine": Formula(
        lambda xp, a, alpha, beta: alpha * a + beta,
        lambda xp, a, y, alpha, beta: xp.full_like(y, alpha),
        (1.0, 0.0),
    ),
    "leaky_relu": Formula(
        lambda xp, a, alpha: xp.where(a > 0, a, alpha * a),
        lambda xp, a, y, alpha: _choose(xp, a > 0, 1, alpha, a),
        (0.01,),
        reads_input=True,
    ),
    "thresholded_relu": Formula(
        lambda xp, a, alpha: xp.where(a <= alpha, a.dtype.type(0), a),  # NaN stays NaN
        lambda xp, a, y, alpha: a > alpha,
        (1.0,),
        reads_input=True,
    ),
    "scaled_tanh": Formula(
        lambda xp, a, alpha, beta: alpha * xp.tanh(beta * a),
        lambda xp, a, y, alpha, beta: alpha * beta * (1 - xp.tanh(beta * a) ** 2),
        (1.0, 1.0),
        reads_input=True,
    ),
    "hard_sigmoid": Formula(
        lambda xp, a, alpha, beta: xp.clip(alpha * a + beta, 0, 1),
        lambda xp, a, y, alpha, beta: _choose(xp, (y > 0) & (y < 1), alpha, 0, y),
        (0.2, 0.5),
    ),
    "elu": Formula(
        lambda xp, a, alpha: xp.where(a > 0, a, alpha * xp.expm1(xp.minimum(a, 0))),
        lambda xp, a, y, alpha: xp.where(a > 0, a.dtype.type(1), alpha * xp.exp(xp.minimum(a, 0))),
        (1.0,),
        reads_input=True,
    ),
    "softsign": Formula(lambda xp, a: a / (1 + xp.abs(a)), lambda xp, a, y: (1 - xp.abs(y)) ** 2),
    "softplus": Formula(lambda xp, a: xp.logaddexp(a, 0), lambda xp, a, y: -xp.expm1(-y)),
    "selu": Formula(
        lambda xp, a: _SELU_SCALE * xp.where(a > 0, a, _SELU_ALPHA * xp.expm1(xp.minimum(a, 0))),
        lambda xp, a, y: xp.where(y > 0, y.dtype.type(_SELU_SCALE), y + _SELU_SCALE * _SELU_ALPHA),
    ),
    "exponential": Formula(lambda xp, a: xp.exp(a), lambda xp, a, y: y),
    "silu": Formula(
        lambda xp, a: a * sigmoid(xp, a),
        lambda xp, a, y: sigmoid(xp, a) * (1 + a - y),
        reads_input=True,
    ),
    "hard_silu": Formula(
        lambda xp, a: a * xp.clip(a / 6 + 0.5, 0, 1),
        lambda xp, a, y: xp.where(xp.abs(a) < 3, a / 3 + 0.5, _choose(xp, a > 0, 1, 0, a)),
        reads_input=True,
    ),
    "gelu": Formula(
        lambda xp, a: a * _phi(xp, a),
        lambda xp, a, y: _phi(xp, a) + a * _density(xp, a),
        reads_input=True,
    ),
    "relu6": Formula(lambda xp, a: xp.clip(a, 0, 6), lambda xp, a, y: (y > 0) & (y < 6)),
    "hard_tanh": Formula(lambda xp, a: xp.clip(a, -1, 1), lambda xp, a, y: xp.abs(y) < 1),
}


@dataclass(frozen=True)
class Function:
    """An activation with its numbers."""

    name: str
    numbers: tuple[float, ...]

    @property
    def reads_input(self) -> bool:
        """Whether `slope` reads a; else it may be what is left of it."""
        return FORMULAS[self.name].reads_input

    def value(self, xp: Any, a: Any) -> Any:
        """y = f(a)."""
        return FORMULAS[self.name].value(xp, a, *self.numbers)

    def slope(self, xp: Any, a: Any, y: Any) -> Any:
        """f'(a), in the dtype of y or bool."""
        return FORMULAS[self.name].slope(xp, a, y, *self.numbers)

    def back(self, xp: Any, a: Any, y: Any, dy: Any) -> Any:
        """da from dy."""
        return dy * self.slope(xp, a, y)

    @property
    def config(self) -> Any:
        """The name, or [name, alpha, ...] where its numbers are not the usual ones: what layers take."""
        return self.name if self.numbers == FORMULAS[self.name].numbers else [self.name, *self.numbers]

    def __str__(self) -> str:
        said = self.config
        return said if isinstance(said, str) else f"{said[0]}({','.join(map(repr, said[1:]))})"


def function(name: str, *numbers: float) -> Function:
    """The activation of that name; numbers that are left out are the usual ones."""
    usual = FORMULAS[name].numbers
    return Function(name, (*map(float, numbers), *usual[len(numbers) :]))


SIGMOID, TANH, RELU = function("sigmoid"), function("tanh"), function("relu")
