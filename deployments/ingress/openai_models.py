"""/v1/models, and what the model names of OpenAI's requests mean here.

A model is an enabled backend: `voice-espeak`, or `espeak` where the route says which capability is meant.
OpenAI's own names mean the default backend of the capability, so that a client works by changing its base URL.
"""

from __future__ import annotations

import re
import time
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path

from deployments.ingress.answers import THEIR_ERRORS, Described
from deployments.operations import Operations
from pipeline.contracts import Capability, Contract
from pipeline.errors import NotFound

OWNER: Final = "mouthpiece"

THEIRS: Final = {
    "voice": re.compile(r"tts-1(-.+)?|gpt-[\w.]+(-mini)?-tts(-.+)?"),
    "avatar": re.compile(r"dall-e-.+|gpt-image-.+|chatgpt-image-.+"),
    "lipsync": re.compile(r"sora-.+"),
    "transcribe": re.compile(r"whisper-1|gpt-[\w.]+(-mini)?-transcribe(-.+)?"),
}
"""OpenAI's model names by the capability that answers for them: tts-1-hd, gpt-4o-mini-tts-2025-12-15, dall-e-3 ..."""
EXAMPLES: Final = {
    "voice": "tts-1, tts-1-hd, gpt-4o-mini-tts",
    "avatar": "gpt-image-2, dall-e-3",
    "lipsync": "sora-2, sora-2-pro",
    "transcribe": "whisper-1, gpt-4o-transcribe",
}

IGNORED: Final = "X-Mouthpiece-Ignored"
"""Header of an answer that names the accepted parameters that no backend here can follow."""


class Model(Described):
    id: str
    """`<capability>-<backend>`."""
    object: Literal["model"] = "model"
    created: int
    """Unix seconds at which this server began to offer it."""
    owned_by: str = OWNER


class ModelPage(Contract):
    object: Literal["list"] = "list"
    data: list[Model]


class Usage(Described):
    """Models here have no tokens: a character that goes in counts as one, and so does a piece that comes out."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


def usage(text: str, pieces: int) -> Usage:
    """Of a request with `text` that was answered with so many pieces of sound, or pictures."""
    return Usage(input_tokens=len(text), output_tokens=pieces, total_tokens=len(text) + pieces)


async def backend_of(operations: Operations, capability: Capability, model: str | None) -> str:
    """The enabled backend that `model` means; None is the default one.

    Raises `NotFound` with code model_not_found, listing the valid names.
    """
    enabled = (await operations.models())[capability]
    if model is None or THEIRS[capability].fullmatch(model):
        return enabled[0]
    name = model.removeprefix(f"{capability}-")
    if name in enabled:
        return name
    raise _missing(model, [f"{capability}-{name}" for name in enabled], EXAMPLES[capability])


def ignored(*names: str | None) -> dict[str, str]:
    """The header that says which parameters were not followed; None stands for one that was not given."""
    given = [name for name in names if name is not None]
    return {IGNORED: ", ".join(given)} if given else {}


def _missing(model: str, valid: list[str], examples: str = "") -> NotFound:
    listed = ", ".join(valid) + (f"; {examples} and the like for the first" if examples else "")
    return NotFound(f"There is no model {model[:100]!r} here.", code="model_not_found", field="model", accepted=listed)


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/v1/models", tags=["openai"], responses=THEIR_ERRORS)
    began = int(time.time())

    async def offered() -> dict[str, Model]:
        enabled = await operations.models()
        names = [f"{capability}-{name}" for capability, backends in enabled.items() for name in backends]
        return {name: Model(id=name, created=began) for name in names}

    @routes.get("")
    async def models() -> ModelPage:
        """Enabled backends of every capability."""
        return ModelPage(data=list((await offered()).values()))

    @routes.get("/{model}")
    async def model(model: Annotated[str, Path(description="As in the list: `voice-espeak`")]) -> Model:
        """One enabled backend."""
        found = await offered()
        if model not in found:
            raise _missing(model, list(found))
        return found[model]

    return routes
