"""Verification: no time is taken of a wrong result.

The reference is the cell (or, for dense cases, plain NumPy) in float64. The distance of a float32
result is root mean square error over root mean square value, array by array: zeros do not
blow it up and one wrong gate, step or row does not hide in it.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from .cases import Case

# Honest float32 results of three libraries are within 2e-6 ("error" in the JSON of a run).
TOLERANCE = 2e-5
# Those are within 1e-5. Adam divides a gradient by its own size, so that rounding in the smallest
# ones moves a parameter a whole step the other way: few elements, but visible.
MOVE_TOLERANCE = 1e-3


class Mismatch(ValueError):
    """A peer computed something else than the reference."""


def subject(case: Case) -> Any:
    """The module that makes the data of a case."""
    return importlib.import_module(f"bench.{case.subject}")


def distance(result: Any, reference: Any) -> float:
    """Root mean square of the difference, relative to that of the reference."""
    wide = np.asarray(reference, np.float64)
    difference = np.asarray(result, np.float64) - wide
    scale = float(np.sqrt(np.mean(wide * wide)))
    return float(np.sqrt(np.mean(difference * difference))) / (scale or 1.0)


def check(case: Case, results: dict[str, Any], reference: dict[str, Any]) -> float:
    """The largest distance of `results` from `reference`, where none is too large.

    Raises
    ------
    Mismatch : an array is missing or has the wrong shape, or its distance is above the tolerance
    """
    worst = 0.0
    for name, wanted in reference.items():
        if name not in results:
            raise Mismatch(f"{case.name}: {name} is missing.")
        got = np.asarray(results[name])
        if got.shape != wanted.shape:
            raise Mismatch(
                f"{case.name}: {name} must be {list(wanted.shape)}, got {list(got.shape)}."
            )
        error = distance(got, wanted)
        tolerance = MOVE_TOLERANCE if name.startswith("move_") else TOLERANCE
        if not error <= tolerance:  # so that NaN is a mismatch, too
            raise Mismatch(
                f"{case.name}: {name} differs from the reference by {error:.2g} of its size, "
                f"{tolerance:.0e} is allowed."
            )
        worst = max(worst, error)
    return worst
