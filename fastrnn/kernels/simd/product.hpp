/* The one inner loop, and matrix products made of it. */
namespace {

/* acc [R][P * C] += A [R, k] B [k, ...]: C vectors of each of P panels, `apart` numbers from panel to panel. */
template <class T, int R, int C, int P>
INLINE void accumulate(ptrdiff_t k, const T *a, ptrdiff_t row, ptrdiff_t step, const T *b, ptrdiff_t apart,
                       typename Simd<T>::vec (&acc)[R][P * C])
{
    typedef typename Simd<T>::vec vec;
    enum { W = Simd<T>::W };
    for (ptrdiff_t i = 0; i < k; i++) {
        vec v[P * C];
        UNROLL for (int p = 0; p < P; p++)
            UNROLL for (int c = 0; c < C; c++) v[p * C + c] = load(b + p * apart + c * W);
        UNROLL for (int r = 0; r < R; r++) {
            vec s = all(a[r * row]);
            UNROLL for (int c = 0; c < P * C; c++) acc[r][c] = fma(s, v[c], acc[r][c]);
        }
        a += step;
        b += C * W;
    }
}

/* The most rows of a tile: accumulators, C vectors of B and a broadcast have to fit the registers. */
enum { REGISTERS = WIDTH == 64 || FASTRNN_NEON ? 32 : 16 };
template <int C> struct Most { enum { R = REGISTERS == 32 ? (C == 4 ? 6 : 8) : (C == 4 ? 3 : C == 3 ? 4 : C == 2 ? 6 : 8) }; };

/* Calls job.tile<r>(row) for tiles of at most R rows, of nearly equal height. */
template <int R> struct Tiles {
    template <class Job> INLINE void one(const Job &job, ptrdiff_t height, ptrdiff_t row)
    {
        if (height == R) job.template tile<R>(row);
        else Tiles<R - 1>::one(job, height, row);
    }
    template <class Job> INLINE void walk(const Job &job, ptrdiff_t rows)
    {
        ptrdiff_t tiles = (rows + R - 1) / R, row = 0;
        for (ptrdiff_t i = 0; i < tiles; i++) {
            ptrdiff_t height = rows / tiles + (i < rows % tiles);
            one(job, height, row);
            row += height;
        }
    }
};
template <> struct Tiles<0> {
    template <class Job> INLINE void one(const Job &, ptrdiff_t, ptrdiff_t) {}
};

/* Not inlined: once for all tiles. */
template <class T> void activate_all(int activation, ptrdiff_t n, void *array)
{
    enum { W = Simd<T>::W };
    T *x = (T *)array;
    for (ptrdiff_t i = 0; i < n; i += W) store(x + i, n - i, activate<T>(activation, load(x + i, n - i)));
}

enum { DEPTH = 512 }; /* of k, so that the piece of a panel stays in cache while all rows meet it */

template <class T, int C> struct Panel {
    const fastrnn_product *s;
    ptrdiff_t p, from, to;

    template <int R> void tile(ptrdiff_t row) const
    {
        typedef typename Simd<T>::vec vec;
        enum { W = Simd<T>::W };
        const T *start = from ? (const T *)s->out : (const T *)s->start;
        const ptrdiff_t start_row = from ? s->out_row : s->start_row, column = p * s->group * W;
        T *out = (T *)s->out + row * s->out_row + column;
        const bool whole = column + C * W <= s->n;
        vec acc[R][C];
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int c = 0; c < C; c++) {
                if (!start) acc[r][c] = vec{};
                else if (whole) acc[r][c] = load(start + (row + r) * start_row + column + c * W);
                else acc[r][c] = load(start + (row + r) * start_row + column + c * W, s->n - column - c * W);
            }
        const T *b = (const T *)s->b + column * s->k + from * C * W;
        accumulate<T, R, C, 1>(to - from, (const T *)s->a + row * s->row + from * s->step, s->row, s->step, b, 0, acc);
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int c = 0; c < C; c++) {
                if (whole) store(out + r * s->out_row + c * W, acc[r][c]);
                else store(out + r * s->out_row + c * W, s->n - column - c * W, acc[r][c]);
            }
        if (to == s->k && s->activation)
            for (int r = 0; r < R; r++)
                activate_all<T>(s->activation, whole ? C * W : s->n - column, out + r * s->out_row);
    }

    static void run(const fastrnn_product *s, ptrdiff_t p)
    {
        ptrdiff_t from = 0;
        do { /* once also where k is 0 */
            Panel job = {s, p, from, from + DEPTH < s->k ? from + DEPTH : s->k};
            Tiles<Most<C>::R>::walk(job, s->m);
            from += DEPTH;
        } while (from < s->k);
    }
};

template <class T> void product(const fastrnn_product *s)
{
    for (ptrdiff_t p = s->first; p < s->last; p++) {
        ptrdiff_t vectors = s->vectors - p * s->group;
        switch (vectors < s->group ? vectors : s->group) {
        case 1: Panel<T, 1>::run(s, p); break;
        case 2: Panel<T, 2>::run(s, p); break;
        case 3: Panel<T, 3>::run(s, p); break;
        default: Panel<T, 4>::run(s, p);
        }
    }
}

/* -- packing ----------------------------------------------------------------------------------- */

#if defined(__GNUC__) && (defined(__clang__) || __GNUC__ >= 12)
template <int... L> struct Lanes {};
template <int N, int... L> struct Count : Count<N - 1, N - 1, L...> {};
template <int... L> struct Count<0, L...> { typedef Lanes<L...> type; };

