/* The two inner loops of the mesh warp, in integers so that every machine makes the same bytes.
 *
 * mouth(): forward displacement fields are summed, inverted on a coarse grid and used to draw two layers (the
 *          face above and below the lip line) over teeth and tongue, into a canvas of I420 planes.
 * head():  the canvas, displaced by a smooth field, as one I420 frame: a separable Catmull-Rom warp
 *          (Catmull and Smith 1980) whose whole-pixel part is constant over runs of 16 pixels.
 *
 * Both release the GIL, keep no state and check every buffer before they touch it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define AVX2 __attribute__((target("avx2")))
#include <immintrin.h>
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float v4 __attribute__((vector_size(16), aligned(4)));

enum { RUN = 16, ROWS = 4, MAX_BASES = 16, COLUMNS = 64, MAX_SIDE = 4096 };

INLINE int clampi(int v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }
INLINE float clampf(float v, float lo, float hi) { return v > lo ? v < hi ? v : hi : lo; } /* NaN: lo */

/* ------------------------------------------------------------------------------------------ head */

/* Product of two Q15 numbers, rounded, as pmulhrsw does it. */
INLINE int16_t mulr(int16_t a, int16_t b) { return (int16_t)(((int32_t)a * b + 0x4000) >> 15); }

/* 16 pixels from `s` on, resampled along a line whose taps lie `step` bytes apart. The position of pixel i is
 * f0 + i * df, in 1/16384 of a tap, within [0, 2): the taps are those at -1 .. 3. */
