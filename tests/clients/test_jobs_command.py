"""`mouthpiece jobs` and what `render` says about jobs, against a server that does as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from clients.cli import steps
from clients.cli.steps import Bar
from clients.python.client import Client
from pipeline.contracts import Job, Step
from tests.clients.conftest import Ran
from tests.clients.standin import ID, NOW, Standin

Command = Callable[..., Ran]


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    with Standin() as standin:
        monkeypatch.setenv("MOUTHPIECE_SERVER", standin.url)
        yield standin


@pytest.fixture
def command(mouthpiece: Command, there: Standin) -> Command:
    def run(*arguments: str) -> Ran:
        return mouthpiece(*arguments, "--server", there.url)

    return run


def step(name: str, state: str = "completed", **fields: Any) -> Step:
    kind = name.partition(".")[0]
    return Step.model_validate({"name": name, "kind": kind, "state": state, "attempts": 1} | fields)


def test_list(command: Command, there: Standin) -> None:
    assert [job["id"] for job in command("jobs", "list", "--json").json["data"]] == [ID]
    people = command("jobs", "list")
    assert people.out.splitlines()[1].split("\t")[:4] == [ID, "pending", "0 %", "0"]
    assert command("jobs", "list", "--state", "failed", "--state", "blocked", "--json").json == {"data": []}
    assert there.paths("GET")[-1] == "/api/v1/jobs?limit=20&state=failed&state=blocked"
    assert command("jobs", "list", "--state", "pending", "--limit", "7", "--json").json["data"]
    assert command("jobs", "list", "--after", ID, "--json").json == {"data": []}


def test_show(command: Command, there: Standin) -> None:
    shown = step("film", backend="meshwarp", key="ab" * 32, artifact="cd" * 32, cached=True, attempts=2)
    times = {"started_at": NOW, "completed_at": NOW + timedelta(seconds=1.5)}
    there.job = there.job.model_copy(
        update={"steps": (shown.model_copy(update=times),), "frames_made": 3, "frames_total": 9, "started_at": NOW}
    )
    assert Job.model_validate(command("jobs", "show", ID, "--json").json) == there.job
    out = command("jobs", "show", ID).out
    assert "frames    3 of 9" in out
    assert "started   2026-11-21 09:00:00 UTC" in out
    cells = ["film", "completed, cached", "2", "09:00:00", "1.50", "meshwarp", "abababababab", "cdcdcdcdcdcd", ""]
    assert out.splitlines()[-1].split("\t") == cells
    missing = command("jobs", "show", "vid_none", "--json")
    assert (missing.code, missing.error["code"]) == (2, "not_found")


def test_cancel_and_retry_and_delete(command: Command, there: Standin) -> None:
    there.happens("task.failed", "failed")
    assert command("jobs", "retry", ID, "--json").json["state"] == "pending"
    assert command("jobs", "cancel", ID, "--json").json["state"] == "cancelled"
    assert "cancelled" in command("jobs", "show", ID).out
    assert command("jobs", "cancel", ID, "--json").error["code"] == "already_ended"
    assert command("jobs", "delete", ID).out == f"{ID} is deleted.\n"
    assert command("jobs", "delete", ID, "--json").code == 2


@pytest.mark.parametrize("verb", ["show", "watch", "cancel", "retry", "delete"])
def test_only_a_server_keeps_jobs(mouthpiece: Command, verb: str) -> None:
    ran = mouthpiece("jobs", verb, ID, "--json")
    assert (ran.code, ran.error["code"], ran.error["field"]) == (2, "missing_field", "--server")


def test_a_state_that_is_none(command: Command) -> None:
    ran = command("jobs", "list", "--state", "done", "--json")
    assert (ran.code, ran.error["code"], ran.error["field"]) == (2, "unknown_name", "--state")
    assert "in_progress" in ran.error["accepted"]


def during(there: Standin, *happenings: Callable[[], None]) -> threading.Thread:
    """Lets things happen once somebody watches."""

    def happen() -> None:
        there.until_looked_at()
        for happening in happenings:
            happening()

    thread = threading.Thread(target=happen)
    thread.start()
    return thread


def test_watch_to_the_end(command: Command, there: Standin) -> None:
    def restart() -> None:
        there.stop()
        there.happens("task.progress", percent=60.0, message="filming", frames_made=30)
        there.start()

    ending = lambda: there.happens("task.completed", "completed", percent=100.0, message="done")  # noqa: E731
    thread = during(there, lambda: there.happens("task.started", "in_progress", message="filming"), restart, ending)
    ran = command("jobs", "watch", ID)
    thread.join()
    assert (ran.code, ran.out) == (0, f"{ID} is completed.\n")
    lines = ran.err.splitlines()
    assert lines[0] == "  0 %  pending"
    assert lines[-3:] == ["100 %  locate done", "100 %  film done", "100 %  done 30 frames"]


def test_watch_for_a_machine(command: Command, there: Standin) -> None:
    thread = during(there, lambda: there.happens("task.failed", "failed"))
    ran = command("jobs", "watch", ID, "--json")
    thread.join()
    states = [Job.model_validate_json(line) for line in ran.out.splitlines()]
    assert (states[0].state, states[-1].state) == ("pending", "failed")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (1, "backend_failed")


def test_watch_what_is_cancelled(command: Command, there: Standin) -> None:
    there.happens("task.cancelled", "cancelled")
    ran = command("jobs", "watch", ID)
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == f"Error: The job {ID} is cancelled."


def test_the_end_of_watching_is_not_the_end_of_the_job(
    command: Command, there: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(client: Client, job_id: str) -> Iterator[Job]:
        yield client.job(job_id)
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "watch_job", interrupted)
    ran = command("jobs", "watch", ID)
    assert ran.code == 130
    assert f"The job goes on. `mouthpiece jobs cancel {ID}` stops it." in ran.err
    assert there.paths("POST") == []


# How far it is


def job(*steps: Step, **fields: Any) -> Job:
    return Job.model_validate({"id": ID, "state": "in_progress", "created_at": NOW, "steps": steps} | fields)


def test_a_bar_for_each_kind_of_step() -> None:
    spoken = [step("speak.0001", cached=True), step("speak.0002", "in_progress"), step("speak.0003", "pending")]
    film = step("film", "in_progress", attempts=2)
    found = steps.bars(job(step("draw", cached=True), *spoken, step("locate", "assigned"), film, frames_total=50))
    assert found == [
        Bar("draw", "draw", 1, 1, "done, cached", True),
        Bar("speak", "speak 1/3", 1, 3, "running"),
        Bar("locate", "locate", 0, None, "running"),
        Bar("film", "film", 0, 50, "running, attempt 2"),
    ]
    ended = steps.bars(job(step("speak.0001", "failed"), step("speak.0002"), step("film", "blocked")))
    assert [bar.state for bar in ended] == ["failed", "blocked"]
    assert steps.bars(job(step("film", "pending"))) == [Bar("film", "film", 0, 1, "waiting")]


def test_the_picture_of_a_job() -> None:
    from rich.console import Console

    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    with console.file:
        console.print(steps.picture(job(step("locate"), step("film", "pending"), progress=40, message="filming")))
    lines = console.export_text().splitlines()
    assert [line.split()[0] for line in lines] == ["40", "locate", "film"]
    assert lines[0].endswith("filming")
    assert lines[1].rstrip().endswith("done")


def test_lines_say_what_is_new() -> None:
    states = [
        job(step("locate", "pending"), state="pending"),
        job(step("locate", "in_progress"), message="looking"),
        job(step("locate"), message="looking", progress=10),
        job(step("locate"), message="filming", progress=12, frames_made=1, frames_total=9),
        job(step("locate"), message="filming", progress=20, frames_made=2, frames_total=9),
        job(step("locate"), message="filming", progress=40, frames_made=4, frames_total=9),
        job(step("locate", cached=True), attempt=2, message="filming", progress=0),
    ]
    told = [said for _, said in steps.lines(states)]
    assert told == [
        ["  0 %  pending"],
        ["  0 %  looking"],
        [" 10 %  locate done"],
        [" 12 %  filming 1/9 frames"],
        [],
        [" 40 %  filming 4/9 frames"],
        ["  0 %  locate done, cached"],
    ]


# What render says about jobs


def test_detached(command: Command, there: Standin) -> None:
    ran = command("render", "--text", "Hi.", "--detach", "--priority", "5", "--format", "webm")
    assert (ran.code, ran.out) == (0, f"{ID}\n")
    assert f"mouthpiece jobs watch {ID}" in ran.err
    assert there.bodies[-1] == {"text": "Hi.", "priority": 5, "format": "webm"} | DEFAULTS
    sent = command("render", "--text", "Hi.", "--detach", "--webhook", "http://127.0.0.1/told", "--json")
    assert sent.json["video"]["id"] == ID
    assert there.bodies[-1]["webhook"] == "http://127.0.0.1/told"
    assert (sent.code, sent.err) == (0, "")


DEFAULTS = {"speed": 1.0, "pitch": 0.0, "seed": 0, "blink": True, "backends": {}, "drawing": {}}


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (("--detach", "-o", "out.mp4"), "two_sources", "--output"),
        (("--format", "webm", "-o", "out.webm"), "two_sources", "--format"),
        (("--format", "webm"), "missing_field", "--output"),
        (("--detach", "--format", "avi"), "invalid_request", "format"),
        (("--detach", "--server", ""), "missing_field", "--server"),
        (("--detach", "--priority", "101"), "invalid_request", "priority"),
        (("--detach", "--webhook", "ftp://there"), "invalid_request", "webhook"),
    ],
)
def test_what_render_refuses(
    mouthpiece: Command, there: Standin, arguments: tuple[str, ...], code: str, field: str
) -> None:
    ran = mouthpiece("render", "--text", "Hi.", *arguments, "--json")
    assert (ran.code, ran.error["code"], ran.error["field"]) == (2, code, field)
    assert there.asked == []


@pytest.mark.parametrize("ended", [False, True])
def test_interrupted_it_says_what_became_of_the_job(
    command: Command, there: Standin, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    def interrupted(client: Client, video_id: str) -> Iterator[Any]:
        yield client.video(video_id)
        if ended:
            there.happens("task.completed", "completed")
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "watch", interrupted)
    ran = command("render", "--text", "Hi.", "-o", str(tmp_path / "out.mp4"))
    assert ran.code == 130
    told = f"The video {ID} had ended already" if ended else f"The video {ID} is cancelled."
    assert told in ran.err
    assert there.job.state == ("completed" if ended else "cancelled")
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_gone_leaves_the_id(
    command: Command, there: Standin, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(client: Client, video_id: str) -> Iterator[Any]:
        yield client.video(video_id)
        there.stop()
        yield client.video(video_id)

    monkeypatch.setattr(Client, "watch", away)
    monkeypatch.setattr(Client.__init__, "__defaults__", ("", 300.0, 0.0))
    ran = command("render", "--text", "Hi.", "-o", str(tmp_path / "out.mp4"), "--json")
    there.start()
    assert (ran.code, ran.error["code"]) == (1, "no_server")
    assert f"mouthpiece jobs watch {ID}" in ran.error["message"]
