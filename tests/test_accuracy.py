"""Real data that every machine has: the recurrences read handwritten digits row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastrnn as fr


@pytest.fixture(scope="module")
def digits() -> Any:
    """(x [n, 8, 8] in [0, 1], y) to train on, and the same held out."""
    load = pytest.importorskip("sklearn.datasets").load_digits
    x, y = load(return_X_y=True)
    x = (x.reshape(-1, 8, 8) / 16).astype("float32")
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[360:], order[:360]
    return x[train], y[train], x[test], y[test]


@pytest.mark.parametrize(("cell", "least"), [(fr.LSTM, 0.96), (fr.GRU, 0.96), (fr.RNN, 0.93)])
def test_recurrences_read_digits(digits: Any, cell: Any, least: float) -> None:
    x, y, xt, yt = digits
    model = fr.Sequential([fr.Bidirectional(cell(32)), fr.Dense(10, activation="softmax")], seed=0)
    optimizer = fr.optimizers.Adam(0.01, global_clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=12, batch_size=32, verbose=0)
    assert model.evaluate(xt, yt)[1] > least


def test_an_lstm_alone_reads_digits(digits: Any) -> None:
    x, y, xt, yt = digits
    model = fr.Sequential([fr.LSTM(64), fr.Dense(10, activation="softmax")], seed=0)
    model.compile(fr.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=15, batch_size=32, verbose=0)
    assert model.evaluate(xt, yt)[1] > 0.96


@pytest.mark.parametrize("kind", ["dense", "sequence"])
def test_autoencoders_flag_the_other_digits(digits: Any, kind: str) -> None:
    x, y, xt, yt = digits
    model: Any
    if kind == "dense":
        model = fr.Autoencoder((32, 8), optimizer=fr.optimizers.Adam(0.005), seed=0)
        x, xt = x.reshape(-1, 64), xt.reshape(-1, 64)
    else:
        model = fr.SequenceAutoencoder(32, optimizer=fr.optimizers.Adam(0.01), seed=0)
    model.fit(x[y == 0], epochs=60, batch_size=16, verbose=0)
    auroc = fr.metrics.AUROC()
    auroc.update(np, model.score_samples(xt), (yt != 0).astype(int))
    assert auroc.result() > 0.95
    model.fit_threshold(x[y == 0], 0.95)
    assert model.predict(xt[yt != 0]).mean() > 0.9 and model.predict(xt[yt == 0]).mean() < 0.3
