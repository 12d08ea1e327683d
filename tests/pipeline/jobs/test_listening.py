"""A sentence is heard while it is spoken: by whoever wants it, whenever he comes, and whatever happens to the voice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.contracts import Speech, SpeechRequest, VideoRequest
from pipeline.errors import BackendFailed
from pipeline.storage.parcels import unpack_speech
from tests.pipeline.jobs.parted import InParts
from tests.pipeline.jobs.works import Hold, works

pytestmark = pytest.mark.anyio

TEXT = "A sentence that lasts seven seconds."
LATE = f"part 5 {TEXT}"
"""More than the first pictures need is spoken by then."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def asked(text: str = TEXT, **changes: object) -> VideoRequest:
    return VideoRequest.model_validate({"text": text, "prompt": "her", "size": 128, **changes})


async def rest(place: SimpleNamespace, name: str = "str_1") -> bytes:
    pieces = []
    while piece := await place.streams.take(name):
        pieces.append(piece)
    return b"".join(pieces)


async def all_of(place: SimpleNamespace, text: str = TEXT, name: str = "str_1") -> bytes:
    return await place.streams.begin(name, asked(text)) + await rest(place, name)


def requests(models: InParts) -> list[tuple[Any, ...]]:
    """What was asked of lip-sync, to the last bit."""
    return [
        (made.first, made.frame_count, made.heard_from, speech.samples.tobytes(), speech.phonemes, speech.language)
        for made in sorted(models.stretched, key=lambda made: made.first)
        if (speech := made.animation.speech)
    ]


@pytest.fixture
async def undisturbed(tmp_path: Path) -> bytes:
    """The video where every sentence is spoken in one part."""
    async with works(tmp_path / "undisturbed", InParts(whole=True)) as place:
        return await all_of(place)


@pytest.mark.parametrize("known", [True, False])
async def test_the_first_pictures_of_a_sentence_come_before_it_is_finished(tmp_path: Path, known: bool) -> None:
    text = f"{TEXT} Another one. And the last, which is the third of them."
    async with works(tmp_path / "whole", InParts(known=known, whole=True)) as place:
        whole, wanted = await all_of(place, text), requests(place.models)
    async with works(tmp_path / "parts", InParts(known=known)) as place:
        place.models.hook = hold = Hold(LATE)
        first = await place.streams.begin("str_1", asked(text))
        await hold.reached.wait()
        assert place.models.stretched[0].first == 0
        assert place.models.calls[f"part 6 {TEXT}"] == 0
        hold.go.set()
        assert first + await rest(place) == whole
        assert requests(place.models) == wanted


async def test_what_is_kept_is_what_is_kept_of_a_voice_that_says_it_in_one_part(tmp_path: Path) -> None:
    digests = []
    for name, models in (("parts", InParts(known=True)), ("whole", InParts(known=True, whole=True))):
        async with works(tmp_path / name, models) as place:
            await all_of(place)
            job = await place.jobs.wait((await place.jobs.submit(asked())).id, 30)
            assert job.state == "completed"
            assert models.calls[f"speak {TEXT}"] == 1
            (step,) = (step for step in job.steps if step.name.startswith("speak"))
            digests.append((step.key, step.artifact))
    assert digests[0] == digests[1]


class Mortal(InParts):
    """Dies before the sixth part of the first attempt, once it is let go."""

    def __init__(self, again: str = "same") -> None:
        super().__init__()
        self._again = again
        self.spoken = asyncio.Event()
        self.die = asyncio.Event()
        self.deaths = 0

    async def speak(self, backend: str, request: SpeechRequest) -> AsyncIterator[Speech]:
        number = 0
        async for part in super().speak(backend, request):
            if number == 5 and not self.deaths:
                self.spoken.set()
                await self.die.wait()
                self.deaths += 1
                raise BackendFailed("It died.")
            if number == 2 and self.deaths and self._again == "shorter":
                return
            if number == 2 and self.deaths and self._again == "otherwise":
                yield Speech(part.samples[::-1].copy(), part.sample_rate, None, "en")
            else:
                yield part
            number += 1


async def test_a_voice_that_dies_in_mid_sentence_goes_on_where_it_was(tmp_path: Path, undisturbed: bytes) -> None:
    async with works(tmp_path, Mortal()) as place:
        first = await place.streams.begin("str_1", asked())
        place.models.die.set()
        assert first + await rest(place) == undisturbed
        assert (place.models.deaths, place.models.calls[f"speak {TEXT}"]) == (1, 2)


@pytest.mark.parametrize("again", ["otherwise", "shorter"])
async def test_a_voice_that_says_something_else_the_second_time_breaks_off_who_has_heard_the_first(
    tmp_path: Path, again: str
) -> None:
    async with works(tmp_path, Mortal(again)) as place:
        await place.streams.begin("str_1", asked())
        job = await place.jobs.submit(asked())
        place.models.die.set()
        with pytest.raises(BackendFailed) as caught:
            await rest(place)
        assert caught.value.code == "speech_differs"
        done = await place.jobs.wait(job.id, 30)  # which has heard nothing yet
        assert done.state == "completed"
        step = next(step for step in done.steps if step.name.startswith("speak"))
        kept = unpack_speech(place.artifacts.read(step.artifact))
        assert kept.seconds == (2 if again == "shorter" else 7.4)


