"""The compiled kernels: exact where nothing moves, the same bytes without the vector unit, safe with any buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.backends.lipsync.meshwarp import _warp
from deployments.backends.lipsync.meshwarp.portrait import PAD, Canvas

Calls = dict[str, Any]


def canvas(size: int, seed: int = 0) -> Canvas:
    random = np.random.default_rng(seed)
    return Canvas.of(random.integers(0, 256, (size, size, 3), np.uint8))


def nodes(size: int) -> int:
    return 2 * ((size + 31) // 32) + 1


def moved(planes: Canvas, field: np.ndarray | None, size: int, plain: bool = False) -> np.ndarray:
    out = np.zeros((size // 2 * 3, size), np.uint8)
    _warp.head(planes.y, planes.u, planes.v, field, out, size, PAD, plain)
    return out


@pytest.mark.parametrize("size", [128, 130, 510])
def test_no_displacement_copies(size: int) -> None:
    planes = canvas(size)
    zero = np.zeros((nodes(size), nodes(size), 2), np.int32)
    still = moved(planes, None, size)
    assert np.array_equal(still[:size], planes.y[PAD : PAD + size, PAD : PAD + size])
    assert np.array_equal(moved(planes, zero, size), still)


def test_whole_pixels_shift_exactly() -> None:
    planes = canvas(128)
    field = np.full((nodes(128), nodes(128), 2), [4 * 1024, -6 * 1024], np.int32)
    out = moved(planes, field, 128)
    assert np.array_equal(out[10:128, :120], planes.y[PAD + 4 : PAD + 122, PAD + 4 : PAD + 124])


def test_a_half_pixel_is_catmull_rom() -> None:
    size = 128
    planes = canvas(size)
    field = np.zeros((nodes(size), nodes(size), 2), np.int32)
    field[..., 0] = 512
    row = planes.y[PAD + 5].astype(float)
    want = (-row[PAD - 1 : -PAD - 2] + 9 * row[PAD : -PAD - 1] + 9 * row[PAD + 1 : -PAD] - row[PAD + 2 : -PAD + 1]) / 16
    got = moved(planes, field, size)[5].astype(float)
    assert np.abs(got[:120] - np.clip(want, 0, 255)[:120]).max() <= 1


@settings(max_examples=30, deadline=None)
@given(
    size=st.sampled_from([128, 134, 256]),
    reach=st.sampled_from([10, 3000, 60_000, 2**20]),
    seed=st.integers(0, 2**32),
)
def test_head_is_the_same_without_the_vector_unit(size: int, reach: int, seed: int) -> None:
    field = np.random.default_rng(seed).integers(-reach, reach, (nodes(size), nodes(size), 2)).astype(np.int32)
    planes = canvas(size, seed)
    assert np.array_equal(moved(planes, field, size), moved(planes, field, size, plain=True))


def mouth_arguments(seed: int = 0, wild: float = 8.0) -> list[Any]:
    random = np.random.default_rng(seed)
    width, height, step, scale, bases = 40, 36, 4, 2, 3
    columns, rows = width // step + 1, height // step + 1
    planes = canvas(128, seed)
    texels = (2, height * scale, width * scale)
    return [
        (planes.y, planes.u, planes.v),
        PAD,
        (20, 30),
        (width, height),
        step,
        random.normal(0, wild, (2, bases, rows, columns, 4)).astype(np.float32),
        random.normal(0, 1, bases).astype(np.float32),
        np.sort(random.integers(0, rows + 1, (2, bases, 2)), axis=-1).astype(np.int32),
        random.integers(0, 2, (2, rows, columns), np.uint8),
        random.integers(0, 2**32, texels, np.uint32),
        scale,
        random.integers(0, 3, (2, -(-texels[1] // 8), -(-texels[2] // 8)), np.uint8),
        random.integers(0, 2**32, (3, 30, 33), np.uint32),
        random.normal(0, 20, (3, 4)).astype(np.float32),
        random.normal(0, 1, 6).astype(np.float32),
        random.normal(0, 1, (2, 64)).astype(np.float32),
        np.array([30, 128, 128, 1], np.float32),
    ]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), wild=st.sampled_from([0.0, 2.0, 50.0, 1e12, float("nan"), float("inf")]))
def test_mouth_is_the_same_without_the_vector_unit_and_stays_in_its_region(seed: int, wild: float) -> None:
    with np.errstate(invalid="ignore", over="ignore"):
        arguments, again = mouth_arguments(seed, wild), mouth_arguments(seed, wild)
    before = arguments[0][0].copy()
    _warp.mouth(*arguments)
    _warp.mouth(*again, True)
    for one, other in zip(arguments[0], again[0], strict=True):
        assert np.array_equal(one, other)
    changed = np.argwhere(arguments[0][0] != before)
    if len(changed):
        assert changed.min(axis=0).tolist() >= [PAD + 30, PAD + 20]
        assert (changed.max(axis=0) < [PAD + 66, PAD + 60]).all()


@pytest.mark.parametrize("index", [5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16])
def test_mouth_refuses_arrays_of_another_shape_or_type(index: int) -> None:
    for change in (lambda a: a[..., :-1].copy(), lambda a: a.astype(np.float64), lambda a: a.ravel()[:0]):
        arguments = mouth_arguments()
        arguments[index] = change(arguments[index])
        if index in (9, 12) and arguments[index].ndim == 3 and arguments[index].itemsize == 4:
            continue  # any size of texture is right, as long as `kind` belongs to it
        with pytest.raises(ValueError, match=r"shape|size|bases"):
            _warp.mouth(*arguments)


@pytest.mark.parametrize(
    ("index", "value"),
    [(2, (-2, 0)), (2, (1, 0)), (2, (100, 0)), (3, (0, 36)), (3, (41, 36)), (4, 0), (4, 65), (10, 0), (10, 5), (1, 47)],
)
def test_mouth_refuses_regions_outside_the_picture(index: int, value: object) -> None:
    arguments = mouth_arguments()
    arguments[index] = value
    with pytest.raises(ValueError, match=r"must|region|size|shape"):
        _warp.mouth(*arguments)


def test_head_refuses_wrong_buffers() -> None:
    planes = canvas(128)
    out = np.zeros((192, 128), np.uint8)
    with pytest.raises(ValueError, match="luma"):
        _warp.head(planes.y[1:], planes.u, planes.v, None, out, 128, PAD)
    with pytest.raises(ValueError, match="out"):
        _warp.head(planes.y, planes.u, planes.v, None, out[:-1], 128, PAD)
    with pytest.raises(ValueError, match="field"):
        _warp.head(planes.y, planes.u, planes.v, np.zeros((3, 3, 2), np.int32), out, 128, PAD)
    with pytest.raises(ValueError, match="size"):
        _warp.head(planes.y, planes.u, planes.v, None, out, 127, PAD)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _warp.head(planes.y, planes.u, planes.v, None, out, 128, PAD)
