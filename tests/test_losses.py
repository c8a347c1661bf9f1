"""Losses: gradients by finite differences, values against independent formulas, messages."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from fastrnn import losses
from fastrnn.errors import DtypeError, ShapeError

N, C = 6, 4


def draw(rng, kind, n=N, c=C):
    """Predictions and targets that a loss of this kind takes."""
    if kind == "real":
        return rng.normal(size=(n, c)), rng.normal(size=(n, c)) * 2
    if kind == "binary":
        return rng.uniform(0.05, 0.95, (n, c)), rng.uniform(size=(n, c))
    if kind == "binary logits":
        return 3 * rng.normal(size=(n, c)), rng.integers(0, 2, (n, c))
    if kind == "soft":
        return softmax(rng.normal(size=(n, c)), axis=1), softmax(rng.normal(size=(n, c)), axis=1)
    if kind == "any mass logits":  # targets that do not sum to 1
        return 3 * rng.normal(size=(n, c)), rng.uniform(size=(n, c))
    if kind == "soft logits":
        return 3 * rng.normal(size=(n, c)), softmax(rng.normal(size=(n, c)), axis=1)
    if kind == "ids":
        return softmax(rng.normal(size=(n, c)), axis=1), rng.integers(0, c, n)
    return 3 * rng.normal(size=(n, c)), rng.integers(0, c, (n, 1))


CASES = [
    (losses.MeanSquaredError(), "real"),
    (losses.MeanAbsoluteError(), "real"),
    (losses.Huber(), "real"),
    (losses.Huber(0.3), "real"),
    (losses.BinaryCrossentropy(), "binary"),
    (losses.BinaryCrossentropy(from_logits=True), "binary logits"),
    (losses.CategoricalCrossentropy(), "soft"),
    (losses.CategoricalCrossentropy(label_smoothing=0.2), "soft"),
    (losses.CategoricalCrossentropy(True), "soft logits"),
    (losses.CategoricalCrossentropy(True, 0.2), "soft logits"),
    (losses.CategoricalCrossentropy(True), "any mass logits"),
    (losses.SparseCategoricalCrossentropy(), "ids"),
    (losses.SparseCategoricalCrossentropy(True), "id logits"),
]
IDS = [f"{loss}-{kind}" for loss, kind in CASES]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "kind"), CASES, ids=IDS)
def test_gradient_is_the_derivative(loss, kind, weighted, rng):
    y, target = draw(rng, kind)
    weights = rng.uniform(0.1, 3.0, N) if weighted else None
    before = y.copy(), target.copy()
    _, dy = loss.forward(np, y, target, weights)
    assert dy.shape == y.shape
    step = 1e-6
    numeric = np.empty_like(y)
    for at in np.ndindex(y.shape):
        up, down = y.copy(), y.copy()
        up[at] += step
        down[at] -= step
        numeric[at] = (loss.forward(np, up, target, weights, needs_gradient=False)[0]
                       - loss.forward(np, down, target, weights)[0]) / (2 * step)
    assert np.abs(dy).max() > 1e-3
    np.testing.assert_allclose(dy, numeric, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(y, before[0])
    np.testing.assert_array_equal(target, before[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loss", "kind"), CASES, ids=IDS)
def test_dtype_stays_and_gradient_can_be_skipped(loss, kind, dtype, rng):
    y, target = draw(rng, kind)
    y = y.astype(dtype)
    target = target.astype(dtype) if target.dtype.kind == "f" else target
    weights = rng.uniform(size=N)
    value, dy = loss.forward(np, y, target, weights)
    assert isinstance(value, float) and dy.dtype == dtype
    assert loss.forward(np, y, target, weights, needs_gradient=False) == (value, None)


@pytest.mark.parametrize(("loss", "kind"), CASES, ids=IDS)
def test_no_rows(loss, kind, rng):
    y, target = (a[:0] for a in draw(rng, kind))
    value, dy = loss.forward(np, y, target, np.ones(0))
    assert value == 0.0 and dy.shape == (0, C)


def test_regression_values(rng):
    y, t = draw(rng, "real")
    w = rng.uniform(size=N)
    e = t - y
    rows = {
        "mse": (e**2).mean(1),
        "mae": np.abs(e).mean(1),
        "huber": np.where(np.abs(e) <= 1, e**2 / 2, np.abs(e) - 0.5).mean(1),
    }
    for name, row in rows.items():
        loss = losses.get(name)
        assert loss.forward(np, y, t)[0] == pytest.approx(row.mean(), rel=1e-13)
        assert loss.forward(np, y, t, w)[0] == pytest.approx((w * row).sum() / N, rel=1e-13)
        flat = loss.forward(np, y[:, 0], t[:, 0])
        column = loss.forward(np, y[:, :1], t[:, 0])
        assert flat[0] == column[0]
        assert flat[1].shape == (N,) and column[1].shape == (N, 1)
        np.testing.assert_array_equal(flat[1], column[1][:, 0])


def test_log_loss_values(rng):
    z, ids = draw(rng, "id logits")
    w = rng.uniform(size=N)
    row = -log_softmax(z, axis=1)[np.arange(N), ids[:, 0]]
    one_hot = np.eye(C)[ids[:, 0]]
    sparse, full = losses.SparseCategoricalCrossentropy(), losses.CategoricalCrossentropy()
    for loss, target in ((sparse, ids), (sparse, ids[:, 0]), (full, one_hot)):
        want = pytest.approx((w * row).sum() / N, rel=1e-12)
        assert loss.forward_logits(np, z, target, w)[0] == want
        assert loss.forward(np, softmax(z, axis=1), target, w)[0] == want
    smooth = losses.CategoricalCrossentropy(label_smoothing=0.1)
    want = -((0.9 * one_hot + 0.1 / C) * log_softmax(z, axis=1)).sum(1).mean()
    assert smooth.forward_logits(np, z, one_hot)[0] == pytest.approx(want, rel=1e-12)
    x, t = draw(rng, "binary logits")
    want = -np.where(t == 1, np.log(expit(x)), np.log(expit(-x))).mean()
    binary = losses.BinaryCrossentropy()
    assert binary.forward_logits(np, x, t)[0] == pytest.approx(want, rel=1e-12)
    assert binary.forward(np, expit(x), t)[0] == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits_are_exact(dtype):
    z = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype)
    ids = np.array([1, 0])
    one_hot = np.eye(3, dtype=dtype)[ids]
    for loss, target in ((losses.SparseCategoricalCrossentropy(), ids),
                         (losses.CategoricalCrossentropy(), one_hot)):
        value, dz = loss.forward_logits(np, z, target)
        assert value == pytest.approx((2e4 + 2e4 + np.log(2)) / 2, rel=1e-7)
        np.testing.assert_allclose(dz, [[0.5, -0.5, 0], [-0.5, 0.25, 0.25]], rtol=1e-6)
    value, dz = losses.BinaryCrossentropy().forward_logits(
        np, np.array([[1e4], [-1e4], [1e4]], dtype), np.array([0, 0, 1]))
    assert value == pytest.approx(1e4 / 3, rel=1e-7)
    np.testing.assert_allclose(dz[:, 0], [1 / 3, 0, 0], rtol=1e-6)


def test_probabilities_are_clipped():
    p = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    ids = np.array([0, 0])
    value, dy = losses.SparseCategoricalCrossentropy().forward(np, p, ids)
    assert value == pytest.approx(-np.log(1e-7) / 2, rel=1e-5)
    assert not dy.any()  # the clipped function is flat there
    for loss, target in ((losses.CategoricalCrossentropy(), np.eye(2, dtype=np.float32)[ids]),
                         (losses.BinaryCrossentropy(), 1 - p)):
        value, dy = loss.forward(np, p, target)
        assert np.isfinite(value) and not dy.any()


def test_large_sums_accumulate_in_float64():
    y = np.full((2**22, 1), 0.1, np.float32)
    value, _ = losses.get("mse").forward(np, y, np.zeros_like(y), needs_gradient=False)
    assert value == pytest.approx(float(np.float32(0.1) * np.float32(0.1)), rel=1e-12)


def test_a_broken_value_is_returned_without_warnings():
    y = np.array([[np.nan, 1.0], [1e30, 0.0]], np.float32)
    for name in ("mse", "huber"):
        assert np.isnan(losses.get(name).forward(np, y, np.zeros_like(y))[0])
    assert losses.get("mse").forward(np, y[1:], np.zeros_like(y[1:]))[0] == np.inf
    assert np.isnan(losses.get("sparse_categorical_crossentropy").forward_logits(
        np, y, np.array([0, 1]))[0])


def test_fusing():
    assert losses.get("mse").fuses is None
    assert losses.BinaryCrossentropy().fuses == "sigmoid"
    assert losses.CategoricalCrossentropy().fuses == "softmax"
    assert losses.SparseCategoricalCrossentropy().fuses == "softmax"
    assert losses.SparseCategoricalCrossentropy(from_logits=True).fuses is None


@pytest.mark.parametrize(("loss", "kind"), CASES, ids=IDS)
def test_config_gives_the_loss_back(loss, kind):
    assert losses.get(loss.config()) == loss
    assert losses.get(loss) is loss


@pytest.mark.parametrize(("name", "cls"), [
    ("mse", losses.MeanSquaredError), ("mean_squared_error", losses.MeanSquaredError),
    ("mae", losses.MeanAbsoluteError), ("mean_absolute_error", losses.MeanAbsoluteError),
    ("huber", losses.Huber), ("binary_crossentropy", losses.BinaryCrossentropy),
    ("categorical_crossentropy", losses.CategoricalCrossentropy),
    ("sparse_categorical_crossentropy", losses.SparseCategoricalCrossentropy),
])
def test_names(name, cls):
    assert type(losses.get(name)) is cls


def test_good_targets_pass():
    f4 = np.float32
    for name in ("mse", "mae", "huber", "binary_crossentropy"):
        check = losses.get(name).check
        check("fit", (5, 3), np.ones((5, 3), f4), f4)
        check("fit", (5, 1), np.ones(5, f4), f4)
        check("fit", (5,), np.ones(5, f4), f4)
        check("fit", (None, 7, 1), np.ones((5, 7), f4), f4)
    for dtype in (bool, np.int64, f4):
        losses.get("binary_crossentropy").check("fit", (5, 1), np.ones((5, 1), dtype), f4)
        losses.get("categorical_crossentropy").check("fit", (5, 3), np.ones((5, 3), dtype), f4)
    sparse = losses.get("sparse_categorical_crossentropy")
    sparse.check("fit", (5, 3), np.array([0, 1, 2, 0, 0], np.uint8), f4)
    sparse.check("fit", (None, 2), np.array([[True], [False]]), f4)
    sparse.check("fit", (4, 7, 3), np.zeros((4, 7), int), f4)
    sparse.check("fit", (0, 3), np.zeros(0, int), f4)


@pytest.mark.parametrize(("name", "shape", "target", "error", "message"), [
    ("mse", (5, 3), np.zeros((5, 2), "f4"), ShapeError,
     "fit: y must be [N, F] = [5, 3] float32, got [5, 2] float32. Targets have the shape of the"),
    ("mse", (5, 3), np.zeros((5, 3)), DtypeError,
     "got [5, 3] float64. Convert it with y.astype('float32')"),
    ("mae", (5, 3), np.zeros((5, 3), int), DtypeError, "Convert it with y.astype('float32')"),
    ("mse", (5, 3), [[1.0]], DtypeError, "must be an array [N, F]"),
    ("huber", (2,), np.array([0, np.nan], "f4"), ValueError,
     "y must be finite, got 1 of 2 values that are NaN or infinite. Drop the rows"),
    ("binary_crossentropy", (3, 1), np.array([0, 1, 2]), ValueError,
     "y must be values in [0, 1], got values from 0 to 2"),
    ("binary_crossentropy", (2,), np.array([0, np.nan], "f4"), ValueError, "values in [0, 1]"),
    ("categorical_crossentropy", (5, 3), np.zeros(5, int), ShapeError,
     "For class ids use the loss 'sparse_categorical_crossentropy'."),
    ("categorical_crossentropy", (1, 2), np.array([[-1.0, 2.0]], "f4"), ValueError, "[0, 1]"),
    ("sparse_categorical_crossentropy", (5, 3), np.zeros(5, "f4"), DtypeError,
     "fit: y must be an array of integer class ids, got [5] float32. Convert it with "
     "y.astype('int64')"),
    ("sparse_categorical_crossentropy", (5, 3), [0, 1], DtypeError, "integer class ids, got [0"),
    ("sparse_categorical_crossentropy", (5, 3), np.zeros((5, 3), int), ShapeError,
     "For one-hot targets use the loss 'categorical_crossentropy'."),
    ("sparse_categorical_crossentropy", (3, 3), np.array([0, 3, -1]), ValueError,
     "y must be class ids from 0 to 2, got ids from -1 to 3. The last layer has 3 outputs"),
])
def test_bad_targets(name, shape, target, error, message):
    with pytest.raises(error) as caught:
        losses.get(name).check("fit", shape, target, np.float32)
    assert message in str(caught.value)


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: losses.get("mean_square_error"), ValueError, "Did you mean 'mean_squared_error'?"),
    (lambda: losses.get(3), TypeError, "the name of a loss or a fastrnn.losses.Loss, got 3"),
    (lambda: losses.Huber(0.0), ValueError, "Huber: delta must be a positive number, got 0.0"),
    (lambda: losses.Huber("1"), ValueError, "got '1'"),
    (lambda: losses.CategoricalCrossentropy(label_smoothing=1.0), ValueError,
     "label_smoothing must be a number in [0, 1), got 1.0"),
])
def test_bad_arguments(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


@pytest.fixture
def rng():
    return np.random.default_rng(7)
