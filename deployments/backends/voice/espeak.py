"""voice-espeak: espeak-ng's formant synthesis. A hundred languages, no download, exact phoneme times."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from deployments.backends.voice import clip, espeak_library, espeak_voices, prosody, tint
from deployments.backends.voice.espeak_library import FASTEST, SAMPLE_RATE, SLOWEST, Utterance
from deployments.backends.voice.stretch import shift, stretch
from deployments.backends.voice.word_times import word_times
from pipeline.contracts import Phoneme, Samples, Speech, SpeechRequest, VoiceTint
from pipeline.errors import InvalidAudio, InvalidRequest, InvalidText
from pipeline.text import sentences

_NATURAL = 175
_RATES = (80, 100, 120, 150, 175, 210, 250, 300, 350, 400, 440)
_LENGTHS = (2.07, 1.75, 1.46, 1.16, 1.0, 0.834, 0.706, 0.595, 0.508, 0.443, 0.404)
"""Length of a sentence at each rate (words a minute) against the voice's own 175: the mean of seven sentences in
five languages, which lie up to a fifth apart. So it chooses the rate, and the sound is stretched by what is left."""

_FLOOR = 0.234
"""Part of a voice's pitch that espeak-ng's pitch parameter does not scale: 18 / 71 of SetPitch2 in wavegen.c."""
_LOWEST, _HIGHEST = 0.5, 1.98
"""The factors that its pitch parameter reaches."""

_LEAD = 0.02
"""Seconds of silence kept before the first sound."""
_AUDIBLE = 0.002
"""Below this (-54 dB) the end of a sentence is silence."""

_IPA = str.maketrans({"S": "ʃ", "Z": "ʒ", "ε": "ɛ", "?": "ʔ"})  # slips in a few of espeak-ng's languages
_NOT_IPA = re.compile(r"\([^)]*\)?|[-#.\d]")  # "(en)" where it switches language, tone digits

_SAMPLE = "3 7 14 25 48 61 92. 5 8 13 20 36 79 100. 1 2 4 6 9 11 17."
"""What a voice is measured by: figures are read out in every language."""
_SAMPLES = {
    "ja": "きょうはてんきがいいので、こうえんをさんぽします。よるはいっしょにたべます。",  # figures swing too much
    # These have no words for figures.
    "chr-us-qaaa-x-west": "ᎣᏏᏲ ᏙᎯᏧ. ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ. ᎠᎹ ᎠᏓ ᎠᏂᏴᏫ ᎤᏩᏌ. ᎣᏍᏓ ᏑᎾᎴᎢ ᎠᎩᏲᏏ ᎠᏆᏚᎵ.",
    "cv": "Салам, мĕнле пурăнатăр. Паян çанталăк аван, эпир урамра çӳретпĕр. Каçхине пĕрле апат çиетпĕр.",
    "sjn": "Mae govannen, mellon nin. Le hannon anden. Anor na galad edhellen, aer na lomin.",
}


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a voice is set: words a minute, the two pitch parameters, and semitones they do not reach."""

    rate: int
    pitch: int
    spread: int
    rest: float


