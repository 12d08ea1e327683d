"""voice-coqui: models of Coqui TTS, by name or from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from deployments.backends import device
from deployments.backends.voice import clip, prosody, tint
from deployments.backends.voice.bounds import within
from deployments.backends.voice.coqui import folder
from deployments.backends.voice.transpose import transpose
from deployments.backends.voice.world import resampled
from pipeline.contracts import Samples, Speech, SpeechRequest, VoiceTint
from pipeline.errors import InvalidAudio, InvalidRequest, InvalidText, UnknownName
from pipeline.text import sentences

MODEL = "tts_models/en/ljspeech/vits"
"""One speaker, English, Apache 2.0."""
HIGHEST = 24_000
"""Hz at most where a voice's pitch or colour is changed (`world.analyse`); what is above is brought down to it."""


class Coqui:
    """A `VoiceModel`. One piece of sound for each sentence, without phoneme times, at the rate of the model."""

    def __init__(
        self,
        *,
        model: str = MODEL,
        vocoder: str = "",
        speaker: str = "",
        language: str = "",
        noise: float | None = None,
        length_noise: float | None = None,
        seed: int = 0,
        longest: int = 250,
        commercial_use: bool = False,
    ) -> None:
        """`model` is a name of Coqui's, as tts_models/en/ljspeech/vits, a folder with config.json and the weights, or a
        file with weights that has its config.json beside it.

        `vocoder` is the same for the second network of a model that makes spectrograms; with one of Coqui's names, it
        is the one that belongs to it. griffin_lim does without one, and sounds like it.

        `speaker` is the voice that speaks where a request names none; the model's first otherwise. `language` is what a
        model of one language speaks, where its configuration does not say so, as a BCP 47 tag. `noise` and
        `length_noise` are how much of sound and pace is drawn at random, 0 to 2: what the model was trained for where
        they are not given. `longest` is how many characters are said at once. `commercial_use` says that the licence of
        a model of your own allows it.
        """
        within("seed", seed, 0, 2**63 - 1)
        within("longest", longest, 20, 2000)
        for name, value in (("noise", noise), ("length_noise", length_noise)):
            within(name, 0 if value is None else value, 0, 2)
        found = folder.find(model, commercial_use=commercial_use)
        vocoder = vocoder or folder.usual_vocoder(model)
        made_by_network = vocoder and vocoder != folder.GRIFFIN_LIM
        second = folder.find(vocoder, commercial_use=commercial_use) if made_by_network else vocoder
        from deployments.backends.voice.coqui.model import Model, tag

        self._model = Model(found, second, device.current().name)
        self._model.set_noise(noise, length_noise)
        if language:
            if len(self._model.languages) > 1:
                listed = ", ".join(self._model.languages)
                raise ValueError(f"`language` is for a model of one language; {model} speaks: {listed}")
            self._model.languages = {tag(language): next(iter(self._model.languages.values()))}
        voices = list(self._model.speakers)
        if speaker and speaker not in voices:
            raise ValueError(f"`speaker` is {speaker!r}; {model} has: {', '.join(voices)}")
        self._names = sorted(voices, key=lambda name: name != speaker)  # stable: the others as the model has them
        self._seed, self._longest = seed, longest
        self._measured: dict[tuple[str, str], VoiceTint] = {}

    def voices(self) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(self._names, tuple(self._model.languages))

    def speak(self, request: SpeechRequest) -> Iterator[Speech]:
        prosody.check(request)
        language = self._language(request.language)
        voice = self._names[0] if request.voice is None else request.voice.strip()
        if voice not in self._names:
            raise UnknownName.of("voice", voice, self._names)
        if request.conditioning is not None:
            raise InvalidRequest(
                "The voices of this model are those that it was trained on: it clones none.",
                code="foreign_conditioning",
                field="voice",
                accepted=", ".join(self._names),
            )
        source = None if request.tint is None else self._measure(voice, language)
        return self._pieces(request, voice, language, source)

    def tint(self, samples: Samples, sample_rate: int) -> VoiceTint:
        clip.check(samples, sample_rate)
        return tint.measure(samples, sample_rate)

    def _pieces(self, request: SpeechRequest, voice: str, language: str, source: VoiceTint | None) -> Iterator[Speech]:
        wanted, speed = request.tint, request.speed
        if wanted is not None and source is not None:
            speed *= tint.pace(wanted, source)
            wanted = tint.shifted(wanted, request.pitch)
        cut = sentences(request.text, language.partition("-")[0], self._longest)
        pieces = (piece for piece in cut if self._model.known(piece, language))
        following = next(pieces, None)
        if following is None:
            raise InvalidText(
                "Nothing in the text has a sign in this model's alphabet.",
                code="nothing_to_say",
                field="text",
                accepted=f"text in {', '.join(self._model.languages)}",
            )
        while following is not None:
            piece, following = following, next(pieces, None)
            speech = self._said(piece, voice, language, speed, moved=bool(request.pitch or wanted))
            if wanted is not None and source is not None:
                speech = tint.apply(speech, wanted, source)
            elif request.pitch:
                speech = replace(speech, samples=transpose(speech.samples, speech.sample_rate, request.pitch))
            speech = replace(speech, language=request.language)
            last = request.final and following is None
            yield prosody.with_pause(speech, piece, last=last, speed=speed, longest=self._longest)

    def _said(self, piece: str, voice: str, language: str, speed: float, *, moved: bool) -> Speech:
        samples = self._model.said(piece, voice, language, speed=speed, seed=self._seed)
        rate = self._model.sample_rate
        if moved and rate > HIGHEST:
            samples, rate = resampled(samples, rate, HIGHEST).astype(np.float32), HIGHEST
        return Speech(samples, rate, None, language)

    def _language(self, wanted: str) -> str:
        """Exactly that, or a relative of it: en for en-us, and the other way round."""
        plain = wanted.lower().replace("_", "-")
        base = plain.partition("-")[0]
        for tag in (plain, base, *self._model.languages):
            if tag in self._model.languages and tag.partition("-")[0] == base:
                return tag
        raise UnknownName.of("language", wanted, self._model.languages)

    def _measure(self, voice: str, language: str) -> VoiceTint:
        """The voice's own colour, by the sentences that come with the model."""
        if (voice, language) not in self._measured:
            said = [text for text in self._model.sentences if self._model.known(text, language)]
            pieces = [self._said(text, voice, language, 1.0, moved=True) for text in said[:5]]
            try:
                if not pieces:
                    raise InvalidAudio("no sentence of the model's own", code="no_speech")
                whole = np.concatenate([piece.samples for piece in pieces])
                self._measured[voice, language] = tint.measure(whole, pieces[0].sample_rate)
            except InvalidAudio as error:
                raise InvalidRequest(
                    f"The voice {voice!r} has no pitch that can be measured, so it can't take on a profile's.",
                    code="voice_without_pitch",
                    field="voice",
                    accepted="another voice, or no profile",
                ) from error
        return self._measured[voice, language]
