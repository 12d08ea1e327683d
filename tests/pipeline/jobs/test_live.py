"""Live sessions: what is said when, how it is cut off, how one continuous video comes of it, and how it ends."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from pipeline.contracts import Backends, Phoneme, Speech, Word
from pipeline.contracts.live import LiveMessage, LiveRequest
from pipeline.errors import Busy, InvalidRequest, MouthpieceError, NotFound, TooLarge, UnknownName, UnusableFace
from pipeline.jobs import live_session as module
from tests.pipeline.jobs.works import CountedModels, Hold, grey, works
from tests.pipeline.media.boxes import boxes

pytestmark = pytest.mark.anyio

FPS = 25
HER = LiveRequest(prompt="her", size=128)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Client:
    """Takes what comes, and says what it is told to."""

    def __init__(self, place: SimpleNamespace, name: str = "live_1") -> None:
        self._place = place
        self.name = name
        self.news: list[dict[str, Any]] = []
        self.data = b""

    async def open(self, request: LiveRequest = HER, longest: float = 1e6) -> Client:
        await self._place.live.begin(self.name, request, longest)
        return self

    async def say(self, type: Any, text: str = "") -> None:
        await self._place.live.hear(self.name, [LiveMessage(type=type, text=text)])

    async def take(self) -> bool:
        items = await self._place.live.take(self.name)
        for item in items:
            if isinstance(item, bytes):
                self.data += item
            else:
                self.news.append(json.loads(item))
        return bool(items)

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first news that is wanted, of those from now on."""
        seen = len(self.news)
        while True:
            for news in self.news[seen:]:
                if wanted(news):
                    return news
            seen = len(self.news)
            assert await self.take(), self.news

    async def state(self, type: str) -> dict[str, Any]:
        return await self.until(lambda news: news["type"] == type)

    async def frames(self, count: int) -> None:
        wanted = len(shown(self.data)) + count if self.data else count
        while not self.data or len(shown(self.data)) < wanted:
            assert await self.take()

    async def close(self) -> None:
        await self.say("close")
        while await self.take():
            pass


class Slow(CountedModels):
    """Takes three seconds to say anything."""

    async def speak(self, backend: str, request: Any) -> Any:
        async for part in super().speak(backend, request):
            tone = 0.1 * np.sin(np.arange(24_000) / 7).astype(np.float32)
            words = (Word(0, 1, "three"), Word(1, 2, "whole"), Word(2, 3, "seconds"))
            yield Speech(tone, 8000, (Phoneme(0, 1.5, "a"), Phoneme(1.5, 3, "o")), part.language, words)


def shown(data: bytes) -> list[int]:
    with av.open(io.BytesIO(data), "r") as file:
        return [round(float(picture.to_ndarray()[:128].mean())) for picture in file.decode(video=0)]


def heard(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data), "r") as file:
        return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


