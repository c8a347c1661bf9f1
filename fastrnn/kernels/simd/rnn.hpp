/* The vanilla recurrence; numbers in parentheses: fastrnn/cells/rnn.py.  A panel is four vectors of units. */
namespace {

template <class T, bool RELU, int VECTORS> struct Rnn {
    enum { C = VECTORS, GROUP = 4, TOGETHER = 1, W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;

    INLINE vec start(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, int c)
    {
        return load(pre_of<T, GROUP>(s, row, p, c));
    }
    INLINE void finish(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, const vec *a)
    {
        UNROLL for (int c = 0; c < C; c++) {
            ptrdiff_t j = (p * GROUP + c) * W;
            give<T>(s, row, j, s->units - j, RELU ? relu<T>(a[c]) : fast_tanh(a[c])); /* (2) */
        }
    }
};

template <class T, bool RELU> void rnn_step(const fastrnn_step *s)
{
    const ptrdiff_t vectors = (s->units + Simd<T>::W - 1) / Simd<T>::W, full = vectors / 4;
    const ptrdiff_t last = s->last < full ? s->last : full;
    const bool rest = s->last > full;
    if (s->backwards || !rest) walk_panels<T, Rnn<T, RELU, 4>>(s, s->first, last);
    if (rest) switch (vectors % 4) {
        case 1: walk_panels<T, Rnn<T, RELU, 1>>(s, full, full + 1); break;
        case 2: walk_panels<T, Rnn<T, RELU, 2>>(s, full, full + 1); break;
        case 3: walk_panels<T, Rnn<T, RELU, 3>>(s, full, full + 1);
        }
    if (rest && !s->backwards) walk_panels<T, Rnn<T, RELU, 4>>(s, s->first, last);
}

template <class T, bool RELU> void rnn_back(const fastrnn_back *s)
{
    enum { W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        const T *dy = s->dy ? row_of<T>(s->dy, r, s->dy_row, s->dy_step, s->dy_index) : NULL;
        const T *h = (const T *)s->after + r * s->after_row, *dh = (const T *)s->dh + r * s->dh_row;
        T *da = (T *)s->kept + r * s->kept_row;
        for (ptrdiff_t j = s->first; j < s->last; j += W) {
            ptrdiff_t n = s->units - j;
            vec d = load(dh + j, n), y = load(h + j, n);
            if (dy) d += load(dy + j, n); /* (3') */
            if (RELU) d *= y > all((T)0) ? all((T)1) : all((T)0); /* a product: NaN and infinity pass */
            else d = d * fma(-y, y, all((T)1));
            store(da + j, n, d); /* (2') */
        }
    }
}

} // namespace