INLINE void run16(const uint8_t *restrict s, ptrdiff_t step, int f0, int df, uint8_t *restrict out) {
    const uint8_t *t0 = s - step, *t1 = s, *t2 = s + step, *t3 = s + 2 * step, *t4 = s + 3 * step;
    for (int i = 0; i < RUN; i++) {
        int16_t f = (int16_t)(f0 + i * df);
        int16_t next = (int16_t)-((f >> 14) & 1); /* all ones where the position is past tap 1 */
        int16_t g = (int16_t)((f & 0x3fff) * 2);
        int16_t p0 = t0[i], p1 = t1[i], p2 = t2[i], p3 = t3[i], p4 = t4[i];
        int16_t a = (int16_t)(p0 ^ ((p0 ^ p1) & next)), b = (int16_t)(p1 ^ ((p1 ^ p2) & next));
        int16_t c = (int16_t)(p2 ^ ((p2 ^ p3) & next)), d = (int16_t)(p3 ^ ((p3 ^ p4) & next));
        int16_t g2 = mulr(g, g), g3 = mulr(g2, g);
        int16_t h = (int16_t)(g >> 1), h2 = (int16_t)(g2 >> 1), h3 = (int16_t)(g3 >> 1);
        int16_t wa = (int16_t)((int16_t)(2 * h2 - h - h3) >> 1);
        int16_t wd = (int16_t)((int16_t)(h3 - h2) >> 1);
        int16_t wb = (int16_t)(16384 + ((int16_t)(3 * h3 - 5 * h2) >> 1));
        int16_t wc = (int16_t)(16384 - wa - wb - wd);
        int16_t sum = (int16_t)(mulr((int16_t)(a << 7), wa) + mulr((int16_t)(b << 7), wb) +
                                mulr((int16_t)(c << 7), wc) + mulr((int16_t)(d << 7), wd));
        sum = (int16_t)((sum + 32) >> 6);
        out[i] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
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
            b = clampi(b, a - 16383, a + 16383);
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
            b = clampi(b, a - 16383, a + 16383);
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

/* ----------------------------------------------------------------------------------------- mouth */

/* A texel is four bytes Y, U, V, alpha in one little number: Y lowest. */
#define EVEN 0x00ff00ffu
#define EVEN64 0x00ff00ff00ff00ffull
#define HALF64 0x0080008000800080ull

typedef struct {
    const uint32_t *texels;
    int stride, right, bottom; /* the last usable position, Q16 */
} Texture;

INLINE uint32_t sample(Texture t, int32_t x, int32_t y) {
    x = clampi(x, 0, t.right);
    y = clampi(y, 0, t.bottom);
    const uint32_t *p = t.texels + (ptrdiff_t)(y >> 16) * t.stride + (x >> 16), *q = p + t.stride;
    uint64_t a = p[0] | (uint64_t)p[1] << 32, b = q[0] | (uint64_t)q[1] << 32;
    uint32_t fx = (x >> 8) & 255, fy = (y >> 8) & 255;
    uint64_t e = (((a & EVEN64) * (256 - fy) + (b & EVEN64) * fy + HALF64) >> 8) & EVEN64;
    uint64_t o = ((((a >> 8) & EVEN64) * (256 - fy) + ((b >> 8) & EVEN64) * fy + HALF64) >> 8) & EVEN64;
    uint32_t e1 = (uint32_t)e * (256 - fx) + (uint32_t)(e >> 32) * fx + 0x00800080u;
    uint32_t o1 = (uint32_t)o * (256 - fx) + (uint32_t)(o >> 32) * fx + 0x00800080u;
    return ((e1 >> 8) & EVEN) | (o1 & ~EVEN);
}

/* `over` on `under`, by over's alpha; the result's alpha means nothing. */
INLINE uint32_t blend(uint32_t over, uint32_t under) {
    uint32_t a = over >> 24;
    a += a >> 7;
    uint32_t e = (over & EVEN) * a + (under & EVEN) * (256 - a) + 0x00800080u;
    uint32_t o = ((over >> 8) & EVEN) * a + ((under >> 8) & EVEN) * (256 - a) + 0x00800080u;
    return ((e >> 8) & EVEN) | (o & ~EVEN);
}

/* Luma scaled by 1 + gain / 256 above black. */
INLINE uint32_t shaded(uint32_t texel, int gain) {
    int y = (int)(texel & 255);
    y = clampi(y + (((y - 16) * gain + 128) >> 8), 0, 255);
    return (texel & ~255u) | (uint32_t)y;
}

typedef void (*Row)(Texture, const int32_t *, int, uint32_t *);

/* `count` pixels of one layer: `line` is x, y, gain of the first and what each next one adds, Q16. */
static inline void row_plain(Texture t, const int32_t *line, int count, uint32_t *to) {
    for (int i = 0; i < count; i++)
        to[i] = shaded(sample(t, line[0] + i * line[3], line[1] + i * line[4]), (line[2] + i * line[5]) >> 8);
}

#ifdef AVX2
/* The same, four pixels at once. */
AVX2 static inline void row_avx2(Texture t, const int32_t *line, int count, uint32_t *to) {
    const __m128i ramp = _mm_setr_epi32(0, 1, 2, 3), zero = _mm_setzero_si128();
    const __m256i even = _mm256_set1_epi16(0x00ff), half = _mm256_set1_epi16(0x0080), full = _mm256_set1_epi16(256);
    const __m256i both = _mm256_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 8, 9, 8, 9, 8, 9, 8, 9, 0, 1, 0, 1, 0, 1, 0, 1, 8, 9, 8,
                                          9, 8, 9, 8, 9);
    const __m256i left = _mm256_set1_epi64x(0x00000000ffffffffll);
    const __m256i pick = _mm256_setr_epi32(0, 2, 4, 6, 0, 0, 0, 0);
    int i = 0;
    for (; i + 4 <= count; i += 4) {
        __m128i n = _mm_add_epi32(ramp, _mm_set1_epi32(i));
        __m128i x = _mm_add_epi32(_mm_set1_epi32(line[0]), _mm_mullo_epi32(n, _mm_set1_epi32(line[3])));
        __m128i y = _mm_add_epi32(_mm_set1_epi32(line[1]), _mm_mullo_epi32(n, _mm_set1_epi32(line[4])));
        x = _mm_min_epi32(_mm_max_epi32(x, zero), _mm_set1_epi32(t.right));
        y = _mm_min_epi32(_mm_max_epi32(y, zero), _mm_set1_epi32(t.bottom));
        __m128i at = _mm_add_epi32(_mm_mullo_epi32(_mm_srai_epi32(y, 16), _mm_set1_epi32(t.stride)),
                                   _mm_srai_epi32(x, 16));
        __m256i a = _mm256_i32gather_epi64((const long long *)t.texels, at, 4);
        __m256i b = _mm256_i32gather_epi64((const long long *)(t.texels + t.stride), at, 4);
        __m128i low = _mm_set1_epi32(255);
        __m256i fx = _mm256_cvtepu32_epi64(_mm_and_si128(_mm_srai_epi32(x, 8), low));
        __m256i fy = _mm256_cvtepu32_epi64(_mm_and_si128(_mm_srai_epi32(y, 8), low));
        fx = _mm256_shuffle_epi8(fx, both);
        fy = _mm256_shuffle_epi8(fy, both);
        __m256i gx = _mm256_sub_epi16(full, fx), gy = _mm256_sub_epi16(full, fy);
        fx = _mm256_blendv_epi8(fx, gx, left);
#define DOWN(p, q) \
    _mm256_srli_epi16(_mm256_add_epi16(_mm256_add_epi16(_mm256_mullo_epi16(p, gy), _mm256_mullo_epi16(q, fy)), half), 8)
        __m256i e = DOWN(_mm256_and_si256(a, even), _mm256_and_si256(b, even));
        __m256i o = DOWN(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
#undef DOWN
        e = _mm256_mullo_epi16(e, fx);
        o = _mm256_mullo_epi16(o, fx);
        e = _mm256_srli_epi16(_mm256_add_epi16(_mm256_add_epi16(e, _mm256_srli_epi64(e, 32)), half), 8);
        o = _mm256_andnot_si256(even, _mm256_add_epi16(_mm256_add_epi16(o, _mm256_srli_epi64(o, 32)), half));
        __m128i texel = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(_mm256_or_si256(e, o), pick));
        if (line[2] | line[5]) {
            __m128i gain = _mm_add_epi32(_mm_set1_epi32(line[2]), _mm_mullo_epi32(n, _mm_set1_epi32(line[5])));
            __m128i luma = _mm_and_si128(texel, low);
            __m128i change = _mm_mullo_epi32(_mm_sub_epi32(luma, _mm_set1_epi32(16)), _mm_srai_epi32(gain, 8));
            luma = _mm_add_epi32(luma, _mm_srai_epi32(_mm_add_epi32(change, _mm_set1_epi32(128)), 8));
            luma = _mm_min_epi32(_mm_max_epi32(luma, zero), low);
            texel = _mm_or_si128(_mm_andnot_si128(low, texel), luma);
        }
        _mm_storeu_si128((__m128i *)(to + i), texel);
    }
    if (i < count) {
        int32_t rest[6] = {line[0] + i * line[3], line[1] + i * line[4], line[2] + i * line[5], line[3], line[4], line[5]};
        row_plain(t, rest, count - i, to + i);
    }
}
#endif

typedef struct {
    int w, h, step, gw, gh, bases;
    const float *fields, *coef; /* (2, bases, gh, gw, 4): dx, dy in pixels, gain, unused */
    const uint8_t *need;        /* (2, gh, gw): 1 where the layer can show */
    Texture layer[2];           /* above and below the lip line */
    int scale;                  /* texels a pixel */
    const uint8_t *kind;        /* (2, kh, kw): alpha around each 8x8 texels of a layer: 0 none, 1 mixed, 2 opaque */
    int kw, kh;
    Texture inside[3];   /* tongue, lower teeth, upper teeth */
    const float *place;  /* (3, 4): u = place[0] * mx + place[1], v = place[2] * my + place[3], texels */
    const float *frame;  /* (6): mx = [0] x + [1] y + [2], my = [3] x + [4] y + [5] */
    const float *edges;  /* (2, COLUMNS): my of the upper and the lower lip's edge over mx in -1.25 .. 1.25 */
    const float *light;  /* (4): cavity Y, U, V; the opening's half width in mx */
} Mouth;

INLINE v4 load4(const float *p) {
    v4 v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Where the pixel at each node comes from: (gh, gw, 4) of x, y, gain. Fixed-point iteration. */
INLINE void invert(const Mouth *m, const float *sum, const uint8_t *need, float *at) {
    float inverse = 1.0f / (float)m->step;
    for (int gy = 0; gy < m->gh; gy++) {
        for (int gx = 0; gx < m->gw; gx++) {
            size_t node = (size_t)gy * m->gw + gx;
            float x = (float)(gx * m->step), y = (float)(gy * m->step);
            v4 d = load4(sum + node * 4);
            if (need[node]) {
                for (int k = 0; k < 12; k++) {
                    float u = clampf((x - d[0]) * inverse, 0.0f, (float)m->gw - 1.001f);
                    float v = clampf((y - d[1]) * inverse, 0.0f, (float)m->gh - 1.001f);
                    int iu = (int)u, iv = (int)v;
                    float fu = u - (float)iu, fv = v - (float)iv;
                    const float *p = sum + ((size_t)iv * m->gw + iu) * 4, *q = p + (size_t)m->gw * 4;
                    v4 a = load4(p), b = load4(p + 4), c = load4(q), e = load4(q + 4);
                    v4 top = a + (b - a) * fu, low = c + (e - c) * fu;
                    v4 next = top + (low - top) * fv, change = next - d;
                    d = next;
                    if (change[0] * change[0] + change[1] * change[1] < 1e-4f) break;
                }
            }
            float *to = at + node * 4;
            to[0] = x - d[0];
            to[1] = y - d[1];
            to[2] = d[2];
            to[3] = 0.0f;
        }
    }
}

/* The mouth's inside at one pixel: cavity, tongue, lower teeth, upper teeth, and the lips' shadow on them. */
INLINE uint32_t interior(const Mouth *m, int x, int y) {
    float mx = m->frame[0] * (float)x + m->frame[1] * (float)y + m->frame[2];
    float my = m->frame[3] * (float)x + m->frame[4] * (float)y + m->frame[5];
    float c = clampf((mx + 1.25f) * ((COLUMNS - 1) / 2.5f), 0.0f, COLUMNS - 1.001f);
    int i = (int)c;
    float f = c - (float)i;
    const float *upper = m->edges, *lower = m->edges + COLUMNS;
    float below = my - (upper[i] + (upper[i + 1] - upper[i]) * f);
    float above = (lower[i] + (lower[i + 1] - lower[i]) * f) - my;
    float side = mx / m->light[3];
    side = clampf(side * side, 0.0f, 1.2f);
    /* near the corners the cheek's inside is close and catches some light */
    float dark = m->light[0] + 26.0f * side;
    uint32_t out = (uint32_t)clampf(dark, 0.0f, 255.0f) | (uint32_t)m->light[1] << 8 | (uint32_t)m->light[2] << 16;
    for (int k = 0; k < 3; k++) {
        const float *p = m->place + 4 * k;
        float u = clampf(p[0] * mx + p[1], -1.0f, 8192.0f), v = clampf(p[2] * my + p[3], -1.0f, 8192.0f);
        uint32_t texel = sample(m->inside[k], (int32_t)(u * 65536.0f), (int32_t)(v * 65536.0f));
        if (texel >> 24) out = blend(texel, out);
    }
    float near = clampf(below * 12.0f, 0.0f, 1.0f), lit = clampf(below * 4.0f, 0.0f, 1.0f), low = clampf(above * 9.0f, 0.0f, 1.0f);
    float light = (0.60f + 0.26f * near + 0.14f * lit) * (0.86f + 0.14f * low) * (1.0f - 0.45f * side * side);
    /* what light there is in a mouth comes through red flesh */
    int u = (int)((out >> 8) & 255) - (int)((1.0f - light) * 6.0f);
    int v = (int)((out >> 16) & 255) + (int)((1.0f - light) * 12.0f);
    out = (out & 0xff0000ffu) | (uint32_t)clampi(u, 0, 255) << 8 | (uint32_t)clampi(v, 0, 255) << 16;
    return shaded(out, (int)((light - 1.0f) * 256.0f));
}

INLINE void draw_layers(const Mouth *m, float *sums, float *at, uint32_t *out, Row row) {
    size_t nodes = (size_t)m->gw * m->gh, values = nodes * 4;
    for (int layer = 0; layer < 2; layer++) {
        float *sum = sums + (size_t)layer * values;
        const float *base = m->fields + (size_t)layer * m->bases * values;
        memset(sum, 0, values * sizeof(float));
        for (int k = 0; k < m->bases; k++) {
            float c = m->coef[k];
            if (c == 0.0f) continue;
            const float *b = base + (size_t)k * values;
            for (size_t i = 0; i < values; i++) sum[i] += c * b[i];
        }
        invert(m, sum, m->need + (size_t)layer * nodes, at + (size_t)layer * values);
    }
    int step = m->step;
    const v4 unit = {(float)m->scale * 65536.0f, (float)m->scale * 65536.0f, 65536.0f, 0.0f};
    float inverse = 1.0f / (float)step;
    for (int gy = 0; gy < m->gh - 1; gy++) {
        for (int gx = 0; gx < m->gw - 1; gx++) {
            size_t node = (size_t)gy * m->gw + gx;
            size_t corner[4] = {node, node + 1, node + m->gw, node + m->gw + 1};
            int least[2] = {2, 2}, most = 0;
            for (int layer = 0; layer < 2; layer++) {
                for (int k = 0; k < 4; k++) {
                    int here = 0;
                    if (m->need[layer * nodes + corner[k]]) {
                        const float *p = at + (size_t)layer * values + corner[k] * 4;
                        int kx = clampi((int)(p[0] * (float)m->scale * 0.125f), 0, m->kw - 1);
                        int ky = clampi((int)(p[1] * (float)m->scale * 0.125f), 0, m->kh - 1);
                        here = m->kind[((size_t)layer * m->kh + ky) * m->kw + kx];
                    }
                    least[layer] = here < least[layer] ? here : least[layer];
                    if (layer == 1) most = here > most ? here : most;
                }
            }
            int rows = m->h - gy * step < step ? m->h - gy * step : step;
            int cols = m->w - gx * step < step ? m->w - gx * step : step;
            for (int r = 0; r < rows; r++) {
                int32_t line[2][6];
                float t = (float)r * inverse;
                for (int layer = 0; layer < 2; layer++) {
                    const float *p = at + (size_t)layer * values;
                    v4 a = load4(p + corner[0] * 4), b = load4(p + corner[1] * 4);
                    a += (load4(p + corner[2] * 4) - a) * t;
                    b += (load4(p + corner[3] * 4) - b) * t;
                    v4 slope = (b - a) * inverse * unit;
                    a *= unit;
                    for (int k = 0; k < 3; k++) {
                        line[layer][k] = (int32_t)a[k];
                        line[layer][3 + k] = (int32_t)slope[k];
                    }
                }
                uint32_t *to = out + (size_t)(gy * step + r) * m->w + gx * step;
                if (least[1] == 2 || (most == 0 && least[0] == 2)) {
                    int layer = least[1] == 2;
                    row(m->layer[layer], line[layer], cols, to);
                    continue;
                }
                uint32_t upper[64];
                row(m->layer[1], line[1], cols, to);
                row(m->layer[0], line[0], cols, upper);
                for (int i = 0; i < cols; i++) {
                    if (to[i] >= 0xff000000u) continue;
                    if (upper[i] < 0xff000000u)
                        upper[i] = blend(upper[i], interior(m, gx * step + i, gy * step + r));
                    to[i] = blend(to[i], upper[i]);
                }
            }
        }
    }
}

INLINE void store(const uint32_t *in, int w, int h, uint8_t *y, ptrdiff_t ys, uint8_t *u, uint8_t *v,
                         ptrdiff_t cs) {
    for (int r = 0; r < h; r++)
        for (int i = 0; i < w; i++) y[r * ys + i] = (uint8_t)in[(size_t)r * w + i];
    for (int r = 0; r < h / 2; r++) {
        const uint32_t *a = in + (size_t)2 * r * w, *b = a + w;
        for (int i = 0; i < w / 2; i++) {
            uint32_t s = ((a[2 * i] >> 8) & EVEN) + ((a[2 * i + 1] >> 8) & EVEN) + ((b[2 * i] >> 8) & EVEN) +
                         ((b[2 * i + 1] >> 8) & EVEN);
            /* bytes 1 and 3 are U and alpha here, byte 2 is V */
            uint32_t t = ((a[2 * i] >> 16) & 255) + ((a[2 * i + 1] >> 16) & 255) + ((b[2 * i] >> 16) & 255) +
                         ((b[2 * i + 1] >> 16) & 255);
            u[r * cs + i] = (uint8_t)(((s & 0xffff) + 2) >> 2);
            v[r * cs + i] = (uint8_t)((t + 2) >> 2);
        }
    }
}

typedef struct {
    uint8_t *y, *u, *v;
    ptrdiff_t stride, chroma;
} Target;

INLINE void draw_mouth(const Mouth *m, float *sums, float *at, uint32_t *out, const Target *to, Row row) {
    draw_layers(m, sums, at, out, row);
    store(out, m->w, m->h, to->y, to->stride, to->u, to->v, to->chroma);
}

static void mouth_plain(const Mouth *m, float *sums, float *at, uint32_t *out, const Target *to) {
    draw_mouth(m, sums, at, out, to, row_plain);
}

#ifdef AVX2
AVX2 static void mouth_avx2(const Mouth *m, float *sums, float *at, uint32_t *out, const Target *to) {
    draw_mouth(m, sums, at, out, to, row_avx2);
}
#endif

/* ---------------------------------------------------------------------------------------- Python */

enum { MAX_VIEWS = 16 };

typedef struct {
    Py_buffer views[MAX_VIEWS];
    int count;
} Held;

/* A C-contiguous buffer of `object` with items of `itemsize` bytes and the given shape (-1: any), or NULL. */
static void *take(Held *held, PyObject *object, const char *name, int writable, int itemsize, int dims,
                  const Py_ssize_t *shape) {
    Py_buffer *view = &held->views[held->count];
    int flags = PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, view, flags) < 0) return NULL;
    held->count++;
    int good = view->itemsize == itemsize && view->ndim == dims;
    for (int i = 0; good && i < dims; i++) good = shape[i] < 0 || view->shape[i] == shape[i];
    if (!good) {
        PyErr_Format(PyExc_ValueError, "%s has the wrong shape or item size", name);
        return NULL;
    }
    return view->buf;
}

