"""The gradients of a matrix of weights and of what it multiplied, from the dgates of all rows."""

from libc.stdint cimport int64_t

from ._engine cimport Engine
from ._panels cimport Shape


cdef struct Matrix:
    # y = x W' with W [gates * units, inputs]: dW = dy' x, db = the sum of dy, dx = dy W.
    # The gradient of gate g's units lies in columns column[g] .. of dgates.
    Py_ssize_t inputs, units, gates
    Py_ssize_t column[4]
    const void* x           # [N, inputs], rows `row` numbers apart; NULL with ids
    Py_ssize_t row
    const int64_t* ids      # one-hot rows
    void* dW
    void* db                # NULL: not wanted
    bint adds               # go on from what dW and db hold: rows before those they are the gradients of already


cdef struct Sums:
    # The gradient of blocks of weights that multiply a state: out[k] [units] = the sum over rows of dgates' columns
    # column[k] .. times the row of `by` [., units] that index[k] names (NULL: the rows themselves).
    Py_ssize_t blocks, units
    Py_ssize_t column[3]
    const void* by[3]
    const int64_t* index[3]
    void* out
    bint adds               # as in a matrix


cdef struct Gradients:
    const Engine* engine
    Py_ssize_t word, N, ld  # ld: numbers from row to row of dgates
    const void* dgates
    int matrices
    Matrix matrix[3]
    Sums sums
    # dx [N, dx.units] = dgates[:, dx_column:] W in panels `dx`; NULL: not wanted
    Shape dx
    Py_ssize_t dx_column
    const void* W_dx
    void* out
    Py_ssize_t tasks, scratch_size  # set by prepare; bytes a thread
    char* scratch


cdef inline Py_ssize_t pieces(Py_ssize_t size, Py_ssize_t piece) noexcept nogil:
    return (size + piece - 1) // piece


cdef inline Py_ssize_t piece_of(Py_ssize_t units) noexcept nogil:
    """Rows of dW a task: each packs x for itself, so not too few, and enough tasks to share out."""
    return min(<Py_ssize_t>512, max(<Py_ssize_t>128, units // 8 // 64 * 64))


cdef void prepare(Gradients* g) noexcept nogil
# Piece `piece` of a gate's rows of dW and db, piece_of(units) at a time; panels is scratch of a thread.
cdef void weights(const Gradients* g, const Matrix* m, Py_ssize_t gate, Py_ssize_t piece, char* panels) noexcept nogil
cdef void collect(Gradients* g, int threads) noexcept nogil