/* Lanes l of a where bit D of l is HIGH, and of b's partner lanes elsewhere. */
template <class T, int D, bool HIGH, int... L>
INLINE typename Simd<T>::vec mix(typename Simd<T>::vec a, typename Simd<T>::vec b, Lanes<L...>)
{
    enum { W = Simd<T>::W };
    return __builtin_shufflevector(a, b, (HIGH ? (L & D ? L + W : L + D) : (L & D ? L - D + W : L))...);
}

/* Transposes W vectors of W numbers by swapping blocks of D, D / 2, ... 1. */
template <class T, int D> struct Transpose {
    INLINE void run(typename Simd<T>::vec (&v)[Simd<T>::W])
    {
        enum { W = Simd<T>::W };
        typename Count<W>::type lanes;
        UNROLL for (int i = 0; i < W; i++)
            if (!(i & D)) {
                typename Simd<T>::vec a = v[i], b = v[i + D];
                v[i] = mix<T, D, false>(a, b, lanes);
                v[i + D] = mix<T, D, true>(a, b, lanes);
            }
        Transpose<T, D / 2>::run(v);
    }
};
template <class T> struct Transpose<T, 0> { INLINE void run(typename Simd<T>::vec (&)[Simd<T>::W]) {} };
#define HAS_TRANSPOSE 1
#else
#define HAS_TRANSPOSE 0
#endif

template <class T>
void pack(ptrdiff_t k, ptrdiff_t count, const void *source, ptrdiff_t along_k, ptrdiff_t along_n, ptrdiff_t group,
          void *panels)
{
    enum { W = Simd<T>::W };
    const T *from = (const T *)source;
    T *out = (T *)panels;
    ptrdiff_t i = 0;
    if (along_n == 1 && count == W)
        for (; i < k; i++) store(out + i * group * W, load(from + i * along_k));
#if HAS_TRANSPOSE
    if (along_k == 1 && count == W)
        for (; i + W <= k; i += W) {
            typename Simd<T>::vec v[W];
            UNROLL for (int u = 0; u < W; u++) v[u] = load(from + i + u * along_n);
            Transpose<T, W / 2>::run(v);
            UNROLL for (int u = 0; u < W; u++) store(out + (i + u) * group * W, v[u]);
        }
#endif
    for (; i < k; i++)
        for (ptrdiff_t u = 0; u < W; u++)
            out[i * group * W + u] = u < count ? from[i * along_k + u * along_n] : (T)0;
}

/* -- over rows and arrays ------------------------------------------------------------------------ */

template <class T> void slope(int activation, ptrdiff_t n, const void *values, const void *gradient, void *result)
{
    enum { W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;
    const T *y = (const T *)values, *dy = (const T *)gradient;
    T *da = (T *)result;
    const vec one = all((T)1), zero = all((T)0);
    for (ptrdiff_t i = 0; i < n; i += W) {
        vec v = load(y + i, n - i), d = load(dy + i, n - i);
        switch (activation) {
        case FASTRNN_RELU: d *= v > zero ? one : zero; break; /* a product: NaN and infinity pass */
        case FASTRNN_TANH: d = d * fma(-v, v, one); break;
        case FASTRNN_SIGMOID: d = d * v * (one - v); break;
        }
        store(da + i, n - i, d);
    }
}

template <class T>
void sum_rows(ptrdiff_t rows, ptrdiff_t n, const void *array, ptrdiff_t row, const void *before, void *result)
{
    enum { W = Simd<T>::W };
    typedef typename Simd<T>::vec vec;
    const T *a = (const T *)array, *start = (const T *)before;
    T *out = (T *)result;
    ptrdiff_t j = 0;
    for (; j + 4 * W <= n; j += 4 * W) { /* four at a time: a cache line is read once, whole */
        vec sum[4] = {};
        if (start) UNROLL for (int c = 0; c < 4; c++) sum[c] = load(start + j + c * W);
        for (ptrdiff_t r = 0; r < rows; r++)
            UNROLL for (int c = 0; c < 4; c++) sum[c] += load(a + r * row + j + c * W);
        UNROLL for (int c = 0; c < 4; c++) store(out + j + c * W, sum[c]);
    }
    for (; j < n; j += W) {
        vec sum = {};
        if (start) sum = load(start + j, n - j);
        for (ptrdiff_t r = 0; r < rows; r++) sum += load(a + r * row + j, n - j);
        store(out + j, n - j, sum);
    }
}

template <class T>
void sum_products(ptrdiff_t rows, ptrdiff_t n, const void *a, ptrdiff_t row, const void *b, ptrdiff_t b_row,
                  const int64_t *index, const void *start, void *out)
{
    enum { W = Simd<T>::W };
    for (ptrdiff_t j = 0; j < n; j += W) {
        typename Simd<T>::vec sum = {};
        if (start) sum = load((const T *)start + j, n - j);
        for (ptrdiff_t r = rows - 1; r >= 0; r--)
            sum = fma(load((const T *)a + r * row + j, n - j),
                      load((const T *)b + (index ? (ptrdiff_t)index[r] : r) * b_row + j, n - j), sum);
        store((T *)out + j, n - j, sum);
    }
}

template <class T> double spin(ptrdiff_t rounds)
{
    typedef typename Simd<T>::vec vec;
    enum { N = 12 };
    vec acc[N], x = all((T)0.999), y = all((T)1e-3);
    for (int n = 0; n < N; n++) acc[n] = all((T)n); /* all different, or the compiler would keep one */
    for (ptrdiff_t i = 0; i < rounds; i++)
        UNROLL for (int n = 0; n < N; n++) acc[n] = fma(acc[n], x, y);
    volatile T keep = 0;
    for (int n = 0; n < N; n++) {
        T part[Simd<T>::W];
        store(part, acc[n]);
        keep = keep + part[0];
    }
    return 2.0 * N * Simd<T>::W * rounds;
}

} // namespace
