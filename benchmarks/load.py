"""A server under load: hundreds of small jobs queued at once, as many listeners, and somebody who asks how it goes.

    python -m benchmarks.load [--jobs 500] [--listeners 200]        (make bench-load)

Every job has a text of its own and a face that is kept, so that each is spoken and filmed. The listeners are another
process and who asks is a third, so that nobody's time holds what he waits for himself; whatever they cost is taken
from the same cores. Wants an otherwise idle machine and some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx

from benchmarks import processes
from benchmarks.asker import inquire
from benchmarks.audience import Event, Report, attend, events, kept
from benchmarks.product import photo
from benchmarks.server import server

SUBMITTERS = 4
"""Clients that submit at the same time, each its next job when the one before is accepted."""
LAST_EVENT_SECONDS = 60.0
"""How long listeners may take to the last event when all jobs have ended."""

Row = tuple[str, str, str, bool]
"""What, what was reached, what was asked, and whether it is so."""

Sizes = dict[str, float]
"""Of the server's processes, by what they are."""

ENDS = ("task.completed", "task.failed", "task.cancelled")


@dataclass
class Course:
    """What was measured while it ran. Times in seconds."""

    jobs: int
    accepted: list[str] = field(default_factory=list)
    """Ids, in the order of the answers."""
    enqueued: list[float] = field(default_factory=list)
    """From each request to its answer."""
    asked: list[float] = field(default_factory=list)
    """From each status call to its answer, once all jobs were accepted."""
    asked_meanwhile: list[float] = field(default_factory=list)
    """The same, of those before."""
    ended: dict[str, str] = field(default_factory=dict)
    """Job id -> type of its last event."""
    memory: dict[int, Sizes] = field(default_factory=dict)
    """Unshared megabytes, when so many percent of the jobs had ended."""
    cpu: Sizes = field(default_factory=dict)
    """Seconds, over the whole course."""
    submitting: float = 0.0
    """From the first request to the last answer."""
    seconds: float = 0.0
    """From the first request to the last job's end."""


def body(number: int, avatar: str) -> dict[str, Any]:
    text = f"This is what number {number} has to say. Nobody but {number} says so."
    return {"text": text, "avatar": avatar, "seed": number, "size": 128}


async def submit(client: httpx.AsyncClient, course: Course, avatar: str, asker: Connection) -> None:
    """All jobs, told to `asker` as they are accepted."""
    numbers = iter(range(course.jobs))

    async def one_after_the_other() -> None:
        for number in numbers:
            began = time.perf_counter()
            answer = await client.post("/api/v1/videos", json=body(number, avatar))
            course.enqueued.append(time.perf_counter() - began)
            course.accepted.append(answer.raise_for_status().json()["id"])
            asker.send(course.accepted[-1])

    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(SUBMITTERS)))
    course.submitting = time.perf_counter() - began


async def watch(client: httpx.AsyncClient, course: Course, after: int, root: int) -> None:
    """Until every job has ended; weighs the processes at every tenth of them."""
    weigh = {course.jobs * percent // 100: percent for percent in range(10, 101, 10)}
    while True:
        async with aclosing(events(client, after, lambda: None, 600)) as stream:
            async for event in stream:
                after = event["id"]
                if event["type"] not in ENDS:
                    continue
                course.ended[event["task_id"]] = event["type"]
                percent = weigh.get(len(course.ended))
                if percent is not None:
                    course.memory[percent] = await asyncio.to_thread(sizes, root, processes.unshared_megabytes)
                if len(course.ended) == course.jobs:
                    return


async def load(url: str, root: int, jobs: int, listeners: int) -> tuple[Course, list[Event], Report]:
    """On a running server whose first process is `root`, with at least ten jobs: the course, every event of it as it is
    kept, and what the listeners were told."""
    course = Course(jobs)
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        face = {"portrait": ("face.png", photo(), "image/png")}
        avatar = (await client.post("/api/v1/avatars", data={"name": "Load"}, files=face)).raise_for_status().json()
        # Starts what the first request starts.
        first = await client.post("/api/v1/videos", params={"wait": 100}, json=body(jobs, avatar["id"]))
        if first.raise_for_status().json()["status"] != "completed":
            raise RuntimeError(first.text)
        newest = (await kept(client, 0))[-1]["id"]

        audience, pipe = beside(attend, url, listeners, newest)
        asking, asker = beside(inquire, url)
        await asyncio.to_thread(pipe.recv)

        used, began = sizes(root, processes.cpu_seconds), time.perf_counter()
        watching = asyncio.create_task(watch(client, course, newest, root))
        await submit(client, course, avatar["id"], asker)
        course.asked_meanwhile = await times(asker)
        await watching
        course.asked = await times(asker)
        course.seconds = time.perf_counter() - began
        spent = sizes(root, processes.cpu_seconds)
        course.cpu = {role: spent[role] - used.get(role, 0.0) for role in spent}
        asker.send(None)
        happened = await kept(client, newest)
        pipe.send(([event["id"] for event in happened], LAST_EVENT_SECONDS))
        report: Report = await asyncio.to_thread(pipe.recv)
        pipe.close()
        audience.join()
        asking.join()
        (await client.delete(f"/api/v1/avatars/{avatar['id']}")).raise_for_status()
    return course, happened, report


def beside(work: Callable[..., None], *given: object) -> tuple[BaseProcess, Connection]:
    """A process that does `work` with `given` and the far end of a pipe, and the near one."""
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=work, args=(*given, far))
    process.start()
    far.close()  # so that its death is noticed
    return process, near


