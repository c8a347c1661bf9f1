"""`fastrnn.estimators` against scikit-learn's own checks, and as its users use them."""

from __future__ import annotations

import copy
import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

import joblib
from sklearn.base import clone, is_classifier, is_outlier_detector, is_regressor
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import fastrnn as fr
from fastrnn.estimators import (
    AutoencoderDetector,
    SequenceClassifier,
    SequenceRegressor,
    SequenceTagger,
)

BATCHES = "training goes by batches: an example that weighs two is not two examples, in two places"
EXPECTED = {"check_sample_weight_equivalence_on_dense_data": BATCHES}
FAST = {"units": 8, "epochs": 10, "random_state": 0}


def ragged(n: int = 40, features: int = 2, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Sequences of 2 to 6 steps whose mean is below or above zero, and which."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return [rng.standard_normal((rng.integers(2, 7), features)) + 2 * k - 1 for k in y], y


@pytest.mark.filterwarnings("ignore")  # the checks' own
@pytest.mark.parametrize(
    "estimator",
    [SequenceClassifier(), SequenceClassifier(8, cell="gru", layers=2, bidirectional=True, dtype="float64"),
     SequenceRegressor(), AutoencoderDetector(), AutoencoderDetector((8, 3), dtype="float64")],
    ids=repr,
)  # fmt: skip
def test_scikit_learn_s_own_checks(estimator: Any) -> None:
    results = check_estimator(estimator, expected_failed_checks=EXPECTED, on_skip=None)
    assert len(results) > 50
    # What is expected to fail does fail: where it passes, the entry has to go.
    assert {r["check_name"] for r in results if r["status"] == "xfail"} == set(EXPECTED)


@pytest.mark.filterwarnings("ignore")
def test_the_tagger_says_that_tables_are_not_for_it() -> None:
    """scikit-learn's checks give a label a row; a tagger wants one a step, and its tags say so."""
    assert {r["status"] for r in check_estimator(SequenceTagger(), on_skip=None)} == {"passed"}
    with pytest.raises(fr.ShapeError, match=r"X must be sequences: .*, got \[4, 3\]\. Write X\[:, :, None\]"):
        SequenceTagger().fit(np.ones((4, 3)), np.zeros((4, 3), int))


def test_kinds() -> None:
    assert is_classifier(SequenceClassifier()) and is_regressor(SequenceRegressor())
    assert is_outlier_detector(AutoencoderDetector())
    assert not is_classifier(SequenceTagger())  # y of ragged labels is nothing to stratify by


# -- what X may be -------------------------------------------------------------------------------------


def test_all_forms_of_x_are_the_same_sequences() -> None:
    X = np.random.default_rng(0).standard_normal((20, 5, 3))
    y = np.arange(20) % 3
    wrapped = np.empty(20, object)
    wrapped[:] = list(X)
    forms = [X, list(X), tuple(X), wrapped, X.tolist(), X.astype("float32"), np.asfortranarray(X)]
    found = [SequenceClassifier(**FAST).fit(form, y).predict_proba(form) for form in forms]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
    table = SequenceClassifier(**FAST).fit(X[:, :, 0], y)
    series = SequenceClassifier(**FAST).fit(X[:, :, :1], y)
    np.testing.assert_array_equal(table.predict_proba(X[:, :, 0]), series.predict_proba(X[:, :, :1]))
    assert (table.n_features_in_, series.n_features_in_) == (5, 1)


def test_ragged_rows_do_not_depend_on_their_mates() -> None:
    X, y = ragged()
    model = SequenceClassifier(bidirectional=True, **FAST).fit(X, y)
    assert model.score(X, y) > 0.9 and model.n_features_in_ == 2
    alone = np.concatenate([model.predict_proba([x]) for x in X])
    np.testing.assert_array_equal(alone, model.predict_proba(X))
    np.testing.assert_allclose(alone.sum(axis=1), 1, rtol=1e-12)


def test_ids() -> None:
    rng = np.random.default_rng(0)
    X = [rng.integers(0, 5, rng.integers(1, 8)) for _ in range(60)]
    y = np.array(["no", "yes"])[[int((x == 3).any()) for x in X]]
    model = SequenceClassifier(vocabulary=5, units=16, random_state=0).fit(X, y)
    assert model.score(X, y) == 1.0 and model.n_features_in_ == 1
    assert model.predict([[3], [0, 1], []]).tolist()[:2] == ["yes", "no"]
    assert model.predict(np.array([[0, 3], [1, 1]])).tolist() == ["yes", "no"]
    with pytest.raises(ValueError, match=r"ids in \[0, 5\), got ids from 5 to 5"):
        model.predict([[5]])
    with pytest.raises(fr.ShapeError, match=r"X\[0\] must be integer ids \[T\], since vocabulary is set"):
        model.predict([[0.5]])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([np.ones((3, 2)), np.ones((2, 1))], r"sequences of the same features, got \[1, 2\] features"),
        ([np.ones((3, 2)), np.ones(2)], r"X\[1\] must be \[T, F\], got \[2\] float64\. Write x\[:, None\]"),
        ([np.ones(3), np.ones(2)], r"X\[0\] must be \[T, F\], got \[3\] float64\. Write x\[:, None\]"),
        ([np.ones((3, 2)), np.full((2, 2), np.nan)], r"Input X\[1\] contains NaN"),
        ([np.ones((3, 0))], r"X\[0\] must be \[T, F\], got \[3, 0\]"),
        (np.full((2, 3, 1), np.inf), "Input X contains infinity"),
        ([np.full((3, 1), "a")] * 2, "could not convert string to float"),
        ([], "Expected 2D array|0 sample"),
        (np.ones((2, 2, 2, 2)), "Found array with dim 4"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("make", [SequenceClassifier, AutoencoderDetector])
def test_wrong_x(make: Any, X: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**FAST).fit(X, [0] * len(X))


def test_x_must_be_like_that_of_fit() -> None:
    X, y = ragged()
    sequences = SequenceClassifier(**FAST).fit(X, y)
    table = SequenceClassifier(**FAST).fit(np.ones((4, 2)), [0, 1, 0, 1])
    with pytest.raises(fr.ShapeError, match="X has 3 features, but SequenceClassifier is expecting 2"):
        sequences.predict([np.ones((2, 3))])
    with pytest.raises(fr.ShapeError, match=r"X must be sequences: .*, as in fit, got \[4, 2\]"):
        sequences.predict(np.ones((4, 2)))
    with pytest.raises(fr.ShapeError, match=r"X must be a table \[B, F\], as in fit, got a list of 40"):
        table.predict(X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "lstn"}, "SequenceClassifier: cell must be one of lstm, gru, rnn, got 'lstn'. Did"),
        ({"layers": 0}, "SequenceClassifier: layers must be a whole number of at least 1"),
        ({"epochs": 0}, "SequenceClassifier: epochs must be a whole number of at least 1"),
        ({"batch_size": 0}, "SequenceClassifier: batch_size must be a whole number"),
        ({"learning_rate": 0}, "SequenceClassifier: learning_rate must be a number in"),
        ({"vocabulary": -1}, "SequenceClassifier: vocabulary must be a whole number"),
        ({"units": 0}, "units must be a whole number"),
        ({"dropout": 1.0}, r"rate must be a number in \[0, 1\)"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_named_by_fit(options: dict[str, Any], message: str) -> None:
    X = np.zeros((4, 3), int) if "vocabulary" in options else np.zeros((4, 3, 1))
    with pytest.raises(ValueError, match=message):
        SequenceClassifier(**options).fit(X, [0, 1, 0, 1])
    with pytest.raises(TypeError, match="SequenceClassifier: dtype must be float32 or float64, got float16"):
        SequenceClassifier(dtype="float16").fit(np.zeros((4, 3, 1)), [0, 1, 0, 1])


# -- weights ------------------------------------------------------------------------------------------


def test_weights_of_examples_and_classes() -> None:
    X, y = np.zeros((60, 3)), np.arange(60) % 2  # nothing to tell them apart: only their weights count
    for options, weight, wanted in (
        ({"class_weight": {0: 1.0, 1: 9.0}}, None, 0.9),
        ({"class_weight": "balanced"}, None, 0.5),
        ({}, np.where(y == 1, 3.0, 1.0), 0.75),
        ({}, None, 0.5),
    ):
        model = SequenceClassifier(epochs=30, random_state=0, **options).fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(model.predict_proba(X)[:, 1], wanted, atol=0.03)
    for wrong in (-np.ones(60), np.zeros(60)):
        with pytest.raises(ValueError, match="zero"):
            SequenceClassifier(**FAST).fit(X, y, sample_weight=wrong)


def test_several_numbers_for_each_sequence() -> None:
    X, _ = ragged(80, features=1)
    Y = np.array([[x.mean(), x[-1, 0] / 2, x.min()] for x in X])
    model = SequenceRegressor(units=16, epochs=150, random_state=0, dtype="float64").fit(X, Y)
    assert model.predict(X).shape == (80, 3) and model.score(X[:60], Y[:60]) > 0.9
    assert model.model_.dtype == np.float64
    for y in (Y[:, :1], Y[:, 0]):
        assert SequenceRegressor(**FAST).fit(X, y).predict(X).shape == y.shape


# -- the tagger ---------------------------------------------------------------------------------------


def tagged(n: int = 50) -> tuple[list[np.ndarray], list[list[str]]]:
    """The tag of a step is the sign of the next one: only the way back knows."""
    rng = np.random.default_rng(0)
    X = [rng.choice([-1.0, 1.0], (rng.integers(1, 7), 1)) for _ in range(n)]
    return X, [["up" if v > 0 else "down" for v in [*x[1:, 0], 1.0]] for x in X]


def test_tagger() -> None:
    X, y = tagged()
    model = SequenceTagger(16, random_state=0).fit(X, y)
    assert model.classes_.tolist() == ["down", "up"] and model.score(X, y) == 1.0
    assert [one.tolist() for one in model.predict(X)] == y
    assert [p.shape for p in model.predict_proba(X)] == [(len(x), 2) for x in X]
    assert SequenceTagger(16, bidirectional=False, random_state=0).fit(X, y).score(X, y) < 0.9
    scores = cross_val_score(SequenceTagger(16, random_state=0), X, y, cv=KFold(3))
    assert scores.min() > 0.9
    # The share is of steps, not of sequences, and follows their weights.
    other = [["up"] * len(x) for x in X]
    flat = np.concatenate(other) == np.concatenate(y)
    np.testing.assert_allclose(model.score(X, other), flat.mean())
    first = np.eye(1, len(X)).ravel()
    np.testing.assert_allclose(model.score(X, other, sample_weight=first), flat[: len(X[0])].mean())


def test_tagger_on_arrays() -> None:
    X = np.random.default_rng(0).integers(0, 4, (40, 6))
    y = X % 2 + 10
    model = SequenceTagger(vocabulary=4, class_weight="balanced", random_state=0).fit(X, y)
    found = model.predict(X)
    assert found.shape == (40, 6) and found.dtype == y.dtype
    np.testing.assert_array_equal(found, y)
    assert model.predict_proba(X).shape == (40, 6, 2)


def test_tagger_messages() -> None:
    X, y = tagged(4)
    with pytest.raises(fr.ShapeError, match=rf"y\[1\] must be {len(X[1])} labels, as many as X\[1\] has"):
        SequenceTagger().fit(X, [y[0], y[1] + ["up"], *y[2:]])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SequenceTagger().fit(X, y[:2])
    with pytest.raises(ValueError, match="y must be a list of label sequences, got None"):
        SequenceTagger().fit(X, None)
    with pytest.raises(ValueError, match="at least one step"):
        SequenceTagger().fit([np.ones((0, 1))], [[]])


# -- the detector -------------------------------------------------------------------------------------


def waves(n: int = 60) -> list[np.ndarray]:
    """Sines of random phase and length; every twentieth is noise."""
    rng = np.random.default_rng(0)
    X = [np.sin(np.arange(rng.integers(12, 18)) + p)[:, None] for p in rng.uniform(0, 6, n)]
    X[::20] = [rng.uniform(-1, 1, x.shape) * 2 for x in X[::20]]
    return X


def test_detector_of_sequences() -> None:
    X = waves()
    detector = AutoencoderDetector(12, contamination=0.05, epochs=60, random_state=0)
    labels = detector.fit_predict(X)
    assert np.flatnonzero(labels == -1).tolist() == [0, 20, 40]
    np.testing.assert_allclose(detector.decision_function(X), detector.score_samples(X) - detector.offset_)
    assert detector.transform(X).shape == (60, 12) and detector.score(X) == detector.score_samples(X).mean()
    errors = [((r - x) ** 2).mean() for r, x in zip(detector.autoencoder_.reconstruct(
        [x.astype("float32") for x in X]), X, strict=True)]  # fmt: skip
    np.testing.assert_allclose(-detector.score_samples(X), errors, rtol=1e-5)


def test_detector_is_a_step_of_a_pipeline() -> None:
    X, y = make_blobs(200, n_features=6, centers=3, random_state=0)
    codes, labels = AutoencoderDetector(2, random_state=0), SequenceClassifier(random_state=0)
    steps = make_pipeline(StandardScaler(), codes, labels)
    assert steps.fit(X, y).score(X, y) > 0.8
    detector = make_pipeline(StandardScaler(), AutoencoderDetector((5, 2), random_state=0)).fit(X)
    assert list(detector.get_feature_names_out()) == ["autoencoderdetector0", "autoencoderdetector1"]
    far = detector.predict(np.vstack([X[:50], X[:1] + [50, -50, 50, -50, 50, -50]]))
    assert far[-1] == -1 and (far[:-1] == 1).mean() > 0.7
    with pytest.raises(ValueError, match=r"contamination must be a number in \(0, 0.5\], got 0.6"):
        AutoencoderDetector(contamination=0.6).fit(X)


# -- in scikit-learn's company --------------------------------------------------------------------------


def test_pipeline_and_search_over_lists() -> None:
    X, y = ragged(60)
    flip = FunctionTransformer(lambda rows: [x[::-1] for x in rows])
    search = GridSearchCV(
        make_pipeline(flip, SequenceClassifier(**FAST)),
        {"sequenceclassifier__cell": ["lstm", "gru", "rnn"], "sequenceclassifier__layers": [1, 2]},
        cv=3, error_score="raise",
    ).fit(X, y)  # fmt: skip
    assert search.best_score_ > 0.9 and len(search.cv_results_["params"]) == 6
    assert search.predict(X).shape == (60,)
    proba = cross_val_predict(SequenceClassifier(**FAST), X, y, cv=3, method="predict_proba")
    assert proba.shape == (60, 2)
    outliers = GridSearchCV(AutoencoderDetector(epochs=5, random_state=0), {"units": [2, 8]}, cv=2).fit(X)
    assert outliers.best_params_ == {"units": 8}


def test_other_processes() -> None:
    X, y = ragged()
    here = cross_val_score(SequenceClassifier(**FAST), X, y, cv=2)
    np.testing.assert_array_equal(cross_val_score(SequenceClassifier(**FAST), X, y, cv=2, n_jobs=2), here)
    fitted = [SequenceClassifier(**FAST).fit(X, y), AutoencoderDetector(**FAST).fit(X)]
    sent = joblib.Parallel(n_jobs=2)(joblib.delayed(type(one).predict)(one, X) for one in fitted)
    for one, found in zip(fitted, sent, strict=True):
        np.testing.assert_array_equal(found, one.predict(X))


@pytest.mark.parametrize("make", [SequenceClassifier, SequenceRegressor, SequenceTagger, AutoencoderDetector])
def test_copies_of_the_fitted_predict_the_same(make: Any) -> None:
    X, y = tagged() if make is SequenceTagger else ragged()
    model = make(**FAST).fit(X, y)
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    for other in (copy.deepcopy(model), joblib.load(file)):
        assert other.get_params() == model.get_params() and other.history_ == model.history_
        for a, b in zip(model.predict(X), other.predict(X), strict=True):
            np.testing.assert_array_equal(a, b)
    assert not hasattr(clone(model), "history_")
    again = clone(model).fit(X, y)
    for a, b in zip(model.predict(X), again.predict(X), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_model_inside_is_a_sequential(tmp_path: Any) -> None:
    X, y = ragged()
    model = SequenceClassifier(**FAST).fit(X, y)
    model.model_.save(tmp_path / "model.fastrnn")
    given = [x.astype("float32") for x in X]
    found = fr.load(tmp_path / "model.fastrnn").predict(given)
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=1e-6)
    assert len(model.history_["loss"]) == 10


def test_without_scikit_learn() -> None:
    code = """
import sys
sys.modules["sklearn"] = None
import fastrnn as fr
from fastrnn import *
assert "SequenceClassifier" in dir(fr.estimators)
try:
    fr.estimators.SequenceClassifier
except ImportError as error:
    print(error)
try:
    fr.estimators.Sequenceclassifier
except AttributeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "fastrnn.estimators.SequenceClassifier needs scikit-learn 1.6 or newer. Install it: "
        "pip install 'fastrnn[sklearn]'",
        "module 'fastrnn.estimators' has no attribute 'Sequenceclassifier'",
    ]
