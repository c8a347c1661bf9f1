"""Whole passes over a packed batch, forwards and backwards: arrays in, arrays out.

A pass is prepared, run and finished.  So the two directions of a bidirectional layer can be prepared both, and then
run beside each other: each on a core of its own needs no barrier and keeps its weights in that core's cache.
"""

from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int64_t
from libc.string cimport memset

import numpy as np

from ._doors import NAMES
from ._gradients import begun
from ._memory import borrow, give_back

cimport numpy as cnp

from ._doors cimport describe, lend, measure, panels_of, plan, run_forward, work_of
from ._engine cimport FEW_MULTIPLY_ADDS, GRU, Form, Relay, halves_of
from ._gradients cimport Gradients, collect, prepare
from ._memory cimport data
from ._panels cimport Panels
from ._recurrence cimport Call, backward_pass, forward_pass

cnp.import_array()

cdef enum:
    APART = 8  # sequences up to which two directions run beside each other rather than one after the other


cdef object split(object x, bint rows):
    """x's rows, or its ids; None where it has the other."""
    if rows != (x.depth is None):
        return None
    return np.ascontiguousarray(x.rows) if rows else np.ascontiguousarray(x.rows, np.int64)


cdef class Forward:
    """A forward pass.

    x_at, y_at : int64 [N], where the row of a step stands among the rows of x and of y; None: where it is
    out : array [., width] that gets y in columns from `column` on, or None for an array of its own
    last : in inference without `out`, no y at all
    """

    cdef Call c
    cdef Panels p
    cdef object params, x, h, states, kept, mask, y, work, held
    cdef int team
    cdef bint training

    def __init__(self, int cell, params, x, s0, bint training, h_mask, int threads, x_at=None, y_at=None, out=None,
                 Py_ssize_t column=0, bint last=False):
        layout = x.layout
        self.p = panels_of(cell, params)
        self.params, self.x, self.training = params, x, training
        cdef Py_ssize_t B = layout.B, N = layout.N, T = layout.T, P = self.p.width
        cdef Call* c = &self.c
        describe(c, self.p, T, B, N)
        cdef const Form* form = c.form
        rows, ids = split(x, True), split(x, False)
        steps, offsets = layout.steps, layout.offsets
        self.mask = None if h_mask is None else np.ascontiguousarray(h_mask)
        self.held = rows, ids, steps, offsets, x_at, y_at
        c.steps, c.offsets = <const int64_t*>data(steps), <const int64_t*>data(offsets)
        c.x, c.ids, c.mask = data(rows), <const int64_t*>data(ids), data(self.mask)
        c.W_given = data(self.p.given[0])
        c.at_x.index, c.at_y.index = <const int64_t*>data(x_at), <const int64_t*>data(y_at)
        self.team = plan(c, c.hh.panels, threads)
        self.p.forward_panels(ids is not None and self.p.inputs > 4 * N, self.team)
        lend(c, self.p)
        dtype = params["W_hh"].dtype
        if training:
            self.h = np.empty((B + N, P), dtype)
            self.h[:B] = s0[0]
            self.y = self.h[B:]
            if form.memory:
                self.states = borrow((B + N, self.p.units), dtype)
                self.states[:B] = s0[1]
            if form.gates > 1:
                self.kept = borrow((N, c.kept_row), dtype)
            c.training = True
        else:
            self.h = borrow((2, B, P), dtype)
            self.h[0] = s0[0]
            if form.memory:
                self.states = np.array(s0[1], dtype, order="C")
            if halves_of(form) > 1:
                self.kept = borrow((B, c.kept_row), dtype)
        if out is not None:
            self.y, c.y_row = out, out.shape[1]
        elif not training and not last:
            self.y = np.empty((N, P), dtype)
        if out is not None or not training:
            c.y = NULL if self.y is None else <char*>data(self.y) + column * c.word
        c.h, c.c, c.kept = <char*>data(self.h), <char*>data(self.states), <char*>data(self.kept)
        measure(c)
        self.work = borrow((self.team * c.scratch_size,), np.uint8)
        c.scratch = <char*>data(self.work)

    def finish(self):
        """(y, sT, what Backward needs)."""
        layout = self.x.layout
        give_back(self.work)
        if self.training:
            final = layout.final
            sT = (self.h[final],) if self.states is None else (self.h[final], self.states[final])
            return self.y, sT, (self.x, (self.h, self.states, self.kept, self.mask, self.p, False))
        last = self.h[layout.lengths & 1, np.arange(layout.B)]
        give_back(self.h, self.kept)
        return self.y, (last,) if self.states is None else (last, self.states), None


