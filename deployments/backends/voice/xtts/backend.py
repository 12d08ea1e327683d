"""voice-xtts: XTTS-v2, a cloned voice in 17 languages, heard before the sentence is finished."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deployments.backends import device
from deployments.backends.published import licences
from deployments.backends.published.catalogue import find
from deployments.backends.published.location import located
from deployments.backends.voice import clip, prosody, tint
from deployments.backends.voice.bounds import within
from deployments.backends.voice.transpose import transpose
from deployments.backends.voice.xtts import languages
from deployments.backends.voice.xtts.sampling import Sampling
from pipeline.contracts import Samples, Speech, SpeechRequest, VoiceConditioning, VoiceTint
from pipeline.errors import InvalidRequest, InvalidText, MissingWeights, UnknownName
from pipeline.media.audio import decode_audio
from pipeline.text import sentences

if TYPE_CHECKING:
    from torch import Tensor

    from deployments.backends.voice.xtts.checkpoint import Likeness

MODEL = "xtts-v2"
FILES = ("config.json", "vocab.json", "model.pth")
"""What a checkpoint can't do without."""
REFERENCE = "reference"
"""Name of the voice that the option `reference` gives."""


class Xtts:
    """A `CloningVoice`. Sound is at 24 kHz, without phoneme times, in pieces of about a second."""

    def __init__(
        self,
        *,
        weights: str = "",
        checkpoints: str = "",
        fine_tuned: str = "",
        reference: str = "",
        temperature: float = 0.75,
        top_k: int = 50,
        top_p: float = 0.85,
        repetition_penalty: float = 5.0,
        beams: int = 1,
        length_penalty: float = 1.0,
        seed: int = 0,
        piece_tokens: int = 20,
        clip_seconds: int = 30,
        clip_piece_seconds: int = 4,
    ) -> None:
        """`weights` is a folder with the published files, where they are not in the hub's cache. `fine_tuned` is the
        name of another model: a folder in the folder `checkpoints`, with config.json, vocab.json and model.pth.
        `reference` is an audio file that becomes the first built-in voice, for a model that brings none.

        The sampling is that of `sampling.Sampling`. `piece_tokens` is how much is made before it is heard, 46 ms each.
        `clip_seconds` of a reference clip are listened to, in parts of `clip_piece_seconds`.
        """
        within("temperature", temperature, 0, 2)
        within("top_k", top_k, 0, 1026)
        within("top_p", top_p, 0.01, 1)
        within("repetition_penalty", repetition_penalty, 1, 50)
        within("beams", beams, 1, 16)
        within("length_penalty", length_penalty, -10, 10)
        within("seed", seed, 0, 2**63 - 1)
        within("piece_tokens", piece_tokens, 5, 600)
        within("clip_seconds", clip_seconds, 3, 120)
        within("clip_piece_seconds", clip_piece_seconds, 1, clip_seconds)
        self._manner = Sampling(temperature, top_k, top_p, repetition_penalty, beams, length_penalty, seed)
        self._every = piece_tokens
        self._clip = (clip_seconds, clip_piece_seconds)
        folder = _folder(weights, checkpoints, fine_tuned)
        from deployments.backends.voice.xtts.model import Model, arrays

        self._model, self._arrays = Model(folder, device.current().name), arrays
        self._tags = languages.spoken(self._model.languages)
        self._speakers = self._model.speakers
        if reference:
            samples, rate = _recording(reference)
            self._speakers = {REFERENCE: self._model.heard(samples, rate, *self._clip), **self._speakers}
        if not self._speakers:
            raise ValueError(f"{folder} has no voices (speakers_xtts.pth); give an audio file as `reference`")

    def voices(self) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(self._speakers, self._tags)

    def speak(self, request: SpeechRequest) -> Iterator[Speech]:
        prosody.check(request)
        language = self._language(request.language)
        likeness = self._likeness(request)
        pieces = prosody.pieces(request.text, language, languages.LONGEST[language])
        return self._pieces(request, language, likeness, pieces)

    def tint(self, samples: Samples, sample_rate: int) -> VoiceTint:
        clip.check(samples, sample_rate)
        return tint.measure(samples, sample_rate)

    def condition(self, samples: Samples, sample_rate: int) -> VoiceConditioning:
        clip.check(samples, sample_rate)
        return VoiceConditioning(self._arrays(self._model.heard(samples, sample_rate, *self._clip)))

    def _pieces(self, request: SpeechRequest, language: str, likeness: Likeness, pieces: list[str]) -> Iterator[Speech]:
        rate, longest = self._model.sample_rate, languages.LONGEST[language]
        cuts = (cut for piece in pieces for cut in self._fitting(piece, language))
        following = next(cuts, None)
        while following is not None:
            (piece, ids), following = following, next(cuts, None)
            sounds = self._said(piece, ids, language, likeness, request.speed)
            if request.pitch:
                # What is heard early can't be shifted as well: the pitch is looked for in whole words.
                sounds = iter([transpose(np.concatenate(list(sounds)), rate, request.pitch)])
            for samples in sounds:
                yield Speech(samples, rate, None, request.language)
            silence = Speech(np.zeros(0, np.float32), rate, None, request.language)
            last = request.final and following is None
            yield prosody.with_pause(silence, piece, last=last, speed=request.speed, longest=longest)

    def _said(self, piece: str, ids: Tensor, language: str, likeness: Likeness, speed: float) -> Iterator[Samples]:
        limit = languages.most_tokens(piece, language, self._model.capacity)
        return self._model.said(ids, likeness, self._manner, limit=limit, every=self._every, speed=speed)

    def _fitting(self, piece: str, language: str) -> Iterator[tuple[str, Tensor]]:
        """The piece with its token ids, (1, n); in halves where figures, once spelt out, are too much for the model."""
        try:
            ids = self._model.encoded(piece, language)
        except NotImplementedError as error:  # num2words has no Hindi
            raise InvalidText(
                f"XTTS can't spell the figures of {piece[:60]!r} in {language}.",
                code="unspeakable_figures",
                field="text",
                accepted="numbers in words",
            ) from error
        if ids is not None:
            yield piece, ids
            return
        if len(piece) < 16:
            raise InvalidText(
                f"{piece!r} is too long to say once it is spelt out.",
                code="text_too_dense",
                field="text",
                accepted="text with words between the figures",
            )
        for half in sentences(piece, language, len(piece) // 2 + 1):
            yield from self._fitting(half, language)

    def _language(self, tag: str) -> str:
        wanted = languages.base(tag)
        if wanted in map(languages.base, self._tags):
            return wanted
        extra = languages.missing(wanted)
        if extra is not None:
            raise UnknownName(
                f"XTTS spells {wanted} with a package that is not here: pip install coqui-tts[{extra}].",
                field="language",
                accepted=", ".join(self._tags),
            )
        raise UnknownName.of("language", tag, self._tags)

    def _likeness(self, request: SpeechRequest) -> Likeness:
        if request.conditioning is not None:
            try:
                return self._model.likeness(request.conditioning.arrays)
            except ValueError as error:
                raise InvalidRequest(
                    f"The conditioning is not one of this model: {error}.",
                    code="foreign_conditioning",
                    field="voice",
                    accepted="what `condition` of the same model gave",
                ) from error
        if request.tint is not None:
            raise InvalidRequest(
                "XTTS speaks as a person does, not in a colour.",
                code="tint_for_a_clone",
                field="voice",
                accepted="a conditioning, made by `condition` from the clip",
            )
        if request.voice is None:
            return next(iter(self._speakers.values()))
        if request.voice not in self._speakers:
            raise UnknownName.of("voice", request.voice, self._speakers)
        return self._speakers[request.voice]


def _recording(reference: str) -> tuple[Samples, int]:
    """Raises `ValueError` for a file that can't be read, `InvalidAudio` for one without a usable voice."""
    try:
        held = Path(reference).expanduser().read_bytes()
    except OSError as error:
        raise ValueError(f"`reference`: {reference} can't be read: {error.strerror}") from error
    samples, rate = decode_audio(held, field="reference", max_seconds=600)
    clip.check(samples, rate)
    return samples, rate


def _folder(weights: str, checkpoints: str, name: str) -> Path:
    if not name:
        return located(MODEL, weights)
    licences.check(find(MODEL))
    root = Path(checkpoints).expanduser()
    known = sorted(path.name for path in root.iterdir() if path.is_dir()) if checkpoints and root.is_dir() else []
    if name not in known:
        listed = ", ".join(known) or "none"
        raise ValueError(f"there is no folder {name!r} in the folder `checkpoints`, which has: {listed}")
    for file in FILES:
        if not (root / name / file).is_file():
            raise MissingWeights(f"{root / name} is no XTTS checkpoint: {file} is missing.", accepted=", ".join(FILES))
    return root / name
