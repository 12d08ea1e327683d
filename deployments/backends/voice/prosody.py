"""What the embedded voices share about pace: the range they accept and the silence after each piece."""

from __future__ import annotations

from pipeline.contracts import SpeechRequest
from pipeline.errors import InvalidRequest
from pipeline.text import PIECE

_SENTENCE, _CLAUSE, _WORD, _LAST = 0.35, 0.18, 0.06, 0.15
_QUOTES = "\"'”’»›)]}」』】）》〉"
_CLAUSE_MARKS = ",;:—–，、；：،؛"


def check(request: SpeechRequest) -> None:
    """Raises `InvalidRequest` where speed or pitch is out of the range of `SpeechRequest`, or not a number."""
    if not 0.25 <= request.speed <= 4:
        raise InvalidRequest(f"The speed is {request.speed}.", field="speed", accepted="0.25 to 4")
    if not -12 <= request.pitch <= 12:
        raise InvalidRequest(f"The pitch is {request.pitch}.", field="pitch", accepted="-12 to 12 semitones")


def pause_after(piece: str, *, last: bool, speed: float) -> float:
    """Seconds of silence after a piece of `pipeline.text.sentences`, by how it ends."""
    end = piece.rstrip(_QUOTES)[-1:]
    if last:
        seconds = _LAST
    elif end in _CLAUSE_MARKS:
        seconds = _CLAUSE
    elif end.isalnum() and len(piece) > PIECE // 2:  # cut between two words of one sentence; else a heading
        seconds = _WORD
    else:
        seconds = _SENTENCE
    return seconds / speed