cdef class Backward:
    """A backward pass; dy [., H] may have rows further apart than H.

    dy_at : int64 [N], where the row of a step stands among those of dy; None: where it is
    x_at : int64 [N], where it stands among the rows of x
    into : gradients that are gone on from, by name, or None
    """

    cdef Call c
    cdef Gradients g
    cdef Panels p
    cdef object params, layout, h, states, kept, dx, ds, grads, work, read, held
    cdef int team, collectors
    cdef bint ours, moved

    def __init__(self, int cell, params, cache, dy, dsT, int threads, x_at=None, dy_at=None, into=None):
        x, (h, states, kept, mask, panels, ours) = cache
        self.p, self.params, self.layout, self.h, self.states, self.ours = panels, params, x.layout, h, states, ours
        layout = x.layout
        cdef const Form* form = self.p.form
        cdef Py_ssize_t B = layout.B, N = layout.N, H = self.p.units, P = self.p.width, I = self.p.inputs
        cdef Py_ssize_t G = form.gates * H
        cdef Call* c = &self.c
        cdef Gradients* g = &self.g
        describe(c, self.p, layout.T, B, N)
        dtype = h.dtype
        steps, offsets = layout.steps, layout.offsets
        c.steps, c.offsets = <const int64_t*>data(steps), <const int64_t*>data(offsets)
        if dy is not None and (dy.strides[1] != dy.itemsize or dy.strides[0] % dy.itemsize or dy.strides[0] < 0):
            dy = np.ascontiguousarray(dy)
        rows, ids = split(x, True), split(x, False)
        c.at_dy.index = <const int64_t*>data(dy_at)
        if x_at is not None:  # the rows that stand beside those of the history
            rows, ids = (None if a is None else a[x_at] for a in (rows, ids))
        self.held = dy, rows, ids, steps, offsets, mask, dy_at
        self.ds = [
            np.zeros((B, n), dtype) if d is None else np.array(d, dtype, order="C")
            for d, n in zip(dsT or (None,) * (1 + form.memory), (P, H))
        ]
        self.kept = borrow((N, c.kept_row), dtype) if kept is None else kept
        c.mask, c.dy = data(mask), data(dy)
        c.h, c.c, c.kept = <char*>data(h), <char*>data(states), <char*>data(self.kept)
        c.dy_row = P if dy is None else dy.strides[0] // dy.itemsize
        c.dh, c.dc = <char*>data(self.ds[0]), <char*>data(self.ds[1] if form.memory else None)
        self.team = plan(c, c.chain.panels, threads)
        wanted = rows is not None and x.gradient
        self.p.backward_panels(wanted, self.team)
        c.W_chain, c.W_through, c.extra = self.p.W_chain, self.p.W_through, self.p.extra
        c.scratch_size = (B * max(H, P) * c.word if mask is not None or halves_of(form) > 1 else 0) // 64 * 64 + 64
        # What the recurrent product of each row read: the history, but for the rows that moved.
        self.moved = N != B * layout.T or mask is not None
        self.read = h[:N]
        if self.moved:
            self.read = borrow((N, P), dtype)
            np.take(h, layout.before, axis=0, out=self.read, mode="clip")  # "raise" would copy `out` first
            if mask is not None:
                self.read *= mask[layout.sequence]
        self.dx = np.empty((N, I), dtype) if wanted else None
        self.grads, adds = begun(params, NAMES[cell], into)
        g.engine, g.word, g.N, g.ld, g.dgates, g.matrices = c.engine, c.word, N, c.kept_row, c.kept, 2
        g.sums.blocks = 0
        g.dx, g.W_dx, g.out, g.dx_column = self.p.dx, self.p.W_dx, data(self.dx), 0
        cdef Py_ssize_t i, gate
        for i in range(2):  # gates that lie side by side are one
            g.matrix[i].units, g.matrix[i].gates, g.matrix[i].ids, g.matrix[i].db = G, 1, NULL, NULL
            g.matrix[i].column[0], g.matrix[i].adds = 0, adds
        g.matrix[0].inputs, g.matrix[0].x, g.matrix[0].ids = I, data(rows), <const int64_t*>data(ids)
        g.matrix[1].inputs, g.matrix[1].x = P, data(self.read)
        g.matrix[0].row, g.matrix[1].row = I, P
        g.matrix[0].dW, g.matrix[1].dW = data(self.grads["W_ih"]), data(self.grads["W_hh"])
        if cell == GRU:  # kept: dq_n dr dz dp_n
            g.dx_column = g.matrix[0].column[0] = H
            g.matrix[1].units, g.matrix[1].gates = H, 3
            for gate in range(3):
                g.matrix[1].column[gate] = (gate + 1) % 3 * H
            g.matrix[0].db, g.matrix[1].db = data(self.grads["b_ih"]), data(self.grads["b_hh"])
        else:
            g.matrix[0].db = data(self.grads["b"])
        if halves_of(form) > 1:  # kept: what the second half read, dgates and, where it projects, the gradient of h
            g.matrices, g.dx_column, g.matrix[0].column[0], g.matrix[1].column[0] = 3, c.chained, c.chained, c.chained
            g.matrix[2], g.matrix[2].units, g.matrix[2].inputs = g.matrix[1], P, H
            g.matrix[2].x, g.matrix[2].row, g.matrix[2].column[0] = c.kept, c.kept_row, c.through_from
            g.matrix[1].units = c.chain.k
            g.matrix[2].dW = <char*>g.matrix[1].dW + c.chain.k * H * c.word
            if form.projects:
                g.matrix[2].dW = data(self.grads["W_hr"])
        if "p" in self.grads:  # i and f look at the c before, o at the c after
            g.sums.blocks, g.sums.units, g.sums.out, g.sums.adds = form.extra, H, data(self.grads["p"]), adds
            before = layout.before if N != B * layout.T else None
            self.held = self.held, before
            for i in range(form.extra):
                g.sums.by[i], g.sums.index[i], g.sums.column[i] = c.c, <const int64_t*>data(before), i * H
            g.sums.by[i], g.sums.index[i] = c.c + B * H * c.word, NULL
            g.sums.column[i] = (form.gates - 1) * H
        prepare(g)
        self.collectors = 1 if N * G * (I + H) < FEW_MULTIPLY_ADDS else threads
        self.work = borrow((max(self.team * c.scratch_size, self.collectors * g.scratch_size),), np.uint8)
        c.scratch = g.scratch = <char*>data(self.work)

    def finish(self):
        """(dx, ds0, dparams), after the weights' gradients are collected."""
        with nogil:
            collect(&self.g, self.collectors)
        if self.moved:
            give_back(self.read)
        give_back(self.work, self.kept, self.states, self.h if self.ours else None)
        return self.dx, tuple(self.ds), self.grads


