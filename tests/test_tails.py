"""Dense, softmax and the loss of class ids in one go: the kernel, and the training that runs through it."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from cases import THREADS, assert_close, assert_same_bits
from gradcheck import check_gradients

import fastrnn as fr
from fastrnn import training
from fastrnn.backends import get_backend
from fastrnn.batches import Inputs, Targets
from fastrnn.crossentropy import FORMULA
from fastrnn.kernels import crossentropy as kernel
from fastrnn.loss import mean

CPU, ARRAYS = get_backend("cpu"), get_backend("reference")

# N, H, V: ones, no rows, one beyond a tile of rows and of classes, several chunks.
SIZES = [(1, 1, 1), (0, 3, 4), (5, 3, 2), (129, 7, 513), (300, 20, 12000)]


def problem(N: int, H: int, V: int, dtype: Any = np.float64, seed: int = 0) -> Any:
    """(params, x, target, weights)."""
    rng = np.random.default_rng(seed)
    params = {"W": rng.normal(size=(V, H)).astype(dtype), "b": rng.normal(size=V).astype(dtype)}
    return params, rng.normal(size=(N, H)).astype(dtype), rng.integers(0, V, N), rng.random(N).astype(dtype)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_kernel_is_the_array_code(size: Any, dtype: Any, weighted: bool) -> None:
    params, x, target, weights = problem(*size, dtype)
    given = params, x, target, weights if weighted else None
    before = [a.copy() for a in (*params.values(), x, target, weights)]
    losses, best, dx, grads = CPU.run(FORMULA, "backward", *given)
    wanted = ARRAYS.run(FORMULA, "backward", *given)
    assert losses.dtype == wanted[0].dtype == np.float64
    assert mean(losses) == pytest.approx(mean(wanted[0]), rel=1e-6 if dtype == np.float32 else 1e-14)
    np.testing.assert_array_equal(best, wanted[1])
    tolerance = 1e-5 if dtype == np.float32 else 1e-14  # one chain of 12000 terms rounds more than a tree
    for got, want in ((dx, wanted[2]), *((grads[k], wanted[3][k]) for k in "Wb")):
        assert got.dtype == want.dtype == dtype and got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max(initial=0))
    alone = CPU.run(FORMULA, "forward", *given)
    assert_same_bits(alone, (losses, best))
    assert_same_bits([*params.values(), x, target, weights], before)


@pytest.mark.parametrize("size", [(4, 3, 5), (131, 2, 3), (3, 2, 515)], ids=str)
@pytest.mark.parametrize("backend", [CPU, ARRAYS], ids=["kernel", "arrays"])
def test_gradients_are_derivatives(backend: Any, size: Any) -> None:
    params, x, target, weights = problem(*size)

    def split(inputs: Any) -> Any:
        return {"W": inputs["W"], "b": inputs["b"]}, inputs["x"], target, weights

    def forward(inputs: Any) -> Any:
        return (np.array(mean(backend.run(FORMULA, "forward", *split(inputs))[0])),)

    def backward(inputs: Any, douts: Any) -> Any:
        _, _, dx, grads = backend.run(FORMULA, "backward", *split(inputs))
        return {k: douts[0] * g for k, g in {"x": dx, **grads}.items()}

    check_gradients(forward, backward, {"x": x, **params})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_do_not_show(dtype: Any) -> None:
    given = problem(700, 60, 3100, dtype)

    def run(threads: int) -> Any:
        losses, best, dx, grads = CPU.run(FORMULA, "backward", *given, threads=threads)
        return losses, best, dx, list(grads.values())

    wanted = run(1)
    for threads in THREADS[1:]:
        assert_same_bits(run(threads), wanted)


def test_exponential() -> None:
    """float32: swept over all sizes, at most 2 ulp; float64 is the C library's."""
    bits = np.arange(0x80000000, 0xC2AE0000, 211, dtype=np.uint64).astype(np.uint32)
    x = np.concatenate([bits.view(np.float32), np.float32([0, -86.99, -1e-30])])
    exact = np.exp(x.astype(np.float64))
    ulp = np.spacing(exact.astype(np.float32)).astype(np.float64)
    assert (np.abs(kernel.exponential(x) - exact) / ulp).max() <= 2
    edges = np.float32([0, -0.0, -88, -1e30, -np.inf, np.nan])
    np.testing.assert_array_equal(kernel.exponential(edges), np.float32([1, 1, 0, 0, 0, np.nan]))
    x64 = -np.logspace(-20, 2.8, 500)
    np.testing.assert_allclose(kernel.exponential(x64), np.exp(x64), rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits(dtype: Any) -> None:
    """Differences of thousands, classes that are shut out, a whole tile of them, and what is broken."""
    V = 1100
    params = {"W": np.zeros((V, 2), dtype), "b": np.zeros(V, dtype)}
    x, target = np.ones((2, 2), dtype), np.array([0, 3])
    params["b"][0], params["b"][7] = 5000, -5000
    losses, best, _, grads = CPU.run(FORMULA, "backward", params, x, target, None)
    assert losses.tolist() == [0, 5000] and (best == 0).all()
    np.testing.assert_allclose(grads["b"][[0, 3, 7]], [0.5, -0.5, 0], atol=1e-7)
    params["b"][:] = -np.inf
    params["b"][[0, 3]] = 0
    losses, best, dx, grads = CPU.run(FORMULA, "backward", params, x, target, None)
    assert losses == pytest.approx(math.log(2)) and (best == 0).all() and np.isfinite(dx).all()
    assert np.isfinite(grads["b"]).all()
    for bad in (np.nan, np.inf):
        params["b"][1] = bad
        assert np.isnan(CPU.run(FORMULA, "forward", params, x, target, None)[0]).all()
    params["b"][:] = -np.inf
    assert np.isnan(CPU.run(FORMULA, "forward", params, x, target, None)[0]).all()


def test_a_target_that_is_no_class_reads_nothing() -> None:
    """The doors refuse it (`Loss.check`); the kernel gives NaN."""
    params, x, _, _ = problem(3, 2, 4)
    for bad in (-1, 4, 10**12):
        losses = CPU.run(FORMULA, "backward", params, x, np.array([0, bad, 1]), None)[0]
        assert np.isnan(losses).tolist() == [False, True, False]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_the_logits_never_exist(direction: str) -> None:
    """Peak memory beside the results does not grow with the rows, and is far below N V numbers."""
    def peak(N: int) -> int:
        given = problem(N, 8, 5000, np.float32)
        tracemalloc.start()
        try:
            CPU.run(FORMULA, direction, *given[:3], None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2000)  # memory that is kept is there from now on
    assert peak(2000) < 2000 * 5000 * 4 / 3
    assert peak(4000) < peak(2000) + 4000 * 100
    given = problem(2000, 8, 5000, np.float32)
    tracemalloc.start()
    ARRAYS.run(FORMULA, direction, *given[:3], None)
    assert tracemalloc.get_traced_memory()[1] > 2000 * 5000 * 4  # the measure sees what it is for
    tracemalloc.stop()


# ---------------------------------------------------------------------- models


def by_function(target: Any, y: Any) -> Any:
    """The accuracy as a user's metric, which wants the model's whole output."""
    return y.argmax(axis=1) == target


def model(metrics: Any = (), backend: str = "cpu", dtype: str = "float32", **loss: Any) -> fr.Sequential:
    activation = None if loss.get("from_logits") else "softmax"
    layers = [fr.Input((None, 3)), fr.GRU(5, return_sequences=True), fr.Dense(4, activation=activation)]
    made = fr.Sequential(layers, seed=1, dtype=dtype, backend=backend)
    made.compile("adam", fr.losses.SparseCategoricalCrossentropy(**loss), metrics=list(metrics))
    return made


def ragged(dtype: str = "float32") -> Any:
    rng = np.random.default_rng(0)
    lengths = [4, 1, 0, 7, 3, 2, 6]
    x = [rng.normal(size=(n, 3)).astype(dtype) for n in lengths]
    return x, [rng.integers(0, 4, n) for n in lengths]


def one_step(made: fr.Sequential, x: Any, y: Any) -> training.Step:
    inputs = made.inputs("test", x)
    return training.step(made, inputs, Targets("test", y, inputs), np.arange(len(inputs)), "test")


@pytest.mark.parametrize("from_logits", [False, True])
def test_training_through_the_tail_is_training(from_logits: bool) -> None:
    """Against the same model whose metric keeps it from the tail, and against the array code."""
    x, y = ragged("float64")
    weights = np.random.default_rng(1).random(len(x))
    found = []
    for backend, metric in (("cpu", "accuracy"), ("cpu", by_function), ("reference", "accuracy")):
        made = model([metric], backend, "float64", from_logits=from_logits)
        history = made.fit(x, y, epochs=3, batch_size=3, sample_weight=weights, verbose=0).history
        again = made.evaluate(x, y, batch_size=2)
        made.compile("sgd", made.loss, metrics=["accuracy"])
        accuracy = made.evaluate(x, y)[1]
        found.append((np.array([history["loss"], history["loss"]]), np.array([*again, accuracy]),
                      made.get_weights()))  # fmt: skip
    assert_close(found[0], found[1], 1e-12)
    assert_close(found[0], found[2], 1e-12)


def test_what_runs_through_the_tail() -> None:
    """Classes [N] where the metrics are content with them, else the logits [N, V]."""
    x, y = ragged()
    for metrics in ([], ["accuracy"], ["sparse_categorical_accuracy", "accuracy"]):
        done = one_step(model(metrics), x, y)
        assert done.y.shape == (23,) and done.y.dtype.kind == "i"
    for metrics in (["perplexity"], ["accuracy", by_function], ["sparse_top_k_categorical_accuracy"]):
        assert one_step(model(metrics), x, y).y.shape == (23, 4)
    logits = model(["accuracy"], from_logits=True)
    assert one_step(logits, x, y).y.shape == (23,)
    other = fr.Sequential([fr.Dense(4, activation="relu")], seed=1)  # neither softmax nor logits
    other.compile("sgd", "sparse_categorical_crossentropy")
    assert one_step(other, x[3], y[3]).y.shape == (7, 4)


def test_one_hot_input_and_further_axes() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 6, (5, 4))
    one_hot = fr.Sequential([fr.OneHot(6), fr.Dense(3, activation="softmax")], seed=1)
    one_hot.compile("sgd", "sparse_categorical_crossentropy")
    assert one_step(one_hot, ids, ids % 3).y.shape == (20, 3)
    x, y = rng.normal(size=(5, 4, 2, 3)), rng.integers(0, 4, (5, 4, 2))
    results = []
    for metric in ("accuracy", by_function):
        made = fr.Sequential([fr.Dense(4, activation="softmax")], seed=1, dtype="float64")
        made.compile("sgd", "sparse_categorical_crossentropy", metrics=[metric])
        done = one_step(made, x, y)
        assert done.y.shape == ((40,) if metric == "accuracy" else (40, 4))
        results.append((np.array([done.loss, done.gradient_norm]), made.get_weights()))
    assert_close(results[0], results[1], 1e-13)


