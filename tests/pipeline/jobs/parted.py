"""A voice that is heard before a sentence is finished."""

from __future__ import annotations

from collections.abc import AsyncIterator
from zlib import crc32

import numpy as np

from pipeline.contracts import Phoneme, Speech, SpeechRequest, Word
from tests.pipeline.jobs.works import RATE, CountedModels

PARTS = 7
"""Of a second each, in which it speaks, and one more with the pause."""


class InParts(CountedModels):
    """Says every sentence in parts; before each the hook is called with `part N TEXT`.

    `known`: whether it tells phonemes and words. `whole`: it says the same in one part, when it is finished.
    """

    def __init__(self, *, known: bool = False, whole: bool = False) -> None:
        super().__init__()
        self._known = known
        self._whole = whole

    async def speak(self, backend: str, request: SpeechRequest) -> AsyncIterator[Speech]:
        await self._called(f"speak {request.text}")
        parts = parts_of(request.text, known=self._known)
        for number, part in enumerate([Speech.join(parts)] if self._whole else parts):
            await self._called(f"part {number} {request.text}")
            yield part


def parts_of(text: str, *, known: bool, count: int = PARTS) -> list[Speech]:
    """Every other one ends with silence; so does the sentence, after a part of which nothing is heard at all."""
    pitch, parts = 5 + crc32(text.encode()) % 7, []
    for number in range(count):
        samples = (0.1 * np.sin(np.arange(RATE) / pitch + number)).astype(np.float32)
        end = 0.7 if number % 2 else 1.0
        samples[round(end * RATE) :] = 0
        said = [Phoneme(0, 1 / 3, "a"), Phoneme(1 / 3, end, "o")]
        if end < 1:
            said.append(Phoneme(end, 1.0, ""))
        words = (Word(0, 1 / 3, f"word{number}"), Word(1 / 3, end, "more"))
        parts.append(Speech(samples, RATE, tuple(said) if known else None, "en", words if known else None))
    nothing = Speech(np.zeros(0, np.float32), RATE, () if known else None, "en", () if known else None)
    pause = Speech(np.zeros(3200, np.float32), RATE, (Phoneme(0, 0.4, ""),), "en", ())
    if not known:
        pause = Speech(pause.samples, RATE, None, "en")
    return [*parts, nothing, pause]
