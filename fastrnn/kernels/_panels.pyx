"""Packing: once where weights stay, once a call where they change with every step."""

from cython.parallel cimport prange
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc

import numpy as np

from ._memory import borrow, give_back

cimport numpy as cnp

from ._engine cimport GRU, Engine, Product, engine, form_of, halves_of

cnp.import_array()

cdef enum:
    WIDE_GROUP = 4       # vectors a panel of a plain matrix
    FEW_NUMBERS = 65536  # below which one thread packs faster than two
    SMALL = 65536        # bytes below which the C library keeps memory by itself


cdef Shape shape_of(const Engine* e, Py_ssize_t k, Py_ssize_t units, Py_ssize_t gates, bint interleaved) noexcept nogil:
    cdef Shape s
    s.k, s.units, s.gates, s.interleaved = k, units, gates, interleaved
    cdef Py_ssize_t blocks = (units + e.lanes - 1) // e.lanes
    s.group = gates if interleaved else WIDE_GROUP
    s.vectors = blocks * gates if interleaved else blocks
    s.panels = (s.vectors + s.group - 1) // s.group
    s.size = s.vectors * e.lanes * k
    return s


cdef void pack(const Engine* e, const Shape* s, const void* source, Py_ssize_t along_k, Py_ssize_t along_n,
               Py_ssize_t word, Py_ssize_t first, Py_ssize_t last, void* out) noexcept nogil:
    cdef Py_ssize_t W = e.lanes, p, c, group, unit, column
    cdef char* panel
    for p in range(first, last):
        group = min(s.group, s.vectors - p * s.group)
        panel = <char*>out + p * s.group * W * s.k * word
        for c in range(group):
            unit = p * W if s.interleaved else (p * s.group + c) * W
            column = c * s.units + unit if s.interleaved else unit
            e.pack(s.k, min(W, s.units - unit), <const char*>source + column * along_n * word, along_k, along_n,
                   group, panel + c * W * word)


cdef void pack_all(const Engine* e, const Shape* s, const void* source, Py_ssize_t along_k, Py_ssize_t along_n,
                   Py_ssize_t word, int threads, void* out) noexcept nogil:
    cdef Py_ssize_t p
    if threads == 1 or s.size < FEW_NUMBERS:
        pack(e, s, source, along_k, along_n, word, 0, s.panels, out)
        return
    for p in prange(s.panels, num_threads=threads, schedule="static"):
        pack(e, s, source, along_k, along_n, word, p, p + 1, out)


