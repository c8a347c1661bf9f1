/* One step of any recurrence: start the accumulators, run over k, finish.  A cell is a struct with
 *
 *     C                                  vectors of a panel
 *     start(s, row, p, c)                where accumulator c of panel p starts
 *     finish(s, row, p, a)               gates, states and outputs from the C accumulators at a
 */
namespace {

template <class T> INLINE T *row_of(const void *base, ptrdiff_t row, ptrdiff_t width, ptrdiff_t step, const int64_t *index)
{
    ptrdiff_t i = row * step;
    return (T *)base + (index ? (ptrdiff_t)index[i] : i) * width;
}

/* The numbers of panel p that accumulator c of row `row` starts from. */
template <class T, int GROUP> INLINE const T *pre_of(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, int c)
{
    return (const T *)s->pre + row * s->pre_row + ((p - s->first) * GROUP + c) * Simd<T>::W;
}

/* h, and its copy in y: units j .. j + n - 1. */
template <class T> INLINE void give(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t j, ptrdiff_t n, typename Simd<T>::vec h)
{
    store((T *)s->h + row * s->h_row + j, n, h);
    if (s->y) store(row_of<T>(s->y, row, s->y_row, s->y_step, s->y_index) + j, n, h);
}

template <class T, class Cell, int P> struct Step {
    const fastrnn_step *s;
    ptrdiff_t p;

    template <int R> void tile(ptrdiff_t row) const
    {
        enum { C = Cell::C, W = Simd<T>::W };
        typename Simd<T>::vec acc[R][P * C];
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int q = 0; q < P; q++)
                UNROLL for (int c = 0; c < C; c++) acc[r][q * C + c] = Cell::start(s, row + r, p + q, c);
        accumulate<T, R, C, P>(s->units, (const T *)s->read + row * s->read_row, s->read_row, 1,
                               (const T *)s->W + p * Cell::GROUP * W * s->units, Cell::GROUP * W * s->units, acc);
        for (int r = 0; r < R; r++)
            UNROLL for (int q = 0; q < P; q++) Cell::finish(s, row + r, p + q, acc[r] + q * C);
    }
};

/* Panels first .. last - 1, all of the same width; those of a single row two at a time, for more chains. */
template <class T, class Cell> INLINE void walk_panels(const fastrnn_step *s, ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t i = 0; i < last - first;) {
        ptrdiff_t width = s->rows == 1 && last - first - i > 1 ? 2 : 1;
        ptrdiff_t p = s->backwards ? last - i - width : first + i;
        if (width == 2) {
            Step<T, Cell, 2> job = {s, p};
            job.template tile<1>(0);
        } else {
            Step<T, Cell, 1> job = {s, p};
            Tiles<Most<Cell::C>::R>::walk(job, s->rows);
        }
        i += width;
    }
}

} // namespace
