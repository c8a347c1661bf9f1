"""*project*: what the input gives to the gates of some steps, before their recurrence runs."""

from ._recurrence cimport Call, Share

# pre [rows, own panels] = x W_ih' + b for the share's rows of steps t .. end - 1; x_rows is room for copies of x.
cdef void project(const Call* c, const Share* s, Py_ssize_t t, Py_ssize_t end, char* pre, char* x_rows) noexcept nogil
