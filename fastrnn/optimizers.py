"""Optimizers: one step of gradient descent, in place, on a dictionary of parameter arrays.

The formulas are those of Keras 3. With t the number of the step (1 for the first), a the learning
rate and g the gradient after clipping:

    SGD       m = mu m - a g;  p += m,  or with Nesterov p += mu m - a g
    RMSprop   v = rho v + (1 - rho) g^2;  p -= a g / sqrt(v [- mean(g)^2] + epsilon), with momentum
    Adam      m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
              p -= a sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)
    AdamW     p -= a * weight_decay * p first (decoupled), then Adam

This is array code: it goes block by block through flat views, so that the passes of one step over an array
meet it in the cache and scratch memory does not grow with the model. `fastrnn/kernels/update.pyx` does the
same in one pass. A float32 parameter is updated in float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from fastrnn.errors import sentence, unknown
from fastrnn.optimizer import Optimizer
from fastrnn.schedules import check_number


class SGD(Optimizer):
    """Gradient descent, with momentum `momentum` and Nesterov's look ahead."""

    name = "sgd"
    options = ("momentum", "nesterov")

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **clips: float | None,
    ) -> None:
        super().__init__(learning_rate, **clips)
        self.momentum = check_number("SGD", "momentum", momentum, 0.0, 1.0, high_open=False)
        self.nesterov = bool(nesterov)
        if nesterov and not momentum:
            raise ValueError(sentence("SGD", "momentum", "above 0 with nesterov=True", momentum))

    def slot_names(self) -> tuple[str, ...]:
        return ("m",) if self.momentum else ()

    def numbers(self, rate: float, t: int) -> tuple[float, ...]:
        return rate, self.momentum, self.nesterov

    def _step(
        self, xp: Any, numbers: tuple[float, ...], decay: bool, p: Any, g: Any, a: Any, *slots: Any
    ) -> None:
        rate, momentum, nesterov = numbers
        xp.multiply(g, rate, out=a)
        if not slots:
            p -= a
            return
        (m,) = slots
        m *= momentum
        m -= a
        if nesterov:
            p -= a
            xp.multiply(m, momentum, out=a)
            p += a
        else:
            p += m


