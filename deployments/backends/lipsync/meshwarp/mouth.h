/* Forward displacement fields are summed, inverted on a coarse grid and used to draw two layers, the face above and
 * below the lip line, over teeth and tongue. */
#ifndef MESHWARP_MOUTH_H
#define MESHWARP_MOUTH_H

#include "vector.h"

typedef float v4 __attribute__((vector_size(16), aligned(4)));

enum { MAX_BASES = 16, COLUMNS = 64 };

INLINE float clampf(float v, float lo, float hi) { return v > lo ? v < hi ? v : hi : lo; } /* NaN: lo */

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
    const int32_t *rows;        /* (2, bases, 2): first and end of the rows in which a basis moves anything */
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

/* Where the pixel at each node comes from: (gh, gw, 4) of x, y, gain. Newton's method on the bilinear field, with a
 * plain step where the field folds. */
INLINE void invert(const Mouth *m, const float *sum, const uint8_t *need, float *at) {
    float inverse = 1.0f / (float)m->step;
    for (int gy = 0; gy < m->gh; gy++) {
        for (int gx = 0; gx < m->gw; gx++) {
            size_t node = (size_t)gy * m->gw + gx;
            float x = (float)gx, y = (float)gy; /* in nodes, as everything until the end */
            v4 d = load4(sum + node * 4);
            float sx = x - d[0] * inverse, sy = y - d[1] * inverse;
            if (need[node]) {
                for (int k = 0; k < 8; k++) {
                    float u = clampf(sx, 0.0f, (float)m->gw - 1.001f), v = clampf(sy, 0.0f, (float)m->gh - 1.001f);
                    int iu = (int)u, iv = (int)v;
                    float fu = u - (float)iu, fv = v - (float)iv;
                    const float *p = sum + ((size_t)iv * m->gw + iu) * 4, *q = p + (size_t)m->gw * 4;
                    v4 a = load4(p), b = load4(p + 4), c = load4(q), e = load4(q + 4);
                    v4 top = a + (b - a) * fu, low = c + (e - c) * fu;
                    d = top + (low - top) * fv;
                    float ex = sx + d[0] * inverse - x, ey = sy + d[1] * inverse - y;
                    if (ex * ex + ey * ey < 1e-6f) break;
                    v4 du = ((b - a) + ((e - c) - (b - a)) * fv) * inverse, dv = (low - top) * inverse;
                    float xx = 1.0f + du[0], xy = dv[0], yx = du[1], yy = 1.0f + dv[1], det = xx * yy - xy * yx;
                    if (det > 0.2f) {
                        float ix = (yy * ex - xy * ey) / det, iy = (xx * ey - yx * ex) / det;
                        sx -= clampf(ix, -4.0f, 4.0f);
                        sy -= clampf(iy, -4.0f, 4.0f);
                    } else {
                        sx -= 0.5f * ex;
                        sy -= 0.5f * ey;
                    }
                }
            }
            float *to = at + node * 4;
            to[0] = sx * (float)m->step;
            to[1] = sy * (float)m->step;
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
            const int32_t *rows = m->rows + ((size_t)layer * m->bases + k) * 2;
            size_t from = (size_t)rows[0] * m->gw * 4, to = (size_t)rows[1] * m->gw * 4;
            for (size_t i = from; i < to; i++) sum[i] += c * b[i];
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
                        line[layer][k] = (int32_t)clampf(a[k], -1e9f, 1e9f);
                        line[layer][3 + k] = (int32_t)clampf(slope[k], -1e7f, 1e7f);
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

#endif
