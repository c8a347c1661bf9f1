"""Sequential: building, the door of predict and evaluate, weights, seeds, and its messages."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import assert_close, assert_same_bits, holes

import fastrnn as fr

F = "float32"
RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 5, 3)).astype(F)
LENGTHS = np.array([2, 5, 0, 3, 1, 5])
RAGGED = [X[b, :n] for b, n in enumerate(LENGTHS)]
IDS = RNG.integers(0, 9, (6, 5))


def tagger(seed: Any = 0, **options: Any) -> fr.Sequential:
    layers = [fr.Bidirectional(fr.LSTM(4, return_sequences=True)), fr.Dense(3, activation="softmax")]
    return fr.Sequential(layers, seed=seed, **options)


def classifier(seed: Any = 0, **options: Any) -> fr.Sequential:
    return fr.Sequential([fr.GRU(4), fr.Dense(3, activation="softmax")], seed=seed, **options)


# ---------------------------------------------------------------------- predict


@pytest.mark.parametrize("size", [1, 2, 5, 6, 100])
def test_predict_does_not_depend_on_batches(size: int) -> None:
    for make in (tagger, classifier):
        model = make(dtype="float64")
        x = X.astype(float)
        whole = model.predict(x)
        assert_close(model.predict(x, batch_size=size), whole, 1e-14)
        ragged = model.predict(list(x), batch_size=size)
        assert_close(np.stack(ragged), whole, 1e-14)
        mask = holes(6, 5)
        assert_close(model.predict(x, mask=mask, batch_size=size), model.predict(x, mask=mask), 1e-14)


def test_ragged_equals_padded_bit_for_bit_and_padding_never_matters() -> None:
    for make in (tagger, classifier):
        model = make()
        listed = model.predict(RAGGED)
        for filler in (0.0, np.nan, np.inf, 1e30):
            x = X.copy()
            x[np.arange(5) >= LENGTHS[:, None]] = filler
            before = x.copy()
            y = model.predict(x, lengths=LENGTHS)
            assert_same_bits(x, before)
            if isinstance(listed, list):
                assert_same_bits([y[b, :n] for b, n in enumerate(LENGTHS)], listed)
                assert not y[np.arange(5) >= LENGTHS[:, None]].any()
            else:
                assert_same_bits(y, listed)


def test_sizes_of_nothing() -> None:
    for make, tail in ((tagger, (5, 3)), (classifier, (3,))):
        model = make()
        assert model.predict(X[:0]).shape == (0, *tail)
        assert len(model.predict([])) == 0
        one = model.predict(X[:1])
        assert one.shape == (1, *tail)
        assert_close(
            model.predict(X, lengths=np.zeros(6, int))[:1],
            np.zeros((1, *tail)) if len(tail) == 2 else np.full((1, 3), 1 / 3),
            1e-6,
        )
    assert classifier().predict(X[:, :0]).shape == (6, 3)
    assert tagger().predict(X[:, :0]).shape == (6, 0, 3)
    assert tagger().predict(X[:, :1]).shape == (6, 1, 3)
    states = fr.Sequential([fr.LSTM(2, return_state=True)], seed=0).predict(X[:0])
    assert [s.shape for s in states] == [(0, 2)] * 3
    ids = fr.Sequential([fr.Embedding(9, 2), fr.RNN(3)], seed=0)
    assert ids.predict(IDS[:0]).shape == (0, 3) and ids.predict(IDS[:, :0]).shape == (6, 3)
    vectors = fr.Sequential([fr.Dense(2)], seed=0)
    assert vectors.predict(X[:0, 0]).shape == (0, 2)


def test_inputs_are_never_modified_and_outputs_are_the_callers() -> None:
    for x in (
        X,
        X.astype(F)[:1],
        np.asfortranarray(X),
        X[::-1],
        X.transpose(0, 2, 1).copy().transpose(0, 2, 1),
    ):
        for layers in (
            [fr.Dropout(0.5)],
            [fr.Masking(0.0)],
            [fr.Activation("linear")],
            [fr.LSTM(3)],
            [fr.ActivityRegularization(0.1)],
            [fr.TimeDistributed(fr.Dense(3))],
            [fr.Input((None, 3))],
        ):
            model = fr.Sequential(layers, seed=0)
            model.compile("sgd", "mse")
            y = np.zeros(model.predict(x).shape, F)
            before = x.copy(), y.copy()
            out = model.predict(x)
            assert not np.shares_memory(out, x) and out.flags.writeable
            model.fit(x, y, verbose=0, sample_weight=np.ones(len(x)))
            model.evaluate(x, y)
            assert_same_bits((x, y), before)


def test_read_only_input_is_fine() -> None:
    x, y, w = X.copy(), np.zeros(6, int), np.ones(6)
    for array in (x, y, w):
        array.flags.writeable = False
    model = classifier()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, sample_weight=w, verbose=0)
    assert model.predict(x).shape == (6, 3)


def test_float64_all_the_way() -> None:
    model = tagger(dtype="float64")
    y = model.predict(X.astype(float))
    assert y.dtype == np.float64 and all(w.dtype == np.float64 for w in model.get_weights())
    low = tagger()
    assert_close(low.predict(X).astype(float), y, 1e-5)  # the same seed, rounded


def test_backends_agree() -> None:
    for make in (tagger, classifier):
        fast, slow = make(dtype="float64"), make(dtype="float64", backend="reference")
        x = [a.astype(float) for a in RAGGED]
        assert slow.backend.name == "reference"
        assert_close(fast.predict(x), slow.predict(x), 1e-12)


def test_evaluate() -> None:
    model = classifier(dtype="float64")
    y = RNG.integers(0, 3, 6)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    p = model.predict(X.astype(float))
    loss = -np.log(p[np.arange(6), y])
    right = p.argmax(axis=1) == y
    got = model.evaluate(X.astype(float), y, batch_size=4)
    assert_close(np.array(got), np.array([loss.mean(), right.mean()]), 1e-12)
    w = RNG.random(6)
    named = model.evaluate(X.astype(float), y, sample_weight=w, return_dict=True, batch_size=4)
    assert list(named) == ["loss", "accuracy"]
    assert math.isclose(named["loss"], (w * loss).mean(), rel_tol=1e-12)
    assert math.isclose(named["accuracy"], (w * right).sum() / w.sum(), rel_tol=1e-12)
    model.compile("adam", "sparse_categorical_crossentropy")
    assert isinstance(model.evaluate(X.astype(float), y), float)
    assert math.isnan(model.evaluate(X[:0].astype(float), y[:0]))  # 0.0 would be a perfect score


def test_evaluate_of_steps_counts_real_steps_alone() -> None:
    model = tagger(dtype="float64")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", "perplexity"])
    x = [a.astype(float) for a in RAGGED]
    y = RNG.integers(0, 3, (6, 5))
    p = np.concatenate(model.predict(x))
    flat = np.concatenate([y[b, :n] for b, n in enumerate(LENGTHS)])
    loss = -np.log(p[np.arange(len(flat)), flat]).mean()
    wanted = np.array([loss, (p.argmax(axis=1) == flat).mean(), math.exp(loss)])
    for given in (y, [y[b, :n] for b, n in enumerate(LENGTHS)]):
        assert_close(np.array(model.evaluate(x, given, batch_size=4)), wanted, 1e-12)


def test_rows_of_several_axes() -> None:
    """Dense on [B, T, A, F]: losses and metrics see B T A rows of classes."""
    x = RNG.standard_normal((2, 4, 5, 6))
    y = RNG.integers(0, 3, (2, 4, 5))
    model = fr.Sequential([fr.Dense(3, activation="softmax")], seed=0, dtype="float64")
    flat = fr.Sequential([fr.Dense(3, activation="softmax")], seed=0, dtype="float64")
    for target, loss in ((y, "sparse_categorical_crossentropy"), (np.eye(3)[y], "categorical_crossentropy")):
        for one in (model, flat):
            one.compile("sgd", loss, metrics=["accuracy"])
        rows = target.reshape(40, *target.shape[3:])
        w = RNG.random((2, 4))
        assert_close(
            np.array(model.evaluate(x, target, sample_weight=w)),
            np.array(flat.evaluate(x.reshape(40, 6), rows, sample_weight=w.repeat(5))), 1e-13,
        )  # fmt: skip
        model.fit(x, target, verbose=0)
        flat.fit(x.reshape(40, 6), rows, batch_size=40, verbose=0)
        assert_close(model.get_weights(), flat.get_weights(), 1e-13)


def test_threads_of_python_may_share_a_model() -> None:
    from concurrent.futures import ThreadPoolExecutor

    model = tagger()
    wanted = model.predict(X)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: model.predict(X), range(32)):
            assert_same_bits(got, wanted)


# ---------------------------------------------------------------------- building and weights


def test_built_by_input_by_shape_or_by_data() -> None:
    layers: list[Callable[[], list[Any]]] = [
        lambda: [fr.Bidirectional(fr.LSTM(4, return_sequences=True)), fr.Dense(3)],
        lambda: [fr.Embedding(9, 3), fr.LSTM(4), fr.RepeatVector(2), fr.GRU(2)],
    ]
    for make, x, shape in zip(layers, (X, IDS), ((None, None, 3), (None, 5)), strict=True):
        declared = shape[1:], "int" if len(shape) == 2 else "float"
        first = fr.Sequential([fr.Input(*declared), *make()], seed=4)
        assert first.built
        second, third = fr.Sequential(make(), seed=4), fr.Sequential(make(), seed=4)
        second.build(shape)
        third.predict(x)
        assert_same_bits(second.get_weights(), third.get_weights())
        assert [w.shape for w in first.get_weights()] == [w.shape for w in second.get_weights()]
        assert first.predict(x).shape == third.predict(x).shape
    later = fr.Sequential([fr.Input((None, 3))])
    later.add(fr.LSTM(4))
    later.add(fr.Dense(2))
    assert later.predict(X).shape == (6, 2)
    vectors = fr.Sequential([fr.Dense(2)])
    vectors.build((None, 7))
    assert vectors.count_params() == 16


def test_a_build_that_fails_leaves_nothing_behind() -> None:
    model = fr.Sequential([fr.Dense(4), fr.LSTM(2)], seed=0)
    with pytest.raises(fr.ShapeError):
        model.predict(X[:, 0])
    assert not model.built and not any(layer.built for layer in model.layers)
    assert model.predict(X).shape == (6, 2)
    model = fr.Sequential([fr.Input((None, 3)), fr.LSTM(4)], seed=0)
    with pytest.raises(fr.ShapeError):
        model.add(fr.RNN(2))  # the LSTM gives vectors
    model.add(fr.Dense(2))
    assert model.predict(X).shape == (6, 2)


def test_names_are_numbered() -> None:
    model = fr.Sequential([fr.Dense(2), fr.Dense(2), fr.Dense(2, name="head"), fr.Dense(2)])
    assert [layer.name for layer in model.layers] == ["dense", "dense_1", "head", "dense_2"]
    names = [fr.RepeatVector(2).name, fr.LSTM(2).name, fr.OneHot(2).name]
    assert names == ["repeat_vector", "lstm", "one_hot"]
    model.build((None, 2))
    assert list(model.named_params())[:3] == ["dense/W", "dense/b", "dense_1/W"]


def test_weights_in_and_out() -> None:
    one, two = tagger(seed=1), tagger(seed=2)
    one.predict(X)
    two.predict(X)
    weights = one.get_weights()
    two.set_weights(weights)
    assert_same_bits(two.predict(X), one.predict(X))
    for w in weights:
        w[...] = 7  # copies: the models do not notice
    assert_same_bits(two.predict(X), one.predict(X))
    assert sum(w.size for w in weights) == one.count_params()


def test_seeds() -> None:
    def weights(seed: Any) -> Any:
        model = tagger(seed=seed)
        model.build((None, None, 3))
        return model.get_weights()

    assert_same_bits(weights(5), weights(np.int64(5)))
    assert_same_bits(weights(np.random.default_rng(1)), weights(np.random.default_rng(1)))
    rng = np.random.default_rng(1)
    assert not np.array_equal(weights(rng)[0], weights(rng)[0])  # the generator moves on
    assert not np.array_equal(weights(5)[0], weights(6)[0])
    assert not np.array_equal(weights(None)[0], weights(None)[0])
    np.random.seed(0)  # noqa: NPY002  the global state is neither read nor moved
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    weights(5)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_a_layer_more_does_not_change_the_weights_before_it() -> None:
    short, long = fr.Sequential([fr.LSTM(4)], seed=3), fr.Sequential([fr.LSTM(4), fr.Dense(2)], seed=3)
    for model in (short, long):
        model.build((None, None, 3))
    assert_same_bits(long.get_weights()[:3], short.get_weights())
    twins = fr.Sequential([fr.Dense(3), fr.Dense(3)], seed=3)
    twins.build((None, 3))
    assert not np.array_equal(twins.get_weights()[0], twins.get_weights()[2])


def test_representation() -> None:
    text = repr(fr.Sequential([fr.LSTM(3), fr.Dense(2)]))
    assert text.startswith("Sequential([LSTM(units=3, ") and "Dense(units=2, activation='linear'" in text
    assert str(fr.Bidirectional(fr.LSTM(3))).startswith("Bidirectional(")


# ---------------------------------------------------------------------- memory


MEASURE = """
import resource, sys
import numpy as np
import fastrnn as fr
kind, V = sys.argv[1], int(sys.argv[2])
layers = {
    "lstm": [fr.LSTM(1, unit_forget_bias=True), fr.Dense(2)],
    "dense": [fr.Dense(4), fr.GRU(2)],
    "both": [fr.Bidirectional(fr.GRU(1, return_sequences=True)), fr.Dense(2)],
}[kind]
model = fr.Sequential([fr.OneHot(V), *layers], seed=0)
model.compile(fr.optimizers.SGD(0.1), "mse")
ids = np.random.default_rng(0).integers(0, V, (64, 60))
y = np.zeros(model.predict(ids).shape, "float32")
model.fit(ids, y, batch_size=64, epochs=2, verbose=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, sum(w.nbytes for w in model.get_weights()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
@pytest.mark.parametrize("kind", ["lstm", "dense", "both"])
def test_one_hot_memory_is_weights_and_gradients(kind: str) -> None:
    """3,840 rows of V = 100,000 in float32 would be 1.5 GB; weights and gradients are under 4 MB."""

    def peak(V: int) -> tuple[float, float]:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, kind, str(V)], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(fr.__file__))},
        )  # fmt: skip
        rss, weights = done.stdout.split()
        return int(rss) * 1024, int(weights)

    small, _ = peak(10)
    large, weights = peak(100_000)
    # Weights, gradients, and what initialising and packing them takes for a moment.
    assert large - small < 12 * weights + 8e6, (large - small) / 1e6