async def test_says_sentence_by_sentence_what_is_written_piece_by_piece(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as place:
        client = await Client(place).open()
        await client.frames(20)
        assert [news["type"] for news in client.news] == ["ready", "listening"]
        ready = client.news[0]
        assert (ready["id"], ready["size"], ready["fps"]) == ("live_1", 128, 25)
        assert ready["content_type"].startswith('video/mp4; codecs="avc1.')
        for piece in ("Good ", "mor", "ning. H", "ow are", " you"):
            await client.say("text", piece)
        first = await client.state("speaking")
        assert first["text"] == "Good morning."
        await client.state("listening")
        assert "speak How are you" not in place.models.calls
        await client.say("end")
        second = await client.state("speaking")
        assert second["text"] == "How are you"
        last = await client.state("listening")
        assert 0 < first["at"] < first["until"] < second["at"] < second["until"] == last["at"]
        await client.close()
        assert client.news[-1]["type"] == "closed"
        assert client.news[-1]["reason"] == "asked"
    assert boxes(client.data)[:4] == ["ftyp", "moov", "moof", "mdat"]
    frames = shown(client.data)
    assert frames == pytest.approx([grey(number) for number in range(len(frames))], abs=2)
    assert len(frames) / FPS == client.news[-1]["at"]
    sound = heard(client.data)
    assert abs(len(sound) / 48_000 - len(frames) / FPS) < 1 / FPS
    # As loud as the voice where it speaks, and silent elsewhere.
    said = [(news["at"], news["until"]) for news in (first, second)]
    for at, until in said:
        assert np.abs(sound[round(at * 48_000) :][:2000]).max() > 0.05
        assert np.abs(sound[round((until - 0.2) * 48_000) :][:1000]).max() > 0.05
    quiet = np.concatenate([sound[: round(said[0][0] * 48_000) - 1100], sound[round(said[1][1] * 48_000) :]])
    assert np.abs(quiet).max() < 0.01


async def test_every_stretch_is_one_of_the_same_video(tmp_path: Path) -> None:
    """What a stretch is drawn from agrees, where they overlap, with what its neighbours are drawn from, as far as was
    known: what is said later changes nothing that is less than the lead away."""
    async with works(tmp_path, CountedModels()) as place:
        client = await Client(place).open()
        for number in range(4):
            await client.say("text", f"This is sentence number {number}. ")
            await client.frames(15)
        await client.say("end")
        await client.state("listening")
        await client.frames(80)
        await client.close()
        stretches = place.models.stretched
        (digest,) = {made.animation.portrait_digest for made in stretches}
        assert place.artifacts.has(digest)
        whole = np.zeros(48_000 * 60, np.float32)
        for made in stretches:
            start = made.sample_at(made.heard_from)
            whole[start : start + len(made.animation.speech.samples)] = made.animation.speech.samples
        for made, then in itertools.pairwise(stretches):
            assert made.first + made.frame_count == then.first
            assert made.heard_from == max(0, made.first - 101)
            start, end = made.sample_at(made.heard_from), made.sample_at(made.first + made.frame_count)
            sure = end + round((module.LEAD_SECONDS - 0.01) * 48_000)
            assert np.array_equal(made.animation.speech.samples[: sure - start], whole[start:sure])
            phonemes = made.animation.speech.phonemes
            assert phonemes is not None
            assert phonemes[0].start == 0
            assert phonemes[-1].end == pytest.approx(len(made.animation.speech.samples) / 48_000)
            assert all(one.end == pytest.approx(two.start) for one, two in itertools.pairwise(phonemes))
        assert np.abs(whole).max() > 0.05


async def test_an_interruption_cuts_at_once_and_softly_and_the_next_words_are_said(tmp_path: Path) -> None:
    async with works(tmp_path, Slow()) as place:
        client = await Client(place).open()
        await client.say("text", "One. Another one. A third. Unfinished")
        began = await client.state("speaking")
        while len(shown(client.data)) / FPS < began["at"] + 0.8:
            assert await client.take()
        await client.say("interrupt")
        cut = await client.state("interrupted")
        assert cut["text"] == ("three whole" if cut["at"] > began["at"] + 1 else "three")
        assert cut["at"] - len(shown(client.data)) / FPS <= 2 * module.FRAGMENT_SECONDS
        assert client.news[-1] == {"type": "listening", "at": cut["at"]}
        await client.frames(50)
        assert [news["type"] for news in client.news].count("speaking") == 1
        await client.say("end", "Sorry.")
        later = await client.state("speaking")
        assert later["text"] == "Sorry."
        await client.state("listening")
        await client.close()
    sound, at = heard(client.data), round(cut["at"] * 48_000)
    assert np.abs(sound[at - 5000 : at - 1000]).max() > 0.05
    gone = at + round((module.FRAGMENT_SECONDS / 4 + 0.03) * 48_000)
    assert np.abs(sound[gone : round(later["at"] * 48_000) - 1100]).max() < 0.002
    # No click: no step is larger than those of the voice itself.
    assert np.abs(np.diff(sound[at - 2000 : gone])).max() <= 1.1 * np.abs(np.diff(sound[at - 5000 : at - 2000])).max()
    frames = shown(client.data)
    assert frames == pytest.approx([grey(number) for number in range(len(frames))], abs=2)


async def test_what_was_drawn_of_words_that_are_cut_off_is_drawn_again(tmp_path: Path) -> None:
    async with works(tmp_path, Slow()) as place:
        client = await Client(place).open()
        await client.say("end", "A sentence.")
        began = await client.state("speaking")
        at = 8 * (int(began["at"] * FPS / 8) + 3)
        place.models.hook = hold = Hold(f"stretch {at}")
        taking = asyncio.create_task(client.frames(200))
        await hold.reached.wait()
        await client.say("interrupt")
        hold.go.set()
        await taking
        twice = [made for made in place.models.stretched if made.first == at]
        assert len(twice) == 2
        cut = next(news for news in client.news if news["type"] == "interrupted")
        assert cut["at"] == at / FPS
        start = twice[0].sample_at(at) - twice[0].sample_at(twice[0].heard_from)
        before, after = (made.animation.speech.samples for made in twice)
        assert np.array_equal(before[:start], after[:start])
        assert np.abs(before[start + 24_000 :]).max() > 0.05
        assert np.abs(after[start + 24_000 :]).max() == 0


async def test_goes_no_further_than_is_taken_and_ends_when_nobody_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with works(tmp_path, CountedModels(), stalled=0.05, live=1) as place:
        client = await Client(place).open()
        await client.state("ready")
        while "broke off" not in caplog.text:
            await asyncio.sleep(0.01)
        assert len(place.models.stretched) <= 4
        with pytest.raises(Busy) as caught:
            while await client.take():
                pass
        assert caught.value.code == "stalled"
        await Client(place, "live_2").open()


async def test_a_client_who_goes_away_ends_it(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), live=1) as place:
        client = await Client(place).open()
        await client.frames(20)
        drawn = len(place.models.stretched)
        place.models.hook = hold = Hold(f"stretch {8 * (drawn + 2)}")
        taking = asyncio.create_task(client.frames(1000))
        await hold.reached.wait()
        taking.cancel()
        await asyncio.wait({taking})
        calls = place.models.calls.total()
        hold.go.set()
        await asyncio.sleep(0.05)
        assert place.models.calls.total() == calls
        await client.say("text", "Nobody hears this. ")
        with pytest.raises(NotFound):
            await client.take()
        other = await Client(place, "live_2").open()
        await other.frames(1)
        await place.live.end("live_2")
        await place.live.end("live_2")


