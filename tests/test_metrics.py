"""Metrics: against plain formulas and scikit-learn, batch by batch, weights, messages."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from scipy.special import expit, softmax

from fastrnn import losses, metrics
from fastrnn.errors import DtypeError, ShapeError

N, C = 40, 4


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def stream(metric, y, target, weights=None, cuts=(0, 7, 7, 30, N)):
    """The result of a pass in uneven batches, one of them empty."""
    metric.reset()
    for a, b in itertools.pairwise(cuts):
        metric.update(np, y[a:b], target[a:b], None if weights is None else weights[a:b])
    return metric.result()


def case(name, rng):
    """Predictions, targets and the rows' values, computed plainly."""
    z = rng.normal(size=(N, C))
    ids = rng.integers(0, C, N)
    real = rng.normal(size=(N, C))
    if name == "sparse_categorical_accuracy":
        return z, ids[:, None], z.argmax(1) == ids
    if name == "categorical_accuracy":
        return z, np.eye(C)[ids], z.argmax(1) == ids
    if name == "binary_accuracy":
        p, t = expit(z), rng.integers(0, 2, (N, C))
        return p, t, ((p > 0.5) == t).mean(1)
    if name == "top_k_categorical_accuracy":
        return z, ids, np.array([i in np.argsort(row)[-2:] for row, i in zip(z, ids, strict=True)])
    if name == "mse":
        return z, real, ((z - real) ** 2).mean(1)
    return z, real, np.abs(z - real).mean(1)


@pytest.mark.parametrize("name", ["sparse_categorical_accuracy", "categorical_accuracy",
                                  "binary_accuracy", "top_k_categorical_accuracy", "mse", "mae"])
def test_weighted_means(name, rng):
    y, target, rows = case(name, rng)
    options = {"k": 2} if name.startswith("top") else {}
    metric = metrics.get({"name": name, **options})
    weights = rng.uniform(size=N)
    assert rows.mean() > 0 and rows.std() > 0
    assert metric.exact and metric.name == name
    assert stream(metric, y, target) == pytest.approx(rows.mean(), rel=1e-13)
    want = np.average(rows, weights=weights)
    assert stream(metric, y, target, weights) == pytest.approx(want, rel=1e-13)
    assert stream(metric, y, target, weights, (0, N)) == pytest.approx(want, rel=1e-13)
    y32 = y.astype(np.float32)
    assert stream(metric, y32, target, weights) == pytest.approx(want, rel=1e-6)


def test_rmse_is_the_root_of_the_whole_mean(rng):
    y, target, rows = case("mse", rng)
    assert stream(metrics.get("rmse"), y, target) == pytest.approx(math.sqrt(rows.mean()))
    assert metrics.get("rmse").name == "rmse"


def test_perplexity(rng):
    z, ids = rng.normal(size=(N, C)), rng.integers(0, C, N)
    p = softmax(z, axis=1)
    want = math.exp(-np.log(p[np.arange(N), ids]).mean())
    assert stream(metrics.get("perplexity"), p, ids) == pytest.approx(want)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    assert stream(metrics.get("perplexity", loss), z, ids) == pytest.approx(want)
    zero = metrics.get("perplexity")
    zero.update(np, np.array([[0.0, 1.0]], np.float32), np.array([0]))
    assert zero.result() == pytest.approx(1 / np.finfo(np.float32).tiny, rel=1e-4)  # of exp(87.3)
    zero.update(np, np.zeros((9, 2)), np.zeros(9, int))
    assert math.isfinite(zero.result())
    zero.reset()
    zero.update(np, np.array([[-2000.0, 0.0]]), np.array([0]))  # "probabilities" that are not
    assert zero.result() == pytest.approx(1 / np.finfo(np.float64).tiny)


def test_top_k_counts_ties_but_not_nan():
    top = metrics.TopKCategoricalAccuracy(k=1)
    top.update(np, np.array([[1.0, 1.0, 0.0], [np.nan, 0.0, 0.0]]), np.array([1, 0]))
    assert top.result() == 0.5


@pytest.mark.parametrize("weighted", [False, True])
def test_auroc_is_that_of_scikit_learn(rng, weighted):
    roc = pytest.importorskip("sklearn.metrics").roc_auc_score
    score = np.round(4 * rng.normal(size=N)) / 4  # with ties, exact sums
    label = (score + rng.normal(size=N) > 0).astype(int)
    weights = rng.uniform(size=N) if weighted else None
    want = pytest.approx(roc(label, score, sample_weight=weights), rel=1e-12)
    auroc = metrics.get("auroc")
    assert stream(auroc, score, label, weights) == want
    assert stream(auroc, score[:, None], label[:, None].astype(float), weights) == want
    two = np.stack([np.zeros(N), score], axis=1)
    assert stream(auroc, two, label, weights) == want
    # A row's logits have any common part, which the second column alone would rank by.
    assert stream(auroc, two + rng.normal(size=(N, 1)).round(), label, weights) == want
    assert stream(auroc, two, np.eye(2)[label], weights) == want


def test_auroc_without_an_answer():
    auroc = metrics.get("auc")
    assert math.isnan(auroc.result())
    auroc.update(np, np.array([0.1, 0.2]), np.array([1, 1]))
    assert math.isnan(auroc.result())
    auroc.update(np, np.array([np.nan]), np.array([0]))
    assert math.isnan(auroc.result())
    auroc.reset()
    auroc.update(np, np.array([0.1, 0.2]), np.array([0, 1]))
    assert auroc.result() == 1.0


