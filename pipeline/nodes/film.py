"""film: the talking video itself, from the sentences and the portrait."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from fractions import Fraction
from typing import Final

import numpy as np

from pipeline.contracts import AnimationRequest, Encoding, Speech
from pipeline.contracts.words import Contract, VideoFormat
from pipeline.errors import InvalidText, TooLarge
from pipeline.graph import Node
from pipeline.media.audio import check_speech, decode_audio
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.nodes.receive import received
from pipeline.storage.parcels import unpack_portrait, unpack_speech, unpack_transcript

LAST_PAUSE: Final = 0.15
"""Seconds of silence kept after the last sentence."""


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
    """`portrait`, and `speech` (sentences in order) or `audio` (a recording, of which `transcript` may say what is
    said in it, and when).

    Raises `TooLarge` for what would last too long, `InvalidText` where no sentence said anything, and what
    `decode_audio` and `check_speech` raise.
    """
    shot = Shot.model_validate(node.parameters)
    portrait = unpack_portrait(await inputs.one("portrait"))
    limits = bench.settings.limits
    if "audio" in inputs:
        speech = await asyncio.to_thread(recording, await inputs.one("audio"), limits.audio_seconds, shot.language)
        if "transcript" in inputs:
            found = unpack_transcript(await inputs.one("transcript"))
            speech = replace(speech, phonemes=found.phonemes, words=found.words)
    else:
        speech = said([unpack_speech(data) for data in await inputs.each("speech")])
    if speech.seconds > limits.video_seconds:
        raise TooLarge(
            f"The speech lasts {speech.seconds:.0f} s.",
            code="video_too_long",
            field="audio" if "audio" in inputs else "text",
            accepted=f"at most {limits.video_seconds:.0f} s",
        )
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


def recording(data: bytes, max_seconds: float, language: str) -> Speech:
    """A recording to lip-sync to. Raises `InvalidAudio`, field `audio`."""
    samples, rate = decode_audio(data, field="audio", max_seconds=max_seconds)
    check_speech(samples, rate, "audio")
    return Speech(np.asarray(samples, np.float32), rate, None, language)


def said(sentences: list[Speech]) -> Speech:
    """The sentences one after another, with a short pause after the last one."""
    spoken = [speech for speech in sentences if len(speech.samples)]
    if not spoken:
        raise InvalidText(
            "The voice finds nothing to say in this text.",
            code="nothing_to_say",
            field="text",
            accepted="text with words or numbers in the language",
        )
    return Speech.join([*spoken[:-1], _closed(spoken[-1])])


def _closed(speech: Speech) -> Speech:
    """Without what is longer than the last pause of the silence that it ends with.

    Its phonemes say where that begins; of a voice that has none, the samples that are all zero.
    """
    phonemes = speech.phonemes
    if phonemes is None:
        sound = np.flatnonzero(speech.samples)
        end = (int(sound[-1]) + 1 if len(sound) else 0) + round(LAST_PAUSE * speech.sample_rate)
        return replace(speech, samples=speech.samples[:end])
    if not phonemes or phonemes[-1].ipa or phonemes[-1].end - phonemes[-1].start <= LAST_PAUSE:
        return speech
    end = round((phonemes[-1].start + LAST_PAUSE) * speech.sample_rate)
    last = replace(phonemes[-1], end=end / speech.sample_rate)
    return replace(speech, samples=speech.samples[:end], phonemes=(*phonemes[:-1], last))
