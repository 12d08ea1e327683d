"""Camera movements over a picture, without a neural network: zoom, pan, and an orbit around what is in front."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.backends.motion.camera import View, tightest, views
from pipeline.contracts import Frames, MotionRequest, Picture

if TYPE_CHECKING:
    from PIL import Image

SPARE: Final = 2.0
"""Pixels of the picture for each of the frame, at most, along a side: what is finer is taken out once beforehand."""
FINER: Final = 2.0
"""Pixels of the picture for each of the frame that an orbit is drawn from, at least. OpenCV's remap places samples in
steps of 1/32 of these; in the frame that is 1/64, below what is seen to tremble."""
NEAR: Final = 0.9
"""How much nearer than what is around it the subject is taken to be, as a share of the frame's width, at its middle."""
BREADTH: Final = (0.34, 0.46)
"""How broad and how tall the subject is taken to be: standard deviations of the bulge, as shares of the view."""


class KenBurns:
    """Moves a camera over a still picture; nothing in the picture moves by itself.

    Zooms and pans resample a window with float corners by Lanczos' filter, so that slow movements glide instead of
    jumping from pixel to pixel. Orbits bend the picture over a bulge around the focus and foreshorten it, which is
    right for a portrait and a fair guess elsewhere. The seed chooses nothing.
    """

    def move(self, request: MotionRequest) -> Iterator[Frames]:
        """As `MotionModel` says. A movement of strength 0, or `still`, is the same frame again and again."""
        draw = drawing(request)
        run = max(1, round(request.fps / 2))
        planes: list[NDArray[np.uint8]] = []
        first, before, drawn = 0, None, None
        for number, view in enumerate(views(request)):
            if drawn is None or view != before:
                before, drawn = view, cv2.cvtColor(draw(view), cv2.COLOR_RGB2YUV_I420)
            planes.append(np.asarray(drawn, np.uint8))
            if len(planes) == run:
                yield Frames(first, np.stack(planes))
                first, planes = number + 1, []
        if planes:
            yield Frames(first, np.stack(planes))


def drawing(request: MotionRequest) -> Callable[[View], Picture]:
    """What makes of a view of the request's picture a frame, (height, width, 3)."""
    return _orbiting(request) if request.camera.startswith("orbit") and request.strength else _resampling(request)


def _resampling(request: MotionRequest) -> Callable[[View], Picture]:
    from PIL import Image

    picture, scale = _reduced(request)
    size = (request.width, request.height)

    def draw(view: View) -> Picture:
        left, right = view.x * scale[0], (view.x + view.width) * scale[0]
        top, bottom = view.y * scale[1], (view.y + view.height) * scale[1]
        # Rounding may have put a corner a billionth outside, which Pillow refuses.
        box = (max(0.0, left), max(0.0, top), min(right, picture.width), min(bottom, picture.height))
        return np.asarray(picture.resize(size, Image.Resampling.LANCZOS, box=box))

    return draw


def _reduced(request: MotionRequest) -> tuple[Image.Image, tuple[float, float]]:
    """The picture with no more detail than the closest view has use for, and its size in that of the picture."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(request.picture))
    less = SPARE * request.width / tightest(request)
    if less >= 1:
        return picture, (1.0, 1.0)
    size = (max(1, round(picture.width * less)), max(1, round(picture.height * less)))
    return picture.resize(size, Image.Resampling.LANCZOS), (size[0] / picture.width, size[1] / picture.height)


def _orbiting(request: MotionRequest) -> Callable[[View], Picture]:
    picture, scale = _reduced(request)
    more = FINER * request.width / (tightest(request) * scale[0])
    if more > 1:
        from PIL import Image

        size = (round(picture.width * more), round(picture.height * more))
        scale = (scale[0] * size[0] / picture.width, scale[1] * size[1] / picture.height)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    source = np.asarray(picture)
    # Pixel centres of the frame, as shares of it.
    u: Any = (np.arange(request.width, dtype=np.float64) + 0.5) / request.width
    v: Any = ((np.arange(request.height, dtype=np.float64) + 0.5) / request.height)[:, None]
    focus = (request.focus[0] * request.picture.shape[1], request.focus[1] * request.picture.shape[0])

    def draw(view: View) -> Picture:
        across, down = (focus[0] - view.x) / view.width, (focus[1] - view.y) / view.height
        bulge = np.exp(-0.5 * (((u - across) / BREADTH[0]) ** 2 + ((v - down) / BREADTH[1]) ** 2))
        # The side that the camera comes near to grows, and what is in front moves against it.
        turned = 1 - view.angle * (u - across)
        x = across + (u - across) * turned + view.angle * NEAR * (bulge - 0.5) * 0.5
        y = down + (v - down) * turned
        left, top = view.x * scale[0], view.y * scale[1]
        columns = np.broadcast_to(left + x * view.width * scale[0] - 0.5, bulge.shape).astype(np.float32)
        rows = np.broadcast_to(top + y * view.height * scale[1] - 0.5, bulge.shape).astype(np.float32)
        drawn: Any = cv2.remap(source, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return drawn

    return draw
