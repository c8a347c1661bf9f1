/* What all checks of the engine stand on: counting, random numbers, rows of them, panels.
 *
 * Arrays have just the size that the engine may touch, for address checkers.  Results start as NaN, and NaN stands
 * between rows, so that what was not written, or should not have been written or read, shows.
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
char where[40] = ""; /* the cell that is checked just now */

void expect(bool right, const char *what)
{
    checks++;
    if (!right && failures++ < 20) fprintf(stderr, "wrong: %s%s (check %ld)\n", where, what, checks);
}

ptrdiff_t pick(ptrdiff_t low, ptrdiff_t high) { return std::uniform_int_distribution<ptrdiff_t>(low, high)(rng); }

template <class T> std::vector<T> numbers(ptrdiff_t n, double size = 1)
{
    std::uniform_real_distribution<double> next(-size, size);
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

template <class T> bool same(const std::vector<T> &a, const std::vector<T> &b)
{
    return a.size() == b.size() && same(a.data(), b.data(), (ptrdiff_t)a.size());
}

/* Rows of n numbers, `row` from one to the next. */
template <class T> struct Rows {
    ptrdiff_t count, n, row;
    std::vector<T> all;

    Rows(ptrdiff_t count, ptrdiff_t n, ptrdiff_t row)
        : count(count), n(n), row(row), all(blank<T>(count ? (count - 1) * row + n : 0))
    {
    }
    Rows(ptrdiff_t count, ptrdiff_t n) : Rows(count, n, pick(0, 1) ? n + pick(1, 9) : n) {}
    T *operator[](ptrdiff_t r) { return all.data() + r * row; }
    Rows filled() const
    {
        Rows made = *this;
        for (ptrdiff_t r = 0; r < count; r++) {
            const std::vector<T> own = numbers<T>(n);
            std::copy(own.begin(), own.end(), made[r]);
        }
        return made;
    }
    bool blank_between() const
    {
        bool found = true;
        for (size_t i = 0; i < all.size(); i++) found = found && ((ptrdiff_t)i % row < n || std::isnan(all[i]));
        return found;
    }
};

/* Where a step's rows of y or dy are among twice as many: every second one, or where an index says; or nowhere. */
template <class T> struct Places {
    Rows<T> rows;
    std::vector<int64_t> index;
    const bool exist, indexed;

    Places(ptrdiff_t count, ptrdiff_t n) : rows(2 * count, n), index(2 * count), exist(pick(0, 3)), indexed(pick(0, 1))
    {
        for (ptrdiff_t r = 0; r < 2 * count; r++) index[r] = r;
        std::shuffle(index.begin(), index.end(), rng);
    }
    /* What a step from its row r on is given, where y_step, or dy_step, is 2. */
    T *start(ptrdiff_t r) { return !exist ? nullptr : indexed ? rows[0] : rows[2 * r]; }
    const int64_t *from(ptrdiff_t r) const { return indexed ? &index[2 * r] : nullptr; }
    ptrdiff_t of(ptrdiff_t r) const { return indexed ? index[2 * r] : 2 * r; } /* where that row is */
};

/* Panels of B [k, gates * units] as `_panels.pyx` makes them; every number of them is checked. */
template <class T>
std::vector<T> packed(const fastrnn_engine *e, ptrdiff_t k, ptrdiff_t units, ptrdiff_t gates, bool interleaved,
                      const T *source, ptrdiff_t along_k, ptrdiff_t along_n)
{
    const ptrdiff_t W = e->lanes, blocks = (units + W - 1) / W, vectors = interleaved ? blocks * gates : blocks;
    const ptrdiff_t group = interleaved ? gates : 4;
    std::vector<T> out = blank<T>(vectors * W * k);
    for (ptrdiff_t p = 0; p * group < vectors; p++) {
        const ptrdiff_t count = std::min(group, vectors - p * group);
        T *panel = out.data() + p * group * W * k;
        for (ptrdiff_t c = 0; c < count; c++) {
            const ptrdiff_t unit = (interleaved ? p : p * group + c) * W, own = std::min(W, units - unit);
            const T *from = source + (interleaved ? c * units + unit : unit) * along_n;
            e->pack(k, own, from, along_k, along_n, count, panel + c * W);
            for (ptrdiff_t i = 0; i < k; i++)
                for (ptrdiff_t u = 0; u < W; u++) {
                    const T wanted = u < own ? from[i * along_k + u * along_n] : (T)0;
                    expect(panel[(i * count + c) * W + u] == wanted, "pack");
                }
        }
    }
    return out;
}

} // namespace
