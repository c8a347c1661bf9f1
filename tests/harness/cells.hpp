/* Steps of every cell, forwards and backwards, each half by itself, against formulas.hpp.
 *
 * What is random: sizes, distances between rows, which rows and panels, and each of the options, those that a cell
 * has no use for as well.  What a step does not name among its results has to stay as it was, to the bit.
 */
namespace {

/* All that a step is given to write into. */
template <class T> struct Written {
    Rows<T> h, c, kept;
    Places<T> y;
};
template <class T> struct WrittenBack {
    Rows<T> dh, dc, kept;
};

/* Whether `got` is what a formula gave; where it gave nothing, what was there before. */
template <class T> bool is(T got, double wanted, T was)
{
    return std::isnan(wanted) ? same(&got, &was, 1) : near(got, wanted);
}

/* Blocks of n numbers, as many as the cell has, and their panels; NULL where it has none. */
template <class T> struct Extra {
    std::vector<T> plain, panels;
    ptrdiff_t n;

    Extra(const fastrnn_engine *e, int blocks, ptrdiff_t n)
        : plain(numbers<T>(blocks * n)), panels(packed(e, 1, n, blocks, true, plain.data(), 1, 1)), n(n)
    {
    }
    const T *data() const { return panels.empty() ? nullptr : panels.data(); }
    void of(ptrdiff_t j, double *out) const /* unit j: a number of each block */
    {
        for (ptrdiff_t b = 0; b < MOST_EXTRA; b++) out[b] = b * n < (ptrdiff_t)plain.size() ? plain[b * n + j] : 0;
    }
};

template <class T> void check_step(const fastrnn_engine *e, int cell, int half)
{
    const fastrnn_form &form = fastrnn_forms[cell];
    const bool plain = form.gates == 1, projected = half && form.projects;
    const bool in_place = form.memory && pick(0, 1);             /* c, as in inference */
    const bool keeps = form.late || form.projects || pick(0, 1); /* halves meet in what is kept */
    const ptrdiff_t W = e->lanes, most = plain || half ? 9 * W : form.late ? 5 * W : 3 * W;
    const ptrdiff_t rows = pick(0, 5) ? pick(1, 15) : 1, H = pick(1, most), P = form.projects ? pick(1, most) : H;
    const ptrdiff_t n = projected ? P : H, depth = half ? H : P; /* of the product */
    const ptrdiff_t gates = half ? 1 : form.gates - form.late;
    const ptrdiff_t blocks = (n + W - 1) / W, panels = plain ? (blocks + 3) / 4 : blocks, wide = plain ? 4 * W : W;
    const ptrdiff_t first = pick(0, panels - 1), last = pick(first + 1, panels);
    const ptrdiff_t apart = (plain ? 4 : form.gates) * W; /* panels of pre, which has the late gate in every one */
    std::vector<T> w = numbers<T>(gates * n * depth, 2 / std::sqrt((double)depth));
    const std::vector<T> W_hh = packed(e, depth, n, gates, !plain, w.data(), 1, depth);
    const Extra<T> extra(e, form.extra, H);
    Rows<T> pre = Rows<T>(rows, (last - first) * apart).filled(), read = Rows<T>(rows, P).filled();
    Rows<T> before = Rows<T>(rows, H).filled();
    Written<T> start = {{rows, P}, {rows, H}, {rows, form.kept * H}, {rows, P}};
    if (half) start.kept = start.kept.filled(); /* by the first half, which is not run here */
    if (in_place) start.c = before;
    Written<T> out = start, alone = start;

    const auto step = [&](Written<T> &to, ptrdiff_t r, ptrdiff_t p) { /* from row r and panel p on */
        fastrnn_step q = {};
        q.rows = rows - r, q.units = H, q.width = P, q.depth = depth;
        q.first = p, q.last = last, q.half = half;
        q.read = half ? to.kept[r] : read[r], q.read_row = half ? to.kept.row : read.row;
        q.W = W_hh.data();
        q.pre = projected ? NULL : pre[r] + (p - first) * apart, q.pre_row = projected ? 0 : pre.row;
        q.extra = extra.data();
        q.before = in_place ? to.c[r] : before[r], q.before_row = in_place ? to.c.row : before.row;
        q.c = form.memory ? to.c[r] : NULL, q.c_row = to.c.row;
        q.h = to.h[r], q.h_row = to.h.row;
        q.y = to.y.start(r), q.y_row = to.y.rows.row, q.y_step = 2, q.y_index = to.y.from(r);
        q.kept = keeps ? to.kept[r] : NULL, q.kept_row = to.kept.row;
        return q;
    };
    fastrnn_step all = step(out, 0, first);
    all.backwards = (int)pick(0, 1);
    e->step[cell](&all);

    Rows<T> y = start.y.rows;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t j = 0; j < std::max(H, P); j++) {
            Unit u;
            const ptrdiff_t p = j / wide;
            if (j < n && p >= first && p < last) {
                Ahead x = {};
                for (ptrdiff_t g = 0; g < gates; g++) {
                    const ptrdiff_t vector = plain ? j / W % 4 : half ? form.gates - 1 : g;
                    x.sum[g] = projected ? 0 : pre[r][(p - first) * apart + vector * W + j % W];
                    if (cell == FASTRNN_GRU && g == 2) x.input = x.sum[g], x.sum[g] = extra.plain[j];
                    const T *from = half ? start.kept[r] : read[r], *by = &w[(g * n + j) * depth];
                    for (ptrdiff_t i = 0; i < depth; i++) x.sum[g] += (double)by[i] * from[i];
                }
                extra.of(j, x.extra);
                x.before = j < H ? before[r][j] : NONE, x.read = j < P ? read[r][j] : NONE;
                for (int b = 0; b < form.kept && j < H; b++) x.kept[b] = start.kept[r][b * H + j];
                u = unit_of(cell, half, x);
                if (out.y.exist && !std::isnan(u.h)) y[out.y.of(r)][j] = out.h[r][j];
            }
            if (j < P) expect(is(out.h[r][j], u.h, start.h[r][j]), "step, h");
            if (j < H) expect(is(out.c[r][j], u.c, start.c[r][j]), "step, c");
            for (int b = 0; b < form.kept && j < H; b++)
                expect(is(out.kept[r][b * H + j], keeps ? u.kept[b] : NONE, start.kept[r][b * H + j]), "step, kept");
        }
    expect(same(out.y.rows.all, y.all), "step, y");
    expect(out.h.blank_between() && out.c.blank_between() && out.kept.blank_between(), "step, between rows");

