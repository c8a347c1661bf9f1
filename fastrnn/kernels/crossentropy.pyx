"""Softmax and cross-entropy on top of a dense layer.  Equations: `fastrnn/crossentropy.py`.

The logits [N, V] never exist.  Rows go through in chunks, cut by shapes alone, and a chunk in three phases:

1. project: logits = x W' + b, in tiles of rows and classes; in place of the logits the exponentials of their
   distances from the largest of the tile, with their sum;
2. rows: the tiles of a row make its maximum, sum and loss, and the exponentials become dlogits;
3. collect: dx = dlogits W in tiles of rows, dW += dlogits' x and db in tiles of classes.

No two threads ever add into the same number, and chunks follow one another from the last rows to the first, so every
sum has a fixed order, that of `_gradients.pyx`, wherever chunks begin.
"""

from cython.parallel cimport parallel, prange, threadid
from libc.math cimport INFINITY, NAN, exp, log
from libc.stdint cimport int64_t

import numpy as np

from ._gradients import begun
from ._memory import borrow, give_back

cimport numpy as cnp

from ._engine cimport FEW_MULTIPLY_ADDS, Engine, Product, engine, flush_denormals, real, restore_mode
from ._gradients cimport Gradients, piece_of, pieces, prepare, weights
from ._memory cimport data
from ._panels cimport Shape, pack_all, shape_of

cnp.import_array()

cdef extern from "crossentropy.h" nogil:
    double fastrnn_exponentials_f32(Py_ssize_t n, float* a, double* maximum, Py_ssize_t* place)
    double fastrnn_exponentials_f64(Py_ssize_t n, double* a, double* maximum, Py_ssize_t* place)
    void fastrnn_scale_f32(Py_ssize_t n, float* a, float factor)
    void fastrnn_scale_f64(Py_ssize_t n, double* a, double factor)
    void fastrnn_exp_rows_f32(Py_ssize_t n, float* a)
    void fastrnn_exp_rows_f64(Py_ssize_t n, double* a)

cdef enum:
    CHUNK = 2097152     # logits at a time, about: fewer rows would read W and dW more often than it pays
    PROJECT_ROWS = 256  # of a tile of logits
    COLLECT_ROWS = 128  # of a tile of dx; least rows of a chunk, however many the classes
    CLASSES = 512       # of a tile
    PAD = 16            # numbers between rows, so that they do not share the few places of one cache set


cdef struct Tile:
    # The logits of one row and one tile of classes.
    double maximum, sum
    Py_ssize_t place


cdef struct Size:
    Py_ssize_t rows, inputs, classes, ld, tiles


cdef void project_tile(
    Py_ssize_t task, const Size* size, const Engine* e, const Shape* shape, const void* panels, const real* x,
    const real* b, const int64_t* target, real* a, Tile* tiles, double* picked,
) noexcept nogil:
    """Exponentials of a tile; `picked` gets the logits of the targets in it."""
    cdef Py_ssize_t groups = pieces(size.rows, PROJECT_ROWS), t = task // groups, v = t * CLASSES, r
    cdef Py_ssize_t first = task % groups * PROJECT_ROWS, end = min(first + PROJECT_ROWS, size.rows)
    cdef Py_ssize_t count = min(<Py_ssize_t>CLASSES, size.classes - v), width = shape.group * e.lanes
    cdef Tile* tile
    cdef Product q
    q.m, q.k, q.n, q.group, q.vectors = end - first, size.inputs, size.classes, shape.group, shape.vectors
    q.first, q.last = v // width, min(shape.panels, (v + CLASSES) // width)
    q.a, q.row, q.step, q.b, q.start, q.start_row = x + first * size.inputs, size.inputs, 1, panels, b, 0
    q.out, q.out_row, q.activation = a + first * size.ld, size.ld, 0
    e.product(&q)
    for r in range(first, end):
        if v <= target[r] < v + count:
            picked[r] = a[r * size.ld + target[r]]
        tile = tiles + r * size.tiles + t
        if real is float:
            tile.sum = fastrnn_exponentials_f32(count, a + r * size.ld + v, &tile.maximum, &tile.place)
        else:
            tile.sum = fastrnn_exponentials_f64(count, a + r * size.ld + v, &tile.maximum, &tile.place)


