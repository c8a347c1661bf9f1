"""Series: anomaly scores over time, and what an autoencoder made of a window."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from ..errors import ShapeError, sentence
from .figure import COLORS, Axes, finish, new_axes

_SHADE = COLORS[1]


def anomaly_scores(
    scores: Any, threshold: float | None = None, series: Any = None, ax: Axes = None, *, times: Any = None,
    intervals: Sequence[tuple[int, int]] | None = None, ylabel: str = "value",
) -> Axes:  # fmt: skip
    """The score of each step with its threshold; above it the series, its anomalous stretches shaded.

    scores : [T]
    threshold : a line, and where there are no `intervals` the stretches above it are shaded
    series : [T], or [T, F], a line a feature; None draws the scores alone
    times : [T], anything that matplotlib has an axis for, such as datetime; None counts steps
    intervals : (start, stop) of stretches to shade, stop not included, as `AnomalyDetector.intervals` gives
    ylabel : what the series is

    Returns
    -------
    the Axes; with a series it is a frame for two, ``ax.child_axes``: series and score
    """
    scores = np.asarray(scores)
    if scores.ndim != 1 or not len(scores):
        raise ShapeError(sentence("anomaly_scores", "scores", "[T], at least one", scores))
    if series is not None:
        series = np.asarray(series)
        if series.ndim not in (1, 2) or len(series) != len(scores):
            expected = f"[T] or [T, F], T = {len(scores)} as the scores"
            raise ShapeError(sentence("anomaly_scores", "series", expected, series))
    steps = np.arange(len(scores)) if times is None else np.asarray(times)
    if steps.shape != scores.shape:
        raise ShapeError(sentence("anomaly_scores", "times", f"[T] = [{len(scores)}]", steps))
    if intervals is None:
        flags = scores > (np.inf if threshold is None else threshold)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
        intervals = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    if ax is None:
        ax = new_axes(7.0, 2.6 if series is None else 4.4)
    panels, below = [ax], ax
    if series is not None:
        ax.axis("off")
        above = ax.inset_axes((0, 0.4, 1, 0.6))
        below = ax.inset_axes((0, 0, 1, 0.35), sharex=above)
        panels = [above, below]
        for k, values in enumerate(series.reshape(len(series), -1).T):
            above.plot(steps, values, linewidth=0.8, color=COLORS[(0, 3, 4, 5)[k % 4]])
        above.set_ylabel(ylabel)
        above.tick_params(labelbottom=False)
    below.plot(steps, scores, linewidth=0.8, color=COLORS[2])
    if threshold is not None:
        style = {"color": _SHADE, "linestyle": "--", "linewidth": 1.0}
        below.axhline(threshold, label=f"threshold {threshold:.3g}", **style)
        below.legend(loc="upper left", fontsize=8, framealpha=0.6)
    if times is not None and isinstance(steps[0], (datetime, np.datetime64)):
        from matplotlib.dates import ConciseDateFormatter

        below.xaxis.set_major_formatter(ConciseDateFormatter(below.xaxis.get_major_locator()))
    below.set_ylabel("score")
    below.set_xlabel("time step" if times is None else "time")
    for one in panels:
        one.grid(alpha=0.3)
        one.margins(x=0.01)
        for start, stop in intervals:
            # A line around it, so that a single step is seen, too.
            one.axvspan(steps[start], steps[stop - 1], color=_SHADE, alpha=0.25, linewidth=1.5)
        finish(one)
    return ax


def reconstruction(original: Any, rebuilt: Any, ax: Axes = None, *, ylabel: str = "value") -> Axes:
    """A window or series and what came back, the error between them shaded.

    original, rebuilt : [T], or [T, F], a colour a feature
    """
    x, y = np.asarray(original), np.asarray(rebuilt)
    if x.ndim not in (1, 2) or not len(x):
        raise ShapeError(sentence("reconstruction", "original", "[T] or [T, F]", x))
    if y.shape != x.shape:
        raise ShapeError(sentence("reconstruction", "rebuilt", f"{list(x.shape)} as the original", y))
    ax = new_axes() if ax is None else ax
    steps = np.arange(len(x))
    for k, (a, b) in enumerate(zip(x.reshape(len(x), -1).T, y.reshape(len(x), -1).T, strict=True)):
        color = COLORS[k % len(COLORS)]
        ax.plot(steps, a, color=color, label=None if k else "original")
        ax.plot(steps, b, color=color, linestyle="--", label=None if k else "reconstruction")
        ax.fill_between(steps, a, b, color=_SHADE, alpha=0.3, linewidth=0, label=None if k else "error")
    ax.set_xlabel("time step")
    ax.set_ylabel(ylabel)
    ax.grid(alpha=0.3)
    ax.margins(x=0.01)
    ax.legend(fontsize=8)
    return finish(ax)
