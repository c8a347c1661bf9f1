"""What the kernels of all recurrences share: arrays in, arrays out.  `lstm.pyx` and its siblings name the cell."""

from cython.parallel cimport parallel, threadid
from libc.string cimport memcpy, memset

import numpy as np

from ._memory import borrow, give_back

cimport numpy as cnp

from ._engine cimport (
    FEW_MULTIPLY_ADDS,
    GRU,
    GRU_BEFORE,
    LSTM,
    LSTM_COUPLED,
    LSTM_PEEPHOLE,
    LSTM_PEEPHOLE_COUPLED,
    LSTM_PROJECTED,
    RNN_RELU,
    RNN_TANH,
    SHARES,
    Form,
    Relay,
    form_of,
    halves_of,
)
from ._memory cimport data, room_of
from ._panels cimport Panels
from ._recurrence cimport PAD, Call, forward_pass

cnp.import_array()

cdef enum:
    CHUNK = 96                   # rows projected at a time, so that they are still in cache when the step reads them
    HALF_MULTIPLY_ADDS = 60000  # of a step, or of a half: below, waiting for each other costs more than it brings
    CACHE = 800000               # bytes of weights that stay in a core's own cache beside everything else
    BRIEF = 2000000              # multiply-adds, some 20 microseconds, for which the GIL is kept

NAMES = {
    **dict.fromkeys((RNN_TANH, RNN_RELU, LSTM, LSTM_COUPLED, GRU_BEFORE), ("W_ih", "W_hh", "b")),
    **dict.fromkeys((LSTM_PEEPHOLE, LSTM_PEEPHOLE_COUPLED), ("W_ih", "W_hh", "b", "p")),
    LSTM_PROJECTED: ("W_ih", "W_hh", "b", "W_hr"),
    GRU: ("W_ih", "W_hh", "b_ih", "b_hh"),
}


cdef Panels panels_of(int cell, object params):
    """The panels that `params` keeps (fastrnn.Weights), or new ones."""
    keeps = type(params) is not dict and getattr(params, "keeps_panels", False)
    found = params.panels if keeps else None
    if found is None or (<Panels>found).cell != cell:
        found = Panels(cell, tuple([np.ascontiguousarray(params[name]) for name in NAMES[cell]]))
        if keeps:
            params.panels = found
    return found


cdef int plan(Call* c, Py_ssize_t panels, int threads) noexcept:
    """The team for this call; sets shares and by_units."""
    cdef Py_ssize_t weights = (c.ih.gates + c.form.projects) * c.units * c.width, enough = 2 * threads, T = c.T
    cdef Py_ssize_t least = HALF_MULTIPLY_ADDS * halves_of(c.form)  # of a step
    c.by_units, c.shares, threads = T, 1, min(threads, <int>SHARES)
    if threads == 1 or T == 0 or work_of(c) < FEW_MULTIPLY_ADDS:
        return 1
    if weights * c.word > CACHE:
        enough = 6 * threads  # so few rows that the weights' way into the cache is what takes time
    if panels >= threads:
        if c.steps == NULL:
            if c.B < enough and c.B * weights >= least:
                c.by_units = 0
        else:
            while c.by_units and c.steps[c.by_units - 1] < enough and c.steps[c.by_units - 1] * weights >= least:
                c.by_units -= 1
    if c.B > 1 or c.by_units < T:
        c.shares = threads
    return c.shares


cdef void describe(Call* c, Panels p, Py_ssize_t T, Py_ssize_t B, Py_ssize_t N) noexcept:
    memset(c, 0, sizeof(Call))
    c.engine, c.cell, c.form, c.word = p.engine, p.cell, p.form, p.word
    c.T, c.B, c.N, c.inputs, c.units, c.width = T, B, N, p.inputs, p.units, p.width
    c.shares, c.by_units = 1, T
    c.hh, c.second, c.ih, c.chain, c.through = p.hh, p.second, p.ih, p.chain, p.through
    c.at_x.along_b = c.at_y.along_b = c.at_dy.along_b = 1
    c.y_row = p.width
    c.kept_row = p.form.kept * p.units + p.form.projects * p.width
    c.chained = (p.form.late + p.form.projects) * p.units
    c.through_from = (p.form.kept - p.form.late) * p.units


cdef void lend(Call* c, Panels p) noexcept:
    """What a forward pass reads of the panels, when they are packed."""
    c.W_hh, c.W_second, c.W_ih, c.bias, c.extra = p.W_hh, p.W_second, p.W_ih, p.bias, p.extra


cdef void run_forward(Call* c, int threads) noexcept:
    cdef Relay relay
    if work_of(c) < BRIEF:
        forward_pass(c, 0)
    elif threads == 1:
        with nogil:
            forward_pass(c, 0)
    else:
        memset(&relay, 0, sizeof(Relay))
        c.relay = &relay
        with nogil, parallel(num_threads=threads):
            forward_pass(c, threadid())


cdef inline bint same_shape(object a, Py_ssize_t B, Py_ssize_t H) noexcept:
    return cnp.PyArray_DIM(<cnp.ndarray>a, 0) == B and cnp.PyArray_DIM(<cnp.ndarray>a, 1) == H


cdef void measure(Call* c) noexcept:
    """Rows projected at a time, and a share's scratch."""
    cdef Py_ssize_t W = c.engine.lanes, width = c.ih.panels * c.ih.group * W
    cdef Py_ssize_t most = c.B if c.B > CHUNK else min(<Py_ssize_t>CHUNK, max(c.N, <Py_ssize_t>1))
    c.chunk = most
    c.scratch_size = most * (width + c.inputs) * c.word
    if c.mask != NULL:
        c.scratch_size += c.B * (c.width * c.word + PAD)
    c.scratch_size = (c.scratch_size + 127) // 64 * 64


