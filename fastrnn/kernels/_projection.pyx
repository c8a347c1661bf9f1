"""*project*: x W_ih' + b, or columns of W_ih where rows are one-hot, gate beside gate as a step reads them."""

from libc.string cimport memcpy

from ._engine cimport Product
from ._recurrence cimport Call, Share, offset, place, rows_of, running


cdef void project_ids(const Call* c, const Share* s, Py_ssize_t t, Py_ssize_t n, char* pre) noexcept nogil:
    """One step of one-hot rows: a column of W_ih each, and the bias."""
    cdef Py_ssize_t W = c.engine.lanes, width, r, p, v, u, g, unit, id
    cdef Py_ssize_t G = c.ih.units
    cdef float* f
    cdef double* d
    cdef Py_ssize_t group
    width = (s.last - s.first) * c.ih.group * W
    for r in range(n):
        id = c.ids[place(c, &c.at_x, t, s.first_row + r * s.stride)]
        for p in range(s.first, s.last):
            group = min(c.ih.group, c.ih.vectors - p * c.ih.group)
            for v in range(group):
                g = v * c.units if c.ih.interleaved else 0
                unit = p * W if c.ih.interleaved else (p * c.ih.group + v) * W
                f = <float*>pre + r * width + ((p - s.first) * c.ih.group + v) * W
                d = <double*>pre + r * width + ((p - s.first) * c.ih.group + v) * W
                for u in range(W):
                    if c.W_ih != NULL:  # a row of its panels is such a column, gate beside gate
                        if c.word == 4:
                            f[u] = (<const float*>c.bias)[(p * c.ih.group + v) * W + u] + \
                                (<const float*>c.W_ih)[(p * c.ih.group * c.inputs + id * group + v) * W + u]
                        else:
                            d[u] = (<const double*>c.bias)[(p * c.ih.group + v) * W + u] + \
                                (<const double*>c.W_ih)[(p * c.ih.group * c.inputs + id * group + v) * W + u]
                    elif c.word == 4:
                        f[u] = (<const float*>c.bias)[(p * c.ih.group + v) * W + u]
                        if unit + u < G:
                            f[u] += (<const float*>c.W_given)[(g + unit + u) * c.inputs + id]
                    else:
                        d[u] = (<const double*>c.bias)[(p * c.ih.group + v) * W + u]
                        if unit + u < G:
                            d[u] += (<const double*>c.W_given)[(g + unit + u) * c.inputs + id]


cdef void project(const Call* c, const Share* s, Py_ssize_t t, Py_ssize_t end, char* pre, char* x_rows) noexcept nogil:
    cdef Py_ssize_t W = c.engine.lanes, width = (s.last - s.first) * c.ih.group * W
    cdef Py_ssize_t m = 0, n, r, line = c.inputs * c.word
    cdef Product q
    cdef Py_ssize_t first = t
    if c.ids != NULL:
        while t < end:
            n = rows_of(c, s, t)
            project_ids(c, s, t, n, pre + m * width * c.word)
            m += n
            t += 1
        return
    q.step, q.row = 1, c.inputs
    if c.at_x.index == NULL and (end == t + 1 or (c.B == 1 and c.at_x.along_t)):  # rows at equal distances
        m = rows_of(c, s, t) * (end - t)
        q.a = <const char*>c.x + place(c, &c.at_x, t, s.first_row) * line
        q.row = c.inputs * (c.at_x.along_b * s.stride if end == t + 1 else c.at_x.along_t)
    elif c.at_x.index == NULL and s.stride == 1 and c.at_x.along_t == 0 and c.at_x.along_b == 1:
        while t < end:
            m += running(c, t)
            t += 1
        q.a = <const char*>c.x + offset(c, first) * line
    else:
        while t < end:
            for r in range(rows_of(c, s, t)):
                memcpy(x_rows + m * line,
                       <const char*>c.x + place(c, &c.at_x, t, s.first_row + r * s.stride) * line, line)
                m += 1
            t += 1
        q.a = x_rows
    q.m, q.k, q.n = m, c.inputs, c.ih.vectors * W
    q.group, q.vectors, q.first, q.last = c.ih.group, c.ih.vectors, s.first, s.last
    q.b, q.start, q.start_row = c.W_ih, c.bias, 0
    q.out, q.out_row = pre - s.first * c.ih.group * W * c.word, width
    q.activation = 0
    c.engine.product(&q)
