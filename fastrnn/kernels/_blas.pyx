"""The doors of `_blas.pxd` that Python sees: size checks, and the products for the tests."""

from libc.limits cimport INT_MAX

import numpy as np

cimport numpy as cnp

cnp.import_array()


def check_sizes(owner, *sizes):
    """Raise OverflowError where a size does not fit the 32-bit integers of BLAS."""
    for size in sizes:
        if size > INT_MAX:
            raise OverflowError(
                f"{owner}: every size must be at most {INT_MAX}, got {size}. "
                "Split the batch or the sequence into several calls."
            )


cdef void _multiply(
    bint ta, bint tb, bint panels, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, cnp.ndarray a,
    cnp.ndarray b, cnp.ndarray work, cnp.ndarray c, real beta, Py_ssize_t repeat,
) noexcept:
    cdef real* pa = <real*>cnp.PyArray_DATA(a)
    cdef real* pb = <real*>cnp.PyArray_DATA(b)
    cdef real* pw = <real*>cnp.PyArray_DATA(work)
    cdef real* pc = <real*>cnp.PyArray_DATA(c)
    cdef Py_ssize_t p
    if panels:
        for p in range(panel_count(n)):
            pack_panel(p, k, n, pb, tb, pw)
    for p in range(repeat):
        if panels:
            gemm_panels(m, n, k, pa, k, pw, beta, pc, n)
        else:
            gemm(ta, tb, m, n, k, pa, m if ta else k, pb, k if tb else n, beta, pc, n)


def matmul(a, b, c=None, *, transpose_a=False, transpose_b=False, panels=False, repeat=1):
    """op(a) @ op(b) (+ c), [m, k] x [k, n], as the kernels compute it; float32 or float64, C order.

    With panels, a is never transposed.  Exists so that the tests can hold the shim to NumPy, and
    `bench.products` can time it: the product is computed `repeat` times, panels are packed once.
    """
    m, k = a.shape[::-1] if transpose_a else a.shape
    n = b.shape[0] if transpose_b else b.shape[1]
    check_sizes("matmul", m, n, k)
    out = np.empty((m, n), a.dtype) if c is None else c.copy()
    work = np.empty(panel_count(n) * k * PANEL, a.dtype)
    if a.dtype == np.float32:
        _multiply[float](transpose_a, transpose_b, panels, m, n, k, a, b, work, out, c is not None, repeat)
    else:
        _multiply[double](transpose_a, transpose_b, panels, m, n, k, a, b, work, out, c is not None, repeat)
    return out
