"""What is pasted back speaks, and nobody sees where it ends."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from deployments.backends.lipsync.meshwarp.portrait import BT601, square
from deployments.backends.lipsync.wav2lip.region import FEATHER, Region, face_box, mask, shown
from tests.backends.lipsync.photo import photo

SIZE = 512
LIPS = (61, 291, 0, 17, 13, 14, 37, 267, 84, 314)


def portrait(size: int = SIZE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RGB, YUV, landmarks."""
    rgb, landmarks = square(*photo(), size)
    return rgb, np.asarray(cv2.transform(rgb, BT601), np.uint8), landmarks


def test_the_box_holds_the_face_and_a_little_below_the_chin() -> None:
    _, _, landmarks = portrait()
    x0, y0, x1, y1 = face_box(landmarks, (SIZE, SIZE))
    low, high = landmarks[:468, :2].min(axis=0), landmarks[:468, :2].max(axis=0)
    assert x0 <= low[0] < x0 + 2
    assert y0 <= low[1] < y0 + 2
    assert x1 - 3 < high[0] < x1
    assert 0.04 < (y1 - high[1]) / (high[1] - low[1]) < 0.07


def test_the_network_is_shown_the_box_and_its_upper_half() -> None:
    rgb, _, landmarks = portrait()
    box = face_box(landmarks, (SIZE, SIZE))
    x0, y0, x1, y1 = box
    seen = shown(rgb, box)
    assert seen.shape == (6, 96, 96)
    assert seen.dtype == np.float32
    assert not seen[:3, 48:].any()
    assert np.array_equal(seen[:3, :48], seen[3:, :48])
    mean = rgb[y0:y1, x0:x1].reshape(-1, 3).mean(axis=0) / 255
    assert np.allclose(seen[3:].reshape(3, -1).mean(axis=1), mean[::-1], atol=0.01), "BGR"


def test_the_mask_is_whole_on_the_lips_and_nothing_outside() -> None:
    _, _, landmarks = portrait()
    box = face_box(landmarks, (SIZE, SIZE))
    share = mask(landmarks, box, (SIZE, SIZE))
    for point in LIPS:
        x, y = np.rint(landmarks[point, :2]).astype(int)
        assert share[y, x] == 1
    x0, y0, x1, y1 = box
    outside = share.copy()
    outside[y0:y1, x0:x1] = 0
    assert not outside.any()
    for point in (33, 263, 10, 168):  # eyes, forehead, between the eyes
        x, y = np.rint(landmarks[point, :2]).astype(int)
        assert share[y, x] == 0


def test_the_mask_fades_in_small_steps() -> None:
    _, _, landmarks = portrait()
    x0, y0, x1, y1 = box = face_box(landmarks, (SIZE, SIZE))
    share = mask(landmarks, box, (SIZE, SIZE))
    steepest = max(np.abs(np.diff(share, axis=axis)).max() for axis in (0, 1))
    assert steepest < 2 / (FEATHER * (x1 - x0))
    hard = np.zeros_like(share)
    hard[y0:y1, x0:x1] = 1
    assert np.abs(np.diff(hard, axis=0)).max() == 1, "as the reference pastes"


def test_what_is_kept_is_kept_and_fades_too() -> None:
    _, _, landmarks = portrait()
    box = face_box(landmarks, (SIZE, SIZE))
    kept = (0, 0, 256, int(landmarks[1, 1]) + 4)
    share = mask(landmarks, box, (SIZE, SIZE), [kept])
    assert mask(landmarks, box, (SIZE, SIZE))[: kept[3], :256].any()
    assert not share[: kept[3], :256].any()
    assert max(np.abs(np.diff(share, axis=axis)).max() for axis in (0, 1)) < 0.5


@pytest.mark.parametrize("size", [128, 256, 512, 1024])
def test_the_same_face_pasted_back_is_the_same_picture(size: int) -> None:
    """Up to what 96 pixels hold of it."""
    rgb, yuv, landmarks = portrait(size)
    region = Region.of(yuv, landmarks)
    patch = region.patch(shown(rgb, region.box)[3:])
    height, width = patch.y.shape
    before = yuv[region.y : region.y + height, region.x : region.x + width, 0].astype(int)
    assert (region.x % 2, region.y % 2, height % 2, width % 2) == (0, 0, 0, 0)
    off = np.abs(patch.y.astype(int) - before)
    blurred = cv2.GaussianBlur(before.astype(np.float32), (0, 0), max(size / 256, 0.5))
    assert off.mean() < max(1.0, 2 * np.abs(before - blurred).mean())
    border = np.concatenate([off[0], off[-1], off[:, 0], off[:, -1]])
    assert border.max() <= 4, "no seam"


def test_the_face_lands_where_it_belongs() -> None:
    """A face of one colour shows the mask itself."""
    _, yuv, landmarks = portrait()
    region = Region.of(yuv, landmarks)
    patch = region.patch(np.ones((3, 96, 96), np.float32))
    wanted = region.base[..., 0] + region.share[..., 0] * (235 - region.base[..., 0])
    assert np.abs(patch.y - wanted).max() <= 0.51
    red = np.zeros((3, 96, 96), np.float32)
    red[2] = 1
    x, y = np.rint(landmarks[14, :2]).astype(int) - (region.x, region.y)
    assert region.patch(red).v[y // 2, x // 2] == 240, "BGR"


@pytest.mark.parametrize("crop", [(150, 60, 130), (0, 0, 512)])
def test_faces_that_the_picture_cuts_off_or_hardly_shows(crop: tuple[int, int, int]) -> None:
    picture, face = photo()
    rgb, landmarks = square(picture, replace(face, crop=crop), 128)
    yuv = np.asarray(cv2.transform(rgb, BT601), np.uint8)
    region = Region.of(yuv, landmarks)
    patch = region.patch(shown(rgb, region.box)[3:])
    assert region.x + patch.y.shape[1] <= 128
    assert region.y + patch.y.shape[0] <= 128
