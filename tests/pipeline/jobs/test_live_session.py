"""One live session, turn by turn of its event loop: what is said, cut off and told where two things come together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import numpy as np
import pytest

from pipeline.contracts import Speech
from pipeline.contracts.live import LiveMessage
from pipeline.jobs.live_face import LiveFace
from pipeline.jobs.live_session import FRAGMENT_SECONDS, LiveSession
from pipeline.jobs.pace import Pace
from tests.pipeline.jobs.silent_face import SilentFace

pytestmark = pytest.mark.anyio

RATE = 8000
TONE = Speech(0.1 * np.sin(np.arange(RATE) / 7).astype(np.float32), RATE, None, "en")
NOTHING = Speech(np.zeros(0, np.float32), RATE, None, "en")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Told(SilentFace):
    """A face that speaks when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, asyncio.Future[Speech]] = {}
        self._more = asyncio.Event()

    async def spoken(self, text: str) -> AsyncGenerator[Speech]:
        self.asked[text] = answer = asyncio.get_running_loop().create_future()
        self._more.set()
        yield await answer

    async def asks(self, text: str) -> asyncio.Future[Speech]:
        while text not in self.asked:
            self._more.clear()
            await self._more.wait()
        return self.asked[text]


class Stage:
    """A session that is performed, and what it made so far."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.face = Told()
        self.session = LiveSession("live_1", cast("LiveFace", self.face), pace or Pace(1e9), 1e12)
        self.news: list[dict[str, Any]] = []

    def say(self, type: Any, text: str = "") -> None:
        self.session.hear(LiveMessage(type=type, text=text))

    async def take(self) -> bool:
        items = await self.session.take()
        self.news += [json.loads(item) for item in items if isinstance(item, str)]
        return bool(items)

    async def state(self, type: str) -> dict[str, Any]:
        seen = len(self.news)
        while True:
            for news in self.news[seen:]:
                if news["type"] == type:
                    return news
            seen = len(self.news)
            assert await self.take(), self.news

    def types(self) -> list[str]:
        return [news["type"] for news in self.news]


@asynccontextmanager
async def performed(stage: Stage | None = None) -> AsyncGenerator[Stage]:
    stage = stage or Stage()
    performing = asyncio.create_task(stage.session.perform())
    try:
        yield stage
    finally:
        performing.cancel()
        await asyncio.wait({performing})


@pytest.mark.parametrize("found", [NOTHING, TONE])
async def test_an_interruption_in_the_turn_in_which_the_voice_is_ready(found: Speech) -> None:
    async with performed() as stage:
        await stage.state("listening")
        stage.say("end", "Old sentence.")
        answer = await stage.face.asks("Old sentence.")
        answer.set_result(found)
        stage.say("interrupt")
        stage.say("end", "New sentence.")
        (await stage.face.asks("New sentence.")).set_result(TONE)
        assert (await stage.state("speaking"))["text"] == "New sentence."
        await stage.state("listening")
        stage.say("close")
        await stage.state("closed")
    assert stage.types().count("speaking") == 1


async def test_an_interruption_in_the_turn_in_which_the_sound_is_ready() -> None:
    """At every turn of the loop between the voice and the sound."""
    for turns in range(12):
        async with performed() as stage:
            await stage.state("listening")
            stage.say("end", "Old sentence.")
            (await stage.face.asks("Old sentence.")).set_result(TONE)
            for _ in range(turns):
                await asyncio.sleep(0)
            stage.say("interrupt")
            stage.say("end", "New sentence.")
            (await stage.face.asks("New sentence.")).set_result(TONE)
            while (await stage.state("speaking"))["text"] != "New sentence.":
                pass
            cut = stage.types().index("interrupted")
            assert [news["text"] for news in stage.news[cut:] if news["type"] == "speaking"] == ["New sentence."]


async def test_an_interruption_with_nothing_after_it_leaves_a_voice_that_speaks() -> None:
    async with performed() as stage:
        await stage.state("listening")
        stage.say("end", "Old sentence.")
        (await stage.face.asks("Old sentence.")).set_result(NOTHING)
        stage.say("interrupt")
        await stage.state("interrupted")
        stage.say("end", "Later.")
        (await stage.face.asks("Later.")).set_result(TONE)
        assert (await stage.state("speaking"))["text"] == "Later."


async def test_who_ends_a_session_ends_the_voice_that_was_interrupted() -> None:
    async with performed() as stage:
        await stage.state("listening")
        stage.say("end", "Old sentence.")
        answer = await stage.face.asks("Old sentence.")
        stage.say("interrupt")
    await asyncio.sleep(0)
    assert answer.cancelled()


async def test_what_is_said_when_the_session_is_over_begins_nothing() -> None:
    async with performed() as stage:
        await stage.state("listening")
        stage.say("close")
        await stage.state("closed")
        tasks = asyncio.all_tasks()
        stage.say("interrupt")
        stage.say("end", "Nobody says this.")
        assert asyncio.all_tasks() <= tasks
        assert not await stage.take()
    assert stage.face.asked == {}


async def test_a_sentence_in_the_very_first_fragment_is_told() -> None:
    due = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await due.wait()

    stage = Stage(Pace(0, sleep=sleep))
    async with performed(stage):
        stage.say("end", "At once. And then.")
        (await stage.face.asks("At once.")).set_result(TONE)
        await stage.face.asks("And then.")  # which is when the first is in the sound
        due.set()
        said = await stage.state("speaking")
    assert stage.types()[:3] == ["ready", "listening", "speaking"]
    assert said["text"] == "At once."
    assert stage.news[1]["at"] < said["at"] < FRAGMENT_SECONDS