cdef class Panels:
    def __init__(self, int cell, tuple given):
        """given: (W_ih [G, I], W_hh [G, H], b [G]) and what a cell has besides: (b_ih, b_hh), (b, p) or (b, W_hr); C order."""
        W_ih, W_hh = given[:2]
        self.cell, self.form, self.given, self.arrays, self.smalls = cell, form_of(cell), given, [], 0
        self.wide = W_hh.dtype == np.float64
        self.word = W_hh.dtype.itemsize
        self.engine = engine(self.wide)
        self.units, self.width, self.inputs = W_hh.shape[0] // self.form.gates, W_hh.shape[1], W_ih.shape[1]
        cdef Py_ssize_t gates = self.form.gates, early = gates - self.form.late, H = self.units
        cdef bint interleaved = gates > 1
        self.hh = shape_of(self.engine, self.width, H, early, interleaved)
        self.ih = shape_of(self.engine, self.inputs, H, gates, interleaved)
        self.chain = shape_of(self.engine, early * H, self.width, 1, False)
        self.dx = shape_of(self.engine, gates * H, self.inputs, 1, False)
        if halves_of(self.form) > 1:
            self.second = shape_of(self.engine, H, self.width, 1, True)
            self.through = shape_of(self.engine, self.width, H, 1, False)
        self.W_hh = self.W_second = self.W_ih = self.bias = self.extra = NULL
        self.W_chain = self.W_through = self.W_dx = NULL

    def __del__(self):
        give_back(*(self.arrays or ()))  # nobody can be using them any more

    def __dealloc__(self):
        while self.smalls:
            self.smalls -= 1
            free(self.small[self.smalls])

    cdef void* memory(self, Py_ssize_t count):
        """`count` numbers, the first of which starts a cache line."""
        cdef char* found
        if count * self.word < SMALL and self.smalls < 9:
            found = <char*>malloc(count * self.word + 64)
            if found != NULL:
                self.small[self.smalls] = found
                self.smalls += 1
                return <void*>((<uintptr_t>found + 63) // 64 * 64)
        array = borrow((max(count, 1),), np.float64 if self.wide else np.float32)
        self.arrays.append(array)
        return cnp.PyArray_DATA(<cnp.ndarray>array)

    # Several Python threads may get here at once: each pointer is set when what it points to is whole, and the one that
    # is asked for last of all.  At worst something is packed twice.

    cdef object second_matrix(self):
        """[., H], what the second half of a step multiplies with: the block of the last gate, or W_hr."""
        return self.given[3] if self.form.projects else self.given[1][(self.form.gates - 1) * self.units :]

    cdef void forward_panels(self, bint ids, int threads):
        """ids: the input is one-hot, and W_ih is read as it is."""
        cdef Py_ssize_t H = self.units
        cdef Shape bias = shape_of(self.engine, 1, H, self.form.gates, self.form.gates > 1)
        cdef Shape extra
        cdef void* out
        if self.W_hh == NULL:
            b = self.given[2]
            if self.cell == GRU:
                b_hh = self.given[3]
                b = b.copy()
                b[: 2 * H] += b_hh[: 2 * H]
            if self.form.extra:
                extra = shape_of(self.engine, 1, H, self.form.extra, True)
                own = self.given[3][2 * H :] if self.cell == GRU else self.given[3]
                out = self.memory(extra.size)
                pack_all(self.engine, &extra, cnp.PyArray_DATA(<cnp.ndarray>own), 1, 1, self.word, 1, out)
                self.extra = out
            if halves_of(self.form) > 1:
                second = self.second_matrix()
                out = self.memory(self.second.size)
                pack_all(self.engine, &self.second, cnp.PyArray_DATA(<cnp.ndarray>second), 1, H, self.word, threads,
                         out)
                self.W_second = out
            out = self.memory(bias.size)
            pack_all(self.engine, &bias, cnp.PyArray_DATA(<cnp.ndarray>b), 1, 1, self.word, 1, out)
            self.bias = out
            out = self.memory(self.hh.size)
            pack_all(self.engine, &self.hh, cnp.PyArray_DATA(<cnp.ndarray>self.given[1]), 1, self.width, self.word, threads,
                     out)
            self.W_hh = out
        if self.W_ih == NULL and not ids:
            out = self.memory(self.ih.size)
            pack_all(self.engine, &self.ih, cnp.PyArray_DATA(<cnp.ndarray>self.given[0]), 1, self.inputs, self.word,
                     threads, out)
            self.W_ih = out

    cdef void backward_panels(self, bint need_dx, int threads):
        cdef Py_ssize_t H = self.units
        cdef void* out
        if self.W_chain == NULL:
            W_hh = self.given[1]
            if self.cell == GRU:  # its gradients are kept in the order n r z
                W_hh = np.concatenate([W_hh[2 * H :], W_hh[: 2 * H]])
            if halves_of(self.form) > 1:
                second = self.second_matrix()
                out = self.memory(self.through.size)
                pack_all(self.engine, &self.through, cnp.PyArray_DATA(<cnp.ndarray>second), H, 1, self.word, threads,
                         out)
                self.W_through = out
            out = self.memory(self.chain.size)
            pack_all(self.engine, &self.chain, cnp.PyArray_DATA(<cnp.ndarray>W_hh), self.width, 1, self.word, threads,
                     out)
            self.W_chain = out
        if need_dx and self.W_dx == NULL:
            out = self.memory(self.dx.size)
            pack_all(self.engine, &self.dx, cnp.PyArray_DATA(<cnp.ndarray>self.given[0]), self.inputs, 1, self.word,
                     threads, out)
            self.W_dx = out


def multiply(a, b, start=None, int activation=0, Py_ssize_t repeat=1):
    """f(start + a b) for a [m, k], b [k, n] with any strides and start [n] or [m, n], as the kernels compute it.

    Exists so that tests can hold the engine to NumPy and `bench.products` can time it: b is packed once, the product
    is computed `repeat` times.
    """
    cdef const Engine* e = engine(a.dtype == np.float64)
    cdef Py_ssize_t word = a.itemsize
    cdef Shape s = shape_of(e, b.shape[0], b.shape[1], 1, False)
    cdef Product q
    panels = borrow((max(s.size, 1),), a.dtype)
    out = np.empty((a.shape[0], b.shape[1]), a.dtype)
    pack(e, &s, cnp.PyArray_DATA(<cnp.ndarray>b), b.strides[0] // word, b.strides[1] // word, word, 0, s.panels,
         cnp.PyArray_DATA(<cnp.ndarray>panels))
    q.m, q.k, q.n, q.group, q.vectors = a.shape[0], a.shape[1], b.shape[1], s.group, s.vectors
    q.first, q.last, q.activation = 0, s.panels, activation
    q.a, q.row, q.step = cnp.PyArray_DATA(<cnp.ndarray>a), a.strides[0] // word, a.strides[1] // word
    q.b, q.out, q.out_row = cnp.PyArray_DATA(<cnp.ndarray>panels), cnp.PyArray_DATA(<cnp.ndarray>out), b.shape[1]
    q.start, q.start_row = NULL, 0
    if start is not None:
        q.start = cnp.PyArray_DATA(<cnp.ndarray>start)
        q.start_row = b.shape[1] if start.ndim == 2 else 0
    for _ in range(repeat):
        e.product(&q)
    return out
