"""How far a job is: a bar for each kind of step on a terminal, plain lines elsewhere, JSON lines with `--json`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from clients.cli import screen

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.contracts import Job, Step

T = TypeVar("T")

PART: Final = 25.0
"""Percent between two plain lines that say nothing else."""
WIDTH: Final = 32
"""Columns of a bar."""
BUSY: Final = frozenset({"assigned", "in_progress"})
FILMS: Final = frozenset({"film", "move", "track", "dub", "enlarge"})
"""Kinds of steps whose frames a job counts, all together."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Steps of one kind together: a long text is hundreds of sentences."""

    kind: str
    name: str
    """The kind; with how many of them are done, where there are several."""
    done: int
    total: int | None
    """None where it can't be said how far a step is that is being done."""
    state: str
    ended: bool = False


def follow(jobs: Iterable[Job], *, as_json: bool) -> Job:
    """Shows each state of a job as it comes, and returns the last. JSON goes to stdout, the rest to stderr."""
    if as_json:
        return _last(jobs, screen.event)
    return _drawn(jobs) if screen.err().is_terminal else _told(jobs)


def bars(job: Job) -> list[Bar]:
    """One for each kind of step, in the order of the steps."""
    kinds = dict.fromkeys(step.kind for step in job.steps)
    return [_bar(kind, [step for step in job.steps if step.kind == kind], job) for kind in kinds]


def _bar(kind: str, steps: Sequence[Step], job: Job) -> Bar:
    states, attempts = {step.state for step in steps}, max(step.attempts for step in steps)
    done = sum(step.state == "completed" for step in steps)
    worst = next((state for state in ("failed", "blocked", "cancelled") if state in states), None)
    ended = worst is not None or done == len(steps)
    words = [worst or ("done" if ended else "running" if states & BUSY or done else "waiting")]
    words += ["cached"] if all(step.cached for step in steps) else []
    words += [f"attempt {attempts}"] if attempts > 1 else []
    state = ", ".join(words)
    if len(steps) > 1:
        return Bar(kind, f"{kind} {done}/{len(steps)}", done, len(steps), state, ended)
    films = [step for step in job.steps if step.kind in FILMS]
    if steps == films and job.frames_total and not done:
        return Bar(kind, kind, job.frames_made, job.frames_total, state, ended)
    return Bar(kind, kind, done, None if states & BUSY else 1, state, ended)


def lines(jobs: Iterable[Job]) -> Iterator[tuple[Job, list[str]]]:
    """Each state of a job with the lines that are worth saying about it: the end of each kind of step, what is done
    now, and every quarter of the way."""
    ended: set[str] = set()
    attempt, message, mark = 0, "", 0.0
    for job in jobs:
        said = []
        if job.attempt != attempt:
            attempt, mark, ended = job.attempt, 0.0, set()
        for bar in bars(job):
            if bar.ended and bar.kind not in ended:
                ended.add(bar.kind)
                said.append(f"{bar.name} {bar.state}")
        if _doing(job) != message or job.progress >= mark + PART:
            message, mark = _doing(job), job.progress
            said.append(" ".join(filter(None, (message, _frames(job)))))
        yield job, [f"{job.progress:3.0f} %  {line}" for line in said]


def _doing(job: Job) -> str:
    return job.message or job.state


def _frames(job: Job) -> str:
    of = f"/{job.frames_total}" if job.frames_total else ""
    return f"{job.frames_made}{of} frames" if job.frames_made else ""


def _told(jobs: Iterable[Job]) -> Job:
    def tell(told: tuple[Job, list[str]]) -> None:
        for line in told[1]:
            screen.note(line)

    return _last(lines(jobs), tell)[0]


def _drawn(jobs: Iterable[Job]) -> Job:
    from rich.live import Live

    with Live(console=screen.err(), refresh_per_second=10) as live:
        return _last(jobs, lambda job: live.update(picture(job)))


def picture(job: Job) -> Table:
    """The job's bar, and those of its steps below."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    whole = Bar(
        "job", f"{job.progress:.0f} %", round(job.progress), 100, " ".join(filter(None, (_doing(job), _frames(job))))
    )
    for bar in (whole, *bars(job)):
        drawn = ProgressBar(total=bar.total, completed=bar.done, width=WIDTH)
        grid.add_row(Text(bar.name), drawn, Text(bar.state))
    return grid


def _last(items: Iterable[T], each: Callable[[T], object]) -> T:
    last: list[T] = []
    for item in items:
        each(item)
        last = [item]
    if not last:
        raise RuntimeError("a watched job has at least one state")
    return last[0]