# ---------------------------------------------------------------------- messages


class Mine(fr.Layer):
    def forward(self, x: Any, noise: Any) -> Any:
        return x, None


def compiled(loss: str = "sparse_categorical_crossentropy", **options: Any) -> fr.Sequential:
    model = classifier()
    model.compile("adam", loss, **options)
    return model


def twice() -> None:
    layer = fr.LSTM(3)
    fr.Sequential([layer, layer])


def built_layer_again() -> None:
    model = tagger()
    model.predict(X)
    fr.Sequential([model.layers[1]])


def inside_too() -> None:
    layer = fr.LSTM(3)
    fr.Sequential([layer, fr.Bidirectional(layer)])


def too_late() -> None:
    model = tagger()
    model.predict(X)
    model.add(fr.Dense(2))


def set_weights(change: Callable[[list[Any]], Any]) -> None:
    model = classifier()
    model.build((None, None, 3))
    weights = model.get_weights()
    before = model.get_weights()
    try:
        model.set_weights(change(weights))
    finally:
        assert_same_bits(model.get_weights(), before)  # all or nothing


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fr.Sequential(["lstm"]), TypeError,
         "Sequential: layer must be a layer such as LSTM(64), got lstm."),
        (lambda: fr.Sequential([fr.LSTM]), TypeError,
         "Sequential: layer must be a layer such as LSTM(64), got <class"),
        (twice, ValueError, "Sequential: LSTM(units=3) is in a model already; make a second one."),
        (inside_too, ValueError, "is in a model already; make a second one."),
        (built_layer_again, ValueError,
         "Sequential: Dense(units=3) is in a model already; make a second one."),
        (too_late, RuntimeError, "Sequential: add every layer before the model is built."),
        (lambda: fr.Sequential([fr.Dense(2), fr.Input((3,))]), ValueError,
         "Sequential: Input must be the first layer."),
        (lambda: fr.Sequential([], seed=-1), ValueError,
         "Sequential: seed must be a whole number of at least 0, a numpy.random.Generator or None, got -1."),
        (lambda: fr.Sequential([], seed=1.0), ValueError, "numpy.random.Generator or None, got 1.0."),
        (lambda: fr.Sequential([], seed=True), ValueError, "numpy.random.Generator or None, got True."),
        (lambda: fr.Sequential([], seed=np.random.RandomState(0)), ValueError,
         "numpy.random.Generator or None, got"),
        (lambda: fr.Sequential([], dtype="float16"), fr.DtypeError,
         "Sequential: dtype must be float32 or float64, got float16."),
        (lambda: fr.Sequential([], backend="gpu"), ValueError,
         "fastrnn: backend must be one of cpu, reference, cupy, got 'gpu'."),
        (lambda: fr.Sequential([]).predict(X), ValueError, "Sequential: a model needs at least one layer."),
        (lambda: fr.Sequential([]).build((None, 3)), ValueError,
         "Sequential: a model needs at least one layer."),
        (lambda: classifier().build((None, None, None)), ValueError,
         "Sequential.build: a size of features in shape must be a whole number of at least 1, got None."),
        (lambda: classifier().build(3), ValueError,
         "Sequential.build: shape must be a tuple such as (None, None, 8), the batch first, got 3."),
        (lambda: fr.Sequential([fr.OneHot(3), fr.RNN(2)]).build((None, 5, 3)), ValueError,
         "Sequential.build: shape must be (None, T) for integer ids, got [B, 5, 3] ids."),
        (lambda: fr.Sequential([fr.LSTM(3, return_state=True), fr.Dense(2)]).predict(X), ValueError,
         "LSTM(units=3): return_state is for the last layer of a model."),
        (lambda: fr.Sequential([fr.Input((None, 3)), fr.LSTM(3, return_state=True), fr.Dense(2)]), ValueError,
         "LSTM(units=3): return_state is for the last layer of a model."),
        (lambda: classifier().predict(X.tolist()), fr.DtypeError,
         "predict: x[0] must be an array or a list of arrays"),
        (lambda: classifier().predict(X, batch_size=0), ValueError,
         "predict: batch_size must be a whole number of at least 1, got 0."),
        (lambda: classifier().predict(X, batch_size=2.5), ValueError, "predict: batch_size must be"),
        (lambda: compiled().evaluate(X, np.zeros(6, int), batch_size=True), ValueError,
         "evaluate: batch_size must be a whole number of at least 1, got True."),
        (lambda: classifier().fit(X, X), RuntimeError,
         "Sequential.fit: call compile(optimizer, loss) first."),
        (lambda: classifier().evaluate(X, X), RuntimeError,
         "Sequential.evaluate: call compile(optimizer, loss) first."),
        (lambda: classifier().train_on_batch(X, X), RuntimeError,
         "Sequential.train_on_batch: call compile(optimizer"),
        (lambda: classifier().compile("adam"), ValueError,
         "Sequential.compile: loss must be a loss, for example 'mse' or 'sparse_categorical_crossentropy',"),
        (lambda: classifier().compile("adams", "mse"), ValueError,
         "optimizer must be one of sgd, rmsprop, adam, adamw, got 'adams'. Did you mean 'adam'?"),
        (lambda: classifier().compile("adam", "categorical_crossentropi"), ValueError,
         "Did you mean 'categorical_crossentropy'?"),
        (lambda: classifier().compile("adam", "mse", metrics=["acuracy"]), ValueError,
         "Did you mean 'accuracy'?"),
        (lambda: classifier().summary(), RuntimeError,
         "Sequential.summary: the model has no weights yet. Put Input(...) first, call build(shape), or "
         "give it data."),
        (lambda: classifier().get_weights(), RuntimeError, "the model has no weights yet."),
        (lambda: classifier().save("nowhere"), RuntimeError,
         "Sequential.save: the model has no weights yet."),
        (lambda: set_weights(lambda w: w[:-1]), ValueError, "set_weights: weights must be 6 arrays, got 5."),
        (lambda: set_weights(lambda w: [*w[:-1], w[-1].astype(float)]), fr.DtypeError,
         "set_weights: dense/b must be [3] float32, got [3] float64."),
        (lambda: set_weights(lambda w: [*w[:-1], w[-1][:2]]), fr.ShapeError,
         "set_weights: dense/b must be [3] float32, got [2] float32."),
        (lambda: set_weights(lambda w: [*w[:-1], [1.0, 2.0, 3.0]]), fr.DtypeError,
         "set_weights: dense/b must be [3] float32, got [1.0, 2.0, 3.0]."),
    ],
)  # fmt: skip
def test_messages(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value) and type(caught.value) is error


