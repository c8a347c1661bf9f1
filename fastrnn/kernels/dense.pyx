"""y = f(x W' + b) for rows, and its gradients.  Equations: `fastrnn/layers/dense.py`.

Work is cut into tiles of the output, so that no two threads add into the same number.
"""

from cython.parallel cimport parallel, prange
from libc.stdint cimport int64_t
from libc.string cimport memcpy

import numpy as np

from ._blas import check_sizes
from ._blocks import borrow, give_back, split_input

cimport numpy as cnp

from ._activations cimport relu_rows, sigmoid_rows, tanh_rows
from ._blas cimport gemm, real
from ._blocks cimport data, team, weight_gradient

cnp.import_array()

cdef enum:
    TILE_ROWS = 128
    TILE_UNITS = 256

cdef enum Activation:
    LINEAR = 0
    RELU = 1
    TANH = 2
    SIGMOID = 3

CODES = {"linear": LINEAR, "relu": RELU, "tanh": TANH, "sigmoid": SIGMOID}


cdef inline Py_ssize_t tiles(Py_ssize_t size, Py_ssize_t tile) noexcept nogil:
    return (size + tile - 1) // tile


cdef inline void activate(int code, real* y, Py_ssize_t n) noexcept nogil:
    if code == RELU:
        relu_rows(y, n)
    elif code == TANH:
        tanh_rows(y, n)
    elif code == SIGMOID:
        sigmoid_rows(y, n)


cdef void forward_tile(
    Py_ssize_t task, int code, Py_ssize_t N, Py_ssize_t I, Py_ssize_t U, const real* x,
    const int64_t* ids, const real* W, const real* b, real* y,
) noexcept nogil:
    cdef Py_ssize_t n0 = task // tiles(U, TILE_UNITS) * TILE_ROWS, n, j
    cdef Py_ssize_t u0 = task % tiles(U, TILE_UNITS) * TILE_UNITS
    cdef Py_ssize_t rows = min(<Py_ssize_t>TILE_ROWS, N - n0), units = min(<Py_ssize_t>TILE_UNITS, U - u0)
    for n in range(n0, n0 + rows):
        if ids != NULL:
            for j in range(u0, u0 + units):
                y[n * U + j] = b[j] + W[j * I + ids[n]]
        else:
            memcpy(y + n * U + u0, b + u0, units * sizeof(real))
    if ids == NULL:
        gemm(False, True, rows, units, I, x + n0 * I, I, W + u0 * I, I, <real>1, y + n0 * U + u0, U)
    for n in range(n0, n0 + rows):
        activate(code, y + n * U + u0, units)


cdef inline void activate_backward(
    int code, Py_ssize_t n, const real* y, const real* dy, real* da,
) noexcept nogil:
    """da = f'(a) dy, with f' from the value y = f(a)."""
    cdef Py_ssize_t k
    if code == RELU:
        for k in range(n):
            da[k] = dy[k] * <real>(y[k] > 0)
    elif code == TANH:
        for k in range(n):
            da[k] = dy[k] * (1 - y[k] * y[k])
    elif code == SIGMOID:
        for k in range(n):
            da[k] = dy[k] * y[k] * (1 - y[k])


cdef void backward_tile(
    Py_ssize_t task, Py_ssize_t N, Py_ssize_t I, Py_ssize_t U, const real* x, const int64_t* ids,
    const real* W, const real* da, real* dx, real* dW, real* db,
) noexcept nogil:
    """A tile of dW and db, or of dx."""
    cdef Py_ssize_t weights = tiles(U, TILE_UNITS), n0, i0, rows, columns
    if task < weights:
        weight_gradient(N, task * TILE_UNITS, min(<Py_ssize_t>TILE_UNITS, U - task * TILE_UNITS),
                        da + task * TILE_UNITS, U, x, ids, I, dW, db)
        return
    task -= weights
    n0 = task // tiles(I, TILE_UNITS) * TILE_ROWS
    i0 = task % tiles(I, TILE_UNITS) * TILE_UNITS
    rows, columns = min(<Py_ssize_t>TILE_ROWS, N - n0), min(<Py_ssize_t>TILE_UNITS, I - i0)
    gemm(False, False, rows, columns, U, da + n0 * U, U, W + i0, I, <real>0, dx + n0 * I + i0, I)


