"""What the kernels of all recurrences share: arrays in, arrays out.  `lstm.pyx` and its siblings name the cell."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cython.parallel cimport parallel, threadid
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy, memset

import numpy as np

from ._memory import borrow, give_back

cimport numpy as cnp

from ._engine cimport GRU, LSTM, RNN_RELU, RNN_TANH, Engine, engine
from ._gradients cimport Gradients, collect, prepare
from ._panels cimport Panels, shape_of
from ._recurrence cimport Call, backward_share, forward_share

cnp.import_array()

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #else
    #define omp_get_num_threads() 1
    #endif
    """
    int omp_get_num_threads() nogil

cdef enum:
    CHUNK = 96                   # rows projected at a time, so that they are still in cache when the step reads them
    FEW_MULTIPLY_ADDS = 4000000  # below, waking a second thread costs more than it brings
    STEP_MULTIPLY_ADDS = 60000   # of one step: below, a barrier costs more than a second thread brings
    CACHE = 800000               # bytes of weights that stay in a core's own cache beside everything else
    SMALL = 65536                # bytes below which the C library keeps memory by itself
    BRIEF = 2000000              # multiply-adds, some 20 microseconds, for which the GIL is kept

NAMES = {LSTM: ("W_ih", "W_hh", "b"), GRU: ("W_ih", "W_hh", "b_ih", "b_hh"),
         RNN_TANH: ("W_ih", "W_hh", "b"), RNN_RELU: ("W_ih", "W_hh", "b")}


cdef Panels panels_of(int cell, object params):
    """The panels that `params` keeps (fastrnn.Weights), or new ones."""
    if type(params) is dict:
        return Panels(cell, tuple([np.ascontiguousarray(params[name]) for name in NAMES[cell]]))
    kept = getattr(params, "panels", None)
    if kept is None:
        kept = Panels(cell, tuple([np.ascontiguousarray(params[name]) for name in NAMES[cell]]))
        if hasattr(params, "panels"):
            params.panels = kept
    return kept


def weights_of(int cell, params):
    """The panels of `params`, for whoever keeps them."""
    return panels_of(cell, params)


cdef inline Py_ssize_t work_of(const Call* c) noexcept:
    """Multiply-adds of a forward pass."""
    return c.N * c.ih.gates * c.units * (c.inputs + c.units)


cdef int plan(Call* c, Py_ssize_t panels, int threads) noexcept:
    """The team for this call; sets by_units."""
    cdef Py_ssize_t G = c.ih.gates * c.units, enough = 2 * threads, step
    cdef Py_ssize_t t, T = c.T
    c.by_units = T
    if threads == 1 or T == 0 or work_of(c) < FEW_MULTIPLY_ADDS:
        return 1
    if G * c.units * c.word > CACHE:
        enough = 6 * threads  # so few rows that the weights' way into the cache is what takes time
    if panels >= threads:
        if c.steps == NULL:
            if c.B < enough and c.B * G * c.units >= STEP_MULTIPLY_ADDS:
                c.by_units = 0
        else:
            while c.by_units and c.steps[c.by_units - 1] < enough and \
                    c.steps[c.by_units - 1] * G * c.units >= STEP_MULTIPLY_ADDS:
                c.by_units -= 1
    if c.B == 1 and c.by_units == T:
        return 1
    return threads


cdef void describe(Call* c, Panels p, Py_ssize_t T, Py_ssize_t B, Py_ssize_t N) noexcept:
    memset(c, 0, sizeof(Call))
    c.engine, c.cell, c.word = p.engine, p.cell, p.word
    c.T, c.B, c.N, c.inputs, c.units = T, B, N, p.inputs, p.units
    c.hh, c.ih, c.chain = p.hh, p.ih, p.chain
    c.at_x.along_b = c.at_y.along_b = c.at_dy.along_b = 1
    c.y_row = p.units
    c.kept_row = p.units if p.gates == 1 else 4 * p.units


cdef void run_forward(Call* c, int threads) noexcept:
    if work_of(c) < BRIEF:
        forward_share(c, 0, 1)
    elif threads == 1:
        with nogil:
            forward_share(c, 0, 1)
    else:
        with nogil, parallel(num_threads=threads):
            forward_share(c, threadid(), omp_get_num_threads())


cdef inline bint same_shape(object a, Py_ssize_t B, Py_ssize_t H) noexcept:
    return cnp.PyArray_DIM(<cnp.ndarray>a, 0) == B and cnp.PyArray_DIM(<cnp.ndarray>a, 1) == H


