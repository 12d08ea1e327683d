/* The canvas, displaced by a smooth field: a separable Catmull-Rom warp (Catmull and Smith 1980) whose whole-pixel
 * part is constant over runs of 16 pixels. */
#ifndef MESHWARP_HEAD_H
#define MESHWARP_HEAD_H

#include "vector.h"

enum { RUN = 16, ROWS = 4 };

/* Product of two Q15 numbers, rounded, as pmulhrsw does it. */
INLINE int16_t mulr(int16_t a, int16_t b) { return (int16_t)(((int32_t)a * b + 0x4000) >> 15); }

/* Four taps at g / 16384 of the way from the second to the third. */
INLINE uint8_t cubic(int16_t a, int16_t b, int16_t c, int16_t d, int16_t h) {
    int16_t g = (int16_t)(h * 2), g2 = mulr(g, g), g3 = mulr(g2, g);
    int16_t h2 = (int16_t)(g2 >> 1), h3 = (int16_t)(g3 >> 1);
    int16_t wa = (int16_t)((int16_t)(2 * h2 - h - h3) >> 1);
    int16_t wd = (int16_t)((int16_t)(h3 - h2) >> 1);
    int16_t wb = (int16_t)(16384 + ((int16_t)(3 * h3 - 5 * h2) >> 1));
    int16_t wc = (int16_t)(16384 - wa - wb - wd);
    int16_t sum = (int16_t)(mulr((int16_t)(a << 7), wa) + mulr((int16_t)(b << 7), wb) +
                            mulr((int16_t)(c << 7), wc) + mulr((int16_t)(d << 7), wd));
    sum = (int16_t)((sum + 32) >> 6);
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* 16 pixels from `s` on, resampled along a line whose taps lie `step` bytes apart. The position of pixel i is
 * f0 + i * df, in 1/16384 of a tap, within [0, 2): the taps are those at -1 .. 3. */
INLINE void run16(const uint8_t *restrict s, ptrdiff_t step, int f0, int df, uint8_t *restrict out) {
    const uint8_t *t0 = s - step, *t1 = s, *t2 = s + step, *t3 = s + 2 * step, *t4 = s + 3 * step;
    for (int i = 0; i < RUN; i++) {
        int16_t f = (int16_t)(f0 + i * df);
        int16_t next = (int16_t)-((f >> 14) & 1); /* all ones where the position is past tap 1 */
        int16_t p0 = t0[i], p1 = t1[i], p2 = t2[i], p3 = t3[i], p4 = t4[i];
        int16_t a = (int16_t)(p0 ^ ((p0 ^ p1) & next)), b = (int16_t)(p1 ^ ((p1 ^ p2) & next));
        int16_t c = (int16_t)(p2 ^ ((p2 ^ p3) & next)), d = (int16_t)(p3 ^ ((p3 ^ p4) & next));
        out[i] = cubic(a, b, c, d, (int16_t)(f & 0x3fff));
    }
}

/* The same where the field is steep: every pixel has its own whole part, kept within low .. high. */
static void run_steep(const uint8_t *s, ptrdiff_t step, int f0, int df, int low, int high, uint8_t *out) {
    for (int i = 0; i < RUN; i++) {
        int f = f0 + i * df, base = clampi(f >> 14, low, high);
        const uint8_t *t = s + base * step + i;
        out[i] = cubic(t[-step], t[0], t[step], t[2 * step], (int16_t)(f & 0x3fff));
    }
}

typedef void (*Run)(const uint8_t *restrict, ptrdiff_t, int, int, uint8_t *restrict);

#ifdef AVX2
/* The same arithmetic, 16 lanes at once: compilers don't find it by themselves. */
AVX2 static inline void run16_avx2(const uint8_t *restrict s, ptrdiff_t step, int f0, int df, uint8_t *restrict out) {
#define TAP(k) _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(s + (k) * step)))
    const __m256i ramp = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m256i f = _mm256_add_epi16(_mm256_set1_epi16((short)f0), _mm256_mullo_epi16(ramp, _mm256_set1_epi16((short)df)));
    __m256i next = _mm256_cmpgt_epi16(f, _mm256_set1_epi16(0x3fff));
    __m256i h = _mm256_and_si256(f, _mm256_set1_epi16(0x3fff)), g = _mm256_slli_epi16(h, 1);
    __m256i g2 = _mm256_mulhrs_epi16(g, g), g3 = _mm256_mulhrs_epi16(g2, g);
    __m256i h2 = _mm256_srai_epi16(g2, 1), h3 = _mm256_srai_epi16(g3, 1);
    __m256i p0 = TAP(-1), p1 = TAP(0), p2 = TAP(1), p3 = TAP(2), p4 = TAP(3);
    __m256i a = _mm256_blendv_epi8(p0, p1, next), b = _mm256_blendv_epi8(p1, p2, next);
    __m256i c = _mm256_blendv_epi8(p2, p3, next), d = _mm256_blendv_epi8(p3, p4, next);
    __m256i wa = _mm256_srai_epi16(_mm256_sub_epi16(_mm256_sub_epi16(_mm256_slli_epi16(h2, 1), h), h3), 1);
    __m256i wd = _mm256_srai_epi16(_mm256_sub_epi16(h3, h2), 1);
    __m256i bend = _mm256_sub_epi16(_mm256_mullo_epi16(h3, _mm256_set1_epi16(3)),
                                    _mm256_mullo_epi16(h2, _mm256_set1_epi16(5)));
    __m256i one = _mm256_set1_epi16(16384), wb = _mm256_add_epi16(one, _mm256_srai_epi16(bend, 1));
    __m256i wc = _mm256_sub_epi16(_mm256_sub_epi16(one, wa), _mm256_add_epi16(wb, wd));
#define PART(p, w) _mm256_mulhrs_epi16(_mm256_slli_epi16(p, 7), w)
    __m256i sum = _mm256_add_epi16(_mm256_add_epi16(PART(a, wa), PART(b, wb)),
                                   _mm256_add_epi16(PART(c, wc), PART(d, wd)));
    sum = _mm256_srai_epi16(_mm256_add_epi16(sum, _mm256_set1_epi16(32)), 6);
    _mm_storeu_si128((__m128i *)out,
                     _mm_packus_epi16(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1)));
#undef TAP
#undef PART
}
#endif

