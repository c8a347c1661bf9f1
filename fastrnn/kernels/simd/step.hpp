/* One step of any recurrence: start the accumulators, run over k, finish.  A cell is a struct with
 *
 *     C                                  vectors of a panel
 *     GROUP                              vectors of a whole panel, where C may be those of a last one
 *     TOGETHER                           panels a tile, a power of two
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
        const ptrdiff_t apart = Cell::GROUP * W * s->depth;
        accumulate<T, R, C, P>(s->depth, (const T *)s->read + row * s->read_row, s->read_row, 1,
                               (const T *)s->W + p * apart, apart, acc);
        for (int r = 0; r < R; r++)
            UNROLL for (int q = 0; q < P; q++) Cell::finish(s, row + r, p + q, acc[r] + q * C);
    }
};

/* P panels, or fewer: half of them, a quarter, ... one.  A single row takes no other tiles. */
template <class T, class Cell, int P, bool SINGLE> struct Abreast {
    INLINE void run(const fastrnn_step *s, ptrdiff_t p, ptrdiff_t width)
    {
        if (width < P) return Abreast<T, Cell, P / 2, SINGLE>::run(s, p, width);
        Step<T, Cell, P> job = {s, p};
        Tiles<SINGLE ? 1 : Most<Cell::C * P>::R>::walk(job, s->rows);
    }
};
template <class T, class Cell, bool SINGLE> struct Abreast<T, Cell, 0, SINGLE> {
    INLINE void run(const fastrnn_step *, ptrdiff_t, ptrdiff_t) {}
};

template <class T, class Cell, int P, bool SINGLE>
INLINE void walk_abreast(const fastrnn_step *s, ptrdiff_t first, ptrdiff_t last)
{
    ptrdiff_t width = P;
    for (ptrdiff_t i = 0; i < last - first; i += width) {
        while (width > last - first - i) width /= 2;
        Abreast<T, Cell, P, SINGLE>::run(s, s->backwards ? last - i - width : first + i, width);
    }
}

/* Panels first .. last - 1, all of the same width; those of a single row twice as many at a time, for more chains. */
template <class T, class Cell> INLINE void walk_panels(const fastrnn_step *s, ptrdiff_t first, ptrdiff_t last)
{
    if (s->rows == 1) walk_abreast<T, Cell, 2 * Cell::TOGETHER, true>(s, first, last);
    else walk_abreast<T, Cell, Cell::TOGETHER, false>(s, first, last);
}

} // namespace
