"""The speech of a talking video: sentences that were spoken, or a recording."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import numpy as np

from pipeline.contracts import Speech
from pipeline.errors import InvalidText, TooLarge
from pipeline.media.audio import check_speech, decode_audio
from pipeline.nodes.bench import Inputs
from pipeline.settings import Limits
from pipeline.storage.parcels import unpack_speech, unpack_transcript

LAST_PAUSE: Final = 0.15
"""Seconds of silence kept after the last sentence."""


async def heard(inputs: Inputs, limits: Limits, language: str) -> Speech:
    """`speech` (sentences in order) or `audio` (a recording, of which `transcript` may say what is said, and when).

    Raises `TooLarge` for what would last too long, `InvalidText` where no sentence said anything, and what
    `decode_audio` and `check_speech` raise.
    """
    if "audio" in inputs:
        speech = await asyncio.to_thread(recording, await inputs.one("audio"), limits.audio_seconds, language)
        if "transcript" in inputs:
            found = unpack_transcript(await inputs.one("transcript"))
            speech = replace(speech, phonemes=found.phonemes, words=found.words)
    else:
        speech = said([unpack_speech(data) for data in await inputs.each("speech")])
    check_length(speech.seconds, limits, field="audio" if "audio" in inputs else "text")
    return speech


def check_length(seconds: float, limits: Limits, *, field: str, whole: bool = True) -> None:
    """Raises `TooLarge` for speech that would make too long a video; where it is not `whole`, more is to come."""
    if seconds > limits.video_seconds:
        raise TooLarge(
            f"The speech lasts {seconds:.0f} s{'' if whole else ' and goes on'}.",
            code="video_too_long",
            field=field,
            accepted=f"at most {limits.video_seconds:.0f} s",
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
        raise nothing_said()
    return Speech.join([*spoken[:-1], closed(spoken[-1])])


def nothing_said() -> InvalidText:
    """What is raised where no sentence said anything."""
    return InvalidText(
        "The voice finds nothing to say in this text.",
        code="nothing_to_say",
        field="text",
        accepted="text with words or numbers in the language",
    )


def closed(speech: Speech) -> Speech:
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
