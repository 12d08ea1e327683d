"""One photo of a real face (NASA, public domain), and what can be made of it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data

from deployments.backends.face.mediapipe import MediapipeFace
from pipeline.contracts import Face, Picture
from pipeline.errors import UnusableFace
from pipeline.models import FaceModel
from tests.backends.face.turned import turned


@pytest.fixture(scope="module")
def model() -> MediapipeFace:
    return MediapipeFace()


@pytest.fixture(scope="module")
def close() -> Picture:
    """The head and shoulders of the photo, three times enlarged."""
    return cv2.resize(data.astronaut()[:256, 100:356], (768, 768), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def face(model: MediapipeFace, close: Picture) -> Face:
    return model.locate(close)


def rotated(picture: Picture, degrees: float) -> tuple[Any, np.ndarray]:
    """Clockwise about the middle, and the matrix that does it."""
    middle = ((picture.shape[1] - 1) / 2, (picture.shape[0] - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, -degrees, 1)
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), matrix


def resized(picture: Picture, scale: float, way: int) -> Any:
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=way)


def blur(picture: Picture, sigma: float) -> Any:
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def height(face: Face) -> float:
    return float(np.linalg.norm(face.landmarks[10, :2] - face.landmarks[152, :2]))


def apart(a: np.ndarray, b: np.ndarray, face: Face) -> float:
    """Mean distance of two sets of points in percent of the face's height."""
    return float(np.linalg.norm(a[:, :2] - b[:, :2], axis=1).mean() / height(face) * 100)


def refused(model: MediapipeFace, picture: Picture) -> UnusableFace:
    with pytest.raises(UnusableFace) as caught:
        model.locate(np.ascontiguousarray(picture))
    assert caught.value.field == "portrait"
    assert caught.value.accepted
    return caught.value


def test_finds_the_face_of_a_photo(model: MediapipeFace, astronaut: Picture) -> None:
    assert isinstance(model, FaceModel)
    face = model.locate(astronaut)
    assert face.landmarks.shape == (478, 3)
    assert face.landmarks.dtype == np.float32
    # Read off the photo: the dark of the pupils, the tip of the chin and the corners of the mouth.
    for index, place in ((468, (203, 101)), (473, (247, 103)), (152, (222, 178)), (61, (203, 139)), (291, (247, 141))):
        assert np.linalg.norm(face.landmarks[index, :2] - place) < 3, index
    assert abs(face.yaw) < 6
    assert abs(face.pitch) < 6
    assert 1 < face.roll < 6
    assert 0.3 < face.quality < 0.7, "sharp, but only 109 pixels high"
    x, y, side = face.crop
    assert 0 <= x <= 512 - side
    assert 0 <= y <= 512 - side
    assert side == pytest.approx(2.3 * height(face), abs=1)
    assert face.box == pytest.approx((*face.landmarks[:, :2].min(axis=0), *face.landmarks[:, :2].max(axis=0)))


def test_the_same_picture_gives_the_same_face_whatever_came_before(
    model: MediapipeFace, close: Picture, face: Face
) -> None:
    refused(model, data.coffee())
    model.locate(rotated(close, 20)[0])
    again = model.locate(close)
    fresh = MediapipeFace().locate(close.copy())
    for other in (again, fresh):
        np.testing.assert_array_equal(other.landmarks, face.landmarks)
        assert (other.crop, other.quality, other.yaw) == (face.crop, face.quality, face.yaw)


def test_size_of_the_picture_does_not_matter(model: MediapipeFace, close: Picture, face: Face) -> None:
    for scale in (0.5, 2.0):
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        other = model.locate(resized(close, scale, way))
        # Half a pixel: the middle of the first pixel is (0, 0) on every scale.
        back = (other.landmarks + 0.5) / scale - 0.5
        assert apart(back, face.landmarks, face) < 0.4


def test_mirrored(model: MediapipeFace, close: Picture, face: Face) -> None:
    mirrored = model.locate(np.ascontiguousarray(close[:, ::-1]))
    assert mirrored.roll == pytest.approx(-face.roll, abs=1)
    assert mirrored.yaw == pytest.approx(-face.yaw, abs=3)
    chin = mirrored.landmarks[152, :2]
    assert np.linalg.norm(chin - (767 - face.landmarks[152, 0], face.landmarks[152, 1])) < 0.02 * height(face)


@pytest.mark.parametrize("degrees", [-35, -15, 15, 35])
def test_a_tilted_head_is_found_as_well_as_an_upright_one(
    model: MediapipeFace, close: Picture, face: Face, degrees: float
) -> None:
    picture, matrix = rotated(close, degrees)
    other = model.locate(picture)
    expected = face.landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    assert apart(other.landmarks, expected, face) < 0.5
    assert other.roll - face.roll == pytest.approx(degrees, abs=1)
    assert other.yaw == pytest.approx(face.yaw, abs=2)
    assert other.pitch == pytest.approx(face.pitch, abs=2)


@pytest.mark.parametrize("degrees", [60, 90, 180, 270])
def test_a_picture_on_its_side_is_refused_with_the_angle(model: MediapipeFace, close: Picture, degrees: int) -> None:
    error = refused(model, rotated(close, degrees)[0])
    assert error.code == "face_turned_away"
    assert error.accepted == "roll of at most 45 degrees"


@pytest.mark.parametrize("yaw", [-30, -20, 20, 30])
def test_yaw(model: MediapipeFace, close: Picture, face: Face, yaw: float) -> None:
    other = model.locate(turned(close, face, yaw=yaw))
    assert other.yaw == pytest.approx(yaw, abs=5)
    assert abs(other.pitch - face.pitch) < 8
    assert other.quality < face.quality


