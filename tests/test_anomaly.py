"""Anomalies: windows and long series, thresholds that are not optimistic, streams, files, figures."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import assert_same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

import fastrnn as fr
from fastrnn.samples.series import daily
from fastrnn.serialization import read
from fastrnn.tasks import AnomalyDetector
from fastrnn.tasks.detection import average_precision, measure, measure_stretches
from fastrnn.tasks.series import Overlap, Scale, cut, hold_out, stretches

RNG = np.random.default_rng(0)


def waves(n: int = 60, span: int = 12, features: int = 1, seed: int = 1) -> np.ndarray:
    """Windows [n, span, features] of sines of any phase, away from zero."""
    rng = np.random.default_rng(seed)
    t = np.arange(span)[:, None] + rng.uniform(0, 12, (n, 1, 1)) + np.arange(features)
    return 50 + 10 * np.sin(2 * np.pi * t / 12) + 0.3 * rng.standard_normal((n, span, features))


@pytest.fixture(scope="module")
def detector() -> Any:
    """A dense one on a series of days."""
    x, _ = daily(30, normal=30, anomalies=())
    made = AnomalyDetector("dense", window=48, quantile=0.999, seed=0)
    made.fit(x, epochs=60, verbose=0)
    return made


# -- what it finds ---------------------------------------------------------------------------------


def test_a_series_with_planted_anomalies(detector: Any) -> None:
    for seed in (0, 1):
        x, truth = daily(30, normal=9, seed=seed)
        found = detector.evaluate(x, truth)
        assert found["auroc"] > 0.97 and found["recall"] > 0.8
        assert found["stretches"] == found["stretches_found"] == 3
        assert found["false_alarms"] <= 5
        assert detector.score(x).shape == x.shape and detector.score(x).dtype == np.float64
        assert detector.predict(x).sum() == found["flagged"]
    for kind in ("spike", "shift", "flat"):
        x, truth = daily(20, normal=9, anomalies=(kind,))
        start = int(np.flatnonzero(truth)[0])
        assert any(a <= start + 24 and b > start for a, b in detector.intervals(x, gap=47))


@pytest.mark.parametrize("kind", ["dense", "lstm", "gru", "rnn"])
def test_windows_of_every_kind(kind: str) -> None:
    x = waves(80)[..., 0]
    made = AnomalyDetector(kind, units=(8, 3) if kind == "dense" else 16, learning_rate=0.01, seed=0)
    history = made.fit(x, epochs=60, batch_size=16, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0] and len(history["val_loss"]) == 60
    flat = np.full((20, 12), 65.0)
    assert made.score(flat).shape == (20,) and made.predict(flat).all()
    assert made.predict(waves(60, seed=7)[..., 0]).mean() < 0.3
    area = made.evaluate(np.concatenate([waves(20, seed=8)[..., 0], flat]), np.repeat([0, 1], 20))
    assert area["auroc"] > 0.98 and area["recall"] == 1 and "stretches" not in area


@pytest.mark.parametrize("kind", ["dense", "gru"])
def test_scores_are_errors_on_the_learnt_scale(kind: str) -> None:
    x = waves(40, features=2)
    made = AnomalyDetector(kind, dtype="float64", seed=0)
    made.fit(x, epochs=2, verbose=0)
    y = made.reconstruct(x)
    assert y.shape == x.shape and y.dtype == np.float64
    wanted = (((y - x) / made.scale.std) ** 2).mean(axis=(1, 2))
    np.testing.assert_allclose(made.score(x), wanted, rtol=1e-10)


def test_the_score_of_a_step_is_the_mean_over_its_windows() -> None:
    x = np.sin(np.arange(70.0) / 3)
    made = AnomalyDetector("dense", window=10, stride=4, dtype="float64", seed=0)
    made.fit(x, epochs=3, verbose=0)
    windows = cut(x[:, None], 10, 4)
    errors = ((made.reconstruct(windows) - windows)[..., 0] / made.scale.std) ** 2
    sums, counts = np.zeros(70), np.zeros(70)
    for start, error in zip([*range(0, 61, 4)], errors, strict=True):
        sums[start : start + 10] += error
        counts[start : start + 10] += 1
    np.testing.assert_allclose(made.score(x), sums / counts, rtol=1e-10)
    assert made.reconstruct(x).shape == (70,) and made.reconstruct(x[:, None]).shape == (70, 1)


# -- the threshold ---------------------------------------------------------------------------------


def test_the_threshold_comes_from_what_was_held_out() -> None:
    x = waves(50)
    made = AnomalyDetector("dense", quantile=0.9, seed=3)
    made.fit(x, epochs=3, verbose=0)
    train, held = hold_out("", [x], 12, 0.2, np.random.default_rng([3, 1]))
    assert len(held[0]) == 10 and len(train[0]) == 40
    assert {w.tobytes() for w in train[0]} | {w.tobytes() for w in held[0]} == {w.tobytes() for w in x}
    assert made.threshold == np.quantile(made.score(held[0]), 0.9)
    np.testing.assert_allclose(made.scale.mean, train[0].mean(), rtol=1e-12)

    series = daily(20, normal=20, anomalies=())[0]
    made = AnomalyDetector("dense", window=48, quantile=1.0, seed=0)
    made.fit(series, epochs=2, verbose=0)
    assert made.threshold == made.score(series[-192:]).max()
    np.testing.assert_allclose(made.scale.mean, series[:-192].mean(), rtol=1e-12)


def test_the_threshold_may_be_set() -> None:
    x = waves(30)
    made = AnomalyDetector("dense", quantile=0.5, seed=0)
    assert made.threshold is None
    made.fit(x, epochs=1, verbose=0)
    assert made.fit_threshold(x) == made.threshold == np.quantile(made.score(x), 0.5)
    assert made.fit_threshold(x, 1) == made.score(x).max() and not made.predict(x).any()
    made.threshold = 0
    assert made.predict(x).all() and made.intervals(x) == [(0, 30)]


# -- forms of x ------------------------------------------------------------------------------------


def test_two_dimensions_are_windows_or_a_series() -> None:
    x = RNG.standard_normal((200, 6))
    windows, series, cut_already = (AnomalyDetector("dense", window=w, seed=0) for w in (None, 20, 6))
    for made in (windows, series, cut_already):
        made.fit(x, epochs=1, verbose=0)
    assert (windows.length, windows.features) == (cut_already.length, cut_already.features) == (6, 1)
    assert (series.length, series.features) == (20, 6)
    assert windows.score(x).shape == series.score(x).shape == (200,)
    assert windows.score(x[0]).shape == (6,) and windows.score(x.reshape(-1)).shape == (1200,)
    assert windows.score(x[..., None]).tolist() == windows.score(x).tolist()
    assert series.score(x[:20][None]).shape == (1,)
    assert series.reconstruct(x).shape == x.shape


def test_numbers_of_any_type_and_a_list_of_series() -> None:
    x = np.arange(300) % 9
    one, two = (AnomalyDetector("dense", window=12, seed=0) for _ in range(2))
    one.fit(x, epochs=2, verbose=0)
    two.fit([x.astype("float64")], epochs=2, verbose=0)
    assert_same_bits(one.score(x), two.score(x.astype("float32")))
    assert one.threshold == two.threshold
    two.fit([x, x[:40]], epochs=1, verbose=0)
    alone = AnomalyDetector("dense", seed=0)
    alone.fit(x, epochs=1, verbose=0)
    assert alone.length == 64


def test_a_feature_that_never_changes_and_inputs_that_stay() -> None:
    x = np.stack([np.sin(np.arange(100.0)), np.full(100, 0.1)], axis=1)
    before = x.copy()
    made = AnomalyDetector("gru", units=4, window=10, seed=0)
    made.fit(x, epochs=1, verbose=0)
    assert made.scale.std[1] == 1 and np.isfinite(made.score(x)).all()
    x[50, 1] += 3  # three units off, though it has no spread to compare with
    assert made.score(x)[50] > 3
    x[50, 1] = 0.1
    np.testing.assert_array_equal(x, before)
    scale = Scale.of(before)
    np.testing.assert_allclose(scale.undo(scale.apply(before)), before, atol=1e-12)


def test_fit_goes_on_and_follows_from_its_seed() -> None:
    x = waves(40)
    one, two, other = (AnomalyDetector("lstm", units=6, seed=s) for s in (0, 0, 1))
    for made in (one, two, other):
        made.fit(x, epochs=2, verbose=0)
    assert_same_bits(one.score(x), two.score(x))
    assert (one.score(x) != other.score(x)).any()
    mean, before = one.scale.mean, one.score(x).mean()
    one.fit(x + 1, epochs=30, verbose=0)
    assert one.scale.mean is mean and one.score(x + 1).mean() < before
    assert one.model.epochs_done == 32


def test_epochs_and_batches_are_chosen_where_nobody_says(capsys: pytest.CaptureFixture[str]) -> None:
    x = waves(5000, span=4)
    made = AnomalyDetector("dense", units=2, seed=0)
    history = made.fit(x)  # 4,000 windows to learn from: batches of 32, 125 an epoch
    assert len(history.history["loss"]) == 24 and made.model.steps_done == 3000
    assert capsys.readouterr().out.count("val_loss") == 24
    made.fit(x[:20], epochs=1, verbose=0)
    assert made.model.steps_done == 3002 and not capsys.readouterr().out


# -- long series -----------------------------------------------------------------------------------


def test_a_stream_has_the_bits_of_the_whole(detector: Any) -> None:
    x = daily(12, normal=0)[0]
    whole = detector.score(x)
    for size in (1, 7, 48, 200, 1000):
        parts = list(detector.stream(x[k : k + size] for k in range(0, len(x), size)))
        assert_same_bits(np.concatenate(parts), whole)
    given = 0
    pieces = (x[k : k + 6] for k in range(0, len(x), 6))
    for n, part in enumerate(detector.stream(pieces), 1):
        given += len(part)
        if n == 20:
            break
    assert 0 < given < len(x)  # scores come before the series has ended


def test_a_stream_keeps_a_window_and_a_piece() -> None:
    overlap = Overlap(10, 3, lambda windows: windows.astype(float))
    total = 0
    for _ in range(200):
        total += len(overlap.push(np.ones((5, 1))))
        assert overlap.steps is not None and len(overlap.steps) < 10 + 5 + 3
    assert total + len(overlap.end("x")) == 1000


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_windows_cover_every_step(data: st.DataObject) -> None:
    window = data.draw(st.integers(2, 9))
    stride = data.draw(st.integers(1, window))
    sizes = data.draw(st.lists(st.integers(0, 11), max_size=8))
    x = np.arange(sum(sizes) + window, dtype=float)[:, None]
    sizes.append(window)
    overlap = Overlap(window, stride, lambda windows: windows * 2.0)
    ends = np.cumsum(sizes)
    parts = [overlap.push(x[end - n : end]) for end, n in zip(ends, sizes, strict=True)]
    given_back = np.concatenate([part for part in [*parts, overlap.end("x")] if len(part)])
    np.testing.assert_allclose(given_back, 2 * x)
    windows = cut(x, window, stride)
    assert set(windows.reshape(-1)) == set(x[:, 0])
    assert (np.diff(windows[:, 0, 0]) <= stride).all() and (np.diff(windows[:, 0, 0]) > 0).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), max_size=30), st.integers(0, 4))
def test_stretches_are_the_runs(flags: list[bool], gap: int) -> None:
    found = stretches(flags, gap)
    assert all(flags[a] and flags[b - 1] for a, b in found)
    assert all(later[0] - earlier[1] > gap for earlier, later in pairwise(found))
    inside = {k for a, b in found for k in range(a, b)}
    assert {k for k, flag in enumerate(flags) if flag} <= inside
    if gap == 0:
        assert len(inside) == sum(flags)


# -- figures ---------------------------------------------------------------------------------------


def test_measures_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truth = RNG.random(300) < 0.2
    scores = np.round(truth + RNG.standard_normal(300), 1)  # with ties
    flags = scores > 1
    found = measure(scores, flags, truth)
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(truth, scores))
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(truth, scores))
    assert found["precision"] == pytest.approx(metrics.precision_score(truth, flags))
    assert found["recall"] == pytest.approx(metrics.recall_score(truth, flags))
    assert found["false_alarm_rate"] == pytest.approx(flags[~truth].mean())
    assert (found["anomalies"], found["flagged"], found["total"]) == (truth.sum(), flags.sum(), 300)


def test_measures_without_anything_to_divide_by() -> None:
    none, scores = np.zeros(4, bool), np.arange(4.0)
    found = measure(scores, none, none)
    assert [found[k] for k in ("auroc", "average_precision", "precision", "recall")] == [None] * 4
    assert found["false_alarm_rate"] == 0
    assert measure(scores, ~none, ~none)["false_alarm_rate"] is None
    assert np.isnan(average_precision(scores, none))


def test_stretches_found_and_false_alarms() -> None:
    truth = np.array([0, 1, 1, 0, 0, 0, 0, 1, 0, 0], bool)
    flags = np.array([0, 0, 1, 0, 1, 0, 1, 0, 0, 1], bool)
    assert measure_stretches(flags, truth) == {"stretches": 2, "stretches_found": 1, "false_alarms": 3}
    assert measure_stretches(flags, truth, 1)["false_alarms"] == 1
    assert measure_stretches(flags, truth, 2)["false_alarms"] == 0


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "rnn"])
def test_a_file_brings_all_of_it_back(kind: str, tmp_path: Path) -> None:
    x = np.stack([np.sin(np.arange(90.0)), np.cos(np.arange(90.0) / 5)], axis=1)
    made = AnomalyDetector(kind, units=5, window=12, stride=5, quantile=0.8, seed=4)
    made.fit(x, epochs=2, verbose=0)
    made.columns = ("온도", "압력")
    made.save(tmp_path / "m.fastrnn")
    for load in (fr.load, AnomalyDetector.load):
        again = load(tmp_path / "m.fastrnn")
        assert_same_bits(again.score(x), made.score(x))
        assert_same_bits(again.reconstruct(x), made.reconstruct(x))
        assert again.intervals(x) == made.intervals(x)
        assert (again.threshold, again.columns) == (made.threshold, made.columns)
        assert again.arguments == made.arguments and again.step == 5
    again.fit(x, epochs=1, verbose=0)
    assert again.model.epochs_done == 3
    with pytest.raises(fr.ModelFormatError, match="holds a AnomalyDetector"):
        fr.Autoencoder.load(tmp_path / "m.fastrnn")
    assert read(tmp_path / "m.fastrnn")[0]["kind"] == "AnomalyDetector"


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [0.0, 0.0]}, {"std": [0.0]}, {"std": [float("nan")]}, {"mean": "x"}, {"mean": []},
        {"threshold": -1.0}, {"threshold": "high"}, {"columns": ["a", "b"]}, {"columns": [1]}, {"length": 1},
        {"length": 13}, {"mean": [float("inf")]}, {"mean": [0.0, 0.0], "std": [1.0, 1.0]},
    ],
)  # fmt: skip
def test_what_was_learnt_must_fit_the_model(change: dict[str, Any], tmp_path: Path) -> None:
    made = AnomalyDetector("dense", window=12, units=3, seed=0)
    made.fit(np.sin(np.arange(60.0)), epochs=1, verbose=0)
    learnt = {**made.learnt(), **change}
    made.learnt = lambda: learnt
    made.save(tmp_path / "m.fastrnn")
    with pytest.raises(fr.ModelFormatError, match="does not describe a AnomalyDetector"):
        fr.load(tmp_path / "m.fastrnn")


# -- messages --------------------------------------------------------------------------------------

SERIES = np.sin(np.arange(100.0))
HOLE = np.where(np.arange(100) == 5, np.nan, SERIES)


def fitted() -> Any:
    made = AnomalyDetector("dense", window=12, units=3, seed=0)
    made.fit(SERIES, epochs=1, verbose=0)
    return made


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: AnomalyDetector("lsmt"), ValueError,
         "AnomalyDetector: kind must be one of dense, lstm, gru, rnn, got 'lsmt'. Did you mean 'lstm'?"),
        (lambda: AnomalyDetector(window=1), ValueError,
         "AnomalyDetector: window must be a whole number of at least 2, got 1."),
        (lambda: AnomalyDetector(window=8, stride=9), ValueError,
         "AnomalyDetector: stride must be at most the window, 8, got 9."),
        (lambda: AnomalyDetector(stride=0), ValueError,
         "AnomalyDetector: stride must be a whole number of at least 1, got 0."),
        (lambda: AnomalyDetector(quantile=2), ValueError,
         "AnomalyDetector: quantile must be a number in [0, 1], got 2."),
        (lambda: AnomalyDetector(learning_rate=-1), ValueError, "AnomalyDetector: learning_rate must be"),
        (lambda: AnomalyDetector("dense", units=()), ValueError, "Autoencoder: units must be"),
        (lambda: AnomalyDetector("gru", units=(3, 2)), ValueError, "SequenceAutoencoder: units must be"),
        (lambda: AnomalyDetector(dtype="int8"), fr.DtypeError, "AnomalyDetector: dtype must be float32"),
        (lambda: AnomalyDetector().score(SERIES), RuntimeError,
         "AnomalyDetector: call fit first, or load a saved one."),
        (lambda: AnomalyDetector().save("m"), RuntimeError, "AnomalyDetector: call fit first"),
        (lambda: AnomalyDetector().flags(SERIES), RuntimeError, "AnomalyDetector: call fit first"),
        (lambda: AnomalyDetector().fit([]), ValueError,
         "AnomalyDetector.fit: x must be an array, or a list of at least one series, got an empty list."),
        (lambda: AnomalyDetector().fit([1.0, 2.0]), fr.DtypeError,
         "AnomalyDetector.fit: x[0] must be an array of numbers, got 1.0. Convert it with"),
        (lambda: AnomalyDetector().fit("1 2 3"), fr.DtypeError,
         "AnomalyDetector.fit: x must be an array of numbers, got '1 2 3'."),
        (lambda: AnomalyDetector().fit(np.array(["a"])), fr.DtypeError, "an array of numbers, got [1] <U1"),
        (lambda: AnomalyDetector().fit(np.ones(9, bool)), fr.DtypeError, "an array of numbers, got [9] bool"),
        (lambda: AnomalyDetector().fit(HOLE), ValueError,
         "AnomalyDetector.fit: x must be finite, got 1 of 100 values that are NaN or infinite. Leave those "
         "steps out or fill them in first."),
        (lambda: AnomalyDetector().fit(SERIES), ValueError,
         "AnomalyDetector.fit: x must be series of at least two windows, 128 steps, got 100 steps. Give"),
        (lambda: AnomalyDetector().fit(SERIES[:1, None, None]), fr.ShapeError,
         "AnomalyDetector.fit: x must be windows of at least 2 steps, at least one feature, got [1, 1, 1]"),
        (lambda: AnomalyDetector().fit(np.ones((1, 5))), ValueError,
         "AnomalyDetector.fit: x must be at least 2 windows, got 1."),
        (lambda: AnomalyDetector(window=4).fit(np.ones((3, 5, 1))), fr.ShapeError,
         "AnomalyDetector.fit: x must be windows [N, 4, F] or [N, 4], or a series [T] or [T, F], got [3"),
        (lambda: AnomalyDetector().fit(np.float64(3)), fr.ShapeError, "or a series [T] or [T, F], got []"),
        (lambda: AnomalyDetector().fit([waves(3)]), fr.ShapeError,
         "AnomalyDetector.fit: x must be a list of series, got a list with windows in it. Join"),
        (lambda: AnomalyDetector(window=3).fit([SERIES, waves(1)[0].repeat(2, 1)]), fr.ShapeError,
         "AnomalyDetector.fit: x must be series with the same features, got 1 and 2 features."),
        (lambda: AnomalyDetector().fit(waves(9), epochs=0), ValueError, "fit: epochs must be"),
        (lambda: AnomalyDetector().fit(waves(9), batch_size=0), ValueError,
         "AnomalyDetector.fit: batch_size must be a whole number of at least 1, got 0."),
        (lambda: AnomalyDetector().fit(waves(9), epochs=1, validation_data=1), TypeError, "validation_data"),
        (lambda: fitted().score(HOLE), ValueError, "AnomalyDetector.score: x must be finite, got 1 of 100"),
        (lambda: fitted().score(SERIES[:11]), ValueError,
         "AnomalyDetector: x must be a series of at least one window, 12 steps, got 11 steps."),
        (lambda: list(fitted().stream([])), ValueError, "at least one window, 12 steps, got 0 steps."),
        (lambda: list(fitted().stream([np.ones((2, 12))])), fr.ShapeError,
         "AnomalyDetector.stream: x must be a series [T] or [T, 1], got [2, 12] float64."),
        (lambda: fitted().predict(np.ones((3, 4))), fr.ShapeError,
         "AnomalyDetector.score: x must be windows [N, 12, 1] or [N, 12], or a series [T] or [T, 1], got [3"),
        (lambda: fitted().reconstruct(np.ones((3, 4))), fr.ShapeError, "AnomalyDetector.reconstruct: x must"),
        (lambda: fitted().fit(np.ones((3, 4))), fr.ShapeError, "AnomalyDetector.fit: x must be windows"),
        (lambda: fitted().fit_threshold(SERIES, 7), ValueError,
         "AnomalyDetector.fit_threshold: quantile must be a number in [0, 1], got 7."),
        (lambda: fitted().fit_threshold(np.ones((0, 12))), ValueError,
         "AnomalyDetector.fit_threshold: x has no windows."),
        (lambda: setattr(fitted(), "threshold", -1), ValueError, "AnomalyDetector: threshold must be"),
        (lambda: setattr(fitted(), "threshold", "high"), ValueError, "AnomalyDetector: threshold must be"),
        (lambda: fitted().intervals(SERIES, -1), ValueError, "AnomalyDetector.intervals: gap must be"),
        (lambda: fitted().evaluate(SERIES, np.ones(99)), ValueError,
         "AnomalyDetector.evaluate: labels must be 0 or 1 for each of 100 scores, got [99] float64."),
        (lambda: fitted().evaluate(SERIES, np.full(100, 2)), ValueError, "labels must be 0 or 1"),
        (lambda: fitted().evaluate(SERIES, ["a"] * 100), ValueError, "labels must be 0 or 1"),
        (lambda: daily(anomalies=("spikes",)), ValueError, "Did you mean 'spike'?"),
        (lambda: daily(10, normal=8), ValueError, "daily: days must be at least 6 more than normal, 8, got"),
    ],
)  # fmt: skip
def test_messages(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value) and type(caught.value) is error


def test_ctrl_c_leaves_a_detector_without_a_threshold(tmp_path: Path) -> None:
    class Interrupt(fr.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    made = AnomalyDetector("dense", window=12, seed=0)
    with pytest.raises(KeyboardInterrupt):
        made.fit(SERIES, verbose=0, callbacks=[Interrupt()])
    with pytest.raises(RuntimeError, match=r"call fit_threshold\(x\) first; fit was broken off"):
        made.predict(SERIES)
    made.save(tmp_path / "m.fastrnn")
    again = fr.load(tmp_path / "m.fastrnn")
    assert_same_bits(again.score(SERIES), made.score(SERIES))
    assert again.fit_threshold(SERIES) >= 0 and again.predict(SERIES).shape == (100,)


@pytest.mark.data("ecg5000")
def test_heart_beats(data_set: Path) -> None:
    """A short training; the figures of the whole one stand in docs/results.md."""
    train = np.loadtxt(data_set / "ECG5000_TRAIN_part1.tsv")
    test = np.load(data_set / "ECG5000_TEST.npy")[::3]  # sorted by class
    made = AnomalyDetector("dense", seed=0)
    made.fit(train[train[:, 0] == 1, 1:], epochs=40, verbose=0)
    assert made.evaluate(test[:, 1:], test[:, 0] != 1)["auroc"] > 0.97


def test_windows_are_an_eighth_of_themselves_apart() -> None:
    detector = AnomalyDetector("dense", window=64, units=(4,), seed=0)
    detector.fit(np.sin(np.arange(600.0)), epochs=1, verbose=0)
    assert detector.step == 8
