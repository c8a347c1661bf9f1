"""The layer `Words`: a vector for each token, from the word and from its spellings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_layers import KINDS, NOISE, check, problem

import fastrnn as fr
from fastrnn.layers.words import _distinct

ALPHABETS, LENGTHS = [6, 4], [3, 2]
FEATURES = 1 + sum(LENGTHS)


def words(**options: Any) -> fr.Words:
    given: dict[str, Any] = {"alphabets": ALPHABETS, "lengths": LENGTHS, "character_dim": 2, "units": 3}
    return fr.Words(5, 4, **{**given, **options})


def tokens(*shape: int, seed: int = 3) -> np.ndarray:
    """ids [*shape, FEATURES] of words with 0 to `length` characters in each spelling."""
    rng = np.random.default_rng(seed)
    x = [rng.integers(0, 5, (*shape, 1))]
    for size, length in zip(ALPHABETS, LENGTHS, strict=True):
        n = rng.integers(0, length + 1, (*shape, 1))
        x.append(np.where(np.arange(length) < n, rng.integers(1, size, (*shape, length)), 0))
    return np.concatenate(x, axis=-1)


def sentences(kind: str) -> dict[str, Any]:
    """Tokens in every form a model takes, those of padding with wild ids."""
    given, x = problem(kind, ids=2), tokens(5, 6)
    if kind == "ragged":
        return {"x": [x[b, : len(one)] for b, one in enumerate(given["x"])]}
    x[given["x"] < 0] = -(10**6)
    return {**given, "x": x}


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("unknown", [0.0, 0.4])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: str, unknown: float, backend: str) -> None:
    layers = [words(unknown=unknown), fr.LSTM(3, return_sequences=True), fr.Dense(2)]
    check(layers, sentences(kind), backend=backend)


def test_a_word_is_its_vector_beside_what_lstms_read_in_its_spellings() -> None:
    x, layer = tokens(2, 4), words()
    y = fr.Sequential([layer], seed=0, dtype="float64").predict(x)
    params = layer.named_params()
    assert y.shape == (2, 4, 4 + 2 * 2 * 3)
    assert (y[..., :4] == params["word.W"][x[..., 0]]).all()
    first = 1
    for k, length in enumerate(LENGTHS, 1):
        lstms = {
            way: {name: params[f"spelling_{k}.{way}.{name}"] for name in ("W_ih", "W_hh", "b")}
            for way in ("forward", "backward")
        }
        for b, t in np.ndindex(2, 4):
            ids = x[b, t, first : first + length]
            letters = params[f"characters_{k}.W"][ids[ids > 0]][None]
            read = [
                fr.functional.lstm_forward(letters, lstms[way], reverse=way == "backward")[1][0][0]
                for way in lstms
            ]
            at = 4 + (k - 1) * 6
            np.testing.assert_allclose(y[b, t, at : at + 6], np.concatenate(read), rtol=1e-12)
        first += length


def test_bits_depend_neither_on_batch_mates_nor_on_threads() -> None:
    x = [tokens(n, seed=n) for n in (7, 1, 0, 12)]
    model = fr.Sequential([words(units=40), fr.Bidirectional(fr.GRU(5, return_sequences=True))], seed=0)
    together = model.predict(x)
    with fr.threads(3):
        again = model.predict(x)
    for one, y, z in zip(x, together, again, strict=True):
        assert (model.predict([one])[0] == y).all() and (z == y).all()


def test_training_hides_words_by_a_noise_of_their_place() -> None:
    x = np.tile(np.array([2, 1, 0, 0, 1, 0]), (40, 50, 1))
    layer = words(unknown=0.25)
    model = fr.Sequential([layer], seed=0)
    packed = model.inputs("test", x).batch(np.arange(40))
    hidden = (layer.forward(packed, NOISE)[0].rows[:, :4] == layer.named_params()["word.W"][0]).all(axis=1)
    assert 0.2 < hidden.mean() < 0.3
    few = model.inputs("test", x).batch(np.arange(7))
    b, t = few.layout.caller
    alone = (layer.forward(few, NOISE)[0].rows[:, :4] == layer.named_params()["word.W"][0]).all(axis=1)
    of_all = np.zeros((40, 50), bool)
    of_all[packed.layout.caller] = hidden
    assert (alone == of_all[b, t]).all()
    assert not (model.predict(x)[..., :4] == layer.named_params()["word.W"][0]).all(axis=-1).any()


def test_it_streams_and_learns() -> None:
    x = tokens(3, 5)
    layers = [words(), fr.LSTM(4, return_sequences=True), fr.Dense(2, activation="softmax")]
    model = fr.Sequential(layers, seed=0)
    model.compile(fr.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    losses = model.fit(x, x[..., 1] % 2, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    stream = model.stream(3)
    steps = np.stack([stream.step(x[:, t]) for t in range(5)], axis=1)
    assert (steps == model.predict(x)).all()


def test_rows_that_are_alike_are_found() -> None:
    rows = np.array([[2, 1], [0, 3], [2, 1], [2, 0], [0, 3], [2, 1]])
    distinct, places = _distinct(rows)
    assert (distinct[places] == rows).all() and len(distinct) == 3


def model(**options: Any) -> fr.Sequential:
    return fr.Sequential([words(**options)], seed=0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: words(alphabets=[]), ValueError,
         "Words: alphabets must be as many numbers as lengths, at least one, got [], [3, 2]."),
        (lambda: words(lengths=[3, 0]), ValueError,
         "Words: a length in lengths must be a whole number of at least 1, got 0."),
        (lambda: words(alphabets=[3, "a"]), ValueError,
         "Words: a size in alphabets must be a whole number of at least 1, got 'a'."),
        (lambda: words(character_dim=0), ValueError, "Words: character_dim must be a whole number"),
        (lambda: words(units=2.5), ValueError, "Words: units must be a whole number of at least 1, got 2.5."),
        (lambda: words(unknown=1), ValueError, "Words: unknown must be a number in [0, 1), got 1."),
        (lambda: model().predict(np.zeros((2, 3, 5), int)), fr.ShapeError,
         "predict: x must be integer ids [B, T, 6], got [2, 3, 5] int64."),
        (lambda: model().predict(np.zeros((2, 3), int)), fr.ShapeError,
         "predict: x must be integer ids [B, T, 6], got [2, 3] int64."),
        (lambda: model().predict([np.zeros((3, 6), int), np.zeros(3, int)]), fr.ShapeError,
         "predict: x[1] must be integer ids [T, 6], got [3] int64."),
        (lambda: model().predict(np.zeros((2, 3, 6))), fr.DtypeError,
         "predict: x must be integer ids, got [2, 3, 6] float64."),
        (lambda: model().build((None, None)), ValueError,
         "Sequential.build: shape must be (None, T, 6) for integer ids, got [B, T] ids."),
        (lambda: fr.Sequential([fr.Input((None,), "int"), words()]), fr.ShapeError,
         "Words(5, 4): input must be integer ids [B, T, 6], got [B, T] ids. Each token is its word id, then"),
        (lambda: model().predict(np.array([[[5, 0, 0, 0, 0, 0]]])), ValueError,
         "Embedding(5, 4): x must be ids in [0, 5), got ids from 5 to 5."),
        (lambda: model().predict(np.array([[[0, 6, 0, 0, 0, 0]]])), ValueError,
         "Embedding(6, 2): x must be ids in [0, 6), got ids from 6 to 6."),
        (lambda: model().predict(np.array([[[0, 0, 1, 0, 0, 0]]])), ValueError,
         "Words(5, 4): x must be characters followed by zeros alone, got a zero in front of a character."),
    ],
)  # fmt: skip
def test_messages(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
    assert type(caught.value) is error
