"""Live sessions whose voice is heard before a sentence is finished: what is shown when, and what comes of the rest."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from pipeline.contracts import Samples, Speech
from pipeline.contracts.live import LiveMessage
from pipeline.errors import BackendFailed
from pipeline.jobs.live_face import LiveFace
from pipeline.jobs.live_session import FRAGMENT_SECONDS, LEAD_SECONDS, LiveSession
from pipeline.jobs.pace import Pace
from tests.pipeline.jobs.parted import InParts, parts_of
from tests.pipeline.jobs.silent_face import SilentFace
from tests.pipeline.jobs.test_live import FPS, Client, heard, shown
from tests.pipeline.jobs.works import Hold, works

pytestmark = pytest.mark.anyio

TEXT = "A sentence that lasts seven seconds."
RATE = 48_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def stopped() -> float:
    """A clock by which every voice is quick."""
    return 0.0


async def begun(client: Client, text: str = TEXT) -> dict[str, Any]:
    """What is told of a sentence that is being said, once some of it was shown."""
    await client.say("end", text)
    said = await client.until(lambda news: news["type"] == "speaking" and news["text"] == text)
    while len(shown(client.data)) / FPS < said["at"] + 1:
        assert await client.take()
    return said


def loud_seconds(sound: Samples, start: float, end: float = np.inf) -> float:
    """Tenths of a second from `start` to `end` in which something is said; the sentence may pause among them. In whole
    ones of `InParts` these are 6.1 to 6.5 s, in their first four parts 3.4 to 3.8 s."""
    span = np.abs(sound[round(start * RATE) : round(min(end * RATE, len(sound)))])
    return 0.1 * sum(bool(span[at : at + RATE // 10].max() > 0.02) for at in range(0, len(span), RATE // 10))


async def test_a_sentence_is_shown_before_it_is_finished(tmp_path: Path) -> None:
    async with works(tmp_path, InParts(known=True), clock=stopped) as place:
        place.models.hook = hold = Hold(f"part 3 {TEXT}")
        client = await Client(place).open()
        said = await begun(client)
        assert "until" not in said
        await client.frames(100)  # all that is known, and a pause
        assert client.news[-1] == said
        hold.go.set()
        await client.state("listening")
        await client.close()
        assert [news["type"] for news in client.news] == ["ready", "listening", "speaking", "listening", "closed"]
        assert place.models.calls[f"speak {TEXT}"] == 1
    assert 5.5 < loud_seconds(heard(client.data), said["at"]) < 7.5


async def test_a_voice_that_is_slower_than_time_is_waited_for(tmp_path: Path) -> None:
    ticks = itertools.count()  # of 1.1 s, of which there is one at least from a part of a second to the next
    models = InParts()
    async with works(tmp_path, models, clock=lambda: 1.1 * next(ticks)) as place:
        client = await Client(place).open()
        await client.say("end", TEXT)
        said = await client.state("speaking")
        assert said["until"] - said["at"] == pytest.approx(7 + 0.15, abs=0.01)
        assert models.calls[f"part 8 {TEXT}"] == 1


async def test_an_interruption_in_the_middle_of_an_unfinished_sentence(tmp_path: Path) -> None:
    async with works(tmp_path, InParts(known=True), clock=stopped) as place:
        place.models.hook = hold = Hold(f"part 6 {TEXT}")
        client = await Client(place).open()
        await begun(client)
        await hold.reached.wait()
        await client.say("interrupt")
        cut = await client.state("interrupted")
        assert cut["text"].startswith("word0 more")
        assert cut["at"] - len(shown(client.data)) / FPS <= 2 * FRAGMENT_SECONDS
        await client.frames(50)
        hold.go.set()
        said = await begun(client, "Another one.")
        await client.state("listening")
        await client.close()
        assert place.models.calls[f"part 7 {TEXT}"] == 0
        assert [news["type"] for news in client.news].count("speaking") == 2
    sound = heard(client.data)
    gone = round((cut["at"] + FRAGMENT_SECONDS / 4 + 0.03) * RATE)
    assert np.abs(sound[gone : round(said["at"] * RATE) - 1100]).max() < 0.002


async def test_an_interruption_while_the_voice_keeps_everybody_waiting(tmp_path: Path) -> None:
    async with works(tmp_path, InParts(), clock=stopped) as place:
        place.models.hook = hold = Hold(f"part 2 {TEXT}")
        client = await Client(place).open()
        await begun(client)
        await client.frames(100)
        await client.say("interrupt")
        await client.state("listening")
        await client.frames(25)
        hold.go.set()
        assert (await begun(client, "Another one."))["text"] == "Another one."
        assert place.models.calls[f"part 3 {TEXT}"] == 0


async def test_what_breaks_off_in_the_middle_is_told_and_the_next_is_said(tmp_path: Path) -> None:
    def broken(called: str) -> None:
        if called == f"part 4 {TEXT}":
            raise BackendFailed("The voice broke.")

    async with works(tmp_path, InParts(), clock=stopped, retries=0) as place:
        place.models.hook = broken
        client = await Client(place).open()
        await client.say("end", TEXT)
        assert (await client.state("error"))["error"]["message"] == "The voice broke."
        await begun(client, "Another one.")
        await client.close()
    first, second = (news["at"] for news in client.news if news["type"] == "speaking")
    assert 3.1 < loud_seconds(heard(client.data), first, second - 0.03) < 4.1


async def test_a_voice_that_dies_in_the_middle_goes_on_where_it_was(tmp_path: Path) -> None:
    def dying(called: str) -> None:
        if called == f"part 4 {TEXT}" and place.models.calls[called] == 1:
            raise BackendFailed("It died.")

    async with works(tmp_path, InParts(), clock=stopped) as place:
        place.models.hook = dying
        client = await Client(place).open()
        said = await begun(client)
        await client.state("listening")
        await client.close()
        assert "error" not in [news["type"] for news in client.news]
    assert 5.5 < loud_seconds(heard(client.data), said["at"]) < 7.5


class Fed(SilentFace):
    """A face whose voice says the parts that it is fed; None ends the sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: asyncio.Queue[Speech | None] = asyncio.Queue()
        self.asks = asyncio.Semaphore(0)

    async def spoken(self, text: str) -> AsyncGenerator[Speech]:
        self.asks.release()
        while (part := await self.parts.get()) is not None:
            yield part
            self.asks.release()

    async def feed(self, *parts: Speech | None) -> None:
        """Returns when they were taken, and more is asked for."""
        for part in parts:
            self.parts.put_nowait(part)
            await self.asks.acquire()


