"""Keeping an enlarged film steady: what an upscaler adds to a frame may not flicker where nothing moves."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Picture

KEPT: Final = 0.8
"""Share of the earlier detail in that of a pixel at rest. Independent noise of it shrinks to a third:
sqrt((1 - KEPT) / (1 + KEPT))."""
BLUR: Final = 5
"""Side in pixels of the box over which a change is looked at: noise averages out over it, movement does not."""
STILL: Final = 2.0
"""Levels of change up to which a pixel is at rest."""
MOVING: Final = 6.0
"""Levels of change from which on it moves, and nothing of before is kept."""


class Steady:
    """Takes the frames of one film in order.

    An enlarged frame is what plain interpolation gives plus detail, which the upscaler has invented, from noise too,
    anew for each frame. Detail is averaged over time, exponentially, at pixels whose surroundings don't change; where
    something moves, the frame's own detail is taken. The interpolated part is left alone, so nothing smears or lags.
    """

    def __init__(self) -> None:
        self._seen: NDArray[np.float32] | None = None
        self._detail: NDArray[np.float32] | None = None

    def __call__(self, source: Picture, enlarged: Picture) -> Picture:
        """The enlarged frame, steadied. `source` is (h, w, 3) what it was enlarged from."""
        height, width = enlarged.shape[:2]
        base: Any = cv2.resize(source, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        detail = enlarged - base
        seen = cv2.blur(source.astype(np.float32), (BLUR, BLUR))
        if self._seen is None or self._detail is None or self._detail.shape != detail.shape:
            self._seen, self._detail = np.asarray(seen, np.float32), detail
            return enlarged
        change = np.abs(seen - self._seen).max(axis=2)
        rest = np.clip((MOVING - change) / (MOVING - STILL), 0, 1)
        # What is near a movement counts as moving: the upscaler looks at more than one pixel.
        kept: Any = KEPT * cv2.erode(rest, np.ones((BLUR, BLUR), np.uint8))
        self._seen = np.asarray(seen + kept[..., None] * (self._seen - seen), np.float32)
        wide: Any = cv2.resize(kept, (width, height), interpolation=cv2.INTER_LINEAR)
        self._detail = np.asarray(detail + wide[..., None] * (self._detail - detail), np.float32)
        return np.clip(np.rint(base + self._detail), 0, 255).astype(np.uint8)
