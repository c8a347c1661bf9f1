"""The time loop of every recurrence, forwards and backwards, as one thread of a team sees it.

A thread's share is either some rows (every `team`-th sequence: they are sorted by length, so shares are equal at every
step) and all units, without a barrier; or all rows and some units, with one barrier a step.  The second way is for few
rows: a thread's part of the weights stays in its own cache, and one sequence keeps all threads busy.  As sequences
end, a ragged batch goes over from the first to the second.  Nothing of this changes a bit of a result
(simd/engine.h).

Forward, per chunk of steps: *project* (x W_ih' + b into scratch that is still in cache when it is read), then *recur*.
"""

from libc.string cimport memcpy

from ._engine cimport GRU, LSTM, Back, Product, Step, flush_denormals, restore_mode, wait

cdef enum:
    PAD = 64  # bytes between gathered rows: those a power of two apart fall into one cache set


cdef inline Py_ssize_t running(const Call* c, Py_ssize_t t) noexcept nogil:
    return c.steps[t] if c.steps != NULL else c.B


cdef inline Py_ssize_t offset(const Call* c, Py_ssize_t t) noexcept nogil:
    return c.offsets[t] if c.offsets != NULL else t * c.B


cdef inline Py_ssize_t place(const Call* c, const Places* at, Py_ssize_t t, Py_ssize_t j) noexcept nogil:
    """The row of sequence j at step t."""
    if at.index != NULL:
        return at.index[offset(c, t) + j]
    return (t * at.along_t if at.along_t else offset(c, t)) + j * at.along_b


cdef inline Py_ssize_t history(const Call* c, Py_ssize_t t, Py_ssize_t j) noexcept nogil:
    """The row of the state after step t in a history; t = -1 is the initial state."""
    return j if t < 0 else c.B + offset(c, t) + j


cdef struct Share:
    Py_ssize_t first_row, stride, first, last  # rows first_row, first_row + stride, ...; panels


cdef inline Share share_of(Py_ssize_t panels, bint by_units, int me, int team) noexcept nogil:
    cdef Share s
    if by_units:
        s.first_row, s.stride = 0, 1
        s.first, s.last = panels * me // team, panels * (me + 1) // team
    else:
        s.first_row, s.stride = me, team
        s.first, s.last = 0, panels
    return s


cdef inline Py_ssize_t rows_of(const Call* c, const Share* s, Py_ssize_t t) noexcept nogil:
    cdef Py_ssize_t n = running(c, t) - s.first_row
    return (n + s.stride - 1) // s.stride if n > 0 else 0


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
    """pre [rows, own panels] = x W_ih' + b for the share's rows of steps t .. end - 1."""
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
                memcpy(x_rows + m * line, <const char*>c.x + place(c, &c.at_x, t, s.first_row + r * s.stride) * line, line)
                m += 1
            t += 1
        q.a = x_rows
    q.m, q.k, q.n = m, c.inputs, c.ih.vectors * W
    q.group, q.vectors, q.first, q.last = c.ih.group, c.ih.vectors, s.first, s.last
    q.b, q.start, q.start_row = c.W_ih, c.bias, 0
    q.out, q.out_row = pre - s.first * c.ih.group * W * c.word, width
    q.activation = 0
    c.engine.product(&q)


cdef void mask_rows(const Call* c, const Share* s, Py_ssize_t n, const char* h, Py_ssize_t h_row, char* out,
                    Py_ssize_t out_row) noexcept nogil:
    """out = h times the mask of each row's sequence."""
    cdef Py_ssize_t r, j, q
    for r in range(n):
        q = (s.first_row + r * s.stride) * c.units
        for j in range(c.units):
            if c.word == 4:
                (<float*>out)[r * out_row + j] = (<const float*>h)[r * h_row + j] * (<const float*>c.mask)[q + j]
            else:
                (<double*>out)[r * out_row + j] = (<const double*>h)[r * h_row + j] * (<const double*>c.mask)[q + j]


cdef void forward_steps(Call* c, Share* s, Py_ssize_t t, Py_ssize_t last, bint together, int team, char* scratch) noexcept nogil:
    """Steps t .. last - 1 of one share; together: the team waits for each other after each."""
    cdef Py_ssize_t H = c.units, W = c.engine.lanes, width = (s.last - s.first) * c.ih.group * W
    cdef Py_ssize_t line = H * c.word, end, r, rows, before, now
    cdef char* pre = scratch
    cdef char* read = pre + c.chunk * width * c.word
    cdef char* x_rows = read + (c.B * (line + PAD) if c.mask != NULL else 0)
    cdef Step q
    q.units, q.first, q.last, q.W, q.bias = H, s.first, s.last, c.W_hh, c.bias_n
    q.pre_row, q.kept_row = width, s.stride * c.kept_row
    q.h_row = q.read_row = q.before_row = q.c_row = s.stride * H
    q.c, q.y, q.kept, q.y_row, q.y_index, q.y_step = NULL, NULL, NULL, c.y_row, NULL, 0
    while t < last and rows_of(c, s, t) > 0:
        end, rows = t + 1, rows_of(c, s, t)
        while end < last and rows_of(c, s, end) > 0 and rows + rows_of(c, s, end) <= c.chunk:
            rows += rows_of(c, s, end)
            end += 1
        project(c, s, t, end, pre, x_rows)
        r = 0
        while t < end:
            q.rows, q.backwards = rows_of(c, s, t), t & 1
            if c.training:
                before, now = history(c, t - 1, s.first_row), history(c, t, s.first_row)
            else:
                before = (t & 1) * c.B + s.first_row
                now = (1 - (t & 1)) * c.B + s.first_row
            q.pre = pre + r * width * c.word
            q.read = q.before = c.h + before * line
            q.h = c.h + now * line
            q.read_row = s.stride * H
            if c.mask != NULL:
                q.read_row = H + PAD // c.word
                mask_rows(c, s, q.rows, c.h + before * line, s.stride * H, read, q.read_row)
                q.read = read
            if c.cell == LSTM:
                q.before = c.c + (before if c.training else s.first_row) * line
                q.c = c.c + (now if c.training else s.first_row) * line
            if c.training and c.kept != NULL:
                q.kept = c.kept + (offset(c, t) + s.first_row) * c.kept_row * c.word
            if c.y != NULL:
                if c.at_y.index != NULL:
                    q.y, q.y_index, q.y_step = c.y, c.at_y.index + offset(c, t) + s.first_row, s.stride
                else:
                    q.y = c.y + place(c, &c.at_y, t, s.first_row) * c.y_row * c.word
                    q.y_step = s.stride * c.at_y.along_b
            c.engine.step[c.cell](&q)
            if together:
                wait(&c.barrier, team)
            r += q.rows
            t += 1


