/* Checks one level of the step engine against plain loops, without Python: `engine_check LEVEL`.
 *
 * Linked with every .cpp of fastrnn/kernels/simd, for this machine or for another one in an emulator.
 * Arrays have just the size that the engine may touch, for address checkers; results start as NaN, so that what
 * was not written, or should not have been, shows.
 */
#include "engine.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace {

std::mt19937 rng(1);
long checks = 0, failures = 0;

void expect(bool right, const char *what)
{
    checks++;
    if (!right && failures++ < 20) fprintf(stderr, "wrong: %s (check %ld)\n", what, checks);
}

ptrdiff_t pick(ptrdiff_t low, ptrdiff_t high) { return std::uniform_int_distribution<ptrdiff_t>(low, high)(rng); }

template <class T> std::vector<T> numbers(ptrdiff_t n)
{
    std::uniform_real_distribution<double> next(-1, 1);
    std::vector<T> made(n);
    for (T &x : made) x = (T)next(rng);
    return made;
}

template <class T> std::vector<T> blank(ptrdiff_t n) { return std::vector<T>(n, std::numeric_limits<T>::quiet_NaN()); }

template <class T> bool near(T got, double wanted)
{
    return std::fabs(got - wanted) <= (sizeof(T) == 4 ? 2e-5 : 1e-13) * std::max(1.0, std::fabs(wanted));
}

template <class T> bool same(const T *a, const T *b, ptrdiff_t n) { return n == 0 || !memcmp(a, b, n * sizeof(T)); }

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double function(int activation, double x)
{
    switch (activation) {
    case FASTRNN_RELU: return x > 0 ? x : 0;
    case FASTRNN_TANH: return std::tanh(x);
    case FASTRNN_SIGMOID: return sigmoid(x);
    default: return x;
    }
}

/* Panels of B [k, gates * units] as `_panels.pyx` makes them; every number of them is checked. */
template <class T>
std::vector<T> packed(const fastrnn_engine *e, ptrdiff_t k, ptrdiff_t units, ptrdiff_t gates, bool interleaved,
                      const std::vector<T> &source, ptrdiff_t along_k, ptrdiff_t along_n)
{
    const ptrdiff_t W = e->lanes, blocks = (units + W - 1) / W, vectors = interleaved ? blocks * gates : blocks;
    const ptrdiff_t group = interleaved ? gates : 4;
    std::vector<T> out = blank<T>(vectors * W * k);
    for (ptrdiff_t p = 0; p * group < vectors; p++) {
        const ptrdiff_t count = std::min(group, vectors - p * group);
        T *panel = out.data() + p * group * W * k;
        for (ptrdiff_t c = 0; c < count; c++) {
            const ptrdiff_t unit = (interleaved ? p : p * group + c) * W, own = std::min(W, units - unit);
            const ptrdiff_t column = interleaved ? c * units + unit : unit;
            const T *from = source.data() + column * along_n;
            e->pack(k, own, from, along_k, along_n, count, panel + c * W);
            for (ptrdiff_t i = 0; i < k; i++)
                for (ptrdiff_t u = 0; u < W; u++) {
                    T wanted = u < own ? from[i * along_k + u * along_n] : (T)0;
                    expect(panel[(i * count + c) * W + u] == wanted, "pack");
                }
        }
    }
    return out;
}

template <class T> void check_product(const fastrnn_engine *e)
{
    const ptrdiff_t W = e->lanes, m = pick(0, 20), k = pick(0, 9) ? pick(0, 40) : pick(500, 1100), n = pick(1, 5 * W + 3);
    const ptrdiff_t vectors = (n + W - 1) / W, panels = (vectors + 3) / 4;
    const bool turned = pick(0, 1), lying = pick(0, 1);
    const int activation = (int)pick(0, 3), start = (int)pick(0, 2);
    std::vector<T> a = numbers<T>(m * k), b = numbers<T>(k * n), from = numbers<T>(start == 1 ? n : m * n);
    for (T &x : b) x /= std::sqrt((T)std::max<ptrdiff_t>(k, 1));
    const ptrdiff_t along_k = lying ? n : 1, along_n = lying ? 1 : k;
    std::vector<T> B = packed(e, k, n, 1, false, b, along_k, along_n);
    std::vector<T> out = blank<T>(m * n), other = out;
    fastrnn_product q = {m, k, n, 4, vectors, 0, panels, a.data(), turned ? 1 : k, turned ? m : 1, B.data(),
                         start ? from.data() : NULL, start == 1 ? 0 : n, out.data(), n, activation};
    e->product(&q);
    for (ptrdiff_t r = 0; r < m; r++)
        for (ptrdiff_t j = 0; j < n; j++) {
            double sum = start ? from[(start == 1 ? 0 : r * n) + j] : 0;
            for (ptrdiff_t i = 0; i < k; i++) sum += (double)a[r * q.row + i * q.step] * b[i * along_k + j * along_n];
            expect(near(out[r * n + j], function(activation, sum)), "product");
        }
    for (ptrdiff_t r = 0; r < m; r++) /* a row alone, a panel at a time: the same bits */
        for (ptrdiff_t p = 0; p < panels; p++) {
            fastrnn_product one = q;
            one.m = 1, one.first = p, one.last = p + 1;
            one.a = a.data() + r * q.row, one.out = other.data() + r * n;
            if (start) one.start = from.data() + r * q.start_row;
            e->product(&one);
        }
    expect(same(out.data(), other.data(), m * n), "product, a row alone");
}

