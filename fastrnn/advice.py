"""What to do about a gradient that vanishes or explodes: sentences with the numbers that they follow from."""

from __future__ import annotations

from typing import Any

import numpy as np

from .gradient_flow import Flow
from .optimizer import CLIPS

MOSTLY = 0.5  # the share from which on a gate is named as saturated, or as open
_GATES = {  # that decide what is kept, and what has to be done with them
    ("f", 1): ("forget", "opens"),
    ("z", 1): ("update", "opens"),
    ("i", -1): ("input", "shuts"),
}
SMALL = 0.95  # a largest singular value below this shrinks what passes, whatever its direction
LARGE = 1.05


def advice(model: Any, flow: Flow, verdict: str, arriving: np.ndarray, half_life: float) -> list[str]:
    """Sentences for one recurrence; none where it is healthy.

    arriving, half_life : see `fastrnn.diagnostics.LayerDiagnosis`
    """
    if verdict == "healthy":
        return []
    if verdict == "exploding":
        lines = _exploding(model, flow, arriving)
    elif arriving[0]:
        lines = _vanishing(flow, len(arriving), half_life)
    else:
        lines = ["the loss has no gradient here at all; look at the layers above, and whether y is learnt."]
    return [f"{flow.name}: {line}" for line in [*lines, *_saturated(flow)]]


def _vanishing(flow: Flow, T: int, half_life: float) -> list[str]:
    lost = f"the gradient halves every {half_life:.3g} steps, and the longest sequence has {T}."
    cure = f"bias_initializer=fastrnn.initializers.Chrono({T})"
    kept = _kept(flow)
    if kept is None:
        lines = [f"{lost} LSTM({flow.layer.units}, {cure}) adds to its memory instead of multiplying it."]
    elif kept ** (T - 1) < MOSTLY:
        gate, turns = _GATES[flow.layer.cell.keep[0]]
        lines = [f"{lost} Its {gate} gate keeps at most {kept:.1%} of the state a step; {cure} {turns} it."]
    else:
        lines = [lost]
    largest = _largest(flow)
    if largest is not None and largest < SMALL:
        lines.append(f"the largest singular value of its recurrent weights is {largest:.2g}; "
                     "recurrent_initializer='orthogonal' makes all of them 1.")  # fmt: skip
    return lines


def _exploding(model: Any, flow: Flow, arriving: np.ndarray) -> list[str]:
    cell = flow.layer.cell.name
    most = arriving.max()
    much = f"{most:.2g}-fold" if np.isfinite(most) else "out of all numbers"
    grown = f"the gradient grows {much} on its way back."
    optimizer = model.optimizer
    clipped = optimizer is not None and any(getattr(optimizer, name) is not None for name in CLIPS)
    lines = [grown if clipped else f"{grown} Clip it: global_clipnorm=1.0 in the optimizer."]
    largest = _largest(flow)
    if largest is not None and largest > LARGE:
        lines.append(f"the largest singular value of its recurrent weights is {largest:.2g}; "
                     "recurrent_initializer='orthogonal' makes all of them 1.")  # fmt: skip
    gates = {letter: values.mean() for letter, values in flow.gates.items()}
    keep = {letter for letter, _ in flow.layer.cell.keep}
    if keep & gates.keys() == {"f", "i"} and min(gates["f"], gates["i"] / MOSTLY) > 0.9:
        i, f = gates["i"], gates["f"]
        cure = f"bias_initializer=fastrnn.initializers.Chrono({len(arriving)})"
        lines.append(
            f"forget gate ({f:.2f}) and input gate ({i:.2f}) are both open, so that the cell piles "
            f"up all it reads; {cure} closes the input gate as far as it opens the forget gate."
        )
    if cell.startswith("rnn"):
        lines.append(f"LSTM({flow.layer.units}) multiplies what passes its cell by 0 to 1 a step.")
    if optimizer is not None and not clipped:
        rate = optimizer.learning_rate
        lines.append(f"without clipping, lower the learning rate, which is {rate}.")
    return lines


def _kept(flow: Flow) -> float | None:
    """What the gate that holds on to the state lets through at a step, of the unit that keeps most."""
    if not flow.layer.cell.keep or not flow.gates:
        return None
    letter, sign = flow.layer.cell.keep[0]
    mean = flow.gates[letter].mean(axis=0)
    return float(mean.max() if sign > 0 else 1 - mean.min())


def _largest(flow: Flow) -> float | None:
    """The largest singular value of W_hh of a vanilla RNN: the most by which a step stretches a gradient."""
    if not flow.layer.cell.name.startswith("rnn"):
        return None
    W_hh = flow.layer.backend.to_numpy(flow.layer.params["W_hh"])
    return float(np.linalg.norm(W_hh.astype(np.float64), 2)) if np.isfinite(W_hh).all() else np.inf


def _saturated(flow: Flow) -> list[str]:
    """Gates that hold on to the state, or let nothing in, are meant to be open or shut; others are not."""
    found = {k: share for k, share in flow.saturated.items() if k not in "ifz" and share > MOSTLY}
    if not found:
        return []
    which = ", ".join(f"{letter} ({share:.0%})" for letter, share in found.items())
    cure = "Scale x to about 1, or lower the learning rate."
    return [f"saturated activations let little gradient through: {which}. {cure}"]
