"""How good a detector of anomalies is, from its scores, its flags and the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..metrics import AUROC
from .series import stretches


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """The mean precision over all positives, each at the threshold that just finds it; NaN without any.

    Equal scores are found together.

    >>> import numpy as np
    >>> round(average_precision(np.array([4.0, 3.0, 2.0, 1.0]), np.array([1, 0, 1, 0])), 4)  # (1 + 2/3) / 2
    0.8333
    """
    truth = np.asarray(truth, bool)
    if not truth.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked, found = scores[order], np.cumsum(truth[order])
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # of each group of equal scores
    precision = found[last] / (last + 1)
    gained = np.diff(found[last], prepend=0)
    return float((precision * gained).sum() / found[-1])


def measure(scores: np.ndarray, flags: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Figures of flags and scores [N] against the truth, bool [N].

    Returns
    -------
    dict : "auroc", "average_precision" of the scores; "precision", "recall", "false_alarm_rate" (the share of
        what is normal that is flagged) of the flags; "anomalies", "flagged", "total": numbers.  None where
        there is nothing to divide by
    """
    area = AUROC()
    area.reset()
    area.update(np, scores, truth.astype(np.int64))
    hits, flagged, anomalies = int((flags & truth).sum()), int(flags.sum()), int(truth.sum())
    normal = len(truth) - anomalies
    return {
        "auroc": area.result() if anomalies and normal else None,
        "average_precision": average_precision(scores, truth) if anomalies else None,
        "precision": hits / flagged if flagged else None,
        "recall": hits / anomalies if anomalies else None,
        "false_alarm_rate": (flagged - hits) / normal if normal else None,
        "anomalies": anomalies,
        "flagged": flagged,
        "total": len(truth),
    }


def measure_stretches(flags: np.ndarray, truth: np.ndarray, gap: int = 0) -> dict[str, int]:
    """Anomalous stretches of a series found (any step of them flagged), and false alarms: flagged stretches,
    those at most `gap` steps apart taken as one, that have no anomalous step."""
    true = stretches(truth)
    return {
        "stretches": len(true),
        "stretches_found": sum(bool(flags[a:b].any()) for a, b in true),
        "false_alarms": sum(not truth[a:b].any() for a, b in stretches(flags, gap)),
    }
