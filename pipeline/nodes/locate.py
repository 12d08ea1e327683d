"""locate: the face of a picture, and the square around it that will talk."""

from __future__ import annotations

import asyncio

from pipeline.graph import Node
from pipeline.media.image import decode_picture
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.steps.locate import cut
from pipeline.storage.parcels import pack_portrait, unpack_picture


async def locate(node: Node, inputs: Inputs, bench: Bench, _: Tell) -> Output:
    """`photo`: an image file, or `picture`: what `draw` made.

    Raises `InvalidImage` or `UnusableFace` with the reason, field `portrait`.
    """
    if "photo" in inputs:
        data, limit = await inputs.one("photo"), bench.settings.limits.image_pixels
        picture = await asyncio.to_thread(decode_picture, data, field="portrait", max_pixels=limit)
    else:
        picture = unpack_picture(await inputs.one("picture"))
    portrait = cut(picture, await bench.models.locate(node.backend, picture))
    facts = {"quality": round(portrait.face.quality, 4), "side": portrait.picture.shape[0]}
    return Output(await bench.keep(pack_portrait(portrait)), facts)
