"""A long film is drawn while its later sentences are spoken: the same film, however they come, or do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.contracts import Job, Speech, SpeechRequest, Step
from pipeline.errors import InvalidText, Unavailable
from pipeline.jobs.playback import Playback
from pipeline.media.audio import encode_audio
from tests.pipeline.jobs.test_passages import asked, drawn, ended, film, key_of, passages
from tests.pipeline.jobs.works import CountedModels, works

pytestmark = pytest.mark.anyio

SENTENCES = 20
"""35 s, in passages that begin with the frames 0, 100 and 200."""
LATE = "speak Sentence word 15."
"""26 s are known without it: enough for two of the passages."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Late:
    """A hook for `CountedModels`: the late sentence is not spoken before `go` is set, and not at all where there is an
    `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go = asyncio.Event()
        self._error = error

    async def __call__(self, what: str) -> None:
        if what == LATE:
            await self.go.wait()
            if self._error is not None:
                raise self._error


class Wordy(CountedModels):
    """Says each sentence four times, so that few make a long film; one of them so loud."""

    def __init__(self, text: str = "", loud: float = 1.0) -> None:
        super().__init__()
        self._text = text
        self._loud = loud

    async def speak(self, backend: str, request: SpeechRequest) -> AsyncIterator[Speech]:
        async for speech in super().speak(backend, request):
            loud = np.float32(self._loud if request.text == self._text else 1.0)
            yield Speech.join([replace(speech, samples=loud * speech.samples)] * 4)


async def overlapped(place: SimpleNamespace, late: Late, sentences: int = SENTENCES) -> Job:
    """A job of which two passages are kept, and all is spoken but for the late sentence."""
    place.models.hook = late
    job = await place.jobs.submit(asked(sentences))
    await both_kept(place, job.id)
    while said(await place.jobs.get(job.id)) < sentences - 1:
        await asyncio.sleep(0.01)
    return job


def said(job: Job) -> int:
    return sum(step.kind == "speak" and step.state == "completed" for step in job.steps)


async def both_kept(place: SimpleNamespace, job_id: str) -> None:
    while next(step.key for step in (await place.jobs.get(job_id)).steps if step.name == "film") is None:
        await asyncio.sleep(0.01)
    while len(await passages(place, await key_of(place, job_id)).frames()) < 2:
        await asyncio.sleep(0.01)


def spoken(models: CountedModels) -> int:
    return sum(count for name, count in models.calls.items() if name.startswith("speak "))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The film, drawn when all is spoken."""

    async def made() -> bytes:
        models = Wordy()
        models.beside = False
        async with works(tmp_path_factory.mktemp("whole"), models) as place:
            return await ended(place, asked(SENTENCES))

    return asyncio.run(made())


async def test_passages_are_there_before_the_last_sentence_is_spoken(tmp_path: Path, whole: bytes) -> None:
    async with works(tmp_path / "one", Wordy()) as place:
        job = await overlapped(place, late := Late())
        playback = Playback(place.jobs, place.journal, place.artifacts)
        playlist = await playback.playlist(job.id)
        assert (playlist.frames, playlist.complete) == ((100, 100), False)
        early = [(await playback.segment(job.id, number)).data for number in range(3)]
        now = await place.jobs.get(job.id)
        assert {step.name: step.state for step in now.steps}["film"] == "in_progress"
        assert now.message == "animating"
        assert (now.frames_made, now.frames_total, now.result) == (200, None, None)
        assert 10 < now.progress < 90
        late.go.set()
        told = [state async for state in place.jobs.watch(job.id)]
        assert told[-1].state == "completed"
        assert [state.progress for state in told] == sorted(state.progress for state in told)
        assert told[-1].frames_made == told[-1].frames_total == told[-1].result.frames
        assert await film(place, job.id) == whole
        assert [(await playback.segment(job.id, number)).data for number in range(3)] == early
        assert drawn(place.models) == [0, 100, 200]
        assert spoken(place.models) == SENTENCES
        step = next(step for step in told[-1].steps if step.name == "film")
        assert not await passages(place, await key_of(place, job.id)).frames()
        assert not step.cached
        again = await place.jobs.wait((await place.jobs.submit(asked(SENTENCES, priority=1))).id, 60)
        assert all(step.cached for step in again.steps)
        assert again.steps[-1].key == step.key
        assert drawn(place.models) == [0, 100, 200]


async def test_what_was_published_before_a_crash_is_taken_while_the_rest_is_spoken(
    tmp_path: Path, whole: bytes
) -> None:
    async with works(tmp_path / "one", Wordy()) as place:
        job = await overlapped(place, Late())
    async with works(tmp_path / "one", again := Wordy()) as place:
        assert (await place.jobs.wait(job.id, 60)).state == "completed"
        assert await film(place, job.id) == whole
    assert drawn(again) == [200]
    assert spoken(again) == again.calls[LATE] == 1


async def test_cancelled_meanwhile_it_stops_and_leaves_its_turn(tmp_path: Path) -> None:
    async with works(tmp_path, Wordy()) as place:
        job = await overlapped(place, late := Late())
        assert (await place.jobs.cancel(job.id)).state == "cancelled"
        kept = passages(place, await key_of(place, job.id))
        assert len(await kept.frames()) == 2  # for whoever asks for the same again
        late.go.set()
        place.models.calls.clear()
        await ended(place, asked(13))
        assert drawn(place.models) == [0, 100]
        await place.jobs.delete(job.id)
        assert not await kept.frames()