cdef bint fits(int cell, dict params, int kind):
    """Whether `params` has the cell's names, and arrays that can be read as they lie."""
    cdef const Form* form = form_of(cell)
    cdef Py_ssize_t H, P
    names = NAMES[cell]
    if len(params) != len(names):
        return False
    for name in names:
        array = params.get(name)
        if array is None or not is_array(array, kind, 2 if name[0] == "W" else 1):
            return False
    P = cnp.PyArray_DIM(<cnp.ndarray>params["W_hh"], 1)
    H = cnp.PyArray_DIM(<cnp.ndarray>params["W_hh"], 0) // form.gates
    for name in names:
        if name == "W_hr":
            if not same_shape(params[name], P, H):
                return False
        elif cnp.PyArray_DIM(<cnp.ndarray>params[name], 0) != (form.extra if name == "p" else form.gates) * H:
            return False
    return H > 0 and (P == H or form.projects)


cdef inline void set_or_zero(char* out, const void* values, Py_ssize_t size) noexcept:
    if values != NULL:
        memcpy(out, values, size)
    else:
        memset(out, 0, size)


def plain(int cell, x, params, state, bint time_major, bint y_time_major, bint training, threads, count,
          bint last_alone=False):
    """Arrays as they lie, without a layout: (y, state, what backward needs).  None where an argument is not that plain.

    last_alone : y is None

    It checks what it needs and explains nothing: whoever gets None takes the long way, which does.  How many threads
    there are is asked, count(threads), only where more than one would help.
    """
    cdef int kind = cnp.NPY_FLOAT
    cdef Panels p
    cdef Call c
    cdef cnp.npy_intp shape[3]
    cdef Py_ssize_t T, B, H, P, size, line, met
    cdef bint memory = form_of(cell).memory
    if not is_array(x, kind, 3):
        kind = cnp.NPY_DOUBLE
        if not is_array(x, kind, 3):
            return None
    T = cnp.PyArray_DIM(<cnp.ndarray>x, 0 if time_major else 1)
    B = cnp.PyArray_DIM(<cnp.ndarray>x, 1 if time_major else 0)
    if type(params) is dict:
        if not fits(cell, params, kind):
            return None
        p = panels_of(cell, params)
    else:
        if not getattr(params, "keeps_panels", False) or params.panels is None:
            return None
        p = params.panels
    H, P = p.units, p.width
    if p.wide != (kind == cnp.NPY_DOUBLE) or p.cell != cell:
        return None
    if cnp.PyArray_DIM(<cnp.ndarray>x, 2) != p.inputs or T == 0 or B == 0 or p.inputs == 0:
        return None
    cdef const void* h0 = NULL
    cdef const void* c0 = NULL
    if state is not None:
        h_state = state
        if memory:
            if not isinstance(state, (tuple, list)) or len(state) != 2:
                return None
            h_state, c_state = state
            if not is_array(c_state, kind, 2) or not same_shape(c_state, B, H):
                return None
            c0 = data(c_state)
        if not is_array(h_state, kind, 2) or not same_shape(h_state, B, P):
            return None
        h0 = data(h_state)
    describe(&c, p, T, B, T * B)
    c.x = data(x)
    if not time_major:
        c.at_x.along_t, c.at_x.along_b = 1, T
    if not y_time_major:
        c.at_y.along_t, c.at_y.along_b = 1, T
    cdef int team = 1
    if work_of(&c) >= FEW_MULTIPLY_ADDS:
        team = plan(&c, c.hh.panels, count(threads))
    p.forward_panels(False, team)
    lend(&c, p)
    shape[0], shape[1], shape[2] = (T if y_time_major else B), (B if y_time_major else T), P
    y = None if last_alone else cnp.PyArray_EMPTY(3, shape, kind, 0)
    shape[0], shape[1] = B, P
    last = cnp.PyArray_EMPTY(2, shape, kind, 0)
    shape[1] = H
    c.y = <char*>data(y)
    size, line = B * P * c.word, B * H * c.word
    states = cnp.PyArray_EMPTY(2, shape, kind, 0) if memory else None
    measure(&c)
    cdef char* start
    cdef Py_ssize_t end = (T & 1) * size  # where the last state will be
    h = histories = gates = None
    if training:
        dtype = np.float64 if p.wide else np.float32
        end = T * size
        h = borrow((B + T * B, P), dtype)
        histories = borrow((B + T * B, H), dtype) if memory else None
        gates = borrow((T * B, c.kept_row), dtype) if p.form.gates > 1 else None
        owner = room_of(team * c.scratch_size, &start)
        c.training, c.scratch = True, start
        c.h, c.c, c.kept = <char*>data(h), <char*>data(histories), <char*>data(gates)
    else:
        met = 2 * size + (B * c.kept_row * c.word if halves_of(p.form) > 1 else 0)
        owner = room_of(met + 64 + team * c.scratch_size, &start)
        c.h, c.c, c.scratch = start, <char*>data(states), start + (met + 63) // 64 * 64
        c.kept = start + 2 * size if halves_of(p.form) > 1 else NULL
    set_or_zero(c.h, h0, size)
    if memory:
        set_or_zero(c.c, c0, line)
    run_forward(&c, team)
    memcpy(data(last), c.h + end, size)
    if training and memory:
        memcpy(data(states), c.c + T * line, line)
    if type(owner) is not bytes:  # to call would cost as much as the step of a small model
        give_back(owner)
    found = (last, states) if memory else last
    return y, found, (h, histories, gates, None, p, True) if training else None
