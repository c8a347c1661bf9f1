"""Projection: an LSTM shows fewer numbers than it remembers (Sak, Senior and Beaufays 2014).

W_hr [P, H]; h_t and y_t are [B, P], c_t is [B, H], W_hh is [4H, P].  In the equations of `lstm.py`::

    (4)  m_t = o * tanh(c_t),  h_t = W_hr m_t

Backward, dm_t in the place of dh_t in the rest of (4')::

    (4') dm_t = W_hr' dh_t,  dW_hr = sum dh_t m_t'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .cell import Params, orthogonal
from .lstm import NoProjection


@dataclass(frozen=True)
class Projection(NoProjection):
    """size : P"""

    size: int
    weights = ("W_hr",)

    def init(self, rng: Any, units: int, dtype: Any) -> Params:
        """W_hr orthogonal, as the rest of the way from step to step."""
        return {"W_hr": orthogonal(rng, (self.size, units), dtype)}

    def shown(self, params: Params, m: Any) -> Any:
        return m @ params["W_hr"].T  # (4)

    def back(self, params: Params, dh: Any) -> Any:
        return dh @ params["W_hr"]  # (4')

    def collect(self, grads: Params, dh: Any, m: Any) -> None:
        grads["W_hr"] += dh.T @ m  # (4')
