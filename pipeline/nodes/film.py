"""film: the talking video itself, from the sentences and the portrait."""

from __future__ import annotations

from fractions import Fraction

from pipeline.contracts import AnimationRequest, Encoding
from pipeline.contracts.words import Contract, VideoFormat
from pipeline.graph import Node
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.nodes.receive import received
from pipeline.nodes.speech import heard
from pipeline.storage.parcels import unpack_portrait


class Shot(Contract):
    """Parameters of the node: those of `AnimationRequest` and `Encoding`."""

    size: int
    fps: str
    """A fraction: 25, 30000/1001."""
    seed: int = 0
    head_motion: float = 1.0
    blink: bool = True
    format: VideoFormat = "mp4"
    preset: str
    crf: int
    language: str


async def film(node: Node, inputs: Inputs, bench: Bench, tell: Tell) -> Output:
    """`portrait`, and `speech` (sentences in order) or `audio` (a recording, of which `transcript`
    may say what is said in it, and when). Raises what `heard` raises."""
    shot = Shot.model_validate(node.parameters)
    portrait = unpack_portrait(await inputs.one("portrait"))
    speech = await heard(inputs, bench.settings.limits, shot.language)
    animation = AnimationRequest(
        portrait.picture,
        portrait.face,
        speech,
        shot.size,
        Fraction(shot.fps),
        shot.seed,
        shot.head_motion,
        shot.blink,
    )
    total = animation.frame_count
    tell(0, total)
    pieces = bench.models.film(node.backend, animation, Encoding(shot.format, shot.preset, shot.crf))
    stored = await received(pieces, total, bench, tell)
    return Output(
        stored,
        {
            "seconds": total / float(animation.fps),
            "frames": total,
            "fps": float(animation.fps),
            "size": shot.size,
            "format": shot.format,
        },
    )