async def test_nobody_says_anything(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), idle_seconds=3) as place:
        client = await Client(place).open()
        await client.frames(50)
        await client.say("text", "Still here")
        while await client.take():
            pass
        assert client.news[-1]["reason"] == "idle"
        assert client.news[-1]["at"] >= 5


async def test_it_has_lasted_long_enough_by_the_clock(tmp_path: Path) -> None:
    models = CountedModels()  # each call takes a second: two for the portrait, and one for each fragment
    async with works(tmp_path, models, clock=lambda: float(models.calls.total())) as place:
        client = await Client(place).open(longest=5)
        assert await client.state("closed") == {"type": "closed", "at": 3 * 0.32, "reason": "time"}


async def test_as_many_as_may_be_and_no_more(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), live=2) as place:
        one, two = [await Client(place, name).open() for name in ("live_1", "live_2")]
        with pytest.raises(Busy) as caught:
            await Client(place, "live_3").open()
        assert (caught.value.code, caught.value.retry_after) == ("too_many_sessions", 5)
        await one.close()
        three = await Client(place, "live_3").open()
        await asyncio.gather(three.frames(10), two.frames(10))


async def test_several_at_once_say_each_what_it_was_given(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), live=3) as place:

        async def session(name: str, words: int) -> np.ndarray:
            client = await Client(place, name).open()
            await client.say("end", "word " * words)
            said = await client.state("speaking")
            await client.state("listening")
            await client.close()
            sound = heard(client.data)
            return sound[round(said["at"] * 48_000) : round(said["until"] * 48_000)]

        sounds = await asyncio.gather(session("live_1", 3), session("live_2", 20), session("live_3", 60))
    # The voice of these models speaks longer the more it has to say, in one tone.
    lengths = [round(8000 * len(sound) / 48_000) for sound in sounds]
    assert lengths == [800 + 10 * (5 * words - 1) + 1200 for words in (3, 20, 60)]


