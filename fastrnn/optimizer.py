"""What every optimizer shares: learning rate, clipping, slots, state; see `fastrnn.optimizers`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fastrnn import schedules
from fastrnn.errors import DtypeError, ShapeError, sentence
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
        options = {key: value for key, value in config.items() if key != "name"}
        return cls(**options)


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
