"""One step at a time: everything a step needs is there before it comes."""

from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy

import numpy as np

cimport numpy as cnp

from ._doors cimport describe, is_array, lend, measure, panels_of, plan, run_forward
from ._engine cimport Form, form_of, halves_of
from ._memory cimport data
from ._panels cimport Panels
from ._recurrence cimport Call

cnp.import_array()


cdef class Steps:
    """A recurrence that waits for its next input.  Memory is fixed; bits are those of the whole-sequence call.

    cell, params : the cell's number and its parameters; fastrnn.Weights that are written later are read anew
    batch : B, sequences side by side
    ids : inputs are one-hot rows, given as ids [B]
    threads : the most threads for a step
    """

    cdef Call c
    cdef Panels panels
    cdef object params, h, states, kept, scratch
    cdef bint ids
    cdef int cell, kind, team, threads
    cdef Py_ssize_t B, line

    def __init__(self, int cell, params, Py_ssize_t batch, bint ids, int threads):
        self.cell, self.params, self.B, self.ids, self.threads = cell, params, batch, ids, threads
        dtype = params["W_hh"].dtype
        cdef const Form* form = form_of(cell)
        cdef Py_ssize_t H = params["W_hh"].shape[0] // form.gates, P = params["W_hh"].shape[1]
        self.kind = cnp.NPY_DOUBLE if dtype == np.float64 else cnp.NPY_FLOAT
        self.line = batch * P * dtype.itemsize
        self.h = np.zeros((2, batch, P), dtype)
        self.states = np.zeros((batch, H), dtype) if form.memory else None
        self.kept = None
        self.bind()

    cdef void bind(self):
        """Read the weights as they are now."""
        self.panels = panels_of(self.cell, self.params)
        describe(&self.c, self.panels, 1, self.B, self.B)
        if self.kept is None and halves_of(self.c.form) > 1:
            self.kept = np.zeros((self.B, self.c.kept_row), self.h.dtype)
        self.team = plan(&self.c, self.c.hh.panels, self.threads)
        self.panels.forward_panels(self.ids, self.team)
        lend(&self.c, self.panels)
        self.c.W_given = data(self.panels.given[0])
        self.c.h, self.c.c, self.c.kept = <char*>data(self.h), <char*>data(self.states), <char*>data(self.kept)
        measure(&self.c)
        self.scratch = np.zeros(self.team * self.c.scratch_size + 64, np.uint8)
        self.c.scratch = <char*>((<uintptr_t>data(self.scratch) + 63) // 64 * 64)

    def __call__(self, x):
        """y [B, H] for x [B, I] or ids [B], or None where x is not that, in C order and the parameters' dtype."""
        cdef Py_ssize_t j
        cdef cnp.npy_intp shape[2]
        keeps = getattr(self.params, "keeps_panels", None)
        if keeps is not None and (not keeps or self.params.panels is not self.panels):  # written since, or just now
            self.bind()
        if self.ids:
            if not is_array(x, cnp.NPY_INT64, 1) or cnp.PyArray_DIM(<cnp.ndarray>x, 0) != self.B:
                return None
            self.c.ids = <const int64_t*>data(x)
            for j in range(self.B):
                if self.c.ids[j] < 0 or self.c.ids[j] >= self.c.inputs:
                    return None
        else:
            if not is_array(x, self.kind, 2) or cnp.PyArray_DIM(<cnp.ndarray>x, 0) != self.B or \
                    cnp.PyArray_DIM(<cnp.ndarray>x, 1) != self.c.inputs:
                return None
            self.c.x = data(x)
        shape[0], shape[1] = self.B, self.c.width
        y = cnp.PyArray_EMPTY(2, shape, self.kind, 0)
        self.c.y = <char*>data(y)
        run_forward(&self.c, self.team)
        memcpy(self.c.h, self.c.h + self.line, self.line)  # the state after the step is the one before the next
        return y

    @property
    def checks_input(self):
        """True: what is not a plain array is refused, not misread."""
        return True

    @property
    def state(self):
        """Copies of the states, each [B, H]."""
        h = self.h[0].copy()
        return (h,) if self.states is None else (h, self.states.copy())

    def reset(self, state=None):
        """Start from `state`, or from zeros."""
        self.h[0] = 0 if state is None else state[0]
        if self.states is not None:
            self.states[...] = 0 if state is None else state[1]
