"""What every optimizer shares: learning rate, clipping, slots, state; see `fastrnn.optimizers`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fastrnn import schedules
from fastrnn.backends import Backend
from fastrnn.errors import FLOATS, DtypeError, ShapeError, sentence
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

    #: A kernel of this name replaces `step`.
    name: ClassVar[str] = "optimizer"
    #: The arguments, besides learning_rate and the clips, that `config` writes down.
    options: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        # A kernel is found by name, and the parent's knows nothing of formulas that replace the parent's.
        if "name" not in vars(cls) and {"_step", "step", "numbers"} & vars(cls).keys():
            cls.name = cls.__name__.lower()

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
        # What `_prepare` lays out for `step`, while the parameters are the same objects.
        self._ids: list[int] | None = None
        self._arrays: tuple[Any, ...] = ()
        self._columns: tuple[tuple[Any, ...], ...] = ()
        self._decays: tuple[bool, ...] = ()

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

    def update(self, backend: Backend, params: Mapping[str, Any], grads: Mapping[str, Any]) -> float:
        """Apply one step to the arrays of `params`, in place.

        Parameters
        ----------
        backend : where the arrays live, and which of its kernels may be used
        params : name -> C-contiguous float32 or float64 array
        grads : the same names -> gradients of the same shapes and dtypes, not modified

        Returns
        -------
        norm : float, the L2 norm of all gradients before clipping, accumulated in float64 in a
            fixed order. Where it is not finite **nothing is applied**: parameters, slots and
            `iterations` stay as they were.
        """
        self._check_grads(params, grads)
        self._prepare(backend.xp, params)
        t = self.iterations + 1
        norm = backend.run(
            self,
            "step",
            self.numbers(self.current_learning_rate(), t),
            (self.clipnorm, self.clipvalue, self.global_clipnorm),
            self._arrays,
            tuple([grads[name] for name in params]),
            self._columns,
            self._decays,
        )
        if math.isfinite(norm):
            self.iterations = t
        return float(norm)

    def step(
        self, xp: Any, numbers: tuple[float, ...], clips: tuple[float | None, ...], params: tuple[Any, ...],
        grads: tuple[Any, ...], slots: tuple[tuple[Any, ...], ...], decays: tuple[bool, ...],
    ) -> float:  # fmt: skip
        """The step as array code; the kernel is `fastrnn.kernels.update.step`.

        Parameters
        ----------
        numbers : what `numbers` gives
        clips : clipnorm, clipvalue, global_clipnorm, None where there is no such limit
        params, grads, decays : one an array
        slots : one tuple a slot name, of one array a parameter

        Returns
        -------
        norm : float, as of `update`
        """
        clipnorm, clipvalue, global_clipnorm = clips
        squares = [_sum_of_squares(xp, g) for g in grads]
        norm = math.sqrt(sum(squares))
        if not math.isfinite(norm):
            return norm
        for k, (param, grad, decay) in enumerate(zip(params, grads, decays, strict=True)):
            factor = 1.0
            if global_clipnorm is not None and norm > global_clipnorm:
                factor = global_clipnorm / norm
            elif clipnorm is not None and math.sqrt(squares[k]) > clipnorm:
                factor = clipnorm / math.sqrt(squares[k])
            p, g, *own = (a.reshape(-1) for a in (param, grad, *(column[k] for column in slots)))
            # On a GPU every block would be a kernel launch more; there a block is the array.
            size = min(p.size, BLOCK) if xp is np else p.size
            scratch = xp.empty_like(p[:size])
            for start in range(0, p.size, max(size, 1)):
                part = slice(start, start + size)
                c = g[part] if factor == 1.0 else g[part] * factor
                if clipvalue is not None:
                    c = xp.clip(c, -clipvalue, clipvalue)
                a = scratch[: c.size]
                self._step(xp, numbers, decay, p[part], c, a, *(slot[part] for slot in own))
        return norm

    def slot_names(self) -> tuple[str, ...]:
        """The arrays kept for every parameter."""
        raise NotImplementedError

    def numbers(self, rate: float, t: int) -> tuple[float, ...]:
        """What step `t` with that learning rate computes with, the same for every element."""
        raise NotImplementedError

    def decays(self, name: str) -> bool:
        """Whether the parameter of that name decays."""
        return False

    def _step(
        self, xp: Any, numbers: tuple[float, ...], decay: bool, p: Any, g: Any, a: Any, *slots: Any
    ) -> None:
        """A step on a block: parameter p, gradient g (read only), scratch a, slots."""
        raise NotImplementedError

    def _check_grads(self, params: Mapping[str, Any], grads: Mapping[str, Any]) -> None:
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
            if g.shape != p.shape or g.dtype != p.dtype:
                expected = f"{list(p.shape)} {p.dtype}"
                error = ShapeError if g.shape != p.shape else DtypeError
                raise error(sentence(owner, f"grads[{name!r}]", expected, g))

    # -- state ------------------------------------------------------------------------------

    def _prepare(self, xp: Any, params: Mapping[str, Any]) -> None:
        """Make the slots at the first step; later, insist that they fit the parameters."""
        # Arrays that are held here keep their ids, so equal ids are the arrays of the last step.
        if self._ids == [*map(id, params.values())]:
            return
        wanted = {f"{slot}/{name}": p for name, p in params.items() for slot in self.slot_names()}
        owner = f"{type(self).__name__}.update"
        for name, p in params.items():
            if p.dtype not in FLOATS:
                raise DtypeError(sentence(owner, f"params[{name!r}]", "float32 or float64", p))
            if not p.flags.c_contiguous:
                # Its flat view would be a copy, and the step would be lost.
                advice = "Use numpy.ascontiguousarray."
                raise ValueError(sentence(owner, f"params[{name!r}]", "C-contiguous", p, advice))
        if not self._slots and self.iterations == 0:
            self._slots = {key: xp.zeros(p.shape, p.dtype) for key, p in wanted.items()}
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
        self._arrays = tuple(params.values())
        self._columns = tuple(
            tuple(self._slots[f"{slot}/{name}"] for name in params) for slot in self.slot_names()
        )
        self._decays = tuple(self.decays(name) for name in params)
        self._ids = [*map(id, self._arrays)]

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
        self._ids = None
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