def test_errors_are_those_of_the_loss_and_the_step() -> None:
    x, y = ragged()
    made = model(["accuracy"])
    with pytest.raises(ValueError, match="class ids from 0 to 3, got ids from 0 to 9"):
        made.fit(x, [np.full_like(a, 9) if len(a) == 1 else a * 0 for a in y], verbose=0)
    with pytest.raises(fr.DtypeError, match="integer class ids"):
        made.train_on_batch(np.zeros((2, 5, 3), "float32"), np.zeros((2, 5)))
    before = made.get_weights()
    with made.writing():
        made.layers[-1].params["b"][1] = np.nan
    with pytest.raises(fr.NonFiniteError, match="the loss is nan"):
        made.train_on_batch(np.zeros((2, 5, 3), "float32"), np.zeros((2, 5), int))
    with made.writing():
        made.layers[-1].params["b"][1] = before[-1][1]
    assert_same_bits(made.get_weights(), before)


def test_inputs_stay_a_door() -> None:
    """A model that is one layer: the tail reads the caller's rows and leaves them alone."""
    x, y = np.ones((6, 3), np.float32), np.arange(6) % 2
    made = fr.Sequential([fr.Dense(2, activation="softmax")], seed=0)
    made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    assert isinstance(made.inputs("test", x), Inputs)
    first = made.train_on_batch(x, y)
    assert made.train_on_batch(x, y) < first and (x == 1).all()


@pytest.mark.parametrize("backend", [CPU, ARRAYS], ids=["kernel", "arrays"])
def test_of_equal_logits_the_first_is_the_largest(backend: Any) -> None:
    """As argmax has it, also where equals are far apart."""
    params = {"W": np.zeros((1500, 2), "float32"), "b": np.zeros(1500, "float32")}
    params["b"][[3, 700, 1400]] = 1
    x, target = np.ones((4, 2), "float32"), np.arange(4)
    assert backend.run(FORMULA, "forward", params, x, target, None)[1].tolist() == [3] * 4
    assert backend.run(FORMULA, "backward", params, x, target, None)[1].tolist() == [3] * 4
