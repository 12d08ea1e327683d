"""A film that is to say something: decoded, changed and encoded in one place, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.contracts import DubRequest, Encoding, Film, FilmFrame
from pipeline.media.footage import FootageFacts, footage_facts
from pipeline.media.playing import played
from pipeline.models import DubbingModel
from pipeline.steps.film import encoded
from pipeline.storage.scratch import scratch


def dub(model: DubbingModel, request: DubRequest, encoding: Encoding) -> Iterator[Film]:
    """Runs inside the lip-sync replica: progress as frames are encoded, then the file in pieces.

    Memory does not grow with the film, nor with the speech. Closing the iterator stops the work and removes what was
    written. Raises what the model and `played` raise.
    """
    with scratch() as folder:
        source = folder / "source"
        request.data.tofile(source)
        facts = footage_facts(source, max_pixels=1 << 40, max_seconds=float("inf"))
        made = model.dub(_frames(source, replace(facts, fps=request.fps), request), request.speech, request.fps)
        yield from encoded(made, (facts.width, facts.height), request.fps, encoding, request.speech)


def _frames(source: Path, facts: FootageFacts, request: DubRequest) -> Iterator[FilmFrame]:
    meshes = request.meshes
    for number, picture in played(source, facts, request.frame_count, request.extend, max_frames=len(meshes)):
        mesh = meshes[number]
        yield FilmFrame(picture, mesh if np.isfinite(mesh).all() else None)
