"""Lesson 6: vanishing and exploding gradients, seen before training, and cured.

제6과: 기울기 소실과 기울기 폭주. 학습하기 전에 눈으로 확인하고, 고쳐 봅니다.

Back-propagation through time multiplies the gradient by the recurrent weights once a step.  Over a
hundred steps a factor of 0.9 leaves 0.00003 of it, and a factor of 1.1 makes it 14,000 times as large.
The first network cannot learn what happened long ago; the training of the second one jumps about.

시간 역전파(BPTT)는 한 스텝을 거슬러 올라갈 때마다 기울기에 순환 가중치를 한 번씩 곱합니다.
100스텝이면 0.9를 곱한 쪽은 0.00003만 남고(소실), 1.1을 곱한 쪽은 14,000배가 됩니다(폭주).
앞의 신경망은 오래전 일을 배울 수 없고, 뒤의 신경망은 학습 도중에 가중치가 엉뚱한 곳으로 튀어 버립니다.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

import fastrnn as fr
from fastrnn.initializers import Chrono, Identity, Normal, Orthogonal
from fastrnn.samples import temporal_order

UNITS = 32


def network(layer: fr.Recurrent, optimizer: object) -> fr.Sequential:
    """One of eight symbols a step, and one of four classes at the end."""
    model = fr.Sequential([fr.OneHot(8), layer, fr.Dense(4, activation="softmax")], seed=0)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(out: Path, quick: bool) -> None:
    # 1. The puzzle: an X or Y near the beginning, another in the middle, and a hundred symbols of no use.  At
    #    the end the network has to say in which order they came (Hochreiter and Schmidhuber 1997, 6a).
    #    문제: 앞부분에 X나 Y가 하나, 중간에 또 하나 있고, 나머지 100개 남짓한 기호는 쓸모가 없습니다.
    #    신경망은 마지막에 두 기호가 어떤 순서로 나왔는지 답해야 합니다.
    T, n = (60, 3_000) if quick else (100, 20_000)
    x, y = temporal_order(n, T, seed=0)
    test = temporal_order(1_000, T, seed=1)
    longest = T + T // 10
    print("1. The puzzle / 문제")
    print("  ", "".join(fr.samples.puzzles.SYMBOLS[i] for i in x[0]), "->", fr.samples.puzzles.CLASSES[y[0]])

    # 2. Five networks that have not learnt anything yet.  How much of the gradient is left on the way back?
    #    아직 아무것도 배우지 않은 신경망 다섯 개입니다. 거슬러 올라가는 동안 기울기가 얼마나 남을까요?
    layers = {
        "RNN, small weights": fr.RNN(UNITS, recurrent_initializer=Orthogonal(0.8)),
        "RNN, large weights": fr.RNN(UNITS, recurrent_initializer=Orthogonal(2.0)),
        "RNN, orthogonal": fr.RNN(UNITS),
        "LSTM, forget bias 0": fr.LSTM(UNITS, unit_forget_bias=False),
        "LSTM, long memory": fr.LSTM(UNITS, bias_initializer=Chrono(longest)),
    }
    adam = {name: fr.optimizers.Adam(0.003, global_clipnorm=1.0) for name in layers}
    models = {name: network(layer, adam[name]) for name, layer in layers.items()}
    reports = {name: fr.diagnose(model, x, y) for name, model in models.items()}
    print(f"\n2. Before training / 학습 전 ({longest} steps / 스텝)")
    print("   network / 신경망          half-life / 반감기      left / 남은 비율   verdict / 진단")
    for name, report in reports.items():
        print(f"   {name:<24}  {report.half_life:16.1f}  {report.arriving[-1]:20.1e}   {report.verdict}")

    # 3. The cures: for vanishing, orthogonal weights or a cell that adds instead of multiplying (the LSTM,
    #    its forget gate open from the start); for exploding, clipping.
    #    처방: 소실에는 직교 초기화, 또는 곱하는 대신 더하는 기억 셀(망각 게이트를 처음부터 열어 둔 LSTM)이,
    #    폭주에는 기울기 자르기(clipping)가 약입니다.
    print("\n3. Advice / 처방")
    for name in ("RNN, large weights", "LSTM, forget bias 0"):
        print(f"   {name}:", *reports[name].advice, sep="\n     ")

    # 4. Is the verdict right?  The same training for two of them.
    #    진단이 맞을까요? 두 신경망을 똑같이 학습시켜 봅니다.
    print("\n4. After training: accuracy on new sequences (chance is 25 %)")
    print("   학습 후: 새 수열에 대한 정확도(찍으면 25 %)")
    curves = {}
    for name in ("RNN, orthogonal", "LSTM, long memory"):
        history = models[name].fit(x, y, epochs=3 if quick else 4, verbose=0)
        curves[name] = history.history["accuracy"]
        print(f"   {name:<24} {models[name].evaluate(*test)[1]:6.1%}")

    # 5. Clipping: weights that let the gradient grow, with and without an upper bound for its norm.
    #    기울기 자르기: 기울기가 커지는 가중치로, 노름에 상한을 둔 경우와 두지 않은 경우를 견줍니다.
    print("\n5. An exploding RNN / 기울기가 폭주하는 RNN")
    x, y = temporal_order(6_000 if quick else 20_000, 30, seed=0)
    test = temporal_order(1_000, 30, seed=1)
    for clip in (None, 1.0):
        start = {"recurrent_initializer": Identity(1.2), "kernel_initializer": Normal(0.0, 0.1)}
        sgd = fr.optimizers.SGD(0.01, momentum=0.9, global_clipnorm=clip)
        model = network(fr.RNN(UNITS, "relu", **start), sgd)
        model.fit(x, y, epochs=1 if quick else 2, verbose=0)
        print(f"   global_clipnorm={clip!s:<5}  accuracy / 정확도 {model.evaluate(*test)[1]:6.1%}")

    figure = Figure(figsize=(11, 4.2), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    shares = {name: report.arriving[::-1] for name, report in reports.items()}
    fr.plot.gradient_norms(shares, left, ylabel="gradient left, of that at the loss")
    left.axhspan(1e-3, 30, color="0.85", zorder=0)
    left.set_title("before training; grey: healthy", fontsize="medium")
    fr.plot.training_curves(curves, right, ylabel="accuracy")
    right.axhline(0.25, color="0.5", linestyle=":")
    right.set_ylim(0, 1.02)
    right.set_title("training", fontsize="medium")
    figure.savefig(out / "6_gradients.png")
    print("\nPicture / 그림:", out / "6_gradients.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a much shorter form")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the picture")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out, arguments.quick)
