"""One frame of a film: what the network is shown of its face, and where that face goes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.meshwarp.portrait import BT601, i420
from deployments.backends.lipsync.wav2lip.region import SIDE, Region, shown
from pipeline.contracts import FilmFrame

AROUND: Final = 0.25
"""What is cut out around a face to work on, as a share of the face's longer side: the chin's room, and a little."""


@dataclass(frozen=True, slots=True)
class Shot:
    """`planes` is the frame as I420; `put` draws into it."""

    planes: NDArray[np.uint8]
    shown: NDArray[np.float32]
    """(6, 96, 96): what the network is shown of the face; zeros where there is none."""
    region: Region | None
    """Where the face goes, in what was cut out of the frame; None where there is no face."""
    x: int = 0
    y: int = 0
    """Even: where that was cut out."""

    @classmethod
    def of(cls, frame: FilmFrame) -> Shot:
        """A face that is in the frame for less than a pixel is none."""
        yuv = np.asarray(cv2.transform(frame.picture, BT601), np.uint8)
        planes = i420(yuv)
        nothing = cls(planes, np.zeros((6, SIDE, SIDE), np.float32), None)
        if frame.mesh is None:
            return nothing
        height, width = yuv.shape[:2]
        low, high = frame.mesh[:, :2].min(axis=0), frame.mesh[:, :2].max(axis=0)
        room = AROUND * float((high - low).max())
        x0, y0 = (max(int(edge - room) // 2 * 2, 0) for edge in low)
        x1, y1 = (min(int(edge + room) // 2 * 2 + 2, most) for edge, most in zip(high, (width, height), strict=True))
        if x1 - x0 < 2 or y1 - y0 < 2:
            return nothing
        mesh = frame.mesh - np.array([x0, y0, 0], np.float32)
        region = Region.of(yuv[y0:y1, x0:x1], mesh)
        return cls(planes, shown(frame.picture[y0:y1, x0:x1], region.box), region, x0, y0)

    def put(self, face: NDArray[np.float32]) -> None:
        """Draws a (3, 96, 96) face in 0..1, BGR, into the planes, in place."""
        if self.region is None:
            raise ValueError("there is no face in this frame")
        patch = self.region.patch(face)
        height, width = self.planes.shape[0] * 2 // 3, self.planes.shape[1]
        x, y = self.x + self.region.x, self.y + self.region.y
        h, w = patch.y.shape
        self.planes[y : y + h, x : x + w] = patch.y
        chroma = self.planes[height:].reshape(2, height // 2, width // 2)
        chroma[:, y // 2 : (y + h) // 2, x // 2 : (x + w) // 2] = patch.u, patch.v
