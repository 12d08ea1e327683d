"""A photographed face in a film that sways, and is gone for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from deployments.backends.face.mediapipe import MediapipeFace
from pipeline.contracts import Encoding, FilmFrame, Picture, TrackRequest
from pipeline.media.video import VideoWriter
from pipeline.steps.track import track

FPS = Fraction(25)
COUNT = 14
GONE = (5, 6)
"""Numbers of frames without a face."""
SWAY = 4
"""Pixels that the picture moves from frame to frame, to the right and back."""


def shifts() -> list[int]:
    return [SWAY * (number if number < COUNT // 2 else COUNT - 1 - number) for number in range(COUNT)]


@lru_cache(maxsize=1)
def pictures() -> tuple[Picture, ...]:
    """(256, 320, 3) each, around the astronaut's face."""
    from skimage import data

    whole = data.astronaut()
    made = []
    for number, shift in enumerate(shifts()):
        part = whole[:256, 80 - shift : 400 - shift]
        made.append(np.full_like(part, 90) if number in GONE else np.ascontiguousarray(part))
    return tuple(made)


def written(path: Path, sound: bool = False) -> Path:
    rate = 16_000 if sound else None
    with VideoWriter(path, size=(320, 256), fps=FPS, sample_rate=rate, encoding=Encoding(crf=8)) as writer:
        if sound:
            writer.write_audio(np.zeros(round(16_000 * COUNT / 25), np.float32))
        for picture in pictures():
            writer.write_frames(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)[None])
    return path


def meshes(path: Path) -> np.ndarray:
    """(COUNT, 478, 3): what the embedded face backend sees in the film."""
    *_, last = track(MediapipeFace(), TrackRequest(np.fromfile(path, np.uint8), FPS, COUNT))
    assert last.meshes is not None
    return last.meshes


def frames(found: np.ndarray, count: int) -> Iterator[FilmFrame]:
    """The film forwards, again and again."""
    for number in range(count):
        mesh = found[number % COUNT]
        yield FilmFrame(pictures()[number % COUNT], mesh if np.isfinite(mesh).all() else None)
