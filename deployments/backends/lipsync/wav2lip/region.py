"""Where in the picture the network's face comes from and goes to: the box that it is shown, and a soft-edged mask.

The authors paste the whole box back, with its hard edges. Here only what speaks is replaced, from the ridge of the nose
to the chin, and it fades into the picture towards its edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.meshwarp.fields import step
from deployments.backends.lipsync.meshwarp.mouth_frame import OUTER_LOWER, OUTER_UPPER, OVAL
from deployments.backends.lipsync.meshwarp.portrait import BT601, Patch
from pipeline.contracts import Picture

Array = NDArray[np.float32]
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels; the last two are just outside."""
Size = tuple[int, int]
"""Width and height in pixels."""

SIDE: Final = 96
"""Pixels of a side of the face that the network sees and makes."""
JAW: Final = (323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93)
"""Face mesh indices along the jaw, from the picture's right cheek by the chin to its left one."""
TOP: Final = (50, 5, 280)
"""Left cheekbone, ridge of the nose, right cheekbone."""

CHIN: Final = 0.05
"""Room below the chin, as a share of the face's height: 10 pixels of a face of 200 in the authors' program. The jaw
drops into it."""
FEATHER: Final = 0.12
"""Width of the fading edge as a share of the face's width, if the lips are not closer to the edge than that."""


def face_box(landmarks: Array, size: Size) -> Box:
    """The part of a picture of this size that the network is shown: forehead to chin and cheek to cheek.

    That is what the boxes are around that the authors' detector was taught with (Yang et al., "WIDER FACE", 2016, 3.2).
    """
    oval = landmarks[list(OVAL), :2]
    low, high = oval.min(axis=0), oval.max(axis=0)
    high = high + np.array([0, CHIN * (high[1] - low[1])], np.float32)
    most = np.array(size)
    x0, y0 = np.clip(np.floor(low).astype(int), 0, most - 2)
    x1, y1 = np.clip(np.ceil(high).astype(int) + 1, (x0 + 2, y0 + 2), most)
    return int(x0), int(y0), int(x1), int(y1)


def shown(rgb: Picture, box: Box) -> Array:
    """(6, 96, 96) in 0..1, BGR: the box with its lower half black, then the whole of it."""
    x0, y0, x1, y1 = box
    how = cv2.INTER_AREA if min(x1 - x0, y1 - y0) > SIDE else cv2.INTER_LINEAR
    face = cv2.resize(rgb[y0:y1, x0:x1, ::-1], (SIDE, SIDE), interpolation=how)
    whole = np.asarray(face, np.float32).transpose(2, 0, 1) / 255
    masked = whole.copy()
    masked[:, SIDE // 2 :] = 0
    return np.concatenate([masked, whole])


def mask(landmarks: Array, box: Box, size: Size, kept: Sequence[Box] = ()) -> Array:
    """(height, width) in 0..1: how much of a pixel is the network's. 1 on the lips, 0 outside the box and in `kept`."""
    x0, y0, x1, y1 = box
    points = landmarks[:, :2]
    mouth, chin = points[13], points[152]
    jaw = points[list(JAW)].copy()
    # The further down the face, the further a jaw that drops takes it along.
    down = (chin - mouth) / max(float(np.hypot(*(chin - mouth))), 1.0)
    depth = np.clip((jaw - mouth) @ down / max(float((chin - mouth) @ down), 1.0), 0, 1)
    jaw += depth[:, None] * down * (CHIN * (y1 - y0))
    outline = np.concatenate([points[list(TOP)], jaw])
    width, height = size
    inside = np.zeros(
        (height + 2, width + 2), np.uint8
    )  # a frame of nothing, so that the edge fades at the picture's too
    cv2.fillPoly(inside, [np.rint((outline + 1) * 16).astype(np.int32)], (1,), shift=4)
    inside[: y0 + 1], inside[y1 + 1 :], inside[:, : x0 + 1], inside[:, x1 + 1 :] = 0, 0, 0, 0
    for kx0, ky0, kx1, ky1 in kept:
        inside[max(ky0, 0) + 1 : ky1 + 1, max(kx0, 0) + 1 : kx1 + 1] = 0
    depths = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)[1:-1, 1:-1]
    lips = np.clip(np.rint(points[list(OUTER_UPPER + OUTER_LOWER)]).astype(int), 0, np.array(size) - 1)
    nearest = float(depths[lips[:, 1], lips[:, 0]].min())
    return step(0.0, max(min(FEATHER * (x1 - x0), nearest), 1.0), depths)


@dataclass(frozen=True, slots=True)
class Region:
    """The part of a picture that speaks. `patch` is pure."""

    box: Box
    x: int
    y: int
    """Even: where the patch goes."""
    share: Array
    """(h, w, 1), both even: the mask there."""
    base: Array
    """(h, w, 3): the picture there, YUV."""

    @classmethod
    def of(cls, yuv: NDArray[np.uint8], landmarks: Array, kept: Sequence[Box] = ()) -> Region:
        """Of a (height, width, 3) picture, both even. `kept` are boxes that stay as they are."""
        size = (yuv.shape[1], yuv.shape[0])
        box = face_box(landmarks, size)
        share = mask(landmarks, box, size, kept)
        rows, columns = np.flatnonzero(share.any(axis=1)), np.flatnonzero(share.any(axis=0))
        if not len(rows):  # a mouth at the very edge of the picture: nothing of it is seen
            rows = columns = np.zeros(1, int)
        y, x = int(rows[0]) // 2 * 2, int(columns[0]) // 2 * 2
        bottom, right = int(rows[-1]) // 2 * 2 + 2, int(columns[-1]) // 2 * 2 + 2
        base = yuv[y:bottom, x:right].astype(np.float32)
        return cls(box, x, y, share[y:bottom, x:right, None], base)

    def patch(self, face: Array) -> Patch:
        """The region with a (3, 96, 96) face in 0..1, BGR, in it."""
        x0, y0, x1, y1 = self.box
        height, width = self.share.shape[:2]
        # Colours first: the conversion and the resize are linear, and 96 pixels are fewer.
        yuv = cv2.transform(np.ascontiguousarray(face[::-1].transpose(1, 2, 0)) * np.float32(255), BT601)
        large = cv2.resize(yuv, (x1 - x0, y1 - y0), interpolation=cv2.INTER_CUBIC)
        made = self.base.copy()
        # The box and the region may overlap in part only where the picture ends.
        top, left = max(y0, self.y), max(x0, self.x)
        bottom, right = min(y1, self.y + height), min(x1, self.x + width)
        here = np.s_[top - self.y : bottom - self.y, left - self.x : right - self.x]
        made[here] += self.share[here] * (large[top - y0 : bottom - y0, left - x0 : right - x0] - made[here])
        return Patch.of(np.clip(made + 0.5, 0, 255).astype(np.uint8))
