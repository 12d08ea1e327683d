"""From timed phonemes to curves: every sound pulls the mouth towards its shape, the firmer the nearer.

Dominance blending after Cohen and Massaro, "Modeling coarticulation in synthetic visual speech" (1993): each
channel is the mean of the targets of the neighbouring sounds, weighted by dominances that fall off with the
time to the sound's core. Closures (m, b, p, f, v) are not left to blending, which would leave a gap: they are
pulses that reach their target and hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.mouth import CHANNELS
from pipeline.contracts import Phoneme

from .curves import Curves, smooth
from .ipa import sound
from .loudness import RATE
from .shape import SILENCE, Shape

LEAD: Final = 0.020
"""Seconds the mouth moves ahead of the sound: articulators are in place before they are heard."""

CORE: Final = {"vowel": (0.25, 0.65), "consonant": (0.30, 0.65), "silence": (0.35, 0.80)}
"""Where within a sound its shape is reached and held, as shares of its time."""

REACH: Final = {"vowel": 0.055, "consonant": 0.045, "silence": 0.070}
"""Seconds outside its core over which a sound's dominance falls to 1/e."""

ROUND_REACH: Final = (0.120, 0.065)
"""The same for the lips of a rounded sound, before and after it: rounding is prepared early."""

STEEPNESS: Final = 1.3
STRESS: Final = (0.80, 0.92, 1.06)
"""How far the mouth opens in an unstressed, half stressed and stressed vowel."""

QUIET_OPENING: Final = 0.30
LOUD_OPENING: Final = 1.06
"""Share of the opening kept where speech is softest and loudest."""

CLOSING, RELEASING = 0.050, 0.055
"""Seconds for the lips to close on m, b, p, f, v and to open again, where the neighbours leave the time."""

PAUSE: Final = 0.150
"""A silence shorter than this, in seconds, does not relax the mouth in full."""

_NEIGHBOURS: Final = 5
_OPEN = [CHANNELS.index(name) for name in ("jaw", "upper", "lower")]
_ROUND = [CHANNELS.index(name) for name in ("wide", "pucker")]
_TUCK, _PRESS, _TONGUE = (CHANNELS.index(name) for name in ("tuck", "press", "tongue"))


@dataclass(frozen=True, slots=True)
class Segment:
    """One shape with its time; phonemes of several letters make several."""

    start: float
    end: float
    shape: Shape
    stress: int = 0
    long: bool = False


def segments(phonemes: Sequence[Phoneme], seconds: float) -> list[Segment]:
    """Shapes in order without gaps from 0 (or before) to `seconds`; what is not covered is silence."""
    found: list[Segment] = []
    clock = 0.0
    for phoneme in phonemes:
        start, end = max(phoneme.start, clock), phoneme.end
        heard = sound(phoneme.ipa)
        if not end > start:
            continue
        if not heard.shapes:
            if found:
                last = found[-1]
                found[-1] = Segment(last.start, end, last.shape, last.stress, last.long)
                clock = end
            continue
        if start > clock:
            found.append(Segment(clock, start, SILENCE))
        clock = start
        for shape, share in zip(heard.shapes, heard.shares, strict=True):
            stop = clock + share * (end - start)
            found.append(Segment(clock, stop, shape, heard.stress, heard.long))
            clock = stop
        clock = end
    if clock < seconds or not found:
        found.append(Segment(clock, max(seconds, clock + 1 / RATE), SILENCE))
    return _joined(found)


def articulate(phonemes: Sequence[Phoneme], loud: NDArray[np.float32]) -> Curves:
    """Curves from phonemes and from the loudness of the same clip, (steps,) 0 to 1 as `loudness` gives it."""
    steps = len(loud)
    parts = segments(phonemes, (steps - 1) / RATE)
    values = _blend(parts, steps)
    ahead = np.minimum(np.arange(steps) + round(LEAD * RATE), steps - 1)
    values[:, _OPEN] *= (QUIET_OPENING + (LOUD_OPENING - QUIET_OPENING) * loud[ahead])[:, None]
    values[:, _PRESS], values[:, _TUCK], closures = _pulses(parts, steps)
    return Curves(smooth(values), closures)


def _joined(parts: list[Segment]) -> list[Segment]:
    """Neighbouring silences as one: a pause is as long as it sounds, however many events it came in."""
    result: list[Segment] = []
    for part in parts:
        if part.shape is SILENCE and result and result[-1].shape is SILENCE:
            result[-1] = Segment(result[-1].start, part.end, SILENCE)
        else:
            result.append(part)
    return result


def _targets(parts: list[Segment]) -> NDArray[np.float32]:
    rows = np.array([[getattr(part.shape, name) for name in CHANNELS] for part in parts], np.float32)
    scale = np.array(
        [STRESS[part.stress] * (1.06 if part.long else 1.0) if part.shape.kind == "vowel" else 1.0 for part in parts],
        np.float32,
    )
    rows[:, _OPEN] *= scale[:, None]
    return rows


