/* The loops of crossentropy.h for one type: REAL, its exponential EXP, and NAME to tell the two apart. */

/* A piece of a row of logits a: its maximum, the first place of it, and in place of a the exponentials of the
 * distances from the maximum, with their sum.  Where the maximum is -infinity the distance is from 0. */
FASTRNN_CLONES static double NAME(exponentials)(
    ptrdiff_t n, REAL *__restrict a, double *maximum, ptrdiff_t *place)
{
    REAL largest[FASTRNN_LANES], m = (REAL)-INFINITY;
    double sums[FASTRNN_LANES] = {0}, sum = 0;
    ptrdiff_t k = 0, whole = n - n % FASTRNN_LANES;
    for (int j = 0; j < FASTRNN_LANES; j++) largest[j] = m;
    for (k = 0; k < whole; k += FASTRNN_LANES)
        for (int j = 0; j < FASTRNN_LANES; j++) largest[j] = a[k + j] > largest[j] ? a[k + j] : largest[j];
    for (int j = 0; j < FASTRNN_LANES; j++) m = largest[j] > m ? largest[j] : m;
    for (; k < n; k++) m = a[k] > m ? a[k] : m;
    *maximum = m;
    *place = 0;
    for (k = 0; k < n; k += FASTRNN_LANES) {
        ptrdiff_t end = n - k < FASTRNN_LANES ? n - k : FASTRNN_LANES;
        int found = 0;
        for (ptrdiff_t j = 0; j < end; j++) found |= a[k + j] == m;
        if (!found) continue;
        while (a[k] != m) k++;
        *place = k;
        break;
    }
    if (m == (REAL)-INFINITY) m = 0;
    for (k = 0; k < n; k++) a[k] = EXP(a[k] - m);
    for (k = 0; k < whole; k += FASTRNN_LANES)
        for (int j = 0; j < FASTRNN_LANES; j++) sums[j] += a[k + j];
    for (; k < n; k++) sums[k % FASTRNN_LANES] += a[k];
    for (int j = 0; j < FASTRNN_LANES; j++) sum += sums[j];
    return sum;
}

FASTRNN_CLONES static void NAME(scale)(ptrdiff_t n, REAL *__restrict a, REAL factor)
{
    for (ptrdiff_t k = 0; k < n; k++) a[k] *= factor;
}

/* da = y (dy - sum of dy y), the gradient in front of a softmax whose row is y. */
FASTRNN_CLONES static void NAME(softmax_slope)(
    ptrdiff_t n, const REAL *__restrict y, const REAL *__restrict dy, REAL *__restrict da)
{
    double sums[FASTRNN_LANES] = {0}, sum = 0;
    ptrdiff_t k = 0, whole = n - n % FASTRNN_LANES;
    for (k = 0; k < whole; k += FASTRNN_LANES)
        for (int j = 0; j < FASTRNN_LANES; j++) sums[j] += (double)dy[k + j] * y[k + j];
    for (; k < n; k++) sums[k % FASTRNN_LANES] += (double)dy[k] * y[k];
    for (int j = 0; j < FASTRNN_LANES; j++) sum += sums[j];
    for (k = 0; k < n; k++) da[k] = y[k] * (dy[k] - (REAL)sum);
}

FASTRNN_CLONES static void NAME(exp_rows)(ptrdiff_t n, REAL *__restrict a)
{
    for (ptrdiff_t k = 0; k < n; k++) a[k] = EXP(a[k]);
}