    for (ptrdiff_t r = 0; r < rows; r++) /* a row alone, a panel at a time: the same bits */
        for (ptrdiff_t p = first; p < last; p++) {
            fastrnn_step one = step(alone, r, p);
            one.rows = 1, one.last = p + 1;
            e->step[cell](&one);
        }
    expect(same(out.h.all, alone.h.all) && same(out.c.all, alone.c.all), "step, states of a row alone");
    expect(same(out.kept.all, alone.kept.all) && same(out.y.rows.all, alone.y.rows.all), "step, a row alone");
}

template <class T> void check_back(const fastrnn_engine *e, int cell, int half)
{
    const fastrnn_form &form = fastrnn_forms[cell];
    const bool masked = pick(0, 1);
    const ptrdiff_t W = e->lanes, rows = pick(1, 9), H = pick(1, 9 * W), P = form.projects ? pick(1, 9 * W) : H;
    const ptrdiff_t n = half ? H : P, blocks = (n + W - 1) / W;
    const ptrdiff_t first = pick(0, blocks - 1) * W, last = std::min(n, first + pick(1, blocks) * W);
    const Extra<T> extra(e, form.extra, H);
    Places<T> dy(rows, P);
    dy.rows = dy.rows.filled();
    Rows<T> before = Rows<T>(rows, H).filled(), after = Rows<T>(rows, H).filled(), product = Rows<T>(rows, H).filled();
    WrittenBack<T> start = {Rows<T>(rows, P).filled(), Rows<T>(rows, H).filled(),
                            Rows<T>(rows, form.kept * H + form.projects * P).filled()};
    for (T &x : start.kept.all) x = (x + 1) / 2; /* gates */
    Rows<T> mask = Rows<T>(rows, P, start.dh.row).filled();
    WrittenBack<T> out = start, alone = start;

    const auto back = [&](WrittenBack<T> &to, ptrdiff_t r, ptrdiff_t unit) { /* from row r and this unit on */
        fastrnn_back q = {};
        q.rows = rows - r, q.units = H, q.width = P;
        q.first = unit, q.last = last, q.half = half;
        q.extra = extra.data();
        q.dy = dy.start(r), q.dy_row = dy.rows.row, q.dy_step = 2, q.dy_index = dy.from(r);
        q.dh = to.dh[r], q.dh_row = to.dh.row;
        q.dc = form.memory ? to.dc[r] : NULL, q.dc_row = to.dc.row;
        q.before = before[r], q.before_row = before.row;
        q.after = after[r], q.after_row = after.row;
        q.product = half ? product[r] : NULL, q.product_row = product.row;
        q.mask = masked ? mask[r] : NULL;
        q.kept = to.kept[r], q.kept_row = to.kept.row;
        return q;
    };
    const fastrnn_back all = back(out, 0, first);
    e->back[cell](&all);

    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t j = 0; j < std::max(H, P); j++) {
            Unit u;
            if (j >= first && j < last) {
                Behind x = {};
                if (j < P) { /* a projection has units without an h, or the other way round */
                    x.dh = start.dh[r][j], x.dy = dy.exist ? dy.rows[dy.of(r)][j] : 0;
                    x.mask = masked ? mask[r][j] : 1;
                }
                if (j < H) {
                    x.dc = start.dc[r][j], x.product = product[r][j];
                    x.before = before[r][j], x.after = after[r][j];
                }
                for (int b = 0; b < form.kept && j < H; b++) x.kept[b] = start.kept[r][b * H + j];
                extra.of(j, x.extra);
                u = back_of(cell, half, x);
            }
            if (j < P) expect(is(out.dh[r][j], u.h, start.dh[r][j]), "back, dh");
            if (j < H) expect(is(out.dc[r][j], u.c, start.dc[r][j]), "back, dc");
            for (int b = 0; b < form.kept && j < H; b++)
                expect(is(out.kept[r][b * H + j], u.kept[b], start.kept[r][b * H + j]), "back, gates");
            if (form.projects && j < P)
                expect(is(out.kept[r][form.kept * H + j], u.shown, start.kept[r][form.kept * H + j]), "back, shown");
        }
    expect(out.dh.blank_between() && out.dc.blank_between() && out.kept.blank_between(), "back, between rows");

    for (ptrdiff_t r = 0; r < rows; r++) /* a row alone, a vector at a time: the same bits */
        for (ptrdiff_t unit = first; unit < last; unit += W) {
            fastrnn_back one = back(alone, r, unit);
            one.rows = 1, one.last = std::min(last, unit + W);
            e->back[cell](&one);
        }
    expect(same(out.dh.all, alone.dh.all) && same(out.dc.all, alone.dc.all), "back, states of a row alone");
    expect(same(out.kept.all, alone.kept.all), "back, a row alone");
}

template <class T> void check_cells(const fastrnn_engine *e)
{
    const char *const names[] = {"RNN, tanh", "RNN, relu", "LSTM", "LSTM, peepholes", "LSTM, coupled",
                                 "LSTM, peepholes, coupled", "LSTM, projected", "GRU", "GRU, reset before"};
    static_assert(sizeof names / sizeof *names == FASTRNN_CELLS, "a name for every cell");
    for (int cell = 0; cell < FASTRNN_CELLS; cell++)
        for (int half = 0; half < 1 + fastrnn_forms[cell].late + fastrnn_forms[cell].projects; half++) {
            snprintf(where, sizeof where, "%s, half %d: ", names[cell], half);
            check_step<T>(e, cell, half);
            check_back<T>(e, cell, half);
        }
    where[0] = 0;
}

} // namespace
