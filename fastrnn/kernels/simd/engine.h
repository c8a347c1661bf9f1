/* The step engine as Cython sees it: plain structs, and one table of functions a level and a dtype.
 *
 * Pointers are void so that one struct serves float and double; the table that is called knows which.
 * Strides count numbers, not bytes.  A "vector" is `lanes` numbers; a panel is `group` vectors wide:
 *
 *     panels [panel][k][group][lanes]       the last panel of a plain matrix may have fewer vectors
 *
 * One number of a result is one chain of fused multiply-adds, k ascending, whatever the tile it is computed in.
 * So a row's bits depend neither on the rows beside it nor on how rows and panels are split over threads.
 */
#ifndef FASTRNN_ENGINE_H
#define FASTRNN_ENGINE_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FASTRNN_LINEAR, FASTRNN_RELU, FASTRNN_TANH, FASTRNN_SIGMOID };

/* out [m, n] = f(start + A [m, k] B [k, n]) for the panels first .. last - 1 of B. */
typedef struct {
    ptrdiff_t m, k, n;
    ptrdiff_t group, vectors;      /* vectors a panel, and of the whole matrix */
    ptrdiff_t first, last;
    const void *a;                 /* number (r, i) of A is a[r * row + i * step] */
    ptrdiff_t row, step;
    const void *b;                 /* all panels */
    const void *start;             /* [m, n]; NULL is zero */
    ptrdiff_t start_row;           /* 0 gives every row the same: a bias */
    void *out;
    ptrdiff_t out_row;
    int activation;
} fastrnn_product;

/* One step of a recurrence for some of its rows and panels; see the cells' own files. */
typedef struct {
    ptrdiff_t rows, units;
    ptrdiff_t width;               /* of h: the units, or fewer where they are projected */
    ptrdiff_t depth;               /* of `read`: the width, and in a second half the units */
    ptrdiff_t first, last;         /* panels; pre starts with panel `first` */
    int half;                      /* 0, or 1 of a step in two halves, each with panels W of its own */
    int backwards;                 /* walk the panels from the last: what was used last is still in cache */
    const void *read;              /* the state that the product reads */
    ptrdiff_t read_row;
    const void *W;                 /* W_hh in panels */
    const void *pre;               /* W_ih x + b, [rows][panel][group][lanes] */
    ptrdiff_t pre_row;
    const void *extra;             /* [panel][block][lanes]: the GRU's b_hh of n, the LSTM's peepholes */
    const void *before;            /* the state that is carried: c of the LSTM, h of the GRU */
    ptrdiff_t before_row;
    void *c;                       /* the LSTM's c after the step */
    ptrdiff_t c_row;
    void *h;
    ptrdiff_t h_row;
    void *y;                       /* a second copy of h at row y_index[r * y_step]; NULL: none */
    ptrdiff_t y_row, y_step;
    const int64_t *y_index;        /* NULL: row r * y_step */
    void *kept;                    /* activated gates, for backward and between halves; NULL where nobody needs them */
    ptrdiff_t kept_row;
} fastrnn_step;

/* The element-wise part of one step backwards, for units first .. last - 1. */
typedef struct {
    ptrdiff_t rows, units, width, first, last;
    int half;
    const void *extra;             /* as in a step */
    const void *dy;                /* row dy_index[r * dy_step]; NULL: none */
    ptrdiff_t dy_row, dy_step;
    const int64_t *dy_index;
    void *dh;                      /* in: dL/dh without dy; out: what goes on without the product (GRU) */
    ptrdiff_t dh_row;
    void *dc;                      /* LSTM */
    ptrdiff_t dc_row;
    const void *before;            /* c (LSTM) or h (GRU) before the step */
    ptrdiff_t before_row;
    const void *after;             /* c (LSTM) or h (RNN) after the step */
    ptrdiff_t after_row;
    const void *product;           /* the gradient of what the second half of a step read */
    ptrdiff_t product_row;
    const void *mask;              /* of the state that products read, in rows like dh; NULL: none */
    void *kept;                    /* in: activated gates; out: their gradients */
    ptrdiff_t kept_row;
} fastrnn_back;