cdef void run_backward(Call* c, int threads) noexcept:
    cdef Relay relay
    memset(&relay, 0, sizeof(Relay))
    c.relay = &relay
    with nogil:
        if threads == 1:
            backward_pass(c, 0)
        else:
            with parallel(num_threads=threads):
                backward_pass(c, threadid())


cdef bint apart(const Call* c, int threads) noexcept:
    """Whether two such passes run beside each other: where one alone would share its units, or its few rows."""
    return threads > 1 and 2 * work_of(c) >= FEW_MULTIPLY_ADDS and c.B <= APART


cdef void beside(Call* one, Call* two, bint backwards) noexcept:
    """Both at once, each in one share; one thread runs them one after the other."""
    cdef Call* calls[2]
    cdef int k
    calls[0], calls[1] = one, two
    for k in range(2):
        calls[k].shares, calls[k].by_units = 1, calls[k].T
    for k in prange(2, nogil=True, num_threads=2, schedule="dynamic", chunksize=1):
        if backwards:
            backward_pass(calls[k], 0)
        else:
            forward_pass(calls[k], 0)


def forward(int cell, params, x, s0, training, h_mask, int threads, bint last=False):
    """See `fastrnn.cells.cell.Cell`; `threads` is the largest team to use and changes no bit.

    last : y is None in inference
    """
    cdef Forward f = Forward(cell, params, x, s0, training, h_mask, threads, None, None, None, 0, last)
    run_forward(&f.c, f.team)
    return f.finish()


