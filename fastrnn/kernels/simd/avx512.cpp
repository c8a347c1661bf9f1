/* x86-64 with AVX-512: Skylake servers (2017), Zen 4 (2022) and later. */
#include "engine.h"
#if defined(__x86_64__) && defined(__GNUC__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,prefer-vector-width=512")
#endif
#define FASTRNN_X86 1
#define WIDTH 64
#include "body.hpp"

const fastrnn_engine fastrnn_avx512[2] = {ENGINE("avx512", float), ENGINE("avx512", double)};
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
const fastrnn_engine fastrnn_avx512[2] = {};
#endif
