"""The GRU, fast.  Equations and the numbers in parentheses: `fastrnn/cells/gru.py`.

The element-wise part, forwards and backwards, is `simd/gru.hpp`; the time loop `_recurrence.pyx`; arrays in and out
`_passes.pyx`.  Training keeps four blocks a row, ``q_n r z n``; backward overwrites them by ``dq_n dr dz dp_n``, so
that the last three are the gradient of the input's products and the first three that of the recurrent ones: each is one
matrix without a copy.
"""

from . import _passes
from ._doors import plain as _plain
from ._stream import Steps as _Steps

from ._engine cimport GRU


def forward(params, x, s0, training, h_mask=None, *, int threads):
    """See `fastrnn.cells.cell.Cell`; `threads` is the largest team to use and changes no bit."""
    return _passes.forward(GRU, params, x, s0, training, h_mask, threads)


def backward(params, cache, dy, dsT, *, int threads):
    """See `fastrnn.cells.cell.Cell`.  Overwrites what the cache kept, which is used once."""
    return _passes.backward(GRU, params, cache, dy, dsT, threads)


def forward_at(params, x, s0, training, x_at, y_at, y, *, int threads):
    """See `fastrnn.kernels._passes.forward_at`."""
    return _passes.forward_at(GRU, params, x, s0, training, x_at, y_at, y, threads)


def backward_at(params, cache, dy, dy_at, dsT, *, int threads):
    """See `fastrnn.kernels._passes.backward_at`."""
    return _passes.backward_at(GRU, params, cache, dy, dy_at, dsT, threads)


def forward_both(params, x, s0, training, masks, *, int threads):
    """See `fastrnn.kernels._passes.forward_both`."""
    return _passes.forward_both(GRU, params, x, s0, training, masks, threads)


def backward_both(params, caches, dy, dsT, *, int threads):
    """See `fastrnn.kernels._passes.backward_both`."""
    return _passes.backward_both(GRU, params, caches, dy, dsT, threads)


def plain(x, params, state, time_major, y_time_major, training, threads, count):
    """See `fastrnn.kernels._doors.plain`."""
    return _plain(GRU, x, params, state, time_major, y_time_major, training, threads, count)


def steps(params, batch, ids, threads):
    """See `fastrnn.kernels._stream.Steps`."""
    return _Steps(GRU, params, batch, ids, threads)
