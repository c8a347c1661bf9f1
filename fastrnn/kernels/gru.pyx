"""DOC_gru"""

from ._doors import backward as _backward
from ._doors import forward as _forward
from ._doors import plain as _plain
from ._stream import Steps as _Steps

from ._engine cimport GRU


def forward(params, x, s0, training, h_mask=None, *, int threads):
    """See `fastrnn.cells.cell.Cell`; `threads` is the largest team to use and changes no bit."""
    return _forward(GRU, params, x, s0, training, h_mask, threads)


def backward(params, cache, dy, dsT, *, int threads):
    """See `fastrnn.cells.cell.Cell`.  Overwrites what the cache kept, which is used once."""
    return _backward(GRU, params, cache, dy, dsT, threads)


def plain(x, params, state, time_major, y_time_major, training, threads, count):
    """See `fastrnn.kernels._doors.plain`."""
    return _plain(GRU, x, params, state, time_major, y_time_major, training, threads, count)


def steps(params, batch, ids, threads):
    """See `fastrnn.kernels._stream.Steps`."""
    return _Steps(GRU, params, batch, ids, threads)
