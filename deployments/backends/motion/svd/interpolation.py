"""Pictures at any rate from pictures at another: what lies between two is made from both, along how things moved."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Picture


def interpolated(pictures: Iterator[Picture], rate: Fraction, fps: Fraction, count: int) -> Iterator[Picture]:
    """`count` pictures, `fps` a second, of some that follow each other `rate` a second. Takes no more than it needs."""
    step = rate / fps
    number, before, after = 0, next(pictures), None
    between: Between | None = None
    for frame in range(count):
        at = frame * step
        while number < int(at):
            before = next(pictures) if after is None else after
            after, between, number = None, None, number + 1
        if at == number:
            yield before
            continue
        if after is None or between is None:
            after = next(pictures)
            between = Between(before, after)
        yield between.at(float(at - number))


class Between:
    """What lies between two pictures: each is warped towards the other as far as it is away, and both are mixed.

    Movement is Dense Inverse Search's optical flow (Kroeger et al. 2016), both ways.
    """

    def __init__(self, before: Picture, after: Picture) -> None:
        height, width = before.shape[:2]
        self._before, self._after = before, after
        grey = [np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)) for picture in (before, after)]
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._there: Any = search.calc(grey[0], grey[1], None)  # ty: ignore[no-matching-overload]
        self._back: Any = search.calc(grey[1], grey[0], None)  # ty: ignore[no-matching-overload]
        self._grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)

    def at(self, share: float) -> Picture:
        """0 is the first picture, 1 the second."""
        one = self._warped(self._before, self._there, share)
        other = self._warped(self._after, self._back, 1 - share)
        return np.asarray(cv2.addWeighted(one, 1 - share, other, share, 0), np.uint8)

    def _warped(self, picture: Picture, flow: NDArray[np.float32], share: float) -> Any:
        # The flow is where pixels go; what arrives here came from about as far the other way.
        places = self._grid - np.float32(share) * flow
        return cv2.remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # ty: ignore[no-matching-overload]
