"""Peepholes: the gates of an LSTM look at its memory (Gers and Schmidhuber 2000).

One weight a unit and gate, in the order ``i f o`` (``i o`` where f = 1 - i).  i and f see the memory before
the step, o the one after it.  In the equations of `lstm.py`::

    (1)  a_i += p_i * c_{t-1},  a_f += p_f * c_{t-1},  a_o += p_o * c_t

Backward::

    (4') dc_t += p_o * da_o,                            dp_o = sum da_o * c_t
    (3') dc_{t-1} += p_i * da_i + p_f * da_f,           dp_{i,f} = sum da_{i,f} * c_{t-1}
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .cell import Params
from .lstm import Form, NoPeepholes, cell


class Peepholes(NoPeepholes):
    """The weights p [number of gates without g, H]; they start at zero, as the plain LSTM."""

    weights = ("p",)

    def init(self, gates: str, units: int, dtype: Any) -> Params:
        return {"p": np.zeros((len(gates) - 1) * units, dtype)}

    def look(self, params: Params, a: dict[str, Any], letters: str, c: Any) -> None:
        p = _weights(params["p"], a)
        for letter in letters:
            if letter in p:
                a[letter] += p[letter] * c  # (1)

    def back(self, params: Params, grads: Params, da: dict[str, Any], letters: str, c: Any) -> Any:
        p, dp = _weights(params["p"], da), _weights(grads["p"], da)
        dc = 0
        for letter in letters:
            if letter in p:
                dc = dc + p[letter] * da[letter]  # (4'), (3')
                dp[letter] += (da[letter] * c).sum(axis=0)
        return dc


def _weights(p: Any, gates: dict[str, Any]) -> dict[str, Any]:
    """Views [H] of p, by letter."""
    letters = [letter for letter in gates if letter != "g"]
    H = len(p) // len(letters)
    return {letter: p[k * H : (k + 1) * H] for k, letter in enumerate(letters)}


LSTM_PEEPHOLE = cell("lstm_peephole", Form(peepholes=Peepholes()))
