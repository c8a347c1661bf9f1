"""The GRU, fast.  Equations and the numbers in parentheses: `fastrnn/cells/gru.py`.

The three phases are those of `lstm.pyx`.  Training keeps four blocks a row, ``q_n r z n``; backward
overwrites them by ``dq_n dr dz dp_n``, so that the last three are the gradient of the input's products and
the first three that of the recurrent ones: each is one matrix without a copy.
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
    Py_ssize_t H, real* p, const real* q, const real* h_before, real* h,
) noexcept nogil:
    """(3), (4), (5) for one row; p leaves as r, z, n."""
    cdef Py_ssize_t j
    for j in range(2 * H):
        p[j] += q[j]
    sigmoid_rows(p, 2 * H)
    for j in range(H):
        p[2 * H + j] += p[j] * q[2 * H + j]
    tanh_rows(p + 2 * H, H)
    for j in range(H):
        h[j] = (1 - p[H + j]) * p[2 * H + j] + p[H + j] * h_before[j]


cdef inline void activate_backward(
    Py_ssize_t H, real* kept, const real* h_before, real* dh,
) noexcept nogil:
    """(5'), (4'), (3') for one row: q_n r z n become dq_n dr dz dp_n, dh what passes by z."""
    cdef Py_ssize_t j
    cdef real q_n, r, z, n, d
    for j in range(H):
        q_n, r, z, n = kept[j], kept[H + j], kept[2 * H + j], kept[3 * H + j]
        d = dh[j] * (1 - z) * (1 - n * n)
        kept[3 * H + j] = d
        kept[j] = d * r
        kept[H + j] = d * q_n * r * (1 - r)
        kept[2 * H + j] = dh[j] * (h_before[j] - n) * z * (1 - z)
        dh[j] *= z


cdef void forward_block(
    const Batch* batch, Py_ssize_t p, Py_ssize_t P, Py_ssize_t t, Py_ssize_t last, Py_ssize_t I,
    Py_ssize_t H, const real* x, const int64_t* ids, const real* W_ih, const real* panels_ih,
    const real* panels_hh, const real* b_ih, const real* b_hh, const real* h_mask, real* h,
    real* kept, real* scratch,
) noexcept nogil:
    """Steps t .. last - 1 for the rows of block p of P.  kept is NULL in inference."""
    cdef Py_ssize_t G = 3 * H, end, r, s, n, before, now
    cdef real* a = scratch
    cdef real* x_rows = a + CHUNK_ROWS * G
    cdef real* read = x_rows + CHUNK_ROWS * I
    cdef real* q = read + BLOCK_ROWS * (H + PAD)
    cdef real* row
    while t < last and rows_of(batch, t, p, P) > 0:
        end = chunk_end(batch, t, last, p, P)
        project(batch, p, P, t, end, I, G, x, ids, W_ih, panels_ih, b_ih, x_rows, a)
        r = 0
        while t < end:
            n = rows_of(batch, t, p, P)
            before, now = row_after(batch, t - 1, p), row_after(batch, t, p)
            for s in range(n):
                memcpy(q + s * G, b_hh, G * sizeof(real))
            gather_rows(n, H, P * H, h + before * H, h_mask + p * H if h_mask != NULL else NULL, read)
            gemm_panels(n, G, H, read, H + PAD, panels_hh, <real>1, q, G)
            for s in range(n):
                activate(H, a + (r + s) * G, q + s * G, h + (before + s * P) * H, h + (now + s * P) * H)
                if kept != NULL:
                    row = kept + (now - batch.B + s * P) * 4 * H
                    memcpy(row, q + s * G + 2 * H, H * sizeof(real))
                    memcpy(row + H, a + (r + s) * G, G * sizeof(real))
            r += n
            t += 1


cdef void backward_block(
    const Batch* batch, Py_ssize_t p, Py_ssize_t P, Py_ssize_t first, Py_ssize_t t, Py_ssize_t H,
    const real* panels, const real* h_mask, const real* h, real* kept, const real* dy, real* dh,
    real* scratch,
) noexcept nogil:
    """The gradients in place of what was kept, for the rows of block p; dh [B, H] ends at the start's.

    panels hold W_hh with its row blocks in the order n r z.
    """
    cdef Py_ssize_t s, j, n, before, row, q
    cdef real* product = scratch
    cdef real* dq = product + BLOCK_ROWS * H
    while t > first:
        t -= 1
        n = rows_of(batch, t, p, P)
        before, row = row_after(batch, t - 1, p), batch.offsets[t] + p
        for s in range(n):
            q = (p + s * P) * H
            if dy != NULL:
                for j in range(H):
                    dh[q + j] += dy[(row + s * P) * H + j]  # (6')
            activate_backward(H, kept + (row + s * P) * 4 * H, h + (before + s * P) * H, dh + q)
        gather_rows(n, 3 * H, P * 4 * H, kept + row * 4 * H, NULL, dq)
        if h_mask == NULL:
            gemm_panels(n, H, 3 * H, dq, 3 * H + PAD, panels, <real>1, dh + p * H, P * H)
        else:
            gemm_panels(n, H, 3 * H, dq, 3 * H + PAD, panels, <real>0, product, H)
            for s in range(n):
                q = (p + s * P) * H
                for j in range(H):
                    dh[q + j] += h_mask[q + j] * product[s * H + j]


cdef void run_forward(
    real* work, const Batch* batch, Py_ssize_t scratch, object x_rows, object x_ids, object params,
    object mask, object h_history, object kept_rows, int threads,
) noexcept:
    """Pack the weights, then all blocks.  work holds the panels, then `scratch` numbers a thread."""
    W_ih_array, W_hh_array, b_ih_array, b_hh_array = params
    cdef Py_ssize_t H = W_hh_array.shape[1], I = W_ih_array.shape[1], p, s
    cdef Py_ssize_t G = 3 * H, panels = panel_count(3 * H)
    cdef const int64_t* ids = <const int64_t*>data(x_ids)
    cdef const real* x = <const real*>data(x_rows)
    cdef const real* W_ih = <const real*>data(W_ih_array)
    cdef const real* W_hh = <const real*>data(W_hh_array)
    cdef const real* b_ih = <const real*>data(b_ih_array)
    cdef const real* b_hh = <const real*>data(b_hh_array)
    cdef const real* h_mask = <const real*>data(mask)
    cdef real* h = <real*>data(h_history)
    cdef real* kept = <real*>data(kept_rows)
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
                    W_ih, panels_ih, panels_hh, b_ih, b_hh, h_mask, h, kept, own + threadid() *
                    scratch
                )