static void drop(Held *held) {
    while (held->count) PyBuffer_Release(&held->views[--held->count]);
}

#define TAKE(target, object, name, writable, size, ...)                                                        \
    do {                                                                                                       \
        const Py_ssize_t shape_[] = {__VA_ARGS__};                                                             \
        target = take(&held, object, name, writable, size, (int)(sizeof shape_ / sizeof *shape_), shape_);     \
        if (!target) goto done;                                                                                \
    } while (0)

#define REQUIRE(condition, message)                                                                            \
    do {                                                                                                       \
        if (!(condition)) {                                                                                    \
            PyErr_SetString(PyExc_ValueError, message);                                                        \
            goto done;                                                                                         \
        }                                                                                                      \
    } while (0)

static PyObject *py_head(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *oy, *ou, *ov, *ofield, *oout;
    int size, pad, plain = 0, ok = 0;
    Held held = {.count = 0};
    uint8_t *y, *u, *v, *out, *middle = NULL;
    int32_t *field = NULL, *coarse = NULL;
    if (!PyArg_ParseTuple(args, "OOOOOii|p", &oy, &ou, &ov, &ofield, &oout, &size, &pad, &plain)) return NULL;
    REQUIRE(size >= 16 && size <= MAX_SIDE && size % 2 == 0, "size must be even, 16 to 4096");
    REQUIRE(pad >= 16 && pad <= 256 && pad % 2 == 0, "pad must be even, 16 to 256");
    int half = size / 2, whole = (size + 31) / 32 * 32, coarse_side = whole / 32 + 1, fine = 2 * coarse_side - 1;
    Py_ssize_t stride = whole + 2 * pad, chroma = (whole + 2 * pad) / 2;
    TAKE(y, oy, "luma", 0, 1, stride, stride);
    TAKE(u, ou, "u", 0, 1, chroma, chroma);
    TAKE(v, ov, "v", 0, 1, chroma, chroma);
    TAKE(out, oout, "out", 1, 1, size / 2 * 3, size);
    y += pad * stride + pad;
    u += pad / 2 * chroma + pad / 2;
    v += pad / 2 * chroma + pad / 2;
    if (ofield != Py_None) {
        TAKE(field, ofield, "field", 0, 4, fine, fine, 2);
        middle = malloc((size_t)whole * (size_t)(whole + 2 * ROWS));
        coarse = malloc((size_t)coarse_side * (size_t)coarse_side * 2 * sizeof *coarse);
        if (!middle || !coarse) {
            PyErr_NoMemory();
            goto done;
        }
    }
    Py_BEGIN_ALLOW_THREADS;
    uint8_t *uo = out + (size_t)size * size, *vo = uo + (size_t)half * half;
    if (!field) {
        copy_plane(y, stride, size, size, out);
        copy_plane(u, chroma, half, half, uo);
        copy_plane(v, chroma, half, half, vo);
    } else {
        for (int i = 0; i < coarse_side; i++)
            for (int j = 0; j < coarse_side; j++)
                for (int k = 0; k < 2; k++)
                    coarse[(i * coarse_side + j) * 2 + k] = field[(2 * i * fine + 2 * j) * 2 + k] / 2;
        Warp plane = warp(plain);
        plane(y, stride, pad, size, size, field, fine, middle, out);
        plane(u, chroma, pad / 2, half, half, coarse, coarse_side, middle, uo);
        plane(v, chroma, pad / 2, half, half, coarse, coarse_side, middle, vo);
    }
    Py_END_ALLOW_THREADS;
    ok = 1;
done:
    free(middle);
    free(coarse);
    drop(&held);
    if (!ok) return NULL;
    Py_RETURN_NONE;
}

