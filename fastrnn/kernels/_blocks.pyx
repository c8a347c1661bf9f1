"""What the Python doors of the recurrences share: arrays in, arrays out."""

import numpy as np

# Memory that calls lend each other.  A fresh page costs a fault on its first touch, 1 to 2 ms for the
# arrays of a training step of 32 x 100 x 128 -> 256, every time anew where the C library gives large blocks
# back to the system.  Dictionary operations are atomic, so threads need no lock, and a fork finds none held.
_spare = {}
_SMALL = 1 << 16  # bytes below which the C library keeps memory by itself
_MOST = 1 << 26   # bytes that are kept


def borrow(shape, dtype):
    """An array like numpy.empty's, to be given back (`give_back`) or dropped."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size < _SMALL:
        return np.empty(shape, dtype)
    fitting = [(b.size, key) for key, b in list(_spare.items()) if size <= b.size <= 2 * size]
    buffer = _spare.pop(min(fitting)[1], None) if fitting else None
    if buffer is None:
        buffer = np.empty(size, np.uint8)
    return buffer[:size].view(dtype).reshape(shape)


def give_back(*arrays):
    """Lend the memory of borrowed arrays to later calls; nobody may use them any more."""
    for array in arrays:
        buffer = None if array is None else array.base
        if buffer is not None and buffer.dtype == np.uint8:
            _spare[id(buffer)] = buffer
    while sum(b.size for b in list(_spare.values())) > _MOST:
        _spare.pop(next(iter(_spare)), None)


def forget():
    """Give all spare memory back to the system."""
    _spare.clear()


def split_input(x):
    """(rows, ids) of a packed batch, one of them None; C order."""
    if x.depth is None:
        return np.ascontiguousarray(x.rows), None
    return None, np.ascontiguousarray(x.rows, np.int64)


def recurrent_input(h, layout, h_mask):
    """What the recurrent product of each row read, [N, H]; a view of h where nothing moves."""
    if layout.N == layout.B * layout.T and h_mask is None:
        return h[: layout.N]
    read = borrow((layout.N, h.shape[1]), h.dtype)
    np.take(h, layout.before, axis=0, out=read, mode="clip")  # "raise" would take a copy of `out` first
    if h_mask is not None:
        read *= h_mask[layout.sequence]
    return read


def state_gradients(dsT, count, shape, dtype):
    """Fresh C-order arrays that start from dsT, or from zero."""
    return [
        np.zeros(shape, dtype) if d is None else np.array(d, dtype, order="C")
        for d in dsT or (None,) * count
    ]


def contiguous(params, *names):
    """The named parameters in C order."""
    return [np.ascontiguousarray(params[name]) for name in names]


cdef extern from *:
    """
    #ifdef _OPENMP
    #define FASTRNN_OPENMP 1
    #else
    #define FASTRNN_OPENMP 0
    #endif
    """
    int FASTRNN_OPENMP


def built_with_openmp():
    """Whether the kernels can use more than one thread."""
    return FASTRNN_OPENMP == 1
