"""Weights in the order in which the engine reads them (simd/engine.h): panels of whole vectors."""

cimport numpy as cnp

from ._engine cimport Engine, Form


cdef struct Shape:
    # `gates` blocks of `units` columns, k rows.  Interleaved: panel p has vector p of every gate.  Else gates is 1 and
    # a panel has up to four vectors of columns.
    Py_ssize_t k, units, gates
    bint interleaved
    Py_ssize_t group, vectors, panels, size  # size: numbers in all panels


cdef Shape shape_of(const Engine* e, Py_ssize_t k, Py_ssize_t units, Py_ssize_t gates, bint interleaved) noexcept nogil
# Panels first .. last - 1 of B [k, gates * units], number (i, j) of which is source[i * along_k + j * along_n].
cdef void pack(const Engine* e, const Shape* s, const void* source, Py_ssize_t along_k, Py_ssize_t along_n,
               Py_ssize_t word, Py_ssize_t first, Py_ssize_t last, void* out) noexcept nogil
# The same by several threads.
cdef void pack_all(const Engine* e, const Shape* s, const void* source, Py_ssize_t along_k, Py_ssize_t along_n,
                   Py_ssize_t word, int threads, void* out) noexcept nogil


cdef class Panels:
    """The weights of one recurrence, packed; what backward needs is packed when it asks."""

    cdef const Form* form
    cdef bint wide
    cdef int cell
    cdef Py_ssize_t word, units, width, inputs
    cdef const Engine* engine
    cdef Shape hh, second, ih, chain, through, dx
    cdef list arrays            # that hold the memory of large panels
    cdef void* small[9]         # memory of small ones, to be freed
    cdef int smalls
    cdef void* W_hh             # forward; of two halves, the first
    cdef void* W_second         # of the second half
    cdef void* W_ih             # forward; NULL where one-hot input reads the weights themselves
    cdef void* bias             # [vectors * lanes]
    cdef void* extra            # what else a step reads: the GRU's b_hh of n, the LSTM's peepholes
    cdef void* W_chain          # backward: dgates -> dh
    cdef void* W_through        # backward, second half: dgates -> the gradient of what it read
    cdef void* W_dx             # backward: dgates -> dx
    cdef object given           # the parameters
    cdef void* memory(self, Py_ssize_t count)
    cdef object second_matrix(self)
    cdef void forward_panels(self, bint ids, int threads)
    cdef void backward_panels(self, bint need_dx, int threads)
