"""Videos in segments: the same whether they are being made or finished, and no sooner than they are there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from pipeline.contracts.playback import Segment
from pipeline.errors import Conflict, NotFound, Unavailable
from pipeline.jobs.journal import Journal
from pipeline.jobs.playback import Playback
from tests.pipeline.jobs.test_passages import FPS, asked, film, held, seen
from tests.pipeline.jobs.works import CountedModels, Hold, works

T = TypeVar("T")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_segments_of_a_video_that_is_made_are_those_of_the_finished_one(tmp_path: Path) -> None:
    models = CountedModels()
    models.hook = hold = Hold("passage 200")
    async with works(tmp_path, models) as place:
        playback = Playback(place.jobs, place.journal, place.artifacts)
        job = await place.jobs.submit(asked(100))
        with pytest.raises(Unavailable, match="Nothing") as caught:
            await playback.playlist(job.id)
        assert caught.value.code == "not_begun"
        early = [await playback.awaited(job.id, number) for number in (0, 1, 2)]
        playlist = await playback.playlist(job.id)
        assert (playlist.fps, playlist.frames, playlist.complete) == (FPS, (100, 100), False)
        with pytest.raises(NotFound, match="segment 3"):
            await playback.segment(job.id, 3)
        assert await playback.segment(job.id, 2) == Segment(early[2], final=False)
        hold.go.set()
        grown = list(early)
        while piece := await playback.awaited(job.id, len(grown)):
            grown.append(piece)
        assert (await place.jobs.wait(job.id, 60)).state == "completed"
        playlist = await playback.playlist(job.id)
        assert playlist.complete
        assert playlist.frames[:2] == (100, 100)
        cut = [await playback.segment(job.id, number) for number in range(len(playlist.frames) + 1)]
        assert cut == [Segment(piece, final=True) for piece in grown]
        with pytest.raises(NotFound, match="the video has"):
            await playback.segment(job.id, len(grown))
        assert seen(b"".join(grown)) == seen(await film(place, job.id))


class Overtaken(Journal):
    """A journal in which something happens before the second read."""

    def __init__(self, journal: Journal, happens: Callable[[], Awaitable[object]]) -> None:
        self._journal = journal
        self._happens = happens
        self._reads = 0

    async def read(self, work: Callable[[Connection], T]) -> T:
        self._reads += 1
        if self._reads == 2:
            await self._happens()
        return await self._journal.read(work)


async def test_a_film_that_comes_while_its_passages_are_looked_for_is_found(tmp_path: Path) -> None:
    models = CountedModels()
    async with works(tmp_path, models) as place:
        job, _ = await held(place, asked(50), hold := Hold("passage 100"), 1)

        async def finished() -> None:
            hold.go.set()
            assert (await place.jobs.wait(job, 60)).state == "completed"

        playback = Playback(place.jobs, Overtaken(place.journal, finished), place.artifacts)
        assert (await playback.playlist(job)).complete


async def test_while_a_short_video_is_made_there_is_nothing_to_play(tmp_path: Path) -> None:
    models = CountedModels()
    models.hook = hold = Hold("film")
    async with works(tmp_path, models) as place:
        playback = Playback(place.jobs, place.journal, place.artifacts)
        job = await place.jobs.submit(asked(3))
        await hold.reached.wait()
        with pytest.raises(Unavailable):
            await playback.playlist(job.id)
        with pytest.raises(NotFound):
            await playback.segment(job.id, 0)


async def test_a_job_that_ends_without_a_video_ends_its_segments(tmp_path: Path) -> None:
    models = CountedModels()
    models.hook = hold = Hold("passage 200")
    async with works(tmp_path, models) as place:
        playback = Playback(place.jobs, place.journal, place.artifacts)
        job = await place.jobs.submit(asked(100))
        await hold.reached.wait()
        assert await playback.awaited(job.id, 1)
        waiting = asyncio.create_task(playback.awaited(job.id, 3))
        await asyncio.sleep(0.02)
        await place.jobs.cancel(job.id)
        with pytest.raises(Conflict, match="cancelled, not completed"):
            await waiting
        with pytest.raises(Conflict):
            await playback.playlist(job.id)