cdef void forward_share(Call* c, int me, int team) noexcept nogil:
    cdef unsigned long mode = flush_denormals()
    cdef char* scratch = c.scratch + me * c.scratch_size
    cdef Py_ssize_t turn = c.by_units if team > 1 else c.T
    cdef Share s = share_of(c.hh.panels, False, me, team)
    if turn > 0:
        forward_steps(c, &s, 0, turn, False, team, scratch)
    if turn < c.T:
        wait(&c.barrier, team)
        s = share_of(c.hh.panels, True, me, team)
        forward_steps(c, &s, turn, c.T, True, team, scratch)
    restore_mode(mode)


cdef void unmask_rows(const Call* c, const Share* s, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last, const char* product) noexcept nogil:
    """dh = [what is there already, in the GRU] + mask * product, units first .. last - 1."""
    cdef Py_ssize_t r, j, q, H = c.units
    cdef bint adds = c.cell == GRU
    cdef float f
    cdef double d
    for r in range(n):
        q = (s.first_row + r * s.stride) * H
        for j in range(first, last):
            if c.word == 4:
                f = (<const float*>c.mask)[q + j] * (<const float*>product)[r * H + j]
                (<float*>c.dh)[q + j] = f + (<float*>c.dh)[q + j] if adds else f
            else:
                d = (<const double*>c.mask)[q + j] * (<const double*>product)[r * H + j]
                (<double*>c.dh)[q + j] = d + (<double*>c.dh)[q + j] if adds else d


cdef void backward_steps(Call* c, Share* s, Py_ssize_t first, Py_ssize_t t, bint together, int team, char* scratch) noexcept nogil:
    """Steps t - 1 down to `first` of one share."""
    cdef Py_ssize_t H = c.units, W = c.engine.lanes, line = H * c.word, rows, row
    cdef Py_ssize_t begin = min(H, s.first * c.chain.group * W), stop = min(H, s.last * c.chain.group * W)
    cdef Back b
    cdef Product q
    b.units, b.first, b.last = H, begin, stop
    b.dh_row = b.before_row = b.after_row = s.stride * H
    b.dh = c.dh + s.first_row * line
    b.dc = c.dc + s.first_row * line if c.dc != NULL else NULL
    b.kept_row = s.stride * c.kept_row
    b.dy, b.dy_row, b.dy_step, b.dy_index = NULL, c.dy_row, 0, NULL
    q.k, q.n, q.group, q.vectors = c.chain.k, H, c.chain.group, c.chain.vectors
    q.first, q.last, q.b, q.step, q.start_row, q.activation = s.first, s.last, c.W_chain, 1, s.stride * H, 0
    q.row = s.stride * c.kept_row
    while t > first:
        t -= 1
        rows = rows_of(c, s, t)
        if rows > 0:
            row = offset(c, t) + s.first_row
            b.rows, b.kept = rows, c.kept + row * c.kept_row * c.word
            if c.dy != NULL:
                if c.at_dy.index != NULL:
                    b.dy, b.dy_index, b.dy_step = c.dy, c.at_dy.index + row, s.stride
                else:
                    b.dy = <const char*>c.dy + place(c, &c.at_dy, t, s.first_row) * c.dy_row * c.word
                    b.dy_step = s.stride * c.at_dy.along_b
            if c.cell == LSTM:
                b.before = c.c + history(c, t - 1, s.first_row) * line
                b.after = c.c + history(c, t, s.first_row) * line
            else:
                b.before = c.h + history(c, t - 1, s.first_row) * line
                b.after = c.h + history(c, t, s.first_row) * line
            c.engine.back[c.cell](&b)
        if together:
            wait(&c.barrier, team)
        if rows > 0:
            q.m, q.a = rows, b.kept
            if c.mask == NULL:
                q.out, q.out_row = b.dh, s.stride * H
                q.start = b.dh if c.cell == GRU else NULL
                c.engine.product(&q)
            else:
                q.out, q.out_row, q.start = scratch, H, NULL
                c.engine.product(&q)
                unmask_rows(c, s, rows, begin, stop, scratch)


cdef void backward_share(Call* c, int me, int team) noexcept nogil:
    cdef unsigned long mode = flush_denormals()
    cdef char* scratch = c.scratch + me * c.scratch_size
    cdef Py_ssize_t turn = c.by_units if team > 1 else c.T
    cdef Share s
    if turn < c.T:
        s = share_of(c.chain.panels, True, me, team)
        backward_steps(c, &s, turn, c.T, True, team, scratch)
        wait(&c.barrier, team)
    s = share_of(c.chain.panels, False, me, team)
    backward_steps(c, &s, 0, turn, False, team, scratch)
    restore_mode(mode)
