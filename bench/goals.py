"""What fastrnn wants to reach, as data, and whether a run reached it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .cases import CASES, CELLS, Case

TWIN = "twin"  # label of fastrnn on the case named by `Case.twin`
BEST = "the best of all peers"


@dataclass(frozen=True)
class Goal:
    """Bounds on one number of each case of a set.

    Attributes
    ----------
    title : what is measured, in words
    kind : "ratio" (the time of `against` over fastrnn's, at least), "share" (of the machine's peak, at
        least), "twin" (time over the padded twin's, at most), "time" (microseconds, at most)
    group, cells, modes : which cases
    every : bound for every case
    mean : bound for the geometric mean, or None
    against : of a ratio: a peer, or `BEST`
    units, least_units, least_rows : only cases of so many units, of at least so many, of a batch of at least
        so many rows; 0: all
    """

    title: str
    kind: str
    group: str
    every: float
    mean: float | None = None
    cells: tuple[str, ...] = CELLS
    modes: tuple[str, ...] = ("inference", "training")
    against: str = "pytorch"
    units: int = 0
    least_units: int = 0
    least_rows: int = 0

    @property
    def at_most(self) -> bool:
        """Whether small is good."""
        return self.kind in ("twin", "time")

    def wants(self, case: Case) -> bool:
        """Whether `case` is one of those the goal is about."""
        return (
            case.group == self.group and case.cell in self.cells and case.mode in self.modes
            and case.B >= self.least_rows and case.H >= self.least_units
            and self.units in (0, case.H)
        )  # fmt: skip


LSTM = ("lstm",)
OTHERS = ("gru", "rnn")
INFERENCE, TRAINING = ("inference",), ("training",)

GOALS = (
    Goal("LSTM inference against pytorch", "ratio", "grid", 1.1, 3, LSTM, INFERENCE),
    Goal(f"LSTM inference against {BEST}", "ratio", "grid", 1.0, 1.5, LSTM, INFERENCE, BEST),
    Goal("LSTM training against pytorch", "ratio", "grid", 1.2, 2.3, LSTM, TRAINING),
    Goal("GRU and RNN against pytorch", "ratio", "grid", 1.2, 4, OTHERS),
    Goal("autoencoder training against pytorch", "ratio", "dense", 1.0, 1.3, ("autoencoder",)),
    Goal("ragged training against pytorch's packed sequences", "ratio", "ragged", 3, modes=TRAINING),
    Goal("large inference, share of the peak", "share", "grid", 0.80, modes=INFERENCE,
         least_units=256, least_rows=32),
    Goal("large training, share of the peak", "share", "grid", 0.75, modes=TRAINING,
         least_units=256, least_rows=32),
    Goal("stream.step at H=16", "time", "stream", 2, units=16),
    Goal("stream.step at H=64", "time", "stream", 3, units=64),
    Goal("stream.step at H=128", "time", "stream", 6, units=128),
    Goal("functional call with T=1 at H=16", "time", "call", 4),
    Goal("two layers of bidirectional LSTM against pytorch, one thread", "ratio", "words", 1.3,
         cells=("bilstm",)),
    Goal("classifier imported from PyTorch against onnxruntime", "ratio", "classifier", 1.0,
         cells=("classifier",), against="onnxruntime"),
    Goal("ragged against padded, time", "twin", "ragged", 1.05),
)  # fmt: skip


def value(goal: Goal, result: dict[str, Any]) -> float | None:
    """The number of one result that `goal` is about, or None where it was not measured."""
    ratios = result["ratios"]
    if goal.kind == "twin":
        return 1 / ratios[TWIN]["median"] if TWIN in ratios else None
    if goal.kind == "share":
        share: float | None = result.get("work", {}).get("share")
        return share
    if goal.kind == "time":
        median: float | None = result.get("work", {}).get("seconds")
        return None if median is None else median * 1e6
    wanted = [peer for peer in ratios if peer != TWIN and goal.against in (peer, BEST)]
    return min((ratios[peer]["median"] for peer in wanted), default=None)


def judge(goal: Goal, results: Iterable[dict[str, Any]], known: Iterable[Case] = CASES) -> dict[str, Any]:
    """How a run stands to one goal.

    Parameters
    ----------
    results : as in the JSON of a run
    known : all cases there are

    Returns
    -------
    verdict : goal (title), kind, every, mean; cells (measured), of (there are), worst, where (its case),
        reached_mean, met (None where nothing was measured)
    """
    names = {case.name for case in known if goal.wants(case)}
    found = [(value(goal, r), r["name"]) for r in results if r["name"] in names]
    measured = [(v, name) for v, name in found if v is not None]
    verdict: dict[str, Any] = {
        "goal": goal.title, "kind": goal.kind, "every": goal.every, "mean": goal.mean,
        "cells": len(measured), "of": len(names), "met": None,
    }  # fmt: skip
    if not measured:
        return verdict
    worst, where = (max if goal.at_most else min)(measured)
    mean = math.exp(sum(math.log(v) for v, _ in measured) / len(measured))
    met = worst <= goal.every if goal.at_most else worst >= goal.every
    if goal.mean is not None:
        met = met and mean >= goal.mean
    return {**verdict, "worst": worst, "where": where, "reached_mean": mean, "met": met}


def sentence(verdict: dict[str, Any]) -> str:
    """A verdict in words."""
    kind, at_most = verdict["kind"], verdict["kind"] in ("twin", "time")
    bound = f"{'at most' if at_most else 'at least'} {_number(kind, verdict['every'])}"
    if verdict["met"] is None:
        return f"{verdict['goal']}: {bound}: not measured in this run."
    text = f"{verdict['goal']}: "
    several = verdict["of"] > 1
    text += f"every cell {bound}: " if several else f"{bound}: "
    worst = _number(kind, verdict["worst"])
    text += f"{'highest' if at_most else 'lowest'} {worst} ({verdict['where']})" if several else worst
    if verdict["mean"] is not None:
        text += f"; geometric mean {verdict['reached_mean']:.2f} (goal {verdict['mean']:g})"
    if verdict["cells"] < verdict["of"]:
        text += f"; {verdict['cells']} of {verdict['of']} cells measured"
    return f"{'met    ' if verdict['met'] else 'NOT MET'}  {text}"


def summary(results: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Every goal's verdict, and the lines that say them: the unmeasured ones share the last."""
    results = list(results)
    verdicts = [judge(goal, results) for goal in GOALS]
    lines = [sentence(v) for v in verdicts if v["met"] is not None]
    missing = [v["goal"] for v in verdicts if v["met"] is None]
    if missing:
        lines.append(f"Not measured in this run: {'; '.join(missing)}.")
    return verdicts, lines


def _number(kind: str, number: float) -> str:
    if kind == "share":
        return f"{100 * number:.0f} %"
    if kind == "time":
        return f"{number:.3g} us"
    return f"{number:.2f}"
