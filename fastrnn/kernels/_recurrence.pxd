"""One sequencer for every recurrence: the time loop, and who computes what."""

from libc.stdint cimport int64_t

from ._engine cimport Engine, Form, Relay
from ._panels cimport Shape


cdef enum:
    PAD = 64  # bytes between masked rows: those a power of two apart fall into one cache set


cdef struct Places:
    # Where the rows of step t lie in an array of rows: sequence j at index[offset(t) + j], or, without an index, at
    # t * along_t + j * along_b, or, where along_t is 0, at offset(t) + j.
    const int64_t* index
    Py_ssize_t along_t, along_b


cdef struct Call:
    const Engine* engine
    int cell
    const Form* form
    Py_ssize_t word                   # bytes of a number
    Py_ssize_t T, B, N, inputs, units
    Py_ssize_t width                  # of h: the units, or what they are projected to
    const int64_t* steps              # NULL: every step has B rows
    const int64_t* offsets
    int shares                        # into which the work of a step is cut; threads take them (simd/engine.h)
    Py_ssize_t by_units               # from this step on shares are units, before it they are rows
    Relay* relay                      # all zero; not needed for one share
    Shape hh, second, ih
    const void* W_hh
    const void* W_second
    const void* W_ih
    const void* bias
    const void* extra
    const void* x
    const int64_t* ids                # one-hot rows; W_given [G, I] is then read where W_ih is NULL
    const void* W_given
    Places at_x, at_y
    Py_ssize_t y_row
    const void* mask                  # [B, width] or NULL
    # Training: histories [B + N, .].  Inference: h [2, B, width], read and written in turn, and c [B, H].
    bint training
    char* h
    char* c
    char* y                           # NULL: the history is enough
    char* kept                        # [N, kept_row]; in inference [B, kept_row] where halves meet in it, else NULL
    Py_ssize_t kept_row
    char* scratch
    Py_ssize_t chunk, scratch_size    # rows projected at a time; bytes a share
    # Backward.
    Shape chain, through
    const void* W_chain
    const void* W_through
    Py_ssize_t chained, through_from  # columns of kept from which on they read
    const void* dy
    Places at_dy
    Py_ssize_t dy_row
    char* dh
    char* dc


cdef struct Share:
    Py_ssize_t first_row, stride, first, last  # rows first_row, first_row + stride, ...; panels
    char* scratch


cdef inline Py_ssize_t running(const Call* c, Py_ssize_t t) noexcept nogil:
    return c.steps[t] if c.steps != NULL else c.B


cdef inline Py_ssize_t offset(const Call* c, Py_ssize_t t) noexcept nogil:
    return c.offsets[t] if c.offsets != NULL else t * c.B


cdef inline Py_ssize_t place(const Call* c, const Places* at, Py_ssize_t t, Py_ssize_t j) noexcept nogil:
    """The row of sequence j at step t."""
    if at.index != NULL:
        return at.index[offset(c, t) + j]
    return (t * at.along_t if at.along_t else offset(c, t)) + j * at.along_b


cdef inline Py_ssize_t rows_of(const Call* c, const Share* s, Py_ssize_t t) noexcept nogil:
    cdef Py_ssize_t n = running(c, t) - s.first_row
    return (n + s.stride - 1) // s.stride if n > 0 else 0


# A pass, as thread number `me` takes part in it; one thread is enough.
cdef void forward_pass(Call* call, int me) noexcept nogil
cdef void backward_pass(Call* call, int me) noexcept nogil
