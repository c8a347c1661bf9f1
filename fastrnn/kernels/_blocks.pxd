"""How work is cut, and the two phases that every recurrence shares: project and collect.

The batch is cut into P interleaved blocks: block p owns the sequences p, p + P, p + 2P, ...  Sequences are
sorted by length, so every block has nearly the same number of rows at every step, however ragged the
batch.  P is a power of two that leaves a block 5 to 8 sequences, so it shrinks as sequences end: time is
cut into segments of equal P, with one barrier between them.  All this depends on the lengths alone and
never on the number of threads, which only pick blocks.
"""

cimport numpy as cnp
from cython.parallel cimport parallel, prange
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from ._blas cimport PANEL, gemm, gemm_panels, pack_panel, panel_count, real

cdef enum:
    BLOCK_ROWS = 8     # most sequences of a block: from 4 on the product runs at its peak speed
    SEGMENTS = 64      # more than the powers of two in a batch
    PAD = 16           # numbers between gathered rows
    CHUNK_ROWS = 96    # rows projected at a time, so that they are still in cache when the step reads them
    COLLECT_ROWS = 96  # rows a task of the input gradient
    COLLECT_UNITS = 256  # rows of a weight gradient a task
    FEW_MULTIPLY_ADDS = 5000000  # a tenth of a millisecond: below, a second thread costs more than it brings


cdef struct Batch:
    Py_ssize_t T, B, N
    const int64_t* steps
    const int64_t* offsets
    # Segment s has the steps first[s] .. first[s + 1] - 1 and blocks[s] blocks.
    Py_ssize_t segments
    Py_ssize_t first[SEGMENTS]
    Py_ssize_t blocks[SEGMENTS]


cdef inline void* data(object array) noexcept:
    """The memory of an array, NULL for None."""
    return NULL if array is None else cnp.PyArray_DATA(<cnp.ndarray>array)


cdef inline Py_ssize_t block_count(Py_ssize_t running) noexcept nogil:
    """P for so many sequences: at least 2, so that two threads always have work."""
    cdef Py_ssize_t P = 2
    if running < 2:
        return 1
    while P * BLOCK_ROWS < running:
        P *= 2
    return P


cdef inline Batch batch_of(object layout):
    """The C view of a `fastrnn.packed.Layout`, valid while the layout lives."""
    cdef Batch batch
    cdef Py_ssize_t t, P
    batch.T, batch.B, batch.N = layout.T, layout.B, layout.N
    batch.steps = <const int64_t*>data(layout.steps)
    batch.offsets = <const int64_t*>data(layout.offsets)
    batch.segments = 0
    for t in range(batch.T):
        P = block_count(batch.steps[t])
        if t == 0 or P != batch.blocks[batch.segments - 1]:
            batch.first[batch.segments], batch.blocks[batch.segments] = t, P
            batch.segments += 1
    batch.first[batch.segments] = batch.T
    return batch


cdef inline int team(Py_ssize_t multiply_adds, int threads) noexcept nogil:
    """Threads for so much work."""
    return 1 if multiply_adds < FEW_MULTIPLY_ADDS else threads


cdef inline Py_ssize_t rows_of(
    const Batch* batch, Py_ssize_t t, Py_ssize_t p, Py_ssize_t P,
) noexcept nogil:
    """Rows of block p of P at step t."""
    cdef Py_ssize_t running = batch.steps[t]
    return (running - p + P - 1) // P if running > p else 0


cdef inline Py_ssize_t row_after(const Batch* batch, Py_ssize_t t, Py_ssize_t p) noexcept nogil:
    """The first history row of block p after step t; t = -1 is the initial state."""
    return p if t < 0 else batch.B + batch.offsets[t] + p


cdef inline Py_ssize_t chunk_end(
    const Batch* batch, Py_ssize_t t, Py_ssize_t end, Py_ssize_t p, Py_ssize_t P,
) noexcept nogil:
    """The step after the last one, before `end`, that is projected together with step t."""
    cdef Py_ssize_t rows = rows_of(batch, t, p, P)
    t += 1
    while t < end and rows + rows_of(batch, t, p, P) <= CHUNK_ROWS:
        rows += rows_of(batch, t, p, P)
        t += 1
    return t


cdef inline void project(
    const Batch* batch, Py_ssize_t p, Py_ssize_t P, Py_ssize_t t0, Py_ssize_t t1, Py_ssize_t I,
    Py_ssize_t G, const real* x, const int64_t* ids, const real* W_ih, const real* panels, const real* bias,
    real* x_rows, real* gates,
) noexcept nogil:
    """gates [rows, G] = x W_ih' + bias for block p of P, steps t0 .. t1 - 1; x_rows is scratch [rows, I].

    Where ids is given, x is one-hot and a row is a column of W_ih.
    """
    cdef Py_ssize_t t, r = 0, s, row, g
    for t in range(t0, t1):
        for s in range(rows_of(batch, t, p, P)):
            row = batch.offsets[t] + p + s * P
            if ids != NULL:
                for g in range(G):
                    gates[r * G + g] = bias[g] + W_ih[g * I + ids[row]]
            else:
                memcpy(gates + r * G, bias, G * sizeof(real))
                memcpy(x_rows + r * I, x + row * I, I * sizeof(real))
            r += 1
    if ids == NULL:
        gemm_panels(r, G, I, x_rows, I, panels, <real>1, gates, G)


