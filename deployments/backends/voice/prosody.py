"""What the embedded voices share about pace: the range they accept and the silence after each piece."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.contracts import Phoneme, Speech, SpeechRequest
from pipeline.errors import InvalidRequest, InvalidText
from pipeline.text import PIECE, sentences

_SENTENCE, _CLAUSE, _WORD, _LAST = 0.35, 0.18, 0.06, 0.15
_QUOTES = "\"'”’»›)]}」』】）》〉"
_CLAUSE_MARKS = ",;:—–，、；：،؛"


def check(request: SpeechRequest) -> None:
    """Raises `InvalidRequest` where speed or pitch is out of the range of `SpeechRequest`, or not a number."""
    if not 0.25 <= request.speed <= 4:
        raise InvalidRequest(f"The speed is {request.speed}.", field="speed", accepted="0.25 to 4")
    if not -12 <= request.pitch <= 12:
        raise InvalidRequest(f"The pitch is {request.pitch}.", field="pitch", accepted="-12 to 12 semitones")


def pieces(text: str, language: str, longest: int) -> list[str]:
    """The text's `sentences`, at least one. Raises `InvalidText` where nothing can be said."""
    found = sentences(text, language, longest)
    if not found:
        raise InvalidText(
            "There is no letter and no digit in the text.",
            code="nothing_to_say",
            field="text",
            accepted="text with words or numbers",
        )
    return found


def with_pause(speech: Speech, piece: str, *, last: bool, speed: float, longest: int = PIECE) -> Speech:
    """`speech` of a piece of `pipeline.text.sentences`, and the silence that belongs after it by how it ends.

    `longest` is what the text was cut by.
    """
    end = piece.rstrip(_QUOTES)[-1:]
    if last:
        seconds = _LAST
    elif end in _CLAUSE_MARKS:
        seconds = _CLAUSE
    elif end.isalnum() and len(piece) > longest // 2:  # cut between two words of one sentence; else a heading
        seconds = _WORD
    else:
        seconds = _SENTENCE
    silence = np.zeros(round(seconds / speed * speech.sample_rate), np.float32)
    samples = np.concatenate([speech.samples, silence])
    phonemes = speech.phonemes
    if phonemes is not None:
        pause = Phoneme(speech.seconds, len(samples) / speech.sample_rate, "")
        if phonemes and not phonemes[-1].ipa:
            phonemes, pause = phonemes[:-1], replace(pause, start=phonemes[-1].start)
        phonemes = (*phonemes, pause)
    return replace(speech, samples=samples, phonemes=phonemes)
