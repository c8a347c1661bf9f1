"""The Keras-shaped builder from first layer to file, on networks of the tasks, and beside Keras itself."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import assert_close, assert_same_bits

import fastrnn as fr
from fastrnn.samples import daily

V, TAGS, T, UNITS = 12, 4, 7, 5


def tagger(kit: Any) -> list[Any]:
    """A bidirectional tagger; `kit` is fastrnn or keras.layers, the lines are the same."""
    return [
        kit.Embedding(V, 6),
        kit.Bidirectional(kit.LSTM(UNITS, return_sequences=True)),
        kit.Dense(TAGS, activation="softmax"),
    ]


def classifier(kit: Any) -> list[Any]:
    """One answer for a sequence."""
    return [kit.Embedding(V, 6), kit.SimpleRNN(UNITS), kit.Dense(1, activation="sigmoid")]


def autoencoder(kit: Any) -> list[Any]:
    """An encoder-decoder over windows [B, T, 2]."""
    return [
        kit.LSTM(UNITS),
        kit.RepeatVector(T),
        kit.LSTM(UNITS, return_sequences=True),
        kit.TimeDistributed(kit.Dense(2)),
    ]


def ids(n: int = 60, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, V, (n, T))


def windows(n: int = 60) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, T, 2)).astype("float32")


def test_a_tagger_built_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tag of a word depends on the word and on the next one."""
    x = ids(400)
    y = (x + np.roll(x, -1, axis=1)) % 2 + 2 * (x % 2)
    model = fr.Sequential(tagger(fr), seed=0)
    model.compile(fr.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=20, batch_size=32, validation_split=0.1, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0] and history["val_accuracy"][-1] > 0.9
    loss, accuracy = model.evaluate(x, y)
    p = model.predict(x)
    assert p.shape == (400, T, TAGS)
    assert_close(p.sum(axis=2), np.ones((400, T)), 1e-5)
    assert accuracy == pytest.approx((p.argmax(axis=2) == y).mean())
    right = np.take_along_axis(p, y[..., None], axis=2).astype(float)
    assert loss == pytest.approx(-np.log(right).mean(), rel=1e-4)
    model.summary()
    total = 12 * 6 + 2 * (4 * UNITS * (6 + UNITS) + 4 * UNITS) + TAGS * (2 * UNITS + 1)
    assert f"{total:,}" in capsys.readouterr().out and model.count_params() == total
    model.draw(tmp_path / "m.svg")
    assert "Bidirectional" in (tmp_path / "m.svg").read_text(encoding="utf-8")

    model.save(tmp_path / "m.fastrnn")
    assert_same_bits(fr.load(tmp_path / "m.fastrnn").predict(x), p)
    fresh = fr.Sequential(tagger(fr), seed=1)
    fresh.build((None, None))
    assert (fresh.predict(x) != p).any()
    fresh.set_weights(model.get_weights())
    assert_same_bits(fresh.predict(x), p)


def test_an_autoencoder_built_by_hand_is_the_ready_made_one() -> None:
    days, _ = daily(12, normal=12, anomalies=())
    x = ((days - 100) / 20).reshape(-1, 24, 1).astype("float32")
    by_hand = [
        fr.LSTM(UNITS), fr.RepeatVector(24), fr.LSTM(UNITS, return_sequences=True),
        fr.TimeDistributed(fr.Dense(1)),
    ]  # fmt: skip
    model = fr.Sequential(by_hand, seed=0)
    model.compile(fr.optimizers.Adam(0.01), "mse")
    history = model.fit(x, x, epochs=15, batch_size=8, verbose=0).history
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    ready = fr.SequenceAutoencoder(UNITS, seed=3)
    ready.fit(x, epochs=1, verbose=0)
    ready.model.set_weights(model.get_weights())
    assert_same_bits(ready.reconstruct(x), model.predict(x))
    assert ready.score_samples(x).mean() == pytest.approx(model.evaluate(x, x), rel=1e-5)
    # And so is the one inside the detector.
    detector = fr.tasks.AnomalyDetector("lstm", window=24, units=UNITS, seed=0)
    detector.fit(x, epochs=1, verbose=0)
    detector.model.set_weights(model.get_weights())
    scaled = detector.scale.apply(x).astype("float32")
    assert_close(detector.scale.apply(detector.reconstruct(x)), model.predict(scaled), 1e-6)


@pytest.mark.filterwarnings("ignore")  # Keras' own
@pytest.mark.parametrize(
    ("layers", "x"), [(tagger, ids()), (classifier, ids()), (autoencoder, windows())],
    ids=["tagger", "classifier", "autoencoder"],
)  # fmt: skip
def test_keras_says_the_same_with_the_same_weights(layers: Callable[[Any], list[Any]], x: np.ndarray) -> None:
    """Keras keeps the same arrays in the same order, transposed; its gates i f c o are i f g o here."""
    keras = imported_keras()
    ours = fr.Sequential(layers(fr), seed=0)
    ours.predict(x)
    biased = [w + 0.1 * np.arange(w.size, dtype="f").reshape(w.shape) / w.size for w in ours.get_weights()]
    ours.set_weights(biased)  # no bias is zero
    y = ours.predict(x)
    theirs = keras.Sequential(layers(keras.layers))
    theirs.build(x.shape if x.ndim == 3 else (None, T))
    turned = transposed(ours, biased)
    assert [w.shape for w in turned] == [tuple(w.shape) for w in theirs.get_weights()]
    theirs.set_weights(turned)
    assert_close(y, np.asarray(theirs.predict(x, verbose=0)), 1e-5)
    # And back again.
    fresh = fr.Sequential(layers(fr), seed=1)
    fresh.predict(x)
    fresh.set_weights(transposed(fresh, theirs.get_weights()))
    assert_same_bits(fresh.predict(x), y)


def transposed(model: fr.Sequential, weights: list[np.ndarray]) -> list[np.ndarray]:
    """Weights in the form of the other library: all but an embedding's table are turned."""
    pairs = zip(model.named_params(), weights, strict=True)
    return [w if name.startswith("embedding") else w.T for name, w in pairs]


def imported_keras() -> Any:
    """Keras on whichever backend there is."""
    installed = [name for name in ("torch", "jax", "tensorflow") if importlib.util.find_spec(name)]
    if not installed:
        pytest.skip("Keras has no backend here")
    os.environ.setdefault("KERAS_BACKEND", installed[0])
    return pytest.importorskip("keras")