@pytest.mark.parametrize(
    ("loss", "y", "error", "message"),
    [
        ("sparse_categorical_crossentropy", np.zeros(6), fr.DtypeError,
         "y must be an array of integer class ids, got [6] float64. Convert it with y.astype('int64')"),
        ("sparse_categorical_crossentropy", np.full(6, 3), ValueError,
         "y must be class ids from 0 to 2, got ids from 3 to 3. The last layer has 3 outputs; "
         "ids start at 0."),
        ("sparse_categorical_crossentropy", np.zeros((6, 3), int), fr.ShapeError,
         "For one-hot targets use the loss 'categorical_crossentropy'."),
        ("categorical_crossentropy", np.zeros(6, int), fr.ShapeError,
         "For class ids use the loss 'sparse_categorical_crossentropy'."),
        ("categorical_crossentropy", np.full((6, 3), 2.0, F), ValueError,
         "y must be values in [0, 1], got values from 2"),
        ("mse", np.zeros((6, 3)), fr.DtypeError, "y must be [N, F] = [6, 3] float32, got [6, 3] float64."),
        ("mse", np.zeros((6, 2), F), fr.ShapeError,
         "y must be [N, F] = [6, 3] float32, got [6, 2] float32. Targets have"),
        ("mse", np.full((6, 3), np.nan, F), ValueError,
         "y must be finite, got 18 of 18 values that are NaN or infinite."),
    ],
)  # fmt: skip
def test_messages_for_targets(loss: str, y: Any, error: type[Exception], message: str) -> None:
    model = compiled(loss)
    for call, where in (
        (model.evaluate, "evaluate"),
        (model.train_on_batch, "train_on_batch"),
        (lambda x, y: model.fit(x, y, verbose=0), "fit, epoch 1, batch 1"),
    ):
        with pytest.raises(error) as caught:
            call(X, y)
        assert str(caught.value).startswith(f"{where}: ") and message in str(caught.value)


@pytest.mark.parametrize("dtype", ["flaot32", "int8", None, object()])
def test_a_dtype_that_is_none_of_ours(dtype: Any) -> None:
    with pytest.raises(fr.DtypeError, match="Sequential: dtype must be float32 or float64, got "):
        fr.Sequential(dtype=dtype)
