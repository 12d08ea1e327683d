"""film: the talking video itself, from the sentences and the portrait."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from fractions import Fraction

import numpy as np

from pipeline.contracts import AnimationRequest, Encoding, Speech, frame_count
from pipeline.contracts.words import Contract, VideoFormat
from pipeline.graph import Node, digest_of
from pipeline.nodes.bench import Bench, Inputs, Output, Passages, Tell
from pipeline.nodes.passages import PassageFilm, is_long
from pipeline.nodes.receive import received
from pipeline.nodes.sentences import Sentences, one
from pipeline.nodes.sound import Sound
from pipeline.nodes.speech import check_length, heard
from pipeline.settings import Limits
from pipeline.storage.artifacts import Stored
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

    def encoding(self) -> Encoding:
        return Encoding(self.format, self.preset, self.crf)

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


async def begun(node: Node, inputs: Inputs, bench: Bench) -> None:
    """Returns when the film may be begun: when everything is spoken, or so much that it is sure to be a long one, which
    is drawn while the rest is spoken, where voice and lip-sync can be at work at the same time. Raises what
    `Sound.reach` raises."""
    if "speech" not in inputs.coming:
        return
    shot, coming = Shot.model_validate(node.parameters), inputs.coming["speech"]
    beside = [await bench.models.together(voice, node.backend) for voice in coming.voices]
    if all(beside) and _kept(node, shot, inputs, bench) is not None:
        await _long(inputs, None, Fraction(shot.fps))
    else:
        for place in range(len(coming)):
            await coming.digest(place)


async def film(node: Node, inputs: Inputs, bench: Bench, tell: Tell) -> Output:
    """`portrait`, and `speech` (sentences in order) or `audio` (a recording, of which `transcript`
    may say what is said in it, and when). Raises what `heard` raises.

    A long one is made in passages, where its backend makes stretches and `inputs` has where they can be kept; its
    sentences may come while it is made.
    """
    shot, limits = Shot.model_validate(node.parameters), bench.settings.limits
    portrait = shot.silent(unpack_portrait(await inputs.one("portrait")), *inputs.digests["portrait"])
    passages = _kept(node, shot, inputs, bench)
    speech = None
    if "audio" in inputs or passages is None:
        speech = await heard(inputs, limits, shot.language)
    if passages is not None and await _long(inputs, speech, portrait.fps):
        making = PassageFilm(node.backend, portrait, shot.encoding(), bench, tell, inputs.aside)
        if speech is None:
            stored, total = await _spoken(making, passages, inputs, portrait.fps, limits)
        else:
            making.expect(speech.frame_count(portrait.fps))
            digest = digest_of(inputs.digests["audio"], inputs.digests.get("transcript"))
            stored, total = await making.made(Sound(one(speech), sentences=False), lambda: digest, passages)
    else:
        speech = speech or await heard(inputs, limits, shot.language)
        total = speech.frame_count(portrait.fps)
        tell(0, total)
        pieces = bench.models.film(node.backend, replace(portrait, speech=speech), shot.encoding())
        stored = await received(pieces, total, bench, tell)
    return Output(
        stored,
        {
            "seconds": total / float(portrait.fps),
            "frames": total,
            "fps": float(portrait.fps),
            "size": shot.size,
            "format": shot.format,
        },
    )


def _kept(node: Node, shot: Shot, inputs: Inputs, bench: Bench) -> Passages | None:
    """Where its passages are kept, if it is long; None where it is made in one piece however long it is."""
    return inputs.passages if shot.format == "mp4" and node.backend in bench.models.stretching() else None


async def _long(inputs: Inputs, speech: Speech | None, fps: Fraction) -> bool:
    """Of a recording, or of sentences."""
    async with aclosing(Sentences(inputs).parts() if speech is None else one(speech)) as parts:
        return await is_long(Sound(parts, sentences=speech is None), fps)


async def _spoken(
    making: PassageFilm, passages: Passages, inputs: Inputs, fps: Fraction, limits: Limits
) -> tuple[Stored, int]:
    """The film of sentences, which are measured, as they come, ahead of the drawing."""
    sentences = Sentences(inputs)
    try:
        async with aclosing(sentences.parts()) as parts, asyncio.TaskGroup() as group:
            group.create_task(_measure(making, inputs, fps, limits))
            sound = Sound(parts, sentences=True)
            made = group.create_task(making.made(sound, sentences.heard, passages))
    except ExceptionGroup as failed:  # as a task group wraps even a single one; the first ended the others
        raise failed.exceptions[0] from None
    return made.result()


async def _measure(making: PassageFilm, inputs: Inputs, fps: Fraction, limits: Limits) -> None:
    """Tells how long the film will be, were those sentences that are to come like those before. Raises `TooLarge` as
    soon as it is longer than may be. One or two sentences at a time are in memory."""
    sentences = Sentences(inputs)
    async with aclosing(sentences.parts()) as parts:
        sound = Sound(parts, sentences=True)
        while not sound.complete:
            await sound.reach(sound.length + 1)
            sound.forget(sound.length)
            seconds = sound.length / sound.sample_rate
            check_length(seconds, limits, field="text", whole=sound.complete)
            frames = frame_count(sound.length, sound.sample_rate, fps)
            likely = frames if sound.complete else round(frames * len(sentences) / sentences.read)
            making.expect(likely, sure=sound.complete)
