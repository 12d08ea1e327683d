"""Camera movements: which way they go, how smoothly, and that nothing but the picture is ever seen."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, get_args

import cv2
import numpy as np
import pytest

from deployments.backends.motion.camera import EASE, eased, views
from deployments.backends.motion.kenburns import KenBurns
from pipeline.contracts import Camera, MotionRequest, Picture

CAMERAS: tuple[Camera, ...] = get_args(Camera)


def made(picture: Picture, camera: Camera, frames: int = 50, size: tuple[int, int] = (256, 192), **more: Any) -> Any:
    """All frames, (n, height * 3 // 2, width)."""
    request = MotionRequest(picture, frames, *size, Fraction(25), camera, **more)
    runs = list(KenBurns().move(request))
    assert [run.first for run in runs] == list(range(0, frames, 12))
    return np.concatenate([run.planes for run in runs])


def spots(*places: tuple[float, float], size: tuple[int, int] = (512, 384)) -> Picture:
    """Soft white spots on black, at these places."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    light = sum(255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 6.0**2)) for px, py in places)
    return np.repeat(np.clip(light, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def followed(planes: Any, start: tuple[float, float], size: tuple[int, int] = (256, 192), reach: int = 14) -> Any:
    """Where the spot that starts near `start` is in each frame, to a small part of a pixel."""
    x, y = start
    track = []
    for plane in planes:
        light = plane[: size[1]].astype(float) - 16
        left, top = max(0, round(x) - reach), max(0, round(y) - reach)
        part = np.clip(light[top : top + 2 * reach, left : left + 2 * reach], 0, None)
        rows, columns = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
        x, y = float((part * columns).sum() / part.sum()), float((part * rows).sum() / part.sum())
        track.append((x, y))
    return np.array(track)


@pytest.mark.parametrize("camera", CAMERAS)
def test_frames_are_as_many_and_as_large_as_asked_for_and_the_same_each_time(
    camera: Camera, astronaut: Picture
) -> None:
    planes = made(astronaut, camera, size=(160, 128))
    assert (planes.shape, planes.dtype) == ((50, 192, 160), np.uint8)
    np.testing.assert_array_equal(planes, made(astronaut, camera, size=(160, 128)))
    moved = np.abs(planes[-1].astype(int) - planes[0]).mean()
    assert moved == 0 if camera == "still" else moved > 2


@pytest.mark.parametrize(
    ("camera", "way"),
    [
        ("pan_left", (1, 0)),
        ("pan_right", (-1, 0)),
        ("pan_up", (0, 1)),
        ("pan_down", (0, -1)),
        ("zoom_in", (1, 1)),
        ("zoom_out", (-1, -1)),
    ],
)
def test_what_is_seen_goes_the_other_way_and_glides(camera: Camera, way: tuple[int, int]) -> None:
    picture = spots((330, 250))
    planes = made(picture, camera, frames=200)
    first = np.unravel_index(planes[0][:192].argmax(), (192, 256))
    track = followed(planes, (float(first[1]), float(first[0])))
    for axis in (0, 1):
        travelled = track[-1, axis] - track[1, axis]
        assert travelled * way[axis] > 3 if way[axis] else abs(travelled) < 0.05
        steps = np.diff(track[1:, axis])
        # Never back, and no jump: a step differs from the next by far less than a pixel.
        assert (steps * (way[axis] or 1) > -0.03).all() if way[axis] else True
        assert np.abs(np.diff(steps)).max() < 0.05


def test_a_zoom_stays_on_its_focus_and_goes_in_even_steps() -> None:
    picture = spots((330, 130), (180, 250))
    focus = (330.5 / 512, 130.5 / 384)
    planes = made(picture, "zoom_in", frames=150, focus=focus, strength=2.0)
    held = followed(planes, (165, 65))
    assert np.abs(held - held[1]).max() < 0.1
    request = MotionRequest(picture, 151, 256, 192, Fraction(25), "zoom_in", 2.0, focus)
    widths = [view.width for view in views(request)]
    middle = np.diff(np.log(widths))[int(EASE * 151) + 1 : -int(EASE * 151) - 1]
    assert np.ptp(middle) < 1e-9, "the same factor from frame to frame"


def test_an_orbit_moves_what_is_near_against_what_is_behind() -> None:
    picture = spots((256, 192), (96, 64))
    for camera, way in (("orbit_right", -1), ("orbit_left", 1)):
        planes = made(picture, camera, frames=100, strength=1.5)
        near = followed(planes, tuple(np.array((256, 192)) / 2 + (-way * 8, 0)))
        first = np.argwhere(planes[0][:70, :90] > 120).mean(axis=0)
        far = followed(planes, (float(first[1]), float(first[0])))
        assert (near[-1, 0] - near[0, 0] - (far[-1, 0] - far[0, 0])) * way > 4
        assert np.abs(np.diff(near[1:, 0], 2)).max() < 0.1


@pytest.mark.parametrize("shape", [(512, 384), (384, 512), (1000, 300), (300, 1000), (2000, 2000), (90, 70)])
@pytest.mark.parametrize("focus", [(0.5, 0.5), (0.0, 1.0), (0.9, 0.1)])
def test_every_view_is_inside_the_picture_and_of_the_shape_of_the_frames(
    shape: tuple[int, int], focus: tuple[float, float]
) -> None:
    picture = np.zeros((shape[1], shape[0], 3), np.uint8)
    for camera in CAMERAS:
        request = MotionRequest(picture, 40, 256, 144, Fraction(25), camera, 2.0, focus)
        for view in views(request):
            assert view.width / view.height == pytest.approx(256 / 144)
            assert min(view.x, view.y) >= -1e-9
            assert view.x + view.width <= shape[0] + 1e-9
            assert view.y + view.height <= shape[1] + 1e-9
            if camera != "still":
                held = (view.x <= focus[0] * shape[0] <= view.x + view.width) or "pan" in camera
                assert held, "the focus is in view"


def test_a_still_camera_shows_the_picture_itself(astronaut: Picture) -> None:
    planes = made(astronaut, "still", frames=3, size=(512, 512))
    expected = cv2.cvtColor(astronaut, cv2.COLOR_RGB2YUV_I420)
    for plane in planes:
        np.testing.assert_array_equal(plane, expected)
    np.testing.assert_array_equal(made(astronaut, "orbit_left", frames=3, size=(512, 512), strength=0.0), planes)


def test_a_large_picture_is_reduced_without_aliasing() -> None:
    """A grating far finer than the frame's pixels is an even grey in it, in motion too."""
    fine = np.indices((1600, 1600)).sum(axis=0) % 2 * 255
    picture = np.repeat(fine.astype(np.uint8)[..., None], 3, axis=2)
    for camera in ("zoom_in", "orbit_right"):
        luma = made(picture, camera, frames=12, size=(200, 200))[:, :200].astype(float)
        assert np.ptp(luma) <= 4


def test_speed_rises_and_falls_without_a_jerk() -> None:
    share = np.linspace(0, 1, 2001)
    way = np.array([eased(float(each)) for each in share])
    speed = np.diff(way) / np.diff(share)
    assert (way[0], way[-1]) == (0, pytest.approx(1))
    assert speed.min() >= 0
    assert speed.max() == pytest.approx(1 / (1 - EASE), rel=1e-3)
    assert np.abs(np.diff(speed)).max() < 0.01
    np.testing.assert_allclose(way, 1 - way[::-1], atol=1e-12)
