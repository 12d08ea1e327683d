"""All that moves in a portrait that talks: the mouth, the loudness that the head follows, lids and gaze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.meshwarp.eyes import Gaze, Looks
from deployments.backends.lipsync.meshwarp.head import head_poses, loudness
from deployments.backends.lipsync.mouth import CHANNELS, MouthTrack
from deployments.backends.lipsync.visemes.track import mouth_track
from deployments.backends.lipsync.windows import Remembered, Windows
from pipeline.contracts import Speech, StretchRequest


@dataclass(frozen=True, slots=True)
class Moves:
    """What moves in a run of frames."""

    first: int
    mouth: MouthTrack
    looks: Looks
    head: NDArray[np.float32] | None
    """(frames, moves) as `head_poses` makes them; None where the head is held still."""


class Motion:
    """The one motion of a video, whichever stretch of it is made: the same frame moves the same in all of them."""

    def __init__(self, request: StretchRequest, remembered: Remembered | None = None) -> None:
        self._request = request.animation
        self._heard = Windows(request, self._curves, remembered)
        self._gaze = Gaze(request.animation)

    def run(self, first: int, count: int) -> Moves:
        """Frames `first` to `first + count`."""
        request, curves = self._request, self._heard.rows(first, count)
        mouth = MouthTrack(curves[:, : len(CHANNELS)], request.fps)
        head = head_poses(request, curves[:, -1], first) if request.head_motion > 0 else None
        return Moves(first, mouth, self._gaze.run(first, count), head)

    def _curves(self, speech: Speech, count: int) -> NDArray[np.float32]:
        fps = self._request.fps
        values = mouth_track(speech, fps, count).values
        return np.column_stack([values, loudness(speech, fps, count)])