class Espeak:
    """A `VoiceModel`. Voices are named by language (`en-us`, `pt-br`), by timbre (`f3`, `klatt4`: speaks any
    language) or by both (`en-us+f3`). Sound is at 22050 Hz.
    """

    def __init__(self) -> None:
        self._measured: dict[str, VoiceTint] = {}

    def voices(self) -> dict[str, tuple[str, ...]]:
        return dict(espeak_voices.voices())

    def speak(self, request: SpeechRequest) -> Iterator[Speech]:
        prosody.check(request)
        language = espeak_voices.language_of(request.language)
        variant = ""
        if request.voice is not None:
            language, variant = espeak_voices.voice_of(request.voice, language)
        voice = f"{language.identifier}+{variant}" if variant else language.identifier
        source = None if request.tint is None else self._measure(voice, language.tags[0])
        return self._pieces(request, language.tags[0], voice, source)

    def tint(self, samples: Samples, sample_rate: int) -> VoiceTint:
        clip.check(samples, sample_rate)
        return tint.measure(samples, sample_rate)

    def _pieces(self, request: SpeechRequest, language: str, voice: str, source: VoiceTint | None) -> Iterator[Speech]:
        wanted, speed, pitch = request.tint, request.speed, request.pitch
        if wanted is not None and source is not None:
            speed *= tint.pace(wanted, source)
            wanted, pitch = tint.shifted(wanted, pitch), 0.0
        manner = _manner(speed, pitch)
        pieces = sentences(request.text, language)
        silent = True
        for index, piece in enumerate(pieces):
            samples, events, marks = _said(piece, voice, manner)
            if not events:
                continue
            silent = False
            if manner.rate != _NATURAL:
                natural = _said(piece, voice, replace(manner, rate=_NATURAL)).samples
                before = len(samples)
                samples = stretch(samples, SAMPLE_RATE, len(natural) / speed / before)
                events = [(round(place * len(samples) / before), name) for place, name in events]
                marks = [(round(place * len(samples) / before), character) for place, character in marks]
            samples = shift(samples, SAMPLE_RATE, manner.rest)
            phonemes = _phonemes(events, len(samples))
            words = word_times(piece, [(place / SAMPLE_RATE, character) for place, character in marks], phonemes)
            speech = Speech(samples, SAMPLE_RATE, phonemes, language, words)
            if wanted is not None and source is not None:
                speech = tint.apply(speech, wanted, source)
            yield prosody.with_pause(speech, piece, last=request.final and index == len(pieces) - 1, speed=speed)
        if silent:
            raise InvalidText(
                f"espeak-ng finds nothing to say in this text in {language}.",
                code="nothing_to_say",
                field="text",
                accepted="text with words or numbers in the language",
            )

    def _measure(self, voice: str, language: str) -> VoiceTint:
        if voice not in self._measured:
            pieces = sentences(_SAMPLES.get(language, _SAMPLE), language)
            samples = np.concatenate([_said(piece, voice, _manner(1.0, 0.0)).samples for piece in pieces])
            try:
                self._measured[voice] = tint.measure(samples, SAMPLE_RATE)
            except InvalidAudio as error:
                raise InvalidRequest(
                    f"The voice {voice!r} has no pitch (it whispers), so it can't take on a profile's.",
                    code="voice_without_pitch",
                    field="voice",
                    accepted="a voice that does not whisper, or no profile",
                ) from error
        return self._measured[voice]


def _manner(speed: float, pitch: float) -> _Manner:
    rate = int(np.clip(np.interp(-1 / speed, np.negative(_LENGTHS), _RATES), SLOWEST, FASTEST))
    factor = 2 ** (pitch / 12)
    base = float(np.clip((1 + _FLOOR) * factor - _FLOOR, _LOWEST, _HIGHEST))
    rest = 12 * math.log2((1 + _FLOOR) * factor / (base + _FLOOR))
    return _Manner(rate, round(50 + 50 * math.log2(base)), min(99, round(50 * factor)), rest)


def _said(piece: str, voice: str, manner: _Manner) -> Utterance:
    """The sound without the silence around it, and where phonemes and words begin; none where nothing is said."""
    samples, events, words = espeak_library.utter(piece, voice, manner.rate, manner.pitch, manner.spread)
    events = [(place, _NOT_IPA.sub("", name).translate(_IPA)) for place, name in events]
    spoken = [place for place, name in events if name]
    audible = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    if not spoken or not len(audible):
        return Utterance(samples[:0], [], [])
    start = max(0, spoken[0] - round(_LEAD * SAMPLE_RATE))
    samples = samples[start : max(int(audible[-1]) + 1, spoken[-1] + round(0.02 * SAMPLE_RATE))]

    def moved(place: int) -> int:
        return min(max(0, place - start), len(samples))

    phonemes = [(moved(place), name) for place, name in events]
    return Utterance(samples, phonemes, [(moved(place), character) for place, character in words])


def _phonemes(events: list[tuple[int, str]], length: int) -> tuple[Phoneme, ...]:
    """Each ends where the next begins; silences that meet are one."""
    marks = [(0, ""), *events]
    ends = [*(place for place, _ in events), length]
    merged: list[tuple[int, int, str]] = []
    for (start, name), end in zip(marks, ends, strict=True):
        if end > start:
            if not name and merged and not merged[-1][2]:
                start = merged.pop()[0]
            merged.append((start, end, name))
    return tuple(Phoneme(start / SAMPLE_RATE, end / SAMPLE_RATE, name) for start, end, name in merged)
