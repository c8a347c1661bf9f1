"""The time loop of every recurrence, forwards and backwards, as one thread of a team sees it.

A share of the work is either some rows (every n-th sequence: they are sorted by length, so shares are equal at every
step) and all units, for all steps; or all rows and some units, step by step.  The second way is for few rows: a
thread's part of the weights stays in its own cache, and one sequence keeps all threads busy.  As sequences end, a
ragged batch goes over from the first to the second.  Shares are taken by the relay of simd/engine.h.  Nothing of this
changes a bit of a result.

Forward, per chunk of steps: *project* (x W_ih' + b into scratch that is still in cache when it is read), then *recur*.
"""

from libc.string cimport memcpy

from ._engine cimport (
    Back,
    Product,
    Step,
    await_done,
    finish,
    flush_denormals,
    halves_of,
    restore_mode,
    take,
)
from ._projection cimport project

cdef inline Py_ssize_t history(const Call* c, Py_ssize_t t, Py_ssize_t j) noexcept nogil:
    """The row of the state after step t in a history; t = -1 is the initial state."""
    return j if t < 0 else c.B + offset(c, t) + j


cdef inline Share share_of(const Call* c, Py_ssize_t panels, bint by_units, int k) noexcept nogil:
    """Share number k."""
    cdef Share s
    s.scratch = c.scratch + k * c.scratch_size
    if by_units:
        s.first_row, s.stride = 0, 1
        s.first, s.last = panels * k // c.shares, panels * (k + 1) // c.shares
    else:
        s.first_row, s.stride = k, c.shares
        s.first, s.last = 0, panels
    return s


cdef void mask_rows(const Call* c, const Share* s, Py_ssize_t n, const char* h, Py_ssize_t h_row, char* out,
                    Py_ssize_t out_row) noexcept nogil:
    """out = h times the mask of each row's sequence."""
    cdef Py_ssize_t r, j, q
    for r in range(n):
        q = (s.first_row + r * s.stride) * c.width
        for j in range(c.width):
            if c.word == 4:
                (<float*>out)[r * out_row + j] = (<const float*>h)[r * h_row + j] * (<const float*>c.mask)[q + j]
            else:
                (<double*>out)[r * out_row + j] = (<const double*>h)[r * h_row + j] * (<const double*>c.mask)[q + j]


cdef inline Py_ssize_t width_of(const Call* c, const Share* s) noexcept nogil:
    """Numbers of a projected row."""
    return (s.last - s.first) * c.ih.group * c.engine.lanes


cdef inline char* read_rows(const Call* c, const Share* s) noexcept nogil:
    """The part of a share's scratch for masked states, behind that for projected rows."""
    return s.scratch + c.chunk * width_of(c, s) * c.word


cdef void project_chunk(const Call* c, const Share* s, Py_ssize_t t, Py_ssize_t end) noexcept nogil:
    project(c, s, t, end, s.scratch, read_rows(c, s) + (c.B * (c.width * c.word + PAD) if c.mask != NULL else 0))


cdef Py_ssize_t chunk_end(const Call* c, const Share* s, Py_ssize_t t, Py_ssize_t last) noexcept nogil:
    """The step after the last one, before `last`, that is projected together with step t."""
    cdef Py_ssize_t rows = rows_of(c, s, t)
    t += 1
    while t < last and 0 < rows_of(c, s, t) <= c.chunk - rows:
        rows += rows_of(c, s, t)
        t += 1
    return t


cdef void forward_step(const Call* c, const Share* s, Py_ssize_t t, Py_ssize_t r, int half) noexcept nogil:
    """A half of step t of a share, projected from row r of its scratch on."""
    cdef Py_ssize_t H = c.units, P = c.width, width = width_of(c, s), line = P * c.word, before, now
    cdef char* read
    cdef Step q
    q.rows, q.units, q.width, q.depth = rows_of(c, s, t), H, P, P
    q.first, q.last, q.backwards = s.first, s.last, t & 1
    q.half, q.extra = half, c.extra
    q.W, q.pre, q.pre_row = c.W_hh, s.scratch + r * width * c.word, width
    q.read_row = q.h_row = s.stride * P
    q.before_row = q.c_row = s.stride * H
    if c.training:
        before, now = history(c, t - 1, s.first_row), history(c, t, s.first_row)
    else:
        before, now = (t & 1) * c.B + s.first_row, (1 - (t & 1)) * c.B + s.first_row
    q.read = q.before = c.h + before * line
    q.h, q.c, q.kept, q.kept_row = c.h + now * line, NULL, NULL, s.stride * c.kept_row
    if half > 0:
        q.W, q.depth = c.W_second, H
    elif c.mask != NULL:
        read = read_rows(c, s)
        q.read, q.read_row = read, P + PAD // c.word
        mask_rows(c, s, q.rows, c.h + before * line, s.stride * P, read, q.read_row)
    if c.form.memory:
        q.before = c.c + (before if c.training else s.first_row) * H * c.word
        q.c = c.c + (now if c.training else s.first_row) * H * c.word
    if c.kept != NULL:
        q.kept = c.kept + ((offset(c, t) if c.training else 0) + s.first_row) * c.kept_row * c.word
    if half > 0:
        q.read, q.read_row = q.kept, q.kept_row
    q.y, q.y_row, q.y_index, q.y_step = NULL, c.y_row, NULL, s.stride
    if c.y != NULL and c.at_y.index != NULL:
        q.y, q.y_index = c.y, c.at_y.index + offset(c, t) + s.first_row
    elif c.y != NULL:
        q.y = c.y + place(c, &c.at_y, t, s.first_row) * c.y_row * c.word
        q.y_step = s.stride * c.at_y.along_b
    c.engine.step[c.cell](&q)


