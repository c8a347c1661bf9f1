"""The LSTM with a forget gate (Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000).

Gate order ``i f g o``: input, forget, candidate, output.  Forward, h and c the states before step t::

    (1)  a_t = W_ih x_t + W_hh (m * h_{t-1}) + b        m: dropout mask of the recurrent product, or 1
    (2)  i, f, o = sigmoid(a_i, a_f, a_o),  g = tanh(a_g)
    (3)  c_t = f * c_{t-1} + i * g                      the memory cell: a sum, so gradients survive
    (4)  h_t = o * tanh(c_t)
    (5)  y_t = h_t

Backward, dh_t and dc_t the gradients of the loss with respect to h_t and c_t::

    (5') dh_t += dy_t
    (4') do = dh_t * tanh(c_t),   dc_t += dh_t * o * (1 - tanh(c_t)^2)
    (3') df = dc_t * c_{t-1},  di = dc_t * g,  dg = dc_t * i,  dc_{t-1} = dc_t * f
    (2') da_{i,f,o} = d{i,f,o} * s (1 - s),   da_g = dg * (1 - g^2)
    (1') dh_{t-1} = m * (W_hh' da_t)
         dx_t = W_ih' da_t,  dW_ih = sum da_t x_t',  dW_hh = sum da_t (m * h_{t-1})',  db = sum da_t
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .cell import (
    Cell,
    Params,
    collect_input,
    history,
    init_weights,
    project,
    recurrent_input,
    sigmoid,
    state_gradients,
)


def init(rng: Any, inputs: int, units: int, dtype: Any) -> Params:
    """W_ih [4H, I], W_hh [4H, H], b [4H]; the forget gate starts open (Jozefowicz et al. 2015)."""
    params = {**init_weights(rng, 4, inputs, units, dtype), "b": np.zeros(4 * units, dtype)}
    params["b"][units : 2 * units] = 1
    return params


def forward(xp: Any, params: Params, x: Any, s0: Any, training: bool, h_mask: Any = None) -> Any:
    """See `fastrnn.cells.cell.Cell`."""
    W_hh = params["W_hh"]
    H = W_hh.shape[1]
    h = history(xp, s0[0], x.layout.N)
    c = history(xp, s0[1], x.layout.N)
    gates = project(xp, x, params["W_ih"], params["b"])  # (1), the part that does not wait
    for before, now, rows in x.layout.walk():
        n = rows.stop - rows.start
        a = gates[rows]
        a += (h[before] if h_mask is None else h[before] * h_mask[:n]) @ W_hh.T  # (1)
        a[:, : 2 * H] = sigmoid(xp, a[:, : 2 * H])  # (2)
        a[:, 2 * H : 3 * H] = xp.tanh(a[:, 2 * H : 3 * H])
        a[:, 3 * H :] = sigmoid(xp, a[:, 3 * H :])
        i, f, g, o = a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H :]
        c[now] = f * c[before] + i * g  # (3)
        h[now] = o * xp.tanh(c[now])  # (4)
    final = xp.asarray(x.layout.final)
    sT = (h[final], c[final])
    return h[x.layout.B :], sT, (x, h, c, gates, h_mask) if training else None  # (5)


def backward(xp: Any, params: Params, cache: Any, dy: Any, dsT: Any) -> Any:
    """See `fastrnn.cells.cell.Cell`."""
    x, h, c, gates, h_mask = cache
    layout, W_hh = x.layout, params["W_hh"]
    B, H = layout.B, W_hh.shape[1]
    dh, dc = state_gradients(xp, dsT, (h[:B], c[:B]))
    dgates = xp.empty_like(gates)
    for before, now, rows in reversed(list(layout.walk())):
        n = rows.stop - rows.start
        a, da = gates[rows], dgates[rows]
        i, f, g, o = a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H :]
        if dy is not None:
            dh[:n] += dy[rows]  # (5')
        tanh_c = xp.tanh(c[now])
        do = dh[:n] * tanh_c  # (4')
        dc[:n] += dh[:n] * o * (1 - tanh_c**2)
        da[:, :H] = dc[:n] * g * i * (1 - i)  # (3'), (2')
        da[:, H : 2 * H] = dc[:n] * c[before] * f * (1 - f)
        da[:, 2 * H : 3 * H] = dc[:n] * i * (1 - g**2)
        da[:, 3 * H :] = do * o * (1 - o)
        dc[:n] *= f  # (3')
        dh[:n] = da @ W_hh  # (1')
        if h_mask is not None:
            dh[:n] *= h_mask[:n]
    dx, dW_ih = collect_input(xp, x, params["W_ih"], dgates)
    dW_hh = dgates.T @ recurrent_input(xp, h, layout, h_mask)
    return dx, (dh, dc), {"W_ih": dW_ih, "W_hh": dW_hh, "b": dgates.sum(axis=0)}


def opened(cache: Any) -> tuple[Any, ...]:
    """See `fastrnn.cells.cell.Cell`."""
    gates = cache[3]
    H = gates.shape[1] // 4
    return tuple(gates[:, k * H : (k + 1) * H] for k in range(4))


SQUASH = ("sigmoid", "sigmoid", "tanh", "sigmoid")
LSTM = Cell("lstm", "ifgo", ("h", "c"), init, forward, backward, opened, SQUASH)
