/* What exists once: the forms of cells, which level runs, how threads share work, how denormals are flushed. */
#include "engine.h"

#include <atomic>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64)
#include <immintrin.h>
#define X86 1
#else
#define X86 0
#endif
#if defined(_WIN32)
#include <windows.h>
#else
#include <sched.h>
#endif

namespace {

bool runs(const char *name)
{
    if (!strcmp(name, "portable") || !strcmp(name, "neon")) return true;
#if X86 && defined(__GNUC__)
    /* Looks at CPUID and at what the system saves (XGETBV). */
    __builtin_cpu_init();
    if (!strcmp(name, "avx2")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (!strcmp(name, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return false;
}

void relax()
{
#if X86
    _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ __volatile__("yield");
#endif
}

void yield()
{
#if defined(_WIN32)
    SwitchToThread();
#else
    sched_yield();
#endif
}

/* About 50 microseconds.  Partners that run arrive within one; one that was descheduled takes milliseconds, and
 * then its core, or ours, is better used by others.
 */
enum { SPINS = 2000 };

} // namespace

const fastrnn_form fastrnn_forms[FASTRNN_CELLS] = {
    /* gates, memory, extra, kept, carries, late, projects */
    {1, 0, 0, 1, 0, 0, 0}, /* RNN_TANH */
    {1, 0, 0, 1, 0, 0, 0}, /* RNN_RELU */
    {4, 1, 0, 4, 0, 0, 0}, /* LSTM */
    {4, 1, 3, 4, 0, 0, 0}, /* LSTM_PEEPHOLE */
    {3, 1, 0, 3, 0, 0, 0}, /* LSTM_COUPLED */
    {3, 1, 2, 3, 0, 0, 0}, /* LSTM_PEEPHOLE_COUPLED */
    {4, 1, 0, 5, 0, 0, 1}, /* LSTM_PROJECTED */
    {3, 0, 1, 4, 1, 0, 0}, /* GRU */
    {3, 0, 0, 4, 1, 1, 0}, /* GRU_BEFORE */
};

const fastrnn_engine *fastrnn_level(const char *name, int is_double)
{
    const fastrnn_engine *tables[] = {fastrnn_portable, fastrnn_avx2, fastrnn_avx512, fastrnn_neon};
    for (const fastrnn_engine *table : tables)
        if (table->level && !strcmp(table->level, name) && runs(name)) return table + (is_double != 0);
    return NULL;
}

int fastrnn_take(fastrnn_relay *relay, int share, int item)
{
    std::atomic<int> &items = *reinterpret_cast<std::atomic<int> *>(&relay->taken[share].items);
    if (items.load(std::memory_order_relaxed) != item) return 0;
    return items.compare_exchange_strong(item, item + 1, std::memory_order_acq_rel);
}

void fastrnn_done(fastrnn_relay *relay)
{
    reinterpret_cast<std::atomic<int> *>(&relay->done)->fetch_add(1, std::memory_order_acq_rel);
}

void fastrnn_await(fastrnn_relay *relay, int done)
{
    std::atomic<int> &now = *reinterpret_cast<std::atomic<int> *>(&relay->done);
    for (int spins = 0; now.load(std::memory_order_acquire) < done; spins++) {
        if (spins < SPINS) relax();
        else yield();
    }
}

#if X86
/* Flush to zero, and denormals are zero. */
unsigned long fastrnn_flush_denormals(void)
{
    unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040);
    return mode;
}
void fastrnn_restore_mode(unsigned long mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__) && defined(__GNUC__)
unsigned long fastrnn_flush_denormals(void)
{
    unsigned long mode;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(mode));
    __asm__ __volatile__("msr fpcr, %0" : : "r"(mode | (1ul << 24)));
    return mode;
}
void fastrnn_restore_mode(unsigned long mode) { __asm__ __volatile__("msr fpcr, %0" : : "r"(mode)); }
#else
unsigned long fastrnn_flush_denormals(void) { return 0; }
void fastrnn_restore_mode(unsigned long) {}
#endif
