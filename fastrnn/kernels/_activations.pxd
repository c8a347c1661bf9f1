"""tanh and sigmoid of whole arrays, in place, for float and double (activations.h)."""

from ._blas cimport real

cdef extern from "activations.h" nogil:
    void fastrnn_tanh_f32(float* x, Py_ssize_t n)
    void fastrnn_tanh_f64(double* x, Py_ssize_t n)
    void fastrnn_sigmoid_f32(float* x, Py_ssize_t n)
    void fastrnn_sigmoid_f64(double* x, Py_ssize_t n)


cdef inline void tanh_rows(real* x, Py_ssize_t n) noexcept nogil:
    if real is float:
        fastrnn_tanh_f32(x, n)
    else:
        fastrnn_tanh_f64(x, n)


cdef inline void sigmoid_rows(real* x, Py_ssize_t n) noexcept nogil:
    if real is float:
        fastrnn_sigmoid_f32(x, n)
    else:
        fastrnn_sigmoid_f64(x, n)


cdef inline void relu_rows(real* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n):
        x[k] = 0 if x[k] < 0 else x[k]  # written so that NaN stays NaN
