/* The GRU, reset after the product; numbers in parentheses: fastrnn/cells/gru.py.  A panel is the gates r z n of one vector of units.
 * `pre` holds p, to which b_hh of r and z was added; the product of n starts from its own b_hh and is q_n.
 * Kept: q_n r z n, four blocks of H numbers a row; backward turns them into dq_n dr dz dp_n.
 */
namespace {

template <class T> struct Gru {
    enum { C = 3, GROUP = 3, TOGETHER = 1, W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;

    INLINE vec start(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, int c)
    {
        return c < 2 ? load(pre_of<T, GROUP>(s, row, p, c)) : load((const T *)s->extra + p * W);
    }
    INLINE void finish(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, const vec *a)
    {
        const ptrdiff_t H = s->units, j = p * W, n = H - j;
        vec r = fast_sigmoid(a[0]), z = fast_sigmoid(a[1]); /* (3) */
        vec m = fast_tanh(fma(r, a[2], load(pre_of<T, GROUP>(s, row, p, 2)))); /* (4) */
        vec before = load((const T *)s->before + row * s->before_row + j, n);
        give<T>(s, row, j, n, fma(z, before, (all((T)1) - z) * m)); /* (5) */
        if (s->kept) {
            T *kept = (T *)s->kept + row * s->kept_row + j;
            store(kept, n, a[2]);
            store(kept + H, n, r);
            store(kept + 2 * H, n, z);
            store(kept + 3 * H, n, m);
        }
    }
};

template <class T> void gru_step(const fastrnn_step *s) { walk_panels<T, Gru<T>>(s, s->first, s->last); }

template <class T> void gru_back(const fastrnn_back *s)
{
    enum { W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;
    const ptrdiff_t H = s->units;
    const vec one = all((T)1);
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        const T *dy = s->dy ? row_of<T>(s->dy, r, s->dy_row, s->dy_step, s->dy_index) : NULL;
        const T *before = (const T *)s->before + r * s->before_row;
        T *dh = (T *)s->dh + r * s->dh_row;
        for (ptrdiff_t j = s->first; j < s->last; j += W) {
            const ptrdiff_t n = H - j;
            T *kept = (T *)s->kept + r * s->kept_row + j;
            vec q = load(kept, n), u = load(kept + H, n), z = load(kept + 2 * H, n), m = load(kept + 3 * H, n);
            vec d = load(dh + j, n);
            if (dy) d += load(dy + j, n); /* (6') */
            vec e = d * (one - z) * fma(-m, m, one); /* (5'), (4') */
            store(kept + 3 * H, n, e);
            store(kept, n, e * u);
            store(kept + H, n, e * q * u * (one - u)); /* (3') */
            store(kept + 2 * H, n, d * (load(before + j, n) - m) * z * (one - z));
            store(dh + j, n, d * z);
        }
    }
}

} // namespace