async def times(asker: Connection) -> list[float]:
    """What it has measured since it was asked last."""
    asker.send("times")
    return await asyncio.to_thread(asker.recv)


def sizes(root: int, size: Callable[[int], float]) -> Sizes:
    """`size` of every process of the tree, added up by what they are."""
    found: Sizes = {}
    for process in processes.tree(root):
        role = part(processes.name(process))
        found[role] = found.get(role, 0.0) + size(process)
    return found


def part(command: str) -> str:
    """What a process of the server is: a deployment by its name, or one of Ray's own."""
    if command.startswith("ray::ServeReplica:mouthpiece:"):
        return command.removeprefix("ray::ServeReplica:mouthpiece:").split()[0].split(".")[0]
    if command.startswith("ray::ProxyActor"):
        return "proxy"
    if command.startswith("ray::ServeController"):
        return "controller"
    return "the rest of Ray"


def at(share: float, values: list[float]) -> float:
    """The quantile."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def asked(when: str, seconds: list[float]) -> Row:
    """The row of the status calls of some time."""
    return (
        f"status call {when}, p50 / p99 / max of {len(seconds)}",
        f"{at(0.5, seconds) * 1000:.0f} / {at(0.99, seconds) * 1000:.0f} / {max(seconds) * 1000:.0f} ms",
        "p99 under 50 ms",
        at(0.99, seconds) < 0.05,
    )


def show(course: Course, happened: list[Event], report: Report) -> bool:
    """The table. Whether everything that was asked is so."""
    ends = Counter(course.ended.values())
    expected = len(happened) * report.listeners
    enqueued, lags = course.enqueued, report.lags
    rows: list[Row] = [
        ("jobs completed", f"{ends['task.completed']}", f"{course.jobs}", ends["task.completed"] == course.jobs),
        ("jobs a second", f"{course.jobs / course.seconds:.2f}", "", True),
        (
            "enqueued within, p50 / p99",
            f"{at(0.5, enqueued) * 1000:.0f} / {at(0.99, enqueued) * 1000:.0f} ms",
            "",
            True,
        ),
        ("all enqueued within", f"{course.submitting:.1f} s of {course.seconds:.1f} s", "", True),
        asked("while jobs are accepted", course.asked_meanwhile),
        asked("while they are made", course.asked),
        (
            f"listeners of {report.listeners} told all {len(happened)} events once, in order",
            f"{report.complete}",
            f"{report.listeners}",
            report.complete == report.listeners,
        ),
        ("events delivered", f"{report.delivered}", f"{expected}", report.delivered == expected),
        ("event lag, p50 / p99", f"{at(0.5, lags):.2f} / {at(0.99, lags):.2f} s", "", True),
    ]
    for what, reached, wanted, good in rows:
        print(f"{what:60}{reached:>22}    {wanted and f'asked: {wanted}'}{'' if good else '   MISSED'}")
    print(f"\n{'':24}{'CPU s':>8}{'unshared MB at 20 %':>24}{'at 100 %':>12}{'growth':>10}")
    for role in sorted(course.cpu, key=lambda role: -course.cpu[role]):
        before, after = course.memory[20].get(role, 0.0), course.memory[100].get(role, 0.0)
        print(f"{role:24}{course.cpu[role]:8.1f}{before:24.1f}{after:12.1f}{after - before:10.1f}")
    print(f"{'the listeners':24}{report.cpu_seconds:8.1f}")
    print("all: " + ", ".join(f"{percent} % {sum(each.values()):.0f} MB" for percent, each in course.memory.items()))
    return all(good for *_, good in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--listeners", type=int, default=200)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as running:
        outcome = asyncio.run(load(running.url, running.process, chosen.jobs, chosen.listeners))
    return 0 if show(*outcome) else 1


if __name__ == "__main__":
    sys.exit(main())
