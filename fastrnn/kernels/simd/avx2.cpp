/* x86-64 with AVX2 and FMA: Haswell (2013) and later. */
#include "engine.h"
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define FASTRNN_X86 1
#define WIDTH 32
#include "body.hpp"

const fastrnn_engine fastrnn_avx2[2] = {ENGINE("avx2", float), ENGINE("avx2", double)};
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
const fastrnn_engine fastrnn_avx2[2] = {};
#endif
