"""speak: one sentence, said with one voice."""

from __future__ import annotations

import numpy as np

from pipeline.contracts import Speech, SpeechRequest
from pipeline.contracts.words import Contract
from pipeline.errors import InvalidText
from pipeline.graph import Node
from pipeline.nodes.bench import Bench, Inputs, Output, TellSpeech
from pipeline.storage.parcels import pack_speech, unpack_conditioning, unpack_tint


class Sentence(Contract):
    """Parameters of the node: those of `SpeechRequest`."""

    text: str
    language: str
    voice: str | None = None
    speed: float = 1.0
    pitch: float = 0.0


async def speak(node: Node, inputs: Inputs, bench: Bench, tell: TellSpeech) -> Output:
    """`tint`, where given, colours the voice; `conditioning` is whose voice it is. Says it as the middle of a text,
    pause and all, so that it is the same sentence wherever it stands; the end of the text is cut by whoever joins it.
    What the voice finds nothing to say in is silence, as it is in the middle of a text. Each part is told as the voice
    makes it, and what is kept is all of them, joined."""
    said = Sentence.model_validate(node.parameters)
    tint = unpack_tint(await inputs.one("tint")) if "tint" in inputs else None
    conditioning = unpack_conditioning(await inputs.one("conditioning")) if "conditioning" in inputs else None
    request = SpeechRequest(
        said.text,
        said.language,
        said.voice,
        tint,
        said.speed,
        said.pitch,
        final=False,
        conditioning=conditioning,
    )
    parts: list[Speech] = []
    try:
        async for part in bench.models.speak(node.backend, request):
            parts.append(part)
            tell.said(part)
        speech = Speech.join(parts)
    except InvalidText as error:
        if error.code != "nothing_to_say" or parts:
            raise
        speech = Speech(np.zeros(0, np.float32), 1, (), said.language)
    stored = await bench.keep(pack_speech(speech))
    return Output(stored, {"seconds": round(speech.seconds, 4), "sample_rate": speech.sample_rate})
