"""Subject: one step of one LSTM layer, the state kept from call to call.

The call is one step of one sequence: x [1, I] in, y [1, H] out. Verified are the outputs of `STEPS`
steps from a zero state, all with inputs of their own, so that the state counts.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from . import recurrent
from .cases import Case

STEPS = 8


def data(case: Case) -> dict[str, Any]:
    """The arguments of a case: x [STEPS, 1, I] float32 and params as in `bench.recurrent.data`."""
    return recurrent.data(_sequence(case))


def expected(case: Case) -> dict[str, Any]:
    """What the reference cell computes in float64: y [STEPS, 1, H]."""
    return {"y": recurrent.expected(_sequence(case))["y"]}


def _sequence(case: Case) -> Case:
    return dataclasses.replace(case, subject="recurrent", T=STEPS)
