"""track: where the face is in every frame of a film. One film is looked at once, whatever it is to say."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pipeline.contracts import TrackRequest
from pipeline.contracts.words import Contract
from pipeline.errors import BackendFailed
from pipeline.graph import Node
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.nodes.enlarge import film_facts
from pipeline.storage.parcels import pack_meshes


class Look(Contract):
    """Parameters of the node."""

    fps: str
    """A fraction: 25, 30000/1001."""


async def track(node: Node, inputs: Inputs, bench: Bench, tell: Tell) -> Output:
    """`video`: a film, uploaded or made by the node before.

    Raises `UnusableFace` where no frame has a face, and what `footage_facts` raises, field `video`.
    """
    fps = Fraction(Look.model_validate(node.parameters).fps)
    facts = await film_facts(bench, inputs, fps)
    total, made, meshes = facts.frame_count, 0, None
    request = TrackRequest(
        np.frombuffer(await inputs.one("video"), np.uint8), fps, int(bench.settings.limits.video_seconds * fps) + 1
    )
    tell(0, total)
    async for news in bench.models.track(node.backend, request):
        made, meshes = news.frames, news.meshes
        tell(made, max(total, made))
    if meshes is None:
        raise BackendFailed(f"face-{node.backend} looked at {made} frames and did not say what it saw.")
    with_face = int(np.isfinite(meshes).all(axis=(1, 2)).sum())
    return Output(await bench.keep(pack_meshes(meshes)), {"frames_seen": made, "frames_with_face": with_face})