cdef inline void gather_rows(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t pitch, const real* source, const real* mask,
    real* out,
) noexcept nogil:
    """out [rows, width + PAD] = rows of source `pitch` numbers apart, times those of mask if given.

    Rows a power of two apart share the few places of one cache set; products read them from here.
    """
    cdef Py_ssize_t r, j
    for r in range(rows):
        if mask == NULL:
            memcpy(out + r * (width + PAD), source + r * pitch, width * sizeof(real))
        else:
            for j in range(width):
                out[r * (width + PAD) + j] = source[r * pitch + j] * mask[r * pitch + j]


cdef inline void weight_gradient(
    Py_ssize_t N, Py_ssize_t first, Py_ssize_t count, const real* dgates, Py_ssize_t ld,
    const real* x, const int64_t* ids, Py_ssize_t I, real* dW, real* db,
) noexcept nogil:
    """Rows first .. first + count - 1 of dW [., I] = dgates' x, and of db where it is not NULL.

    `dgates` points at the column of the first of these rows.
    """
    cdef Py_ssize_t n, g
    if ids != NULL:
        memset(dW + first * I, 0, count * I * sizeof(real))
        for n in range(N):
            for g in range(count):
                dW[(first + g) * I + ids[n]] += dgates[n * ld + g]
    else:
        gemm(True, False, count, I, N, dgates, ld, x, I, <real>0, dW + first * I, I)
    if db != NULL:
        memset(db + first, 0, count * sizeof(real))
        for n in range(N):
            for g in range(count):
                db[first + g] += dgates[n * ld + g]


cdef struct Collect:
    # dgates [N, ld]: the columns from x_first on belong to W_ih, gate by gate; those from 0 on to W_hh, but
    # rotated: row g of W_hh has column (g + roll) mod G.  Only the GRU needs either.
    Py_ssize_t N, inputs, units, gates, ld, x_first, roll


cdef inline void collect_task(
    Py_ssize_t task, Py_ssize_t pieces, const Collect* size, const real* dgates, const real* x,
    const int64_t* ids, const real* read, const real* panels,
    real* dx, real* dW_ih, real* dW_hh, real* db_ih, real* db_hh,
) noexcept nogil:
    """One task of `collect`: a tile of dW_ih, a tile of dW_hh, or some rows of dx."""
    cdef Py_ssize_t H = size.units, G = size.gates * H, tiles = size.gates * pieces
    cdef Py_ssize_t first, count, height = (H + pieces - 1) // pieces
    if task < 2 * tiles:
        first = (task % tiles) % pieces * height
        count = min(height, H - first)
        first += (task % tiles) // pieces * H
        if count <= 0:
            return
        if task < tiles:
            weight_gradient(size.N, first, count, dgates + size.x_first + first, size.ld, x, ids,
                            size.inputs, dW_ih, db_ih)
        else:
            weight_gradient(size.N, first, count, dgates + (first + size.roll) % G, size.ld, read,
                            NULL, H, dW_hh, db_hh)
    else:
        first = (task - 2 * tiles) * COLLECT_ROWS
        gemm_panels(min(<Py_ssize_t>COLLECT_ROWS, size.N - first), size.inputs, G,
                    dgates + size.x_first + first * size.ld, size.ld, panels, <real>0,
                    dx + first * size.inputs, size.inputs)


cdef inline void collect_arrays(
    real* work, const Collect* size, object dgates_rows, object x_rows, object x_ids, object read_rows,
    object W_ih_array, object dx_rows, object dW_ih_array, object dW_hh_array, object db_ih_array,
    object db_hh_array, int threads,
) noexcept:
    """dx, dW_ih, dW_hh and the biases from the dgates of all rows, cut by outputs.

    read [N, H] is what the recurrent product read; work holds panel_count(I) * G * PANEL numbers;
    dx is None for one-hot input and db_hh where there is one bias.
    """
    cdef Py_ssize_t G = size.gates * size.units, p, task
    cdef Py_ssize_t pieces = (size.units + COLLECT_UNITS - 1) // COLLECT_UNITS
    cdef Py_ssize_t tasks = 2 * size.gates * pieces, panels = 0
    cdef const int64_t* ids = <const int64_t*>data(x_ids)
    cdef const real* dgates = <const real*>data(dgates_rows)
    cdef const real* x = <const real*>data(x_rows)
    cdef const real* read = <const real*>data(read_rows)
    cdef const real* W_ih = <const real*>data(W_ih_array)
    cdef real* dx = <real*>data(dx_rows)
    cdef real* dW_ih = <real*>data(dW_ih_array)
    cdef real* dW_hh = <real*>data(dW_hh_array)
    cdef real* db_ih = <real*>data(db_ih_array)
    cdef real* db_hh = <real*>data(db_hh_array)
    if dx != NULL:
        panels = panel_count(size.inputs)
        tasks += (size.N + COLLECT_ROWS - 1) // COLLECT_ROWS
    with nogil, parallel(num_threads=team(size.N * G * (size.inputs + size.units), threads)):
        for p in prange(panels, schedule="static"):
            pack_panel(p, G, size.inputs, W_ih, False, work)
        for task in prange(tasks, schedule="dynamic", chunksize=1):
            collect_task(task, pieces, size, dgates, x, ids, read, work, dx, dW_ih, dW_hh, db_ih, db_hh)
