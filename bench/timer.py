"""Paired, interleaved rounds: A B A B, so that a slow second of the machine hits everybody.

One round is as many calls of one contestant as fill about 50 ms. Reported are the minimum, the
median, and for two contestants the median of the ratios round by round, which is far steadier than
the ratio of two medians.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any, Protocol

PAUSE = 0.03  # seconds before a cold call


class Asked(Protocol):
    """A worker, as far as timing needs it."""

    def ask(self, do: str, **arguments: Any) -> Any: ...


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes
    ----------
    rounds : of each contestant
    seconds : that a round is to take; one call at least
    cold : also time one call after a pause in each round
    least : rounds after which a peer leaves where it is LOSES times as fast at another thread count
    budget : seconds a case for one thread count of a peer, which leaves then, but not before its second
        round: beside other work, a library whose threads wait for each other can be twenty times slower
    """

    rounds: int = 15
    seconds: float = 0.05
    cold: bool = False
    least: int = 5
    budget: float = 4.0


FULL = Plan()
QUICK = Plan(rounds=7, seconds=0.01, least=3, budget=0.25)
LOSES = 1.2


@dataclass
class Contestant:
    """One worker with one case; `times` and `cold` hold seconds a call, one number a round.

    `peer` is the name that the thread counts of one library share; "" stays to the last round.
    """

    label: str
    worker: Asked
    case: str
    peer: str = ""
    calls: int = 1
    times: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)

    def calibrate(self, seconds: float) -> None:
        """Choose `calls` so that a round takes about `seconds`."""
        each: float = self.worker.ask("time", case=self.case, calls=1)
        while each * self.calls < seconds / 4:  # a first call, or a few, are slower than many
            self.calls = max(2 * self.calls, min(16 * self.calls, int(seconds / 4 / each)))
            each = self.worker.ask("time", case=self.case, calls=self.calls)
        self.calls = max(1, round(seconds / each))


def measure(contestants: Sequence[Contestant], plan: Plan) -> None:
    """Fill in the times of every contestant. Those who leave early have fewer rounds, the first ones."""
    for contestant in contestants:
        contestant.calibrate(plan.seconds)
    staying = list(contestants)
    for done in range(plan.rounds):
        staying = [c for c in staying if not _leaves(c, done, contestants, plan)]
        for c in staying:
            c.times.append(c.worker.ask("time", case=c.case, calls=c.calls))
    for _ in range(plan.rounds if plan.cold else 0):
        for c in contestants:
            c.cold.append(c.worker.ask("cold", case=c.case, pause=PAUSE))


def _leaves(one: Contestant, done: int, contestants: Sequence[Contestant], plan: Plan) -> bool:
    """Whether `one` has had its time after `done` rounds, or cannot be the better thread count any more."""
    if not one.peer or done < 2:
        return False
    if sum(one.times) * one.calls >= plan.budget:
        return True
    if done < plan.least:
        return False
    best = min(median(c.times[: plan.least]) for c in contestants if c.peer == one.peer)
    return median(one.times[: plan.least]) > LOSES * best


def summary(times: Sequence[float]) -> dict[str, float]:
    """Minimum, median and quartiles of one number a round."""
    low, _, high = quantiles(times, n=4, method="inclusive") if len(times) > 1 else [times[0]] * 3
    return {"min": min(times), "median": median(times), "low": low, "high": high}


def ratio(times: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """The same of ``times / ours``, paired round by round: above 1 means that ours is faster.

    `ours` has all rounds; `times` may have only the first of them.
    """
    return summary([a / b for a, b in zip(times, ours[: len(times)], strict=True)])