template <class T> void check_step(const fastrnn_engine *e, int cell)
{
    const ptrdiff_t W = e->lanes, gates = cell == FASTRNN_LSTM ? 4 : cell == FASTRNN_GRU ? 3 : 1;
    const ptrdiff_t rows = pick(1, 15), H = pick(1, gates == 1 ? 9 * W : 3 * W), blocks = (H + W - 1) / W;
    const ptrdiff_t group = gates == 1 ? 4 : gates, panels = gates == 1 ? (blocks + 3) / 4 : blocks;
    const ptrdiff_t first = pick(0, panels - 1), last = pick(first + 1, panels), wide = gates == 1 ? 4 * W : W;
    const bool lstm = cell == FASTRNN_LSTM, gru = cell == FASTRNN_GRU, keeps = gates > 1 && pick(0, 1);
    std::vector<T> w = numbers<T>(gates * H * H), W_hh = packed(e, H, H, gates, gates > 1, w, 1, H);
    const ptrdiff_t pre_row = (last - first) * group * W;
    std::vector<T> pre = numbers<T>(rows * pre_row), bias = numbers<T>(blocks * W);
    std::vector<T> read = numbers<T>(rows * H), before = numbers<T>(rows * H);
    std::vector<T> h = blank<T>(rows * H), c = h, y = blank<T>(2 * rows * H), kept = blank<T>(rows * 4 * H);
    std::vector<int64_t> index(2 * rows);
    for (ptrdiff_t r = 0; r < 2 * rows; r++) index[r] = r;
    std::shuffle(index.begin(), index.end(), rng);
    fastrnn_step q = {rows, H, first, last, (int)pick(0, 1), read.data(), H, W_hh.data(), pre.data(), pre_row,
                      bias.data(), before.data(), H, lstm ? c.data() : NULL, H, h.data(), H, y.data(), H, 2,
                      pick(0, 1) ? index.data() : NULL, keeps ? kept.data() : NULL, 4 * H};
    e->step[cell](&q);
    std::vector<T> before_h = h;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t j = 0; j < H; j++) {
            const T got = h[r * H + j], *k = &kept[r * 4 * H];
            if (j < first * wide || j >= last * wide) {
                expect(std::isnan(got) && std::isnan(c[r * H + j]) && std::isnan(k[j]), "step, other units");
                continue;
            }
            double a[4];
            for (ptrdiff_t g = 0; g < gates; g++) {
                const ptrdiff_t p = j / wide, v = gates == 1 ? j / W % 4 : g;
                a[g] = pre[r * pre_row + ((p - first) * group + v) * W + j % W];
                if (gru && g == 2) a[3] = a[g], a[g] = bias[j];
                for (ptrdiff_t i = 0; i < H; i++) a[g] += (double)w[(g * H + j) * H + i] * read[r * H + i];
            }
            double wanted, b = before[r * H + j], in[4];
            if (lstm) {
                in[0] = sigmoid(a[0]), in[1] = sigmoid(a[1]), in[2] = std::tanh(a[2]), in[3] = sigmoid(a[3]);
                expect(near(c[r * H + j], in[1] * b + in[0] * in[2]), "step, c");
                wanted = in[3] * std::tanh(in[1] * b + in[0] * in[2]);
            } else if (gru) {
                in[0] = a[2], in[1] = sigmoid(a[0]), in[2] = sigmoid(a[1]), in[3] = std::tanh(a[3] + in[1] * a[2]);
                wanted = (1 - in[2]) * in[3] + in[2] * b;
            } else wanted = cell == FASTRNN_RNN_RELU ? std::max(a[0], 0.0) : std::tanh(a[0]);
            expect(near(got, wanted), "step, h");
            for (int g = 0; g < 4; g++) expect(keeps ? near(k[g * H + j], in[g]) : std::isnan(k[g * H + j]), "step, kept");
            expect(y[(q.y_index ? index[2 * r] : 2 * r) * H + j] == got, "step, y");
        }
    for (ptrdiff_t r = 0; r < rows; r++) { /* a row alone, a panel at a time: the same bits */
        for (ptrdiff_t p = first; p < last; p++) {
            fastrnn_step one = q;
            one.rows = 1, one.first = p, one.last = p + 1, one.backwards = 0, one.y = one.kept = NULL;
            one.read = &read[r * H], one.before = &before[r * H];
            one.pre = &pre[r * pre_row + (p - first) * group * W];
            one.h = &h[r * H], one.c = lstm ? &c[r * H] : NULL;
            e->step[cell](&one);
        }
    }
    expect(same(h.data(), before_h.data(), rows * H), "step, a row alone");
}

