"""Sound that grows: in parts of sentences it is, sample for sample and time for time, what it is in whole ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import numpy as np
import pytest

from pipeline.contracts import Speech
from pipeline.errors import BackendFailed, InvalidText
from pipeline.nodes.sound import Part, Sound, ahead
from pipeline.nodes.speech import said
from tests.pipeline.jobs.parted import parts_of
from tests.pipeline.jobs.works import RATE

pytestmark = pytest.mark.anyio

NOTHING = Speech(np.zeros(0, np.float32), 1, (), "en")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def script(*, known: bool) -> list[list[Speech]]:
    """Sentences in parts; some say nothing, one is silent."""
    silent = [Speech(np.zeros(RATE, np.float32), RATE, () if known else None, "en", () if known else None)]
    return [
        [NOTHING],
        parts_of("One.", known=known),
        [NOTHING],
        parts_of("Two.", known=known, count=2),
        silent,
        parts_of("Three.", known=known, count=5),
        [NOTHING],
    ]


async def flowing(parts: list[Part] | list[Speech]) -> AsyncIterator[Part | Speech]:
    for part in parts:
        yield part


def in_parts(sentences: list[list[Speech]]) -> list[Part]:
    return [Part(part, number) for number, parts in enumerate(sentences) for part in parts]


@pytest.mark.parametrize("known", [True, False])
async def test_what_is_known_of_parts_is_what_is_heard_in_the_end(known: bool) -> None:
    sentences = script(known=known)
    wholes = [Speech.join(part for part in parts) for parts in sentences]
    film, parts = said(wholes), in_parts(sentences)
    for count in range(1, len(parts) + 1):
        told = asyncio.Event()

        async def stopping(count: int = count, told: asyncio.Event = told) -> AsyncIterator[Part | Speech]:
            for part in parts[:count]:
                yield part
            told.set()
            await asyncio.Event().wait()

        sound = Sound(stopping(), sentences=True)
        reaching = asyncio.create_task(sound.reach(10**9))
        await told.wait()
        reaching.cancel()
        await asyncio.wait({reaching})
        assert not sound.complete
        assert sound.length <= len(film.samples)
        if sound.length:
            found = sound.cut(0, sound.length)
            assert np.array_equal(found.samples, film.samples[: sound.length])
            assert (found.phonemes, found.words) == ((expected := film.cut(0, sound.length)).phonemes, expected.words)
    assert sound.length > len(film.samples) - RATE


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("step", [0.3, 1.7, 4.0])
async def test_cuts_are_those_of_whole_sentences(known: bool, step: float) -> None:
    sentences = script(known=known)
    whole = Sound(flowing([Speech.join(parts) for parts in sentences]), sentences=True)
    parted = Sound(flowing(in_parts(sentences)), sentences=True)
    at = 0
    while not whole.complete:
        at += round(step * RATE)
        assert at < 40 * RATE
        start = max(0, at - 3 * RATE)
        found = []
        for sound in (whole, parted):
            await sound.reach(at)
            cut = sound.cut(start, at)
            found.append((cut.samples.tobytes(), cut.phonemes, cut.words, cut.language))
            sound.forget(start)
        assert found[0] == found[1]
    await parted.reach(whole.length + 1)
    assert (parted.complete, parted.length) == (True, whole.length)


async def test_silence_at_the_end_of_a_part_is_not_known_before_it_is_clear_what_it_is() -> None:
    parts = parts_of("One.", known=False)
    sound = Sound(flowing([Part(parts[1], 0), Part(parts[2], 0)]), sentences=True)
    await sound.reach(1)
    assert sound.length == round(0.85 * RATE)
    await sound.reach(round(0.85 * RATE) + 1)
    assert sound.length == 2 * RATE


async def test_nothing_that_says_anything() -> None:
    with pytest.raises(InvalidText):
        await Sound(flowing([Part(NOTHING, 0), Part(NOTHING, 1)]), sentences=True).reach(1)


class Voice:
    """Says sentences of two parts and keeps a record of it."""

    def __init__(self, sentences: int, broken: int | None = None) -> None:
        self.done: list[str] = []
        self._count = sentences
        self._broken = broken

    def sentences(self) -> list[AsyncGenerator[Speech]]:
        return [self._sentence(number) for number in range(self._count)]

    async def _sentence(self, number: int) -> AsyncGenerator[Speech]:
        try:
            for part in range(2):
                self.done.append(f"{number}.{part}")
                await asyncio.sleep(0)
                yield Speech(np.full(3, number, np.float32), RATE, None, "en")
                if number == self._broken:
                    raise BackendFailed("It broke.")
        finally:
            self.done.append(f"{number} ends")


async def settled() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def test_the_next_sentence_is_spoken_ahead_and_none_further() -> None:
    voice = Voice(4)
    parts = ahead(voice.sentences())
    for taken in range(4):
        assert (await anext(parts)).sentence == taken
        await settled()
        begun = {name.split(".")[0] for name in voice.done if "." in name}
        assert len(begun) == min(4, taken + 2)
        assert (await anext(parts)).sentence == taken
        await settled()
        assert {name.split(".")[0] for name in voice.done if "." in name} == begun
    assert await anext(parts, None) is None


async def test_who_closes_it_ends_the_sentence_and_an_error_comes_after_what_was_said() -> None:
    voice = Voice(4)
    parts = ahead(voice.sentences())
    await anext(parts)
    await parts.aclose()
    assert voice.done[-1] == "0 ends"
    voice = Voice(4, broken=1)
    found = []
    with pytest.raises(BackendFailed, match="broke"):
        async for part in ahead(voice.sentences()):
            found.append(part.sentence)
    assert found == [0, 0, 1]
