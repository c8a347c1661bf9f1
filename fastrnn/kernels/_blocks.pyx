"""What the Python doors of the recurrences share: arrays in, arrays out."""

import numpy as np


def split_input(x):
    """(rows, ids) of a packed batch, one of them None; C order."""
    if x.depth is None:
        return np.ascontiguousarray(x.rows), None
    return None, np.ascontiguousarray(x.rows, np.int64)


def recurrent_input(h, layout, h_mask):
    """What the recurrent product of each row read, [N, H]; a view where nothing moves."""
    plain = layout.N == layout.B * layout.T
    read = h[: layout.N] if plain else np.take(h, layout.before, axis=0)
    return read if h_mask is None else read * h_mask[layout.sequence]


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
