"""Optimizers: one step of gradient descent, in place, on a dictionary of parameter arrays.

The formulas are those of Keras 3. With t the number of the step (1 for the first), a the learning
rate and g the gradient after clipping:

    SGD       m = mu m - a g;  p += m,  or with Nesterov p += mu m - a g
    RMSprop   v = rho v + (1 - rho) g^2;  p -= a g / sqrt(v [- mean(g)^2] + epsilon), with momentum
    Adam      m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
              p -= a sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)
    AdamW     p -= a * weight_decay * p first (decoupled), then Adam

The work goes block by block through flat views, so that the passes of one step over an array meet
it in the cache and scratch memory does not grow with the model. A float32 parameter is updated in
float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fastrnn import schedules
from fastrnn.errors import DtypeError, ShapeError, sentence, unknown
from fastrnn.schedules import LearningRateSchedule, check_number

BLOCK = 32768  # elements; the five float32 arrays of a step on them fit a 1 MiB cache
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


class Optimizer:
    """What every optimizer shares: learning rate, clipping, slots, state.

    Parameters
    ----------
    learning_rate : number, or a `fastrnn.schedules.LearningRateSchedule`
    clipnorm : largest L2 norm of the gradient of one array
    clipvalue : largest absolute value of an element
    global_clipnorm : largest L2 norm of all gradients together. At most one of the three.
    """

    name: ClassVar[str] = "optimizer"
    #: The arguments, besides learning_rate and the clips, that `config` writes down.
    options: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule | Mapping[str, Any],
        *,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
    ) -> None:
        owner = type(self).__name__
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = [key for key, value in clips.items() if value is not None]
        if len(given) > 1:
            raise ValueError(
                sentence(owner, "clipping", f"at most one of {', '.join(CLIPS)}", " and ".join(given))
            )
        for key in given:
            check_number(owner, key, clips[key], 0.0, low_open=True)
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self._rate: float | LearningRateSchedule
        if isinstance(learning_rate, (LearningRateSchedule, Mapping)):
            self._rate = schedules.get(learning_rate)
        else:
            self._rate = check_number(owner, "learning_rate", learning_rate, 0.0)
        self.iterations = 0
        self._slots: dict[str, Any] = {}
        self._names: tuple[str, ...] | None = None

    # -- the learning rate ------------------------------------------------------------------

    def current_learning_rate(self) -> float:
        """The learning rate of the next update."""
        return self._rate(self.iterations) if callable(self._rate) else self._rate

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update; set it to a number."""
        return self.current_learning_rate()

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        owner = type(self).__name__
        if callable(self._rate):
            raise ValueError(
                sentence(
                    owner,
                    "learning_rate",
                    "left to the schedule",
                    value,
                    "Build the optimizer with a number to set it by hand.",
                )
            )
        self._rate = check_number(owner, "learning_rate", value, 0.0)

    # -- one step ---------------------------------------------------------------------------

    def update(self, xp: Any, params: Mapping[str, Any], grads: Mapping[str, Any]) -> float:
        """Apply one step to the arrays of `params`, in place.

        Parameters
        ----------
        xp : the array module, NumPy or CuPy
        params : name -> C-contiguous float32 or float64 array
        grads : the same names -> gradients of the same shapes and dtypes, not modified

        Returns
        -------
        norm : float, the L2 norm of all gradients before clipping, accumulated in float64 in a
            fixed order. Where it is not finite **nothing is applied**: parameters, slots and
            `iterations` stay as they were.
        """
        self._check_update(params, grads)
        squares = {name: _sum_of_squares(xp, grad) for name, grad in grads.items()}
        norm = math.sqrt(sum(squares[name] for name in params))
        if not math.isfinite(norm):
            return norm
        self._prepare(xp, params)
        rate, t = self.current_learning_rate(), self.iterations + 1
        for name, param in params.items():
            factor = self._clip_factor(math.sqrt(squares[name]), norm)
            slots = [self._slots[f"{slot}/{name}"].reshape(-1) for slot in self.slot_names()]
            p, g = param.reshape(-1), grads[name].reshape(-1)
            # On a GPU every block would be a kernel launch more; there a block is the array.
            size = min(p.size, BLOCK) if xp is np else p.size
            scratch = xp.empty_like(p[:size])
            for start in range(0, p.size, BLOCK if xp is np else max(p.size, 1)):
                part = slice(start, start + size)
                a = scratch[: p[part].size]
                self._step(
                    xp,
                    name,
                    p[part],
                    self._clip(xp, g[part], factor),
                    a,
                    rate,
                    t,
                    *(slot[part] for slot in slots),
                )
        self.iterations = t
        return norm

    def slot_names(self) -> tuple[str, ...]:
        """The arrays kept for every parameter."""
        raise NotImplementedError

    def _step(self, xp: Any, name: str, p: Any, g: Any, a: Any, rate: float, t: int, *slots: Any) -> None:
        """Step `t` on a block: parameter p, gradient g (read only), scratch a, slots."""
        raise NotImplementedError

    def _clip_factor(self, norm: float, global_norm: float) -> float:
        """What the gradient of one array is multiplied by."""
        if self.global_clipnorm is not None and global_norm > self.global_clipnorm:
            return self.global_clipnorm / global_norm
        if self.clipnorm is not None and norm > self.clipnorm:
            return self.clipnorm / norm
        return 1.0

    def _clip(self, xp: Any, g: Any, factor: float) -> Any:
        """The clipped gradient of a block: `g` itself where nothing is clipped."""
        if self.clipvalue is not None:
            return xp.clip(g, -self.clipvalue, self.clipvalue)
        return g if factor == 1.0 else g * factor

    def _check_update(self, params: Mapping[str, Any], grads: Mapping[str, Any]) -> None:
        owner = f"{type(self).__name__}.update"
        if params.keys() != grads.keys():
            odd = ", ".join(sorted(params.keys() ^ grads.keys()))
            raise ValueError(
                sentence(
                    owner,
                    "grads",
                    "given for exactly the names of params",
                    f"a difference in {odd}",
                )
            )
        for name, p in params.items():
            g = grads[name]
            expected = f"{list(p.shape)} {p.dtype}"
            if g.shape != p.shape:
                raise ShapeError(sentence(owner, f"grads[{name!r}]", expected, g))
            if g.dtype != p.dtype:
                raise DtypeError(sentence(owner, f"grads[{name!r}]", expected, g))
            if not p.flags.c_contiguous:
                # Its flat view would be a copy, and the step would be lost.
                raise ValueError(
                    sentence(
                        owner,
                        f"params[{name!r}]",
                        "C-contiguous",
                        p,
                        "Use numpy.ascontiguousarray.",
                    )
                )

    # -- state ------------------------------------------------------------------------------

    def _prepare(self, xp: Any, params: Mapping[str, Any]) -> None:
        """Make the slots at the first step; later, insist that they fit the parameters."""
        if self._names == tuple(params):
            return
        wanted = {f"{slot}/{name}": p for name, p in params.items() for slot in self.slot_names()}
        if not self._slots and self.iterations == 0:
            self._slots = {key: xp.zeros(p.shape, p.dtype) for key, p in wanted.items()}
        owner = f"{type(self).__name__}.update"
        if odd := sorted(wanted.keys() ^ self._slots.keys()):
            raise ValueError(
                sentence(
                    owner,
                    "params",
                    "the parameters that the optimizer's state belongs to",
                    f"a difference in {', '.join(odd)}",
                    "Use a new optimizer for other parameters.",
                )
            )
        for key, p in wanted.items():
            slot = self._slots[key]
            if slot.shape != p.shape or slot.dtype != p.dtype:
                raise ShapeError(sentence(owner, f"state {key}", f"{list(p.shape)} {p.dtype}", slot))
        self._names = tuple(params)

    def state(self) -> dict[str, Any]:
        """The slot arrays by ``<slot>/<parameter>``: the arrays themselves, not copies."""
        return dict(self._slots)

    def load_state(self, arrays: Mapping[str, Any], iterations: int) -> None:
        """Continue from copies of the arrays of `state` and the number of steps done.

        The next `update` raises where they do not fit its parameters.
        """
        owner, known = f"{type(self).__name__}.load_state", self.slot_names()
        if isinstance(iterations, bool) or int(iterations) != iterations or iterations < 0:
            raise ValueError(sentence(owner, "iterations", "a whole number from 0", iterations))
        for key in arrays:
            if key.split("/")[0] not in known:
                wanted = f"named <slot>/<parameter> with slots {', '.join(known) or '(none)'}"
                raise ValueError(sentence(owner, "arrays", wanted, repr(key)))
        self._slots = {key: array.copy() for key, array in arrays.items()}
        self._names = None
        self.iterations = int(iterations)

    def config(self) -> dict[str, Any]:
        """A JSON-able description that `get` turns back into the optimizer, without state."""
        rate = self._rate.config() if isinstance(self._rate, LearningRateSchedule) else self._rate
        values = {key: getattr(self, key) for key in (*self.options, *CLIPS)}
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        return {"name": self.name, "learning_rate": rate, **values}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Optimizer:
        """The optimizer that `config` describes."""
        return get(config)


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

    def _step(self, xp: Any, name: str, p: Any, g: Any, a: Any, rate: float, t: int, *slots: Any) -> None:
        xp.multiply(g, rate, out=a)
        if not slots:
            p -= a
            return
        (m,) = slots
        m *= self.momentum
        m -= a
        if self.nesterov:
            p -= a
            xp.multiply(m, self.momentum, out=a)
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

    def _step(self, xp: Any, name: str, p: Any, g: Any, a: Any, rate: float, t: int, *slots: Any) -> None:
        by_name = dict(zip(self.slot_names(), slots, strict=True))
        v = by_name["v"]
        xp.multiply(g, g, out=a)
        _move_towards(xp, v, a, a, 1.0 - self.rho)
        if self.centered:
            mean = by_name["mean"]
            _move_towards(xp, mean, g, a, 1.0 - self.rho)
            xp.multiply(mean, mean, out=a)
            xp.subtract(v, a, out=a)
            xp.maximum(a, 0.0, out=a)  # a variance; rounding may make it negative
            a += self.epsilon
        else:
            xp.add(v, self.epsilon, out=a)
        xp.sqrt(a, out=a)
        xp.divide(g, a, out=a)
        a *= rate
        if self.momentum:
            m = by_name["m"]
            m *= self.momentum
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

    def _step(self, xp: Any, name: str, p: Any, g: Any, a: Any, rate: float, t: int, *slots: Any) -> None:
        m, v = slots[:2]
        _move_towards(xp, m, g, a, 1.0 - self.beta_1)
        xp.multiply(g, g, out=a)
        _move_towards(xp, v, a, a, 1.0 - self.beta_2)
        if self.amsgrad:
            v = xp.maximum(slots[2], v, out=slots[2])
        xp.sqrt(v, out=a)
        a += self.epsilon
        xp.divide(m, a, out=a)
        a *= rate * math.sqrt(1.0 - self.beta_2**t) / (1.0 - self.beta_1**t)
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

    def _step(self, xp: Any, name: str, p: Any, g: Any, a: Any, rate: float, t: int, *slots: Any) -> None:
        if name.replace(".", "/").split("/")[-1] not in self.exclude:
            p *= 1.0 - rate * self.weight_decay
        super()._step(xp, name, p, g, a, rate, t, *slots)


def _move_towards(xp: Any, mean: Any, value: Any, scratch: Any, share: float) -> None:
    """``mean += share * (value - mean)``, in place; `scratch` may be `value`."""
    xp.subtract(value, mean, out=scratch)
    scratch *= share
    mean += scratch


def _sum_of_squares(xp: Any, array: Any) -> float:
    """The sum of squares in float64, block by block: no float64 copy of the whole array."""
    flat, total = array.reshape(-1), 0.0
    step = BLOCK if xp is np else max(flat.size, 1)
    with np.errstate(over="ignore", invalid="ignore"):  # the caller looks at the result
        for start in range(0, flat.size, step):
            block = flat[start : start + step].astype(xp.float64)
            block *= block
            total += float(block.sum())
    return total


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
