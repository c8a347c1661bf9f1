"""Chapter 4: how far back a gradient reaches, over 100 steps of real text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import fastrnn as fr
from fastrnn import plot

from . import completion
from .epochs import Epochs
from .report import Chapter, Picture

STEPS, BATCH = 100, 32
TINY = np.finfo(np.float64).tiny
DOORS = {
    "rnn": (fr.functional.rnn_forward, fr.functional.rnn_backward),
    "lstm": (fr.functional.lstm_forward, fr.functional.lstm_backward),
}


def norms(kind: str, params: dict[str, Any], x: np.ndarray, dh: np.ndarray) -> np.ndarray:
    """The mean norm over the batch of dL/dh_t at each step, float64 [T].

    The sequence is run step by step; each step's backward hands the gradient of its initial state to the one
    before it.

    Parameters
    ----------
    kind : "rnn" or "lstm"
    params : as in `fastrnn.functional`
    x : [B, T, I]
    dh : [B, H], the gradient of the last h; the loss sees no other step
    """
    forward, backward = DOORS[kind]
    state, caches = None, []
    for t in range(x.shape[1]):
        _, state, cache = forward(x[:, t : t + 1], params, state, training=True)
        caches.append(cache)
    dstate: Any = (dh, None) if kind == "lstm" else dh
    found = []
    for cache in reversed(caches):
        found.append(np.linalg.norm(dstate[0] if kind == "lstm" else dstate, axis=1).mean())
        _, dstate, _ = backward(None, cache, dstate)
    return np.array(found[::-1])


@dataclass(frozen=True)
class Pace:
    """What happens to a gradient on its way back: the factor of one step, and the same in words."""

    per_step: float
    english: str
    korean: str


def factor(found: np.ndarray) -> Pace:
    """The mean pace between the last step and the first."""
    octaves = float(np.log2(max(found[0], TINY)) - np.log2(max(found[-1], TINY))) / (len(found) - 1)
    if octaves == 0:
        return Pace(1.0, "stays as it is", "그대로입니다")
    steps = 1 / abs(octaves)
    english, korean = ("halves", "절반이 됩니다") if octaves < 0 else ("doubles", "두 배가 됩니다")
    return Pace(2.0**octaves, f"{english} every {steps:.1f} steps", f"{steps:.1f}단계마다 {korean}")


def of_model(kind: str, model: fr.Sequential, ids: np.ndarray) -> np.ndarray:
    """`norms` of a model of characters: it reads ids [B, T + 1] but the last, of which the loss is -log p."""
    params = {name: array.astype(np.float64) for name, array in model.named_params().items()}
    recurrence = {name.split("/")[1]: p for name, p in params.items() if name.startswith(kind)}
    W, b = params["dense/W"], params["dense/b"]
    x = np.eye(W.shape[0])[ids[:, :-1]]
    _, state, _ = DOORS[kind][0](x, recurrence)
    h = state[0] if kind == "lstm" else state
    logits = h @ W.T + b
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(p)), ids[:, -1]] -= 1
    return norms(kind, recurrence, x, p @ W)


def enlarged(model: fr.Sequential) -> fr.Sequential:
    """The model with recurrent weights twice as large."""
    with model.writing() as params:
        for name, array in params.items():
            if name.endswith("W_hh"):
                array *= 2
    return model


def run(seed: int, quick: bool, data: completion.Corpus, lstm: fr.Sequential) -> Chapter:
    """Measure fresh networks, one with large weights, an RNN trained here and the LSTM of chapter 1."""
    text = data.alphabet.encode(data.held_out)
    starts = np.random.default_rng(seed).integers(0, len(text) - STEPS, BATCH)
    ids = text[starts[:, None] + np.arange(STEPS + 1)]
    plan = completion.QUICK if quick else completion.FULL
    plan = replace(plan, epochs=1 if quick else 3, learning_rate=3e-3)  # an RNN cannot take the LSTM's rate
    bar = Epochs("RNN on the manual", plan.epochs)
    rnn, _ = completion.train(
        fr.RNN, data.alphabet, data.train, data.windows, plan, seed, callbacks=(bar,), verbose=0
    )

    def fresh(cell: Any) -> fr.Sequential:
        return completion.network(cell, data.alphabet.size, plan.units, seed, False)

    first = {
        "RNN": of_model("rnn", fresh(fr.RNN), ids),
        "LSTM": of_model("lstm", fresh(fr.LSTM), ids),
        "RNN, recurrent weights x 2": of_model("rnn", enlarged(fresh(fr.RNN)), ids),
    }
    after = {"RNN": of_model("rnn", rnn, ids), "LSTM": of_model("lstm", lstm, ids)}
    pace = {name: factor(values) for name, values in first.items()}
    trained = {name: factor(values) for name, values in after.items()}

    def seen(which: dict[str, Pace], korean: bool = False) -> str:
        return "; ".join(f"{name} {p.korean if korean else p.english}" for name, p in which.items())

    return Chapter(
        "How far back a gradient reaches",
        "기울기는 얼마나 먼 과거까지 닿을까요",
        (
            f"The networks read {STEPS} characters of held-out text, and the loss is that of the next one. "
            f"The curves show how large its gradient still is at each earlier step, averaged over {BATCH} "
            "places in the text.",
            f"평가용 글에서 {STEPS}자를 읽고 그다음 글자의 손실을 구합니다. 그 기울기가 앞 단계로 거슬러 "
            f"가면서 얼마나 남아 있는지를 {BATCH}곳의 평균으로 그렸습니다.",
        ),
        [f"Gradient going back, fresh: {seen(pace)}", f"After training: {seen(trained)}"],
        {
            "fresh_factor_per_step": {name: p.per_step for name, p in pace.items()},
            "trained_factor_per_step": {name: p.per_step for name, p in trained.items()},
        },
        [
            Picture(
                "gradients-fresh", plot.gradient_norms(first),
                "Before training, with fastrnn's initial weights. Going back in time, the gradient behaves "
                f"like this: {seen(pace)}. On this log axis a vanishing gradient falls to the left, an "
                "exploding one rises.",
                "학습 전, fastrnn의 초기 가중치입니다. 과거로 갈수록 기울기는 이렇습니다. "
                f"{seen(pace, True)}. 로그 축에서 왼쪽으로 갈수록 내려가면 기울기 소실, 올라가면 기울기 "
                "폭주입니다.",
            ),
            Picture(
                "gradients-trained", plot.gradient_norms(after),
                f"After training: the LSTM of chapter 1 and an RNN of as many units that read the same text "
                f"{plan.epochs} times. {seen(trained)}. What is left after {STEPS - 1} steps: "
                f"{after['LSTM'][0] / after['LSTM'][-1]:.0e} in the LSTM, "
                f"{after['RNN'][0] / after['RNN'][-1]:.0e} in the RNN.",
                f"학습 후: 1장의 LSTM과, 유닛 수가 같고 같은 글을 {plan.epochs}번 읽은 RNN입니다. "
                f"{seen(trained, True)}. {STEPS - 1}단계 앞에 남은 비율은 LSTM "
                f"{after['LSTM'][0] / after['LSTM'][-1]:.0e}, RNN "
                f"{after['RNN'][0] / after['RNN'][-1]:.0e}입니다.",
            ),
        ],
    )  # fmt: skip
