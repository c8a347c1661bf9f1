"""The memory of arrays."""

cimport numpy as cnp


cdef inline void* data(object array) noexcept:
    """The memory of an array, NULL for None."""
    return NULL if array is None else cnp.PyArray_DATA(<cnp.ndarray>array)
