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


def face_height(landmarks: NDArray[np.float32]) -> float:
    """Pixels from the top of the forehead to the chin, along the face."""
    return float(np.linalg.norm(landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]))


def pose(landmarks: NDArray[np.float32]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees, signed as in `Face`, of (n >= 468, 3) mesh points in pixels.

    The axes are the face's own: across is the mean direction between mirrored points, down runs from forehead
    to chin at right angles to it. A face looking into the camera has both in the picture plane. No template
    is fitted, so broad, narrow and asymmetrically smiling faces measure alike.
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
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def quality(patch: Picture, height: float, yaw: float, pitch: float) -> float:
    """0 to 1, the product of four marks; `patch` is the upright face, `height` its height in the picture, pixels.

    Sharpness compares what two box blurs of the grey face leave: detail of natural, focused skin and hair falls
    by about half from one to the next, that of a blurred picture hardly at all. Size is full marks from 200
    pixels, pose up to 10 degrees, exposure for a mean luma of 70 to 200 and a spread (5th to 95th percentile)
    of 60. All thresholds are judgements, made on blurred, darkened and reduced versions of photographs.
    """
    import cv2

    grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)
    side = grey.shape[0]
    middle = grey[side // 5 : -side // 5, side // 5 : -side // 5].astype(np.float32)
    spread = float(np.percentile(middle, 95) - np.percentile(middle, 5))
    mean = float(middle.mean())
    fine = float(np.abs(middle - cv2.blur(middle, (3, 3))).mean())
    coarse = float(np.abs(middle - cv2.blur(middle, (9, 9))).mean())
    sharp = _ramp(fine / max(coarse, 1e-3), 0.12, 0.30)
    size = _ramp(height, 20, 200)
    turned = _ramp(-max(abs(yaw), abs(pitch)), -45, -10)
    lit = _ramp(spread, 10, 60) * _ramp(mean, 15, 70) * _ramp(-mean, -250, -200)
    return float(sharp * size * turned * lit)


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1))