def test_no_rows_give_nan_and_reset_forgets(rng):
    y, target, _ = case("mse", rng)
    metric = metrics.get("mse")
    assert math.isnan(metric.result())
    stream(metric, y, target)
    metric.reset()
    assert math.isnan(metric.result())


def test_accuracy_by_shapes(rng):
    z, ids = rng.normal(size=(N, C)), rng.integers(0, C, N)
    for target in (ids, ids[:, None], np.eye(C)[ids]):
        assert stream(metrics.get("accuracy"), z, target) == np.mean(z.argmax(1) == ids)
    p, t = rng.uniform(size=(N, 1)), rng.integers(0, 2, N)
    for target in (t, t[:, None], t.astype(float)):
        assert stream(metrics.get("acc"), p, target) == pytest.approx(np.mean((p[:, 0] > 0.5) == t))


@pytest.mark.parametrize(("loss", "cls", "probabilities"), [
    (losses.SparseCategoricalCrossentropy(), metrics.SparseCategoricalAccuracy, False),
    (losses.CategoricalCrossentropy(), metrics.CategoricalAccuracy, False),
    (losses.BinaryCrossentropy(), metrics.BinaryAccuracy, True),
    (losses.MeanSquaredError(), metrics.Accuracy, True),
])
def test_accuracy_by_loss(loss, cls, probabilities):
    metric = metrics.get("accuracy", loss)
    assert type(metric) is cls and metric.name == "accuracy"
    assert metric.needs_probabilities is probabilities
    again = metrics.get(json.loads(json.dumps(metric.config())))
    assert type(again) is cls and again.config() == metric.config()


def test_several_binary_outputs_and_logits(rng):
    z, t = rng.normal(size=(N, C)), rng.integers(0, 2, (N, C))
    want = pytest.approx(np.mean((z > 0) == t))
    assert stream(metrics.get("accuracy", losses.BinaryCrossentropy()), expit(z), t) == want
    logits = losses.BinaryCrossentropy(from_logits=True)
    assert stream(metrics.get("accuracy", logits), z, t) == want


def test_metrics_that_take_logits_give_the_same(rng):
    z, ids = rng.normal(size=(N, 2)), rng.integers(0, 2, N)
    for name in metrics.METRICS:
        metric = metrics.get(name)
        if not metric.needs_probabilities:
            target = np.eye(2)[ids] if name == "categorical_accuracy" else ids
            assert stream(metric, z, target) == stream(metric, softmax(z, axis=1), target)


@pytest.mark.parametrize("name", list(metrics.METRICS))
def test_config_gives_the_metric_back(name):
    metric = metrics.get(name)
    again = metrics.get(json.loads(json.dumps(metric.config())))
    assert type(again) is type(metric) and vars(again) == vars(metric)
    assert metric.name == name
    assert metrics.get(metric) is metric


def test_functions_get_truth_first(rng):
    y, target, _ = case("mse", rng)
    w = rng.uniform(size=N)

    def bias(y_true, y_pred):
        return (y_pred - y_true).mean(axis=1)

    metric = metrics.get(bias)
    assert metric.name == "bias" and not metric.exact and metric.config() is None
    rows = (y - target).mean(1)
    assert stream(metric, y, target, w) == pytest.approx(np.average(rows, weights=w))
    assert stream(metric, y, target) == pytest.approx(rows.mean())
    number = metrics.get(lambda y_true, y_pred: float((y_pred - y_true).mean()))
    assert stream(number, y, target) == pytest.approx(rows.mean())
    with pytest.raises(ShapeError, match=r"bias: the result must be a number or \[N\] = \[7\]"):
        stream(metrics.FunctionMetric(lambda t, p: p, "bias"), y, target)


@pytest.mark.parametrize(("name", "y", "target", "error", "message"), [
    ("sparse_categorical_accuracy", (5, 3), np.eye(3)[[0, 1, 2, 0, 1]], ShapeError,
     "must be class ids [N] = [5], got [5, 3] float64. For one-hot targets use"),
    ("sparse_categorical_accuracy", (5, 3), np.zeros(5), DtypeError, "integer class ids"),
    ("categorical_accuracy", (5, 3), np.zeros(5, int), ShapeError, "[N, F] = [5, 3], got [5] int"),
    ("mae", (5, 3), np.zeros((5, 2)), ShapeError, "[N, F] = [5, 3], got [5, 2] float64"),
    ("auroc", (5, 3), np.zeros(5), ShapeError, "y must be [N], [N, 1] or [N, 2], got [5, 3]"),
    ("auroc", (5, 1), np.zeros((5, 2)), ShapeError, "auroc: target must be [N] = [5], got [5, 2]"),
])
def test_bad_batches(name, y, target, error, message):
    with pytest.raises(error) as caught:
        metrics.get(name).update(np, np.zeros(y), target)
    assert message in str(caught.value)


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: metrics.get("acuracy"), ValueError, "Did you mean 'accuracy'?"),
    (lambda: metrics.get(3), TypeError, "the name of a metric, a function or a"),
    (lambda: metrics.TopKCategoricalAccuracy(0), ValueError,
     "TopKCategoricalAccuracy: k must be a whole number from 1, got 0"),
])
def test_bad_arguments(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


def test_a_broken_model_makes_no_warnings():
    y, t = np.array([[np.inf, np.nan]], np.float32), np.array([[np.inf, 0]], np.float32)
    for name in ("mse", "mae", "rmse"):
        metric = metrics.get(name)
        metric.update(np, y, t)
        assert math.isnan(metric.result())
