"""The memory of arrays."""

cimport numpy as cnp


cdef object room_of(Py_ssize_t size, char** start)


cdef inline void* data(object array) noexcept:
    """The memory of an array, NULL for None."""
    return NULL if array is None else cnp.PyArray_DATA(<cnp.ndarray>array)
