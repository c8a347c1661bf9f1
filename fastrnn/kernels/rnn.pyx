"""The vanilla recurrence, fast.  Equations and the numbers in parentheses: `fastrnn/cells/rnn.py`.

The element-wise part, forwards and backwards, is `simd/rnn.hpp`; the time loop `_recurrence.pyx`; arrays in and out
`_passes.pyx`.  Training keeps h alone: both activations give their derivative from their value.
"""

from . import _passes
from ._doors import plain as _plain
from ._stream import Steps as _Steps

from ._engine cimport RNN_RELU, RNN_TANH


def forward(bint relu, params, x, s0, training, h_mask=None, *, int threads):
    """See `fastrnn.cells.cell.Cell`; `threads` is the largest team to use and changes no bit."""
    return _passes.forward(RNN_RELU if relu else RNN_TANH, params, x, s0, training, h_mask, threads)


def backward(bint relu, params, cache, dy, dsT, *, int threads):
    """See `fastrnn.cells.cell.Cell`."""
    return _passes.backward(RNN_RELU if relu else RNN_TANH, params, cache, dy, dsT, threads)


def forward_at(bint relu, params, x, s0, training, x_at, y_at, y, *, int threads):
    """See `fastrnn.kernels._passes.forward_at`."""
    return _passes.forward_at(RNN_RELU if relu else RNN_TANH, params, x, s0, training, x_at, y_at, y, threads)


def backward_at(bint relu, params, cache, dy, dy_at, dsT, *, int threads):
    """See `fastrnn.kernels._passes.backward_at`."""
    return _passes.backward_at(RNN_RELU if relu else RNN_TANH, params, cache, dy, dy_at, dsT, threads)


def forward_both(bint relu, params, x, s0, training, masks, *, int threads):
    """See `fastrnn.kernels._passes.forward_both`."""
    return _passes.forward_both(RNN_RELU if relu else RNN_TANH, params, x, s0, training, masks, threads)


def backward_both(bint relu, params, caches, dy, dsT, *, int threads):
    """See `fastrnn.kernels._passes.backward_both`."""
    return _passes.backward_both(RNN_RELU if relu else RNN_TANH, params, caches, dy, dsT, threads)


def plain(bint relu, x, params, state, time_major, y_time_major, training, threads, count):
    """See `fastrnn.kernels._doors.plain`."""
    return _plain(RNN_RELU if relu else RNN_TANH, x, params, state, time_major, y_time_major, training, threads, count)


def steps(bint relu, params, batch, ids, threads):
    """See `fastrnn.kernels._stream.Steps`."""
    return _Steps(RNN_RELU if relu else RNN_TANH, params, batch, ids, threads)