cdef void measure(Call* c) noexcept:
    """Rows projected at a time, and a thread's scratch."""
    cdef Py_ssize_t W = c.engine.lanes, width = c.ih.panels * c.ih.group * W
    cdef Py_ssize_t most = c.B if c.B > CHUNK else min(<Py_ssize_t>CHUNK, max(c.N, <Py_ssize_t>1))
    c.chunk = most
    c.scratch_size = most * (width + c.inputs) * c.word
    if c.mask != NULL:
        c.scratch_size += c.B * (c.units * c.word + 64)
    c.scratch_size = (c.scratch_size + 127) // 64 * 64


cdef object room_of(Py_ssize_t size, char** start):
    """An object that owns `size` bytes, the first of which starts a cache line."""
    owner = PyBytes_FromStringAndSize(NULL, size + 64) if size < SMALL else borrow((size,), np.uint8)
    cdef char* first = PyBytes_AS_STRING(owner) if size < SMALL else <char*>data(owner)
    start[0] = <char*>((<uintptr_t>first + 63) // 64 * 64)
    return owner


cdef bint fits(int cell, dict params, int kind):
    """Whether `params` has the cell's names, and arrays that can be read as they lie."""
    cdef Py_ssize_t gates = 4 if cell == LSTM else 3 if cell == GRU else 1, H
    names = NAMES[cell]
    if len(params) != len(names):
        return False
    for name in names:
        array = params.get(name)
        if array is None or not is_array(array, kind, 2 if name[0] == "W" else 1):
            return False
    H = cnp.PyArray_DIM(<cnp.ndarray>params["W_hh"], 1)
    for name in names:
        if cnp.PyArray_DIM(<cnp.ndarray>params[name], 0) != gates * H:
            return False
    return H > 0


cdef inline void set_or_zero(char* out, const void* values, Py_ssize_t size) noexcept:
    if values != NULL:
        memcpy(out, values, size)
    else:
        memset(out, 0, size)


def plain(int cell, x, params, state, bint time_major, bint y_time_major, bint training, threads, count):
    """Arrays as they lie, without a layout: (y, state, what backward needs), or None where an argument is not that plain.

    It checks what it needs and explains nothing: whoever gets None takes the long way, which does.  How many threads
    there are is asked, count(threads), only where more than one would help.
    """
    cdef int kind = cnp.NPY_FLOAT
    cdef Panels p
    cdef Call c
    cdef cnp.npy_intp shape[3]
    cdef Py_ssize_t T, B, H, size, i
    if not is_array(x, kind, 3):
        kind = cnp.NPY_DOUBLE
        if not is_array(x, kind, 3):
            return None
    T = cnp.PyArray_DIM(<cnp.ndarray>x, 0 if time_major else 1)
    B = cnp.PyArray_DIM(<cnp.ndarray>x, 1 if time_major else 0)
    kept = None
    if type(params) is dict:
        if not fits(cell, params, kind):
            return None
        p = panels_of(cell, params)
    else:
        kept = getattr(params, "panels", None)
        if kept is None:
            return None
        p = kept
    H = p.units
    if p.wide != (kind == cnp.NPY_DOUBLE) or p.gates != (4 if cell == LSTM else 3 if cell == GRU else 1):
        return None
    if cnp.PyArray_DIM(<cnp.ndarray>x, 2) != p.inputs or T == 0 or B == 0 or p.inputs == 0:
        return None
    cdef const void* h0 = NULL
    cdef const void* c0 = NULL
    if state is not None:
        h_state = state
        if cell == LSTM:
            if not isinstance(state, (tuple, list)) or len(state) != 2:
                return None
            h_state, c_state = state
            if not is_array(c_state, kind, 2) or not same_shape(c_state, B, H):
                return None
            c0 = data(c_state)
        if not is_array(h_state, kind, 2) or not same_shape(h_state, B, H):
            return None
        h0 = data(h_state)
    describe(&c, p, T, B, T * B)
    c.cell = cell
    c.x = data(x)
    if not time_major:
        c.at_x.along_t, c.at_x.along_b = 1, T
    if not y_time_major:
        c.at_y.along_t, c.at_y.along_b = 1, T
    cdef int team = 1
    if work_of(&c) >= FEW_MULTIPLY_ADDS:
        team = plan(&c, c.hh.panels, count(threads))
    p.forward_panels(False, team)
    c.W_hh, c.W_ih, c.bias, c.bias_n = p.W_hh, p.W_ih, p.bias, p.bias_n
    shape[0], shape[1], shape[2] = (T if y_time_major else B), (B if y_time_major else T), H
    y = cnp.PyArray_EMPTY(3, shape, kind, 0)
    shape[0], shape[1] = B, H
    last = cnp.PyArray_EMPTY(2, shape, kind, 0)
    c.y = <char*>data(y)
    size = B * H * c.word
    states = cnp.PyArray_EMPTY(2, shape, kind, 0) if cell == LSTM else None
    measure(&c)
    cdef char* start
    cdef Py_ssize_t end = (T & 1) * size  # where the last state will be
    h = histories = gates = None
    if training:
        dtype = np.float64 if p.wide else np.float32
        end = T * B * H * c.word
        h = borrow((B + T * B, H), dtype)
        histories = borrow((B + T * B, H), dtype) if cell == LSTM else None
        gates = borrow((T * B, 4 * H), dtype) if p.gates > 1 else None
        owner = room_of(team * c.scratch_size, &start)
        c.training, c.h, c.c, c.kept, c.scratch = True, <char*>data(h), <char*>data(histories), <char*>data(gates), start
    else:
        owner = room_of(2 * size + 64 + team * c.scratch_size, &start)
        c.h, c.c, c.scratch = start, <char*>data(states), start + (2 * size + 63) // 64 * 64
    set_or_zero(c.h, h0, size)
    if cell == LSTM:
        set_or_zero(c.c, c0, size)
    run_forward(&c, team)
    memcpy(data(last), c.h + end, size)
    if training and cell == LSTM:
        memcpy(data(states), c.c + end, size)
    if type(owner) is not bytes:
        give_back(owner)
    if kept is None and not training:
        p.give_back()
    found = last if cell != LSTM else (last, states)
    return y, found, (h, histories, gates, None, p, True) if training else None


def forward(int cell, params, x, s0, training, h_mask, int threads):
    """See `fastrnn.cells.cell.Cell`; `threads` is the largest team to use and changes no bit."""
    layout = x.layout
    cdef Panels p = panels_of(cell, params)
    cdef Call c
    cdef Py_ssize_t B = layout.B, N = layout.N, T = layout.T, H = p.units
    describe(&c, p, T, B, N)
    ids = rows = None
    if x.depth is None:
        rows = np.ascontiguousarray(x.rows)
    else:
        ids = np.ascontiguousarray(x.rows, np.int64)
    steps, offsets = layout.steps, layout.offsets
    c.steps, c.offsets = <const int64_t*>data(steps), <const int64_t*>data(offsets)
    mask = None if h_mask is None else np.ascontiguousarray(h_mask)
    W_given = p.given[0]
    c.x, c.ids, c.W_given, c.mask = data(rows), <const int64_t*>data(ids), data(W_given), data(mask)
    cdef int team = plan(&c, c.hh.panels, threads)
    p.forward_panels(ids is not None and p.inputs > 4 * N, team)
    c.W_hh, c.W_ih, c.bias, c.bias_n = p.W_hh, p.W_ih, p.bias, p.bias_n
    dtype = params["W_hh"].dtype
    kept = states = None
    if training:
        h = np.empty((B + N, H), dtype)
        h[:B] = s0[0]
        y = h[B:]
        if cell == LSTM:
            states = borrow((B + N, H), dtype)
            states[:B] = s0[1]
        if p.gates > 1:
            kept = borrow((N, 4 * H), dtype)
        c.training = True
    else:
        h = borrow((2, B, H), dtype)
        h[0] = s0[0]
        if cell == LSTM:
            states = np.array(s0[1], dtype, order="C")
        y = np.empty((N, H), dtype)
        c.y = <char*>data(y)
    c.h, c.c, c.kept = <char*>data(h), <char*>data(states), <char*>data(kept)
    measure(&c)
    work = borrow((team * c.scratch_size,), np.uint8)
    c.scratch = <char*>data(work)
    run_forward(&c, team)
    give_back(work)
    if type(params) is dict and not training:
        p.give_back()
    if training:
        final = layout.final
        sT = (h[final],) if cell != LSTM else (h[final], states[final])
        return y, sT, (x, (h, states, kept, mask, p, False))
    last = h[layout.lengths & 1, np.arange(B)]
    give_back(h)
    return y, (last,) if cell != LSTM else (last, states), None


def backward(int cell, params, cache, dy, dsT, int threads):
    """See `fastrnn.cells.cell.Cell`.  Overwrites what the cache kept, which is used once."""
    x, (h, states, kept, mask, panels, ours) = cache
    cdef Panels p = panels
    layout = x.layout
    cdef Call c
    cdef Gradients g
    cdef Py_ssize_t B = layout.B, N = layout.N, H = p.units, I = p.inputs, G = p.gates * H
    describe(&c, p, layout.T, B, N)
    dtype = h.dtype
    steps, offsets = layout.steps, layout.offsets
    c.steps, c.offsets = <const int64_t*>data(steps), <const int64_t*>data(offsets)
    dy = None if dy is None else np.ascontiguousarray(dy)
    ids = rows = None
    if x.depth is None:
        rows = np.ascontiguousarray(x.rows)
    else:
        ids = np.ascontiguousarray(x.rows, np.int64)
    ds = [
        np.zeros((B, H), dtype) if d is None else np.array(d, dtype, order="C")
        for d in dsT or (None,) * (2 if cell == LSTM else 1)
    ]
    if kept is None:
        kept = borrow((N, H), dtype)
    c.mask, c.h, c.c, c.kept, c.dy = data(mask), <char*>data(h), <char*>data(states), <char*>data(kept), data(dy)
    c.dh, c.dc = <char*>data(ds[0]), <char*>data(ds[1] if cell == LSTM else None)
    cdef int team = plan(&c, c.chain.panels, threads)
    p.backward_panels(rows is not None and x.gradient, team)
    c.W_chain = p.W_chain
    c.scratch_size = (B * H * c.word if mask is not None else 0) // 64 * 64 + 64
    # What the recurrent product of each row read: the history, but for the rows that moved.
    read = h[:N]
    if N != B * layout.T or mask is not None:
        read = borrow((N, H), dtype)
        np.take(h, layout.before, axis=0, out=read, mode="clip")  # "raise" would take a copy of `out` first
        if mask is not None:
            read *= mask[layout.sequence]
    dx = np.empty((N, I), dtype) if rows is not None and x.gradient else None
    grads = {name: np.empty(params[name].shape, dtype) for name in NAMES[cell]}
    g.engine, g.word, g.N, g.ld, g.dgates, g.matrices = c.engine, c.word, N, c.kept_row, c.kept, 2
    g.dx, g.W_dx, g.out, g.dx_column = p.dx, p.W_dx, data(dx), 0
    cdef Py_ssize_t i, gate
    for i in range(2):  # gates that lie side by side are one
        g.matrix[i].units, g.matrix[i].gates, g.matrix[i].ids, g.matrix[i].db = G, 1, NULL, NULL
        g.matrix[i].column[0], g.matrix[i].adds = 0, False
    g.matrix[0].inputs, g.matrix[0].x, g.matrix[0].ids = I, data(rows), <const int64_t*>data(ids)
    g.matrix[1].inputs, g.matrix[1].x = H, data(read)
    g.matrix[0].dW, g.matrix[1].dW = data(grads["W_ih"]), data(grads["W_hh"])
    if cell == GRU:  # kept: dq_n dr dz dp_n
        g.dx_column = g.matrix[0].column[0] = H
        g.matrix[1].units, g.matrix[1].gates = H, 3
        for gate in range(3):
            g.matrix[1].column[gate] = (gate + 1) % 3 * H
        g.matrix[0].db, g.matrix[1].db = data(grads["b_ih"]), data(grads["b_hh"])
    else:
        g.matrix[0].db = data(grads["b"])
    prepare(&g)
    cdef int collectors = 1 if N * G * (I + H) < FEW_MULTIPLY_ADDS else threads
    work = borrow((max(team * c.scratch_size, collectors * g.scratch_size),), np.uint8)
    c.scratch = g.scratch = <char*>data(work)
    with nogil:
        if team == 1:
            backward_share(&c, 0, 1)
        else:
            with parallel(num_threads=team):
                backward_share(&c, threadid(), omp_get_num_threads())
        collect(&g, collectors)
    if N != B * layout.T or mask is not None:
        give_back(read)
    give_back(work, kept, states, h if ours else None)
    if type(params) is dict:
        p.give_back()
    return dx, tuple(ds), grads
