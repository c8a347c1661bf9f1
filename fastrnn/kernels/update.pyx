"""One step of an optimizer over all parameters.  Equations: `fastrnn/optimizers.py`; the loops: update.h.

The arrays of a step are one sequence of blocks, cut by sizes alone; threads only pick blocks.  A first pass
reads the gradients: sums of squares, a block each, are added in the order of the blocks, so that the norm has
the same bits for any number of threads, and a gradient that is not finite is found before anything changes.
The second pass does everything else, clipping included: each number is read once and written once.  It walks
the other way, because the gradients that were read last are those that are still in the cache.
"""

from cython.parallel cimport parallel, prange
from libc.math cimport INFINITY, isfinite, sqrt
from libc.stdlib cimport free, malloc

import numpy as np

cimport numpy as cnp

from ._engine cimport flush_denormals, restore_mode

cnp.import_array()

cdef extern from "update.h" nogil:
    int FASTRNN_SGD, FASTRNN_RMSPROP, FASTRNN_ADAM
    double fastrnn_squares_f32(Py_ssize_t n, const float* g)
    double fastrnn_squares_f64(Py_ssize_t n, const double* g)
    void fastrnn_update_f32(int rule, Py_ssize_t n, const double* numbers, double factor, double limit,
                            bint decays, void* p, const void* g, void** slots)
    void fastrnn_update_f64(int rule, Py_ssize_t n, const double* numbers, double factor, double limit,
                            bint decays, void* p, const void* g, void** slots)

cdef enum:
    BLOCK = 8192  # numbers; the five arrays of Adam on them, float32, are a sixth of a 1 MiB cache
    FEW = 65536   # numbers that one thread updates before a second one is awake
    NUMBERS = 5   # most numbers of a rule
    SLOTS = 3     # most slots of a rule

RULES = {"sgd": FASTRNN_SGD, "rmsprop": FASTRNN_RMSPROP, "adam": FASTRNN_ADAM, "adamw": FASTRNN_ADAM}


cdef struct Block:
    Py_ssize_t array, n
    bint single, decays
    char* p
    char* g
    void* slots[SLOTS]
    double squares


cdef struct Step:
    int rule
    double numbers[NUMBERS]
    double limit


cdef inline void measure(Block* block) noexcept nogil:
    if block.single:
        block.squares = fastrnn_squares_f32(block.n, <const float*>block.g)
    else:
        block.squares = fastrnn_squares_f64(block.n, <const double*>block.g)


cdef inline void change(const Step* step, Block* block, double factor) noexcept nogil:
    if block.single:
        fastrnn_update_f32(step.rule, block.n, step.numbers, factor, step.limit, block.decays, block.p,
                           block.g, block.slots)
    else:
        fastrnn_update_f64(step.rule, block.n, step.numbers, factor, step.limit, block.decays, block.p,
                           block.g, block.slots)


cdef inline Py_ssize_t cut(object p, object g, tuple columns, Py_ssize_t k, bint decays, Block* out) noexcept:
    """The blocks of array k, written from `out` on, unless it is NULL; returns how many."""
    cdef Py_ssize_t n = cnp.PyArray_SIZE(<cnp.ndarray>p), size = cnp.PyArray_ITEMSIZE(<cnp.ndarray>p)
    cdef Py_ssize_t count = (n + BLOCK - 1) // BLOCK, b, start, s
    if out == NULL:
        return count
    for b in range(count):
        start = b * BLOCK
        out[b].array, out[b].n = k, min(<Py_ssize_t>BLOCK, n - start)
        out[b].single, out[b].decays = size == sizeof(float), decays
        out[b].p = <char*>cnp.PyArray_DATA(<cnp.ndarray>p) + start * size
        out[b].g = <char*>cnp.PyArray_DATA(<cnp.ndarray>g) + start * size
        for s in range(SLOTS):
            out[b].slots[s] = NULL
            if s < len(columns):
                out[b].slots[s] = <char*>cnp.PyArray_DATA(<cnp.ndarray>(<tuple>columns[s])[k]) + start * size
    return count


cdef void run(
    const Step* step, Block* blocks, Py_ssize_t count, double* squares, Py_ssize_t arrays, double clipnorm,
    double global_clipnorm, double* norm, int threads,
) noexcept nogil:
    """Both passes; `squares` is scratch of one number an array, and then its factor."""
    cdef Py_ssize_t b, k
    cdef unsigned long mode = 0
    with parallel(num_threads=threads):
        mode = flush_denormals()
        for b in prange(count, schedule="static"):
            measure(&blocks[b])
        restore_mode(mode)
    for k in range(arrays):
        squares[k] = 0
    for b in range(count):
        squares[blocks[b].array] += blocks[b].squares
    norm[0] = 0
    for k in range(arrays):
        norm[0] += squares[k]
    norm[0] = sqrt(norm[0])
    if not isfinite(norm[0]):
        return
    for k in range(arrays):
        if norm[0] > global_clipnorm:
            squares[k] = global_clipnorm / norm[0]
        elif sqrt(squares[k]) > clipnorm:
            squares[k] = clipnorm / sqrt(squares[k])
        else:
            squares[k] = 1
    with parallel(num_threads=threads):
        mode = flush_denormals()
        for b in prange(count - 1, -1, -1, schedule="static"):
            change(step, &blocks[b], squares[blocks[b].array])
        restore_mode(mode)


def step(
    name, tuple numbers, tuple clips, tuple params, tuple grads, tuple slots, tuple decays, *, int threads,
):
    """See `fastrnn.optimizer.Optimizer.step`; `name` is one of RULES."""
    cdef Step what
    cdef Py_ssize_t arrays = len(params), k, count = 0, total = 0
    cdef double norm = 0
    cdef double clipnorm = INFINITY if clips[0] is None else clips[0]
    cdef double global_clipnorm = INFINITY if clips[2] is None else clips[2]
    what.rule, what.limit = RULES[name], INFINITY if clips[1] is None else clips[1]
    for k in range(len(numbers)):
        what.numbers[k] = numbers[k]
    for k in range(arrays):
        if not cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray>grads[k]):
            grads = tuple([np.ascontiguousarray(g) for g in grads])
            break
    for k in range(arrays):
        count += cut(params[k], grads[k], slots, k, decays[k], NULL)
        total += cnp.PyArray_SIZE(<cnp.ndarray>params[k])
    cdef double* squares = <double*>malloc((arrays + 1) * sizeof(double) + count * sizeof(Block))
    if squares == NULL:
        raise MemoryError
    cdef Block* blocks = <Block*>(squares + arrays)
    count = 0
    for k in range(arrays):
        count += cut(params[k], grads[k], slots, k, decays[k], blocks + count)
    with nogil:
        run(&what, blocks, count, squares, arrays, clipnorm, global_clipnorm, &norm,
            1 if total < FEW else threads)
    free(squares)
    return norm
