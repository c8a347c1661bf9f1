/* tanh and sigmoid of whole arrays, in place.
 *
 * float32: tanh as an odd rational of degree 9 over 8, fitted to the smallest relative error on [0, 9]
 * (2e-8; with float32 rounding at most 6 ulp, checked in tests/test_kernels.py); beyond 9 it stays
 * within an ulp of 1.  sigmoid(x) = (1 + tanh(x / 2)) / 2.  The bounds are compared so that NaN passes through.
 * The loops carry no state, so the compiler vectorises them; on x86-64 Linux it does so three times and the
 * loader takes the widest that the machine has.
 *
 * float64: the C library's functions.
 */
#ifndef FASTRNN_ACTIVATIONS_H
#define FASTRNN_ACTIVATIONS_H
#include <math.h>
#include <stddef.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) && \
    defined(__gnu_linux__)
#define FASTRNN_CLONES \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FASTRNN_CLONES
#endif

static inline float fastrnn_tanh1(float x)
{
    x = x > 9.0f ? 9.0f : x;
    x = x < -9.0f ? -9.0f : x;
    float u = x * x;
    float p = 1.33534499852e-8f;
    p = p * u + 2.06082126423e-5f;
    p = p * u + 3.49553626881e-3f;
    p = p * u + 1.33809826183e-1f;
    p = p * u + 9.99999979628e-1f;
    float q = 7.77606264371e-7f;
    q = q * u + 3.28554913208e-4f;
    q = q * u + 2.58767867066e-2f;
    q = q * u + 4.67142982766e-1f;
    q = q * u + 1.0f;
    float y = x * p / q;
    y = y > 1.0f ? 1.0f : y;
    return y < -1.0f ? -1.0f : y;
}

FASTRNN_CLONES static void fastrnn_tanh_f32(float *x, ptrdiff_t n)
{
    for (ptrdiff_t k = 0; k < n; k++) x[k] = fastrnn_tanh1(x[k]);
}

FASTRNN_CLONES static void fastrnn_sigmoid_f32(float *x, ptrdiff_t n)
{
    for (ptrdiff_t k = 0; k < n; k++) x[k] = 0.5f + 0.5f * fastrnn_tanh1(0.5f * x[k]);
}

static void fastrnn_tanh_f64(double *x, ptrdiff_t n)
{
    for (ptrdiff_t k = 0; k < n; k++) x[k] = tanh(x[k]);
}

static void fastrnn_sigmoid_f64(double *x, ptrdiff_t n)
{
    for (ptrdiff_t k = 0; k < n; k++) x[k] = 0.5 + 0.5 * tanh(0.5 * x[k]);
}
#endif