template <class T> void check_back(const fastrnn_engine *e, int cell)
{
    const bool lstm = cell == FASTRNN_LSTM, gru = cell == FASTRNN_GRU;
    const ptrdiff_t W = e->lanes, rows = pick(1, 9), H = pick(1, 9 * W), blocks = (H + W - 1) / W, width = lstm || gru ? 4 * H : H;
    const ptrdiff_t first = pick(0, blocks - 1) * W, last = std::min(H, first + pick(1, blocks) * W);
    std::vector<T> dy = numbers<T>(2 * rows * H), dh = numbers<T>(rows * H), dc = numbers<T>(rows * H);
    std::vector<T> before = numbers<T>(rows * H), after = numbers<T>(rows * H), kept = numbers<T>(rows * width);
    for (T &x : kept) x = (x + 1) / 2;
    const std::vector<T> dh0 = dh, dc0 = dc, kept0 = kept;
    std::vector<int64_t> index(2 * rows);
    for (ptrdiff_t r = 0; r < 2 * rows; r++) index[r] = 2 * rows - 1 - r;
    const bool some = pick(0, 1);
    fastrnn_back q = {rows, H, first, last, some ? dy.data() : NULL, H, 2, pick(0, 1) ? index.data() : NULL, dh.data(), H,
                      lstm ? dc.data() : NULL, before.data(), H, after.data(), H, kept.data(), width};
    e->back[cell](&q);
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t j = 0; j < H; j++) {
            const ptrdiff_t at = r * H + j;
            const T *was = &kept0[r * width], *is = &kept[r * width];
            double wanted[4] = {}, next_h = dh0[at], next_c = dc0[at];
            for (ptrdiff_t g = 0; g * H < width; g++) wanted[g] = was[g * H + j];
            if (j >= first && j < last) {
                const double d = dh0[at] + (some ? dy[(q.dy_index ? index[2 * r] : 2 * r) * H + j] : 0), b = before[at];
                if (lstm) {
                    const double i = was[j], f = was[H + j], g = was[2 * H + j], o = was[3 * H + j];
                    const double tanh_c = std::tanh((double)after[at]), s = dc0[at] + d * o * (1 - tanh_c * tanh_c);
                    wanted[0] = s * g * i * (1 - i), wanted[1] = s * b * f * (1 - f);
                    wanted[2] = s * i * (1 - g * g), wanted[3] = d * tanh_c * o * (1 - o), next_c = s * f;
                } else if (gru) {
                    const double qn = was[j], u = was[H + j], z = was[2 * H + j], m = was[3 * H + j];
                    const double dp = d * (1 - z) * (1 - m * m);
                    wanted[0] = dp * u, wanted[1] = dp * qn * u * (1 - u);
                    wanted[2] = d * (b - m) * z * (1 - z), wanted[3] = dp, next_h = d * z;
                } else {
                    const double v = after[at];
                    wanted[0] = cell == FASTRNN_RNN_RELU ? (v > 0 ? d : 0) : d * (1 - v * v);
                }
            }
            for (ptrdiff_t g = 0; g * H < width; g++) expect(near(is[g * H + j], wanted[g]), "back, gates");
            expect(near(dh[at], next_h) && near(dc[at], next_c), "back, states");
        }
}

template <class T> void check_rows(const fastrnn_engine *e)
{
    const ptrdiff_t n = pick(0, 9 * e->lanes), rows = pick(0, 20), width = n + pick(0, 3);
    const int activation = (int)pick(0, 3);
    std::vector<T> y = numbers<T>(n), dy = numbers<T>(n), da = blank<T>(n), a = numbers<T>(rows * width), sum = blank<T>(n);
    e->slope(activation, n, y.data(), dy.data(), da.data());
    const std::vector<T> before = numbers<T>(n);
    const bool starts = pick(0, 1), backwards = rows && pick(0, 1); /* from the last row to the first */
    e->sum_rows(rows, n, a.data() + (backwards ? (rows - 1) * width : 0), backwards ? -width : width,
                starts ? before.data() : nullptr, sum.data());
    for (ptrdiff_t j = 0; j < n; j++) {
        const double v = y[j], slopes[] = {1, v > 0 ? 1.0 : 0.0, 1 - v * v, v * (1 - v)};
        expect(near(da[j], dy[j] * slopes[activation]), "slope");
        double wanted = starts ? before[j] : 0;
        for (ptrdiff_t r = 0; r < rows; r++) wanted += a[r * width + j];
        expect(near(sum[j], wanted), "sum_rows");
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
    const T far[] = {limits::infinity(), -limits::infinity(), limits::max(), -limits::max(), limits::quiet_NaN(), 0, -(T)0};
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
        for (int cell = 0; cell < FASTRNN_CELLS; cell++) {
            check_step<T>(e, cell);
            check_back<T>(e, cell);
        }
        check_rows<T>(e);
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
