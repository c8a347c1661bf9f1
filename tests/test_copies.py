"""Python's own copies of a Sequential: copy.deepcopy, and pickle as joblib uses it."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fastrnn as fr


def _copies(model: Any) -> list[Any]:
    return [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]


def _model(**options: Any) -> fr.Sequential:
    both = fr.Bidirectional(fr.GRU(3, return_sequences=True))
    return fr.Sequential([both, fr.LSTM(4, stateful=True, dropout=0.2), fr.Dense(2)], seed=5, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_copy_trains_on_with_the_same_bits(dtype: str, backend: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 5, 3)).astype(dtype), rng.standard_normal((8, 2)).astype(dtype)
    model = _model(dtype=dtype, backend=backend)
    model.compile(fr.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    for other in _copies(model):
        assert other.backend is model.backend and other.dtype == model.dtype
        mine = copy.deepcopy(model)
        for one in (mine, other):
            one.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
        for a, b in zip(mine.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(mine.predict(x[:4]), other.predict(x[:4]))


def test_a_copy_has_weights_of_its_own() -> None:
    x = np.ones((1, 2, 3), "float32")
    model = fr.Sequential([fr.RNN(2)], seed=0)
    before = model.predict(x)
    (other, _) = _copies(model)
    other.set_weights([w + 1 for w in other.get_weights()])
    np.testing.assert_array_equal(model.predict(x), before)


def test_a_model_that_is_not_built() -> None:
    model = _model()
    model.compile(fr.optimizers.Adam(0.25), "mse", metrics=["mae"])
    for other in _copies(model):
        assert not other.built and other.optimizer.learning_rate == 0.25
        x = np.ones((2, 4, 3), "float32")
        np.testing.assert_array_equal(other.predict(x), _model().predict(x))
    (bare, _) = _copies(fr.Sequential([], seed=3))
    assert bare.layers == [] and bare.seed == 3 and bare.optimizer is None


MINE = replace(fr.cells.CELLS["rnn_tanh"], name="mine")


def test_a_cell_of_your_own_goes_along() -> None:
    x = np.random.default_rng(0).standard_normal((2, 4, 3)).astype("float32")
    inside = fr.Recurrent(2, MINE, return_sequences=True)
    model = fr.Sequential([fr.Bidirectional(inside), fr.LSTM(3, ["leaky_relu", 0.2], clip=1.5)], seed=0)
    y = model.predict(x)
    other = copy.deepcopy(model)
    assert other.layers[0].forward_layer.cell is not fr.cells.CELLS["rnn_tanh"]
    np.testing.assert_array_equal(other.predict(x), y)
