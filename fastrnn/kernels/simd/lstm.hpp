/* The LSTM; numbers in parentheses: fastrnn/cells/lstm.py.  A panel is the gates i f g o of one vector of units.
 * Kept: i f g o, four blocks of H numbers a row; backward turns them into their gradients.
 */
namespace {

template <class T> struct Lstm {
    enum { C = 4, GROUP = 4, W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;

    INLINE vec start(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, int c)
    {
        return load(pre_of<T, GROUP>(s, row, p, c));
    }
    INLINE void finish(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, const vec *a)
    {
        const ptrdiff_t H = s->units, j = p * W, n = H - j;
        vec i = fast_sigmoid(a[0]), f = fast_sigmoid(a[1]), g = fast_tanh(a[2]), o = fast_sigmoid(a[3]); /* (2) */
        vec c = fma(f, load((const T *)s->before + row * s->before_row + j, n), i * g); /* (3) */
        store((T *)s->c + row * s->c_row + j, n, c);
        give<T>(s, row, j, n, o * fast_tanh(c)); /* (4) */
        if (s->kept) {
            T *kept = (T *)s->kept + row * s->kept_row + j;
            store(kept, n, i);
            store(kept + H, n, f);
            store(kept + 2 * H, n, g);
            store(kept + 3 * H, n, o);
        }
    }
};

template <class T> void lstm_step(const fastrnn_step *s) { walk_panels<T, Lstm<T>>(s, s->first, s->last); }

template <class T> void lstm_back(const fastrnn_back *s)
{
    enum { W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;
    const ptrdiff_t H = s->units;
    const vec one = all((T)1);
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        const T *dy = s->dy ? row_of<T>(s->dy, r, s->dy_row, s->dy_step, s->dy_index) : NULL;
        const T *before = (const T *)s->before + r * s->before_row, *after = (const T *)s->after + r * s->after_row;
        const T *dh = (const T *)s->dh + r * s->dh_row;
        T *dc = (T *)s->dc + r * s->dh_row;
        for (ptrdiff_t j = s->first; j < s->last; j += W) {
            const ptrdiff_t n = H - j;
            T *kept = (T *)s->kept + r * s->kept_row + j;
            vec i = load(kept, n), f = load(kept + H, n), g = load(kept + 2 * H, n), o = load(kept + 3 * H, n);
            vec d = load(dh + j, n), y = fast_tanh(load(after + j, n));
            if (dy) d += load(dy + j, n); /* (5') */
            vec e = fma(d * o, fma(-y, y, one), load(dc + j, n)); /* (4') */
            store(kept, n, e * g * i * (one - i)); /* (3'), (2') */
            store(kept + H, n, e * load(before + j, n) * f * (one - f));
            store(kept + 2 * H, n, e * i * fma(-g, g, one));
            store(kept + 3 * H, n, d * y * o * (one - o));
            store(dc + j, n, e * f);
        }
    }
}

} // namespace
