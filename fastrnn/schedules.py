"""Learning-rate schedules: functions from the number of steps done to a learning rate.

The names, arguments and formulas are those of Keras. A schedule is a frozen dataclass; give it to
an optimizer in place of the number. Write your own by subclassing `LearningRateSchedule`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastrnn.errors import describe, sentence, unknown


def check_number(
    owner: str,
    name: str,
    value: Any,
    low: float,
    high: float = math.inf,
    *,
    low_open: bool = False,
    high_open: bool = True,
) -> float:
    """Return `value` as a float if it is a number in the interval, else raise ValueError."""
    expected = f"a number in {'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"
    number = math.nan
    if not isinstance(value, (bool, str)):
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
    above = number > low if low_open else number >= low
    below = number < high if high_open else number <= high
    if not (above and below):
        raise ValueError(sentence(owner, name, expected, describe(value)))
    return number


@dataclass(frozen=True)
class LearningRateSchedule:
    """``schedule(step) -> learning rate``, step 0 for the first update."""

    def __call__(self, step: int) -> float:
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """A JSON-able description that `get` turns back into the schedule."""
        return {"name": type(self).__name__, **asdict(self)}

    def _check(self, *positive: str) -> None:
        """Fields named are above 0, every other number is not below 0."""
        for key, value in asdict(self).items():
            if value is not None and not isinstance(value, (bool, tuple)):
                check_number(type(self).__name__, key, value, 0.0, low_open=key in positive)


@dataclass(frozen=True)
class ExponentialDecay(LearningRateSchedule):
    """``initial * rate^(step / steps)``; with `staircase` the exponent is rounded down."""

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        self._check("decay_steps", "decay_rate")

    def __call__(self, step: int) -> float:
        exponent = step / self.decay_steps
        if self.staircase:
            exponent = math.floor(exponent)
        return float(self.initial_learning_rate * self.decay_rate**exponent)


@dataclass(frozen=True)
class InverseTimeDecay(LearningRateSchedule):
    """``initial / (1 + rate * step / steps)``; with `staircase` the quotient is rounded down."""

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        self._check("decay_steps")

    def __call__(self, step: int) -> float:
        quotient = step / self.decay_steps
        if self.staircase:
            quotient = math.floor(quotient)
        return float(self.initial_learning_rate / (1.0 + self.decay_rate * quotient))


@dataclass(frozen=True)
class PolynomialDecay(LearningRateSchedule):
    """From `initial_learning_rate` to `end_learning_rate` along ``(1 - step / steps)^power``.

    It stays at the end; with `cycle` the length grows to the next multiple of `decay_steps`.
    """

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        self._check("decay_steps")

    def __call__(self, step: int) -> float:
        length = self.decay_steps
        if self.cycle:
            length *= max(1, math.ceil(step / length))
        left = 1.0 - min(step, length) / length
        span = self.initial_learning_rate - self.end_learning_rate
        return float(span * left**self.power + self.end_learning_rate)


@dataclass(frozen=True)
class CosineDecay(LearningRateSchedule):
    """Half a cosine from the start to `alpha` times the start in `decay_steps`.

    With `warmup_steps` the rate first rises on a line from `initial_learning_rate` to
    `warmup_target`, and the cosine starts there.
    """

    initial_learning_rate: float
    decay_steps: float
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: float = 0

    def __post_init__(self) -> None:
        self._check("decay_steps")
        if (self.warmup_target is None) != (self.warmup_steps == 0):
            raise ValueError(
                sentence(
                    "CosineDecay",
                    "warmup_target",
                    "given together with warmup_steps",
                    f"warmup_target={self.warmup_target!r} and warmup_steps={self.warmup_steps!r}",
                )
            )

    def __call__(self, step: int) -> float:
        start, top = self.initial_learning_rate, self.initial_learning_rate
        if self.warmup_target is not None:
            top = self.warmup_target
            if step < self.warmup_steps:
                return float(start + (top - start) * step / self.warmup_steps)
        done = min(step - self.warmup_steps, self.decay_steps) / self.decay_steps
        wave = 0.5 * (1.0 + math.cos(math.pi * done))
        return float(top * ((1.0 - self.alpha) * wave + self.alpha))


@dataclass(frozen=True)
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` for steps up to and including ``boundaries[i]``, the last value beyond."""

    boundaries: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        # Tuples, so that a list changed later does not change the schedule.
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        object.__setattr__(self, "values", tuple(self.values))
        owner = "PiecewiseConstantDecay"
        if len(self.values) != len(self.boundaries) + 1:
            expected = f"{len(self.boundaries) + 1} numbers, one more than boundaries"
            raise ValueError(sentence(owner, "values", expected, str(len(self.values))))
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(sentence(owner, "boundaries", "increasing", self.boundaries))
        for value in self.values:
            check_number(owner, "values", value, 0.0)

    def __call__(self, step: int) -> float:
        return float(self.values[bisect_left(self.boundaries, step)])

    def config(self) -> dict[str, Any]:
        return {
            "name": "PiecewiseConstantDecay",
            "boundaries": list(self.boundaries),
            "values": list(self.values),
        }


SCHEDULES: dict[str, type[LearningRateSchedule]] = {
    c.__name__: c
    for c in (
        ExponentialDecay,
        InverseTimeDecay,
        PolynomialDecay,
        CosineDecay,
        PiecewiseConstantDecay,
    )
}


def get(schedule: LearningRateSchedule | Mapping[str, Any]) -> LearningRateSchedule:
    """The schedule of a `config()`, or the schedule itself."""
    if isinstance(schedule, LearningRateSchedule):
        return schedule
    if not isinstance(schedule, Mapping):
        expected = "a fastrnn.schedules.LearningRateSchedule or its config()"
        raise TypeError(sentence("schedules.get", "schedule", expected, describe(schedule)))
    options = dict(schedule)
    name = options.pop("name", None)
    if name not in SCHEDULES:
        raise unknown("schedules.get", "schedule", name, tuple(SCHEDULES))
    return SCHEDULES[name](**options)
