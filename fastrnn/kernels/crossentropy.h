/* Softmax and its logarithm, a piece of a row at a time.
 *
 * float32: e^x for x <= 0 as 2^n e^r, n the whole number nearest to x / ln 2 and |r| <= ln 2 / 2.  n ln 2 is
 * taken off in two parts of which the first has few bits (Cody and Waite 1980), and e^r is a polynomial
 * fitted to the smallest relative error (3e-9; with float32 rounding at most 2 ulp, swept in
 * tests/test_tails.py).  Below x = -87, nearly the smallest normal number, it is 0.  NaN passes through.
 *
 * float64: the C library's function.
 */
#ifndef FASTRNN_CROSSENTROPY_H
#define FASTRNN_CROSSENTROPY_H
#include "clones.h"
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline float fastrnn_exp1(float x)
{
    float bounded = x < -87.0f ? -87.0f : x;
    float shifted = bounded * 1.44269504089f + 12582912.0f; /* 1.5 * 2^23: the sum ends in n */
    float n = shifted - 12582912.0f;
    float r = bounded - n * 0.693359375f;
    r = r + n * 2.12194440055e-4f;
    float p = 1.38143204689e-03f;
    p = p * r + 8.36885107457e-03f;
    p = p * r + 4.16684010858e-02f;
    p = p * r + 1.66665195240e-01f;
    p = p * r + 4.99999933731e-01f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    uint32_t bits;
    float power;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127u) << 23; /* the low bits of shifted hold n, the rest falls out */
    memcpy(&power, &bits, sizeof power);
    return x < -87.0f ? 0.0f : p * power;
}

#define NAME(name) fastrnn_##name##_f32
#define REAL float
#define EXP fastrnn_exp1
#include "crossentropy_loops.h"
#undef NAME
#undef REAL
#undef EXP

#define NAME(name) fastrnn_##name##_f64
#define REAL double
#define EXP exp
#include "crossentropy_loops.h"
#undef NAME
#undef REAL
#undef EXP
#endif