cdef void forward_rows(const Call* c, const Share* s, Py_ssize_t last) noexcept nogil:
    """Steps 0 .. last - 1 of a share of rows."""
    cdef Py_ssize_t t = 0, end, r
    cdef Share second
    while t < last and rows_of(c, s, t) > 0:
        end = chunk_end(c, s, t, last)
        project_chunk(c, s, t, end)
        r = 0
        while t < end:
            forward_step(c, s, t, r, 0)
            if halves_of(c.form) > 1:
                second = s[0]
                second.last = c.second.panels
                forward_step(c, &second, t, r, 1)
            r += rows_of(c, s, t)
            t += 1


cdef void forward_units(Call* c, int me, Py_ssize_t t, int item) noexcept nogil:
    """Steps t .. T - 1 in shares of units; `item` is the number of the relay's next item."""
    cdef Py_ssize_t end, r
    cdef Share s
    cdef int i, k, half
    while t < c.T:
        s = share_of(c, c.hh.panels, True, me)
        end, r = chunk_end(c, &s, t, c.T), 0
        for i in range(c.shares):
            k = (me + i) % c.shares
            if take(c.relay, k, item):
                s = share_of(c, c.hh.panels, True, k)
                project_chunk(c, &s, t, end)
                finish(c.relay)
        item += 1
        await_done(c.relay, item * c.shares)
        while t < end:
            for half in range(halves_of(c.form)):
                for i in range(c.shares):
                    k = (me + i) % c.shares
                    if take(c.relay, k, item):
                        s = share_of(c, c.second.panels if half else c.hh.panels, True, k)
                        forward_step(c, &s, t, r, half)
                        finish(c.relay)
                item += 1
                await_done(c.relay, item * c.shares)
            r += running(c, t)
            t += 1


cdef void forward_pass(Call* c, int me) noexcept nogil:
    cdef unsigned long mode = flush_denormals()
    cdef Share s
    cdef int i, k
    if c.shares == 1:
        s = share_of(c, c.hh.panels, False, 0)
        forward_rows(c, &s, c.T)
    else:
        for i in range(c.shares):
            k = (me + i) % c.shares
            if take(c.relay, k, 0):
                s = share_of(c, c.hh.panels, False, k)
                forward_rows(c, &s, c.by_units)
                finish(c.relay)
        if c.by_units < c.T:
            await_done(c.relay, c.shares)
            forward_units(c, me, c.by_units, 1)
    restore_mode(mode)


cdef void unmask_rows(
    const Call* c, const Share* s, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last, const char* product
) noexcept nogil:
    """dh = [what is there already, in the GRU] + mask * product, units first .. last - 1."""
    cdef Py_ssize_t r, j, q, P = c.width
    cdef bint adds = c.form.carries
    cdef float f
    cdef double d
    for r in range(n):
        q = (s.first_row + r * s.stride) * P
        for j in range(first, last):
            if c.word == 4:
                f = (<const float*>c.mask)[q + j] * (<const float*>product)[r * P + j]
                (<float*>c.dh)[q + j] = f + (<float*>c.dh)[q + j] if adds else f
            else:
                d = (<const double*>c.mask)[q + j] * (<const double*>product)[r * P + j]
                (<double*>c.dh)[q + j] = d + (<double*>c.dh)[q + j] if adds else d


cdef inline Py_ssize_t unit_of(const Call* c, const Shape* panels, Py_ssize_t panel) noexcept nogil:
    """The first column of a panel."""
    return min(panels.units, panel * panels.group * c.engine.lanes)


