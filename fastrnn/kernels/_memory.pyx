"""Memory that calls lend each other.

A fresh page costs a fault on its first touch, 1 to 2 ms for the arrays of a training step of 32 x 100 x 128 -> 256,
every time anew where the C library gives large blocks back to the system.  Dictionary operations are atomic, so
threads need no lock, and a fork finds none held.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uintptr_t

import numpy as np

cimport numpy as cnp

cnp.import_array()

cdef extern from *:
    """
    #if defined(__linux__)
    #include <sys/mman.h>
    static void fastrnn_huge_pages(void *p, size_t size) { madvise(p, size, 14 /* MADV_HUGEPAGE */); }
    #else
    static void fastrnn_huge_pages(void *p, size_t size) { (void)p; (void)size; }
    #endif
    """
    void fastrnn_huge_pages(void* p, size_t size) nogil

_spare = {}
cdef Py_ssize_t _SMALL = 1 << 16  # bytes below which the C library keeps memory by itself
_MOST = 1 << 26   # bytes that are kept
_LINE = 64        # of a cache: a vector that straddles two costs two loads
_HUGE = 1 << 21   # of a huge page: without them, reading large weights is bound by address translation


def borrow(shape, dtype):
    """An array like numpy.empty's that starts a cache line, to be given back (`give_back`) or dropped."""
    cdef Py_ssize_t size = np.dtype(dtype).itemsize, n
    for n in shape:
        size *= n
    cdef Py_ssize_t step = _HUGE if size >= _HUGE // 8 else _LINE, start
    room = None
    if size >= _SMALL:
        fitting = [(r.size, key) for key, r in list(_spare.items()) if size + step <= r.size <= 2 * (size + step)]
        room = _spare.pop(min(fitting)[1], None) if fitting else None
        if not fitting:  # one that is almost large enough would lie beside the new one for nothing
            outgrown = [(r.size, key) for key, r in list(_spare.items()) if size // 2 <= r.size < size + step]
            _spare.pop(max(outgrown)[1] if outgrown else None, None)
    if room is None:
        room = np.empty(size + step, np.uint8)
    start = -<Py_ssize_t>cnp.PyArray_DATA(<cnp.ndarray>room) % step
    start += step if start < 0 else 0  # C's remainder has the sign of the dividend
    if step == _HUGE:
        fastrnn_huge_pages(<char*>cnp.PyArray_DATA(<cnp.ndarray>room) + start, size)
    return room[start : start + size].view(dtype).reshape(shape)


cdef object room_of(Py_ssize_t size, char** start):
    """An object that owns `size` bytes, the first of which starts a cache line; to be given back, or dropped."""
    owner = PyBytes_FromStringAndSize(NULL, size + 64) if size < _SMALL else borrow((size,), np.uint8)
    cdef char* first = PyBytes_AS_STRING(owner) if size < _SMALL else <char*>cnp.PyArray_DATA(<cnp.ndarray>owner)
    start[0] = <char*>((<uintptr_t>first + 63) // 64 * 64)
    return owner


def give_back(*arrays):
    """Lend the memory of borrowed arrays to later calls; nobody may use them any more."""
    for array in arrays:
        room = getattr(array, "base", None)  # NumPy keeps the owner as the base of every view
        if room is not None and room.dtype == np.uint8 and room.size >= _SMALL:
            _spare[id(room)] = room
    while sum(r.size for r in list(_spare.values())) > _MOST:
        _spare.pop(next(iter(_spare)), None)


def forget():
    """Give all spare memory back to the system."""
    _spare.clear()
