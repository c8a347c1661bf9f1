"""A series with the rhythm of a day, as a machine or a city has it, and anomalies planted where we know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import sentence, unknown

PERIOD = 48  # steps: half hours of a day
KINDS = ("spike", "shift", "flat")


def daily(
    days: int = 60, *, normal: int = 30, anomalies: Sequence[str] = KINDS, noise: float = 0.1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """A daily rhythm of a morning and an evening peak, about 100, in half hours.

    Parameters
    ----------
    days : length of the series
    normal : days at the beginning that have no anomaly
    anomalies : what is planted in the days after those, evenly apart, at a random hour: "spike" (one half
        hour far too high), "shift" (half a day on another level), "flat" (half a day without rhythm)
    noise : standard deviation of the noise, in units of the rhythm's

    Returns
    -------
    x : float64 [48 days]
    truth : bool [48 days], True where something was planted

    >>> x, truth = daily(days=20, normal=10)
    >>> x.shape, int(truth.sum()), bool(truth[:480].any())
    ((960,), 49, False)
    """
    for kind in anomalies:
        if kind not in KINDS:
            raise unknown("daily", "an anomaly", kind, KINDS)
    if not 0 <= normal <= days - 2 * len(anomalies):
        raise ValueError(
            sentence("daily", "days", f"at least {2 * len(anomalies)} more than normal, {normal}", days)
        )
    rng = np.random.default_rng([seed, 48])
    t = np.arange(days * PERIOD)
    hour = 2 * np.pi * t / PERIOD
    rhythm = np.sin(hour - 1.2) + 0.6 * np.sin(2 * hour + 0.4)
    rhythm /= rhythm.std()
    x = rhythm + noise * rng.standard_normal(len(t))
    truth = np.zeros(len(t), bool)
    room = (days - normal) * PERIOD // max(1, len(anomalies))
    for k, kind in enumerate(anomalies):
        length = 1 if kind == "spike" else PERIOD // 2
        start = normal * PERIOD + k * room + int(rng.integers(PERIOD // 2, room - PERIOD))
        here = slice(start, start + length)
        if kind == "spike":
            x[here] += 4.0
        elif kind == "shift":
            x[here] += 2.0
        else:
            x[here] = x[start] + noise * rng.standard_normal(length)
        truth[here] = True
    return 100 + 20 * x, truth
