"""The GRU (Cho et al. 2014), with the reset gate after the recurrent product (as in cuDNN and PyTorch).

Gate order ``r z n``: reset, update, new.  Forward, h the state before step t::

    (1)  p_t = W_ih x_t + b_ih                          three blocks p_r p_z p_n
    (2)  q_t = W_hh (m * h_{t-1}) + b_hh                m: dropout mask of the recurrent product, or 1
    (3)  r, z = sigmoid(p_r + q_r, p_z + q_z)
    (4)  n = tanh(p_n + r * q_n)                        reset after the product: two biases are needed
    (5)  h_t = (1 - z) * n + z * h_{t-1}
    (6)  y_t = h_t

Backward, dh_t the gradient of the loss with respect to h_t::

    (6') dh_t += dy_t
    (5') dz = dh_t * (h_{t-1} - n),  dn = dh_t * (1 - z),  dh_{t-1} = dh_t * z
    (4') dp_n = dn * (1 - n^2),  dr = dp_n * q_n,  dq_n = dp_n * r
    (3') dp_r = dq_r = dr * r (1 - r),  dp_z = dq_z = dz * z (1 - z)
    (2') dh_{t-1} += m * (W_hh' dq_t),  dW_hh = sum dq_t (m * h_{t-1})',  db_hh = sum dq_t
    (1') dx_t = W_ih' dp_t,  dW_ih = sum dp_t x_t',  db_ih = sum dp_t

Any activation may take the place of sigmoid and tanh (`Form`), its slope that of r (1 - r) and 1 - n^2.
`gru_before.py` has the other GRU, whose reset gate stands before the product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .activations import SIGMOID, TANH
from .cell import (
    Cell,
    Params,
    collect_input,
    history,
    init_weights,
    project,
    recurrent_input,
    state_gradients,
)


@dataclass(frozen=True)
class Form:
    """The activations of the gates, f, and of the new state, g."""

    f: Any = SIGMOID
    g: Any = TANH

    @property
    def reads_input(self) -> bool:
        """Whether backward needs what entered the activations."""
        return bool(self.f.reads_input or self.g.reads_input)


def init(rng: Any, inputs: int, units: int, dtype: Any) -> Params:
    """W_ih [3H, I], W_hh [3H, H], b_ih [3H], b_hh [3H]."""
    biases = {name: np.zeros(3 * units, dtype) for name in ("b_ih", "b_hh")}
    return {**init_weights(rng, 3, inputs, units, dtype), **biases}


def forward(form: Form, xp: Any, params: Params, x: Any, s0: Any, training: bool, h_mask: Any = None) -> Any:
    """See `fastrnn.cells.cell.Cell`."""
    W_hh, b_hh = params["W_hh"], params["b_hh"]
    H = W_hh.shape[1]
    h = history(xp, s0[0], x.layout.N)
    a = project(xp, x, params["W_ih"], params["b_ih"])  # (1)
    gates = xp.empty_like(a) if form.reads_input else a
    q_n = xp.empty((x.layout.N, H), h.dtype)
    for before, now, rows in x.layout.walk():
        n_rows = rows.stop - rows.start
        pre, gate = a[rows], gates[rows]
        q = (h[before] if h_mask is None else h[before] * h_mask[:n_rows]) @ W_hh.T + b_hh  # (2)
        q_n[rows] = q[:, 2 * H :]
        pre[:, : 2 * H] += q[:, : 2 * H]
        gate[:, : 2 * H] = form.f.value(xp, pre[:, : 2 * H])  # (3)
        r, z, n = (gate[:, k * H : (k + 1) * H] for k in range(3))
        pre[:, 2 * H :] += r * q[:, 2 * H :]
        n[...] = form.g.value(xp, pre[:, 2 * H :])  # (4)
        h[now] = (1 - z) * n + z * h[before]  # (5)
    sT = (h[xp.asarray(x.layout.final)],)
    return h[x.layout.B :], sT, (x, h, gates, a, q_n, h_mask) if training else None  # (6)


def backward(form: Form, xp: Any, params: Params, cache: Any, dy: Any, dsT: Any) -> Any:
    """See `fastrnn.cells.cell.Cell`."""
    x, h, gates, a, q_n, h_mask = cache
    layout, W_hh = x.layout, params["W_hh"]
    H = W_hh.shape[1]
    (dh,) = state_gradients(xp, dsT, (h[: layout.B],))
    dp, dq = xp.empty_like(gates), xp.empty_like(gates)
    for before, _, rows in reversed(list(layout.walk())):
        n_rows = rows.stop - rows.start
        pre, gate = a[rows], gates[rows]
        r, z, n = (gate[:, k * H : (k + 1) * H] for k in range(3))
        if dy is not None:
            dh[:n_rows] += dy[rows]  # (6')
        d = dh[:n_rows]
        dp_n = d * (1 - z) * form.g.slope(xp, pre[:, 2 * H :], n)  # (5'), (4')
        d_rz = xp.concatenate([dp_n * q_n[rows], d * (h[before] - n)], axis=1)  # (4'), (5')
        dp[rows, : 2 * H] = d_rz * form.f.slope(xp, pre[:, : 2 * H], gate[:, : 2 * H])  # (3')
        dp[rows, 2 * H :] = dp_n
        dq[rows] = dp[rows]
        dq[rows, 2 * H :] = dp_n * r  # (4')
        back = dq[rows] @ W_hh  # (2')
        dh[:n_rows] = d * z + (back if h_mask is None else back * h_mask[:n_rows])
    dx, dW_ih = collect_input(xp, x, params["W_ih"], dp)
    dW_hh = dq.T @ recurrent_input(xp, h, layout, h_mask)
    dparams = {"W_ih": dW_ih, "W_hh": dW_hh, "b_ih": dp.sum(axis=0), "b_hh": dq.sum(axis=0)}
    return dx, (dh,), dparams


def opened(cache: Any) -> tuple[Any, ...]:
    """See `fastrnn.cells.cell.Cell`."""
    gates = cache[2]
    H = gates.shape[1] // 3
    return tuple(gates[:, k * H : (k + 1) * H] for k in range(3))


def cell(name: str, form: Form, init: Callable[..., Params], forward: Any, backward: Any) -> Cell:
    """The cell of that form, before or after the product."""
    both = partial(forward, form), partial(backward, form)
    squash = (form.f.name, form.f.name, form.g.name)
    keep = (("z", 1),) if form.f.name == "sigmoid" else ()
    return Cell(name, "rzn", ("h",), init, *both, opened, squash, keep=keep)


GRU = cell("gru", Form(), init, forward, backward)
