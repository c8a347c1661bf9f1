"""Initializers: moments, ranges, structure, seeds, messages."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastrnn as fr
from fastrnn import initializers
from fastrnn.errors import DtypeError, ShapeError

OUT, IN = 150, 400  # not square: fan in and fan out must not be swapped


def draw(name, shape=(OUT, IN), dtype=np.float64, seed=0):
    return initializers.get(name)(np.random.default_rng(seed), shape, dtype)


@pytest.mark.parametrize(("name", "variance", "uniform"), [
    ("glorot_uniform", 2 / (OUT + IN), True), ("glorot_normal", 2 / (OUT + IN), False),
    ("he_uniform", 2 / IN, True), ("he_normal", 2 / IN, False), ("lecun_uniform", 1 / IN, True),
    ("uniform", 0.1**2 / 12, True), ("normal", 0.05**2, False),
])
def test_moments(name, variance, uniform):
    w = draw(name)
    assert w.shape == (OUT, IN)
    # 60,000 draws: the variance is known to about 0.6 % (normal), the mean to 0.4 % of a deviation.
    assert w.var() == pytest.approx(variance, rel=0.03)
    assert abs(w.mean()) < 0.02 * variance**0.5
    limit = (3 * variance) ** 0.5
    assert (np.abs(w).max() <= limit) is np.bool_(uniform)
    assert np.abs(w).max() > 0.99 * limit


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (1, 3)])
def test_orthogonal(shape):
    w = draw({"name": "orthogonal", "gain": 2.0}, shape)
    product = w @ w.T if shape[0] <= shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4.0 * np.eye(min(shape)), atol=1e-12)
    np.testing.assert_array_equal(draw("orthogonal", shape) * 2, w)


def test_constants():
    np.testing.assert_array_equal(draw("zeros", (3,)), np.zeros(3))
    np.testing.assert_array_equal(draw("ones", (2, 3)), np.ones((2, 3)))
    np.testing.assert_array_equal(draw(initializers.Constant(0.5), (2, 2)), np.full((2, 2), 0.5))
    np.testing.assert_array_equal(draw(initializers.Identity(0.3), (2, 3)), 0.3 * np.eye(2, 3))


# Chrono draws biases, not matrices
@pytest.mark.parametrize("name", [name for name in initializers.INITIALIZERS if name != "chrono"])
def test_dtype_seed_and_config(name):
    single, double = draw(name, (6, 5), np.float32), draw(name, (6, 5))
    assert single.dtype == np.float32 and double.dtype == np.float64
    np.testing.assert_allclose(single, double, rtol=1e-6)
    np.testing.assert_array_equal(draw(name, (6, 5)), double)
    if double.std() > 0 and name != "identity":
        assert not np.array_equal(draw(name, (6, 5), seed=1), double)
    init = initializers.get(name)
    assert initializers.get(json.loads(json.dumps(init.config()))) == init
    assert initializers.get(init) is init
    assert initializers.get(type(init)) == init


def test_options_survive_config():
    for init in (initializers.Orthogonal(0.5), initializers.Uniform(-1.0, 2.0),
                 initializers.Normal(1.0, 0.1), initializers.Constant(3.0)):
        assert initializers.get(init.config()) == init


def test_ranges():
    w = initializers.Uniform(1.0, 2.0)(np.random.default_rng(0), (1000,), np.float64)
    assert 1.0 <= w.min() < 1.01 and 1.99 < w.max() < 2.0
    w = initializers.Normal(5.0, 0.1)(np.random.default_rng(0), (1000,), np.float64)
    assert w.mean() == pytest.approx(5.0, abs=0.02) and w.std() == pytest.approx(0.1, rel=0.1)


def test_vectors_and_empty_shapes():
    for name in ("he_normal", "he_uniform", "glorot_normal", "lecun_uniform"):
        assert draw(name, (7,)).shape == (7,)
        assert draw(name, (3, 0)).shape == (3, 0)


def test_functions_are_checked():
    rng = np.random.default_rng(0)
    good = initializers.get(lambda rng, shape, dtype: np.full(shape, 2, dtype))
    np.testing.assert_array_equal(good(rng, (2, 2), np.float32), np.full((2, 2), 2, np.float32))
    assert good.config() is None
    with pytest.raises(DtypeError, match=r"result must be \[2, 2\] float32, got \[2, 2\] float64"):
        initializers.get(lambda rng, shape, dtype: np.zeros(shape))(rng, (2, 2), np.float32)
    with pytest.raises(ShapeError, match=r"the result must be \[2, 2\] float32, got \[2\] float32"):
        initializers.get(lambda rng, shape, dtype: np.zeros(2, dtype))(rng, (2, 2), np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_chrono_keeps_memories_of_every_length(dtype):
    """Tallec and Ollivier 2018, (16): b_f = log U([1, T - 1]), b_i = -b_f."""
    chrono = initializers.Chrono(101)
    layers = [fr.LSTM(400, bias_initializer=chrono, return_sequences=True),
              fr.GRU(400, bias_initializer=chrono)]  # fmt: skip
    model = fr.Sequential(layers, seed=0, dtype=dtype)
    model.build((None, None, 2))
    b = model.named_params()["lstm/b"].reshape(4, 400)
    assert b.dtype == dtype
    memory = np.exp(b[1])  # no unit_forget_bias on top
    assert memory.min() >= 1 and memory.max() <= 100.001
    assert np.histogram(memory, 4, (1, 100))[0] / 400 == pytest.approx(0.25, abs=0.08)
    np.testing.assert_array_equal(b[0], -b[1])
    assert not b[2:].any()
    b_ih = model.named_params()["gru/b_ih"].reshape(3, 400)
    assert np.exp(b_ih[1]).min() >= 1 and np.exp(b_ih[1]).max() > 90
    assert not b_ih[0].any() and not b_ih[2].any() and not model.named_params()["gru/b_hh"].any()


def test_chrono_is_saved_and_the_other_weights_do_not_change(tmp_path):
    model = fr.Sequential([fr.LSTM(4, bias_initializer=initializers.Chrono(50))], seed=0)
    plain = fr.Sequential([fr.LSTM(4)], seed=0)
    for one in (model, plain):
        one.build((None, None, 2))
    np.testing.assert_array_equal(model.named_params()["lstm/W_hh"], plain.named_params()["lstm/W_hh"])
    model.save(tmp_path / "m")
    again = fr.load(tmp_path / "m")
    assert again.layers[0].initializers["b"] == initializers.Chrono(50)
    chrono = initializers.Chrono(np.int64(9))
    assert json.dumps(fr.Bidirectional(fr.LSTM(4, bias_initializer=chrono)).config())
    assert initializers.get({"name": "chrono", "steps": 9}) == chrono


def test_chrono_in_cells_like_the_lstm_and_the_gru():
    """Coupled: the input gate alone decides; all biases of the others are 0."""
    chrono = initializers.Chrono(50)
    for layer, keep in ((fr.LSTM(8, coupled=True, projection=3, bias_initializer=chrono), {"i": -1}),
                        (fr.LSTM(8, peepholes=True, bias_initializer=chrono), {"f": 1, "i": -1}),
                        (fr.GRU(8, reset_after=False, bias_initializer=chrono), {"z": 1})):  # fmt: skip
        fr.Sequential([layer], seed=0, dtype="float64").build((None, None, 2))
        blocks = dict(zip(layer.cell.gates, layer.params["b"].reshape(-1, 8), strict=True))
        for letter, bias in blocks.items():
            u = np.exp(keep.get(letter, 0) * bias)
            assert (u >= 1).all() and (u <= 49.001).all() and (len(set(u)) > 1) == (letter in keep)
        if len(keep) == 2:
            np.testing.assert_array_equal(blocks["i"], -blocks["f"])


@pytest.mark.parametrize(("make", "message"), [
    (lambda: initializers.Chrono(1), "Chrono: steps must be a whole number of at least 2, got 1"),
    (lambda: initializers.Chrono(2.5), "Chrono: steps must be a whole number of at least 2, got 2.5"),
    (lambda: fr.RNN(3, bias_initializer=initializers.Chrono(9)),
     "Chrono: the cell must be lstm or gru, which have sigmoid gates for it, got rnn_tanh"),
    (lambda: fr.GRU(3, clip=2, bias_initializer=initializers.Chrono(9)),
     "Chrono: the cell must be lstm or gru, which have sigmoid gates for it, got gru\\[clip=2.0"),
    (lambda: fr.LSTM(3, recurrent_activation="hard_sigmoid", bias_initializer=initializers.Chrono(9)),
     "sigmoid gates for it, got lstm\\[hard_sigmoid,tanh,tanh"),
    (lambda: fr.LSTM(3, kernel_initializer=initializers.Chrono(9)),
     "Chrono: it is a bias_initializer of LSTM and GRU"),
    (lambda: fr.Dense(3, bias_initializer="chrono"), "Chrono: it is a bias_initializer of LSTM and GRU"),
])
def test_chrono_is_for_gates(make, message):
    with pytest.raises(ValueError, match=message):
        fr.Sequential([make()], seed=0).build((None, None, 2))


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: initializers.get("glorot"), ValueError, "initializer must be one of glorot_uniform"),
    (lambda: initializers.get("ortogonal"), ValueError, "Did you mean 'orthogonal'?"),
    (lambda: initializers.get(0.5), TypeError, "the name of an initializer, a function"),
    (lambda: initializers.Constant("0"), ValueError, "Constant: value must be a number, got '0'"),
    (lambda: initializers.Normal(0.0, -1.0), ValueError,
     "Normal: stddev must be a number from 0, got -1.0"),
    (lambda: initializers.Uniform(1.0, 0.0), ValueError, "maxval must be a number from 1, got 0.0"),
    (lambda: initializers.Orthogonal(float("nan")), ValueError, "gain must be a number, got nan"),
    (lambda: draw("orthogonal", (3,)), ShapeError, "Orthogonal: shape must be [out, in], got [3]"),
    (lambda: draw("glorot_uniform", (3,)), ShapeError, "GlorotUniform: shape must be [out, in]"),
    (lambda: draw("identity", (3,)), ShapeError, "Identity: shape must be [out, in], got [3]"),
    (lambda: draw("he_normal", (3, 2, 1)), ShapeError,
     "HeNormal: shape must be [out, in] or [out], got [3, 2, 1]"),
])
def test_messages(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
