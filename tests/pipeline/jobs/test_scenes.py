"""Videos made of films: what is planned for them, what is refused, how far they are, and what is not done twice."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.contracts import Job, VideoRequest
from pipeline.errors import BackendFailed, InvalidRequest, MouthpieceError, UserError
from pipeline.media.video import VideoWriter
from tests.pipeline.jobs.works import CountedModels, works

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Eight pictures of 128 x 64, 25 a second."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with VideoWriter(path, size=(128, 64), fps=Fraction(25)) as writer:
        for number in range(8):
            picture = np.full((64, 128, 3), 30 * number, np.uint8)
            writer.write_frames(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)[None])
    return path.read_bytes()


def request(**fields: object) -> VideoRequest:
    return VideoRequest.model_validate({"text": "A word. Another.", **fields})


async def test_a_scene_is_one_job(tmp_path: Path, film: bytes) -> None:
    models = CountedModels()
    models.footage = film
    async with works(tmp_path, models) as here:
        job = await here.jobs.submit(request(prompt="a pier", camera="pan_left", size=256, upscale=2))
        assert [(step.name, step.kind) for step in job.steps] == [
            *(("speak.0001", "speak"), ("speak.0002", "speak"), ("draw", "draw")),
            *(("move", "move"), ("track", "track"), ("dub", "dub"), ("enlarge", "enlarge")),
        ]
        seen: list[Job] = [state async for state in here.jobs.watch(job.id)]
        done = seen[-1]
        assert done.state == "completed", done.error
        assert done.result is not None
        assert (done.result.width, done.result.height) == (256, 128)
        assert set(done.result.backends) == {"voice", "avatar", "motion", "face", "lipsync", "upscale"}
        assert set(done.result.timings) >= {"speak", "draw", "move", "track", "dub", "enlarge"}
        again = await here.jobs.submit(request(prompt="a pier", camera="pan_left", size=256, upscale=2))
        assert all(step.cached for step in (await here.jobs.wait(again.id, 20)).steps)
        assert models.calls["move"] == models.calls["dub"] == models.calls["track"] == 1


async def test_progress_counts_the_frames_of_every_film(tmp_path: Path, film: bytes) -> None:
    models = CountedModels()
    models.footage = film
    gates = {name: asyncio.Event() for name in ("track", "dub", "enlarge")}

    async def wait(what: str) -> None:
        if what in gates:
            await gates[what].wait()

    models.hook = wait
    async with works(tmp_path, models) as here:
        job = await here.jobs.submit(request(prompt="x", camera="still", upscale=2))
        states = here.jobs.watch(job.id)
        shown: list[tuple[float, int, int | None]] = []
        for stage, gate in (("tracking", "track"), ("dubbing", "dub"), ("enlarging", "enlarge")):
            async for state in states:
                if state.message == stage:
                    shown.append((state.progress, state.frames_made, state.frames_total))
                    break
            gates[gate].set()
        *_, last = [state async for state in states]
    progress, made, _ = zip(*shown, strict=True)
    # Three films of the same length are being made, and one that was looked at: 10 % is the picture and the speech.
    assert list(progress) == sorted(progress)
    assert 10 < progress[0] < progress[1] < progress[2] < 100
    assert 0 < made[0] < made[1] < made[2]
    assert last.state == "completed"
    assert last.progress == 100
    assert last.frames_made == last.frames_total


async def test_a_film_of_ones_own_is_dubbed_as_it_is(tmp_path: Path, film: bytes) -> None:
    async with works(tmp_path, CountedModels()) as here:
        job = await here.jobs.submit(request(video=film))
        assert [step.name for step in job.steps] == ["speak.0001", "speak.0002", "track", "dub"]
        done = await here.jobs.wait(job.id, 20)
        assert done.result is not None, done.error
        assert (done.result.width, done.result.height, done.result.fps, done.result.size) == (128, 64, 25, 64)
        # Another text, another voice: the film is not looked at again. Another rate: it is.
        other = await here.jobs.submit(request(video=film, text="Something else.", extend="loop"))
        steps = {step.name: step for step in (await here.jobs.wait(other.id, 20)).steps}
        assert steps["track"].cached
        assert not steps["dub"].cached
        slower = await here.jobs.submit(request(video=film, fps=12.5))
        result = (await here.jobs.wait(slower.id, 20)).result
        assert result is not None
        assert (result.fps, here.models.calls["track"]) == (12.5, 2)


async def test_what_was_made_before_a_failure_is_not_made_again(tmp_path: Path, film: bytes) -> None:
    models = CountedModels()
    models.footage = film

    def fail(what: str) -> None:
        if what == "dub" and models.calls["dub"] == 1:
            raise BackendFailed("the card fell out")

    models.hook = fail
    async with works(tmp_path, models, retries=0) as here:
        job = await here.jobs.submit(request(prompt="x", camera="orbit_left"))
        failed = await here.jobs.wait(job.id, 20)
        assert failed.state == "failed"
        assert failed.error is not None
        await here.jobs.retry(job.id)
        done = await here.jobs.wait(job.id, 20)
        assert done.state == "completed", done.error
        assert (models.calls["move"], models.calls["track"], models.calls["draw"], models.calls["dub"]) == (1, 1, 1, 2)


async def test_a_face_in_a_photo_is_looked_for_before_there_is_a_job(tmp_path: Path, photo: bytes) -> None:
    models = CountedModels()
    async with works(tmp_path, models) as here:
        job = await here.jobs.submit(request(portrait=photo, camera="zoom_in", size=128))
        assert models.calls["locate"] == 1
        assert [step.name for step in job.steps] == ["speak.0001", "speak.0002", "move", "track", "dub"]
        with pytest.raises(UserError) as refused:
            await here.jobs.submit(request(portrait=b"x", camera="zoom_in"))
        assert refused.value.field == "portrait"


async def test_what_cannot_be_made_is_refused_before_there_is_a_job(tmp_path: Path, film: bytes) -> None:
    cases: list[tuple[dict[str, object], str, str]] = [
        ({"video": film, "prompt": "x"}, "two_sources", "video"),
        ({"video": b"no film"}, "not_video", "video"),
        ({"video": film, "size": 256}, "invalid_request", "size"),
        ({"video": film, "camera": "still"}, "invalid_request", "camera"),
        ({"video": film, "head_motion": 0.5}, "invalid_request", "head_motion"),
        ({"video": film, "upscale": 4, "format": "gif"}, "invalid_request", "upscale"),
        ({"prompt": "x", "camera": "still", "blink": False}, "invalid_request", "blink"),
        ({"prompt": "x", "camera": "still", "extend": "loop"}, "invalid_request", "extend"),
        ({"prompt": "x", "strength": 0.5}, "invalid_request", "strength"),
        ({"prompt": "x", "extend": "hold"}, "invalid_request", "extend"),
        ({"video": film, "backends": {"motion": "none"}}, "unknown_name", "backends.motion"),
    ]
    async with works(tmp_path, CountedModels()) as here:
        for fields, code, field in cases:
            with pytest.raises(MouthpieceError) as refused:
                await here.jobs.submit(request(**fields))
            assert (refused.value.code, refused.value.field) == (code, field), fields
        assert await here.jobs.page(10, None) == []


async def test_a_lipsync_that_works_on_pictures_alone_is_refused_by_name(tmp_path: Path, film: bytes) -> None:
    models = CountedModels()
    models.films = False
    async with works(tmp_path, models) as here:
        for fields in ({"video": film}, {"prompt": "x", "camera": "still"}):
            with pytest.raises(InvalidRequest) as refused:
                await here.jobs.submit(request(**fields, backends={"lipsync": "counted"}))
            assert (refused.value.code, refused.value.field) == ("no_dubbing", "backends.lipsync")
            assert "counted" in refused.value.message
            assert "dubber" in str(refused.value.accepted)
            with pytest.raises(InvalidRequest) as refused:
                await here.jobs.submit(request(**fields))
            assert refused.value.code == "no_dubbing"
