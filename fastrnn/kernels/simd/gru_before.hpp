/* The GRU, reset before the product; numbers in parentheses: fastrnn/cells/gru_before.py.  A step has two halves: the
 * gates r z (panels of both, one vector of units) and the state e = r * h that the product of n reads; then n (panels
 * of one vector) and h.  `pre` holds r z n side by side.
 * Kept: e r z n, four blocks of H numbers a row, in which the halves meet; backward turns the last three into their
 * gradients, in two halves as well: n and z, and, when de = W_n' dp_n is there (`product`), r.
 */
namespace {

template <class T> struct GruGates {
    enum { C = 2, GROUP = 2, TOGETHER = 2, W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;

    INLINE vec start(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, int c)
    {
        return load(pre_of<T, 3>(s, row, p, c));
    }
    INLINE void finish(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, const vec *a)
    {
        const ptrdiff_t H = s->units, j = p * W, n = H - j;
        T *kept = (T *)s->kept + row * s->kept_row + j;
        vec r = fast_sigmoid(a[0]); /* (2) */
        store(kept, n, r * load((const T *)s->read + row * s->read_row + j, n)); /* (3) */
        store(kept + H, n, r);
        store(kept + 2 * H, n, fast_sigmoid(a[1]));
    }
};

template <class T> struct GruNew {
    enum { C = 1, GROUP = 1, TOGETHER = 4, W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;

    INLINE vec start(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, int)
    {
        return load(pre_of<T, 3>(s, row, p, 2));
    }
    INLINE void finish(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, const vec *a)
    {
        const ptrdiff_t H = s->units, j = p * W, n = H - j;
        T *kept = (T *)s->kept + row * s->kept_row + j;
        vec m = fast_tanh(a[0]), z = load(kept + 2 * H, n); /* (4) */
        vec before = load((const T *)s->before + row * s->before_row + j, n);
        give<T>(s, row, j, n, fma(z, before, (all((T)1) - z) * m)); /* (5) */
        store(kept + 3 * H, n, m);
    }
};

template <class T> void gru_before_step(const fastrnn_step *s)
{
    if (s->half == 0) walk_panels<T, GruGates<T>>(s, s->first, s->last);
    else walk_panels<T, GruNew<T>>(s, s->first, s->last);
}

template <class T> void gru_before_back(const fastrnn_back *s)
{
    enum { W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;
    const ptrdiff_t H = s->units;
    const vec one = all((T)1);
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        const T *dy = s->dy ? row_of<T>(s->dy, r, s->dy_row, s->dy_step, s->dy_index) : NULL;
        const T *before = (const T *)s->before + r * s->before_row;
        const T *mask = s->mask ? (const T *)s->mask + r * s->dh_row : NULL;
        T *dh = (T *)s->dh + r * s->dh_row;
        for (ptrdiff_t j = s->first; j < s->last; j += W) {
            const ptrdiff_t n = H - j;
            T *kept = (T *)s->kept + r * s->kept_row + j;
            if (s->half == 0) {
                vec z = load(kept + 2 * H, n), m = load(kept + 3 * H, n), d = load(dh + j, n);
                if (dy) d += load(dy + j, n); /* (6') */
                store(kept + 3 * H, n, d * (one - z) * fma(-m, m, one)); /* (5'), (4') */
                store(kept + 2 * H, n, d * (load(before + j, n) - m) * z * (one - z)); /* (5'), (2') */
                store(dh + j, n, d * z);
            } else {
                vec de = load((const T *)s->product + r * s->product_row + j, n), u = load(kept + H, n), d = de * u;
                store(kept + H, n, de * load(kept, n) * (one - u)); /* (3'), (2'): e (1 - r) = m h r (1 - r) */
                if (mask) d *= load(mask + j, n);
                store(dh + j, n, load(dh + j, n) + d); /* (3') */
            }
        }
    }
}

} // namespace
