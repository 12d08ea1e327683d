"""How far a video is: a bar on a terminal, plain lines elsewhere, nothing with `--json`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from clients.cli import screen

if TYPE_CHECKING:
    from pipeline.contracts import VideoJob

STEP: Final = 25.0
"""Percent between two plain lines of the same stage."""


def follow(jobs: Iterable[VideoJob], *, quiet: bool) -> VideoJob:
    """Shows each state of a job on stderr as it comes, and returns the last."""
    if quiet:
        *_, last = jobs
        return last
    return _bar(jobs) if screen.err().is_terminal else _lines(jobs)


def stage(job: VideoJob) -> str:
    """The stage in words, with frames where they are being made."""
    of = f"/{job.frames_total}" if job.frames_total else ""
    return f"{job.stage} {job.frames_made}{of} frames" if job.frames_made else job.stage


def _bar(jobs: Iterable[VideoJob]) -> VideoJob:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<32}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen.err(), transient=True) as progress:
        task = progress.add_task("starting", total=100.0)
        last = None
        for last in jobs:
            progress.update(task, completed=last.progress, description=stage(last))
    return _ended(last)


def _lines(jobs: Iterable[VideoJob]) -> VideoJob:
    shown, mark, last = "", 0.0, None
    for last in jobs:
        if last.stage != shown or last.progress >= mark + STEP:
            shown, mark = last.stage, last.progress
            screen.note(f"{last.progress:3.0f} %  {stage(last)}")
    return _ended(last)


def _ended(job: VideoJob | None) -> VideoJob:
    if job is None:
        raise RuntimeError("a watched job has at least one state")
    return job
