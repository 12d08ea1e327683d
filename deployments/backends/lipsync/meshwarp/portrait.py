"""The picture that talks: cut to the square that is filmed, with its landmarks, and as YUV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Face, Picture
from pipeline.errors import InvalidRequest

PAD: Final = 48
"""Pixels repeated around the canvas: more than the head ever moves, in either direction."""

BT601: Final = np.array(
    [
        [0.256788, 0.504129, 0.097906, 16.0],
        [-0.148223, -0.290993, 0.439216, 128.0],
        [0.439216, -0.367788, -0.071427, 128.0],
    ]
)
"""RGB 0..255 to YUV in limited range (ITU-R BT.601)."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """`yuv` is (size, size, 3) uint8, every pixel with its own chroma; `landmarks` (478, 3) float32 in its pixels."""

    yuv: NDArray[np.uint8]
    landmarks: NDArray[np.float32]

    @property
    def size(self) -> int:
        return self.yuv.shape[0]


def cut(picture: Picture, face: Face, size: int) -> Portrait:
    """The face's square of the picture at `size`. Raises `InvalidRequest` where the two don't fit together."""
    rgb, landmarks = square(picture, face, size)
    return Portrait(np.asarray(cv2.transform(rgb, BT601), np.uint8), landmarks)


def square(picture: Picture, face: Face, size: int) -> tuple[Picture, NDArray[np.float32]]:
    """What `cut` takes, still (size, size, 3) RGB, and the (478, 3) landmarks in its pixels. Raises as `cut` does."""
    x, y, side = face.crop
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise InvalidRequest(
            f"The portrait is {picture.dtype} {picture.shape}.", field="portrait", accepted="uint8 (height, width, 3)"
        )
    height, width = picture.shape[:2]
    if side < 2 or x < 0 or y < 0 or x + side > width or y + side > height:
        raise InvalidRequest(
            f"The crop {face.crop} is not inside the {width}x{height} picture.",
            field="face.crop",
            accepted="x, y, side of a square inside the picture",
        )
    if face.landmarks.shape != (478, 3) or not np.isfinite(face.landmarks).all():
        raise InvalidRequest(
            f"The face has landmarks {face.landmarks.shape}.", field="face.landmarks", accepted="finite (478, 3)"
        )
    rgb = np.ascontiguousarray(picture[y : y + side, x : x + side])
    if side != size:
        how = cv2.INTER_AREA if side > size else cv2.INTER_LANCZOS4
        rgb = np.asarray(cv2.resize(rgb, (size, size), interpolation=how), np.uint8)
    scale = size / side
    landmarks = face.landmarks.astype(np.float32) * np.float32(scale)
    # Pixel centres lie at whole numbers, so the half pixel moves with the scale.
    landmarks[:, :2] -= np.array([x, y], np.float32) * scale + (0.5 - 0.5 * scale)
    height = float(np.hypot(*(landmarks[152, :2] - landmarks[10, :2]))) / size
    mouth = landmarks[13, :2] / size
    if not 0.05 <= height <= 3 or not ((mouth >= 0) & (mouth < 1)).all():
        raise InvalidRequest(
            f"The face is {height:.2f} of the crop high, its mouth at {mouth[0]:.2f}, {mouth[1]:.2f} of it.",
            field="face.landmarks",
            accepted="a face 0.05 to 3 times as high as its crop, with the mouth inside",
        )
    return rgb, landmarks


def halved(yuv: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w, 3) to (h / 2, w / 2, 3), every pixel the mean of four."""
    size = yuv.shape[1] // 2, yuv.shape[0] // 2
    return np.asarray(cv2.resize(yuv, size, interpolation=cv2.INTER_AREA), np.uint8)


def i420(yuv: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h * 3 / 2, w) planes of an (h, w, 3) picture in YUV; h and w even."""
    height, width = yuv.shape[:2]
    small = halved(yuv)
    planes = np.empty((height * 3 // 2, width), np.uint8)
    planes[:height] = yuv[..., 0]
    planes[height:] = np.concatenate([small[..., 1].ravel(), small[..., 2].ravel()]).reshape(-1, width)
    return planes


@dataclass(frozen=True, slots=True)
class Patch:
    """A small piece of picture as I420 planes."""

    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]

    @classmethod
    def of(cls, yuv: NDArray[np.uint8]) -> Patch:
        """From (even, even, 3)."""
        small = halved(yuv)
        return cls(yuv[..., 0].copy(), small[..., 1].copy(), small[..., 2].copy())


@dataclass(frozen=True, slots=True)
class Canvas:
    """Padded I420 planes that a frame is drawn into: (n + 2 PAD)^2 luma, n being `size` rounded up to 32, and
    half of that for each chroma; the padding repeats the picture's edge."""

    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]

    @classmethod
    def of(cls, yuv: NDArray[np.uint8]) -> Canvas:
        size = yuv.shape[0]
        extra = -size % 32
        small = halved(yuv)
        edges = (PAD, PAD + extra)
        halves = (PAD // 2, (PAD + extra) // 2)
        return cls(
            np.pad(yuv[..., 0], (edges, edges), mode="edge"),
            np.pad(small[..., 1], (halves, halves), mode="edge"),
            np.pad(small[..., 2], (halves, halves), mode="edge"),
        )

    def copy(self) -> Canvas:
        return Canvas(self.y.copy(), self.u.copy(), self.v.copy())

    def put(self, x: int, y: int, patch: Patch) -> None:
        """Pastes a patch at even x, y of the picture."""
        x, y = x + PAD, y + PAD
        for plane, part, at_x, at_y in (
            (self.y, patch.y, x, y),
            (self.u, patch.u, x // 2, y // 2),
            (self.v, patch.v, x // 2, y // 2),
        ):
            height, width = part.shape
            plane[at_y : at_y + height, at_x : at_x + width] = part
