"""Kills over a load, and what is left to be true afterwards."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from pipeline.storage.database import Database
from pipeline.storage.nodes import Made
from pipeline.storage.schema import nodes
from tests.chaos import tally, victims
from tests.chaos.load import OPENING, Load, own_sentence
from tests.conftest import NotStarted, Server

BOUNDARIES = ("begin", "end")


@dataclass(frozen=True, slots=True)
class Kill:
    """One of the storm."""

    victim: str
    moment: str
    """`after <kind> <begin|end>`, or `at random`."""
    back: float
    """Seconds until the application answered again."""


@dataclass
class Report:
    """What came of it."""

    kills: list[Kill] = field(default_factory=list)
    accepted: int = 0
    completed: int = 0
    broken: list[str] = field(default_factory=list)
    """Promises that were not kept, each in a sentence."""
    begun: Counter[str] = field(default_factory=Counter)
    """Pieces of work that began, by kind."""
    needed: Counter[str] = field(default_factory=Counter)
    """Pieces that there were to do."""


class Storm:
    """A server that is killed in parts and as a whole and started again, with its data and its tally in `folder`."""

    def __init__(
        self, folder: Path, *, database: str | None = None, seed: int = 0, environment: dict[str, str]
    ) -> None:
        self._folder = folder
        self._database_url = database
        self._environment = environment
        self._random = random.Random(seed)
        self.tally = folder / "tally.jsonl"
        self._data = folder / "data"
        self.server = self._start()

    def _start(self, port: int | None = None) -> Server:
        chosen = (f"storage.folder={self._data}", *tally.settings())
        for attempt in (1, 2, 3):
            runs = self._folder / f"run-{time.monotonic_ns()}"
            runs.mkdir(parents=True)
            server = Server(runs, *chosen, port=port, environment=self._environment)
            try:
                server.wait()
            except NotStarted:
                if attempt == 3:
                    raise
            else:
                return server
        raise AssertionError("unreachable")

    def run(self, schedule: Sequence[str], load: Load) -> list[Kill]:
        """Kills the victims of the schedule one after another while the load goes on."""
        asking = threading.Thread(target=load.run, daemon=True)
        asking.start()
        kills = []
        for number, victim in enumerate(schedule):
            moment = self._moment(at_random=number % 2 == 1)
            began = time.monotonic()
            if not victims.kill(self.server.process.pid, victim):
                # A model that is started on demand may not be there yet; the next moment then.
                self._until(lambda v=victim: bool(victims.find(self.server.process.pid, v)), 60)
                victims.kill(self.server.process.pid, victim)
            if victim == victims.CLUSTER:
                self.server.stop()  # it is dead; its log is closed
                self.server = self._start(self.server.port)
            self._until(self._answers, 180)
            kills.append(Kill(victim, moment, time.monotonic() - began))
        asking.join(900)
        load.stop.set()
        return kills

    def settle(self, load: Load, seconds: float = 900) -> dict[str, dict[str, Any]]:
        """Every accepted job, once all have ended."""
        found: dict[str, dict[str, Any]] = {}

        def all_ended() -> bool:
            found.update(load.look())
            return set(load.accepted.values()) <= load.ended

        self._until(all_ended, seconds)
        return found

    def made(self) -> list[Made]:
        """Every node that was recorded."""
        database = Database.in_folder(self._data) if self._database_url is None else Database(self._database_url)
        try:
            rows = database.read(lambda c: c.execute(nodes.select()).mappings().all())
            return [Made(**{name: row[name] for name in Made.__dataclass_fields__}) for row in rows]
        finally:
            database.close()

    def content(self, job_id: str) -> bytes:
        return httpx.get(f"{self.server.url}/api/v1/videos/{job_id}/content", timeout=60).raise_for_status().content

    def stop(self) -> None:
        self.server.stop()

    def _moment(self, *, at_random: bool) -> str:
        """Waits for the next one to kill at: a random while, or until work of some kind begins or ends."""
        if at_random:
            time.sleep(self._random.uniform(0.05, 1.5))
            return "at random"
        seen = len(tally.marks(self.tally))
        wanted = self._random.choice(BOUNDARIES), self._random.choice(("speak", "draw", "locate", "film"))
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for mark in tally.marks(self.tally)[seen:]:
                if (mark.what, mark.kind) == wanted:
                    return f"at the {mark.what} of {mark.kind}"
            time.sleep(0.005)
        return "at random"

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.server.url}/api/v1/system/health/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    @staticmethod
    def _until(true: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise TimeoutError("what had to come did not come")
            time.sleep(0.1)


def verdict(storm: Storm, load: Load, jobs: dict[str, dict[str, Any]], undisturbed: dict[int, str]) -> Report:
    """Holds everything that was promised against what is there. `undisturbed`: number -> digest of the video that a
    server makes which nobody kills."""
    report = Report(accepted=len(load.accepted))
    report.broken += [f"a good request was refused: {answer}" for answer in load.refused]
    for number, job_id in load.accepted.items():
        job = jobs.get(job_id)
        if job is None:
            report.broken.append(f"the accepted job {job_id} is gone")
        elif job["state"] != "completed":
            report.broken.append(f"{job_id} is {job['state']}: {job.get('error')}")
        elif job["result"]["sha256"] != undisturbed.get(number):
            report.broken.append(f"video {number} has other bytes than undisturbed")
        else:
            report.completed += 1
    if len(set(load.accepted.values())) != len(load.accepted):
        report.broken.append("two requests share a job")
    if strangers := set(jobs) - set(load.accepted.values()):
        report.broken.append(f"{len(strangers)} jobs that nobody was told of: something was half accepted")
    recorded = dict(_recorded(storm, load, jobs))
    for mark in tally.marks(storm.tally):
        if mark.what == "begin":
            report.begun[mark.kind] += 1
            done = recorded.get((mark.kind, mark.which))
            if done is not None and mark.at > done:
                report.broken.append(f"{mark.kind} {mark.which[:60]!r} was begun again after it was finished")
    for kind, _ in recorded:
        report.needed[kind] += 1
    return report


def _recorded(storm: Storm, load: Load, jobs: dict[str, dict[str, Any]]) -> Iterator[tuple[tuple[str, str], float]]:
    """What the tally calls each node -> when it was recorded as finished."""
    made = {node.key: node for node in storm.made()}
    for number, job_id in load.accepted.items():
        if job_id not in jobs:
            continue
        job = httpx.get(f"{storm.server.url}/api/v1/jobs/{job_id}", timeout=60).raise_for_status().json()
        steps = {step["name"]: step for step in job["steps"]}
        names = dict(zip(("speak.0001", "speak.0002"), (OPENING, own_sentence(number)), strict=True))
        names |= {"draw": str(number), "locate": steps["draw"]["artifact"], "film": str(number)}
        for name, which in names.items():
            node = made.get(steps[name]["key"])
            if node is not None:
                yield (node.kind, which), node.created_at.timestamp()


@contextmanager
def restarted(server: Any, every: float) -> Generator[None]:
    """Meanwhile the Postgres server is stopped and started again and again."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(every):
            server.restart()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
