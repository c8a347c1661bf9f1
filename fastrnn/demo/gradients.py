"""Chapter 4: how far back a gradient reaches, over 100 steps of real text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import fastrnn as fr
from fastrnn import plot
from fastrnn.diagnostics import Diagnosis
from fastrnn.tasks import SentenceCompleter

from . import completion
from .epochs import Epochs
from .report import Chapter, Picture

STEPS, BATCH = 100, 32


@dataclass(frozen=True)
class Pace:
    """What happens to a gradient on its way back: the factor of one step, and the same in words."""

    per_step: float
    english: str
    korean: str


def pace_of(report: Diagnosis) -> Pace:
    """The mean pace over the whole way back."""
    steps = len(report.arriving) - 1
    if report.half_life < np.inf:
        per_step = 2.0 ** (-1 / report.half_life) if report.half_life else 0.0
        return Pace(
            per_step, f"halves every {report.half_life:.1f} steps",
            f"{report.half_life:.1f}단계마다 절반이 됩니다",
        )  # fmt: skip
    octaves = float(np.log2(report.arriving[-1]))
    if octaves <= 0:
        return Pace(1.0, "stays as it is", "그대로입니다")
    double = steps / octaves
    return Pace(
        2.0 ** (1 / double), f"doubles every {double:.1f} steps", f"{double:.1f}단계마다 두 배가 됩니다"
    )


def read(model: fr.Sequential, ids: np.ndarray) -> Diagnosis:
    """The diagnosis of a model of characters that reads ids [B, T + 1] and tells each next one."""
    return fr.diagnose(model, ids[:, :-1], ids[:, 1:], examples=None)


def enlarged(model: fr.Sequential) -> fr.Sequential:
    """The model with recurrent weights twice as large."""
    with model.writing() as params:
        for name, array in params.items():
            if name.endswith("W_hh"):
                array *= 2
    return model


def run(seed: int, quick: bool, data: completion.Corpus, lstm: SentenceCompleter) -> Chapter:
    """Measure fresh networks, one with large weights, an RNN trained here and the LSTM of chapter 1."""
    text = lstm.encode(data.held_out)
    starts = np.random.default_rng(seed).integers(0, len(text) - STEPS, BATCH)
    ids = text[starts[:, None] + np.arange(STEPS + 1)]
    plan = completion.QUICK if quick else completion.FULL
    plan = replace(plan, epochs=1 if quick else 3, learning_rate=3e-3)  # an RNN cannot take the LSTM's rate
    bar = Epochs("RNN on the manual", plan.epochs)
    rnn, _ = completion.train("rnn", data.train, data.held_out, plan, seed, callbacks=(bar,), verbose=0)

    def fresh(cell: str) -> fr.Sequential:
        unread = replace(plan, epochs=0)
        return completion.train(cell, data.train, data.held_out, unread, seed, verbose=0)[0].model

    first = {
        "RNN": read(fresh("rnn"), ids),
        "LSTM": read(fresh("lstm"), ids),
        "RNN, recurrent weights x 2": read(enlarged(fresh("rnn")), ids),
    }
    after = {"RNN": read(rnn.model, ids), "LSTM": read(lstm.model, ids)}
    pace = {name: pace_of(report) for name, report in first.items()}
    trained = {name: pace_of(report) for name, report in after.items()}
    left = {name: float(report.arriving[-1]) for name, report in after.items()}

    def draw(reports: dict[str, Diagnosis]) -> Any:
        shares = {name: report.arriving[::-1] for name, report in reports.items()}
        return plot.gradient_norms(shares, ylabel="gradient left, of that at the loss")

    def seen(which: dict[str, Pace], korean: bool = False) -> str:
        return "; ".join(f"{name} {p.korean if korean else p.english}" for name, p in which.items())

    return Chapter(
        "How far back a gradient reaches",
        "기울기는 얼마나 먼 과거까지 닿을까요",
        (
            f"The networks read {STEPS} characters of held-out text, and the loss is that of the next one. "
            "The curves show how much of its gradient is left at each earlier step (in the LSTM, at its "
            f"memory cell), averaged over {BATCH} places in the text.",
            f"평가용 글에서 {STEPS}자를 읽고 그다음 글자의 손실을 구합니다. 그 기울기가 앞 단계로 거슬러 "
            f"가면서 얼마나 남아 있는지를 (LSTM은 기억 셀에서) {BATCH}곳의 평균으로 그렸습니다.",
        ),
        [f"Gradient going back, fresh: {seen(pace)}", f"After training: {seen(trained)}"],
        {
            "fresh_factor_per_step": {name: p.per_step for name, p in pace.items()},
            "trained_factor_per_step": {name: p.per_step for name, p in trained.items()},
            "fresh_verdict": {name: report.verdict for name, report in first.items()},
            "trained_verdict": {name: report.verdict for name, report in after.items()},
        },
        [
            Picture(
                "gradients-fresh", draw(first),
                "Before training, with fastrnn's initial weights. Going back in time, the gradient behaves "
                f"like this: {seen(pace)}. On this log axis a vanishing gradient falls to the left, an "
                "exploding one rises.",
                "학습 전, fastrnn의 초기 가중치입니다. 과거로 갈수록 기울기는 이렇습니다. "
                f"{seen(pace, True)}. 로그 축에서 왼쪽으로 갈수록 내려가면 기울기 소실, 올라가면 기울기 "
                "폭주입니다.",
            ),
            Picture(
                "gradients-trained", draw(after),
                f"After training: the LSTM of chapter 1 and an RNN of as many units that read the same text "
                f"{plan.epochs} times. {seen(trained)}. What is left after {STEPS - 1} steps: "
                f"{left['LSTM']:.0e} in the LSTM, {left['RNN']:.0e} in the RNN.",
                f"학습 후: 1장의 LSTM과, 유닛 수가 같고 같은 글을 {plan.epochs}번 읽은 RNN입니다. "
                f"{seen(trained, True)}. {STEPS - 1}단계 앞에 남은 비율은 LSTM "
                f"{left['LSTM']:.0e}, RNN {left['RNN']:.0e}입니다.",
            ),
        ],
    )  # fmt: skip