enum {
    FASTRNN_RNN_TANH,
    FASTRNN_RNN_RELU,
    FASTRNN_LSTM,
    FASTRNN_LSTM_PEEPHOLE,
    FASTRNN_LSTM_COUPLED,
    FASTRNN_LSTM_PEEPHOLE_COUPLED,
    FASTRNN_LSTM_PROJECTED,
    FASTRNN_GRU,
    FASTRNN_GRU_BEFORE,
    FASTRNN_CELLS
};

/* What those who do not compute have to know of a cell. */
typedef struct {
    int gates;                     /* blocks of H rows in W_ih and W_hh */
    int memory;                    /* 1: there is a second state, c */
    int extra;                     /* blocks of H numbers in a step's `extra` */
    int kept;                      /* blocks of H numbers that a row keeps for backward */
    int carries;                   /* 1: a part of dh goes to the step before without a product */
    int late;                      /* 1: the last gate reads what the others made of h: a second half of the step */
    int projects;                  /* 1: h is a product of what the units show: a second half too */
} fastrnn_form;
extern const fastrnn_form fastrnn_forms[FASTRNN_CELLS];

typedef struct {
    const char *level;
    ptrdiff_t lanes;
    void (*product)(const fastrnn_product *);
    void (*step[FASTRNN_CELLS])(const fastrnn_step *);
    void (*back[FASTRNN_CELLS])(const fastrnn_back *);
    /* One vector of panels: out[i * group * lanes + u] = source[i * along_k + u * along_n] for i < k and
     * u < count <= lanes, and zero for u from count on. */
    void (*pack)(ptrdiff_t k, ptrdiff_t count, const void *source, ptrdiff_t along_k, ptrdiff_t along_n,
                 ptrdiff_t group, void *out);
    /* x [n] becomes f(x). */
    void (*activate)(int activation, ptrdiff_t n, void *x);
    /* da [n] = f'(a) dy, with f' from the value y = f(a). */
    void (*slope)(int activation, ptrdiff_t n, const void *y, const void *dy, void *da);
    /* out [n] = start + the sum of `rows` rows of a, in their order; start NULL is zero, and may be out. */
    void (*sum_rows)(ptrdiff_t rows, ptrdiff_t n, const void *a, ptrdiff_t row, const void *start, void *out);
    /* The same of a's row r times row index[r] of b (without an index, row r), from the last r to the first. */
    void (*sum_products)(ptrdiff_t rows, ptrdiff_t n, const void *a, ptrdiff_t row, const void *b, ptrdiff_t b_row,
                         const int64_t *index, const void *start, void *out);
    /* Multiply-adds of vectors in registers alone, `rounds` times; returns how many operations that were. */
    double (*spin)(ptrdiff_t rounds);
} fastrnn_engine;

/* The table of a level, or NULL where it was not compiled or this CPU cannot run it. */
const fastrnn_engine *fastrnn_level(const char *name, int is_double);

/* Work in items that follow one another, each in the same shares.  A thread takes its own share of an item and then
 * whatever others have not begun, and goes on when all shares are done.  So a team may be smaller than its shares, and
 * nobody waits for a thread that the system has put aside, unless that happened in the middle of a share.  All zero
 * at the start.
 */
enum { FASTRNN_SHARES = 64 };
typedef struct {
    struct { int items; char apart[60]; } taken[FASTRNN_SHARES]; /* a cache line each */
    int done;                                                    /* shares of all items */
} fastrnn_relay;
int fastrnn_take(fastrnn_relay *relay, int share, int item);     /* whether the caller is the one to do it */
void fastrnn_done(fastrnn_relay *relay);
void fastrnn_await(fastrnn_relay *relay, int done);              /* spins for a while, then yields */

/* Flush denormals to zero in this thread; returns the mode before, for fastrnn_restore_mode. */
unsigned long fastrnn_flush_denormals(void);
void fastrnn_restore_mode(unsigned long mode);

/* Tables of the levels, each in its own file. */
extern const fastrnn_engine fastrnn_portable[2], fastrnn_avx2[2], fastrnn_avx512[2], fastrnn_neon[2];

#ifdef __cplusplus
}
#endif
#endif
