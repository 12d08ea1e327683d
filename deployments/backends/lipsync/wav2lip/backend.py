"""lipsync-wav2lip: the published Wav2Lip network makes a still photo talk, or the face of a film.

Its mouth is pasted softly into the picture. A still photo's eyes and head are moved as those of lipsync-meshwarp.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from deployments.backends import device
from deployments.backends.lipsync.kept import Kept
from deployments.backends.lipsync.limits import check
from deployments.backends.lipsync.meshwarp.eyes import Gaze
from deployments.backends.lipsync.meshwarp.head import head_poses, loudness
from deployments.backends.lipsync.wav2lip.mel import HOP, RATE, mel
from deployments.backends.lipsync.wav2lip.scene import Scene
from deployments.backends.lipsync.wav2lip.shot import Shot
from deployments.backends.lipsync.wav2lip.windows import STEPS, starts, windows
from deployments.backends.precision import Precision
from deployments.backends.published import licences
from deployments.backends.published.catalogue import find
from deployments.backends.published.location import located
from pipeline.contracts import AnimationRequest, FilmFrame, Frames, Speech
from pipeline.errors import InvalidRequest
from pipeline.media.resampler import Resampler

AFTER: Final = STEPS * HOP
"""Samples of silence after the sound, so that the last frames have a window of their own and the mouth closes."""


class Wav2Lip:
    """Implements `pipeline.models.DubbingModel`.

    `model` is the published one, `weights` a file of one's own in either published format, or a folder that has the
    published file under its name. `audio_offset` is in seconds: a frame's window of sound begins so much after the
    frame. -0.04 is as the network was trained, 0 as the authors' own program runs it; more makes the lips earlier.
    `batch_frames` is the most that the network makes at once: it is small, and so may be more than a large one's.
    `precision` auto is float16 on a card, on a CPU bfloat16 where it has instructions for it, otherwise float32.
    `threads` are those of the network on a CPU. `avatars` is how many portraits are kept ready, some 10 MB each at 512
    pixels.
    """

    def __init__(
        self,
        *,
        model: Literal["wav2lip-gan", "wav2lip"] = "wav2lip-gan",
        weights: str = "",
        audio_offset: float = -0.04,
        batch_frames: int = 16,
        precision: Precision = "auto",
        threads: int = 2,
        avatars: int = 16,
    ) -> None:
        """Raises `MissingWeights`, `Damaged` and `SettingsError` about the weights, `ValueError` about the others."""
        for name, value in (("batch_frames", batch_frames), ("threads", threads)):
            if value < 1:
                raise ValueError(f"{name} is {value}, not at least 1")
        if not -1 <= audio_offset <= 1:
            raise ValueError(f"audio_offset is {audio_offset} s, not from -1 to 1")
        self._scenes = Kept(lambda request: Scene(request, self._inference), avatars)
        import torch

        from deployments.backends.lipsync.wav2lip.inference import Inference
        from deployments.backends.lipsync.wav2lip.network import Generator
        from deployments.backends.published.tensors import fill, read_tensors

        self._offset = Fraction(audio_offset).limit_denominator(1_000_000)
        self._batch = batch_frames
        card = device.current()
        if card.name == "cpu":
            torch.set_num_threads(threads)
        path = _file(model, weights)
        network = Generator()
        fill(network, read_tensors(path), path)
        self._inference = Inference(network, card.name, precision)

    def animate(self, request: AnimationRequest) -> Iterator[Frames]:
        """Raises `InvalidRequest` before the first chunk where sound, size, face or options can't be used."""
        check(request)
        sound = heard(request.speech)
        scene, gaze = self._scenes.of(request), Gaze(request)
        loud = loudness(request.speech, request.fps, request.frame_count)
        first = starts(request.frame_count, request.fps, sound.shape[1], self._offset)
        length = max(1, round(request.fps / 2))
        for begin in range(0, request.frame_count, length):
            planes: list[NDArray[np.uint8]] = []
            for at, part in _batches(first[begin : begin + length], self._batch):
                here, count = begin + at, len(part)
                faces = self._inference.faces(windows(sound, part), scene.seen)
                turns = head_poses(request, loud[here : here + count], here) if request.head_motion > 0 else None
                planes.append(scene.draw(faces, gaze.run(here, count), turns))
            yield Frames(begin, np.concatenate(planes))

    def dub(self, frames: Iterator[FilmFrame], speech: Speech, fps: Fraction) -> Iterator[Frames]:
        """As many frames as the network makes at once come out together, and are in memory together."""
        sound, count = heard(speech), speech.frame_count(fps)
        for begin, first in _batches(starts(count, fps, sound.shape[1], self._offset), self._batch):
            shots = [Shot.of(frame) for frame in islice(frames, len(first))]
            speaking = [at for at, shot in enumerate(shots) if shot.region is not None]
            if speaking:
                looks = np.stack([shots[at].shown for at in speaking])
                for at, face in zip(
                    speaking, self._inference.spoken(windows(sound, first[speaking]), looks), strict=True
                ):
                    shots[at].put(face)
            yield Frames(begin, np.stack([shot.planes for shot in shots]))


def heard(speech: Speech) -> NDArray[np.float32]:
    """(80, frames) mel of the sound and of a little silence after it. Raises `InvalidRequest` where it is no sound."""
    if not np.isfinite(speech.samples).all():
        raise InvalidRequest("The speech holds values that are no numbers.", field="speech", accepted="finite samples")
    resampler = Resampler(speech.sample_rate, RATE)
    parts = [resampler.feed(speech.samples), resampler.finish(), np.zeros(AFTER, np.float32)]
    return mel(np.concatenate(parts))


def _batches(first: NDArray[np.int64], most: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    for at in range(0, len(first), most):
        yield at, first[at : at + most]


def _file(model: str, weights: str) -> Path:
    """The file with the network. Raises what `located` raises."""
    own = Path(weights).expanduser()
    if weights and own.is_file():
        licences.check(find(model))
        return own
    return located(model, weights) / find(model).files[0].path