async def performed(feeds: list[tuple[int, list[Speech | None]]]) -> tuple[bytes, list[dict[str, Any]], Samples]:
    """The video, the news, and the sound that the face hears, of a session in which so many fragments are shown and
    then these parts come; it has 41 fragments."""
    face, due = Fed(), asyncio.Semaphore(0)

    async def sleep(seconds: float) -> None:
        await due.acquire()

    session = LiveSession("live_1", cast("LiveFace", face), Pace(0, sleep=sleep), 1e12, clock=stopped)
    performing = asyncio.create_task(session.perform())
    data, news = b"", list[dict[str, Any]]()

    async def show(count: int) -> None:
        nonlocal data
        for _ in range(count):
            before = session.frames
            due.release()
            while session.frames == before:
                for item in await session.take():
                    if isinstance(item, bytes):
                        data += item
                    else:
                        news.append(json.loads(item))

    session.hear(LiveMessage(type="end", text="One. Two."))
    await face.asks.acquire()
    for count, parts in feeds:
        await show(count)
        await face.feed(*parts)
    await show(40 - sum(count for count, _ in feeds))
    session.hear(LiveMessage(type="close"))
    due.release()
    while items := await session.take():
        data += b"".join(item for item in items if isinstance(item, bytes))
    await performing
    whole = np.zeros(60 * RATE, np.float32)
    for made in face.models.stretched:
        start, samples = made.sample_at(made.heard_from), made.animation.speech.samples
        whole[start : start + len(samples)] = samples
    return data, news, whole


@pytest.mark.parametrize("known", [True, False])
async def test_where_the_voice_keeps_ahead_it_is_the_video_of_the_whole_sentence(known: bool) -> None:
    parts = parts_of("One.", known=known)
    at_once = await performed([(1, [Speech.join(parts), None])])
    little = await performed([(1, [*parts[:2]]), (2, [parts[2]]), (3, [*parts[3:6]]), (2, [*parts[6:], None])])
    assert little[0] == at_once[0]
    assert np.array_equal(little[2], at_once[2])
    (early,) = (news for news in little[1] if news["type"] == "speaking")
    (late,) = (news for news in at_once[1] if news["type"] == "speaking")
    assert "until" in late
    assert "until" not in early
    assert {**early, "until": late["until"]} == late
    assert early["at"] >= FRAGMENT_SECONDS + LEAD_SECONDS
