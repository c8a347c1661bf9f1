"""The vanilla recurrence, fast.  Equations and the numbers in parentheses: `fastrnn/cells/rnn.py`.

The three phases are those of `lstm.pyx`.  Training keeps h alone: both activations give their derivative
from their value.
"""

from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int64_t
from libc.string cimport memcpy

import numpy as np

from ._blas import check_sizes
from ._blocks import borrow, contiguous, give_back, recurrent_input, split_input, state_gradients

cimport numpy as cnp

from ._activations cimport relu_rows, tanh_rows
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


cdef inline void activate(bint relu, Py_ssize_t H, const real* a, real* h) noexcept nogil:
    """(2) for one row."""
    memcpy(h, a, H * sizeof(real))
    if relu:
        relu_rows(h, H)
    else:
        tanh_rows(h, H)


cdef inline void activate_backward(
    bint relu, Py_ssize_t H, const real* h, const real* dh, real* da,
) noexcept nogil:
    """(2') for one row."""
    cdef Py_ssize_t j
    if relu:
        for j in range(H):
            da[j] = dh[j] * <real>(h[j] > 0)
    else:
        for j in range(H):
            da[j] = dh[j] * (1 - h[j] * h[j])


cdef void forward_block(
    bint relu, const Batch* batch, Py_ssize_t p, Py_ssize_t P, Py_ssize_t t, Py_ssize_t last,
    Py_ssize_t I, Py_ssize_t H, const real* x, const int64_t* ids, const real* W_ih,
    const real* panels_ih, const real* panels_hh, const real* b, const real* h_mask, real* h,
    real* scratch,
) noexcept nogil:
    """Steps t .. last - 1 for the rows of block p of P."""
    cdef Py_ssize_t end, r, s, n, before, now
    cdef real* a = scratch
    cdef real* x_rows = a + CHUNK_ROWS * H
    cdef real* read = x_rows + CHUNK_ROWS * I
    while t < last and rows_of(batch, t, p, P) > 0:
        end = chunk_end(batch, t, last, p, P)
        project(batch, p, P, t, end, I, H, x, ids, W_ih, panels_ih, b, x_rows, a)
        r = 0
        while t < end:
            n = rows_of(batch, t, p, P)
            before, now = row_after(batch, t - 1, p), row_after(batch, t, p)
            gather_rows(n, H, P * H, h + before * H, h_mask + p * H if h_mask != NULL else NULL, read)
            gemm_panels(n, H, H, read, H + PAD, panels_hh, <real>1, a + r * H, H)
            for s in range(n):
                activate(relu, H, a + (r + s) * H, h + (now + s * P) * H)
            r += n
            t += 1


cdef void backward_block(
    bint relu, const Batch* batch, Py_ssize_t p, Py_ssize_t P, Py_ssize_t first, Py_ssize_t t,
    Py_ssize_t H, const real* panels, const real* h_mask, const real* h, const real* dy, real* da,
    real* dh, real* read,
) noexcept nogil:
    """da [N, H] for the rows of block p; dh [B, H] ends as that of the start."""
    cdef Py_ssize_t s, j, n, row, q
    while t > first:
        t -= 1
        n = rows_of(batch, t, p, P)
        row = batch.offsets[t] + p
        for s in range(n):
            q = (p + s * P) * H
            if dy != NULL:
                for j in range(H):
                    dh[q + j] += dy[(row + s * P) * H + j]  # (3')
            activate_backward(relu, H, h + (batch.B + row + s * P) * H, dh + q, da + (row + s * P) * H)
        gather_rows(n, H, P * H, da + row * H, NULL, read)
        gemm_panels(n, H, H, read, H + PAD, panels, <real>0, dh + p * H, P * H)
        if h_mask != NULL:
            for s in range(n):
                q = (p + s * P) * H
                for j in range(H):
                    dh[q + j] *= h_mask[q + j]


cdef void run_forward(
    real* work, bint relu, const Batch* batch, Py_ssize_t scratch, object x_rows, object x_ids,
    object params, object mask, object h_history, int threads,
) noexcept:
    """Pack the weights, then all blocks.  work holds the panels, then `scratch` numbers a thread."""
    W_ih_array, W_hh_array, b_array = params
    cdef Py_ssize_t H = W_hh_array.shape[1], I = W_ih_array.shape[1], p, s
    cdef Py_ssize_t panels = panel_count(H)
    cdef const int64_t* ids = <const int64_t*>data(x_ids)
    cdef const real* x = <const real*>data(x_rows)
    cdef const real* W_ih = <const real*>data(W_ih_array)
    cdef const real* W_hh = <const real*>data(W_hh_array)
    cdef const real* b = <const real*>data(b_array)
    cdef const real* h_mask = <const real*>data(mask)
    cdef real* h = <real*>data(h_history)
    cdef real* panels_hh = work
    cdef real* panels_ih = panels_hh + panels * H * PANEL
    cdef real* own = panels_ih + (0 if ids != NULL else panels * I * PANEL)
    with nogil, parallel(num_threads=team(batch.N * H * (I + H), threads)):
        for p in prange(panels, schedule="static"):
            pack_panel(p, H, H, W_hh, True, panels_hh)
            if ids == NULL:
                pack_panel(p, I, H, W_ih, True, panels_ih)
        for s in range(batch.segments):
            for p in prange(batch.blocks[s], schedule="dynamic", chunksize=1):
                forward_block(
                    relu, batch, p, batch.blocks[s], batch.first[s], batch.first[s + 1], I, H, x,
                    ids, W_ih, panels_ih, panels_hh, b, h_mask, h, own + threadid() * scratch
                )