async def test_a_voice_that_fails_for_good_breaks_it_off(tmp_path: Path) -> None:
    async with works(tmp_path, Mortal(), retries=0) as place:
        await place.streams.begin("str_1", asked())
        place.models.die.set()
        with pytest.raises(BackendFailed, match="It died"):
            await rest(place)


async def test_two_readers_hear_the_same_sentence_while_it_is_spoken_once(tmp_path: Path, undisturbed: bytes) -> None:
    async with works(tmp_path, InParts()) as place:
        place.models.hook = hold = Hold(LATE)
        names = ("str_1", "str_2")
        first = await asyncio.gather(*[place.streams.begin(name, asked()) for name in names])
        hold.go.set()
        others = await asyncio.gather(*[rest(place, name) for name in names])
        assert [one + more for one, more in zip(first, others, strict=True)] == [undisturbed, undisturbed]
        assert place.models.calls[f"speak {TEXT}"] == 1


async def test_who_comes_late_hears_what_was_said_by_then_and_then_the_rest(tmp_path: Path, undisturbed: bytes) -> None:
    async with works(tmp_path, InParts()) as place:
        place.models.hook = hold = Hold(LATE)
        job = await place.jobs.submit(asked())
        await hold.reached.wait()
        first = await place.streams.begin("str_1", asked())
        hold.go.set()
        assert first + await rest(place) == undisturbed
        assert (await place.jobs.wait(job.id, 30)).state == "completed"
        assert place.models.calls[f"speak {TEXT}"] == 1


async def test_who_comes_before_a_death_hears_both_lives(tmp_path: Path, undisturbed: bytes) -> None:
    async with works(tmp_path, Mortal()) as place:
        job = await place.jobs.submit(asked())
        await place.models.spoken.wait()
        first = await place.streams.begin("str_1", asked())
        place.models.die.set()
        assert first + await rest(place) == undisturbed
        assert (await place.jobs.wait(job.id, 30)).state == "completed"
        assert place.models.calls[f"speak {TEXT}"] == 2


async def test_who_comes_after_a_death_hears_the_second_life_only(tmp_path: Path, undisturbed: bytes) -> None:
    again, go = asyncio.Event(), asyncio.Event()

    async def hook(called: str) -> None:
        if called == LATE and place.models.deaths:
            again.set()
            await go.wait()

    async with works(tmp_path, Mortal()) as place:
        place.models.hook = hook
        place.models.die.set()
        job = await place.jobs.submit(asked())
        await again.wait()
        first = await place.streams.begin("str_1", asked())
        go.set()
        assert first + await rest(place) == undisturbed
        assert (await place.jobs.wait(job.id, 30)).state == "completed"


async def test_a_sentence_that_was_spoken_before_is_not_spoken_again(tmp_path: Path, undisturbed: bytes) -> None:
    async with works(tmp_path, InParts()) as place:
        assert (await place.jobs.wait((await place.jobs.submit(asked())).id, 30)).state == "completed"
        assert await all_of(place) == undisturbed
        assert place.models.calls[f"speak {TEXT}"] == 1


async def test_a_reader_who_goes_away_in_mid_sentence_ends_it(tmp_path: Path, undisturbed: bytes) -> None:
    async with works(tmp_path, InParts(), streams=1) as place:
        place.models.hook = hold = Hold(LATE)
        await place.streams.begin("str_1", asked())
        await hold.reached.wait()
        await place.streams.end("str_1")
        calls = place.models.calls.total()
        hold.go.set()
        await asyncio.sleep(0.05)
        assert place.models.calls.total() == calls
        assert await all_of(place, name="str_2") == undisturbed
        assert place.models.calls[f"speak {TEXT}"] == 2


async def test_a_reader_who_goes_away_leaves_the_sentence_to_whoever_else_wants_it(tmp_path: Path) -> None:
    async with works(tmp_path, InParts()) as place:
        place.models.hook = hold = Hold(LATE)
        await place.streams.begin("str_1", asked())
        await hold.reached.wait()
        job = await place.jobs.submit(asked())
        while not any(s.name == "speak.0001" and s.key for s in (await place.jobs.get(job.id)).steps):
            await asyncio.sleep(0.01)
        await place.streams.end("str_1")
        hold.go.set()
        assert (await place.jobs.wait(job.id, 30)).state == "completed"
        assert place.models.calls[f"speak {TEXT}"] == 1


async def test_a_sentence_is_spoken_to_its_end_and_the_next_one_and_no_further(tmp_path: Path) -> None:
    text = " ".join(f"Sentence number {number} of many." for number in range(6))
    async with works(tmp_path, InParts()) as place:
        await place.streams.begin("str_1", asked(text))
        for _ in range(60):  # everything that can go on meanwhile does
            await asyncio.sleep(0.005)
        assert sum(name.startswith("speak") for name in place.models.calls) <= 2
        await rest(place)
        assert sum(name.startswith("speak") for name in place.models.calls) == 6
