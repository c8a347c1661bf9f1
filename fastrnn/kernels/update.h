/* One step of an optimizer on n numbers, in place, in one pass; the equations are those of
 * fastrnn/optimizers.py.  IEEE division and square root. */
#ifndef FASTRNN_UPDATE_H
#define FASTRNN_UPDATE_H
#include "clones.h"
#include <math.h>
#include <stddef.h>

enum { FASTRNN_SGD, FASTRNN_RMSPROP, FASTRNN_ADAM };

#define NAME(name) fastrnn_##name##_f32
#define REAL float
#define ROOT sqrtf
#include "update_loops.h"
#undef NAME
#undef REAL
#undef ROOT

#define NAME(name) fastrnn_##name##_f64
#define REAL double
#define ROOT sqrt
#include "update_loops.h"
#undef NAME
#undef REAL
#undef ROOT
#endif
