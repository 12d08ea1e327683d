"""The queue of videos, with a renderer that does what each test says."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts import VideoFacts, VideoJob, VideoRequest
from pipeline.errors import Busy, Conflict, InvalidText, NotFound
from pipeline.jobs.videos import VideoJobs
from pipeline.render import Report

FACTS = VideoFacts(
    seconds=1, frames=25, fps=25, size=128, format="mp4", bytes=4, sha256="0" * 64, timings={}, backends={}
)

Render = Callable[[VideoRequest, Path, Report], Awaitable[VideoFacts]]


async def quick(request: VideoRequest, target: Path, report: Report) -> VideoFacts:
    for percent in (10.0, 50.0, 40.0, 90.0):
        report("animating", percent)
        await asyncio.sleep(0)
    target.write_bytes((request.text or "").encode())
    return FACTS


async def endless(request: VideoRequest, target: Path, report: Report) -> VideoFacts:
    report("animating", 50.0)
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def run(folder: Path, test: Callable[[VideoJobs], Coroutine[Any, Any, None]], render: Render = quick, queued: int = 5):
    async def main() -> None:
        jobs = VideoJobs(folder, render, concurrent=1, queued=queued)
        jobs.start()
        await test(jobs)

    asyncio.run(main())


def ask(text: str = "hello", **fields: Any) -> VideoRequest:
    return VideoRequest(text=text, **fields)


def test_a_job_runs_to_its_end_and_its_file_is_there(tmp_path: Path) -> None:
    async def test(jobs: VideoJobs) -> None:
        job = await jobs.submit(ask())
        assert job.status == "queued"
        done = await jobs.wait(job.id, 10)
        assert (done.status, done.progress, done.result) == ("completed", 100, FACTS)
        assert jobs.file(job.id).read_bytes() == b"hello"

    run(tmp_path, test)


def test_progress_never_goes_back(tmp_path: Path) -> None:
    async def test(jobs: VideoJobs) -> None:
        job = await jobs.submit(ask())
        seen = [state.progress async for state in jobs.watch(job.id)]
        assert seen == sorted(seen)
        assert seen[-1] == 100

    run(tmp_path, test)


def test_a_failure_is_recorded_with_its_code_and_the_next_job_runs(tmp_path: Path) -> None:
    async def render(request: VideoRequest, target: Path, report: Report) -> VideoFacts:
        if request.text == "bad":
            raise InvalidText("Nothing to say.", field="text")
        if request.text == "broken":
            raise ZeroDivisionError
        return await quick(request, target, report)

    async def test(jobs: VideoJobs) -> None:
        bad, broken, good = [await jobs.submit(ask(text)) for text in ("bad", "broken", "good")]
        ended = await jobs.wait(bad.id, 10)
        assert ended.status == "failed"
        assert ended.error is not None
        assert (ended.error.code, ended.error.field, ended.error.retryable) == ("invalid_text", "text", False)
        ended = await jobs.wait(broken.id, 10)
        assert ended.error is not None
        assert (ended.error.code, ended.error.retryable) == ("backend_failed", True)
        assert (await jobs.wait(good.id, 10)).status == "completed"
        with pytest.raises(Conflict):
            jobs.file(bad.id)

    run(tmp_path, test, render)


def test_a_running_job_is_cancelled_and_stays_so(tmp_path: Path) -> None:
    async def test(jobs: VideoJobs) -> None:
        job = await jobs.submit(ask())
        waiting = await jobs.submit(ask("waiting"))
        async for state in jobs.watch(job.id):
            if state.status == "running":
                break
        assert (await jobs.cancel(waiting.id)).status == "cancelled"
        assert (await jobs.cancel(job.id)).status == "cancelled"
        with pytest.raises(Conflict):
            await jobs.cancel(job.id)
        assert (await jobs.wait(job.id, 1)).status == "cancelled"

    run(tmp_path, test, endless)


def test_a_full_queue_says_when_to_come_back(tmp_path: Path) -> None:
    async def test(jobs: VideoJobs) -> None:
        for _ in range(2):
            await jobs.submit(ask())
        with pytest.raises(Busy) as refused:
            for _ in range(2):
                await jobs.submit(ask())
        assert refused.value.retry_after

    run(tmp_path, test, endless, queued=2)


def test_what_was_cancelled_does_not_fill_the_queue(tmp_path: Path) -> None:
    async def test(jobs: VideoJobs) -> None:
        first = await jobs.submit(ask())
        async for state in jobs.watch(first.id):
            if state.status == "running":
                break
        for _ in range(3):
            await jobs.cancel((await jobs.submit(ask())).id)

    run(tmp_path, test, endless, queued=1)


def test_many_at_once_do_not_overfill_the_queue(tmp_path: Path) -> None:
    async def test(jobs: VideoJobs) -> None:
        answers = await asyncio.gather(*(jobs.submit(ask()) for _ in range(10)), return_exceptions=True)
        assert sum(isinstance(answer, Busy) for answer in answers) == 7

    run(tmp_path, test, endless, queued=3)


def test_an_end_that_can_not_be_written_is_seen_all_the_same(tmp_path: Path) -> None:
    async def render(request: VideoRequest, target: Path, report: Report) -> VideoFacts:
        shutil.rmtree(target.parent)
        raise InvalidText("Nothing to say.", field="text")

    async def test(jobs: VideoJobs) -> None:
        ended = await jobs.wait((await jobs.submit(ask())).id, 10)
        assert ended.status == "failed"
        assert ended.error is not None
        assert ended.error.code == "invalid_text"

    run(tmp_path, test, render)


def test_unknown_ids_are_not_found_and_never_become_paths(tmp_path: Path) -> None:
    async def test(jobs: VideoJobs) -> None:
        for unknown in ("vid_00000000000000000000000000", "../../etc/passwd", ""):
            with pytest.raises(NotFound):
                jobs.get(unknown)
            with pytest.raises(NotFound):
                await jobs.delete(unknown)

    run(tmp_path, test)


def test_what_was_accepted_is_rendered_after_a_restart(tmp_path: Path) -> None:
    accepted: list[VideoJob] = []

    async def before(jobs: VideoJobs) -> None:
        accepted.append(await jobs.submit(ask("first", portrait=b"\x89PNG", seed=7)))
        accepted.append(await jobs.submit(ask("second")))
        async for state in jobs.watch(accepted[0].id):
            if state.status == "running":
                return  # and the process ends here

    seen: list[VideoRequest] = []

    async def render(request: VideoRequest, target: Path, report: Report) -> VideoFacts:
        seen.append(request)
        return await quick(request, target, report)

    async def after(jobs: VideoJobs) -> None:
        for job in accepted:
            assert (await jobs.wait(job.id, 10)).status == "completed"
        assert [request.text for request in seen] == ["first", "second"]
        assert (seen[0].portrait, seen[0].seed) == (b"\x89PNG", 7)

    run(tmp_path, before, endless)
    run(tmp_path, after, render)

    async def later(jobs: VideoJobs) -> None:
        assert [job.status for job in jobs.page(10, None)] == ["completed", "completed"]
        assert len(seen) == 2, "what is finished is not rendered again"

    run(tmp_path, later, render)


def test_a_damaged_folder_hides_no_other_job(tmp_path: Path) -> None:
    made: list[VideoJob] = []

    async def before(jobs: VideoJobs) -> None:
        made.extend([await jobs.submit(ask()), await jobs.submit(ask())])
        await jobs.wait(made[1].id, 10)

    run(tmp_path, before)
    (tmp_path / made[0].id / "job.json").write_text("{")

    async def after(jobs: VideoJobs) -> None:
        assert [job.id for job in jobs.page(10, None)] == [made[1].id]

    run(tmp_path, after)
    assert (tmp_path / made[0].id / "request.json").exists(), "nothing of the damaged one is deleted"


def test_lists_are_paged_newest_first(tmp_path: Path) -> None:
    async def test(jobs: VideoJobs) -> None:
        ids = [(await jobs.submit(ask(str(i)))).id for i in range(5)]
        first = [job.id for job in jobs.page(2, None)]
        second = [job.id for job in jobs.page(2, first[-1])]
        assert first + second == ids[:0:-1]

    run(tmp_path, test, endless, queued=10)


def test_deleting_a_running_job_stops_it_and_removes_its_folder(tmp_path: Path) -> None:
    async def test(jobs: VideoJobs) -> None:
        job = await jobs.submit(ask())
        async for state in jobs.watch(job.id):
            if state.status == "running":
                break
        await jobs.delete(job.id)
        assert not (tmp_path / job.id).exists()
        with pytest.raises(NotFound):
            jobs.get(job.id)

    run(tmp_path, test, endless)
