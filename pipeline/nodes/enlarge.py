"""enlarge: a film in more pixels, with its sound."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from fractions import Fraction

import numpy as np

from pipeline.contracts import Encoding, EnlargeRequest
from pipeline.contracts.words import Contract, VideoFormat
from pipeline.graph import Node
from pipeline.media.footage import FootageFacts, footage_facts
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.nodes.receive import received


class Enlargement(Contract):
    """Parameters of the node: how much, and those of `Encoding`."""

    factor: float
    format: VideoFormat = "mp4"
    preset: str
    crf: int


async def enlarge(node: Node, inputs: Inputs, bench: Bench, tell: Tell) -> Output:
    """`video`: a film, uploaded or made by the node before. Raises what `footage_facts` raises, field `video`."""
    wanted = Enlargement.model_validate(node.parameters)
    limits = bench.settings.limits
    facts = await film_facts(bench, inputs)
    data = await inputs.one("video")
    width, height = enlarged_size(facts.width, facts.height, wanted.factor)
    total = facts.frame_count
    request = EnlargeRequest(
        np.frombuffer(data, np.uint8),
        width,
        height,
        int(limits.video_seconds * facts.fps) + 1,
        Encoding(wanted.format, wanted.preset, wanted.crf),
    )
    tell(0, total)
    frames = 0

    def told(made: int, total: int, *, sure: bool = True) -> None:
        nonlocal frames
        frames = max(frames, made)
        tell(made, max(total, made), sure=sure)

    stored = await received(bench.models.enlarge(node.backend, request), total, bench, told)
    fps = float(facts.fps)
    return Output(
        stored,
        {
            "seconds": frames / fps,
            "frames": frames,
            "fps": fps,
            "size": min(width, height),
            "width": width,
            "height": height,
            "format": wanted.format,
        },
    )


def enlarged_size(width: int, height: int, factor: float) -> tuple[int, int]:
    """Even, as encoders need it."""
    return 2 * round(width * factor / 2), 2 * round(height * factor / 2)


async def film_facts(bench: Bench, inputs: Inputs, fps: Fraction | None = None) -> FootageFacts:
    """Of the film that a node is made from, looked at in `fps` frames a second where given."""
    (digest,) = inputs.digests["video"]
    facts = await asyncio.to_thread(_facts, bench, digest)
    return facts if fps is None else replace(facts, fps=fps)


def _facts(bench: Bench, digest: str) -> FootageFacts:
    limits = bench.settings.limits
    with bench.artifacts.local(digest) as path:
        return footage_facts(path, max_pixels=limits.image_pixels, max_seconds=limits.video_seconds)
