"""The vanilla recurrent network (Elman 1990), with tanh, relu or any other activation.

Forward, for each row at step t, h_{t-1} the state before it::

    (1)  a_t = W_ih x_t + W_hh (m * h_{t-1}) + b        m: dropout mask of the recurrent product, or 1
    (2)  h_t = f(a_t)                                   f = tanh or relu
    (3)  y_t = h_t

Backward, dh_t the gradient of the loss with respect to h_t::

    (3') dh_t += dy_t
    (2') da_t = f'(a_t) dh_t                            tanh' = 1 - h^2, relu' = [h > 0]
    (1') dh_{t-1} = m * (W_hh' da_t)
         dx_t = W_ih' da_t,  dW_ih = sum da_t x_t',  dW_hh = sum da_t (m * h_{t-1})',  db = sum da_t
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .activations import RELU, TANH
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


def init(rng: Any, inputs: int, units: int, dtype: Any) -> Params:
    """W_ih [H, I], W_hh [H, H], b [H]."""
    return {**init_weights(rng, 1, inputs, units, dtype), "b": np.zeros(units, dtype)}


def forward(f: Any, xp: Any, params: Params, x: Any, s0: Any, training: bool, h_mask: Any = None) -> Any:
    """See `fastrnn.cells.cell.Cell`."""
    W_hh = params["W_hh"]
    h = history(xp, s0[0], x.layout.N)
    a = project(xp, x, params["W_ih"], params["b"])  # (1), the part that does not wait
    for before, now, rows in x.layout.walk():
        n = rows.stop - rows.start
        read = h[before] if h_mask is None else h[before] * h_mask[:n]
        a[rows] += read @ W_hh.T  # (1)
        h[now] = f.value(xp, a[rows])  # (2)
    sT, y = (h[xp.asarray(x.layout.final)],), h[x.layout.B :]
    return y, sT, (x, h, a if f.reads_input else y, h_mask) if training else None  # (3)


def backward(f: Any, xp: Any, params: Params, cache: Any, dy: Any, dsT: Any) -> Any:
    """See `fastrnn.cells.cell.Cell`."""
    x, h, a, h_mask = cache
    layout, W_hh = x.layout, params["W_hh"]
    (dh,) = state_gradients(xp, dsT, (h[: layout.B],))
    da = xp.empty_like(a)
    for _, now, rows in reversed(list(layout.walk())):
        n = rows.stop - rows.start
        if dy is not None:
            dh[:n] += dy[rows]  # (3')
        da[rows] = dh[:n] * f.slope(xp, a[rows], h[now])  # (2')
        dh[:n] = da[rows] @ W_hh  # (1')
        if h_mask is not None:
            dh[:n] *= h_mask[:n]
    dx, dW_ih = collect_input(xp, x, params["W_ih"], da)
    dW_hh = da.T @ recurrent_input(xp, h, layout, h_mask)
    return dx, (dh,), {"W_ih": dW_ih, "W_hh": dW_hh, "b": da.sum(axis=0)}


def opened(cache: Any) -> tuple[Any, ...]:
    """See `fastrnn.cells.cell.Cell`: the one gate is the new state."""
    return (cache[1][cache[0].layout.B :],)


def cell(name: str, f: Any) -> Cell:
    """The cell with activation f."""
    return Cell(name, "a", ("h",), init, partial(forward, f), partial(backward, f), opened, (f.name,))


RNN_TANH, RNN_RELU = cell("rnn_tanh", TANH), cell("rnn_relu", RELU)
