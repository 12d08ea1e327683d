"""How a face is turned, and how well it shows."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Picture

FOREHEAD: Final = 10
CHIN: Final = 152
# Mirrored points of the mesh, the one on the picture's left first, spread over brows, eyes, cheeks and jaw.
_LEFT: Final = [33, 133, 61, 234, 127, 132, 58, 172, 50, 105, 70, 98, 205, 103]
_RIGHT: Final = [263, 362, 291, 454, 356, 361, 288, 397, 280, 334, 300, 327, 425, 332]


YAW_GAIN: Final = 1.45
"""The mesh turns less than the head. A photographed face turned about its vertical axis by 10, 20 ... 60 degrees
measures 0.69 of that on average (0.77 at 10, 0.62 at 60); with the gain it is within 4 degrees up to 50."""
PITCH_OFFSET: Final = 8.0
"""Degrees by which the forehead of the mesh comes forward in a face that looks straight ahead: the mean of
portraits drawn from the front (5 to 9). Changes of pitch measure 1.05 of what they are."""


def face_height(landmarks: NDArray[np.float32]) -> float:
    """Pixels from the top of the forehead to the chin, along the face."""
    return float(np.linalg.norm(landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]))


def pose(landmarks: NDArray[np.float32]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees, signed as in `Face`, of (n >= 468, 3) mesh points in pixels.

    The axes are the face's own: across is the mean direction between mirrored points, down runs from forehead
    to chin at right angles to it; YAW_GAIN and PITCH_OFFSET correct what the mesh gets wrong. No template is fitted,
    so broad, narrow and asymmetrically smiling faces measure alike.
    """
    points = landmarks.astype(np.float64)
    across = (points[_RIGHT] - points[_LEFT]).sum(axis=0)
    across /= np.linalg.norm(across)
    down = points[CHIN] - points[FOREHEAD]
    down -= across * (down @ across)
    down /= np.linalg.norm(down)
    ahead = -np.cross(across, down)
    roll = np.arctan2(across[1], across[0])
    # Yaw and pitch of the head as if it were held upright.
    cos, sin = np.cos(roll), np.sin(roll)
    right, below = cos * ahead[0] + sin * ahead[1], -sin * ahead[0] + cos * ahead[1]
    yaw = np.arctan2(right, -ahead[2])
    pitch = np.arctan2(-below, np.hypot(right, ahead[2]))
    return YAW_GAIN * float(np.degrees(yaw)), float(np.degrees(pitch)) + PITCH_OFFSET, float(np.degrees(roll))


def quality(patch: Picture, height: float, yaw: float, pitch: float) -> float:
    """0 to 1, the product of four marks; `patch` is the upright face, `height` its height in the picture, pixels.

    Sharpness is the spread of the Laplacian at a scale of one pixel in 192, relative to that of the grey levels
    (0.035 in a focused photograph, half of it after a blur of 1 % of the face, a fifth after 4 %). Size is full
    marks from 200 pixels, pose up to 10 degrees, exposure for a mean luma of 70 to 200 and a spread (5th to 95th
    percentile) of 60. The thresholds are judgements, made on blurred, darkened and reduced photographs.
    """
    import cv2

    grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)
    side = grey.shape[0]
    middle = grey[side // 5 : -side // 5, side // 5 : -side // 5].astype(np.float32)
    spread = float(np.percentile(middle, 95) - np.percentile(middle, 5))
    mean = float(middle.mean())
    detail = float(cv2.Laplacian(cv2.GaussianBlur(middle, (0, 0), 1), cv2.CV_32F).std())
    sharp = _ramp(detail / max(spread, 1.0), 0.006, 0.030)
    size = _ramp(height, 20, 200)
    turned = _ramp(-max(abs(yaw), abs(pitch)), -45, -10)
    lit = _ramp(spread, 10, 60) * _ramp(mean, 15, 70) * _ramp(-mean, -250, -200)
    return float(sharp * size * turned * lit)


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1))
