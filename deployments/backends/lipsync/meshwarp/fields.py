"""How each part of a mouth's movement displaces the skin: smooth fields that add up.

A field is forward (where a point goes), in units of MouthFrame, one for the face above the lip line and one for the
face below it; outside the corners the two agree, so the skin tears nowhere but between the lips. The third component
is a change of brightness. The linear combination of a few dense bases stands for a face rig of blend shapes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.meshwarp.mouth_frame import MouthFrame
from deployments.backends.lipsync.mouth import OPENING, MouthTrack

Array = NDArray[np.float32]

BASES: Final = ("rest", "jaw", "upper", "lower", "wide", "narrow", "pucker", "seal", "tuck", "press")
"""rest turns the picture's mouth into a closed, resting one and is always on; the others are the track's."""

OVERLAP: Final = 0.022
"""How far closed lips reach over each other, so that no slit of the inside shows between them."""


def step(start: float | Array, end: float | Array, t: Array) -> Array:
    """0 up to `start`, 1 from `end` on, smooth between."""
    t = np.clip((t - start) / (np.asarray(end, np.float32) - start), 0, 1)
    return t * t * (3 - 2 * t)


def _bump(x: Array, width: float) -> Array:
    return np.exp(-((x / width) ** 2))


def opening_profile(x: Array) -> Array:
    """How much of the opening at the middle is seen at x: the lips stay together near the corners."""
    return np.maximum(1 - (x / 0.95) ** 2, 0) ** 0.72


def fields(frame: MouthFrame, landmarks: Array, x: Array, y: Array) -> Array:
    """(2, bases, ..., 3) float32: dx, dy in units and gain, above and below the lip line, at points x, y."""
    far = np.abs(x)
    upper, lower = frame.at(frame.upper, x), frame.at(frame.lower, x)
    up, down = np.maximum(upper - y, 0), np.maximum(y - lower, 0)
    lip_up = np.maximum(upper - frame.at(frame.upper_outer, x), 0.14)
    lip_down = np.maximum(frame.at(frame.lower_outer, x) - lower, 0.16)
    philtrum = max(float(frame.at(frame.upper, np.zeros(1, np.float32))[0]) - frame.nose, 0.45)
    depth = max(frame.chin - float(frame.at(frame.lower, np.zeros(1, np.float32))[0]), 0.6)
    opening = opening_profile(x)
    side = np.where(x < 0, frame.left, frame.right).astype(np.float32) / frame.unit

    jaw_x = np.abs(frame.to_mouth(landmarks[[172, 397], :2].astype(np.float32))[0])
    reach = np.where(x < 0, jaw_x[0], jaw_x[1]).clip(1.5, 4.0).astype(np.float32)
    fade_up = 1 - step(0.0, philtrum * 0.95, up)
    fade_down = 1 - step(0.0, depth * 0.85, down)
    beside = 1 - step(1.0, np.clip(reach, 1.7, 2.1), far)
    corner = _bump(far - 1.0, 0.42) * _bump(y, 0.75)
    around = (
        (1 - step(1.0, np.clip(0.95 * reach, 1.7, 2.0), far))
        * (1 - step(0.0, philtrum * 1.15, up))
        * (1 - step(0.0, depth * 0.9, down))
    )

    out = np.zeros((2, len(BASES), *x.shape, 3), np.float32)

    def add(name: str, layer: int | None, dx: Array | float, dy: Array | float, gain: Array | float = 0.0) -> None:
        for which in (0, 1) if layer is None else (layer,):
            target = out[which, BASES.index(name)]
            target[..., 0] += dx
            target[..., 1] += dy
            target[..., 2] += gain

    # rest: the lips meet on a flatter line, and the corners of a smile come in and down.
    centre = float(frame.at(frame.line, np.zeros(1, np.float32))[0])
    flat = 1 - 0.7 * frame.smile
    goal = frame.at(frame.line, x) * flat + centre * (1 - flat) * 0.62
    meet = (OVERLAP + frame.cut) * (1 - step(0.99, 1.10, far))
    add("rest", 0, -(1 - frame.rest) * x * side * around, (goal - upper + meet) * fade_up * beside)
    add("rest", 1, -(1 - frame.rest) * x * side * around, (goal - lower - meet) * fade_down * beside)

    fuller = 0.07 * frame.smile * opening
    grow_up = np.minimum(up / lip_up, 1.0) * (1 - step(lip_up, philtrum, up))
    grow_down = np.minimum(down / lip_down, 1.0) * (1 - step(lip_down, depth * 0.8, down))
    add("rest", 0, 0, -0.6 * fuller * grow_up)
    add("rest", 1, 0, fuller * grow_down)

    # jaw: the chin is rigid, the cheeks stretch, the skin under the chin folds.
    wide = 1 - step(0.45 * reach, 1.08 * reach, far)
    sink = step(0.0, 0.8 * depth, down)
    below = np.maximum(y - frame.chin, 0)
    neck = 1 - step(0.0, 1.35, below)
    add("jaw", 1, 0, (opening * (1 - sink) + 0.86 * wide * sink) * neck)
    add("jaw", None, -0.13 * np.sign(x) * corner, 0.24 * corner)
    add("jaw", None, -0.05 * x * side * (1 - step(1.2, 2.2, far)) * _bump(y - 0.45, 0.7), 0)
    add("jaw", None, 0, 0, -0.10 * _bump(far - 1.45, 0.30) * _bump(y - 0.25, 0.5))

    # lips up and down: rigid over most of the red, then the skin gives.
    add("upper", 0, 0, -opening * (1 - step(0.5 * lip_up, philtrum * 0.97, up)))
    add("lower", 1, 0, opening * (1 - step(0.6 * lip_down, depth * 0.8, down)))

    # wide: corners apart, and a little up.
    add("wide", None, 0.20 * x * side * around, -0.05 * corner)
    add("wide", None, 0, 0, -0.10 * _bump(far - 1.38, 0.13) * _bump(y + 0.25, 0.35))
    add("wide", None, 0, 0, 0.05 * _bump(far - 1.75, 0.3) * _bump(y + 0.45, 0.35))

    # pucker: corners together; the lips thicken, turn out and catch the light.
    round_ = np.maximum(1 - (x / 1.25) ** 2, 0)
    add("narrow", None, -0.36 * x * side * around, 0)
    add("pucker", 0, 0, (0.03 * (1 - step(0.0, philtrum, up)) - 0.13 * grow_up) * round_)
    add("pucker", 1, 0, (0.16 * grow_down - 0.02 * (1 - step(0.0, depth, down))) * round_)
    red_up, red_down = up / lip_up, down / lip_down
    add("pucker", 0, 0, 0, (0.12 * _bump(red_up - 0.75, 0.35) - 0.16 * _bump(red_up - 0.05, 0.25)) * round_)
    add("pucker", 1, 0, 0, (0.20 * _bump(red_down - 0.45, 0.3) - 0.22 * _bump(red_down - 1.35, 0.35)) * round_)
    add("pucker", None, 0, 0, -0.16 * _bump(far - 1.12, 0.2) * _bump(y, 0.3))

    # seal: a rounded opening is closed from the sides.
    sides = 0.5 * opening * step(0.38, 0.95, far)
    add("seal", 0, 0, sides * fade_up)
    add("seal", 1, 0, -sides * fade_down)

    # tuck: the lower lip goes in under the upper teeth, which show.
    add("tuck", 0, 0, -0.085 * opening * (1 - step(0.5 * lip_up, philtrum * 0.97, up)))
    shrink = np.minimum(down / lip_down, 1.0) * (1 - step(lip_down, depth * 0.9, down))
    add("tuck", 1, 0, (-0.01 * opening * fade_down - 0.17 * shrink * opening), -0.20 * _bump(red_down, 0.3) * opening)

    # press: both reds roll in, and the skin about them is taut.
    add("press", 0, 0, 0.06 * grow_up * opening, -0.14 * _bump(red_up, 0.35) * opening)
    add("press", 1, 0, -0.08 * grow_down * opening, -0.12 * _bump(red_down, 0.3) * opening)
    add("press", None, 0.02 * np.clip(x, -1, 1) * side * around, 0)
    return out


def coefficients(frame: MouthFrame, track: MouthTrack) -> Array:
    """(frames, bases) float32: what each basis is multiplied with, so that the gap drawn is the track's opening."""
    values = {name: track[name] for name in ("jaw", "upper", "lower", "wide", "pucker", "tuck", "press")}
    press, tuck = np.clip(values["press"], 0, 1), np.clip(values["tuck"], 0, 1)
    free = (1 - press) * (1 - 0.8 * tuck)
    jaw = OPENING[0] * values["jaw"] * (0.35 + 0.65 * free)
    upper = OPENING[1] * values["upper"] * free
    lower = (OPENING[0] * values["jaw"] + OPENING[2] * values["lower"]) * free - jaw
    wide, pucker = np.maximum(values["wide"], 0), values["pucker"]
    gap = jaw + upper + lower
    # Lips that part first have to leave their overlap. A rounded gap looks larger than a wide one of its height; of
    # a smile's mouth, with the photo's own teeth, a narrow one, all teeth, larger than a high one.
    parted = OVERLAP * (1 - np.exp(-gap / 0.05))
    shrink = (0.14 + 0.12 * frame.smile) * pucker + 0.22 * frame.smile * np.maximum(0.5 - gap, 0)
    lower = lower + 1.3 * parted - shrink * gap
    upper = upper + 0.9 * parted
    # Two ways to bring the corners together, which no mouth adds up.
    narrow = 1 - (1 - 0.5 * np.maximum(-values["wide"], 0)) * (1 - 0.72 * pucker)
    rest = np.float32(frame.rest)
    seal = 0.9 * pucker * gap * rest
    rows = [np.ones_like(jaw), jaw * rest, upper * rest, lower * rest, wide, narrow, pucker, seal, tuck, press**2]
    return np.ascontiguousarray(np.stack(rows, axis=1).astype(np.float32))
