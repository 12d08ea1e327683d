"""voice-f5: F5-TTS, which goes on speaking in the voice of a recording whose words are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deployments.backends import device
from deployments.backends.published.location import located
from deployments.backends.voice import clip, prosody, tint
from deployments.backends.voice.bounds import within
from deployments.backends.voice.f5.recording import Recording, recordings
from deployments.backends.voice.transpose import transpose
from pipeline.contracts import Samples, Speech, SpeechRequest, VoiceTint
from pipeline.errors import InvalidRequest, UnknownName

MODEL, VOCODER = "f5-tts-v1", "vocos-mel-24khz"
LANGUAGES = ("en", "zh")
"""What it was trained on."""
SHORTEST, LONGEST = 20, 400
"""Characters of one piece of text, however long the recording that it continues."""


class F5:
    """A `VoiceModel`. One piece of sound for each sentence, at 24 kHz, without phoneme times."""

    def __init__(
        self,
        *,
        weights: str = "",
        vocoder: str = "",
        voices: str = "",
        flow_steps: int = 32,
        guidance: float = 2.0,
        sway: float = -1.0,
        seed: int = 0,
    ) -> None:
        """`weights` and `vocoder` are folders with the published files, where they are not in the hub's cache.

        `voices` is a folder with a recording for each voice, as NAME.wav (or flac, mp3, ogg), and what is said in it,
        word for word, in NAME.txt beside it; without one there is the recording that comes with f5-tts. `flow_steps`
        are those from noise to speech. `guidance` is how much more than likely it keeps to text and voice, 0 not at
        all; `sway` moves the steps towards the beginning, which shapes the speech, where it is negative.
        """
        within("flow_steps", flow_steps, 1, 128)
        within("guidance", guidance, 0, 10)
        within("sway", sway, -1, 1)
        within("seed", seed, 0, 2**63 - 1)
        weights_folder, vocoder_folder = located(MODEL, weights), located(VOCODER, vocoder)
        from deployments.backends.voice.f5 import library
        from deployments.backends.voice.f5.model import Flow, Model

        found = recordings(voices) if voices else {"basic": library.example()}
        self._model = Model(
            weights_folder, vocoder_folder, device.current().name, Flow(flow_steps, guidance, sway, seed)
        )
        self._voices = found
        self._heard = {name: self._model.heard(voice) for name, voice in found.items()}
        self._measured: dict[str, VoiceTint] = {}

    def voices(self) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(self._voices, LANGUAGES)

    def speak(self, request: SpeechRequest) -> Iterator[Speech]:
        prosody.check(request)
        language = request.language.lower().replace("_", "-").partition("-")[0]
        if language not in LANGUAGES:
            raise UnknownName.of("language", request.language, LANGUAGES)
        if request.conditioning is not None:
            raise InvalidRequest(
                "F5-TTS has to know what is said in a recording whose voice it takes on.",
                code="foreign_conditioning",
                field="voice",
                accepted="a recording and its text in the folder that options.f5.voices names",
            )
        name = next(iter(self._voices)) if request.voice is None else request.voice.strip()
        if name not in self._voices:
            raise UnknownName.of("voice", name, self._voices)
        longest = _longest(self._voices[name], language, request.speed)
        pieces = prosody.pieces(request.text, language, longest)
        return self._pieces(request, name, pieces, longest)

    def tint(self, samples: Samples, sample_rate: int) -> VoiceTint:
        clip.check(samples, sample_rate)
        return tint.measure(samples, sample_rate)

    def _pieces(self, request: SpeechRequest, name: str, pieces: list[str], longest: int) -> Iterator[Speech]:
        voice, wanted, speed = self._heard[name], request.tint, request.speed
        source = None if wanted is None else self._measure(name)
        if wanted is not None and source is not None:
            speed *= tint.pace(wanted, source)
            wanted = tint.shifted(wanted, request.pitch)
        for number, piece in enumerate(pieces, 1):
            samples = self._model.said(piece, voice, speed)
            speech = Speech(samples, self._model.sample_rate, None, request.language)
            if wanted is not None and source is not None:
                speech = tint.apply(speech, wanted, source)
            elif request.pitch:
                speech = replace(speech, samples=transpose(speech.samples, speech.sample_rate, request.pitch))
            last = request.final and number == len(pieces)
            yield prosody.with_pause(speech, piece, last=last, speed=speed, longest=longest)

    def _measure(self, name: str) -> VoiceTint:
        """A voice's own colour: that of its recording."""
        if name not in self._measured:
            voice = self._voices[name]
            self._measured[name] = tint.measure(voice.samples, voice.sample_rate)
        return self._measured[name]


def _longest(voice: Recording, language: str, speed: float) -> int:
    """Characters of one piece: recording and piece are to be 22 s together at most, as f5-tts has it, at the
    recording's own pace."""
    pace = len(voice.text.encode()) / voice.seconds
    count = pace * max(1.0, 22 - voice.seconds) * speed / (3 if language == "zh" else 1)  # bytes of a character
    return round(min(max(count, SHORTEST), LONGEST))
