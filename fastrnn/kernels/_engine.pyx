"""The step engine: chooses its level, and shows it to Python.

``FASTRNN_SIMD`` = portable | neon | avx2 | avx512 lowers the level and never raises it.  It is read when this
module is imported.
"""

import os
import time

from cython.parallel cimport prange

cdef extern from "simd/engine.h" nogil:
    const Engine* fastrnn_level(const char* name, int is_double)
    const Form* fastrnn_forms
    int fastrnn_take(Relay* relay, int share, int item)
    void fastrnn_done(Relay* relay)
    void fastrnn_await(Relay* relay, int done)
    unsigned long fastrnn_flush_denormals()
    void fastrnn_restore_mode(unsigned long mode)

cdef extern from *:
    """
    #ifdef _OPENMP
    #define FASTRNN_OPENMP 1
    #else
    #define FASTRNN_OPENMP 0
    #endif
    """
    int FASTRNN_OPENMP

LEVELS = ("portable", "neon", "avx2", "avx512")  # from the lowest to the highest


def supported():
    """The levels that were compiled and that this CPU can run, from the lowest to the highest."""
    return tuple(name for name in LEVELS if fastrnn_level(name.encode(), 0) != NULL)


def _choose():
    wish = os.environ.get("FASTRNN_SIMD", "").strip().lower()
    if wish and wish not in LEVELS:
        known = ", ".join(LEVELS)
        raise ValueError(f"fastrnn: FASTRNN_SIMD must be one of {known}, got {wish!r}. Correct or unset it.")
    highest = LEVELS.index(wish) if wish else len(LEVELS)
    return max((name for name in supported() if LEVELS.index(name) <= highest), key=LEVELS.index)


LEVEL = _choose()
cdef const Engine* _tables[2]
_tables[0] = fastrnn_level(LEVEL.encode(), 0)
_tables[1] = fastrnn_level(LEVEL.encode(), 1)


cdef const Engine* engine(bint wide) noexcept nogil:
    return _tables[wide]


cdef const Form* form_of(int cell) noexcept nogil:
    return &fastrnn_forms[cell]


cdef bint take(Relay* relay, int share, int item) noexcept nogil:
    return fastrnn_take(relay, share, item)


cdef void finish(Relay* relay) noexcept nogil:
    fastrnn_done(relay)


cdef void await_done(Relay* relay, int done) noexcept nogil:
    fastrnn_await(relay, done)


cdef unsigned long flush_denormals() noexcept nogil:
    return fastrnn_flush_denormals()


cdef void restore_mode(unsigned long mode) noexcept nogil:
    fastrnn_restore_mode(mode)


def built_with_openmp():
    """Whether the kernels can use more than one thread."""
    return FASTRNN_OPENMP == 1


def fma_peak(int threads=1, bint wide=False):
    """FLOP/s of multiply-adds in registers alone, all threads at once; float32, or float64 where `wide`."""
    cdef Py_ssize_t rounds = 1000
    cdef double done = 0, best = 0, start, took
    cdef int i
    for _ in range(6):
        start = time.perf_counter()
        done = 0
        for i in prange(threads, nogil=True, num_threads=threads, schedule="static", chunksize=1):
            done += _tables[wide].spin(rounds)
        took = time.perf_counter() - start
        best = max(best, done / took)
        rounds = max(rounds, <Py_ssize_t>(rounds * 0.02 / took))
    return best
