/* tanh, sigmoid and relu of one vector.  NaN passes, magnitudes never exceed 1.
 *
 * float tanh: an odd rational of degree 9 over 8, fitted to the smallest relative error on [0, 9] (2e-8); beyond 9
 * it stays within an ulp of 1, and at 9.3 it is just above, so that infinity gives 1.  Everything else stands on
 * exp(x) = 2^k exp(r), |r| <= ln(2) / 2 (Cody and Waite 1980): a fitted polynomial of degree 6 (3e-9) in float,
 * Taylor's of degree 13 (1e-17) in double.  sigmoid(x) = 1 / (1 + exp(-x)) is good to a few ulp however far left, down
 * to where it is denormal and flushed to 0; tanh = m / (m + 2) with m = exp(2|x|) - 1.
 */
namespace {

/* x into [-limit, limit]; written so that NaN stays NaN. */
template <class T> INLINE typename Simd<T>::vec clamp(typename Simd<T>::vec x, T limit)
{
    typename Simd<T>::vec high = all(limit), low = all(-limit);
    x = x > high ? high : x;
    return x < low ? low : x;
}

INLINE Simd<float>::vec fast_tanh(Simd<float>::vec x)
{
    typedef Simd<float>::vec vec;
    x = clamp<float>(x, 9.3f);
    vec u = x * x;
    vec p = fma(all(1.33534499852e-8f), u, all(2.06082126423e-5f));
    p = fma(p, u, all(3.49553626881e-3f));
    p = fma(p, u, all(1.33809826183e-1f));
    p = fma(p, u, all(9.99999979628e-1f));
    vec q = fma(all(7.77606264371e-7f), u, all(3.28554913208e-4f));
    q = fma(q, u, all(2.58767867066e-2f));
    q = fma(q, u, all(4.67142982766e-1f));
    q = fma(q, u, all(1.0f));
    return clamp<float>(x * p / q, 1.0f);
}

/* 2^k where t = k + 1.5 * 2^23: the low bits of t hold k. */
INLINE Simd<float>::vec power_of_two(Simd<float>::vec t)
{
    typedef Simd<float>::ints ints;
    return bits<Simd<float>::vec>((bits<ints>(t) << 23) + 0x3f800000);
}

INLINE Simd<double>::vec power_of_two(Simd<double>::vec t)
{
    typedef Simd<double>::ints ints;
    return bits<Simd<double>::vec>((bits<ints>(t) << 52) + (int64_t)0x3ff0000000000000);
}

INLINE Simd<float>::vec fast_sigmoid(Simd<float>::vec x)
{
    typedef Simd<float>::vec vec;
    x = -clamp<float>(x, 88.0f);
    vec t = fma(x, all(1.44269504f), all(12582912.0f));
    vec k = t - all(12582912.0f);
    vec r = fma(k, all(-6.93145752e-1f), x);
    r = fma(k, all(-1.42860677e-6f), r);
    vec q = fma(all(1.381446685092e-3f), r, all(8.368780548169e-3f));
    q = fma(q, r, all(4.166839422433e-2f));
    q = fma(q, r, all(1.666652010664e-1f));
    q = fma(q, r, all(4.999999341242e-1f));
    q = fma(q, r * r, r);
    vec s = power_of_two(t);
    return all(1.0f) / (all(1.0f) + fma(q, s, s));
}

/* exp(x) - 1 = m s + (s - 1) with |x| <= 709: sets m and s. */
INLINE void split_exp(Simd<double>::vec x, Simd<double>::vec &m, Simd<double>::vec &s)
{
    typedef Simd<double>::vec vec;
    vec t = fma(x, all(1.4426950408889634), all(6755399441055744.0));
    vec k = t - all(6755399441055744.0);
    vec r = fma(k, all(-6.93147180369123816490e-1), x);
    r = fma(k, all(-1.90821492927058770002e-10), r);
    vec q = fma(all(1.0 / 6227020800.0), r, all(1.0 / 479001600.0));
    q = fma(q, r, all(1.0 / 39916800.0));
    q = fma(q, r, all(1.0 / 3628800.0));
    q = fma(q, r, all(1.0 / 362880.0));
    q = fma(q, r, all(1.0 / 40320.0));
    q = fma(q, r, all(1.0 / 5040.0));
    q = fma(q, r, all(1.0 / 720.0));
    q = fma(q, r, all(1.0 / 120.0));
    q = fma(q, r, all(1.0 / 24.0));
    q = fma(q, r, all(1.0 / 6.0));
    q = fma(q, r, all(0.5));
    m = fma(q, r * r, r);
    s = power_of_two(t);
}

INLINE Simd<double>::vec fast_sigmoid(Simd<double>::vec x)
{
    Simd<double>::vec m, s;
    split_exp(-clamp<double>(x, 709.0), m, s);
    return all(1.0) / (all(1.0) + fma(m, s, s));
}

INLINE Simd<double>::vec fast_tanh(Simd<double>::vec x)
{
    typedef Simd<double>::vec vec;
    vec m, s, size = clamp<double>(x < all(0.0) ? -x : x, 20.0);
    split_exp(size + size, m, s);
    m = fma(m, s, s - all(1.0));
    vec y = clamp<double>(m / (m + all(2.0)), 1.0);
    y = size == all(0.0) ? x : y; /* keeps the sign of zero */
    return x < all(0.0) ? -y : y;
}

template <class T> INLINE typename Simd<T>::vec relu(typename Simd<T>::vec x)
{
    return x < all((T)0) ? all((T)0) : x; /* NaN stays NaN */
}

template <class T> INLINE typename Simd<T>::vec activate(int activation, typename Simd<T>::vec x)
{
    switch (activation) {
    case FASTRNN_RELU: return relu<T>(x);
    case FASTRNN_TANH: return fast_tanh(x);
    case FASTRNN_SIGMOID: return fast_sigmoid(x);
    default: return x;
    }
}

} // namespace
