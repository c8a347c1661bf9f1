"""Lesson 1: the recurrent network, x -> A -> h -> y, by hand and with fastrnn.

제1과: 순환 신경망(RNN), x -> A -> h -> y. 손으로 계산한 값과 fastrnn의 값을 비교합니다.

At every time step the network reads x_t and mixes it with what it remembers, h_{t-1}:
매 시점마다 신경망은 입력 x_t를 읽어, 기억하고 있던 h_{t-1}과 섞습니다.

    A_t = W_xh x_t + W_hh h_{t-1} + b
    h_t = tanh(A_t)
    y_t = W_hy h_t + b_y
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fastrnn as fr

WORDS = "나는 오늘 아침 일찍 학교에 간다".split()
OTHER = "너는 오늘 아침 일찍 학교에 간다".split()  # the first word differs, the others are the same
UNITS = 8


def by_hand(x: np.ndarray, W_xh: np.ndarray, W_hh: np.ndarray, b: np.ndarray) -> np.ndarray:
    """h_1 .. h_T, [T, H], for the inputs x [T, I]."""
    h, states = np.zeros(len(b)), []
    for x_t in x:
        A = W_xh @ x_t + W_hh @ h + b
        h = np.tanh(A)
        states.append(h)
    return np.array(states)


def recurrence(model: fr.Sequential, ids: np.ndarray) -> np.ndarray:
    """The hidden states of a model's RNN for one sequence of ids, computed with `fr.functional`."""
    layer = model.layers[1]
    x = np.eye(layer.in_shape.width)[ids][None]
    return fr.functional.rnn_forward(x, layer.params)[0][0]


def main(out: Path, quick: bool) -> None:
    # 1. Words as one-hot vectors: a one at the word's own place.  Place 0 is kept for unknown words.
    #    단어를 원-핫 벡터로: 그 단어의 자리만 1입니다. 0번 자리는 모르는 단어의 몫입니다.
    vocabulary = fr.text.Vocabulary.of([*WORDS, *OTHER])
    ids, other = vocabulary.encode(WORDS), vocabulary.encode(OTHER)
    x = np.eye(vocabulary.size)[ids]
    print(f"1. {len(WORDS)} words as one-hot vectors / 단어 {len(WORDS)}개를 원-핫 벡터로")
    for word, row in zip(WORDS, x, strict=True):
        print(f"   {row.astype(int)}  {word}")

    # 2. h_t = tanh(W_xh x_t + W_hh h_{t-1} + b), step by step in NumPy.
    #    NumPy로 한 단계씩 계산합니다.
    rng = np.random.default_rng(0)
    W_xh, W_hh = rng.normal(0, 0.6, (UNITS, vocabulary.size)), rng.normal(0, 0.35, (UNITS, UNITS))
    b = rng.normal(0, 0.1, UNITS)
    states = by_hand(x, W_xh, W_hh, b)
    print("\n2. By hand, the first three units of h / 손으로 계산한 h의 앞 세 유닛")
    for word, h in zip(WORDS, states, strict=True):
        print(f"   {h[:3].round(3)}  {word}")

    # 3. The same with fastrnn: as a function, and as a layer of a model with y = W_hy h + b_y behind it.
    #    fastrnn으로 똑같이: 함수로, 그리고 y = W_hy h + b_y가 뒤에 붙은 모델의 층으로 계산합니다.
    y, last, _ = fr.functional.rnn_forward(x[None], {"W_ih": W_xh, "W_hh": W_hh, "b": b})
    layers = [fr.OneHot(vocabulary.size), fr.RNN(UNITS, return_sequences=True), fr.Dense(2)]
    model = fr.Sequential(layers, seed=0, dtype="float64")
    model.build((None, None))
    W_hy, b_y = rng.normal(0, 0.6, (2, UNITS)), np.zeros(2)
    model.set_weights([W_xh, W_hh, b, W_hy, b_y])
    print("\n3. The largest difference from fastrnn / fastrnn과의 가장 큰 차이")
    print(f"   h, fr.functional.rnn_forward: {np.abs(y[0] - states).max():.1e}")
    print(f"   h_T, its last state / 마지막 상태: {np.abs(last[0] - states[-1]).max():.1e}")
    given = model.predict(ids[None])[0]
    print(f"   y, fr.RNN + fr.Dense: {np.abs(given - (states @ W_hy.T + b_y)).max():.1e}")

    # 4. h carries what was read.  Two sentences differ in the first word alone: how far apart are their h?
    #    h는 지나간 입력을 간직합니다. 첫 단어만 다른 두 문장의 h는 얼마나 떨어져 있을까요?
    fades = np.linalg.norm(recurrence(model, ids) - recurrence(model, other), axis=1)
    print("\n4. Distance of h, 나는 / 너는, random weights / 첫 단어만 다를 때 h의 거리, 임의의 가중치")
    print("   ", fades.round(3))

    # 5. Training teaches h what to keep.  The question at the last step: which word came first?
    #    학습을 하면 무엇을 간직할지 배웁니다. 마지막 단계의 질문: 첫 단어는 무엇이었나요?
    layers = [fr.OneHot(vocabulary.size), fr.RNN(UNITS), fr.Dense(2, activation="softmax")]
    learner = fr.Sequential(layers, seed=0, dtype="float64")
    learner.build((None, None))
    learner.compile(fr.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    first = rng.integers(2, size=400)
    between = rng.integers(1, vocabulary.size, size=(400, len(WORDS) - 1))
    sequences = np.column_stack([np.where(first, ids[0], other[0]), between])
    learner.fit(sequences, first, epochs=5 if quick else 20, verbose=0)
    print("\n5. After training / 학습 후: accuracy / 정확도", f"{learner.evaluate(sequences, first)[1]:.2f}")
    kept = np.linalg.norm(recurrence(learner, ids) - recurrence(learner, other), axis=1)
    print("    distance / 거리:", kept.round(3))

    # 6. The picture: h over time, and how long the first word is remembered.
    #    그림: 시간에 따른 h와, 첫 단어를 얼마나 오래 기억하는지를 그립니다.
    figure = Figure(figsize=(9.6, 3.8), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    fr.plot.hidden_states(states, left, tokens=WORDS).set_title("hidden state h, step by step")
    distances = {"random weights": fades / fades[0], "trained": kept / kept[0]}
    for color, (name, values) in zip(fr.plot.COLORS, distances.items(), strict=False):
        right.plot(range(1, len(values) + 1), values, marker="o", color=color, label=name)
    right.set_title("two sentences, only the first word differs")
    right.set_xlabel("time step")
    right.set_ylabel("distance of their h, first step = 1")
    right.set_ylim(bottom=0)
    right.grid(alpha=0.3)
    right.legend()
    figure.savefig(out / f"{Path(__file__).stem}.png")
    print(f"\nPicture / 그림: {out / Path(__file__).stem}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short form, to see that it works")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the picture")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out, arguments.quick)
