"""Enlarges a film in one place: read, enlarged, steadied and encoded frame by frame, its sound taken over."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2
import numpy as np

from pipeline.contracts import EnlargeRequest, Film, Picture, UpscaleRequest
from pipeline.media.footage import footage_facts, footage_frames
from pipeline.media.remux import joined
from pipeline.media.video import VideoWriter
from pipeline.models import UpscaleModel
from pipeline.steps.film import PIECE
from pipeline.steps.steady import Steady
from pipeline.storage.scratch import scratch

TOLD = 0.5
"""Seconds between two pieces of news, at least."""


def enlarge(model: UpscaleModel, request: EnlargeRequest) -> Iterator[Film]:
    """Runs inside the upscale replica: progress as frames are encoded, then the file in pieces.

    One frame is in memory at a time, however long the film is. Closing the iterator stops the work and removes what
    was written. Raises what the model and `footage_frames` raise.
    """
    enlarging = writing = 0.0
    with scratch() as folder:
        source, silent, whole = (folder / name for name in ("source", "silent", "whole"))
        request.data.tofile(source)
        facts = footage_facts(source, max_pixels=1 << 40, max_seconds=float("inf"))
        steady, done, told = Steady(), 0, time.perf_counter()
        size = (request.width, request.height)
        with VideoWriter(silent, size=size, fps=facts.fps, encoding=request.encoding) as writer:
            for picture in footage_frames(source, facts, max_frames=request.max_frames):
                mark = time.perf_counter()
                large = steady(picture, model.upscale(UpscaleRequest(picture, *size)))
                made = time.perf_counter()
                writer.write_frames(_planes(large))
                done += 1
                written = time.perf_counter()
                enlarging += made - mark
                writing += written - made
                if written - told >= TOLD:
                    told = written
                    yield Film(done)
        mark = time.perf_counter()
        joined(silent, source, whole, request.encoding.format, done / facts.fps)
        writing += time.perf_counter() - mark
        yield Film(done)
        with whole.open("rb") as file:
            while piece := file.read(PIECE):
                yield Film(done, piece)
        yield Film(done, b"", {"upscale": enlarging, "encode": writing})


def _planes(picture: Picture) -> np.ndarray:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2YUV_I420), np.uint8)[None]
