"""*collect*: what a backward pass owes to weights and inputs, cut by outputs.

Every number of dW is one chain over all rows, from the last to the first, so that neither threads nor the size of a
task change a bit.  Nor does it where the rows come in parts, as backward meets them: each part goes on with the chain.
"""

from cython.parallel cimport parallel, prange, threadid
from libc.string cimport memset

import numpy as np

from ._engine cimport Product, flush_denormals, restore_mode

cdef enum:
    DEPTH = 256       # most rows that a tile of dW meets at a time
    PIECE = 98304     # numbers of x in panels that stay in cache meanwhile
    WIDE = 128        # inputs from which it pays to turn dgates, so that a tile reads them along the rows
    ROWS = 48         # rows of dx a task
    GROUP = 4         # vectors a panel


cdef void prepare(Gradients* g) noexcept nogil:
    cdef Py_ssize_t widest = 0, highest = 0, i
    cdef Py_ssize_t W = g.engine.lanes
    g.tasks = g.sums.blocks + (pieces(g.N, ROWS) if g.out != NULL else 0)
    for i in range(g.matrices):
        g.tasks += g.matrix[i].gates * pieces(g.matrix[i].units, piece_of(g.matrix[i].units))
        highest = max(highest, piece_of(g.matrix[i].units))
        if g.matrix[i].ids == NULL:
            widest = max(widest, pieces(g.matrix[i].inputs, W) * W)
    g.scratch_size = (DEPTH * widest + (DEPTH + W) * highest) * g.word + 128


cdef void scatter(
    const Gradients* g, const Matrix* m, Py_ssize_t first, Py_ssize_t count, Py_ssize_t column
) noexcept nogil:
    """Rows first .. of dW where x is one-hot."""
    cdef Py_ssize_t n, u, I = m.inputs
    if not m.adds:
        memset(<char*>m.dW + first * I * g.word, 0, count * I * g.word)
    for n in range(g.N - 1, -1, -1):
        for u in range(count):
            if g.word == 4:
                (<float*>m.dW)[(first + u) * I + m.ids[n]] += (<const float*>g.dgates)[n * g.ld + column + u]
            else:
                (<double*>m.dW)[(first + u) * I + m.ids[n]] += (<const double*>g.dgates)[n * g.ld + column + u]


cdef void weights(const Gradients* g, const Matrix* m, Py_ssize_t gate, Py_ssize_t piece, char* panels) noexcept nogil:
    """A piece of a gate's rows of dW and db."""
    cdef Py_ssize_t height = piece_of(m.units), begin = piece * height, count = min(height, m.units - begin)
    cdef Py_ssize_t n, depth, p, v, group
    cdef Py_ssize_t first = gate * m.units + begin, column = m.column[gate] + begin, W = g.engine.lanes, I = m.inputs
    cdef Py_ssize_t deep = min(<Py_ssize_t>DEPTH, max(<Py_ssize_t>64, PIECE // max(I, <Py_ssize_t>1) // 16 * 16))
    # The last row; from there, all distances are negative.
    cdef const char* dgates = <const char*>g.dgates + ((g.N - 1) * g.ld + column) * g.word
    cdef char* turned = panels + (DEPTH * pieces(I, W) * W * g.word + 63) // 64 * 64
    cdef Product q
    cdef const char* x
    cdef char* out
    if m.db != NULL:
        out = <char*>m.db + first * g.word
        g.engine.sum_rows(g.N, count, dgates, -g.ld, out if m.adds else NULL, out)
    if m.ids != NULL:
        scatter(g, m, first, count, column)
        return
    if g.N == 0 and not m.adds:
        memset(<char*>m.dW + first * I * g.word, 0, count * I * g.word)
    q.m, q.n, q.group, q.vectors, q.first = count, I, GROUP, pieces(I, W), 0
    q.last, q.row, q.step, q.activation = pieces(q.vectors, GROUP), 1, -g.ld, 0
    q.out, q.out_row, q.start_row, q.b = <char*>m.dW + first * I * g.word, I, I, panels
    n, x = 0, <const char*>m.x + (g.N - 1) * m.row * g.word
    while n < g.N:
        depth = min(deep, g.N - n)
        for p in range(q.last):
            group = min(<Py_ssize_t>GROUP, q.vectors - p * GROUP)
            for v in range(group):
                g.engine.pack(depth, min(W, I - (p * GROUP + v) * W),
                              x + ((p * GROUP + v) * W - n * m.row) * g.word, -m.row, 1, group,
                              panels + (p * GROUP * W * depth + v * W) * g.word)
        q.k, q.a = depth, dgates - n * g.ld * g.word
        if I >= WIDE:
            for v in range(pieces(depth, W)):
                g.engine.pack(count, min(W, depth - v * W), <const char*>q.a - v * W * g.ld * g.word, 1, -g.ld,
                              deep // W + 1, turned + v * W * g.word)
            q.a, q.row, q.step = turned, deep + W, 1
        q.start = q.out if n or m.adds else NULL
        g.engine.product(&q)
        n += depth


cdef void products(const Gradients* g, Py_ssize_t k) noexcept nogil:
    """Block k of `sums`."""
    cdef char* out = <char*>g.sums.out + k * g.sums.units * g.word
    g.engine.sum_products(g.N, g.sums.units, <const char*>g.dgates + g.sums.column[k] * g.word, g.ld, g.sums.by[k],
                          g.sums.units, g.sums.index[k], out if g.sums.adds else NULL, out)


cdef void inputs(const Gradients* g, Py_ssize_t piece) noexcept nogil:
    """Some rows of dx."""
    cdef Py_ssize_t n = piece * ROWS
    cdef Product q
    q.m, q.k, q.n = min(<Py_ssize_t>ROWS, g.N - n), g.dx.k, g.dx.units
    q.group, q.vectors, q.first, q.last = g.dx.group, g.dx.vectors, 0, g.dx.panels
    q.a, q.row, q.step = <const char*>g.dgates + (n * g.ld + g.dx_column) * g.word, g.ld, 1
    q.b, q.start, q.start_row, q.activation = g.W_dx, NULL, 0, 0
    q.out, q.out_row = <char*>g.out + n * g.dx.units * g.word, g.dx.units
    g.engine.product(&q)


cdef void run(const Gradients* g, Py_ssize_t task, int me) noexcept nogil:
    cdef Py_ssize_t i, size
    for i in range(g.matrices):
        size = pieces(g.matrix[i].units, piece_of(g.matrix[i].units))
        if task < g.matrix[i].gates * size:
            weights(g, &g.matrix[i], task // size, task % size, g.scratch + me * g.scratch_size)
            return
        task -= g.matrix[i].gates * size
    if task < g.sums.blocks:
        products(g, task)
    else:
        inputs(g, task - g.sums.blocks)


cdef void collect(Gradients* g, int threads) noexcept nogil:
    cdef Py_ssize_t task
    cdef unsigned long mode = 0
    if threads == 1:
        mode = flush_denormals()
        for task in range(g.tasks):
            run(g, task, 0)
        restore_mode(mode)
        return
    with parallel(num_threads=threads):
        mode = flush_denormals()
        for task in prange(g.tasks, schedule="dynamic", chunksize=1):
            run(g, task, threadid())
        restore_mode(mode)


def begun(params, names, into):
    """(gradients by name, whether they go on from those in `into`): new arrays where `into` has not all of them."""
    found = {} if into is None else {name: into.get(name) for name in names}
    if found and all([a is not None and a.flags.c_contiguous and a.flags.writeable for a in found.values()]):
        return found, True
    return {name: np.empty(params[name].shape, params[name].dtype) for name in names}, False
