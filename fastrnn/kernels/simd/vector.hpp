/* Vectors of WIDTH bytes, and the few operations whose instruction matters.
 *
 * The compiler's own vector types do the rest.  A compiler without them (MSVC) sees vectors of one number.
 * Multiply-adds are written `fma`: the file is compiled with -ffp-contract=off, so that the same source line has the
 * same bits in every tile it is expanded into.
 */
#ifndef FASTRNN_X86
#define FASTRNN_X86 0
#endif
#ifndef FASTRNN_NEON
#define FASTRNN_NEON 0
#endif
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if FASTRNN_X86
#include <immintrin.h>
#elif FASTRNN_NEON
#include <arm_neon.h>
#endif

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")
#else
#define INLINE static inline
#define UNROLL
#endif

namespace {

template <class T> struct Simd;

#if defined(__GNUC__)
typedef float f32s __attribute__((vector_size(WIDTH)));
typedef double f64s __attribute__((vector_size(WIDTH)));
typedef int32_t i32s __attribute__((vector_size(WIDTH)));
typedef int64_t i64s __attribute__((vector_size(WIDTH)));
typedef float f32u __attribute__((vector_size(WIDTH), aligned(4), may_alias));
typedef double f64u __attribute__((vector_size(WIDTH), aligned(8), may_alias));
template <> struct Simd<float> { typedef f32s vec; typedef f32u unaligned; typedef i32s ints; enum { W = WIDTH / 4 }; };
template <> struct Simd<double> { typedef f64s vec; typedef f64u unaligned; typedef i64s ints; enum { W = WIDTH / 8 }; };
#else
template <> struct Simd<float> { typedef float vec, unaligned; typedef int32_t ints; enum { W = 1 }; };
template <> struct Simd<double> { typedef double vec, unaligned; typedef int64_t ints; enum { W = 1 }; };
#endif

template <class T> INLINE typename Simd<T>::vec load(const T *p)
{
    return *(const typename Simd<T>::unaligned *)p;
}

template <class T> INLINE void store(T *p, typename Simd<T>::vec v)
{
    *(typename Simd<T>::unaligned *)p = v;
}

/* The first n numbers; the rest of the vector is zero. */
template <class T> INLINE typename Simd<T>::vec load(const T *p, ptrdiff_t n)
{
    if (n >= Simd<T>::W) return load(p);
    T part[Simd<T>::W] = {};
    for (ptrdiff_t i = 0; i < n; i++) part[i] = p[i];
    return load(part);
}

template <class T> INLINE void store(T *p, ptrdiff_t n, typename Simd<T>::vec v)
{
    if (n >= Simd<T>::W) return store(p, v);
    T part[Simd<T>::W];
    store(part, v);
    for (ptrdiff_t i = 0; i < n; i++) p[i] = part[i];
}

template <class V, class U> INLINE V bits(U u)
{
    static_assert(sizeof(V) == sizeof(U), "the same bits");
    V v;
    memcpy(&v, &u, sizeof v);
    return v;
}

#if FASTRNN_X86 && WIDTH == 64
INLINE f32s all(float x) { return (f32s)_mm512_set1_ps(x); }
INLINE f64s all(double x) { return (f64s)_mm512_set1_pd(x); }
INLINE f32s fma(f32s a, f32s b, f32s c) { return (f32s)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
INLINE f64s fma(f64s a, f64s b, f64s c) { return (f64s)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
#elif FASTRNN_X86 && WIDTH == 32
INLINE f32s all(float x) { return (f32s)_mm256_set1_ps(x); }
INLINE f64s all(double x) { return (f64s)_mm256_set1_pd(x); }
INLINE f32s fma(f32s a, f32s b, f32s c) { return (f32s)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
INLINE f64s fma(f64s a, f64s b, f64s c) { return (f64s)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
#elif FASTRNN_NEON
INLINE f32s all(float x) { return (f32s)vdupq_n_f32(x); }
INLINE f64s all(double x) { return (f64s)vdupq_n_f64(x); }
INLINE f32s fma(f32s a, f32s b, f32s c) { return (f32s)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
INLINE f64s fma(f64s a, f64s b, f64s c) { return (f64s)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
#else /* two roundings: the bits of this level are its own */
INLINE Simd<float>::vec all(float x) { return x - Simd<float>::vec{}; }
INLINE Simd<double>::vec all(double x) { return x - Simd<double>::vec{}; }
INLINE Simd<float>::vec fma(Simd<float>::vec a, Simd<float>::vec b, Simd<float>::vec c) { return a * b + c; }
INLINE Simd<double>::vec fma(Simd<double>::vec a, Simd<double>::vec b, Simd<double>::vec c) { return a * b + c; }
#endif

} // namespace
