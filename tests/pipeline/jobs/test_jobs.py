"""Jobs from acceptance to end, over a real database and store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts import AnimationRequest, Encoding, Film, VideoRequest
from pipeline.contracts.states import ENDED
from pipeline.errors import BackendFailed, Busy, Conflict, InvalidRequest, NotFound, StorageFull
from tests.pipeline.jobs.works import CountedModels, Hold, works

pytestmark = pytest.mark.anyio

TEXT = "One is here. Two is there. Three is gone."


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def request(text: str = TEXT, **fields: object) -> VideoRequest:
    return VideoRequest.model_validate({"text": text, "prompt": "a face", **fields})


async def test_a_job_says_what_it_made_step_by_step(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as here:
        job = await here.jobs.submit(request())
        assert (job.state, [step.name for step in job.steps]) == (
            "pending",
            ["speak.0001", "speak.0002", "speak.0003", "draw", "locate", "film"],
        )
        done = await here.jobs.wait(job.id, 20)
        assert (done.state, done.progress, done.message) == ("completed", 100.0, "done")
        assert done.result is not None
        assert done.result.frames == done.frames_made == done.frames_total
        assert {step.state for step in done.steps} == {"completed"}
        assert all(step.key and step.artifact and step.attempts == 1 and not step.cached for step in done.steps)
        assert here.artifacts.size(done.result.sha256) == done.result.bytes
        await here.journal.settle()
        assert await here.journal.read(lambda c: _stored(c, job.id)) == done
        kinds = [event.type for event in await here.jobs.events(0, job.id, 1000)]
        assert kinds[:2] == ["task.queued", "task.started"]
        assert kinds[-1] == "task.completed"
        percents = [e.data["percent"] for e in await here.jobs.events(0, job.id, 1000) if e.type == "task.progress"]
        assert percents == sorted(percents)


def _stored(connection: Any, job_id: str) -> object:
    from pipeline.storage import jobs

    return jobs.get(connection, job_id)


async def test_a_sentence_is_spoken_once_whoever_says_it(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), running=3) as here:
        first, second = await asyncio.gather(here.jobs.submit(request()), here.jobs.submit(request()))
        third = await here.jobs.submit(request("Two is there. And that is all.", seed=5))
        for job in (first, second, third):
            assert (await here.jobs.wait(job.id, 20)).state == "completed"
        spoken = {what: count for what, count in here.models.calls.items() if what.startswith("speak")}
        assert set(spoken.values()) == {1}
        assert len(spoken) == 4
        assert here.models.calls["film"] == 2, "the same request at the same time is the same film"
        cached = (await here.jobs.get(third.id)).steps[0]
        assert (cached.name, cached.cached) == ("speak.0001", True)


async def test_the_same_key_is_the_same_job(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as here:
        first, second = await asyncio.gather(*(here.jobs.submit(request(), "once") for _ in range(2)))
        assert first.id == second.id
        assert (await here.jobs.submit(request(), "once")).id == first.id
        with pytest.raises(Conflict) as refused:
            await here.jobs.submit(request("Something else."), "once")
        assert refused.value.code == "idempotency_conflict"
        assert len(await here.jobs.page(10, None)) == 1


async def test_a_field_of_a_later_version_does_not_make_another_request_of_a_key(tmp_path: Path) -> None:
    class LaterRequest(VideoRequest):
        invented_later: int = 3

    async with works(tmp_path, CountedModels()) as here:
        first = await here.jobs.submit(request(), "once")
        fields = request().model_dump()
        assert (await here.jobs.submit(LaterRequest.model_validate(fields), "once")).id == first.id
        with pytest.raises(Conflict):
            await here.jobs.submit(LaterRequest.model_validate(fields | {"invented_later": 4}), "once")


async def test_what_may_pass_is_tried_again_and_what_can_not_is_not(tmp_path: Path) -> None:
    models = CountedModels()
    failures = iter([BackendFailed("no luck"), RuntimeError("no luck either")])

    def fail(what: str) -> None:
        if what == "film" and (error := next(failures, None)) is not None:
            raise error

    models.hook = fail
    async with works(tmp_path, models) as here:
        job = await here.jobs.wait((await here.jobs.submit(request())).id, 20)
        assert (job.state, job.steps[-1].attempts) == ("completed", 3)

        def refuse(what: str) -> None:
            if what == "film":
                raise InvalidRequest("never", code="never")

        models.hook = refuse
        job = await here.jobs.wait((await here.jobs.submit(request(seed=1))).id, 20)
        assert job.state == "failed"
        assert job.error is not None
        assert job.error.code == "never"
        assert job.steps[-1].attempts == 1


async def test_a_failed_job_says_which_step_and_goes_on_from_it(tmp_path: Path) -> None:
    models = CountedModels()

    def full(what: str) -> None:
        if what == "locate":
            raise StorageFull("The disk is full.")

    models.hook = full
    async with works(tmp_path, models, retries=3) as here:
        job = await here.jobs.wait((await here.jobs.submit(request())).id, 20)
        states = {step.name: step.state for step in job.steps}
        assert (job.state, states["draw"], states["locate"], states["film"]) == (
            "failed",
            "completed",
            "failed",
            "blocked",
        )
        assert models.calls["locate"] == 1, "a full disk does not empty itself"
        models.hook = None
        spoken = {name: count for name, count in models.calls.items() if name.startswith("speak")}
        again = await here.jobs.retry(job.id)
        assert (again.state, again.attempt) == ("pending", 2)
        done = await here.jobs.wait(job.id, 20)
        assert (done.state, done.attempt) == ("completed", 2)
        assert models.calls["draw"] == 1
        assert {name: models.calls[name] for name in spoken if spoken[name]} == spoken
        with pytest.raises(Conflict):
            await here.jobs.retry(job.id)


async def test_cancelling_stops_the_work_unless_someone_else_wants_it(tmp_path: Path) -> None:
    models = CountedModels()
    models.hook = held = Hold("film")
    async with works(tmp_path, models, running=3) as here:
        first, second = await here.jobs.submit(request()), await here.jobs.submit(request())
        waiting = await here.jobs.submit(request("Later.", seed=3))
        await held.reached.wait()
        ended = await here.jobs.cancel(first.id)
        assert (ended.state, ended.steps[-1].state) == ("cancelled", "cancelled")
        held.go.set()
        assert (await here.jobs.wait(second.id, 20)).state == "completed"
        assert (await here.jobs.wait(waiting.id, 20)).state == "completed"
        assert models.calls["film"] == 2
        with pytest.raises(Conflict):
            await here.jobs.cancel(first.id)


async def test_a_waiting_job_can_be_cancelled_and_the_queue_is_bounded(tmp_path: Path) -> None:
    models = CountedModels()
    models.hook = held = Hold("film")
    async with works(tmp_path, models, running=1, queued=2) as here:
        running = await here.jobs.submit(request())
        while (await here.jobs.get(running.id)).state != "in_progress":
            await asyncio.sleep(0.01)
        waiting = [await here.jobs.submit(request(seed=seed)) for seed in (1, 2)]
        with pytest.raises(Busy) as busy:
            await here.jobs.submit(request(seed=3))
        assert busy.value.code == "queue_full"
        assert (await here.jobs.cancel(waiting[0].id)).state == "cancelled"
        urgent = await here.jobs.submit(request(seed=4, priority=5))
        held.go.set()
        for job in (running, waiting[1], urgent):
            assert (await here.jobs.wait(job.id, 20)).state == "completed"
        ends = {job.id: (await here.jobs.get(job.id)).completed_at for job in (waiting[1], urgent)}
        assert ends[urgent.id] < ends[waiting[1].id]


async def test_deleting_takes_what_only_this_job_has(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as here:
        one = await here.jobs.wait((await here.jobs.submit(request())).id, 20)
        other = await here.jobs.wait((await here.jobs.submit(request("Two is there. Five is not."))).id, 20)
        shared = {step.artifact for step in one.steps} & {step.artifact for step in other.steps}
        alone = {step.artifact for step in one.steps} - shared
        assert shared
        await here.jobs.delete(one.id)
        assert not any(here.artifacts.has(digest) for digest in alone)
        assert all(here.artifacts.has(digest) for digest in shared)
        with pytest.raises(NotFound):
            await here.jobs.get(one.id)
        again = await here.jobs.wait((await here.jobs.submit(request())).id, 20)
        assert again.state == "completed"
        assert again.result == one.result.model_copy(update={"timings": again.result.timings})


async def test_what_was_damaged_is_made_again(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as here:
        job = await here.jobs.wait((await here.jobs.submit(request())).id, 20)
        spoken = next(step for step in job.steps if step.name == "speak.0002")
        for digest in (job.result.sha256, spoken.artifact):
            with here.artifacts.local(digest) as path:
                data = bytearray(path.read_bytes())
                data[len(data) // 2] ^= 1
                path.chmod(0o600)
                path.write_bytes(data)
        assert await here.jobs.artifact(job.id) == job.result.sha256
        assert len(here.artifacts.read(job.result.sha256)) == job.result.bytes
        assert here.models.calls["speak Two is there."] == 2
        assert here.models.calls["speak One is here."] == 1
        assert here.models.calls["film"] == 2


async def test_a_job_that_takes_too_long_fails(tmp_path: Path) -> None:
    models = CountedModels()

    async def hang(what: str) -> None:
        if what == "film":
            await asyncio.sleep(60)

    models.hook = hang
    async with works(tmp_path, models, job_seconds=0.5) as here:
        job = await here.jobs.wait((await here.jobs.submit(request())).id, 20)
        assert job.error is not None
        assert (job.state, job.error.code) == ("failed", "job_timeout")


async def test_a_follower_sees_every_event_once(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as here:
        seen: list[int] = []
        opened = asyncio.Event()

        async def follow() -> None:
            async for batch in here.jobs.follow():
                opened.set()
                seen.extend(event.id for event in batch)

        task = asyncio.create_task(follow())
        await opened.wait()
        for seed in range(3):
            await here.jobs.wait((await here.jobs.submit(request(seed=seed))).id, 20)
        kept = [event.id for event in await here.jobs.events(0, None, 1000)]
        while len(seen) < len(kept):
            await asyncio.sleep(0.01)
        task.cancel()
        assert seen == kept


async def test_what_was_accepted_is_done_by_the_next_life(tmp_path: Path) -> None:
    models = CountedModels()
    models.hook = held = Hold("film")
    async with works(tmp_path, models, running=1) as here:
        jobs = [await here.jobs.submit(request(seed=seed)) for seed in range(3)]
        await held.reached.wait()
    models.hook = None
    before = models.calls.copy()
    async with works(tmp_path, models, running=1) as here:
        for job in jobs:
            assert (await here.jobs.wait(job.id, 20)).state in ENDED
        assert models.calls["speak One is here."] == before["speak One is here."] == 1


async def test_a_file_past_the_limit_fails_the_step_and_leaves_nothing(tmp_path: Path) -> None:
    class Large(CountedModels):
        async def film(self, backend: str, request: AnimationRequest, encoding: Encoding) -> AsyncIterator[Film]:
            for _ in range(3):
                yield Film(request.frame_count, b"x" * (1 << 20))

    async with works(tmp_path, Large(), limits={"video_megabytes": 2}) as here:
        job = await here.jobs.wait((await here.jobs.submit(request())).id, 20)
        assert job.error is not None
        assert (job.state, job.error.code) == ("failed", "video_too_large")
        assert here.artifacts.used() < 2 << 20, "the portrait alone"


async def test_a_full_store_is_cleared_of_what_nothing_needs_and_of_nothing_else(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), quota=4 << 20) as here:
        first = await here.jobs.wait((await here.jobs.submit(request())).id, 20)
        assert first.state == "completed"
        old = here.artifacts.put(b"o" * (1 << 20)).digest
        with here.artifacts.local(old) as path:
            os.utime(path, (1, 1))
        second = await here.jobs.wait((await here.jobs.submit(request(seed=1))).id, 20)
        assert (second.state, here.artifacts.has(old)) == ("completed", False)
        third = await here.jobs.wait((await here.jobs.submit(request(seed=2))).id, 20)
        assert third.error is not None
        assert (third.state, third.error.code) == ("failed", "quota_reached")
        assert all(here.artifacts.has(step.artifact) for job in (first, second) for step in job.steps)
        await here.jobs.delete(first.id)
        await here.jobs.retry(third.id)
        assert (await here.jobs.wait(third.id, 20)).state == "completed"


async def test_old_jobs_go_and_with_them_what_they_made(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), storage={"keep_days": 2.0, "cache_days": 1.0}) as here:
        job = await here.jobs.wait((await here.jobs.submit(request())).id, 20)
        await here.journal.settle()
        upkeep = here.jobs._upkeep
        assert (await upkeep.clean()).removed == 0
        await here.jobs.get(job.id)
        later = datetime.now(UTC) + timedelta(days=3)
        await upkeep.clean(later)
        with pytest.raises(NotFound):
            await here.jobs.get(job.id)
        assert here.artifacts.used() == 0


async def test_who_comes_while_the_last_one_leaves_begins_anew(tmp_path: Path) -> None:
    models = CountedModels()
    reached = asyncio.Event()

    async def hold(what: str) -> None:
        if what == "film" and models.calls["film"] == 1:
            reached.set()
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.2)  # takes a while to stop

    models.hook = hold
    async with works(tmp_path, models, running=3, video=2) as here:
        first = await here.jobs.submit(request())
        await reached.wait()
        leaving = asyncio.create_task(here.jobs.cancel(first.id))
        await asyncio.sleep(0.05)
        second = await here.jobs.submit(request())
        assert (await here.jobs.wait(second.id, 20)).state == "completed"
        assert (await leaving).state == "cancelled"
