"""Many jobs at once, many listeners, and status calls meanwhile: nothing is lost, told twice or kept for ever."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.audience import Event, Report
from benchmarks.load import Course, load
from tests.conftest import Server

pytestmark = pytest.mark.server

JOBS = 16
LISTENERS = 30

GROWTH_MEGABYTES = 48
"""Most that a process may grow by while four fifths of the jobs end: caches fill, allocators keep what they had. What
is kept for every event and listener, or for every frame, is more."""

Outcome = tuple[Course, list[Event], Report]


@pytest.fixture(scope="module")
def outcome(running: Server) -> Outcome:
    return asyncio.run(load(running.url, running.process.pid, JOBS, LISTENERS))


def test_every_job_is_completed(outcome: Outcome) -> None:
    course, *_ = outcome
    assert len(set(course.accepted)) == JOBS
    assert {job_id: course.ended.get(job_id) for job_id in course.accepted} == dict.fromkeys(
        course.accepted, "task.completed"
    )


def test_every_listener_is_told_every_event_once_and_in_order(outcome: Outcome) -> None:
    _, happened, report = outcome
    assert report.listeners == report.complete == LISTENERS
    assert report.delivered == LISTENERS * len(happened)
    assert report.streams >= LISTENERS
    assert len(report.lags) == report.delivered


def test_the_events_of_a_job_tell_its_story(outcome: Outcome) -> None:
    course, happened, _ = outcome
    ids = [event["id"] for event in happened]
    assert ids == sorted(set(ids))
    for job_id in course.accepted:
        mine = [event for event in happened if event["task_id"] == job_id]
        types = [event["type"] for event in mine]
        assert types[:2] == ["task.queued", "task.started"]
        assert types[-1] == "task.completed"
        assert set(types[2:-1]) == {"task.progress"}
        percent = [event["data"]["percent"] for event in mine if event["type"] == "task.progress"]
        assert percent == sorted(percent)


def test_status_calls_are_answered_meanwhile(outcome: Outcome) -> None:
    course, *_ = outcome
    assert course.asked, "and each of them was answered, or the course would have been broken off"


def test_memory_stays(outcome: Outcome) -> None:
    course, *_ = outcome
    before, after = course.memory[20], course.memory[100]
    grown = {role: after[role] - before[role] for role in ("coordinator", "ingress", "proxy", "controller")}
    assert max(grown.values()) < GROWTH_MEGABYTES, grown
