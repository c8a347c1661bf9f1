/* Checks one level of the step engine against plain loops, without Python: `engine_check LEVEL`.
 *
 * Linked with every .cpp of fastrnn/kernels/simd, for this machine or for another one in an emulator.
 */
#include "check.hpp"

#include "formulas.hpp"

#include "cells.hpp"

namespace {

template <class T> void check_product(const fastrnn_engine *e)
{
    const ptrdiff_t W = e->lanes, m = pick(0, 20), k = pick(0, 9) ? pick(0, 40) : pick(500, 1100);
    const ptrdiff_t n = pick(1, 5 * W + 3), vectors = (n + W - 1) / W, panels = (vectors + 3) / 4;
    const bool turned = pick(0, 1), lying = pick(0, 1), backwards = m && k && pick(0, 1); /* last k first */
    enum { NOTHING, BIAS, MATRIX, ITSELF };                                               /* what it starts from */
    const int activation = (int)pick(0, 3), start = (int)pick(NOTHING, ITSELF);
    const std::vector<T> a = numbers<T>(m * k), b = numbers<T>(k * n, 1 / std::sqrt((double)std::max<ptrdiff_t>(k, 1)));
    const std::vector<T> from = numbers<T>(start == BIAS ? n : m * n);
    const ptrdiff_t sign = backwards ? -1 : 1, along_k = sign * (lying ? n : 1), along_n = lying ? 1 : k;
    const T *b0 = b.data() - (backwards ? (k - 1) * along_k : 0);
    const std::vector<T> B = packed(e, k, n, 1, false, b0, along_k, along_n);
    std::vector<T> out = start == ITSELF ? from : blank<T>(m * n), other = out;
    fastrnn_product q = {};
    q.m = m, q.k = k, q.n = n;
    q.group = 4, q.vectors = vectors, q.first = 0, q.last = panels;
    q.row = turned ? 1 : k, q.step = sign * (turned ? m : 1);
    q.a = a.data() - (backwards ? (k - 1) * q.step : 0);
    q.b = B.data();
    q.start = start == NOTHING ? NULL : start == ITSELF ? out.data() : from.data(), q.start_row = start == BIAS ? 0 : n;
    q.out = out.data(), q.out_row = n;
    q.activation = activation;
    e->product(&q);
    for (ptrdiff_t r = 0; r < m; r++)
        for (ptrdiff_t j = 0; j < n; j++) {
            const T *ar = (const T *)q.a + r * q.row, *bj = b0 + j * along_n;
            double sum = start == NOTHING ? 0 : from[(start == BIAS ? 0 : r * n) + j];
            for (ptrdiff_t i = 0; i < k; i++) sum += (double)ar[i * q.step] * bj[i * along_k];
            expect(near(out[r * n + j], function(activation, sum)), "product");
        }
    for (ptrdiff_t r = 0; r < m; r++) /* a row alone, a panel at a time: the same bits */
        for (ptrdiff_t p = 0; p < panels; p++) {
            fastrnn_product one = q;
            one.m = 1, one.first = p, one.last = p + 1;
            one.a = (const T *)q.a + r * q.row, one.out = other.data() + r * n;
            if (start) one.start = start == ITSELF ? one.out : from.data() + r * q.start_row;
            e->product(&one);
        }
    expect(same(out, other), "product, a row alone");
}

template <class T> void check_slope(const fastrnn_engine *e)
{
    const ptrdiff_t n = pick(0, 9 * e->lanes);
    const int activation = (int)pick(0, 3);
    const std::vector<T> y = numbers<T>(n), dy = numbers<T>(n);
    std::vector<T> da = blank<T>(n);
    e->slope(activation, n, y.data(), dy.data(), da.data());
    for (ptrdiff_t j = 0; j < n; j++) expect(near(da[j], dy[j] * slope(activation, y[j])), "slope");
}

/* Sums over rows: at once, and in two parts, of which the second goes on in place from the first: the same bits. */
template <class T> void check_sums(const fastrnn_engine *e)
{
    const ptrdiff_t n = pick(0, 9 * e->lanes), rows = pick(0, 20), part = rows ? pick(0, rows - 1) : 0;
    Rows<T> a = Rows<T>(rows, n).filled(), b = Rows<T>(2 * rows, n).filled();
    const bool starts = pick(0, 1), upwards = rows && pick(0, 1), indexed = pick(0, 1);
    const std::vector<T> before = numbers<T>(n);
    const T *start = starts ? before.data() : NULL;
    std::vector<int64_t> index(rows);
    for (int64_t &i : index) i = pick(0, 2 * rows - 1); /* some rows more than once */
    const int64_t *found = indexed ? index.data() : NULL;
    std::vector<T> sum = blank<T>(n), sum_parts = sum, products = sum, product_parts = sum;

    const ptrdiff_t row = upwards ? -a.row : a.row; /* from the last row to the first */
    const T *first = upwards ? a[rows - 1] : a[0];
    e->sum_rows(rows, n, first, row, start, sum.data());
    e->sum_rows(part, n, first, row, start, sum_parts.data());
    e->sum_rows(rows - part, n, first + part * row, row, sum_parts.data(), sum_parts.data());
    expect(same(sum, sum_parts), "sum_rows, in parts");

    e->sum_products(rows, n, a[0], a.row, b[0], b.row, found, start, products.data());
    T *there = product_parts.data();
    if (indexed) e->sum_products(rows - part, n, a[part], a.row, b[0], b.row, found + part, start, there);
    else e->sum_products(rows - part, n, a[part], a.row, b[part], b.row, NULL, start, there);
    e->sum_products(part, n, a[0], a.row, b[0], b.row, found, there, there);
    expect(same(products, product_parts), "sum_products, in parts");

    for (ptrdiff_t j = 0; j < n; j++) {
        double of_rows = starts ? before[j] : 0, of_products = of_rows;
        for (ptrdiff_t r = 0; r < rows; r++) {
            of_rows += a[r][j];
            of_products += (double)a[r][j] * b[indexed ? index[r] : r][j];
        }
        expect(near(sum[j], of_rows), "sum_rows");
        expect(near(products[j], of_products), "sum_products");
    }
}

/* Largest error in ulp over normal numbers of both signs and of every size; what is far or not a number, too. */
template <class T> double check_activation(const fastrnn_engine *e, int activation)
{
    typedef std::numeric_limits<T> limits;
    std::uniform_real_distribution<double> exponent(limits::min_exponent, limits::max_exponent - 1), near_zero(-30, 30);
    std::uniform_real_distribution<double> left(sizeof(T) == 4 ? -90 : -720, 0);
    std::vector<T> x;
    for (int i = 0; i < 20000; i++) {
        x.push_back((T)(std::exp2(exponent(rng)) * (i % 2 ? 1 : -1)));
        x.push_back((T)near_zero(rng));
        x.push_back((T)left(rng));
    }
    const T infinity = limits::infinity(), most = limits::max();
    const T far[] = {infinity, -infinity, most, -most, limits::quiet_NaN(), 0, -(T)0};
    x.insert(x.end(), far, far + 7);
    std::vector<T> y = x;
    const unsigned long mode = fastrnn_flush_denormals();
    e->activate(activation, (ptrdiff_t)y.size(), y.data());
    fastrnn_restore_mode(mode);
    double worst = 0;
    for (size_t i = 0; i < x.size(); i++) {
        const long double v = x[i], wanted = activation == FASTRNN_TANH ? std::tanh(v) : 1 / (1 + std::exp(-v));
        if (std::isnan(x[i])) {
            expect(std::isnan(y[i]), "activation of NaN");
            continue;
        }
        expect(std::fabs(y[i]) <= 1, "activation above 1");
        if (std::isinf(x[i])) expect(y[i] == wanted, "activation of infinity");
        if (std::fabs(wanted) < limits::min()) {
            expect(std::fabs(y[i]) <= limits::min(), "activation, tiny");
            continue;
        }
        const T size = std::fabs((T)wanted);
        worst = std::max(worst, (double)(std::fabs(y[i] - wanted) / (size - std::nextafter(size, (T)0))));
    }
    expect(worst <= (sizeof(T) == 4 ? 8 : 4), "activation, ulp");
    return worst;
}

template <class T> void check_denormals()
{
    volatile T tiny = std::numeric_limits<T>::denorm_min(), one = 1;
    const unsigned long mode = fastrnn_flush_denormals();
    const T flushed = tiny * one;
    fastrnn_restore_mode(mode);
    expect(flushed == 0, "denormals are flushed");
    expect(tiny * one != 0, "the mode is restored");
}

template <class T> void check_level(const fastrnn_engine *e)
{
    for (int round = 0; round < 60; round++) {
        check_product<T>(e);
        check_cells<T>(e);
        check_slope<T>(e);
        check_sums<T>(e);
    }
    check_denormals<T>();
    const double tanh_ulp = check_activation<T>(e, FASTRNN_TANH), sigmoid_ulp = check_activation<T>(e, FASTRNN_SIGMOID);
    expect(e->spin(10) > 0, "spin");
    printf(" %td lanes (tanh %.1f, sigmoid %.1f ulp)", e->lanes, tanh_ulp, sigmoid_ulp);
}

} // namespace

int main(int count, char **words)
{
    const char *level = count > 1 ? words[1] : "portable";
    const fastrnn_engine *single = fastrnn_level(level, 0), *wide = fastrnn_level(level, 1);
    if (!single || !wide) {
        printf("engine_check %s: not on this machine\n", level);
        return 2;
    }
    printf("engine_check %s:", level);
    expect(!strcmp(single->level, level) && !strcmp(wide->level, level), "the level's name");
    check_level<float>(single);
    check_level<double>(wide);
    printf(", %ld checks, %ld wrong\n", checks, failures);
    return failures != 0;
}
