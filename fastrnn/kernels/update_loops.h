/* The loops of update.h for one type: REAL, its square root ROOT, and NAME to tell the two apart. */

/* The gradient as it is used: times the factor of a norm, between the limits of a value. */
static inline REAL NAME(clipped)(REAL g, REAL factor, REAL limit)
{
    g *= factor;
    g = g > limit ? limit : g;
    return g < -limit ? -limit : g;
}

FASTRNN_CLONES static double NAME(squares)(ptrdiff_t n, const REAL *__restrict g)
{
    double sums[FASTRNN_LANES] = {0}, total = 0;
    ptrdiff_t k = 0;
    for (; k + FASTRNN_LANES <= n; k += FASTRNN_LANES)
        for (int j = 0; j < FASTRNN_LANES; j++) sums[j] += (double)g[k + j] * (double)g[k + j];
    for (; k < n; k++) sums[k % FASTRNN_LANES] += (double)g[k] * (double)g[k];
    for (int j = 0; j < FASTRNN_LANES; j++) total += sums[j];
    return total;
}

/* numbers: rate, momentum, nesterov */
FASTRNN_CLONES static void NAME(sgd)(
    ptrdiff_t n, const double *numbers, REAL factor, REAL limit, REAL *__restrict p,
    const REAL *__restrict g, REAL *__restrict m)
{
    const REAL rate = (REAL)numbers[0], momentum = (REAL)numbers[1];
    if (!m)
        for (ptrdiff_t k = 0; k < n; k++) p[k] -= rate * NAME(clipped)(g[k], factor, limit);
    else if (numbers[2] != 0)
        for (ptrdiff_t k = 0; k < n; k++) {
            REAL a = rate * NAME(clipped)(g[k], factor, limit);
            m[k] = momentum * m[k] - a;
            p[k] += momentum * m[k] - a;
        }
    else
        for (ptrdiff_t k = 0; k < n; k++) {
            m[k] = momentum * m[k] - rate * NAME(clipped)(g[k], factor, limit);
            p[k] += m[k];
        }
}

/* numbers: rate, 1 - rho, momentum, epsilon, centered; m is null without momentum, mean unless centered */
FASTRNN_CLONES static void NAME(rmsprop)(
    ptrdiff_t n, const double *numbers, REAL factor, REAL limit, REAL *__restrict p,
    const REAL *__restrict g, REAL *__restrict v, REAL *__restrict mean, REAL *__restrict m)
{
    const REAL rate = (REAL)numbers[0], share = (REAL)numbers[1], momentum = (REAL)numbers[2];
    const REAL epsilon = (REAL)numbers[3];
    for (ptrdiff_t k = 0; k < n; k++) {
        REAL c = NAME(clipped)(g[k], factor, limit);
        REAL variance = v[k] += share * (c * c - v[k]);
        if (mean) {
            mean[k] += share * (c - mean[k]);
            variance -= mean[k] * mean[k];
            variance = variance > 0 ? variance : 0; /* rounding may make it negative */
        }
        REAL a = rate * (c / ROOT(variance + epsilon));
        if (m) a = m[k] = momentum * m[k] + a;
        p[k] -= a;
    }
}

/* numbers: rate with both bias corrections, 1 - beta_1, 1 - beta_2, epsilon, what decays; keep is what stays
 * of a parameter; largest is null unless amsgrad */
FASTRNN_CLONES static void NAME(adam)(
    ptrdiff_t n, const double *numbers, REAL factor, REAL limit, REAL keep, REAL *__restrict p,
    const REAL *__restrict g, REAL *__restrict m, REAL *__restrict v, REAL *__restrict largest)
{
    const REAL rate = (REAL)numbers[0], share_1 = (REAL)numbers[1], share_2 = (REAL)numbers[2];
    const REAL epsilon = (REAL)numbers[3];
    for (ptrdiff_t k = 0; k < n; k++) {
        REAL c = NAME(clipped)(g[k], factor, limit);
        REAL first = m[k] += share_1 * (c - m[k]);
        REAL second = v[k] += share_2 * (c * c - v[k]);
        if (largest) second = largest[k] = second > largest[k] ? second : largest[k];
        p[k] = keep * p[k] - rate * (first / (ROOT(second) + epsilon));
    }
}

/* One block.  slots are in the order of `slot_names`, null where the rule has fewer. */
static void NAME(update)(
    int rule, ptrdiff_t n, const double *numbers, double factor, double limit, int decays, void *p,
    const void *g, void *const *slots)
{
    REAL *a = (REAL *)slots[0], *b = (REAL *)slots[1], *c = (REAL *)slots[2];
    REAL f = (REAL)factor, most = (REAL)limit;
    if (rule == FASTRNN_SGD)
        NAME(sgd)(n, numbers, f, most, (REAL *)p, (const REAL *)g, a);
    else if (rule == FASTRNN_RMSPROP)
        NAME(rmsprop)(n, numbers, f, most, (REAL *)p, (const REAL *)g, a, numbers[4] != 0 ? b : 0,
                      numbers[4] != 0 ? c : b);
    else
        NAME(adam)(n, numbers, f, most, (REAL)(decays ? 1 - numbers[4] : 1), (REAL *)p, (const REAL *)g,
                   a, b, c);
}
