"""Animate and encode in one place: frames are large and the file is small, so the encoder goes to the frames."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction

from pipeline.contracts import AnimationRequest, Encoding, Film, Frames, MotionRequest, Speech
from pipeline.media.video import VideoWriter
from pipeline.models import LipsyncModel, MotionModel
from pipeline.storage.scratch import scratch

PIECE = 1 << 20
"""Bytes of the finished file sent at once."""


def film(model: LipsyncModel, request: AnimationRequest, encoding: Encoding) -> Iterator[Film]:
    """Runs inside the lip-sync replica: progress as frames are encoded, then the file in pieces.

    Closing the iterator stops the rendering and removes what was written. Raises what the model raises.
    """
    size = (request.size, request.size)
    yield from encoded(model.animate(request), size, request.fps, encoding, request.speech)


def clip(model: MotionModel, request: MotionRequest, encoding: Encoding) -> Iterator[Film]:
    """Runs inside the motion replica: the same without sound."""
    yield from encoded(model.move(request), (request.width, request.height), request.fps, encoding)


def encoded(
    frames: Iterator[Frames], size: tuple[int, int], fps: Fraction, encoding: Encoding, speech: Speech | None = None
) -> Iterator[Film]:
    """Frames of this width and height as they come, then the file that they make."""
    rendering = writing = 0.0
    with scratch() as folder:
        path = folder / f"video.{encoding.format}"
        rate = None if speech is None else speech.sample_rate
        writer = VideoWriter(path, size=size, fps=fps, sample_rate=rate, encoding=encoding)
        done = 0
        with writer:
            if speech is not None:
                writer.write_audio(speech.samples)
            mark = time.perf_counter()
            for run in frames:
                rendered = time.perf_counter()
                writer.write_frames(run.planes)
                done += len(run.planes)
                written = time.perf_counter()
                rendering += rendered - mark
                writing += written - rendered
                yield Film(done)
                mark = time.perf_counter()
        closing = time.perf_counter()
        writing += closing - mark
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield Film(done, piece)
        yield Film(done, b"", {"render": rendering, "encode": writing})