cdef void back(const Call* c, const Share* s, Py_ssize_t t, int half) noexcept nogil:
    """The element-wise part of step t of a share: kept gates become their gradients."""
    cdef Py_ssize_t H = c.units, P = c.width, line = H * c.word, row = offset(c, t) + s.first_row
    cdef const Shape* panels = &c.through if half else &c.chain
    cdef Back b
    b.rows, b.units, b.width = rows_of(c, s, t), H, P
    b.first, b.last = unit_of(c, panels, s.first), unit_of(c, panels, s.last)
    if b.rows == 0:
        return
    b.half, b.extra, b.product, b.product_row = half, c.extra, s.scratch, H
    b.mask = <const char*>c.mask + s.first_row * P * c.word if c.mask != NULL else NULL
    b.dh_row, b.dc_row = s.stride * P, s.stride * H
    b.before_row = b.after_row = s.stride * H
    b.dh = c.dh + s.first_row * P * c.word
    b.dc = c.dc + s.first_row * line if c.dc != NULL else NULL
    b.kept, b.kept_row = c.kept + row * c.kept_row * c.word, s.stride * c.kept_row
    b.dy, b.dy_row, b.dy_step, b.dy_index = NULL, c.dy_row, s.stride, NULL
    if c.dy != NULL and c.at_dy.index != NULL:
        b.dy, b.dy_index = c.dy, c.at_dy.index + row
    elif c.dy != NULL:
        b.dy = <const char*>c.dy + place(c, &c.at_dy, t, s.first_row) * c.dy_row * c.word
        b.dy_step = s.stride * c.at_dy.along_b
    b.before = (c.c if c.form.memory else c.h) + history(c, t - 1, s.first_row) * line
    b.after = (c.c if c.form.memory else c.h) + history(c, t, s.first_row) * line
    c.engine.back[c.cell](&b)


cdef Product product_of(
    const Call* c, const Share* s, Py_ssize_t t, const Shape* panels, const void* b, Py_ssize_t column
) noexcept nogil:
    """What is kept of step t of a share, from a column on, times the matrix in `panels`; into the share's scratch."""
    cdef Product q
    q.m, q.k, q.n, q.group, q.vectors = rows_of(c, s, t), panels.k, panels.units, panels.group, panels.vectors
    q.first, q.last, q.b, q.activation = s.first, s.last, b, 0
    q.a = c.kept + ((offset(c, t) + s.first_row) * c.kept_row + column) * c.word
    q.row, q.step, q.start, q.start_row = s.stride * c.kept_row, 1, NULL, 0
    q.out, q.out_row = s.scratch, q.n
    return q


cdef void through(const Call* c, const Share* s, Py_ssize_t t) noexcept nogil:
    """Of a step in two halves: back through the product of the second, and the gates of the first."""
    cdef Product q = product_of(c, s, t, &c.through, c.W_through, c.through_from)
    if q.m > 0:
        c.engine.product(&q)
        back(c, s, t, 1)


cdef void chain(const Call* c, const Share* s, Py_ssize_t t) noexcept nogil:
    """dh of a share before step t: dgates W_hh."""
    cdef Product q = product_of(c, s, t, &c.chain, c.W_chain, c.chained)
    if q.m == 0:
        return
    if c.mask == NULL:
        q.out, q.out_row = c.dh + s.first_row * c.width * c.word, s.stride * c.width
        q.start, q.start_row = q.out if c.form.carries else NULL, q.out_row
        c.engine.product(&q)
    else:
        c.engine.product(&q)
        unmask_rows(c, s, q.m, unit_of(c, &c.chain, s.first), unit_of(c, &c.chain, s.last), s.scratch)


cdef int backward_units(Call* c, int me) noexcept nogil:
    """Steps T - 1 down to by_units in shares of units; returns the number of the relay's next item."""
    cdef Py_ssize_t t = c.T - 1
    cdef Share s
    cdef int i, k, item = 0
    while True:  # an item is the chain of one step and the element-wise part of the step before it
        for i in range(c.shares):
            k = (me + i) % c.shares
            if take(c.relay, k, item):
                s = share_of(c, c.chain.panels, True, k)
                if t < c.T - 1:
                    chain(c, &s, t + 1)
                if t >= c.by_units:
                    back(c, &s, t, 0)
                finish(c.relay)
        item += 1
        await_done(c.relay, item * c.shares)
        if t < c.by_units:
            return item
        if halves_of(c.form) > 1:
            for i in range(c.shares):
                k = (me + i) % c.shares
                if take(c.relay, k, item):
                    s = share_of(c, c.through.panels, True, k)
                    through(c, &s, t)
                    finish(c.relay)
            item += 1
            await_done(c.relay, item * c.shares)
        t -= 1


cdef void backward_rows(const Call* c, const Share* s, Py_ssize_t t) noexcept nogil:
    """Steps t - 1 down to 0 of a share of rows."""
    cdef Share second
    while t > 0:
        t -= 1
        back(c, s, t, 0)
        if halves_of(c.form) > 1:
            second = s[0]
            second.last = c.through.panels
            through(c, &second, t)
        chain(c, s, t)


cdef void backward_pass(Call* c, int me) noexcept nogil:
    cdef unsigned long mode = flush_denormals()
    cdef Share s
    cdef int i, k, item
    if c.shares == 1:
        s = share_of(c, c.chain.panels, False, 0)
        backward_rows(c, &s, c.T)
    else:
        item = backward_units(c, me) if c.by_units < c.T else 0
        for i in range(c.shares):
            k = (me + i) % c.shares
            if take(c.relay, k, item):
                s = share_of(c, c.chain.panels, False, k)
                backward_rows(c, &s, c.by_units)
                finish(c.relay)
    restore_mode(mode)
