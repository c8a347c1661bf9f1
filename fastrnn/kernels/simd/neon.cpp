/* 64-bit ARM: NEON with multiply-add is part of every one. */
#include "engine.h"
#if defined(__aarch64__) && defined(__GNUC__)
#define FASTRNN_NEON 1
#define WIDTH 16
#include "body.hpp"

const fastrnn_engine fastrnn_neon[2] = {ENGINE("neon", float), ENGINE("neon", double)};
#else
const fastrnn_engine fastrnn_neon[2] = {};
#endif
