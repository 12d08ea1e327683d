"""A video that is watched while it is made: what comes when, in what order, how far ahead, and how it ends."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from pipeline.contracts import HEARD_AFTER, Backends, Samples, VideoRequest
from pipeline.errors import (
    BackendFailed,
    Busy,
    InvalidRequest,
    InvalidText,
    MouthpieceError,
    NotFound,
    TooLarge,
    UnusableFace,
)
from pipeline.jobs import stream as module
from pipeline.media.audio import encode_audio
from pipeline.media.fragments import FragmentWriter
from tests.pipeline.jobs.works import CountedModels, Hold, grey, works
from tests.pipeline.media.boxes import boxes

pytestmark = pytest.mark.anyio

FPS = 25


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def asked(sentences: int, word: str = "word", **changes: object) -> VideoRequest:
    """Each sentence lasts about 0.4 s."""
    text = " ".join(f"Sentence {word} {number}." for number in range(sentences))
    return VideoRequest.model_validate({"text": text, "avatar": None, "prompt": "her", "size": 128, **changes})


async def begun(place: SimpleNamespace, request: VideoRequest, name: str = "str_1") -> bytes:
    return await place.streams.begin(name, request)


async def rest(place: SimpleNamespace, name: str = "str_1") -> bytes:
    pieces = []
    while piece := await place.streams.take(name):
        pieces.append(piece)
    return b"".join(pieces)


async def all_of(place: SimpleNamespace, request: VideoRequest, name: str = "str_1") -> bytes:
    return await begun(place, request, name) + await rest(place, name)


def spoken(models: CountedModels) -> int:
    return sum(name.startswith("speak") for name in models.calls)


def shown(data: bytes) -> list[int]:
    with av.open(io.BytesIO(data), "r") as file:
        return [round(float(picture.to_ndarray()[:128].mean())) for picture in file.decode(video=0)]


@contextmanager
def listening(monkeypatch: pytest.MonkeyPatch) -> Generator[list[Samples]]:
    """The sound as the encoder gets it."""
    heard: list[Samples] = []

    class Listening(FragmentWriter):
        def write_audio(self, samples: Samples) -> None:
            heard.append(samples)
            super().write_audio(samples)

    with monkeypatch.context() as patch:
        patch.setattr(module, "FragmentWriter", Listening)
        yield heard


async def test_same_sound_same_frames_as_the_video_that_the_request_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with works(tmp_path, CountedModels()) as place:
        with listening(monkeypatch) as heard:
            data = await all_of(place, asked(30, seed=9))
        assert boxes(data)[:4] == ["ftyp", "moov", "moof", "mdat"]
        assert boxes(data).count("moof") > 4
        job = await place.jobs.wait((await place.jobs.submit(asked(30, seed=9))).id, 30)
        assert job.state == "completed", job.error
        whole = place.models.filmed[0]
        assert np.array_equal(np.concatenate(heard), whole.speech.samples)
        frames = shown(data)
        assert frames == pytest.approx([grey(number) for number in range(whole.frame_count)], abs=2)
        with av.open(io.BytesIO(data), "r") as file:
            seconds = sum(frame.samples for frame in file.decode(audio=0)) / 48_000
        assert abs(seconds - whole.frame_count / FPS) < 1 / FPS
        for made in place.models.stretched:
            around = made.animation.speech
            start = made.sample_at(made.heard_from)
            assert np.array_equal(around.samples, whole.speech.samples[start : start + len(around.samples)])
            assert (made.animation.seed, made.animation.size) == (9, 128)
            assert np.array_equal(made.animation.portrait, whole.portrait)


async def test_what_was_spoken_and_drawn_for_the_stream_is_there_for_the_job(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as place:
        await all_of(place, asked(3))
        calls = dict(place.models.calls)
        job = await place.jobs.wait((await place.jobs.submit(asked(3))).id, 30)
        assert job.state == "completed"
        assert {name: place.models.calls[name] for name in calls} == calls
        requests = [made.animation for made in place.models.stretched] + place.models.filmed
        (digest,) = {request.portrait_digest for request in requests}
        assert place.artifacts.has(digest)


async def test_begins_long_before_the_last_sentence_is_spoken_and_goes_no_further_than_is_taken(tmp_path: Path) -> None:
    """Each sentence lasts 0.43 s, so that the bound is in sentences: what was drawn ahead, what has to be heard after
    it, and a few."""
    async with works(tmp_path, CountedModels()) as place:
        first = await begun(place, asked(300))
        assert boxes(first) == ["ftyp", "moov", "moof", "mdat"]
        assert len(shown(first)) == 12  # half a second
        taken = len(shown(first)) / FPS
        for piece in range(5):
            for _ in range(30):  # everything that can go on meanwhile does
                await asyncio.sleep(0.005)
            drawn = len(place.models.stretched)
            assert drawn <= piece + 1 + module.DRAWN_AHEAD
            ahead = sum(made.frame_count for made in place.models.stretched) / FPS - taken
            assert spoken(place.models) * 0.43 < taken + ahead + HEARD_AFTER + 3
            assert boxes(await place.streams.take("str_1")) == ["moof", "mdat"]
            taken = sum(made.frame_count for made in place.models.stretched[: piece + 2]) / FPS


async def test_a_reader_who_goes_away_while_he_waits_ends_it(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), streams=1) as place:
        await begun(place, asked(100))
        place.models.hook = hold = Hold("stretch 161")
        reading = asyncio.create_task(rest(place))
        await hold.reached.wait()
        reading.cancel()
        await asyncio.wait({reading})
        calls = place.models.calls.total()
        with pytest.raises(NotFound, match="no stream"):
            await place.streams.take("str_1")
        hold.go.set()
        await asyncio.sleep(0.05)
        assert place.models.calls.total() == calls
        await all_of(place, asked(2), "str_2")  # its place is free again


async def test_a_reader_who_ends_it_between_two_pieces_or_before_the_first(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), streams=1) as place:
        await begun(place, asked(100))
        await place.streams.end("str_1")
        await place.streams.end("str_1")
        calls = place.models.calls.total()
        await asyncio.sleep(0.05)
        assert place.models.calls.total() == calls
        place.models.hook = hold = Hold("stretch 0")
        beginning = asyncio.create_task(begun(place, asked(100, "other"), "str_2"))
        await hold.reached.wait()
        await place.streams.end("str_2")
        await asyncio.wait({beginning})
        assert beginning.cancelled()
        hold.go.set()
        await begun(place, asked(1), "str_3")


async def test_as_many_as_may_be_and_no_more(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), streams=2) as place:
        await begun(place, asked(50), "str_1")
        await begun(place, asked(50), "str_2")
        with pytest.raises(Busy) as caught:
            await begun(place, asked(50), "str_3")
        assert (caught.value.code, caught.value.retry_after) == ("too_many_streams", 5)
        await rest(place, "str_1")
        await begun(place, asked(1), "str_3")


async def test_several_at_once_are_what_each_is_alone(tmp_path: Path) -> None:
    requests = {f"str_{word}": asked(20, word) for word in ("one", "another", "third")}
    async with works(tmp_path / "alone", CountedModels()) as place:
        alone = {name: await all_of(place, request, name) for name, request in requests.items()}
    assert len(set(alone.values())) == 3
    async with works(tmp_path / "together", CountedModels()) as place:
        together = await asyncio.gather(*[all_of(place, request, name) for name, request in requests.items()])
    assert together == list(alone.values())


async def test_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = (0.2 * np.sin(np.arange(16_000 * 9) / 9)).astype(np.float32)
    wav = b"".join(encode_audio(iter([sound]), 16_000, "wav"))
    request = VideoRequest(audio=wav, prompt="her", size=128)
    async with works(tmp_path, CountedModels()) as place:
        with listening(monkeypatch) as heard:
            data = await all_of(place, request)
        await place.jobs.wait((await place.jobs.submit(request)).id, 30)
        whole = place.models.filmed[0]
        assert np.array_equal(np.concatenate(heard), whole.speech.samples)
        assert len(shown(data)) == whole.frame_count == 9 * FPS


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": "webm"}, "format"),
        ({"upscale": 2}, "upscale"),
        ({"camera": "zoom_in"}, "camera"),
        ({"webhook": "https://example.org/told"}, "webhook"),
        ({"video": b"film", "prompt": None}, "video"),
    ],
)
async def test_what_is_not_streamed_is_refused_before_anything_is_made(
    tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    async with works(tmp_path, CountedModels(), streams=1) as place:
        with pytest.raises(InvalidRequest) as caught:
            await begun(place, asked(3, **change))
        assert (caught.value.code, caught.value.field) == ("not_streamed", field)
        assert not place.models.calls
        await begun(place, asked(1))


async def test_a_backend_that_makes_whole_videos_only_says_so(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as place:
        place.models.stretches = False
        with pytest.raises(InvalidRequest) as caught:
            await begun(place, asked(3, backends=Backends(lipsync="counted")))
        assert (caught.value.code, caught.value.field) == ("not_streamed", "backends.lipsync")


async def test_what_fails_before_the_first_byte_is_an_error_like_any_other(tmp_path: Path) -> None:
    class Dumb(CountedModels):
        async def _called(self, what: str) -> None:
            await super()._called(what)
            if what.startswith("speak"):
                raise InvalidText("Nothing.", code="nothing_to_say", field="text")

    async with works(tmp_path, Dumb(), streams=1) as place:
        with pytest.raises(InvalidText) as caught:
            await begun(place, asked(3))
        assert caught.value.code == "nothing_to_say"
        with pytest.raises(InvalidRequest):
            await begun(place, VideoRequest(prompt="her"))


async def test_a_face_that_can_not_be_found_ends_what_is_being_said(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), streams=1, retries=0) as place:
        speaking = Hold("speak Sentence word 0.")

        async def blind(called: str) -> None:
            if called == "locate":
                await speaking.reached.wait()
                raise UnusableFace("Nobody.", code="no_face", field="portrait")
            await speaking(called)

        place.models.hook = blind
        with pytest.raises(UnusableFace):
            await begun(place, asked(3))
        place.models.hook = None
        await begun(place, asked(1))


@pytest.mark.parametrize(
    ("what", "error"),
    [("speak Sentence word 30.", BackendFailed("The voice broke.")), ("stretch 161", BackendFailed("It broke."))],
)
async def test_what_fails_later_breaks_it_off_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str, error: MouthpieceError
) -> None:
    def broken(called: str) -> None:
        if called == what:
            raise error

    async with works(tmp_path, CountedModels(), streams=1, retries=0) as place:
        place.models.hook = broken
        await begun(place, asked(100))
        with pytest.raises(BackendFailed, match="broke"):
            await rest(place)
        assert "Stream str_1 broke off after" in caplog.text
        with pytest.raises(NotFound):
            await place.streams.take("str_1")
        await begun(place, asked(1), "str_2")


async def test_too_long_a_speech_breaks_off_where_it_becomes_too_long(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), limits={"video_seconds": 12}) as place:
        await begun(place, asked(100))
        with pytest.raises(TooLarge) as caught:
            await rest(place)
        assert caught.value.code == "video_too_long"
        assert spoken(place.models) < 50