static int texture(Texture *t, const uint32_t *texels, Py_ssize_t h, Py_ssize_t w) {
    t->texels = texels;
    t->stride = (int)w;
    t->right = (int)((w - 1) << 16) - 1;
    t->bottom = (int)((h - 1) << 16) - 1;
    return w >= 2 && h >= 2 && w <= 8192 && h <= 8192;
}

static PyObject *py_mouth(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *oy, *ou, *ov, *ofields, *ocoef, *oneed, *olayers, *okind, *oinside, *oplace, *oframe, *oedges, *olight;
    int left, top, pad, plain = 0, ok = 0;
    Held held = {.count = 0};
    uint8_t *y, *u, *v;
    float *sums = NULL, *at = NULL;
    uint32_t *out = NULL, *layers, *inside;
    Mouth m;
    if (!PyArg_ParseTuple(args, "(OOO)i(ii)(ii)iOOOOiOOOOOO|p", &oy, &ou, &ov, &pad, &left, &top, &m.w, &m.h, &m.step,
                          &ofields, &ocoef, &oneed, &olayers, &m.scale, &okind, &oinside, &oplace, &oframe, &oedges,
                          &olight, &plain))
        return NULL;
    REQUIRE(m.w >= 2 && m.h >= 2 && m.w <= MAX_SIDE && m.h <= MAX_SIDE && m.w % 2 == 0 && m.h % 2 == 0,
            "the region must be even");
    REQUIRE(m.step >= 2 && m.step <= 64, "step must be 2 to 64");
    REQUIRE(m.scale >= 1 && m.scale <= 4, "scale must be 1 to 4");
    REQUIRE(pad >= 0 && pad <= 256 && pad % 2 == 0, "pad must be even, 0 to 256");
    m.gw = (m.w + m.step - 1) / m.step + 1;
    m.gh = (m.h + m.step - 1) / m.step + 1;
    TAKE(y, oy, "luma", 1, 1, -1, -1);
    Py_ssize_t ys = held.views[0].shape[1], yh = held.views[0].shape[0];
    TAKE(u, ou, "u", 1, 1, yh / 2, ys / 2);
    TAKE(v, ov, "v", 1, 1, yh / 2, ys / 2);
    REQUIRE(left >= 0 && top >= 0 && left % 2 == 0 && top % 2 == 0 && left + m.w + 2 * pad <= ys &&
                top + m.h + 2 * pad <= yh && ys % 2 == 0 && yh % 2 == 0,
            "the region must lie inside the picture");
    TAKE(m.fields, ofields, "fields", 0, 4, 2, -1, m.gh, m.gw, 4);
    m.bases = (int)held.views[held.count - 1].shape[1];
    REQUIRE(m.bases >= 1 && m.bases <= MAX_BASES, "too many bases");
    TAKE(m.coef, ocoef, "coef", 0, 4, m.bases);
    TAKE(m.need, oneed, "need", 0, 1, 2, m.gh, m.gw);
    TAKE(layers, olayers, "layers", 0, 4, 2, -1, -1);
    Py_ssize_t th = held.views[held.count - 1].shape[1], tw = held.views[held.count - 1].shape[2];
    REQUIRE(texture(&m.layer[0], layers, th, tw) && texture(&m.layer[1], layers + th * tw, th, tw), "layers: size");
    m.kh = (int)((th + 7) / 8);
    m.kw = (int)((tw + 7) / 8);
    TAKE(m.kind, okind, "kind", 0, 1, 2, m.kh, m.kw);
    TAKE(inside, oinside, "inside", 0, 4, 3, -1, -1);
    Py_ssize_t ih = held.views[held.count - 1].shape[1], iw = held.views[held.count - 1].shape[2];
    for (int k = 0; k < 3; k++) REQUIRE(texture(&m.inside[k], inside + k * ih * iw, ih, iw), "inside: size");
    TAKE(m.place, oplace, "place", 0, 4, 3, 4);
    TAKE(m.frame, oframe, "frame", 0, 4, 6);
    TAKE(m.edges, oedges, "edges", 0, 4, 2, COLUMNS);
    TAKE(m.light, olight, "light", 0, 4, 4);
    for (int k = 0; k < 3; k++) REQUIRE(m.light[k] >= 0 && m.light[k] <= 255, "light: a byte");
    REQUIRE(m.light[3] > 0, "light: half width");
    size_t values = (size_t)m.gw * m.gh * 4;
    sums = malloc(2 * values * sizeof *sums);
    at = malloc(2 * values * sizeof *at);
    out = malloc((size_t)m.w * m.h * sizeof *out);
    if (!sums || !at || !out) {
        PyErr_NoMemory();
        goto done;
    }
    void (*draw)(const Mouth *, float *, float *, uint32_t *, const Target *) = mouth_plain;
#ifdef AVX2
    if (!plain && __builtin_cpu_supports("avx2")) draw = mouth_avx2;
#endif
    Py_BEGIN_ALLOW_THREADS;
    ptrdiff_t cs = ys / 2;
    Target to = {y + (top + pad) * ys + left + pad, u + ((top + pad) / 2) * cs + (left + pad) / 2,
                 v + ((top + pad) / 2) * cs + (left + pad) / 2, ys, cs};
    draw(&m, sums, at, out, &to);
    Py_END_ALLOW_THREADS;
    ok = 1;
done:
    free(sums);
    free(at);
    free(out);
    drop(&held);
    if (!ok) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"mouth", py_mouth, METH_VARARGS,
     "mouth((y, u, v), pad, (left, top), (w, h), step, fields, coef, need, layers, scale, kind, inside, place, frame, "
     "edges, light, plain=False): draws the mouth's region into the canvas. plain: without the vector unit."},
    {"head", py_head, METH_VARARGS,
     "head(y, u, v, field, out, size, pad, plain=False): the canvas displaced by field (None: not at all) as an I420 frame."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_warp", "Inner loops of the mesh warp.", -1, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__warp(void) { return PyModule_Create(&module); }
