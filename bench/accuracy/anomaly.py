"""Anomalies: heart beats (ECG5000) as windows, and eight series of the Numenta benchmark, one by one."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

import fastrnn as fr
from fastrnn.tasks.series import stretches
from fastrnn.text.tables import read_table

KINDS = ("dense", "lstm")


def beats(data: Path, seed: int) -> dict[str, Any]:
    """Learn the normal beats of the training files, score the test file: 2,626 normal, 1,873 others."""
    folder = data / "ecg5000"
    parts = [np.loadtxt(folder / f"ECG5000_TRAIN_part{k}.tsv") for k in (1, 2)]
    train = np.concatenate(parts)
    test = np.load(folder / "ECG5000_TEST.npy")
    normal, anomalous = train[train[:, 0] == 1, 1:], test[:, 0] != 1
    figures: dict[str, Any] = {}
    for kind in KINDS:
        # A fifth of 243 beats is held out: 49, of which no finer quantile can be told.
        detector = fr.tasks.AnomalyDetector(kind, quantile=0.95, seed=seed)
        detector.fit(normal, verbose=0)
        found = detector.evaluate(test[:, 1:], anomalous)
        for name in ("auroc", "average_precision", "recall", "false_alarm_rate"):
            figures[f"{kind}_{name}"] = round(found[name], 4)
    return figures


def series(data: Path, seed: int) -> dict[str, Any]:
    """Learn the first 15 % of each series (the benchmark's probationary period), flag the rest.

    A labelled window is found where any step in it is flagged.  A false alarm is a flagged stretch outside of
    all windows; flagged steps less than a window of the detector apart are one stretch.  The threshold is the
    largest score of the held-out end of the first 15 %.  No label is used but to count.
    """
    folder = data / "nab"
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    figures: dict[str, Any] = {f"{kind}_{what}": 0 for kind in KINDS for what in ("found", "windows")}
    for path in sorted((folder / "data").glob("*/*.csv")):
        windows = labels[f"{path.parent.name}/{path.name}"]
        for kind in KINDS:
            found, alarms = flagged(path, windows, kind, seed)
            figures[f"{kind}_found"] += found
            figures[f"{kind}_windows"] += len(windows)
            figures[f"{path.stem}_{kind}_found"] = found
            figures[f"{path.stem}_{kind}_windows"] = len(windows)
            figures[f"{path.stem}_{kind}_false_alarms_a_week"] = round(alarms, 2)
    return figures


def flagged(path: Path, windows: list[list[str]], kind: str, seed: int) -> tuple[int, float]:
    """(labelled windows found, false alarms per seven days) of one series."""
    table = read_table(path)
    assert table.times is not None
    times = np.array([datetime.fromisoformat(time) for time in table.times])
    begin = round(0.15 * len(times))
    detector = fr.tasks.AnomalyDetector(kind, window=64, quantile=1.0, seed=seed)
    detector.fit(table.values[:begin], verbose=0)
    flags = detector.predict(table.values)
    flags[:begin] = False
    inside = np.zeros(len(flags), bool)
    found = 0
    for window in windows:
        start, stop = (datetime.fromisoformat(end) for end in window)
        here = (times >= start) & (times <= stop)
        found += bool(flags[here].any())
        inside |= here
    alarms = [1 for start, stop in stretches(flags, gap=63) if not inside[start:stop].any()]
    weeks = (times[-1] - times[begin]).total_seconds() / (7 * 24 * 3600)
    return found, len(alarms) / weeks
