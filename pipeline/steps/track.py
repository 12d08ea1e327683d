"""The face in every frame of a film, found in one place: only the film's file travels there, and points come back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Tracked, TrackRequest
from pipeline.errors import UnusableFace
from pipeline.media.footage import footage_facts, footage_frames
from pipeline.media.steadying import steadied
from pipeline.models import FaceModel
from pipeline.steps.enlarge import TOLD
from pipeline.storage.scratch import scratch

POINTS: Final = 478
"""Of a face mesh."""


def track(model: FaceModel, request: TrackRequest) -> Iterator[Tracked]:
    """Runs inside the face replica: progress, then the meshes. One frame is in memory at a time.

    A frame that the model refuses has no face here. Raises `UnusableFace`, field `video`, with the commonest reason
    where that is all of them, and what `footage_frames` raises.
    """
    found: list[NDArray[np.float64] | None] = []
    refused: Counter[str] = Counter()
    told = time.perf_counter()
    with scratch() as folder:
        source = folder / "source"
        request.data.tofile(source)
        facts = footage_facts(source, max_pixels=1 << 40, max_seconds=float("inf"))
        for picture in footage_frames(source, replace(facts, fps=request.fps), max_frames=request.max_frames):
            try:
                found.append(model.locate(picture).landmarks.astype(np.float64))
            except UnusableFace as error:
                found.append(None)
                refused[error.code] += 1
            if time.perf_counter() - told >= TOLD:
                told = time.perf_counter()
                yield Tracked(len(found))
    if refused.total() == len(found):
        code, _ = refused.most_common(1)[0]
        raise UnusableFace(
            f"None of the film's {len(found)} frames has a face that can talk, mostly for this: {code}.",
            code=code,
            field="video",
            accepted="a film of one face that looks into the camera",
        )
    yield Tracked(len(found), packed(found))


def packed(meshes: list[NDArray[np.float64] | None]) -> NDArray[np.float32]:
    """(n, 478, 3), steadied over time, NaN where there is none. Depth is as the model said it."""
    array = np.full((len(meshes), POINTS, 3), np.nan, np.float32)
    for number, mesh in enumerate(steadied(meshes)):
        if mesh is not None:
            array[number] = mesh
    return array
