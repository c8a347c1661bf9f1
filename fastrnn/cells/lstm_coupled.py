"""Coupled gates: an LSTM forgets as much as it takes in (Greff et al. 2017, "CIFG").

Gate order ``i g o``; no forget gate, and so a quarter fewer weights.  In the equations of `lstm.py`::

    (3)  f = 1 - i,  c_t = f * c_{t-1} + i * g

Backward, df and di as there::

    (3') di -= df
"""

from __future__ import annotations

from typing import Any

from .lstm import ForgetGate, Form, cell


class Coupled(ForgetGate):
    """f = 1 - i."""

    gates = "igo"

    def kept(self, gate: dict[str, Any]) -> Any:
        return 1 - gate["i"]  # (3)

    def back(self, d: dict[str, Any]) -> None:
        d["i"] -= d.pop("f")  # (3')


LSTM_COUPLED = cell("lstm_coupled", Form(forget=Coupled()))