async def test_a_late_sentence_that_fails_is_what_the_job_failed_of(tmp_path: Path, whole: bytes) -> None:
    async with works(tmp_path / "one", Wordy()) as place:
        job = await overlapped(place, late := Late(InvalidText("It can't be said.", code="unspeakable")))
        late.go.set()
        failed = await place.jobs.wait(job.id, 60)
        assert (failed.state, failed.error and failed.error.code) == ("failed", "unspeakable")
        states = {step.name: step.state for step in failed.steps}
        assert (states["speak.0016"], states["film"]) == ("failed", "blocked")
        assert next(step for step in failed.steps if step.name == "film").error is None
        place.models.hook = None
        place.models.calls.clear()
        await place.jobs.retry(job.id)
        assert (await place.jobs.wait(job.id, 60)).state == "completed"
        assert await film(place, job.id) == whole
        assert drawn(place.models) == [200]
        assert spoken(place.models) == 1


async def test_two_jobs_want_it_and_one_goes_away(tmp_path: Path) -> None:
    async with works(tmp_path, Wordy()) as place:
        one = await overlapped(place, late := Late())
        other = await place.jobs.submit(asked(SENTENCES, priority=1))
        await both_kept(place, other.id)
        await place.jobs.cancel(one.id)
        late.go.set()
        assert (await place.jobs.wait(other.id, 60)).state == "completed"
        assert drawn(place.models) == [0, 100, 200]
        assert spoken(place.models) <= SENTENCES + 1  # that which was being spoken when it was cancelled


async def test_a_film_that_waits_for_speech_lets_others_be_made(tmp_path: Path) -> None:
    """Of which there is one at a time."""
    async with works(tmp_path, Wordy(), patience=0.0) as place:
        job = await overlapped(place, late := Late())
        await ended(place, asked(3))
        assert (await place.jobs.get(job.id)).state == "in_progress"
        late.go.set()
        assert (await place.jobs.wait(job.id, 60)).state == "completed"


async def test_many_at_once_with_one_turn_of_each_kind(tmp_path: Path) -> None:
    async with works(tmp_path, Wordy(), patience=0.0, audio=1, video=1, running=4) as place:
        jobs = [await place.jobs.submit(asked(9 + number, seed=number, priority=number)) for number in range(4)]
        ends = [await place.jobs.wait(job.id, 60) for job in jobs]
        assert {job.state for job in ends} == {"completed"}


async def test_where_the_models_take_turns_the_film_waits(tmp_path: Path) -> None:
    models = Wordy()
    models.beside = False
    async with works(tmp_path, models) as place:
        models.hook = late = Late()
        job = await place.jobs.submit(asked(SENTENCES))
        while spoken(models) < SENTENCES:
            await asyncio.sleep(0.01)
        assert not drawn(models)
        late.go.set()
        assert (await place.jobs.wait(job.id, 60)).state == "completed"


async def test_a_sentence_that_is_lost_meanwhile_is_spoken_again(tmp_path: Path) -> None:
    async with works(tmp_path / "other", Wordy("Sentence word 17.", 0.5)) as place:
        whole = await ended(place, asked(SENTENCES))
    async with works(tmp_path / "one", Wordy("Sentence word 17.", 0.5)) as place:
        job = await overlapped(place, late := Late())
        damage(tmp_path / "one", (await place.jobs.get(job.id)).steps[17])
        late.go.set()
        done = await place.jobs.wait(job.id, 60)
        assert done.state == "completed", done.error
        assert await film(place, job.id) == whole
        assert place.models.calls["speak Sentence word 17."] == 2
        assert drawn(place.models) == [0, 100, 200]


async def test_a_film_that_is_lost_before_it_is_enlarged_is_made_again(tmp_path: Path) -> None:
    tone = (0.2 * np.sin(np.arange(3 * 16_000) / 20)).astype(np.float32)
    clip = b"".join(encode_audio(iter([tone]), 16_000, "wav"))
    async with works(tmp_path, Wordy()) as place:

        async def lost(what: str) -> None:
            if what == "enlarge" and place.models.calls["enlarge"] == 1:
                (job,) = await place.jobs.page(1, None)
                damage(tmp_path, next(step for step in (await place.jobs.get(job.id)).steps if step.name == "film"))
                raise Unavailable("The model went away.", code="away")

        place.models.hook = lost
        job = await place.jobs.submit(asked(10, voice_clip=clip, upscale=2))
        done = await place.jobs.wait(job.id, 60)
        assert done.state == "completed", done.error
        assert drawn(place.models) == [0, 0, 100, 100]
        assert spoken(place.models) == 10


async def test_passages_of_other_sound_are_not_taken(tmp_path: Path) -> None:
    """A voice that does not say the same twice, and a sentence that was lost between two lives."""
    async with works(tmp_path / "other", Wordy("Sentence word 12.", 0.5)) as place:
        whole = await ended(place, asked(SENTENCES))
    async with works(tmp_path / "one", Wordy("Sentence word 12.", 0.25)) as place:
        job = await overlapped(place, Late())
        damage(tmp_path / "one", (await place.jobs.get(job.id)).steps[12])
    async with works(tmp_path / "one", again := Wordy("Sentence word 12.", 0.5)) as place:
        assert (await place.jobs.wait(job.id, 60)).state == "completed"
        assert await film(place, job.id) == whole
    assert drawn(again) == [100, 200]  # which hear the 13th sentence


async def test_too_long_it_is_refused_as_soon_as_that_is_known(tmp_path: Path) -> None:
    async with works(tmp_path, Wordy(), limits={"video_seconds": 20}) as place:
        place.models.hook = Late()
        failed = await place.jobs.wait((await place.jobs.submit(asked(SENTENCES))).id, 60)
        assert (failed.state, failed.error and failed.error.code) == ("failed", "video_too_long")


def damage(folder: Path, step: Step) -> None:
    assert step.artifact is not None
    path = folder / "artifacts" / step.artifact[:2] / step.artifact
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
