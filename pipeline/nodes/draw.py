"""draw: a portrait from words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import JsonValue

from pipeline.contracts import Drawing, PortraitRequest
from pipeline.errors import renamed
from pipeline.graph import Node
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.steps import draw as drawn
from pipeline.storage.parcels import pack_picture

FIELDS = {name: f"drawing.{name}" for name in Drawing.model_fields}
"""A request for a film says under `drawing` how its portrait is drawn."""


class Commission(Drawing):
    """Parameters of the node: those of `PortraitRequest`, and who looks at what is drawn."""

    prompt: str
    size: int
    seed: int
    face: str | None = None
    """The face backend that has to find a usable face in it; None where nobody looks."""
    face_version: str | None = None
    """Its fingerprint: which picture is taken depends on it."""
    attempts: int = 1

    def request(self) -> PortraitRequest:
        options: dict[str, Any] = {name: getattr(self, name) for name in FIELDS}
        return PortraitRequest(self.prompt, self.size, self.seed, **options)


async def draw(node: Node, _: Inputs, bench: Bench, __: Tell) -> Output:
    """Raises `UnusableFace`, code no_usable_face, where there is none in any of the pictures that may be drawn."""
    commission = Commission.model_validate(node.parameters)
    request = commission.request()
    with renamed(**FIELDS):
        if commission.face is None:
            result = drawn.Drawn(await bench.models.draw(node.backend, request), request.seed)
        else:
            result = await drawn.draw(bench.models, node.backend, request, commission.face, commission.attempts)
    height, width = result.picture.shape[:2]
    refused: list[JsonValue] = [asdict(each) for each in result.refused]
    facts: dict[str, JsonValue] = {"width": width, "height": height, "seed": result.seed, "refused": refused}
    return Output(await bench.keep(pack_picture(result.picture)), facts)
