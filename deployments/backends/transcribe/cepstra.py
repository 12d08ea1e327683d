"""What two voices have in common when they say the same: cepstra of mel spectra, their slopes, and loudness.

Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in continuously
spoken sentences", IEEE Trans. ASSP 28, 1980.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.visemes.features import BANDS, mel
from deployments.backends.lipsync.visemes.loudness import RATE

Spectra = NDArray[np.float32]
"""(frames, BANDS) power in dB, RATE frames a second."""

COUNT: Final = 10
"""Cepstra from the first on: finer detail is the voice's own pitch."""
DEPTH: Final = 50.0
"""Decibels below the loud parts at which sound is as good as silent."""
SLOPE: Final = 2
"""Frames to each side that a slope is taken over."""
WEIGHTS: Final = (1.0, 0.6, 2.0)
"""Of all cepstra together, of their slopes and of loudness with its slope."""
CHANNEL: Final = 12.0
"""Decibels by which a band of the template is raised or lowered at most, to sound as the recording does."""

__all__ = ["RATE", "Room", "Spectra", "cepstra", "mel", "placed", "power", "room", "spread"]


@dataclass(frozen=True, slots=True)
class Room:
    """Where something was recorded."""

    loud: float
    """dB of its loud parts."""
    noise: NDArray[np.float32]
    """(BANDS,) dB of what is heard between the words."""
    colour: NDArray[np.float32]
    """(BANDS,) mean dB of what is spoken."""


def power(spectra: Spectra) -> NDArray[np.float32]:
    """(frames,) dB of all bands together."""
    return (10 * np.log10(np.sum(10 ** (spectra / 10), axis=1))).astype(np.float32)


def room(spectra: Spectra) -> Room:
    """Measured on the recording itself."""
    total = power(spectra)
    loud = float(np.percentile(total, 95))
    noise = np.percentile(spectra, 5, axis=0)
    spoken = total > max(loud - 25, float(power(noise[None].astype(np.float32))[0]) + 6)
    colour = spectra[spoken].mean(axis=0) if spoken.any() else spectra.mean(axis=0)
    return Room(loud, noise.astype(np.float32), colour.astype(np.float32))


def placed(spectra: Spectra, where: Room) -> Spectra:
    """Clean speech as it would be in that room: as loud, of the same mean colour, with the noise added."""
    own = room(spectra)
    level = where.loud - own.loud
    colour = np.clip(where.colour - own.colour - level, -CHANNEL, CHANNEL)
    moved = spectra + np.float32(level) + colour.astype(np.float32)
    return (10 * np.log10(10 ** (moved / 10) + 10 ** (where.noise / 10))).astype(np.float32)


def cepstra(spectra: Spectra, where: Room) -> NDArray[np.float32]:
    """(frames, 2 * COUNT + 2) features: cepstra against those of the room's mean colour, loudness, and their slopes."""
    values = _values(spectra, where)
    values[:, :COUNT] -= _values(where.colour[None], where)[0, :COUNT]
    return np.concatenate([values, _slopes(values)], axis=1)


def _values(spectra: Spectra, where: Room) -> NDArray[np.float32]:
    bands = np.maximum(spectra - np.float32(where.loud), -DEPTH)
    basis = np.cos(np.pi / BANDS * np.outer(np.arange(1, COUNT + 1), np.arange(BANDS) + 0.5)) * np.sqrt(2 / BANDS)
    loud = np.clip((power(spectra) - where.loud) / DEPTH, -1, 0.2)[:, None]
    return np.concatenate([bands @ basis.T.astype(np.float32), loud], axis=1).astype(np.float32)


def spread(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What features are divided by: they then weigh as `WEIGHTS` says, and two that don't match are about 1.4 apart."""
    deviation = features.std(axis=0) + 1e-3
    weight = np.empty_like(deviation)
    weight[:COUNT] = WEIGHTS[0] / np.sqrt(COUNT)
    weight[COUNT + 1 : 2 * COUNT + 1] = WEIGHTS[1] / np.sqrt(COUNT)
    weight[[COUNT, 2 * COUNT + 1]] = WEIGHTS[2] / np.sqrt(2)
    return (deviation / weight * np.sqrt(np.sum(np.square(WEIGHTS)))).astype(np.float32)


def _slopes(values: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = np.pad(values, ((SLOPE, SLOPE), (0, 0)), mode="edge")
    frames = len(values)
    steps = range(1, SLOPE + 1)
    total = sum(n * (padded[SLOPE + n : SLOPE + n + frames] - padded[SLOPE - n : SLOPE - n + frames]) for n in steps)
    return np.asarray(total / (2 * sum(n * n for n in steps)), np.float32)
