"""film: the talking video itself, from the sentences and the portrait."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from fractions import Fraction

import numpy as np

from pipeline.contracts import AnimationRequest, Encoding, Speech, frame_count
from pipeline.contracts.words import Contract, VideoFormat
from pipeline.graph import Node
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.nodes.passages import WHOLE_SECONDS, PassageFilm, one, spoken, spoken_samples
from pipeline.nodes.receive import received
from pipeline.nodes.sound import Sound
from pipeline.nodes.speech import check_length, heard
from pipeline.storage.parcels import Portrait, unpack_portrait


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

    def silent(self, portrait: Portrait, digest: str) -> AnimationRequest:
        """What is asked of a backend, before anything is said. `digest` is that of the artifact with the portrait."""
        return AnimationRequest(
            portrait.picture,
            portrait.face,
            Speech(np.zeros(0, np.float32), 1, None, self.language),
            self.size,
            Fraction(self.fps),
            self.seed,
            self.head_motion,
            self.blink,
            digest,
        )


async def film(node: Node, inputs: Inputs, bench: Bench, tell: Tell) -> Output:
    """`portrait`, and `speech` (sentences in order) or `audio` (a recording, of which `transcript`
    may say what is said in it, and when). Raises what `heard` raises.

    A long one is made in passages, where its backend makes stretches and `inputs` has where they can be kept.
    """
    shot = Shot.model_validate(node.parameters)
    fps, encoding = Fraction(shot.fps), Encoding(shot.format, shot.preset, shot.crf)
    portrait = shot.silent(unpack_portrait(await inputs.one("portrait")), *inputs.digests["portrait"])
    speech = await heard(inputs, bench.settings.limits, shot.language) if "audio" in inputs else None
    if speech is None:
        samples, rate = await spoken_samples(inputs)
        check_length(samples / rate, bench.settings.limits, field="text")
    else:
        samples, rate = len(speech.samples), speech.sample_rate
    total = frame_count(samples, rate, fps)
    stretches = shot.format == "mp4" and node.backend in bench.models.stretching()
    if stretches and inputs.passages is not None and total > WHOLE_SECONDS * fps:
        making = PassageFilm(node.backend, portrait, encoding, total, bench, tell)
        async with aclosing(spoken(inputs) if speech is None else one(speech)) as parts:
            stored = await making.made(Sound(parts, sentences=speech is None), inputs.passages)
    else:
        speech = speech or await heard(inputs, bench.settings.limits, shot.language)
        tell(0, total)
        pieces = bench.models.film(node.backend, replace(portrait, speech=speech), encoding)
        stored = await received(pieces, total, bench, tell)
    return Output(
        stored,
        {
            "seconds": total / float(fps),
            "frames": total,
            "fps": float(fps),
            "size": shot.size,
            "format": shot.format,
        },
    )
