"""Where a camera looks from one frame to the next: windows of a picture, in floats, eased at both ends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.contracts import MotionRequest

EASE: Final = 0.3
"""Share of the time in which a movement comes up to speed, and that in which it comes to rest."""
ZOOM: Final = 0.28
"""Logarithm of the most that a camera of strength 1 goes closer, however long it takes: 1.32 times."""
PAN: Final = 0.22
"""The most that a camera of strength 1 leaves out at the sides, to have it to go to, as a share of the view."""
ORBIT: Final = 0.3
"""Radians that a camera of strength 1 goes around its subject at most, from one side to the other."""
PATIENCE: Final = 4.0
"""Seconds in which 63 % of the most is reached: short films move less, so that they don't rush."""

_PANS: Final = {"pan_left": (-1.0, 0.0), "pan_right": (1.0, 0.0), "pan_up": (0.0, -1.0), "pan_down": (0.0, 1.0)}


@dataclass(frozen=True, slots=True)
class View:
    """The part of a picture that is seen, in its pixels, and from where."""

    x: float
    y: float
    """Top left corner."""
    width: float
    height: float
    angle: float = 0.0
    """Radians that the camera has gone around its subject; to the right is positive."""


def eased(share: float) -> float:
    """How far a movement is when this share of its time is over, 0 to 1: the speed rises as a smoothstep within EASE,
    stays, and falls the same way, so that position, speed and acceleration are all continuous."""

    def ramp(t: float) -> float:  # the integral of smoothstep(t / EASE)
        t = min(t, EASE) / EASE
        return EASE * (t**3 - t**4 / 2)

    whole = 1 - EASE
    if share < EASE:
        return ramp(share) / whole
    if share > 1 - EASE:
        return 1 - ramp(1 - share) / whole
    return (EASE / 2 + share - EASE) / whole


def extent(request: MotionRequest) -> float:
    """How much of the most a movement is, by its strength and its length: 0 to 2."""
    return request.strength * (1 - math.exp(-request.frame_count / float(request.fps) / PATIENCE))


def views(request: MotionRequest) -> Iterator[View]:
    """One for each frame, all within the picture, of the shape that the frames have."""
    height, width = request.picture.shape[:2]
    scale = min(width / request.width, height / request.height)
    full = (request.width * scale, request.height * scale)
    last = max(1, request.frame_count - 1)
    much = extent(request)
    for number in range(request.frame_count):
        yield _view(request, (width, height), full, eased(number / last), much)


def tightest(request: MotionRequest) -> float:
    """Width of the narrowest view, pixels of the picture."""
    return min(view.width for view in views(request))


def _view(request: MotionRequest, size: tuple[int, int], full: tuple[float, float], share: float, much: float) -> View:
    fx, fy = request.focus[0] * size[0], request.focus[1] * size[1]
    camera = request.camera
    if camera in _PANS:
        return _panned(_PANS[camera], size, full, (fx, fy), share, PAN * much)
    if camera in ("zoom_in", "zoom_out"):
        # Even steps of the logarithm: each second goes closer by the same factor.
        closer = ZOOM * much * (share if camera == "zoom_in" else 1 - share)
        return _around((fx, fy), size, full, math.exp(-closer))
    if camera in ("orbit_left", "orbit_right"):
        angle = ORBIT * much * (share - 0.5) * (1 if camera == "orbit_right" else -1)
        # Going around shows more of one side: some is held back for that.
        return _around((fx, fy), size, full, 1 / (1 + ORBIT * much), angle)
    return _around((fx, fy), size, full, 1.0)


def _around(
    focus: tuple[float, float], size: tuple[int, int], full: tuple[float, float], scale: float, angle: float = 0.0
) -> View:
    """A view `scale` times the full one, in which the focus is as far along as it is in the full one: going closer,
    it is what stays where it is."""
    x0, y0 = (_within(focus[axis] - full[axis] / 2, size[axis] - full[axis]) for axis in (0, 1))
    x = focus[0] + (x0 - focus[0]) * scale
    y = focus[1] + (y0 - focus[1]) * scale
    return View(x, y, full[0] * scale, full[1] * scale, angle)


def _panned(
    way: tuple[float, float],
    size: tuple[int, int],
    full: tuple[float, float],
    focus: tuple[float, float],
    share: float,
    margin: float,
) -> View:
    view = [side / (1 + margin) for side in full]
    corner = []
    for axis in (0, 1):
        # What the frames' shape leaves out anyway is room to move as well, as far as the movement wants it.
        room = size[axis] - view[axis]
        middle = _within(focus[axis] - view[axis] / 2, room)
        travel = min(full[axis] * margin, room)
        start = _within(middle - travel / 2, room - travel)
        corner.append(start + travel * (0.5 + (share - 0.5) * way[axis]) if way[axis] else middle)
    return View(corner[0], corner[1], view[0], view[1])


def _within(value: float, most: float) -> float:
    return min(max(value, 0.0), max(most, 0.0))
