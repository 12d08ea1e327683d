"""dub: a film whose face says something else, from the film, its face in every frame, and the speech."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pipeline.contracts import DubRequest, Encoding, Extension
from pipeline.contracts.words import Contract, VideoFormat
from pipeline.graph import Node
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.nodes.enlarge import film_facts
from pipeline.nodes.receive import received
from pipeline.nodes.speech import heard
from pipeline.storage.parcels import unpack_meshes


class Dubbing(Contract):
    """Parameters of the node: those of `DubRequest` and `Encoding`."""

    fps: str
    """A fraction: 25, 30000/1001."""
    extend: Extension = "bounce"
    format: VideoFormat = "mp4"
    preset: str
    crf: int
    language: str


async def dub(node: Node, inputs: Inputs, bench: Bench, tell: Tell) -> Output:
    """`video`, `track` (its meshes), and `speech` or `audio`. Raises what `heard` and `footage_facts` raise."""
    wanted = Dubbing.model_validate(node.parameters)
    fps = Fraction(wanted.fps)
    facts = await film_facts(bench, inputs, fps)
    request = DubRequest(
        np.frombuffer(await inputs.one("video"), np.uint8),
        unpack_meshes(await inputs.one("track")),
        await heard(inputs, bench.settings.limits, wanted.language),
        fps,
        wanted.extend,
    )
    total = request.frame_count
    tell(0, total)
    pieces = bench.models.dub(node.backend, request, Encoding(wanted.format, wanted.preset, wanted.crf))
    stored = await received(pieces, total, bench, tell)
    return Output(
        stored,
        {
            "seconds": total / float(fps),
            "frames": total,
            "fps": float(fps),
            "size": min(facts.width, facts.height),
            "width": facts.width,
            "height": facts.height,
            "format": wanted.format,
        },
    )
