"""The LSTM, fast.  Equations, order of gates and the numbers in parentheses: `fastrnn/cells/lstm.py`.

Three phases.  *project* and *recur* run block by block of the batch (`_blocks.pxd`): a chunk of steps is
projected, then walked.  *collect* (backward) turns dgates of all rows into dx, dW_ih, dW_hh and db, cut by
outputs, so that no two threads add into the same number.

Training keeps h, c and the activated gates of every row; backward overwrites the gates by their gradients.
Inference keeps one c per sequence.
"""

from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int64_t
from libc.string cimport memcpy

import numpy as np

from ._blas import check_sizes
from ._blocks import borrow, contiguous, give_back, recurrent_input, split_input, state_gradients

cimport numpy as cnp

from ._activations cimport sigmoid_rows, tanh_rows
from ._blas cimport PANEL, gemm_panels, pack_panel, panel_count, real
from ._blocks cimport (
    BLOCK_ROWS,
    CHUNK_ROWS,
    PAD,
    Batch,
    Collect,
    batch_of,
    block_count,
    chunk_end,
    collect_arrays,
    data,
    gather_rows,
    project,
    row_after,
    rows_of,
    team,
)

cnp.import_array()

cdef inline void activate(
    Py_ssize_t H, real* gates, const real* c_before, real* c, real* h, real* tanh_c,
) noexcept nogil:
    """(2), (3), (4) for one row; gates holds a_t and leaves activated."""
    cdef Py_ssize_t j
    sigmoid_rows(gates, 2 * H)
    tanh_rows(gates + 2 * H, H)
    sigmoid_rows(gates + 3 * H, H)
    for j in range(H):
        c[j] = gates[H + j] * c_before[j] + gates[j] * gates[2 * H + j]
    memcpy(tanh_c, c, H * sizeof(real))
    tanh_rows(tanh_c, H)
    for j in range(H):
        h[j] = gates[3 * H + j] * tanh_c[j]


cdef inline void activate_backward(
    Py_ssize_t H, real* gates, const real* c_before, const real* c, const real* dh, real* dc,
    real* tanh_c,
) noexcept nogil:
    """(4'), (3'), (2') for one row; gates holds the activations and leaves as their gradients."""
    cdef Py_ssize_t j
    cdef real i, f, g, o, d
    memcpy(tanh_c, c, H * sizeof(real))
    tanh_rows(tanh_c, H)
    for j in range(H):
        i, f, g, o = gates[j], gates[H + j], gates[2 * H + j], gates[3 * H + j]
        d = dc[j] + dh[j] * o * (1 - tanh_c[j] * tanh_c[j])
        gates[j] = d * g * i * (1 - i)
        gates[H + j] = d * c_before[j] * f * (1 - f)
        gates[2 * H + j] = d * i * (1 - g * g)
        gates[3 * H + j] = dh[j] * tanh_c[j] * o * (1 - o)
        dc[j] = d * f


cdef void forward_block(
    const Batch* batch, Py_ssize_t p, Py_ssize_t P, Py_ssize_t t, Py_ssize_t last, Py_ssize_t I,
    Py_ssize_t H, const real* x, const int64_t* ids, const real* W_ih, const real* panels_ih,
    const real* panels_hh, const real* b, const real* h_mask, real* h, real* c, real* gates,
    real* scratch,
) noexcept nogil:
    """Steps t .. last - 1 for the rows of block p of P.  gates is NULL in inference; c then has B rows."""
    cdef Py_ssize_t G = 4 * H, end, r, s, n, before, now
    cdef real* a = scratch
    cdef real* x_rows = a + CHUNK_ROWS * G
    cdef real* read = x_rows + CHUNK_ROWS * I
    cdef real* tanh_c = read + BLOCK_ROWS * (H + PAD)
    cdef real* c_before
    cdef real* c_now
    while t < last and rows_of(batch, t, p, P) > 0:
        end = chunk_end(batch, t, last, p, P)
        project(batch, p, P, t, end, I, G, x, ids, W_ih, panels_ih, b, x_rows, a)
        r = 0
        while t < end:
            n = rows_of(batch, t, p, P)
            before, now = row_after(batch, t - 1, p), row_after(batch, t, p)
            gather_rows(n, H, P * H, h + before * H, h_mask + p * H if h_mask != NULL else NULL, read)
            gemm_panels(n, G, H, read, H + PAD, panels_hh, <real>1, a + r * G, G)
            for s in range(n):
                c_before = c + ((before if gates != NULL else p) + s * P) * H
                c_now = c + ((now if gates != NULL else p) + s * P) * H
                activate(H, a + (r + s) * G, c_before, c_now, h + (now + s * P) * H, tanh_c)
                if gates != NULL:
                    memcpy(gates + (now - batch.B + s * P) * G, a + (r + s) * G, G * sizeof(real))
            r += n
            t += 1


