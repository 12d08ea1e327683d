"""transcribe: the words of a recording, or of what was spoken here, with their times."""

from __future__ import annotations

import numpy as np

from pipeline.contracts import Transcript
from pipeline.contracts.words import Contract
from pipeline.errors import InvalidAudio, InvalidText
from pipeline.graph import Node
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.nodes.speech import said
from pipeline.steps.transcribe import transcribed, worded
from pipeline.storage.parcels import pack_transcript, unpack_speech
from pipeline.text import joined


class Wording(Contract):
    """Parameters of the node: what is said, as far as that is known."""

    text: str | None = None
    """Of `audio`."""
    sentences: tuple[str, ...] = ()
    """Of `speech`, each by itself."""
    language: str | None = None
    needed: bool = True
    """Whether `audio` in which nobody is heard to speak is refused, or has no words."""


async def transcribe(node: Node, inputs: Inputs, bench: Bench, _: Tell) -> Output:
    """Of `audio`, a recording, or of `speech`, sentences in order, which have their times from the voice itself where
    it gave any. Raises what `transcribed` raises."""
    wanted = Wording.model_validate(node.parameters)
    if "audio" in inputs:
        audio = await inputs.one("audio")
        limits = bench.settings.limits
        found = transcribed(bench.models, node.backend, audio, limits, text=wanted.text, language=wanted.language)
        try:
            transcript = (await found)[0]
        except InvalidAudio as error:
            if wanted.needed or error.code != "no_speech":
                raise
            transcript = Transcript("", wanted.language or "und", (), None, 0.0, 1.0)
    else:
        transcript = await _own(node.backend, wanted, inputs, bench)
    stored = await bench.keep(pack_transcript(transcript))
    return Output(
        stored,
        {"words": len(transcript.words), "language": transcript.language, "confidence": transcript.confidence},
    )


async def _own(backend: str, wanted: Wording, inputs: Inputs, bench: Bench) -> Transcript:
    parts = [unpack_speech(data) for data in await inputs.each("speech")]
    spoken = [
        await worded(bench.models, backend, part, text) for part, text in zip(parts, wanted.sentences, strict=True)
    ]
    speech = said(spoken)
    words = speech.words or ()
    if not words:
        raise InvalidText("Nothing is said in words.", code="nothing_to_say", field="text", accepted="text with words")
    sure = float(np.mean([word.confidence for word in words]))
    return Transcript(joined(word.text for word in words), speech.language, words, speech.phonemes, sure)