cdef void finish_row(
    const Size* size, int64_t target, const real* scale, real* a, Tile* tiles, double picked, double* loss,
    int64_t* best,
) noexcept nogil:
    """Loss and largest logit of a row; with `scale`, its exponentials become dlogits."""
    cdef double top = -INFINITY, total = 0
    cdef Py_ssize_t t, count
    cdef real factor
    best[0] = 0
    for t in range(size.tiles):
        if tiles[t].maximum > top:
            top, best[0] = tiles[t].maximum, t * CLASSES + tiles[t].place
    for t in range(size.tiles):  # from here on `maximum` is the factor of the tile's exponentials
        tiles[t].maximum = 0 if tiles[t].maximum == -INFINITY else exp(tiles[t].maximum - top)
        total += tiles[t].sum * tiles[t].maximum
    loss[0] = log(total) + (top - picked)
    if scale == NULL:
        return
    for t in range(size.tiles):
        factor = <real>(scale[0] * tiles[t].maximum / total)
        count = min(<Py_ssize_t>CLASSES, size.classes - t * CLASSES)
        if real is float:
            fastrnn_scale_f32(count, a + t * CLASSES, factor)
        else:
            fastrnn_scale_f64(count, a + t * CLASSES, factor)
    if 0 <= target < size.classes:
        a[target] -= scale[0]


cdef void collect_tile(
    Py_ssize_t task, const Size* size, const Gradients* g, const real* da, real* dx, char* scratch,
) noexcept nogil:
    """Some rows of dx, or what the chunk adds to some rows of dW and db."""
    cdef Py_ssize_t groups = pieces(size.rows, COLLECT_ROWS), first
    cdef Product q
    if task < groups:
        first = task * COLLECT_ROWS
        q.m, q.k, q.n = min(<Py_ssize_t>COLLECT_ROWS, size.rows - first), size.classes, size.inputs
        q.group, q.vectors, q.first, q.last = g.dx.group, g.dx.vectors, 0, g.dx.panels
        q.a, q.row, q.step, q.b = da + first * size.ld, size.ld, 1, g.W_dx
        q.start, q.start_row, q.activation = NULL, 0, 0
        q.out, q.out_row = dx + first * size.inputs, size.inputs
        g.engine.product(&q)
    else:
        weights(g, &g.matrix[0], 0, task - groups, scratch)


cdef void run_chunk(
    const Size* size, Gradients* g, const Shape* shape, const void* panels, const real* x,
    const real* b, const int64_t* target, const real* scale, real* a, Tile* tiles, double* losses,
    int64_t* best, int threads,
) noexcept nogil:
    """The three phases; without `scale` the first two.  `losses` carries the targets' logits between them."""
    cdef Py_ssize_t task, r
    cdef Py_ssize_t projections = pieces(size.rows, PROJECT_ROWS) * size.tiles
    cdef Py_ssize_t collections = 0
    cdef unsigned long mode = 0
    if scale != NULL:
        collections = pieces(size.rows, COLLECT_ROWS) + pieces(size.classes, piece_of(size.classes))
    for r in range(size.rows):
        losses[r] = NAN  # what stays where a target is no class
    with parallel(num_threads=threads):
        mode = flush_denormals()
        for task in prange(projections, schedule="dynamic", chunksize=1):
            project_tile(task, size, g.engine, shape, panels, x, b, target, a, tiles, losses)
        for r in prange(size.rows, schedule="static"):
            finish_row(size, target[r], scale + r if scale != NULL else NULL, a + r * size.ld,
                       tiles + r * size.tiles, losses[r], losses + r, best + r)
        for task in prange(collections, schedule="dynamic", chunksize=1):
            collect_tile(task, size, g, a, <real*>g.out, g.scratch + threadid() * g.scratch_size)
        restore_mode(mode)