cdef void run_backward(
    real* work, bint relu, const Batch* batch, Py_ssize_t scratch, object W_hh_array, object mask,
    object h_history, object dy_rows, object da_rows, object dh_array, int threads,
) noexcept:
    """Pack W_hh, then all blocks.  work holds the panels, then `scratch` numbers a thread."""
    cdef Py_ssize_t H = W_hh_array.shape[1], p, s
    cdef Py_ssize_t panels = panel_count(H)
    cdef const real* W_hh = <const real*>data(W_hh_array)
    cdef const real* h_mask = <const real*>data(mask)
    cdef const real* h = <const real*>data(h_history)
    cdef const real* dy = <const real*>data(dy_rows)
    cdef real* da = <real*>data(da_rows)
    cdef real* dh = <real*>data(dh_array)
    cdef real* own = work + panels * H * PANEL
    with nogil, parallel(num_threads=team(batch.N * H * H, threads)):
        for p in prange(panels, schedule="static"):
            pack_panel(p, H, H, W_hh, False, work)
        for s in range(batch.segments - 1, -1, -1):
            for p in prange(batch.blocks[s], schedule="dynamic", chunksize=1):
                backward_block(
                    relu, batch, p, batch.blocks[s], batch.first[s], batch.first[s + 1], H, work,
                    h_mask, h, dy, da, dh, own + threadid() * scratch
                )


def forward(bint relu, params, x, s0, training, h_mask=None, *, int threads):
    """See `fastrnn.cells.cell.Cell`; `threads` is the largest team to use and changes no bit."""
    cdef Batch batch = batch_of(x.layout)
    arrays = contiguous(params, "W_ih", "W_hh", "b")
    cdef Py_ssize_t H = params["W_hh"].shape[1], I = params["W_ih"].shape[1]
    cdef Py_ssize_t B = batch.B, N = batch.N
    check_sizes("rnn", B + N, H * block_count(B), I)
    rows, ids = split_input(x)
    mask = None if h_mask is None else np.ascontiguousarray(h_mask)
    dtype = params["W_hh"].dtype
    h = np.empty((B + N, H), dtype)
    h[:B] = s0[0]
    cdef Py_ssize_t scratch = CHUNK_ROWS * (I + H) + BLOCK_ROWS * (H + PAD)
    panels = panel_count(H) * PANEL * (H + (0 if rows is None else I))
    work = borrow((panels + threads * scratch,), dtype)
    if dtype == np.float32:
        run_forward[float](<float*>data(work), relu, &batch, scratch, rows, ids, arrays, mask, h, threads)
    else:
        run_forward[double](<double*>data(work), relu, &batch, scratch, rows, ids, arrays, mask, h,
                            threads)
    give_back(work)
    return h[B:], (h[x.layout.final],), (x, h, mask) if training else None


def backward(bint relu, params, cache, dy, dsT, *, int threads):
    """See `fastrnn.cells.cell.Cell`."""
    x, h, mask = cache
    cdef Batch batch = batch_of(x.layout)
    W_ih, W_hh = contiguous(params, "W_ih", "W_hh")
    cdef Py_ssize_t H = W_hh.shape[1], I = W_ih.shape[1]
    dtype = W_hh.dtype
    rows, ids = split_input(x)
    dy = None if dy is None else np.ascontiguousarray(dy)
    (dh,) = state_gradients(dsT, 1, (batch.B, H), dtype)
    da = borrow((batch.N, H), dtype)
    dx = None if rows is None else np.empty((batch.N, I), dtype)
    dW_ih, dW_hh, db = np.empty_like(W_ih), np.empty_like(W_hh), np.empty(H, dtype)
    cdef Py_ssize_t scratch = BLOCK_ROWS * (H + PAD)
    panels = H * PANEL * max(panel_count(H), 0 if rows is None else panel_count(I))
    work = borrow((panels + threads * scratch,), dtype)
    read = recurrent_input(h, x.layout, mask)
    cdef Collect size = Collect(N=batch.N, inputs=I, units=H, gates=1, ld=H, x_first=0, roll=0)
    if dtype == np.float32:
        run_backward[float](<float*>data(work), relu, &batch, scratch, W_hh, mask, h, dy, da, dh, threads)
        collect_arrays[float](<float*>data(work), &size, da, rows, ids, read, W_ih, dx, dW_ih, dW_hh, db,
                              None, threads)
    else:
        run_backward[double](<double*>data(work), relu, &batch, scratch, W_hh, mask, h, dy, da, dh, threads)
        collect_arrays[double](<double*>data(work), &size, da, rows, ids, read, W_ih, dx, dW_ih, dW_hh,
                               db, None, threads)
    give_back(work, read, da)
    return dx, (dh,), {"W_ih": dW_ih, "W_hh": dW_hh, "b": db}