cdef void run_forward(
    real* y, int code, object x_rows, object x_ids, object W_array, object b_array, Py_ssize_t N,
    int threads,
) noexcept:
    cdef Py_ssize_t U = W_array.shape[0], I = W_array.shape[1], task
    cdef Py_ssize_t tasks = tiles(N, TILE_ROWS) * tiles(U, TILE_UNITS)
    cdef const real* x = <const real*>data(x_rows)
    cdef const int64_t* ids = <const int64_t*>data(x_ids)
    cdef const real* W = <const real*>data(W_array)
    cdef const real* b = <const real*>data(b_array)
    for task in prange(tasks, nogil=True, schedule="dynamic", num_threads=team(N * U * I, threads)):
        forward_tile(task, code, N, I, U, x, ids, W, b, y)


cdef void run_backward(
    real* da, int code, object x_rows, object x_ids, object W_array, object y_rows, object dy_rows,
    object dx_rows, object dW_array, object db_array, Py_ssize_t N, int threads,
) noexcept:
    cdef Py_ssize_t U = W_array.shape[0], I = W_array.shape[1], n, task
    cdef const real* x = <const real*>data(x_rows)
    cdef const int64_t* ids = <const int64_t*>data(x_ids)
    cdef const real* W = <const real*>data(W_array)
    cdef const real* y = <const real*>data(y_rows)
    cdef const real* dy = <const real*>data(dy_rows)
    cdef real* dx = <real*>data(dx_rows)
    cdef real* dW = <real*>data(dW_array)
    cdef real* db = <real*>data(db_array)
    cdef const real* gradient = dy if code == LINEAR else da
    cdef Py_ssize_t tasks = tiles(U, TILE_UNITS)
    if dx != NULL:
        tasks += tiles(N, TILE_ROWS) * tiles(I, TILE_UNITS)
    with nogil, parallel(num_threads=team(2 * N * U * I, threads)):
        if code != LINEAR:
            for n in prange(N, schedule="static"):
                activate_backward(code, U, y + n * U, dy + n * U, da + n * U)
        for task in prange(tasks, schedule="dynamic", chunksize=1):
            backward_tile(task, N, I, U, x, ids, W, gradient, dx, dW, db)


def forward(params, x, activation, *, int threads):
    """See `fastrnn.layers.dense.forward`."""
    W, b = np.ascontiguousarray(params["W"]), np.ascontiguousarray(params["b"])
    rows, ids = split_input(x)
    N = len(x.rows)
    check_sizes("dense", N, *W.shape)
    y = np.empty((N, len(W)), W.dtype)
    if W.dtype == np.float32:
        run_forward[float](<float*>data(y), CODES[activation], rows, ids, W, b, N, threads)
    else:
        run_forward[double](<double*>data(y), CODES[activation], rows, ids, W, b, N, threads)
    return y


def backward(params, x, activation, y, dy, *, int threads):
    """See `fastrnn.layers.dense.backward`."""
    W = np.ascontiguousarray(params["W"])
    rows, ids = split_input(x)
    dy = np.ascontiguousarray(dy)
    N = len(x.rows)
    dx = None if rows is None else np.empty((N, W.shape[1]), W.dtype)
    dW, db = np.empty_like(W), np.empty(len(W), W.dtype)
    da = borrow((0 if activation == "linear" else N, len(W)), W.dtype)
    if W.dtype == np.float32:
        run_backward[float](<float*>data(da), CODES[activation], rows, ids, W, y, dy, dx, dW, db, N,
                            threads)
    else:
        run_backward[double](<double*>data(da), CODES[activation], rows, ids, W, y, dy, dx, dW, db, N,
                             threads)
    give_back(da)
    return dx, {"W": dW, "b": db}
