/* What the loops of update.h and crossentropy.h share.
 *
 * FASTRNN_CLONES: the compiler writes a loop three times and the loader takes the widest that the machine has.
 * FASTRNN_LANES: a sum goes into so many partial sums, lane by lane, so that its order, and with it its bits,
 * does not depend on the width of the machine's registers.
 */
#ifndef FASTRNN_CLONES_H
#define FASTRNN_CLONES_H

#define FASTRNN_LANES 64

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) && \
    defined(__gnu_linux__)
#define FASTRNN_CLONES \
    __attribute__((unused, target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#elif defined(__GNUC__)
#define FASTRNN_CLONES __attribute__((unused)) /* whoever includes a header needs some of its loops */
#else
#define FASTRNN_CLONES
#endif

#endif