cdef void run(
    real* kind, object x_rows, object W_array, object b_array, object target_ids, object scale_rows,
    object losses_rows, object best_rows, object dx_rows, object grads, bint adds, int threads,
):
    """All chunks; `kind` only says which type it is."""
    cdef Py_ssize_t N = x_rows.shape[0], V = W_array.shape[0], H = W_array.shape[1], first, last = N
    cdef Py_ssize_t chunks = pieces(N, max(<Py_ssize_t>COLLECT_ROWS, CHUNK // V)), most = pieces(N, chunks)
    cdef const Engine* e = engine(sizeof(real) == 8)
    cdef Shape shape = shape_of(e, H, V, 1, False)
    cdef Gradients g
    cdef Size size
    cdef int workers = 1 if N * V * H < FEW_MULTIPLY_ADDS else threads
    size.inputs, size.classes, size.ld, size.tiles = H, V, V + PAD, pieces(V, CLASSES)
    logits = borrow((most, size.ld), W_array.dtype)
    table = borrow((most * size.tiles * sizeof(Tile),), np.uint8)
    forward = borrow((shape.size,), W_array.dtype)
    cdef const real* x = <const real*>data(x_rows)
    cdef const real* W = <const real*>data(W_array)
    cdef const real* b = <const real*>data(b_array)
    cdef const int64_t* target = <const int64_t*>data(target_ids)
    cdef const real* scale = <const real*>data(scale_rows)
    cdef real* a = <real*>data(logits)
    cdef Tile* tiles = <Tile*>data(table)
    cdef double* losses = <double*>data(losses_rows)
    cdef int64_t* best = <int64_t*>data(best_rows)
    cdef real* dx = <real*>data(dx_rows)
    cdef void* panels = data(forward)
    g.engine, g.word, g.N, g.ld, g.dgates, g.matrices = e, sizeof(real), most, size.ld, a, 1
    g.matrix[0].inputs, g.matrix[0].units, g.matrix[0].gates, g.matrix[0].column[0] = H, V, 1, 0
    g.matrix[0].ids, g.matrix[0].db, g.matrix[0].dW = NULL, data(grads.get("b")), data(grads.get("W"))
    g.matrix[0].row, g.sums.blocks = H, 0
    g.dx, g.dx_column, g.out, g.scratch = shape_of(e, V, H, 1, False), 0, NULL, NULL
    prepare(&g)
    work = backward = None
    if scale != NULL:
        work = borrow((workers * g.scratch_size,), np.uint8)
        backward = borrow((g.dx.size,), W_array.dtype)
        g.scratch = <char*>data(work)
    g.W_dx = data(backward)
    with nogil:
        pack_all(e, &shape, W, 1, H, sizeof(real), workers, panels)
        if scale != NULL:
            pack_all(e, &g.dx, W, H, 1, sizeof(real), workers, <void*>g.W_dx)
        while last > 0:
            first = max(last - most, <Py_ssize_t>0)
            size.rows = g.N = last - first
            g.matrix[0].x, g.matrix[0].adds, g.out = x + first * H, adds or last < N, dx + first * H
            run_chunk(&size, &g, &shape, panels, x + first * H, b, target + first,
                      scale + first if scale != NULL else NULL, a, tiles, losses + first, best + first, workers)
            last = first
    give_back(logits, table, forward, work, backward)


def compute(params, rows, target, weights, gradients, threads, count=None, into=None):
    """(losses, best) or, with `gradients`, (losses, best, dx, {"W": dW, "b": db})."""
    x = np.ascontiguousarray(rows)
    W, b = np.ascontiguousarray(params["W"]), np.ascontiguousarray(params["b"])
    ids = np.ascontiguousarray(target.reshape(-1), np.int64)
    N = len(x)
    losses, best = np.empty(N), np.empty(N, np.int64)
    scale, dx, grads, adds = None, None, {}, False
    if gradients:
        scale = np.full(N, 1.0 / max(N if count is None else count, 1), x.dtype)
        if weights is not None:
            scale *= weights.astype(x.dtype, copy=False)
        dx = np.empty_like(x)
        grads, adds = begun(params, ("W", "b"), into)
    if N == 0:
        if not adds:
            for g in grads.values():
                g[...] = 0
    elif x.dtype == np.float32:
        run[float](NULL, x, W, b, ids, scale, losses, best, dx, grads, adds, threads)
    else:
        run[double](NULL, x, W, b, ids, scale, losses, best, dx, grads, adds, threads)
    if weights is not None:
        losses *= weights
    return (losses, best, dx, grads) if gradients else (losses, best)


def forward(params, rows, target, weights, *, threads):
    """See `fastrnn.crossentropy.forward`."""
    return compute(params, rows, target, weights, False, threads)


def backward(params, rows, target, weights, count=None, *, threads, into=None):
    """See `fastrnn.crossentropy.backward`."""
    return compute(params, rows, target, weights, True, threads, count, into)


def exponential(x):
    """e^x for x <= 0 as the kernel computes it; exists so that the tests can sweep it."""
    y = np.array(x, order="C")
    if y.dtype == np.float32:
        fastrnn_exp_rows_f32(y.size, <float*>data(y))
    else:
        fastrnn_exp_rows_f64(y.size, <double*>data(y))
    return y
