"""draw: a portrait from words."""

from __future__ import annotations

from pydantic import TypeAdapter

from pipeline.contracts import PortraitRequest
from pipeline.graph import Node
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.storage.parcels import pack_picture

_PORTRAIT = TypeAdapter(PortraitRequest)


async def draw(node: Node, _: Inputs, bench: Bench, __: Tell) -> Output:
    """Parameters are those of `PortraitRequest`."""
    picture = await bench.models.draw(node.backend, _PORTRAIT.validate_python(node.parameters))
    height, width = picture.shape[:2]
    return Output(await bench.keep(pack_picture(picture)), {"width": width, "height": height})
