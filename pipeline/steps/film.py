"""Animate and encode in one place: frames are large and the file is small, so the encoder goes to the frames."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.contracts import AnimationRequest, Encoding, Film
from pipeline.media.video import VideoWriter
from pipeline.models import LipsyncModel

PIECE = 1 << 20
"""Bytes of the finished file sent at once."""


def film(model: LipsyncModel, request: AnimationRequest, encoding: Encoding) -> Iterator[Film]:
    """Runs inside the lip-sync replica: progress as frames are encoded, then the file in pieces.

    Closing the iterator stops the rendering and removes what was written. Raises what the model raises.
    """
    rendering = writing = 0.0
    with tempfile.TemporaryDirectory(prefix="mouthpiece-") as folder:
        path = Path(folder) / f"video.{encoding.format}"
        speech = request.speech
        writer = VideoWriter(
            path, size=request.size, fps=request.fps, sample_rate=speech.sample_rate, encoding=encoding
        )
        done = 0
        with writer:
            writer.write_audio(speech.samples)
            mark = time.perf_counter()
            for frames in model.animate(request):
                rendered = time.perf_counter()
                writer.write_frames(frames.planes)
                done += len(frames.planes)
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
