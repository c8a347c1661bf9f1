"""The GRU with the reset gate before the recurrent product (Cho et al. 2014, as the paper has it).

Gate order ``r z n``, one bias.  Forward, h the state before step t, e_t what is left of it after the reset::

    (1)  p_t = W_ih x_t + b                             three blocks p_r p_z p_n
    (2)  r, z = sigmoid(p_{r,z} + W_{r,z} (m * h_{t-1}))    W_{r,z} and W_n: blocks of W_hh; m: mask, or 1
    (3)  e_t = r * m * h_{t-1}
    (4)  n = tanh(p_n + W_n e_t)
    (5)  h_t = (1 - z) * n + z * h_{t-1}
    (6)  y_t = h_t

Backward, dh_t the gradient of the loss with respect to h_t::

    (6') dh_t += dy_t
    (5') dz = dh_t * (h_{t-1} - n),  dn = dh_t * (1 - z),  dh_{t-1} = dh_t * z
    (4') dp_n = dn * (1 - n^2),  de_t = W_n' dp_n,  dW_n = sum dp_n e_t'
    (3') dr = de_t * m * h_{t-1},  dh_{t-1} += de_t * r * m
    (2') dp_r = dr * r (1 - r),  dp_z = dz * z (1 - z)
         dh_{t-1} += m * (W_{r,z}' dp_{r,z}),  dW_{r,z} = sum dp_{r,z} (m * h_{t-1})'
    (1') dx_t = W_ih' dp_t,  dW_ih = sum dp_t x_t',  db = sum dp_t
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .cell import Params, collect_input, history, init_weights, project, recurrent_input, state_gradients
from .gru import Form, cell


def init(rng: Any, inputs: int, units: int, dtype: Any) -> Params:
    """W_ih [3H, I], W_hh [3H, H], b [3H]."""
    return {**init_weights(rng, 3, inputs, units, dtype), "b": np.zeros(3 * units, dtype)}


def forward(form: Form, xp: Any, params: Params, x: Any, s0: Any, training: bool, h_mask: Any = None) -> Any:
    """See `fastrnn.cells.cell.Cell`."""
    W_hh = params["W_hh"]
    H = W_hh.shape[1]
    h = history(xp, s0[0], x.layout.N)
    a = project(xp, x, params["W_ih"], params["b"])  # (1)
    gates = xp.empty_like(a) if form.reads_input else a
    for before, now, rows in x.layout.walk():
        pre, gate = a[rows], gates[rows]
        read = h[before] if h_mask is None else h[before] * h_mask[: rows.stop - rows.start]
        pre[:, : 2 * H] += read @ W_hh[: 2 * H].T
        gate[:, : 2 * H] = form.f.value(xp, pre[:, : 2 * H])  # (2)
        r, z, n = (gate[:, k * H : (k + 1) * H] for k in range(3))
        pre[:, 2 * H :] += (r * read) @ W_hh[2 * H :].T  # (3)
        n[...] = form.g.value(xp, pre[:, 2 * H :])  # (4)
        h[now] = (1 - z) * n + z * h[before]  # (5)
    sT = (h[xp.asarray(x.layout.final)],)
    return h[x.layout.B :], sT, (x, h, gates, a, h_mask) if training else None  # (6)


def backward(form: Form, xp: Any, params: Params, cache: Any, dy: Any, dsT: Any) -> Any:
    """See `fastrnn.cells.cell.Cell`."""
    x, h, gates, a, h_mask = cache
    layout, W_hh = x.layout, params["W_hh"]
    H = W_hh.shape[1]
    (dh,) = state_gradients(xp, dsT, (h[: layout.B],))
    dp = xp.empty_like(gates)
    for before, _, rows in reversed(list(layout.walk())):
        n_rows = rows.stop - rows.start
        pre, gate = a[rows], gates[rows]
        r, z, n = (gate[:, k * H : (k + 1) * H] for k in range(3))
        read = h[before] if h_mask is None else h[before] * h_mask[:n_rows]
        if dy is not None:
            dh[:n_rows] += dy[rows]  # (6')
        d = dh[:n_rows]
        dp_n = d * (1 - z) * form.g.slope(xp, pre[:, 2 * H :], n)  # (5'), (4')
        de = dp_n @ W_hh[2 * H :]  # (4')
        d_rz = xp.concatenate([de * read, d * (h[before] - n)], axis=1)  # (3'), (5')
        dp[rows, 2 * H :] = dp_n
        dp[rows, : 2 * H] = d_rz * form.f.slope(xp, pre[:, : 2 * H], gate[:, : 2 * H])  # (2')
        back = de * r + dp[rows, : 2 * H] @ W_hh[: 2 * H]  # (3'), (2')
        dh[:n_rows] = d * z + (back if h_mask is None else back * h_mask[:n_rows])
    dx, dW_ih = collect_input(xp, x, params["W_ih"], dp)
    read = recurrent_input(xp, h, layout, h_mask)
    dW_rz, dW_n = dp[:, : 2 * H].T @ read, dp[:, 2 * H :].T @ (gates[:, :H] * read)  # (2'), (4')
    dparams = {"W_ih": dW_ih, "W_hh": xp.concatenate([dW_rz, dW_n]), "b": dp.sum(axis=0)}
    return dx, (dh,), dparams


GRU_BEFORE = cell("gru_before", Form(), init, forward, backward)
