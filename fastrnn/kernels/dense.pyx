"""y = f(x W' + b) for rows, and its gradients.  Equations: `fastrnn/layers/dense.py`.

Work is cut into tiles of the output, so that no two threads add into the same number.
"""

from cython.parallel cimport prange
from libc.stdint cimport int64_t

import numpy as np

from ._gradients import begun
from ._memory import borrow, give_back

cimport numpy as cnp

from ._engine cimport (
    FEW_MULTIPLY_ADDS,
    LINEAR,
    RELU,
    SIGMOID,
    TANH,
    Engine,
    Product,
    engine,
    flush_denormals,
    restore_mode,
)
from ._gradients cimport Gradients, collect, pieces, prepare
from ._memory cimport data, room_of
from ._panels cimport Shape, pack_all, shape_of

cnp.import_array()

cdef extern from "crossentropy.h" nogil:
    double fastrnn_exponentials_f32(Py_ssize_t n, float* a, double* maximum, Py_ssize_t* place)
    double fastrnn_exponentials_f64(Py_ssize_t n, double* a, double* maximum, Py_ssize_t* place)
    void fastrnn_scale_f32(Py_ssize_t n, float* a, float factor)
    void fastrnn_scale_f64(Py_ssize_t n, double* a, double factor)
    void fastrnn_softmax_slope_f32(Py_ssize_t n, const float* y, const float* dy, float* da)
    void fastrnn_softmax_slope_f64(Py_ssize_t n, const double* y, const double* dy, double* da)

cdef enum:
    ROWS = 96     # of a tile
    SOFTMAX = -1  # no code of the engine: it needs whole rows
    COST = 16     # multiply-adds in whose time an exponential is done

CODES = {"linear": LINEAR, "relu": RELU, "tanh": TANH, "sigmoid": SIGMOID, "softmax": SOFTMAX}


cdef int team(Py_ssize_t multiply_adds, int threads) noexcept:
    return 1 if multiply_adds < FEW_MULTIPLY_ADDS else threads


