"""voice-espeak: espeak-ng's formant synthesis. A hundred languages, no download, exact phoneme times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np

from deployments.backends.voice import espeak_library, prosody
from deployments.backends.voice.espeak_library import FASTEST, SAMPLE_RATE, SLOWEST, Language
from deployments.backends.voice.stretch import stretch
from pipeline.contracts import Phoneme, Samples, Speech, SpeechRequest
from pipeline.errors import InvalidText, UnknownName
from pipeline.text import sentences

_ALIASES = {
    "en": "en-us",  # espeak-ng itself says en-gb
    "en-au": "en-gb",
    "en-ie": "en-gb",
    "en-in": "en-gb",
    "en-nz": "en-gb",
    "en-za": "en-gb",
    "in": "id",
    "iw": "he",
    "nn": "nb",
    "zh": "cmn",
    "zh-hk": "yue",
    "zh-mo": "yue",
}

_RATES = (80, 100, 120, 150, 175, 210, 250, 300, 350, 400, 440)
_LENGTHS = (2.04, 1.70, 1.444, 1.156, 1.0, 0.857, 0.733, 0.625, 0.545, 0.472, 0.432)
"""Length of a sentence at each rate (words a minute) against 175, the voice's own pace; measured."""

_LEAD = 0.02
"""Seconds of silence kept before the first sound."""
_AUDIBLE = 0.002
"""Below this (-54 dB) the end of a sentence is silence."""

_IPA = str.maketrans({"S": "ʃ", "Z": "ʒ", "ε": "ɛ", "?": "ʔ"})  # slips in a few of espeak-ng's languages
_NOT_IPA = re.compile(r"\([^)]*\)?|[-#.\d]")  # "(en)" where it switches language, tone digits


class Espeak:
    """A `VoiceModel`. Voices are named by language (`en-us`, `pt-br`), by timbre (`f3`, `klatt4`: speaks any
    language) or by both (`en-us+f3`). Sound is at 22050 Hz.
    """

    def voices(self) -> dict[str, tuple[str, ...]]:
        return dict(_voices())

    def speak(self, request: SpeechRequest) -> Iterator[Speech]:
        prosody.check(request)
        language = _language(request.language)
        variant = ""
        if request.voice is not None:
            language, variant = _voice(request.voice, language)
        return self._pieces(request, language, f"{language.identifier}+{variant}" if variant else language.identifier)

    def _pieces(self, request: SpeechRequest, language: Language, voice: str) -> Iterator[Speech]:
        pitch = round(50 + request.pitch * 50 / 12)
        length = 1 / request.speed
        rate = int(np.clip(np.interp(-length, np.negative(_LENGTHS), _RATES), SLOWEST, FASTEST))
        left = length / float(np.interp(rate, _RATES, _LENGTHS))
        pieces = sentences(request.text, language.tags[0])
        silent = True
        for index, piece in enumerate(pieces):
            samples, events = espeak_library.synthesise(piece, voice, rate, min(pitch, 99))
            if not any(name for _, name in events):
                continue
            silent = False
            samples, events = _trimmed(samples, events)
            if not 0.98 <= left <= 1.02:
                before = len(samples)
                samples = stretch(samples, SAMPLE_RATE, left)
                events = [(round(place * len(samples) / before), name) for place, name in events]
            pause = prosody.pause_after(piece, last=index == len(pieces) - 1, speed=request.speed)
            yield _speech(samples, events, pause, language.tags[0])
        if silent:
            raise InvalidText(
                f"espeak-ng finds nothing to say in this text in {language.tags[0]}.",
                code="nothing_to_say",
                field="text",
                accepted="text with words or numbers in the language",
            )


def _trimmed(samples: Samples, events: list[tuple[int, str]]) -> tuple[Samples, list[tuple[int, str]]]:
    """Without the silence around, and with every event inside."""
    events = [(place, _NOT_IPA.sub("", name).translate(_IPA)) for place, name in events]
    spoken = [place for place, name in events if name] or [0]
    audible = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    start = max(0, spoken[0] - round(_LEAD * SAMPLE_RATE))
    end = max(int(audible[-1]) + 1 if len(audible) else 0, spoken[-1] + round(0.02 * SAMPLE_RATE))
    samples = samples[start:end]
    return samples, [(min(max(0, place - start), len(samples)), name) for place, name in events]


def _speech(samples: Samples, events: list[tuple[int, str]], pause: float, language: str) -> Speech:
    """The sound with its pause, and phonemes that cover it: each ends where the next begins."""
    marks = [(0, ""), *events, (len(samples), "")]
    samples = np.concatenate([samples, np.zeros(round(pause * SAMPLE_RATE), np.float32)])
    ends = [*(place for place, _ in marks[1:]), len(samples)]
    phonemes: list[Phoneme] = []
    for (start, name), end in zip(marks, ends, strict=True):
        if end <= start:
            continue
        if not name and phonemes and not phonemes[-1].ipa:
            start = round(phonemes.pop().start * SAMPLE_RATE)
        phonemes.append(Phoneme(start / SAMPLE_RATE, end / SAMPLE_RATE, name))
    return Speech(samples, SAMPLE_RATE, tuple(phonemes), language)


def _language(tag: str) -> Language:
    """The language for a BCP 47 tag: itself, an alias, the one that claims it most, or that of a shorter tag."""
    known = espeak_library.languages()
    own = {language.tags[0]: language for language in reversed(known)}
    wanted = tag.lower().replace("_", "-")
    while wanted:
        wanted = _ALIASES.get(wanted, wanted)
        if wanted in own:
            return own[wanted]
        claims = [
            (language.priorities[language.tags.index(wanted)], n)
            for n, language in enumerate(known)
            if wanted in language.tags
        ]
        if claims:
            return known[min(claims)[1]]
        wanted = re.sub(r"(-[a-z0-9])?-[^-]*$", "", wanted) if "-" in wanted else ""
    raise UnknownName.of("language", tag, own)


def _voice(name: str, language: Language) -> tuple[Language, str]:
    """The language and the variant (or "") that a voice's name means where `language` is asked for."""
    variants = {variant.lower(): variant for variant in espeak_library.variants()}
    wanted = name.strip().lower()
    if wanted in variants:
        return language, variants[wanted]
    head, plus, tail = wanted.partition("+")
    own = {known.tags[0]: known for known in reversed(espeak_library.languages())}
    head = head.replace("_", "-")
    chosen = own.get(_ALIASES.get(head, head))
    if chosen is None or (plus and tail not in variants):
        raise UnknownName.of("voice", name, _voices())
    if _base(chosen) != _base(language):
        raise UnknownName(
            f"The voice {name!r} does not speak {language.tags[0]!r}.",
            code="voice_language",
            field="language",
            accepted=", ".join(_voices()[chosen.tags[0]]),
        )
    return chosen, variants[tail] if plus else ""


def _base(language: Language) -> str:
    return language.tags[0].partition("-")[0]


@cache
def _voices() -> dict[str, tuple[str, ...]]:
    known = espeak_library.languages()
    tags = {language.tags[0]: tuple(dict.fromkeys((*language.tags, _base(language)))) for language in reversed(known)}
    every = tuple(sorted({tag for spoken in tags.values() for tag in spoken}))
    default = _language("en").tags[0]
    return {default: tags[default], **dict(sorted(tags.items())), **dict.fromkeys(espeak_library.variants(), every)}