class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradient (Tieleman and Hinton, 2012)."""

    name = "rmsprop"
    options = ("rho", "momentum", "epsilon", "centered")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **clips: float | None,
    ) -> None:
        super().__init__(learning_rate, **clips)
        self.rho = check_number("RMSprop", "rho", rho, 0.0, 1.0)
        self.momentum = check_number("RMSprop", "momentum", momentum, 0.0, 1.0, high_open=False)
        self.epsilon = check_number("RMSprop", "epsilon", epsilon, 0.0, low_open=True)
        self.centered = bool(centered)

    def slot_names(self) -> tuple[str, ...]:
        return ("v", *(["mean"] if self.centered else []), *(["m"] if self.momentum else []))

    def numbers(self, rate: float, t: int) -> tuple[float, ...]:
        return rate, 1.0 - self.rho, self.momentum, self.epsilon, self.centered

    def _step(
        self, xp: Any, numbers: tuple[float, ...], decay: bool, p: Any, g: Any, a: Any, *slots: Any
    ) -> None:
        rate, share, momentum, epsilon, centered = numbers
        by_name = dict(zip(self.slot_names(), slots, strict=True))
        v = by_name["v"]
        xp.multiply(g, g, out=a)
        _move_towards(xp, v, a, a, share)
        if centered:
            mean = by_name["mean"]
            _move_towards(xp, mean, g, a, share)
            xp.multiply(mean, mean, out=a)
            xp.subtract(v, a, out=a)
            xp.maximum(a, 0.0, out=a)  # a variance; rounding may make it negative
            a += epsilon
        else:
            xp.add(v, epsilon, out=a)
        xp.sqrt(a, out=a)
        xp.divide(g, a, out=a)
        a *= rate
        if momentum:
            m = by_name["m"]
            m *= momentum
            m += a
            p -= m
        else:
            p -= a


class Adam(Optimizer):
    """Adaptive moments (Kingma and Ba, 2015); `amsgrad` as in Reddi, Kale and Kumar, 2018."""

    name = "adam"
    options: ClassVar[tuple[str, ...]] = ("beta_1", "beta_2", "epsilon", "amsgrad")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **clips: float | None,
    ) -> None:
        super().__init__(learning_rate, **clips)
        owner = type(self).__name__
        self.beta_1 = check_number(owner, "beta_1", beta_1, 0.0, 1.0)
        self.beta_2 = check_number(owner, "beta_2", beta_2, 0.0, 1.0)
        self.epsilon = check_number(owner, "epsilon", epsilon, 0.0, low_open=True)
        self.amsgrad = bool(amsgrad)

    def slot_names(self) -> tuple[str, ...]:
        return ("m", "v", "v_max") if self.amsgrad else ("m", "v")

    def numbers(self, rate: float, t: int) -> tuple[float, ...]:
        corrected = rate * math.sqrt(1.0 - self.beta_2**t) / (1.0 - self.beta_1**t)
        return corrected, 1.0 - self.beta_1, 1.0 - self.beta_2, self.epsilon, 0.0

    def _step(
        self, xp: Any, numbers: tuple[float, ...], decay: bool, p: Any, g: Any, a: Any, *slots: Any
    ) -> None:
        corrected, share_1, share_2, epsilon, lost = numbers
        if decay:
            p *= 1.0 - lost
        m, v = slots[:2]
        _move_towards(xp, m, g, a, share_1)
        xp.multiply(g, g, out=a)
        _move_towards(xp, v, a, a, share_2)
        if self.amsgrad:
            v = xp.maximum(slots[2], v, out=slots[2])
        xp.sqrt(v, out=a)
        a += epsilon
        xp.divide(m, a, out=a)
        a *= corrected
        p -= a


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    Parameters whose last name (after "/" or ".") is in `exclude` do not decay: by default the
    biases, for which there is nothing to gain from being small.
    """

    name = "adamw"
    options = (*Adam.options, "weight_decay", "exclude")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        exclude: tuple[str, ...] = ("b", "b_ih", "b_hh"),
        **clips: float | None,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, **clips)
        self.weight_decay = check_number("AdamW", "weight_decay", weight_decay, 0.0)
        self.exclude = tuple(exclude)

    def numbers(self, rate: float, t: int) -> tuple[float, ...]:
        return (*super().numbers(rate, t)[:-1], rate * self.weight_decay)

    def decays(self, name: str) -> bool:
        return name.replace(".", "/").split("/")[-1] not in self.exclude


def _move_towards(xp: Any, mean: Any, value: Any, scratch: Any, share: float) -> None:
    """``mean += share * (value - mean)``, in place; `scratch` may be `value`."""
    xp.subtract(value, mean, out=scratch)
    scratch *= share
    mean += scratch


OPTIMIZERS: dict[str, type[Optimizer]] = {c.name: c for c in (SGD, RMSprop, Adam, AdamW)}


def get(optimizer: str | Optimizer | Mapping[str, Any]) -> Optimizer:
    """The optimizer of a name (any case) or of a `config()`, or the optimizer itself."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, Mapping):
        options = dict(optimizer)
        name = options.pop("name", None)
    else:
        name, options = optimizer, {}
    if not isinstance(name, str):
        expected = "the name of an optimizer or a fastrnn.optimizers.Optimizer"
        raise TypeError(sentence("optimizers.get", "optimizer", expected, name))
    if name.lower() not in OPTIMIZERS:
        raise unknown("optimizers.get", "optimizer", name, tuple(OPTIMIZERS))
    return OPTIMIZERS[name.lower()](**options)
