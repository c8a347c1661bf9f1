"""The array code of cells, layers, losses and optimizers under CuPy's rules (tests/strict_device.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strict_device import DeviceArray, Module

import fastrnn as fr
from fastrnn import backends
from fastrnn.backends import Backend

DEVICE = Backend("cupy", Module())


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    create = backends._create
    monkeypatch.setattr(backends, "_create", lambda name: DEVICE if name == "cupy" else create(name))


def recurrent_stack() -> list[fr.Layer]:
    return [
        fr.Bidirectional(fr.LSTM(5, return_sequences=True, dropout=0.2, recurrent_dropout=0.2)),
        fr.Dropout(0.1),
        fr.GRU(4, return_sequences=True, go_backwards=True),
        fr.RNN(4, activation="relu"),
        fr.Dense(3, activation="softmax"),
    ]


def varied_stack() -> list[fr.Layer]:
    """Cells whose parts and activations are not the usual ones."""
    lstm = fr.LSTM(
        5, ["leaky_relu", 0.2], "hard_sigmoid", output_activation="softsign", peepholes=True, coupled=True,
        clip=2, projection=3, return_sequences=True,
    )  # fmt: skip
    return [
        fr.Bidirectional(lstm),
        fr.GRU(4, "gelu", reset_after=False, return_sequences=True, recurrent_dropout=0.2),
        fr.GRU(4, "selu", ["hard_sigmoid", 1 / 6], return_sequences=True),
        fr.LSTM(4, "elu", projection=3, return_sequences=True),
        fr.RNN(4, "hard_silu", clip=1),
        fr.Dense(4, activation="silu"),
        fr.Activation(["scaled_tanh", 1.2, 0.7]),
        fr.Dense(3, activation="softmax"),
    ]


def ids_stack() -> list[fr.Layer]:
    return [fr.Embedding(7, 4, mask_zero=True), fr.LSTM(5), fr.Dense(3, activation="softmax")]


def one_hot_stack() -> list[fr.Layer]:
    return [fr.OneHot(7), fr.GRU(5, stateful=False), fr.Dense(3, activation="softmax")]


def fit(backend: str, layers: list[fr.Layer], x: Any, y: Any, optimizer: Any, loss: str) -> Any:
    model = fr.Sequential(layers, seed=3, dtype="float64", backend=backend)
    model.compile(optimizer, loss, metrics=["accuracy"] if loss.startswith("sparse") else ["mae"])
    history = model.fit(x, y, epochs=2, batch_size=4, verbose=0, validation_split=0.25)
    return model, history.history


def words_stack() -> list[fr.Layer]:
    words = fr.Words(7, 3, alphabets=[7, 7], lengths=[2, 1], character_dim=2, units=3, unknown=0.2)
    return [words, fr.LSTM(4), fr.Dense(3, activation="softmax")]


@pytest.mark.parametrize("kind", ["padded", "ragged", "varied", "ids", "one-hot", "words", "autoencoder"])
def test_training_never_mixes_host_and_device(device: None, kind: str) -> None:
    rng = np.random.default_rng(0)
    y: Any = rng.integers(0, 3, 9)
    loss, optimizer = "sparse_categorical_crossentropy", fr.optimizers.Adam(0.01, global_clipnorm=1.0)
    if kind == "padded":
        x: Any = rng.standard_normal((9, 6, 2))
        make = recurrent_stack
    elif kind in ("ragged", "varied"):
        x = [rng.standard_normal((n, 2)) for n in (3, 0, 6, 1, 4, 2, 5, 2, 3)]
        make = recurrent_stack if kind == "ragged" else varied_stack
        optimizer = fr.optimizers.SGD(0.01, momentum=0.9, clipvalue=0.5)
    elif kind == "autoencoder":
        x = y = rng.standard_normal((9, 5, 2))
        loss, optimizer = "mse", fr.optimizers.RMSprop(0.01, clipnorm=1.0)

        def make() -> list[fr.Layer]:
            return [
                fr.Masking(0.0),
                fr.GaussianNoise(0.1),
                fr.LSTM(3),
                fr.ActivityRegularization(0.01),
                fr.RepeatVector(5),
                fr.LSTM(3, return_sequences=True),
                fr.TimeDistributed(fr.Dense(2)),
            ]
    else:
        x = rng.integers(0, 7, (9, 6))
        make = {"ids": ids_stack, "one-hot": one_hot_stack, "words": words_stack}[kind]
        if kind == "words":
            x = -np.sort(-rng.integers(0, 7, (9, 6, 4)), axis=2)  # zeros behind the characters
    plain, expected = fit("reference", make(), x, y, type(optimizer).from_config(optimizer.config()), loss)
    model, found = fit("cupy", make(), x, y, optimizer, loss)
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-12)
    assert all(isinstance(p, DeviceArray) for p in model.named_params().values())
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    y_model, y_plain = model.predict(x), plain.predict(x)
    for a, b in zip(y_model, y_plain, strict=True):
        np.testing.assert_allclose(a.get() if hasattr(a, "get") else a, b, rtol=1e-10, atol=1e-14)


def test_functions_take_and_give_arrays_of_the_device(device: None) -> None:
    rng = np.random.default_rng(1)
    xp = DEVICE.xp
    host = {"W_ih": rng.standard_normal((12, 2)), "W_hh": rng.standard_normal((12, 3)), "b": np.ones(12)}
    params = {k: xp.asarray(v) for k, v in host.items()}
    x = rng.standard_normal((3, 4, 2))
    lengths = np.array([4, 0, 2])
    with fr.use_backend("cupy"):
        y, _, cache = fr.functional.lstm_forward(
            xp.asarray(x), params, lengths=lengths, reverse=True, training=True
        )
        dx, _, dparams = fr.functional.lstm_backward(y * 2, cache)
    with fr.use_backend("reference"):
        y0, _, cache = fr.functional.lstm_forward(x, host, lengths=lengths, reverse=True, training=True)
        dx0, _, dparams0 = fr.functional.lstm_backward(y0 * 2, cache)
    assert isinstance(y, DeviceArray)
    np.testing.assert_array_equal(y.get(), y0)
    np.testing.assert_array_equal(dx.get(), dx0)
    np.testing.assert_array_equal(dparams["W_hh"].get(), dparams0["W_hh"])


def test_the_rules_are_rules() -> None:
    array = DEVICE.asarray(np.ones((2, 2)))
    for wrong in (
        lambda: array + np.ones((2, 2)),
        lambda: array[np.array([0])],
        lambda: np.concatenate([array, array]),
        lambda: DEVICE.xp.maximum(array, np.ones((2, 2))),
    ):
        with pytest.raises(TypeError, match="device"):
            wrong()