def _blend(parts: list[Segment], steps: int) -> NDArray[np.float32]:
    """(steps, 8): the dominance-weighted mean of the targets of each step's neighbours."""
    start = np.array([part.start for part in parts]) - LEAD
    end = np.array([part.end for part in parts]) - LEAD
    length = end - start
    core = np.array([CORE[part.shape.kind] for part in parts])
    first, last = start + core[:, 0] * length, start + core[:, 1] * length
    reach = np.array([REACH[part.shape.kind] for part in parts])
    rounded = np.array([part.shape.pucker > 0.3 for part in parts])
    before = np.where(rounded, ROUND_REACH[0], reach)
    after = np.where(rounded, ROUND_REACH[1], reach)
    # A pause too short to relax in pulls less; a stressed or long sound pulls a little more.
    firm = np.array(
        [
            min(1.0, (part.end - part.start) / PAUSE) if part.shape is SILENCE else 1 + 0.12 * part.stress
            for part in parts
        ]
    )
    grips = firm[:, None] * np.array([(p.shape.open_grip, p.shape.round_grip, p.shape.tongue_grip) for p in parts])
    targets = _targets(parts)

    time = np.arange(steps) / RATE
    here = np.clip(np.searchsorted(start, time, side="right") - 1, 0, len(parts) - 1)
    total = np.zeros((steps, len(CHANNELS)), np.float32)
    weight = np.full((steps, 3), 1e-9, np.float32)
    for offset in range(-_NEIGHBOURS, _NEIGHBOURS + 1):
        k = here + offset
        inside = (k >= 0) & (k < len(parts))
        k = np.clip(k, 0, len(parts) - 1)
        early, late = np.maximum(first[k] - time, 0), np.maximum(time - last[k], 0)
        fall = np.exp(-(((early + late) / reach[k]) ** STEEPNESS)) * inside
        round_fall = np.exp(-((early / before[k] + late / after[k]) ** STEEPNESS)) * inside
        pull = grips[k] * np.stack([fall, round_fall, fall], axis=1)
        weight += pull.astype(np.float32)
        total[:, _OPEN] += targets[k][:, _OPEN] * pull[:, :1]
        total[:, _ROUND] += targets[k][:, _ROUND] * pull[:, 1:2]
        total[:, _TONGUE] += targets[k][:, _TONGUE] * pull[:, 2]
    total[:, _OPEN] /= weight[:, :1]
    total[:, _ROUND] /= weight[:, 1:2]
    total[:, _TONGUE] /= weight[:, 2]
    return total


def _pulses(parts: list[Segment], steps: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """(steps,) press, (steps,) tuck, and the middles of the closures."""
    press, tuck = np.zeros(steps, np.float32), np.zeros(steps, np.float32)
    middles: list[float] = []
    for k, part in enumerate(parts):
        shape, length = part.shape, part.end - part.start
        if shape is SILENCE:
            ramp = 0.4 * min(length, 0.3)
            level = shape.press * min(1.0, length / PAUSE)
            # At either end of the clip the mouth is at rest already.
            first = part.start - LEAD + ramp if k else -1.0
            last = part.end - LEAD - ramp if k + 1 < len(parts) else part.end + 1.0
            _raise(press, level, first, last, ramp, ramp)
        elif shape.press or shape.tuck:
            middle = part.start - LEAD + 0.42 * length
            hold = max(0.015, 0.27 * length)
            gap_before = parts[k - 1].end - parts[k - 1].start if k else CLOSING
            gap_after = parts[k + 1].end - parts[k + 1].start if k + 1 < len(parts) else RELEASING
            closing = float(np.clip(0.8 * gap_before, 0.025, CLOSING))
            releasing = float(np.clip(0.8 * gap_after, 0.025, RELEASING))
            for curve, level in ((press, shape.press), (tuck, shape.tuck)):
                if level:
                    _raise(curve, level, middle - hold, middle + hold, closing, releasing)
            middles.append(middle)
    return press, tuck, np.array(middles, np.float64)


def _raise(
    curve: NDArray[np.float32], level: float, first: float, last: float, closing: float, releasing: float
) -> None:
    """Lifts a curve to `level` from `first` to `last`, with raised-cosine ramps outside."""
    low = max(0, int((first - closing) * RATE))
    high = min(len(curve), int((last + releasing) * RATE) + 2)
    if high <= low:
        return
    time = np.arange(low, high) / RATE
    out = np.maximum((first - time) / closing, (time - last) / releasing)
    curve[low:high] = np.maximum(curve[low:high], level * 0.5 * (1 + np.cos(np.pi * np.clip(out, 0, 1))))