cdef void backward_block(
    const Batch* batch, Py_ssize_t p, Py_ssize_t P, Py_ssize_t first, Py_ssize_t t, Py_ssize_t H,
    const real* panels, const real* h_mask, const real* c, real* gates, const real* dy, real* dh,
    real* dc, real* scratch,
) noexcept nogil:
    """dgates (in place of gates) for the rows of block p; dh, dc [B, H] end as those of the start."""
    cdef Py_ssize_t G = 4 * H, s, j, n, before, now, q
    cdef real* tanh_c = scratch
    cdef real* dgates = scratch + H
    while t > first:
        t -= 1
        n = rows_of(batch, t, p, P)
        before, now = row_after(batch, t - 1, p), row_after(batch, t, p)
        for s in range(n):
            q = (p + s * P) * H
            if dy != NULL:
                for j in range(H):
                    dh[q + j] += dy[(now - batch.B + s * P) * H + j]  # (5')
            activate_backward(H, gates + (now - batch.B + s * P) * G, c + (before + s * P) * H,
                              c + (now + s * P) * H, dh + q, dc + q, tanh_c)
        gather_rows(n, G, P * G, gates + (now - batch.B) * G, NULL, dgates)
        gemm_panels(n, H, G, dgates, G + PAD, panels, <real>0, dh + p * H, P * H)
        if h_mask != NULL:
            for s in range(n):
                q = (p + s * P) * H
                for j in range(H):
                    dh[q + j] *= h_mask[q + j]


cdef void run_forward(
    real* work, const Batch* batch, Py_ssize_t scratch, object x_rows, object x_ids, object params,
    object mask, object h_history, object c_history, object activated, int threads,
) noexcept:
    """Pack the weights, then all blocks.  work holds the panels, then `scratch` numbers a thread."""
    W_ih_array, W_hh_array, b_array = params
    cdef Py_ssize_t H = W_hh_array.shape[1], I = W_ih_array.shape[1], p, s
    cdef Py_ssize_t G = 4 * H, panels = panel_count(4 * H)
    cdef const int64_t* ids = <const int64_t*>data(x_ids)
    cdef const real* x = <const real*>data(x_rows)
    cdef const real* W_ih = <const real*>data(W_ih_array)
    cdef const real* W_hh = <const real*>data(W_hh_array)
    cdef const real* b = <const real*>data(b_array)
    cdef const real* h_mask = <const real*>data(mask)
    cdef real* h = <real*>data(h_history)
    cdef real* c = <real*>data(c_history)
    cdef real* gates = <real*>data(activated)
    cdef real* panels_hh = work
    cdef real* panels_ih = panels_hh + panels * H * PANEL
    cdef real* own = panels_ih + (0 if ids != NULL else panels * I * PANEL)
    with nogil, parallel(num_threads=team(batch.N * G * (I + H), threads)):
        for p in prange(panels, schedule="static"):
            pack_panel(p, H, G, W_hh, True, panels_hh)
            if ids == NULL:
                pack_panel(p, I, G, W_ih, True, panels_ih)
        for s in range(batch.segments):
            for p in prange(batch.blocks[s], schedule="dynamic", chunksize=1):
                forward_block(
                    batch, p, batch.blocks[s], batch.first[s], batch.first[s + 1], I, H, x, ids,
                    W_ih, panels_ih, panels_hh, b, h_mask, h, c, gates, own + threadid() * scratch
                )


