"""Pictures of series show the scores, the threshold and the stretches they are given."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import fastrnn as fr
from fastrnn import plot

SCORES = np.array([0.1, 0.2, 3.0, 4.0, 0.1, 5.0])


def spans(ax: Any) -> list[tuple[float, float]]:
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches]


def test_scores_alone(tmp_path: Path) -> None:
    ax = plot.anomaly_scores(SCORES, 1.0)
    assert ax.lines[0].get_ydata().tolist() == SCORES.tolist()
    assert list(ax.lines[1].get_ydata()) == [1.0, 1.0]
    assert ax.get_legend().get_texts()[0].get_text() == "threshold 1"
    assert spans(ax) == [(2, 3), (5, 5)]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time step", "score")
    ax.figure.savefig(tmp_path / "a.png")
    again = plot.new_axes()
    assert plot.anomaly_scores(SCORES, ax=again) is again and not again.patches and len(again.lines) == 1


def test_a_series_above_its_scores(tmp_path: Path) -> None:
    times = [datetime(2024, 1, 1) + timedelta(hours=k) for k in range(6)]
    series = np.arange(12.0).reshape(6, 2)
    ax = plot.anomaly_scores(SCORES, 1.0, series, times=times, intervals=[(1, 4)], ylabel="전력 (kW)")
    above, below = ax.child_axes
    assert [line.get_ydata().tolist() for line in above.lines] == series.T.tolist()
    assert below.lines[0].get_ydata().tolist() == SCORES.tolist()
    assert above.get_ylabel() == "전력 (kW)" and below.get_xlabel() == "time"
    assert above.get_shared_x_axes().joined(above, below)
    for one in (above, below):
        (span,) = spans(one)
        assert span[1] - span[0] == pytest.approx(2 / 24)
    if plot.hangul_font():
        ax.figure.savefig(tmp_path / "a.png")


def test_a_reconstruction_with_its_error(tmp_path: Path) -> None:
    x, y = np.arange(5.0), np.arange(5.0) + 1
    ax = plot.reconstruction(x, y, ylabel="mV")
    assert [line.get_ydata().tolist() for line in ax.lines] == [x.tolist(), y.tolist()]
    assert ax.lines[0].get_color() == ax.lines[1].get_color() and ax.lines[1].get_linestyle() == "--"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["original", "reconstruction", "error"]
    assert len(ax.collections) == 1 and ax.get_ylabel() == "mV"
    ax.figure.savefig(tmp_path / "a.png")
    two = plot.reconstruction(np.ones((5, 2)), np.zeros((5, 2)), plot.new_axes())
    assert len(two.lines) == 4 and len({line.get_color() for line in two.lines}) == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: plot.anomaly_scores(np.ones((2, 2))),
         r"anomaly_scores: scores must be \[T\], at least one, got \[2, 2\]"),
        (lambda: plot.anomaly_scores([]), "at least one, got"),
        (lambda: plot.anomaly_scores(SCORES, 1.0, np.ones(5)),
         r"anomaly_scores: series must be \[T\] or \[T, F\], T = 6 as the scores, got \[5\]"),
        (lambda: plot.anomaly_scores(SCORES, times=[1, 2]),
         r"anomaly_scores: times must be \[T\] = \[6\], got \[2\]"),
        (lambda: plot.reconstruction(np.ones((2, 2, 2)), 1),
         r"reconstruction: original must be \[T\] or \[T, F\], got"),
        (lambda: plot.reconstruction(np.ones(3), np.ones(4)),
         r"reconstruction: rebuilt must be \[3\] as the original, got \[4\]"),
    ],
)  # fmt: skip
def test_messages(make: Any, message: str) -> None:
    with pytest.raises(fr.ShapeError, match=message):
        make()
