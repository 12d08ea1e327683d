/* The inner loops of the mesh warp for Python, in integers where it counts, so that every machine makes the same bytes.
 *
 * mouth() draws the mouth's region into a canvas of I420 planes (mouth.h), head() moves the canvas (head.h). Both
 * release the GIL, keep no state and check every buffer before they touch it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "head.h"
#include "mouth.h"

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
        middle = malloc((size_t)whole * (size_t)(whole + 2 * ROWS) + RUN);
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
    PyObject *oy, *ou, *ov, *ofields, *ocoef, *orows, *oneed, *olayers, *okind, *oinside, *oplace, *oframe, *oedges, *olight;
    int left, top, pad, plain = 0, ok = 0;
    Held held = {.count = 0};
    uint8_t *y, *u, *v;
    float *sums = NULL, *at = NULL;
    uint32_t *out = NULL, *layers, *inside;
    Mouth m;
    if (!PyArg_ParseTuple(args, "(OOO)i(ii)(ii)iOOOOOiOOOOOO|p", &oy, &ou, &ov, &pad, &left, &top, &m.w, &m.h, &m.step,
                          &ofields, &ocoef, &orows, &oneed, &olayers, &m.scale, &okind, &oinside, &oplace, &oframe, &oedges,
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
    TAKE(m.rows, orows, "rows", 0, 4, 2, m.bases, 2);
    for (int k = 0; k < 2 * m.bases; k++)
        REQUIRE(m.rows[2 * k] >= 0 && m.rows[2 * k] <= m.rows[2 * k + 1] && m.rows[2 * k + 1] <= m.gh, "rows: range");
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
     "mouth((y, u, v), pad, (left, top), (w, h), step, fields, coef, rows, need, layers, scale, kind, inside, place, frame, "
     "edges, light, plain=False): draws the mouth's region into the canvas. plain: without the vector unit."},
    {"head", py_head, METH_VARARGS,
     "head(y, u, v, field, out, size, pad, plain=False): the canvas displaced by field (None: not at all) as an I420 frame."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_warp", "Inner loops of the mesh warp.", -1, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__warp(void) { return PyModule_Create(&module); }
