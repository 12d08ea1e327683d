/* What both kernels need: the vector unit where there is one, and small sums. */
#ifndef MESHWARP_VECTOR_H
#define MESHWARP_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define AVX2 __attribute__((target("avx2")))
#include <immintrin.h>
#endif
#define INLINE static inline __attribute__((always_inline))

enum { MAX_SIDE = 4096 };

INLINE int clampi(int v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }

#endif