cdef void run_backward(
    real* work, const Batch* batch, Py_ssize_t scratch, object W_nrz, object mask, object h_history,
    object kept_rows, object dy_rows, object dh_array, int threads,
) noexcept:
    """Pack W_hh, then all blocks.  work holds the panels, then `scratch` numbers a thread."""
    cdef Py_ssize_t H = W_nrz.shape[1], p, s
    cdef Py_ssize_t panels = panel_count(H)
    cdef const real* W_hh = <const real*>data(W_nrz)
    cdef const real* h_mask = <const real*>data(mask)
    cdef const real* h = <const real*>data(h_history)
    cdef real* kept = <real*>data(kept_rows)
    cdef const real* dy = <const real*>data(dy_rows)
    cdef real* dh = <real*>data(dh_array)
    cdef real* own = work + panels * 3 * H * PANEL
    with nogil, parallel(num_threads=team(batch.N * 3 * H * H, threads)):
        for p in prange(panels, schedule="static"):
            pack_panel(p, 3 * H, H, W_hh, False, work)
        for s in range(batch.segments - 1, -1, -1):
            for p in prange(batch.blocks[s], schedule="dynamic", chunksize=1):
                backward_block(
                    batch, p, batch.blocks[s], batch.first[s], batch.first[s + 1], H, work, h_mask,
                    h, kept, dy, dh, own + threadid() * scratch
                )


