"""Rows of a table by their ids, and the gradient of the table.  Equations: `fastrnn/layers/embedding.py`.

The gradient is cut by columns, so that every number is one chain of additions from the last row to the first.
"""

from cython.parallel cimport prange
from libc.stdint cimport int64_t
from libc.string cimport memcpy

import numpy as np

cimport numpy as cnp

from ._gradients cimport pieces
from ._memory cimport data

cnp.import_array()

cdef enum:
    FEW = 1_000_000  # numbers to move, some 100 microseconds, below which one thread does it
    COLUMNS = 16     # of a piece: a cache line of float32


cdef bint gather(
    Py_ssize_t N, Py_ssize_t V, Py_ssize_t line, const int64_t* ids, const char* W, char* y
) noexcept nogil:
    """Whether all ids are in [0, V); up to the first that is not, their rows of W are in y."""
    cdef Py_ssize_t n
    for n in range(N):
        if not 0 <= ids[n] < V:
            return False
        memcpy(y + n * line, W + ids[n] * line, line)
    return True


cdef void scatter(
    Py_ssize_t N, Py_ssize_t F, Py_ssize_t first, Py_ssize_t last, const int64_t* ids, const void* dy, void* dW,
    bint wide
) noexcept nogil:
    """Columns first .. last - 1 of dW."""
    cdef Py_ssize_t n, j
    cdef const float* f
    cdef const double* d
    cdef float* to_f
    cdef double* to_d
    for n in range(N - 1, -1, -1):
        if wide:
            d, to_d = <const double*>dy + n * F, <double*>dW + ids[n] * F
            for j in range(first, last):
                to_d[j] += d[j]
        else:
            f, to_f = <const float*>dy + n * F, <float*>dW + ids[n] * F
            for j in range(first, last):
                to_f[j] += f[j]


def forward(params, given, *, int threads):
    """See `fastrnn.layers.embedding.forward`."""
    W, ids = np.ascontiguousarray(params["W"]), np.ascontiguousarray(given, np.int64)
    cdef Py_ssize_t N = ids.size, V = W.shape[0], line = W.shape[1] * W.dtype.itemsize, k, first, last
    cdef Py_ssize_t step = max(pieces(N, threads), <Py_ssize_t>1)
    y = np.empty((*given.shape, W.shape[1]), W.dtype)
    cdef const int64_t* id_data = <const int64_t*>data(ids)
    cdef const char* W_data = <const char*>data(W)
    cdef char* out = <char*>data(y)
    cdef bint right = True
    cdef int wrong = 0
    if y.size < FEW or threads == 1:
        right = gather(N, V, line, id_data, W_data, out)
    else:
        for k in prange(pieces(N, step), nogil=True, num_threads=threads, schedule="static"):
            first, last = k * step, min(k * step + step, N)
            wrong += not gather(last - first, V, line, id_data + first, W_data, out + first * line)
        right = wrong == 0
    return y if right else None


def backward(params, given, dy, *, int threads, into=None):
    """See `fastrnn.layers.embedding.backward`."""
    W, ids, dy = params["W"], np.ascontiguousarray(given, np.int64), np.ascontiguousarray(dy)
    dW = None if into is None else into.get("W")
    if dW is None or not (dW.flags.c_contiguous and dW.flags.writeable):
        dW = np.zeros(W.shape, W.dtype)
    cdef Py_ssize_t N = ids.size, F = W.shape[1], k, columns = COLUMNS, step
    cdef const int64_t* id_data = <const int64_t*>data(ids)
    cdef const void* dy_data = data(dy)
    cdef void* out = data(dW)
    cdef bint wide = W.dtype.itemsize == 8
    if dy.size < FEW or threads == 1:
        with nogil:
            scatter(N, F, 0, F, id_data, dy_data, out, wide)
    else:
        step = pieces(pieces(F, columns), threads) * columns
        for k in prange(pieces(F, step), nogil=True, num_threads=threads, schedule="static"):
            scatter(N, F, k * step, min(k * step + step, F), id_data, dy_data, out, wide)
    return {"W": dW}
