"""The sounds of what was recognised in a recording, for lips that follow them: found as `Align` finds a known text."""

from __future__ import annotations

from typing import Final

from deployments.backends.transcribe.align import LONGEST, Align
from pipeline.contracts import Phoneme, TranscriptionRequest
from pipeline.errors import InvalidText, UnknownName

LIKELY: Final = 0.15
"""Confidence from which on a text is taken for what is said, as with a text that somebody wrote down
(`pipeline/nodes/captions.py`)."""
QUICKEST: Final = 40
"""Characters a second, of text that may be looked for: twice as many as quick speech has."""


def sounds(request: TranscriptionRequest, text: str, language: str) -> tuple[Phoneme, ...] | None:
    """From the beginning of the recording to its end. None where espeak-ng does not know the language, where the text
    is not found there after all or can't be, and where the recording is longer than `LONGEST`: what is heard alone
    counts then."""
    seconds = len(request.samples) / request.sample_rate
    if seconds > LONGEST or len(text) > QUICKEST * seconds:
        return None
    try:
        found = Align().transcribe(TranscriptionRequest(request.samples, request.sample_rate, text, language))
    except (InvalidText, UnknownName):
        return None
    return found.phonemes if found.confidence >= LIKELY else None
