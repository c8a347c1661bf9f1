"""Row-major matrix products over SciPy's BLAS; the only place that knows BLAS is column-major.

Sizes arrive as Py_ssize_t.  The doors of the kernels check them once against INT_MAX (`check_sizes`), so
the casts here lose nothing.

Panels.  OpenBLAS copies both operands of every product into its own order, which for the few rows of one
time step costs more than the product.  Below 100^3 multiply-adds it has kernels that read the operands
where they lie.  So a weight matrix B [k, n] is copied once a call into panels of 64 columns
([panel][k][64], zeros beyond n are never read), and a product runs panel by panel in pieces below that
size: 105 to 113 GF/s instead of 25 to 50 at 4 to 16 rows (docs/performance.md).  Where a BLAS has no such
kernels the result is the same.
"""

from scipy.linalg.cython_blas cimport dgemm, sgemm

ctypedef fused real:
    float
    double

cdef enum:
    PANEL = 64
    SMALL_PRODUCT = 1000000  # multiply-adds up to which OpenBLAS skips the copies


cdef inline void gemm(
    bint transpose_a, bint transpose_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const real* a, Py_ssize_t lda, const real* b, Py_ssize_t ldb, real beta, real* c, Py_ssize_t ldc,
) noexcept nogil:
    """C [m, n] = op(A) [m, k] op(B) [k, n] + beta C, all row-major with leading dimensions."""
    cdef int mi = <int>m, ni = <int>n, ki = <int>k
    cdef int la = max(1, <int>lda), lb = max(1, <int>ldb), lc = max(1, <int>ldc)  # BLAS wants 1 at least
    cdef real one = 1
    cdef char* ta = b"T" if transpose_a else b"N"
    cdef char* tb = b"T" if transpose_b else b"N"
    if m == 0 or n == 0:
        return
    # A row-major C is a column-major C', and C' = op(B)' op(A)'.
    if real is float:
        sgemm(tb, ta, &ni, &mi, &ki, &one, <float*>b, &lb, <float*>a, &la, &beta, c, &lc)
    else:
        dgemm(tb, ta, &ni, &mi, &ki, &one, <double*>b, &lb, <double*>a, &la, &beta, c, &lc)


cdef inline Py_ssize_t panel_count(Py_ssize_t n) noexcept nogil:
    return (n + PANEL - 1) // PANEL


cdef inline void pack_panel(
    Py_ssize_t p, Py_ssize_t k, Py_ssize_t n, const real* b, bint transposed, real* panels,
) noexcept nogil:
    """Copy panel p of B [k, n]; where `transposed`, b holds B' [n, k]."""
    cdef Py_ssize_t first = p * PANEL, width = min(<Py_ssize_t>PANEL, n - first), i, j
    cdef real* out = panels + p * k * PANEL
    if transposed:
        for j in range(width):
            for i in range(k):
                out[i * PANEL + j] = b[(first + j) * k + i]
    else:
        for i in range(k):
            for j in range(width):
                out[i * PANEL + j] = b[i * n + first + j]


cdef inline void gemm_panels(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const real* a, Py_ssize_t lda, const real* panels,
    real beta, real* c, Py_ssize_t ldc,
) noexcept nogil:
    """C [m, n] = A [m, k] B [k, n] + beta C, with B in panels."""
    cdef Py_ssize_t p, i, rows, piece = SMALL_PRODUCT // (PANEL * max(<Py_ssize_t>1, k))
    piece = max(<Py_ssize_t>1, min(<Py_ssize_t>32, piece))
    for p in range(panel_count(n)):
        i = 0
        while i < m:
            rows = min(piece, m - i)
            gemm(
                False, False, rows, min(<Py_ssize_t>PANEL, n - p * PANEL), k,
                a + i * lda, lda, panels + p * k * PANEL, PANEL, beta, c + i * ldc + p * PANEL, ldc,
            )
            i += rows