def forward(params, x, s0, training, h_mask=None, *, int threads):
    """See `fastrnn.cells.cell.Cell`; `threads` is the largest team to use and changes no bit."""
    cdef Batch batch = batch_of(x.layout)
    arrays = contiguous(params, "W_ih", "W_hh", "b_ih", "b_hh")
    cdef Py_ssize_t H = params["W_hh"].shape[1], I = params["W_ih"].shape[1]
    cdef Py_ssize_t B = batch.B, N = batch.N
    check_sizes("gru", B + N, 4 * H * block_count(B), I)
    rows, ids = split_input(x)
    mask = None if h_mask is None else np.ascontiguousarray(h_mask)
    dtype = params["W_hh"].dtype
    h = np.empty((B + N, H), dtype)
    h[:B] = s0[0]
    kept = borrow((N, 4 * H), dtype) if training else None
    cdef Py_ssize_t scratch = CHUNK_ROWS * (I + 3 * H) + BLOCK_ROWS * (4 * H + PAD)
    panels = panel_count(3 * H) * PANEL * (H + (0 if rows is None else I))
    work = borrow((panels + threads * scratch,), dtype)
    if dtype == np.float32:
        run_forward[float](<float*>data(work), &batch, scratch, rows, ids, arrays, mask, h, kept, threads)
    else:
        run_forward[double](<double*>data(work), &batch, scratch, rows, ids, arrays, mask, h, kept,
                            threads)
    give_back(work)
    return h[B:], (h[x.layout.final],), (x, h, kept, mask) if training else None


def backward(params, cache, dy, dsT, *, int threads):
    """See `fastrnn.cells.cell.Cell`.  Overwrites what the cache kept, which is used once."""
    x, h, kept, mask = cache
    cdef Batch batch = batch_of(x.layout)
    W_ih, W_hh = contiguous(params, "W_ih", "W_hh")
    cdef Py_ssize_t H = W_hh.shape[1], I = W_ih.shape[1]
    dtype = W_hh.dtype
    rows, ids = split_input(x)
    dy = None if dy is None else np.ascontiguousarray(dy)
    (dh,) = state_gradients(dsT, 1, (batch.B, H), dtype)
    dx = None if rows is None else np.empty((batch.N, I), dtype)
    dW_ih, dW_hh = np.empty_like(W_ih), np.empty_like(W_hh)
    db_ih, db_hh = np.empty(3 * H, dtype), np.empty(3 * H, dtype)
    cdef Py_ssize_t scratch = BLOCK_ROWS * (4 * H + PAD)
    panels = 3 * H * PANEL * max(panel_count(H), 0 if rows is None else panel_count(I))
    work = borrow((panels + threads * scratch,), dtype)
    read = recurrent_input(h, x.layout, mask)
    W_nrz = np.concatenate([W_hh[2 * H :], W_hh[: 2 * H]])
    cdef Collect size = Collect(N=batch.N, inputs=I, units=H, gates=3, ld=4 * H, x_first=H, roll=H)
    if dtype == np.float32:
        run_backward[float](<float*>data(work), &batch, scratch, W_nrz, mask, h, kept, dy, dh, threads)
        collect_arrays[float](<float*>data(work), &size, kept, rows, ids, read, W_ih, dx, dW_ih, dW_hh,
                              db_ih, db_hh, threads)
    else:
        run_backward[double](<double*>data(work), &batch, scratch, W_nrz, mask, h, kept, dy, dh, threads)
        collect_arrays[double](<double*>data(work), &size, kept, rows, ids, read, W_ih, dx, dW_ih, dW_hh,
                               db_ih, db_hh, threads)
    give_back(work, read, kept)
    return dx, (dh,), {"W_ih": dW_ih, "W_hh": dW_hh, "b_ih": db_ih, "b_hh": db_hh}
