"""move: a film of a picture, by a camera that moves over it, or by a model that brings it to life."""

from __future__ import annotations

import asyncio
from fractions import Fraction

from pipeline.contracts import Camera, Encoding, MotionRequest, Picture
from pipeline.contracts.words import Contract, VideoFormat
from pipeline.graph import Node
from pipeline.media.image import decode_picture
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.nodes.receive import received
from pipeline.nodes.speech import heard
from pipeline.storage.parcels import unpack_picture


class Movement(Contract):
    """Parameters of the node: those of `MotionRequest` and `Encoding`."""

    frames: int | None = None
    """None is as many as the speech that the node is given lasts."""
    fps: str
    """A fraction: 25, 30000/1001."""
    width: int
    height: int
    camera: Camera
    strength: float
    focus: tuple[float, float] = (0.5, 0.5)
    seed: int = 0
    format: VideoFormat = "mp4"
    preset: str
    crf: int
    language: str = "en"


async def move(node: Node, inputs: Inputs, bench: Bench, tell: Tell) -> Output:
    """`photo`: an image file, or `picture`: what `draw` made; `speech` or `audio` where the film is to be as long. The
    film has no sound.

    Raises `InvalidImage` (field `picture`), what `heard` raises, and `TooLarge` where the file grows past
    `limits.video_megabytes`.
    """
    movement = Movement.model_validate(node.parameters)
    fps, frames = Fraction(movement.fps), movement.frames
    if frames is None:
        frames = (await heard(inputs, bench.settings.limits, movement.language)).frame_count(fps)
    request = MotionRequest(
        await _picture(inputs, bench),
        frames,
        movement.width,
        movement.height,
        fps,
        movement.camera,
        movement.strength,
        movement.focus,
        movement.seed,
    )
    encoding = Encoding(movement.format, movement.preset, movement.crf)
    tell(0, frames)
    stored = await received(bench.models.move(node.backend, request, encoding), frames, bench, tell)
    return Output(
        stored,
        {
            "seconds": frames / float(fps),
            "frames": frames,
            "fps": float(fps),
            "size": min(movement.width, movement.height),
            "width": movement.width,
            "height": movement.height,
            "format": movement.format,
        },
    )


async def _picture(inputs: Inputs, bench: Bench) -> Picture:
    if "photo" not in inputs:
        return unpack_picture(await inputs.one("picture"))
    data, limit = await inputs.one("photo"), bench.settings.limits.image_pixels
    return await asyncio.to_thread(decode_picture, data, field="picture", max_pixels=limit)