cdef void run_backward(
    real* work, const Batch* batch, Py_ssize_t scratch, object W_hh_array, object mask,
    object c_history, object activated, object dy_rows, object dh_array, object dc_array,
    int threads,
) noexcept:
    """Pack W_hh, then all blocks.  work holds the panels, then `scratch` numbers a thread."""
    cdef Py_ssize_t H = W_hh_array.shape[1], p, s
    cdef Py_ssize_t G = 4 * H, panels = panel_count(H)
    cdef const real* W_hh = <const real*>data(W_hh_array)
    cdef const real* h_mask = <const real*>data(mask)
    cdef const real* c = <const real*>data(c_history)
    cdef real* gates = <real*>data(activated)
    cdef const real* dy = <const real*>data(dy_rows)
    cdef real* dh = <real*>data(dh_array)
    cdef real* dc = <real*>data(dc_array)
    cdef real* own = work + panels * G * PANEL
    with nogil, parallel(num_threads=team(batch.N * G * H, threads)):
        for p in prange(panels, schedule="static"):
            pack_panel(p, G, H, W_hh, False, work)
        for s in range(batch.segments - 1, -1, -1):
            for p in prange(batch.blocks[s], schedule="dynamic", chunksize=1):
                backward_block(
                    batch, p, batch.blocks[s], batch.first[s], batch.first[s + 1], H, work, h_mask,
                    c, gates, dy, dh, dc, own + threadid() * scratch
                )


def forward(params, x, s0, training, h_mask=None, *, int threads):
    """See `fastrnn.cells.cell.Cell`; `threads` is the largest team to use and changes no bit."""
    cdef Batch batch = batch_of(x.layout)
    arrays = contiguous(params, "W_ih", "W_hh", "b")
    cdef Py_ssize_t H = params["W_hh"].shape[1], I = params["W_ih"].shape[1]
    cdef Py_ssize_t B = batch.B, N = batch.N
    check_sizes("lstm", B + N, 4 * H * block_count(B), I)
    rows, ids = split_input(x)
    mask = None if h_mask is None else np.ascontiguousarray(h_mask)
    dtype = params["W_hh"].dtype
    h = np.empty((B + N, H), dtype)
    c = borrow((B + N, H), dtype) if training else np.empty((B, H), dtype)
    h[:B], c[:B] = s0
    gates = borrow((N, 4 * H), dtype) if training else None
    cdef Py_ssize_t scratch = CHUNK_ROWS * (I + 4 * H) + BLOCK_ROWS * (H + PAD) + H
    panels = panel_count(4 * H) * PANEL * (H + (0 if rows is None else I))
    work = borrow((panels + threads * scratch,), dtype)
    if dtype == np.float32:
        run_forward[float](<float*>data(work), &batch, scratch, rows, ids, arrays, mask, h, c, gates,
                           threads)
    else:
        run_forward[double](<double*>data(work), &batch, scratch, rows, ids, arrays, mask, h, c, gates,
                            threads)
    give_back(work)
    final = x.layout.final
    sT = (h[final], c[final] if training else c)
    return h[B:], sT, (x, h, c, gates, mask) if training else None


def backward(params, cache, dy, dsT, *, int threads):
    """See `fastrnn.cells.cell.Cell`.  Overwrites the gates in the cache, which is used once."""
    x, h, c, gates, mask = cache
    cdef Batch batch = batch_of(x.layout)
    W_ih, W_hh = contiguous(params, "W_ih", "W_hh")
    cdef Py_ssize_t H = W_hh.shape[1], I = W_ih.shape[1]
    dtype = W_hh.dtype
    rows, ids = split_input(x)
    dy = None if dy is None else np.ascontiguousarray(dy)
    dh, dc = state_gradients(dsT, 2, (batch.B, H), dtype)
    dx = None if rows is None else np.empty((batch.N, I), dtype)
    dW_ih, dW_hh, db = np.empty_like(W_ih), np.empty_like(W_hh), np.empty(4 * H, dtype)
    panels = 4 * H * PANEL * max(panel_count(H), 0 if rows is None else panel_count(I))
    cdef Py_ssize_t scratch = H + BLOCK_ROWS * (4 * H + PAD)
    work = borrow((panels + threads * scratch,), dtype)
    read = recurrent_input(h, x.layout, mask)
    cdef Collect size = Collect(N=batch.N, inputs=I, units=H, gates=4, ld=4 * H, x_first=0, roll=0)
    if dtype == np.float32:
        run_backward[float](<float*>data(work), &batch, scratch, W_hh, mask, c, gates, dy, dh, dc, threads)
        collect_arrays[float](<float*>data(work), &size, gates, rows, ids, read, W_ih, dx, dW_ih, dW_hh,
                              db, None, threads)
    else:
        run_backward[double](<double*>data(work), &batch, scratch, W_hh, mask, c, gates, dy, dh, dc, threads)
        collect_arrays[double](<double*>data(work), &size, gates, rows, ids, read, W_ih, dx, dW_ih, dW_hh,
                               db, None, threads)
    give_back(work, read, gates, c)
    return dx, (dh, dc), {"W_ih": dW_ih, "W_hh": dW_hh, "b": db}
