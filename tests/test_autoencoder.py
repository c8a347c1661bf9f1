"""Autoencoders: they learn, they flag, they take ragged input, and they come back from files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import assert_close, assert_same_bits, holes

import fastrnn as fr

F = "float32"
RNG = np.random.default_rng(0)
LENGTHS = np.array([2, 6, 0, 4, 1, 6, 3, 5])


def vectors(n: int = 300, seed: int = 1) -> np.ndarray:
    """Points on a bent two-dimensional sheet in eight dimensions."""
    rng = np.random.default_rng(seed)
    A = np.random.default_rng(0).standard_normal((4, 8))
    u = rng.uniform(-1, 1, (n, 2))
    return (np.concatenate([u, np.sin(2 * u)], axis=1) @ A).astype(F)


def waves(n: int = 40, span: int = 6, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(span) + rng.uniform(0, 6, (n, 1))
    return np.stack([np.sin(t), np.cos(t)], axis=2).astype(F)


def test_a_dense_autoencoder_learns_and_flags() -> None:
    x = vectors()
    model = fr.Autoencoder((16, 2), activation="tanh", optimizer=fr.optimizers.Adam(0.01), seed=0)
    history = model.fit(x, epochs=60, validation_data=vectors(50, 2), verbose=0).history
    assert history["loss"][-1] < 0.1 * x.var() and history["val_loss"][-1] < 0.1 * x.var()
    assert model.encode(x).shape == (300, 2)
    y = model.reconstruct(x)
    scores = model.score_samples(x)
    assert scores.dtype == np.float64
    assert_close(scores, ((y.astype(float) - x) ** 2).mean(axis=1), 1e-6)
    assert model.fit_threshold(x, 0.95) == model.threshold == np.quantile(scores, 0.95)
    assert model.predict(x).mean() == 0.05 and model.predict(x).dtype == bool
    strange = RNG.standard_normal((100, 8)).astype(F) * 3
    assert model.predict(strange).mean() > 0.9
    assert_close(model.decode(model.encode(x)), y, 1e-6)


def test_a_recurrent_autoencoder_learns_and_flags() -> None:
    x = waves(120)
    model = fr.SequenceAutoencoder(12, "gru", optimizer=fr.optimizers.Adam(0.01), seed=0)
    history = model.fit(x, epochs=60, verbose=0).history
    assert history["loss"][-1] < 0.1 < 0.4 < history["loss"][0]
    model.fit_threshold(x)
    assert model.predict(RNG.standard_normal((50, 6, 2)).astype(F)).mean() > 0.9
    assert model.predict(waves(50, seed=5)).mean() < 0.2


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh", "rnn_relu"])
def test_ragged_padded_and_masked_are_one(cell: str) -> None:
    x = waves(8)
    keep = np.arange(6) < LENGTHS[:, None]
    listed = [a[:n] for a, n in zip(x, LENGTHS, strict=True)]
    padded = np.where(keep[..., None], x, np.nan).astype(F)
    one, two, three = (fr.SequenceAutoencoder(3, cell, seed=0) for _ in range(3))
    one.fit(listed, epochs=2, batch_size=4, verbose=0)
    two.fit(padded, epochs=2, batch_size=4, verbose=0, lengths=LENGTHS)
    three.fit(padded, epochs=2, batch_size=4, verbose=0, mask=keep)
    assert_same_bits(two.model.get_weights(), one.model.get_weights())
    assert_same_bits(three.model.get_weights(), one.model.get_weights())
    code = one.encode(listed)
    assert code.shape == (8, 3)
    assert_same_bits(two.encode(padded, lengths=LENGTHS), code)
    y = one.reconstruct(listed)
    assert [a.shape for a in y] == [(n, 2) for n in LENGTHS]
    scores = one.score_samples(listed)
    wanted = [((a.astype(float) - b) ** 2).mean() if len(a) else 0.0 for a, b in zip(y, listed, strict=True)]
    assert_close(scores, np.array(wanted), 1e-6)
    assert_same_bits(two.score_samples(padded, lengths=LENGTHS), scores)
    assert_same_bits(two.score_samples(padded, mask=keep), scores)
    assert_close(one.decode(code, LENGTHS), y, 1e-6)
    assert_close(one.decode(code[:3], 4)[1], one.decode(code[1:2], [4])[0], 1e-6)
    assert one.decode(code, 0).shape == (8, 0, 2)
    one.fit_threshold(listed, 0.5)
    assert_same_bits(one.predict(padded, lengths=LENGTHS), one.predict(listed))
    assert one.predict(listed).sum() == 4
    mask = holes(8, 6)
    assert two.score_samples(np.where(mask[..., None], x, np.nan).astype(F), mask=mask).shape == (8,)


def test_batches_do_not_show() -> None:
    x = vectors(300)
    model = fr.Autoencoder(3, seed=0, dtype="float64")
    model.fit(x.astype(float), epochs=1, verbose=0)
    whole = model.score_samples(x.astype(float))  # 300 examples are three batches
    single = np.concatenate([model.score_samples(row[None].astype(float)) for row in x])
    assert_close(whole, single, 1e-13)
    assert model.score_samples(x[:0].astype(float)).shape == (0,)


def test_units_noise_and_sparsity_shape_the_model() -> None:
    model = fr.Autoencoder((6, 4, 2), noise=0.3, sparsity=0.01, output_activation="sigmoid", seed=0)
    x = RNG.random((20, 7)).astype(F)
    model.fit(x, epochs=1, verbose=0)
    kinds = [type(layer).__name__ for layer in model.model.layers]
    assert kinds == ["GaussianNoise", *3 * ["Dense"], "ActivityRegularization", *3 * ["Dense"]]
    widths = [layer.units for layer in model.model.layers if isinstance(layer, fr.Dense)]
    assert widths == [6, 4, 2, 4, 6, 7]
    assert model.encode(x).shape == (20, 2)
    y = model.reconstruct(x)
    assert ((y > 0) & (y < 1)).all()
    assert_close(model.decode(model.encode(x)), y, 1e-6)


def test_sparsity_makes_codes_sparse_and_noise_is_for_training_alone() -> None:
    x = vectors()
    share = []
    for sparsity in (0.0, 0.3):
        model = fr.Autoencoder(16, sparsity=sparsity, optimizer=fr.optimizers.Adam(0.01), seed=0)
        model.fit(x, epochs=30, verbose=0)
        share.append(float(np.abs(model.encode(x)).mean()))
    assert share[1] < 0.5 * share[0]
    noisy = fr.Autoencoder(4, noise=5.0, seed=0)
    plain = fr.Autoencoder(4, seed=0)
    loss = [m.fit(x, epochs=1, verbose=0, shuffle=False).history["loss"][0] for m in (noisy, plain)]
    assert loss[0] > loss[1]
    assert_same_bits(noisy.reconstruct(x), noisy.reconstruct(x))


CASES: dict[str, Callable[[], Any]] = {
    "dense": lambda: fr.Autoencoder((5, 2), noise=0.1, sparsity=0.1, activation="elu", seed=4),
    "float64": lambda: fr.Autoencoder(3, seed=4, dtype="float64"),
    "lstm": lambda: fr.SequenceAutoencoder(3, seed=4),
    "relu": lambda: fr.SequenceAutoencoder(3, "rnn_relu", loss="mae", optimizer="sgd", seed=4),
}


@pytest.mark.parametrize("threshold", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_files(name: str, threshold: bool, tmp_path: Path) -> None:
    make = CASES[name]
    sequences = isinstance(make(), fr.SequenceAutoencoder)
    x = (waves(30) if sequences else vectors(30)).astype("float64" if name == "float64" else F)
    model, whole = make(), make()
    whole.fit(x, epochs=4, batch_size=8, verbose=0)
    model.fit(x, epochs=2, batch_size=8, verbose=0)
    if threshold:
        model.fit_threshold(x, 0.9)
    model.save(tmp_path / "m")
    for load in (fr.load, type(model).load):
        back = load(tmp_path / "m")
        assert type(back) is type(model) and back.arguments == model.arguments
        assert back.threshold == model.threshold
        assert_same_bits(back.encode(x), model.encode(x))
        assert_same_bits(back.score_samples(x), model.score_samples(x))
        if threshold:
            assert_same_bits(back.predict(x), model.predict(x))
    back.fit(x, epochs=2, batch_size=8, verbose=0)
    assert_same_bits(back.model.get_weights(), whole.model.get_weights())


def fitted(sequences: bool = False) -> Any:
    model = fr.SequenceAutoencoder(3, seed=0) if sequences else fr.Autoencoder(3, seed=0)
    model.fit(waves(8) if sequences else vectors(8), epochs=1, verbose=0)
    return model


X = vectors(8)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fr.Autoencoder(()), ValueError, "Autoencoder: units must be one size or more, got ()."),
        (lambda: fr.Autoencoder(3.5), ValueError,
         "Autoencoder: units must be a whole number of at least 1, got 3.5."),
        (lambda: fr.Autoencoder((4, 0)), ValueError,
         "Autoencoder: units must be a whole number of at least 1, got 0."),
        (lambda: fr.Autoencoder(3, noise=-1), ValueError,
         "GaussianNoise: stddev must be a number of at least 0, got -1."),
        (lambda: fr.Autoencoder(3, noise="a"), ValueError,
         "GaussianNoise: stddev must be a number of at least 0, got 'a'"),
        (lambda: fr.Autoencoder(3, sparsity=-1), ValueError,
         "ActivityRegularization: l1 must be a number of at least 0, got -1."),
        (lambda: fr.Autoencoder(3, activation="rel"), ValueError, "Did you mean 'relu'?"),
        (lambda: fr.Autoencoder(3, loss="msee"), ValueError, "Did you mean 'mse'?"),
        (lambda: fr.Autoencoder(3, optimizer="adamm"), ValueError, "Did you mean 'adam'?"),
        (lambda: fr.SequenceAutoencoder(0), ValueError,
         "SequenceAutoencoder: units must be a whole number of at least 1, got 0."),
        (lambda: fr.SequenceAutoencoder(3, "lst"), ValueError, "Did you mean 'lstm'?"),
        (lambda: fr.SequenceAutoencoder(3, 5), TypeError,
         "SequenceAutoencoder: cell must be the name of a cell, got 5."),
        (lambda: fr.Autoencoder(3).model, RuntimeError, "Autoencoder: call fit(x) first."),
        (lambda: fr.Autoencoder(3).save("m"), RuntimeError, "Autoencoder: call fit(x) first."),
        (lambda: fr.SequenceAutoencoder(3).decode(X, 3), RuntimeError,
         "SequenceAutoencoder: call fit(x) first."),
        (lambda: fitted().predict(X), RuntimeError, "Autoencoder.predict: call fit_threshold(x) first."),
        (lambda: fr.Autoencoder(3).fit(waves()), fr.ShapeError,
         "fit: x must be vectors [B, F], got [B, T, 2]."),
        (lambda: fr.Autoencoder(3).fit(list(waves())), fr.ShapeError,
         "fit: x must be vectors [B, F], got [B, T, 2]."),
        (lambda: fr.SequenceAutoencoder(3).fit(X), fr.ShapeError,
         "fit: x must be sequences [B, T, F] or a list of [T, F], got [B, 8]."),
        (lambda: fr.SequenceAutoencoder(3).fit(waves()[..., None]), fr.ShapeError,
         "fit: x must be sequences [B, T, F] or a list of [T, F], got [B, T, 2, 1]."),
        (lambda: fr.Autoencoder(3).fit(X.astype(float)), fr.DtypeError,
         "fit: x must be float32, got [8, 8] float64."),
        (lambda: fitted().encode(X[:, :5]), fr.ShapeError,
         "encode: x must be [B, 8] = [*, 8] float32, got [8, 5]."),
        (lambda: fitted().reconstruct(X[:, :5]), fr.ShapeError, "reconstruct: x must be [B, 8]"),
        (lambda: fitted().score_samples(X[:, :5]), fr.ShapeError, "score_samples: x must be [B, 8]"),
        (lambda: fitted().fit_threshold(X, 1.5), ValueError,
         "fit_threshold: quantile must be a number in [0, 1], got 1.5."),
        (lambda: fitted().fit_threshold(X, "all"), ValueError,
         "fit_threshold: quantile must be a number in [0, 1]"),
        (lambda: fitted().fit_threshold(X[:0]), ValueError, "fit_threshold: x has no examples."),
        (lambda: fitted().decode(X), fr.ShapeError,
         "decode: code must be [B, units] = [8, 3] float32, got [8, 8]"),
        (lambda: fitted().decode(X[:, :3].astype(float)), fr.DtypeError,
         "decode: code must be [B, units] = [8, 3]"),
        (lambda: fitted(True).decode(X[:, :3], -1), ValueError,
         "decode: steps must be a whole number of at least 0, got -1."),
        (lambda: fitted(True).decode(X[:, :3], [1, 2]), fr.ShapeError,
         "decode: lengths must be [B] = [8] integers"),
        (lambda: fitted(True).decode(X[:, :3], [-1] * 8), ValueError,
         "decode: lengths must be between 0 and T = 0"),
    ],
)  # fmt: skip
def test_messages(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value) and type(caught.value) is error


def test_a_first_x_that_is_refused_leaves_nothing_behind() -> None:
    model = fr.Autoencoder(3, seed=0)
    for bad in (waves(), X.astype(float), X[0]):
        with pytest.raises((fr.ShapeError, fr.DtypeError)):
            model.fit(bad, verbose=0)
    model.fit(X, epochs=1, verbose=0)
    assert model.reconstruct(X).shape == X.shape


@pytest.mark.parametrize("what", ["encode", "reconstruct", "score_samples", "fit_threshold"])
def test_an_autoencoder_that_has_learnt_nothing_says_so(what: str) -> None:
    with pytest.raises(RuntimeError, match=r"Autoencoder: call fit\(x\) first\."):
        getattr(fr.Autoencoder((4, 2), seed=0), what)(np.ones((3, 5), "float32"))
