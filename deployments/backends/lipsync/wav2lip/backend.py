"""lipsync-wav2lip: the published Wav2Lip network makes a still photo talk, or the face of a film.

Its mouth is pasted softly into the picture. A still photo's eyes and head are moved as those of lipsync-meshwarp.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deployments.backends import device
from deployments.backends.lipsync.kept import Kept
from deployments.backends.lipsync.limits import check
from deployments.backends.lipsync.meshwarp.eyes import Gaze
from deployments.backends.lipsync.meshwarp.head import head_poses, loudness
from deployments.backends.lipsync.wav2lip.hearing import Hearing, heard
from deployments.backends.lipsync.wav2lip.scene import Scene
from deployments.backends.lipsync.wav2lip.shot import Shot
from deployments.backends.lipsync.wav2lip.windows import starts, windows
from deployments.backends.lipsync.windows import Windows
from deployments.backends.precision import Precision
from deployments.backends.published import licences
from deployments.backends.published.catalogue import find
from deployments.backends.published.location import located
from pipeline.contracts import AnimationRequest, FilmFrame, Frames, Speech, StretchRequest


class Wav2Lip:
    """Implements `pipeline.models.StretchingModel` and `pipeline.models.DubbingModel`.

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
        return self.stretch(StretchRequest(request, 0, 0, request.frame_count))

    def stretch(self, request: StretchRequest) -> Iterator[Frames]:
        """Raises as `animate` does, and `ValueError` where less of the sound was given with it than is promised.

        The network's sums may go another way in a batch of another size. So batches are those of the whole video, each
        of the same size: of those at both ends of the stretch, frames beyond it are thrown away.
        """
        asked = request.animation
        check(asked)
        hearing, loud = Hearing(request, self._offset), Windows(request, partial(_loud, asked.fps))
        scene, gaze = self._scenes.of(asked), Gaze(asked)
        size, end = min(self._batch, max(1, round(asked.fps / 2))), request.first + request.frame_count
        for batch in range(request.first // size * size, end, size):
            first = max(batch, request.first)
            count = min(batch + size, end) - first
            level = loud.rows(first, count)[:, 0]
            faces = self._inference.faces(hearing.windows(batch, size), scene.seen)[first - batch :][:count]
            turns = head_poses(asked, level, first) if asked.head_motion > 0 else None
            yield Frames(first, scene.draw(faces, gaze.run(first, count), turns))

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


def _loud(fps: Fraction, speech: Speech, count: int) -> NDArray[np.float32]:
    return loudness(speech, fps, count)[:, None]


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