/* One plane. `src` is its first pixel inside a padded canvas of row length `stride`; `field` holds (rows, cols)
 * pairs dx, dy at every 16 pixels in 1/1024 pixel; `middle` is (h + 2 ROWS, padded w)
 * scratch. */
INLINE void warp_plane(const uint8_t *src, ptrdiff_t stride, int pad, int w, int h, const int32_t *field, int cols,
                       uint8_t *middle, uint8_t *out, Run run) {
    int runs = (w + RUN - 1) / RUN, wide = runs * RUN;
    uint8_t line[MAX_SIDE + RUN];
    for (int y = -ROWS; y < h + ROWS; y++) {
        int inside = clampi(y, 0, h - 1), r = inside % RUN;
        const int32_t *n0 = field + (size_t)(inside / RUN) * cols * 2, *n1 = n0 + cols * 2;
        const uint8_t *row = src + y * stride;
        uint8_t *to = middle + (size_t)(y + ROWS) * wide;
        for (int j = 0; j < runs; j++) {
            int a = n0[2 * j] * (RUN - r) + n1[2 * j] * r, b = n0[2 * j + 2] * (RUN - r) + n1[2 * j + 2] * r;
            if (!(a | b)) {
                memcpy(to + j * RUN, row + j * RUN, RUN);
                continue;
            }
            if (abs(b - a) > 16383 && abs(b - a) < 32767) {
                uint8_t halves[2 * RUN];
                int df = (b - a) / RUN;
                for (int half = 0; half < RUN; half += RUN / 2) {
                    int from = a + half * df, until = from + RUN / 2 * df, base = (from < until ? from : until) >> 14;
                    run(row + j * RUN + half + clampi(base, -pad + 2, pad - 4), 1, from - base * 16384, df, halves + half);
                }
                memcpy(to + j * RUN, halves, RUN);
                continue;
            }
            if (abs(b - a) > 16383) {
                run_steep(row + j * RUN, 1, a, (b - a) / RUN, -pad + 2, pad - 4, to + j * RUN);
                continue;
            }
            int base = (a < b ? a : b) >> 14, x = j * RUN + clampi(base, -pad + 2, pad - 4);
            run(row + x, 1, a - base * 16384, (b - a) / RUN, to + j * RUN);
        }
    }
    for (int y = 0; y < h; y++) {
        const int32_t *n0 = field + (size_t)(y / RUN) * cols * 2, *n1 = n0 + cols * 2;
        int r = y % RUN;
        for (int j = 0; j < runs; j++) {
            int a = n0[2 * j + 1] * (RUN - r) + n1[2 * j + 1] * r, b = n0[2 * j + 3] * (RUN - r) + n1[2 * j + 3] * r;
            const uint8_t *column = middle + (size_t)ROWS * wide + j * RUN;
            if (!(a | b)) {
                memcpy(line + j * RUN, column + (size_t)y * wide, RUN);
                continue;
            }
            if (abs(b - a) > 16383 && abs(b - a) < 32767) {
                uint8_t halves[2 * RUN];
                int df = (b - a) / RUN;
                for (int half = 0; half < RUN; half += RUN / 2) {
                    int from = a + half * df, until = from + RUN / 2 * df, base = (from < until ? from : until) >> 14;
                    int top = clampi(y + base, 1 - ROWS, h + ROWS - 4);
                    run(column + (ptrdiff_t)top * wide + half, wide, from - base * 16384, df, halves + half);
                }
                memcpy(line + j * RUN, halves, RUN);
                continue;
            }
            if (abs(b - a) > 16383) {
                run_steep(column + (ptrdiff_t)y * wide, wide, a, (b - a) / RUN, 1 - ROWS - y, h + ROWS - 4 - y,
                          line + j * RUN);
                continue;
            }
            int base = (a < b ? a : b) >> 14, top = clampi(y + base, 1 - ROWS, h + ROWS - 4);
            run(column + (ptrdiff_t)top * wide, wide, a - base * 16384, (b - a) / RUN, line + j * RUN);
        }
        memcpy(out + (size_t)y * w, line, (size_t)w);
    }
}

typedef void (*Warp)(const uint8_t *, ptrdiff_t, int, int, int, const int32_t *, int, uint8_t *, uint8_t *);

static void warp_plain(const uint8_t *src, ptrdiff_t stride, int pad, int w, int h, const int32_t *field, int cols,
                       uint8_t *middle, uint8_t *out) {
    warp_plane(src, stride, pad, w, h, field, cols, middle, out, run16);
}

#ifdef AVX2
AVX2 static void warp_avx2(const uint8_t *src, ptrdiff_t stride, int pad, int w, int h, const int32_t *field, int cols,
                           uint8_t *middle, uint8_t *out) {
    warp_plane(src, stride, pad, w, h, field, cols, middle, out, run16_avx2);
}
#endif

static Warp warp(int plain) {
    (void)plain;
#ifdef AVX2
    if (!plain && __builtin_cpu_supports("avx2")) return warp_avx2;
#endif
    return warp_plain;
}

static void copy_plane(const uint8_t *src, ptrdiff_t stride, int w, int h, uint8_t *out) {
    for (int y = 0; y < h; y++) memcpy(out + (size_t)y * w, src + y * stride, (size_t)w);
}

#endif
