/* The LSTM; numbers in parentheses: fastrnn/cells/lstm.py.  A panel is the gates i f g o of one vector of units, or,
 * where f = 1 - i (COUPLED), i g o.  `extra` holds the peepholes (PEEPHOLES): i f o, or i o.
 * Kept: the gates, a block of H numbers each in a row; backward turns them into their gradients.  Where units are
 * PROJECTED, m = o * tanh(c) stands in front of them, and h = W_hr m is a second half (lstm_projected.hpp).
 */
namespace {

template <bool COUPLED> struct Gate {
    enum { I = 0, F = 1, G = COUPLED ? 1 : 2, O = COUPLED ? 2 : 3, GATES = COUPLED ? 3 : 4 }; /* blocks of gates */
    enum { PI = 0, PF = 1, PO = COUPLED ? 1 : 2, PEEPS = COUPLED ? 2 : 3 };                   /* blocks of peepholes */
};

template <class T, bool PEEPHOLES, bool COUPLED, bool PROJECTED> struct Lstm {
    typedef Gate<COUPLED> At;
    enum { C = At::GATES, GROUP = C, TOGETHER = 1, W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;

    INLINE vec start(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, int c)
    {
        return load(pre_of<T, GROUP>(s, row, p, c));
    }
    INLINE void finish(const fastrnn_step *s, ptrdiff_t row, ptrdiff_t p, const vec *a)
    {
        const ptrdiff_t H = s->units, j = p * W, n = H - j;
        const T *peep = PEEPHOLES ? (const T *)s->extra + p * At::PEEPS * W : NULL;
        vec before = load((const T *)s->before + row * s->before_row + j, n);
        vec ai = a[At::I], af = a[At::F], ao = a[At::O];
        if (PEEPHOLES) ai = fma(load(peep + At::PI * W), before, ai);
        if (PEEPHOLES && !COUPLED) af = fma(load(peep + At::PF * W), before, af);
        vec i = fast_sigmoid(ai), f = COUPLED ? all((T)1) - i : fast_sigmoid(af), g = fast_tanh(a[At::G]); /* (2) */
        vec c = fma(f, before, i * g); /* (3) */
        if (PEEPHOLES) ao = fma(load(peep + At::PO * W), c, ao);
        vec o = fast_sigmoid(ao);
        store((T *)s->c + row * s->c_row + j, n, c);
        vec m = o * fast_tanh(c); /* (4) */
        T *kept = s->kept ? (T *)s->kept + row * s->kept_row + j : NULL;
        if (PROJECTED) {
            store(kept, n, m);
            kept += H;
        } else {
            give<T>(s, row, j, n, m);
        }
        if (kept) {
            store(kept + At::I * H, n, i);
            if (!COUPLED) store(kept + At::F * H, n, f);
            store(kept + At::G * H, n, g);
            store(kept + At::O * H, n, o);
        }
    }
};

template <class T, bool PEEPHOLES, bool COUPLED> void lstm_step(const fastrnn_step *s)
{
    walk_panels<T, Lstm<T, PEEPHOLES, COUPLED, false>>(s, s->first, s->last);
}

template <class T, bool PEEPHOLES, bool COUPLED> void lstm_back(const fastrnn_back *s)
{
    typedef Gate<COUPLED> At;
    enum { W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;
    const ptrdiff_t H = s->units;
    const vec one = all((T)1);
    for (ptrdiff_t r = 0; r < s->rows; r++) {
        const T *dy = s->dy ? row_of<T>(s->dy, r, s->dy_row, s->dy_step, s->dy_index) : NULL;
        const T *before = (const T *)s->before + r * s->before_row, *after = (const T *)s->after + r * s->after_row;
        const T *dh = (const T *)s->dh + r * s->dh_row;
        T *dc = (T *)s->dc + r * s->dc_row;
        for (ptrdiff_t j = s->first; j < s->last; j += W) {
            const ptrdiff_t n = H - j;
            const T *peep = PEEPHOLES ? (const T *)s->extra + j * At::PEEPS : NULL;
            T *kept = (T *)s->kept + r * s->kept_row + j;
            vec i = load(kept + At::I * H, n), g = load(kept + At::G * H, n), o = load(kept + At::O * H, n);
            vec f = COUPLED ? one - i : load(kept + At::F * H, n), c = load(before + j, n);
            vec d = load(dh + j, n), y = fast_tanh(load(after + j, n));
            if (dy) d += load(dy + j, n); /* (5') */
            vec da_o = d * y * o * (one - o); /* (4'), (2') */
            vec e = fma(d * o, fma(-y, y, one), load(dc + j, n));
            if (PEEPHOLES) e = fma(load(peep + At::PO * W), da_o, e);
            vec da_i = e * (COUPLED ? g - c : g) * i * (one - i), da_f = e * c * f * (one - f); /* (3'), (2') */
            vec dc_before = e * f;
            if (PEEPHOLES) dc_before = fma(load(peep + At::PI * W), da_i, dc_before);
            if (PEEPHOLES && !COUPLED) dc_before = fma(load(peep + At::PF * W), da_f, dc_before);
            store(kept + At::I * H, n, da_i);
            if (!COUPLED) store(kept + At::F * H, n, da_f);
            store(kept + At::G * H, n, e * i * fma(-g, g, one));
            store(kept + At::O * H, n, da_o);
            store(dc + j, n, dc_before);
        }
    }
}

} // namespace
