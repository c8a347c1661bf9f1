"""Chapter 2: RNN, GRU and LSTM read handwritten digits row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import fastrnn as fr
from fastrnn import plot

from .epochs import Epochs
from .report import Chapter, Picture

CELLS = {"RNN": fr.RNN, "GRU": fr.GRU, "LSTM": fr.LSTM}
UNITS, BATCH, RATE = 128, 32, 5e-3
DROPOUT = {"dropout": 0.1, "recurrent_dropout": 0.25}  # chosen by cross-validation of the training part


@dataclass(frozen=True)
class Digits:
    """scikit-learn's digits in two parts: x [N, 8, 8] in [0, 1] float32, y [N] int64."""

    x: np.ndarray
    y: np.ndarray
    x_held: np.ndarray
    y_held: np.ndarray


def load() -> Digits:
    """A quarter is held out, the same share of each digit; the split is always the same."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    x = (images.reshape(-1, 8, 8) / 16).astype(np.float32)
    parts = train_test_split(x, labels.astype(np.int64), test_size=0.25, stratify=labels, random_state=0)
    return Digits(parts[0], parts[2], parts[1], parts[3])


def confusion(true: np.ndarray, told: np.ndarray, size: int) -> np.ndarray:
    """int64 [size, size]: how often each class (row) was told as each (column)."""
    return np.bincount(true * size + told, minlength=size * size).reshape(size, size)


def run(seed: int, quick: bool) -> Chapter:
    """Train the three and compare them on held-out digits."""
    digits = load()
    epochs = 4 if quick else 40
    curves, share, wrong = {}, {}, {}
    matrix = np.zeros((10, 10), np.int64)
    for name, cell in CELLS.items():
        model = fr.Sequential([cell(UNITS, **DROPOUT), fr.Dense(10, activation="softmax")], seed=seed)
        steps = epochs * -(-len(digits.x) // BATCH)
        rate = fr.schedules.CosineDecay(RATE, steps, alpha=0.02)
        adam = fr.optimizers.Adam(rate, global_clipnorm=1.0)
        model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(
            digits.x, digits.y, epochs=epochs, batch_size=BATCH, verbose=0,
            validation_data=(digits.x_held, digits.y_held), callbacks=[Epochs(name, epochs)],
        )  # fmt: skip
        told = model.predict(digits.x_held).argmax(axis=1)
        curves[name] = [100 * a for a in history.history["val_accuracy"]]
        share[name] = float((told == digits.y_held).mean())
        wrong[name] = int((told != digits.y_held).sum())
        matrix = confusion(digits.y_held, told, 10)  # the last one, the LSTM's, is drawn
    held = len(digits.y_held)
    accuracy = ", ".join(f"{name} {100 * a:.1f} %" for name, a in share.items())
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, 0)
    true, told_as = np.unravel_index(mistakes.argmax(), mistakes.shape)
    worst = "none"
    if mistakes.any():
        worst = f"{true} as {told_as}, {mistakes.max()} of {matrix[true].sum()} times"
    lines = [
        f"Held-out digits read correctly: {accuracy}",
        f"Wrong among {held}: {', '.join(f'{name} {n}' for name, n in wrong.items())}",
    ]
    figures = {f"{name.lower()}_accuracy": a for name, a in share.items()}
    return Chapter(
        "Three recurrences read digits row by row",
        "세 가지 순환망이 숫자 그림을 한 줄씩 읽습니다",
        (
            f"Each picture of 8 rows with 8 pixels is a sequence of 8 steps. RNN, GRU and LSTM have {UNITS} "
            f"units each and learn {len(digits.y):,} digits for {epochs} epochs; {held} others are held out.",
            f"8줄 × 8픽셀 그림을 8단계짜리 시퀀스로 읽습니다. RNN, GRU, LSTM 모두 유닛 {UNITS}개이고 "
            f"숫자 {len(digits.y):,}개를 {epochs}에폭 동안 배웁니다. 나머지 {held}개로 평가합니다.",
        ),
        lines,
        {**figures, "wrong": wrong, "held_out": held, "units": UNITS, "epochs": epochs},
        [
            Picture(
                "digits-accuracy",
                plot.training_curves(curves, ylabel="held-out digits read correctly, %"),
                f"Share of held-out digits read correctly after each epoch. At the end: {accuracy}.",
                f"에폭마다 평가용 숫자를 맞힌 비율입니다. 마지막 값은 {accuracy}입니다.",
            ),
            Picture(
                "digits-wrong",
                plot.bars(wrong, ylabel=f"wrong among {held} held-out digits", form="{:.0f}"),
                f"Mistakes among {held} held-out digits; a shorter bar is better.",
                f"평가용 숫자 {held}개 가운데 틀린 개수입니다. 막대가 짧을수록 좋습니다.",
            ),
            Picture(
                "digits-confusion",
                plot.confusion_matrix(matrix, range(10)),
                "What the LSTM said (columns) about each digit (rows). Off the diagonal stand its mistakes; "
                f"the commonest: {worst}.",
                "각 숫자(행)를 LSTM이 무엇으로 읽었는지(열)입니다. 대각선 밖이 틀린 경우입니다.",
            ),
        ],
    )  # fmt: skip
