"""transcribe-whisper: Whisper, run by CTranslate2 through faster-whisper.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", ICML 2023. Word times come from the
decoder's cross-attention, aligned by dynamic time warping.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from deployments.backends import device
from deployments.backends.precision import Precision
from deployments.backends.published.catalogue import find
from deployments.backends.published.location import located
from deployments.backends.transcribe.matching import apart, matched
from deployments.backends.transcribe.sounds import sounds
from pipeline import text
from pipeline.contracts import Transcript, TranscriptionRequest, Word
from pipeline.errors import Damaged, InvalidAudio, UnknownName
from pipeline.media.audio import resample

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

RATE: Final = 16_000
"""Hertz that it hears."""

CODES: Final = {"nb": "no", "cmn": "zh", "iw": "he", "in": "id", "jv": "jw", "fil": "tl"}
"""Languages that Whisper calls otherwise than BCP 47 does, or knows by a relative."""


class Whisper:
    """A `TranscribeModel` that recognises speech: `faster-whisper-small`, or another Whisper that was converted for
    CTranslate2, in a folder of one's own (`weights`).

    `int8` keeps the weights in 8 bits. `vad` leaves out what Silero's voice detector, which comes with faster-whisper,
    takes for no speech. `threads` of the processor; 0 is CTranslate2's own choice.
    """

    def __init__(
        self,
        *,
        model: str = "faster-whisper-small",
        weights: str = "",
        precision: Precision = "auto",
        int8: bool = False,
        beam: int = 5,
        vad: bool = True,
        threads: int = 0,
    ) -> None:
        if beam < 1 or threads < 0:
            raise ValueError("beam must be 1 or more, threads 0 or more")
        self._beam, self._vad = beam, vad
        self._model = _loaded(located(model, weights), find(model).command, precision, int8=int8, threads=threads)

    def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """As `TranscribeModel` says. At a temperature above 0 the same request may give other words: CTranslate2's
        random numbers go on from request to request."""
        sound = resample(request.samples, request.sample_rate, RATE)
        code = None if request.language is None else self._code(request.language)
        segments, info = self._model.transcribe(
            np.ascontiguousarray(sound, np.float32),
            language=code,
            beam_size=self._beam,
            temperature=request.temperature,
            initial_prompt=request.prompt,
            word_timestamps=True,
            vad_filter=self._vad,
        )
        seconds = len(request.samples) / request.sample_rate
        heard: list[Word] = []
        silence: list[float] = []
        for segment in segments:
            silence.append(segment.no_speech_prob)
            heard += _words(segment.words or ())
        if not heard:
            raise InvalidAudio(
                "Nobody is heard to speak in the recording.", code="no_speech", field="audio", accepted="speech"
            )
        heard = list(apart(heard, seconds))
        language = request.language or info.language
        if request.text is not None:
            words = matched(request.text, heard, seconds)
            sure = float(np.mean([word.confidence for word in words]))
            return Transcript(
                request.text, language, words, sounds(request, request.text, language), sure, min(silence)
            )
        sure = math.exp(float(np.mean([math.log(max(word.confidence, 1e-6)) for word in heard])))
        said = text.joined(word.text for word in heard)
        return Transcript(said, language, tuple(heard), sounds(request, said, language), sure, min(silence))

    def _code(self, tag: str) -> str:
        known = self._model.supported_languages
        base = tag.lower().replace("_", "-").partition("-")[0]
        for code in (tag.lower(), base, CODES.get(base, "")):
            if code in known:
                return code
        raise UnknownName.of("language", tag, known, field="language")


def _words(heard: Any) -> list[Word]:
    """Without spaces; what has no letters goes with the word before."""
    words: list[Word] = []
    for word in heard:
        written, start, end = word.word.strip(), float(word.start), float(word.end)
        if words and not any(character.isalnum() for character in written):
            words[-1] = replace(words[-1], end=max(words[-1].end, end), text=words[-1].text + written)
        elif written:
            words.append(Word(start, end, written, float(min(max(word.probability, 0.0), 1.0))))
    return words


def _loaded(folder: Path, command: str, precision: Precision, *, int8: bool, threads: int) -> WhisperModel:
    import ctranslate2
    import tokenizers
    from faster_whisper import WhisperModel

    where = "cuda" if device.current().name.startswith("cuda") else "cpu"
    numbers = precision if precision != "auto" else "float16" if where == "cuda" else "float32"
    compute = f"int8_{numbers}" if int8 else numbers
    able = ctranslate2.get_supported_compute_types(where)
    if compute not in able:
        raise ValueError(f"{compute} is not computed on this {where}; it does {', '.join(sorted(able))}")
    try:
        tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises nothing narrower
        raise _damaged(folder / "tokenizer.json", error, command) from error
    try:
        return WhisperModel(str(folder), device=where, compute_type=compute, cpu_threads=threads, local_files_only=True)
    except (RuntimeError, ValueError, MemoryError) as error:
        if "CUDA" in str(error):
            raise
        raise _damaged(folder, error, command) from error


def _damaged(path: Path, error: Exception, command: str) -> Damaged:
    return Damaged(f"{path} can't be read as a Whisper model: {error}", code="damaged_weights", accepted=command)