@pytest.mark.parametrize("pitch", [-20, 20])
def test_pitch(model: MediapipeFace, close: Picture, face: Face, pitch: float) -> None:
    other = model.locate(turned(close, face, pitch=pitch))
    assert other.pitch - face.pitch == pytest.approx(pitch, abs=5)
    assert other.yaw == pytest.approx(face.yaw, abs=4)


@pytest.mark.parametrize("angles", [{"yaw": 45}, {"yaw": -45}, {"pitch": 40}, {"pitch": -40}])
def test_turned_away(model: MediapipeFace, close: Picture, face: Face, angles: dict[str, float]) -> None:
    assert refused(model, turned(close, face, **angles)).code == "face_turned_away"


def test_a_photographed_profile_is_turned_away(model: MediapipeFace) -> None:
    camera = np.repeat(data.camera()[:, :, None], 3, axis=2)
    assert refused(model, camera).code == "face_turned_away"


@pytest.mark.parametrize("side", [512, 2000])
def test_a_small_face_in_a_large_picture(model: MediapipeFace, close: Picture, face: Face, side: int) -> None:
    canvas = np.full((side, side, 3), (90, 110, 90), np.uint8)
    small = cv2.resize(close, (180, 180), interpolation=cv2.INTER_AREA)
    canvas[side // 3 : side // 3 + 180, side // 2 : side // 2 + 180] = small
    found = model.locate(canvas)
    scale = 180 / 768
    expected = (face.landmarks[:, :2] + 0.5) * scale - 0.5 + (side // 2, side // 3)
    assert apart(found.landmarks, expected, found) < 0.8
    assert height(found) == pytest.approx(77, abs=1)


@pytest.mark.parametrize("pixels", [20, 40, 60])
def test_too_small(model: MediapipeFace, close: Picture, face: Face, pixels: int) -> None:
    side = round(768 * pixels / height(face))
    canvas = np.full((512, 512, 3), 90, np.uint8)
    canvas[100 : 100 + side, 200 : 200 + side] = cv2.resize(close, (side, side), interpolation=cv2.INTER_AREA)
    error = refused(model, canvas)
    assert error.code == "face_too_small"
    assert error.accepted == "at least 64 pixels"


def test_several_faces(model: MediapipeFace, astronaut: Picture) -> None:
    error = refused(model, np.concatenate([astronaut] * 3, axis=1))
    assert error.code == "several_faces"
    assert "3" in error.message


@pytest.mark.parametrize(("share", "counts"), [(0.15, False), (0.2, False), (0.35, True), (0.5, True)])
def test_a_face_in_the_background_counts_from_a_quarter_of_the_height(
    model: MediapipeFace, astronaut: Picture, share: float, counts: bool
) -> None:
    other = cv2.resize(astronaut[:256, 100:356], None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    picture = astronaut.copy()
    picture[200 : 200 + other.shape[0], 380 : 380 + other.shape[1]] = other[:, :132]
    if counts:
        assert refused(model, picture).code == "several_faces"
    else:
        assert height(model.locate(picture)) == pytest.approx(109, abs=2)


@pytest.mark.parametrize("name", ["cat", "coffee", "rocket", "coins", "brick", "clock", "colorwheel"])
def test_no_face(model: MediapipeFace, name: str) -> None:
    picture = getattr(data, name)()
    picture = np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture[:, :, :3]
    assert refused(model, picture).code == "no_face"


@pytest.mark.parametrize("shape", [(1, 1), (4000, 3), (64, 64)])
def test_odd_shapes_hold_no_face(model: MediapipeFace, shape: tuple[int, int]) -> None:
    assert refused(model, np.full((*shape, 3), 128, np.uint8)).code == "no_face"


@pytest.mark.parametrize("part", [np.s_[100:250, 150:310], np.s_[20:140, 150:310], np.s_[:, :230]])
def test_a_face_over_the_edge(model: MediapipeFace, astronaut: Picture, part: tuple[slice, slice]) -> None:
    assert refused(model, astronaut[part]).code == "face_cut_off"


def test_a_close_up_is_cropped_to_what_there_is(model: MediapipeFace, astronaut: Picture) -> None:
    picture = np.ascontiguousarray(astronaut[20:200, 150:310])
    assert model.locate(picture).crop == (0, 20, 160)


def test_quality_falls_with_blur_and_dark(model: MediapipeFace, close: Picture, face: Face) -> None:
    assert face.quality > 0.9
    blurred = [model.locate(blur(close, sigma)).quality for sigma in (3, 6, 9)]
    assert face.quality > blurred[0] > blurred[1] > blurred[2]
    assert blurred[2] < 0.3
    dark = model.locate((close * 0.2).astype(np.uint8)).quality
    assert dark < 0.3


@pytest.mark.parametrize(
    "picture", [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 4), np.uint8), np.zeros((64, 64, 3), np.float32)]
)
def test_what_is_no_picture_is_a_mistake_of_the_caller(model: MediapipeFace, picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match="height, width, 3"):
        model.locate(picture)


def test_starts_without_the_mediapipe_package_and_lives_with_it() -> None:
    """In a process of its own: nothing heavy is loaded, nothing is printed, and mediapipe still works after."""
    program = """
import sys
from deployments.backends.face.mediapipe import MediapipeFace
assert not [name for name in sys.modules if name.startswith("mediapipe")], "imports are free"
model = MediapipeFace()
from skimage import data
model.locate(data.astronaut())
assert "mediapipe" not in sys.modules and "matplotlib" not in sys.modules
print("quiet so far", file=sys.stderr, flush=True)
import mediapipe
mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True)
assert len(mesh.process(data.astronaut()).multi_face_landmarks) == 1
model.locate(data.astronaut())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("quiet so far"), done.stderr
