"""What the doors of whole passes, single calls and streams share."""

cimport numpy as cnp

from ._panels cimport Panels
from ._recurrence cimport Call


cdef inline Py_ssize_t work_of(const Call* c) noexcept:
    """Multiply-adds of a forward pass."""
    return c.N * c.units * (c.ih.gates * (c.inputs + c.width) + c.form.projects * c.width)


cdef inline bint is_array(object a, int kind, int rank) noexcept:
    """Whether `a` is a NumPy array of that type and rank that can be read as it lies."""
    return cnp.PyArray_CheckExact(a) and cnp.PyArray_TYPE(<cnp.ndarray>a) == kind and \
        cnp.PyArray_NDIM(<cnp.ndarray>a) == rank and cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>a)


cdef Panels panels_of(int cell, object params)
cdef void describe(Call* c, Panels p, Py_ssize_t T, Py_ssize_t B, Py_ssize_t N) noexcept
cdef void lend(Call* c, Panels p) noexcept
cdef int plan(Call* c, Py_ssize_t panels, int threads) noexcept
cdef void measure(Call* c) noexcept
cdef void run_forward(Call* c, int threads) noexcept