cdef void product_tiles(const Engine* e, const Product* whole, Py_ssize_t word, int threads) noexcept nogil:
    """The product in tiles of some rows and one panel."""
    cdef Py_ssize_t high = pieces(whole.m, ROWS), task
    cdef unsigned long mode
    if threads == 1:
        mode = flush_denormals()
        e.product(whole)
        restore_mode(mode)
        return
    for task in prange(high * whole.last, schedule="static", num_threads=threads):
        product_tile(e, whole, word, task // high, task % high * ROWS)


cdef void product_tile(
    const Engine* e, const Product* whole, Py_ssize_t word, Py_ssize_t panel, Py_ssize_t row
) noexcept nogil:
    cdef Product q = whole[0]
    cdef unsigned long mode = flush_denormals()
    q.m = min(<Py_ssize_t>ROWS, whole.m - row)
    q.a = <const char*>whole.a + row * whole.row * word
    q.out = <char*>whole.out + row * whole.out_row * word
    q.first, q.last = panel, panel + 1
    e.product(&q)
    restore_mode(mode)


cdef void softmax_row(Py_ssize_t U, Py_ssize_t word, char* a) noexcept nogil:
    """A row of logits becomes probabilities."""
    cdef double largest, sum
    cdef Py_ssize_t place
    cdef unsigned long mode = flush_denormals()
    if word == 4:
        sum = fastrnn_exponentials_f32(U, <float*>a, &largest, &place)
        fastrnn_scale_f32(U, <float*>a, <float>(1 / sum))
    else:
        sum = fastrnn_exponentials_f64(U, <double*>a, &largest, &place)
        fastrnn_scale_f64(U, <double*>a, 1 / sum)
    restore_mode(mode)


cdef void slope_row(Py_ssize_t U, Py_ssize_t word, const char* y, const char* dy, char* da) noexcept nogil:
    cdef unsigned long mode = flush_denormals()
    if word == 4:
        fastrnn_softmax_slope_f32(U, <const float*>y, <const float*>dy, <float*>da)
    else:
        fastrnn_softmax_slope_f64(U, <const double*>y, <const double*>dy, <double*>da)
    restore_mode(mode)


cdef void activate(const Engine* e, int code, Py_ssize_t N, Py_ssize_t U, Py_ssize_t word, char* y,
                   int threads) noexcept nogil:
    """y = f(y), where the product has not done it."""
    cdef Py_ssize_t n
    cdef unsigned long mode
    if code != SOFTMAX:
        mode = flush_denormals()
        e.activate(code, N * U, y)
        restore_mode(mode)
    elif threads == 1:
        for n in range(N):
            softmax_row(U, word, y + n * U * word)
    else:
        for n in prange(N, schedule="static", num_threads=threads):
            softmax_row(U, word, y + n * U * word)


cdef void slope(const Engine* e, int code, Py_ssize_t N, Py_ssize_t U, Py_ssize_t word, const char* y, const char* dy,
                char* da, int threads) noexcept nogil:
    """da = f'(a) dy."""
    cdef Py_ssize_t n
    cdef unsigned long mode
    if code != SOFTMAX:
        mode = flush_denormals()
        e.slope(code, N * U, y, dy, da)
        restore_mode(mode)
    elif threads == 1:
        for n in range(N):
            slope_row(U, word, y + n * U * word, dy + n * U * word, da + n * U * word)
    else:
        for n in prange(N, schedule="static", num_threads=threads):
            slope_row(U, word, y + n * U * word, dy + n * U * word, da + n * U * word)


cdef void gather(
    Py_ssize_t N, Py_ssize_t I, Py_ssize_t U, Py_ssize_t word, const int64_t* ids, const void* W, const void* b, void* y
) noexcept nogil:
    """y = b + a column of W for each one-hot row."""
    cdef Py_ssize_t n, u
    for n in range(N):
        for u in range(U):
            if word == 4:
                (<float*>y)[n * U + u] = (<const float*>b)[u] + (<const float*>W)[u * I + ids[n]]
            else:
                (<double*>y)[n * U + u] = (<const double*>b)[u] + (<const double*>W)[u * I + ids[n]]


def forward(params, x, activation, *, int threads):
    """See `fastrnn.layers.dense.forward`."""
    W, b = np.ascontiguousarray(params["W"]), np.ascontiguousarray(params["b"])
    cdef Py_ssize_t N = len(x.rows), I = W.shape[1], U = W.shape[0], word = W.dtype.itemsize
    cdef const Engine* e = engine(word == 8)
    cdef Shape s = shape_of(e, I, U, 1, False)
    cdef Product q
    cdef int code = CODES[activation], workers = team(N * U * COST, threads)
    cdef const void* weights = data(W)
    y = np.empty((N, U), W.dtype)
    cdef char* out = <char*>data(y)
    cdef char* panels
    if x.depth is not None:
        ids = np.ascontiguousarray(x.rows, np.int64)
        gather(N, I, U, word, <const int64_t*>data(ids), data(W), data(b), data(y))
        with nogil:
            activate(e, code, N, U, word, out, workers)
    else:
        rows = np.ascontiguousarray(x.rows)
        threads = team(N * I * U, threads)
        room = room_of(s.size * word, &panels)
        q.m, q.k, q.n, q.group, q.vectors, q.first, q.last = N, I, U, s.group, s.vectors, 0, s.panels
        q.a, q.row, q.step, q.b, q.start, q.start_row = data(rows), I, 1, panels, data(b), 0
        q.out, q.out_row, q.activation = out, U, LINEAR if code == SOFTMAX else code
        with nogil:
            pack_all(e, &s, weights, 1, I, word, threads, <void*>q.b)
            product_tiles(e, &q, word, threads)
            if code == SOFTMAX:
                activate(e, code, N, U, word, out, workers)
        if type(room) is not bytes:
            give_back(room)
    return y


def backward(params, x, activation, y, dy, *, int threads, into=None):
    """See `fastrnn.layers.dense.backward`."""
    W = np.ascontiguousarray(params["W"])
    cdef Py_ssize_t N = len(x.rows), I = W.shape[1], U = W.shape[0], word = W.dtype.itemsize
    cdef const Engine* e = engine(word == 8)
    cdef Gradients g
    cdef int code = CODES[activation], workers = team(2 * N * I * U, threads)
    cdef const void* weights = data(W)
    cdef const char* y_data = <const char*>data(y)
    cdef const char* dy_data
    cdef char* da_data
    dy = np.ascontiguousarray(dy)
    ids = rows = dx = panels = None
    if x.depth is not None:
        ids = np.ascontiguousarray(x.rows, np.int64)
    else:
        rows = np.ascontiguousarray(x.rows)
        dx = np.empty((N, I), W.dtype) if x.gradient else None
    da = dy
    if code != LINEAR:
        da = borrow((N, U), W.dtype)
        dy_data, da_data = <const char*>data(dy), <char*>data(da)
        with nogil:
            slope(e, code, N, U, word, y_data, dy_data, da_data, workers)
    grads, adds = begun(params, ("W", "b"), into)
    g.engine, g.word, g.N, g.ld, g.dgates, g.matrices = e, word, N, U, data(da), 1
    g.matrix[0].inputs, g.matrix[0].units, g.matrix[0].gates, g.matrix[0].column[0] = I, U, 1, 0
    g.matrix[0].adds, g.sums.blocks = adds, 0
    g.matrix[0].x, g.matrix[0].row, g.matrix[0].ids = data(rows), I, <const int64_t*>data(ids)
    g.matrix[0].dW, g.matrix[0].db = data(grads["W"]), data(grads["b"])
    g.dx, g.dx_column, g.out = shape_of(e, U, I, 1, False), 0, data(dx)
    if dx is not None:
        panels = borrow((g.dx.size,), W.dtype)
    g.W_dx = data(panels)
    prepare(&g)
    work = borrow((workers * g.scratch_size,), np.uint8)
    g.scratch = <char*>data(work)
    with nogil:
        if g.W_dx != NULL:
            pack_all(e, &g.dx, weights, I, 1, word, workers, <void*>g.W_dx)
        collect(&g, workers)
    give_back(work, panels, None if code == LINEAR else da)
    return dx, grads