def backward(int cell, params, cache, dy, dsT, int threads, into=None):
    """See `fastrnn.cells.cell.Cell`.  Overwrites what the cache kept, which is used once.

    into : gradients of the steps after these, to go on from; they are what comes back
    """
    cdef Backward b = Backward(cell, params, cache, dy, dsT, threads, None, None, into)
    run_backward(&b.c, b.team)
    return b.finish()


def forward_at(int cell, params, x, s0, training, x_at, y_at, y, int threads):
    """As `forward`, with y written into rows y_at of the caller's y and, in inference, x read from rows x_at of x.rows.

    Returns (sT, cache).
    """
    cdef Forward f = Forward(cell, params, x, s0, training, None, threads, None if training else x_at, y_at, y)
    run_forward(&f.c, f.team)
    return f.finish()[1:]


def backward_at(int cell, params, cache, dy, dy_at, dsT, int threads):
    """As `backward`, with dy read from rows dy_at."""
    cdef Backward b = Backward(cell, params, cache, dy, dsT, threads, None, dy_at)
    run_backward(&b.c, b.team)
    return b.finish()


def forward_both(int cell, params, x, s0, training, masks, int threads):
    """Both directions: (y [N, 2H], two sT, two caches); params, s0, masks are pairs, the second of the way back.

    y has both outputs side by side, in the order of x.
    """
    H = params[0]["W_hh"].shape[1]
    y = np.empty((x.layout.N, 2 * H), params[0]["W_hh"].dtype)
    cdef Forward one = Forward(cell, params[0], x, s0[0], training, masks[0], threads, None, None, y, 0)
    back = x.layout.reversal
    cdef Forward two = Forward(cell, params[1], x, s0[1], training, masks[1], threads, back, back, y, H)
    if apart(&one.c, threads):
        beside(&one.c, &two.c, False)
    else:
        run_forward(&one.c, one.team)
        run_forward(&two.c, two.team)
    _, s_one, c_one = one.finish()
    _, s_two, c_two = two.finish()
    return y, (s_one, s_two), (c_one, c_two)


def backward_both(int cell, params, caches, dy, dsT, int threads):
    """(dx, two ds0, two dparams) for `forward_both`; dy is a pair [N, H], both in the order of x."""
    cdef Backward one = Backward(cell, params[0], caches[0], dy[0], dsT[0], threads)
    layout = one.layout
    cdef Backward two = Backward(
        cell, params[1], caches[1], dy[1], dsT[1], threads, layout.reversal, layout.reversal
    )
    if apart(&one.c, threads):
        beside(&one.c, &two.c, True)
    else:
        run_backward(&one.c, one.team)
        run_backward(&two.c, two.team)
    dx, ds_one, grads_one = one.finish()
    back, ds_two, grads_two = two.finish()
    if dx is not None:
        dx += back[layout.reversal]
    return dx, (ds_one, ds_two), (grads_one, grads_two)