@pytest.mark.parametrize(
    ("change", "kind", "field"),
    [
        ({"avatar": "nobody", "prompt": None}, NotFound, None),
        ({"avatar": "nobody"}, InvalidRequest, "prompt"),
        ({"portrait": b"no picture", "prompt": None}, MouthpieceError, "portrait"),
        ({"voice": "nobody"}, UnknownName, "voice"),
        ({"language": "xx"}, UnknownName, "language"),
        ({"backends": Backends(lipsync="other")}, UnknownName, "backends.lipsync"),
    ],
)
async def test_what_can_t_be_made_is_refused_and_the_next_session_works(
    tmp_path: Path, change: dict[str, Any], kind: type[MouthpieceError], field: str | None
) -> None:
    async with works(tmp_path, CountedModels(), live=1) as place:
        with pytest.raises(kind) as caught:
            await Client(place).open(HER.model_copy(update=change))
        assert field is None or caught.value.field == field
        await (await Client(place).open()).frames(1)


async def test_a_backend_that_makes_whole_videos_only(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as place:
        place.models.stretches = False
        with pytest.raises(InvalidRequest) as caught:
            await Client(place).open()
        assert (caught.value.code, caught.value.field) == ("not_streamed", "backends.lipsync")


async def test_a_face_that_can_t_be_used(tmp_path: Path) -> None:
    class Faceless(CountedModels):
        async def locate(self, backend: str, picture: Any) -> Any:
            raise UnusableFace("None.", code="no_face", field="portrait")

    async with works(tmp_path, Faceless(), live=1) as place:
        client = await Client(place).open()  # it is drawn when the session has begun
        with pytest.raises(UnusableFace):
            await client.take()
        place.models.__class__ = CountedModels
        await (await Client(place, "live_2").open(HER.model_copy(update={"prompt": "him"}))).frames(1)


async def test_what_can_t_be_said_is_told_and_the_session_goes_on(tmp_path: Path) -> None:
    class Hoarse(CountedModels):
        async def speak(self, backend: str, request: Any) -> Any:
            if "cough" in request.text:
                raise UnknownName("It can't.", field="text")
            async for part in super().speak(backend, request):
                yield part

    async with works(tmp_path, Hoarse()) as place:
        client = await Client(place).open()
        await client.say("text", "A \x00 character. ")
        await client.say("text", "A cough. ")
        await client.say("text", "🙂 ... \n")
        await client.say("end", "Words.")
        assert (await client.state("error"))["error"]["code"] == "invalid_characters"
        assert (await client.until(lambda news: news["type"] == "error"))["error"]["message"] == "It can't."
        assert (await client.state("speaking"))["text"] == "Words."


async def test_no_more_text_waits_than_may(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), limits={"text_characters": 1000}) as place:
        client = await Client(place).open()
        with pytest.raises(TooLarge) as caught:
            for _ in range(30):
                await client.say("text", "A sentence that is short enough by itself. ")
        assert (caught.value.code, caught.value.field) == ("text_too_long", "text")


async def test_a_voice_without_phonemes(tmp_path: Path) -> None:
    class Plain(CountedModels):
        async def speak(self, backend: str, request: Any) -> Any:
            async for part in super().speak(backend, request):
                yield Speech(part.samples, part.sample_rate, None, part.language)

    async with works(tmp_path, Plain()) as place:
        client = await Client(place).open()
        await client.say("end", "Words.")
        await client.state("listening")
        await client.say("end", "More words, and some.")
        said = await client.until(lambda news: news["type"] == "speaking" and news["text"].startswith("More"))
        while len(shown(client.data)) / FPS < said["at"]:
            await client.take()
        await client.say("interrupt")
        await client.state("interrupted")
        await client.frames(20)
        assert [made.animation.speech.phonemes for made in place.models.stretched[-3:]] == [None] * 3
