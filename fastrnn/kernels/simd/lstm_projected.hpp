/* The projected LSTM; numbers in parentheses: fastrnn/cells/lstm_projected.py.  The first half of a step is that of
 * the LSTM, with m in place of h; the second is h = W_hr m, in panels of one vector of h.
 * Kept: m i f g o, five blocks of H numbers a row, and behind them room for the gradient of h, which backward writes
 * in its first half; the second turns the gates into their gradients when dm = W_hr' dh is there (`product`).
 */
namespace {

template <class T> struct Projection {
    enum { C = 1, GROUP = 1, TOGETHER = 4, W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;

    INLINE vec start(const fastrnn_step *, ptrdiff_t, ptrdiff_t, int) { return vec{}; }
    INLINE void finish(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, const vec *a)
    {
        give<T>(s, row, p * W, s->width - p * W, a[0]); /* (4) */
    }
};

template <class T> void lstm_projected_step(const fastrnn_step *s)
{
    if (s->half == 0) walk_panels<T, Lstm<T, false, false, true>>(s, s->first, s->last);
    else walk_panels<T, Projection<T>>(s, s->first, s->last);
}

template <class T> void lstm_projected_back(const fastrnn_back *s)
{
    enum { W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;
    const ptrdiff_t H = s->units;
    if (s->half == 0) {
        for (ptrdiff_t r = 0; r < s->rows; r++) {
            const T *dy = s->dy ? row_of<T>(s->dy, r, s->dy_row, s->dy_step, s->dy_index) : NULL;
            const T *dh = (const T *)s->dh + r * s->dh_row;
            T *kept = (T *)s->kept + r * s->kept_row + 5 * H;
            for (ptrdiff_t j = s->first; j < s->last; j += W) {
                vec d = load(dh + j, s->width - j);
                if (dy) d += load(dy + j, s->width - j); /* (5') */
                store(kept + j, s->width - j, d);
            }
        }
    } else { /* the LSTM's, of m in place of h, and of the gates behind m */
        fastrnn_back inner = *s;
        inner.dy = NULL;
        inner.dh = (void *)s->product;
        inner.dh_row = s->product_row;
        inner.kept = (T *)s->kept + H;
        lstm_back<T, false, false>(&inner);
    }
}

} // namespace
