"""`mouthpiece jobs`: the jobs of a server, step by step."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from clients.cli import screen, where

if TYPE_CHECKING:
    from pipeline.contracts import Job as Task
    from pipeline.contracts import Step, TaskState

app = typer.Typer(help="The jobs of a running server: what makes its videos, step by step.", no_args_is_help=True)

Job = Annotated[str, typer.Argument(metavar="ID", help="Id of a job; a video's job has its id.", show_default=False)]

DIGITS = 12
"""Of a key or digest, for people; `--json` has them all."""


@app.command("list")
@where.on_server
def list_(
    state: Annotated[
        list[str] | None, typer.Option("--state", metavar="STATE", help="Those in this state; repeat.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=100, help="At most this many.")] = 20,
    after: Annotated[str | None, typer.Option("--after", metavar="ID", help="Those older than this one.")] = None,
    *,
    at: where.Where,
) -> None:
    """List the jobs of a server, newest first.

    Example: mouthpiece jobs list --state failed --state in_progress
    """
    with at.server("jobs") as studio:
        jobs = studio.jobs(limit, after, states=_states(state or []))
    if at.as_json:
        screen.result({"data": jobs})
        return
    rows = [(job.id, job.state, f"{job.progress:.0f} %", str(job.priority), _at(job), job.message) for job in jobs]
    screen.table(("job", "state", "progress", "priority", "created", "now"), rows)


@app.command()
@where.on_server
def show(job: Job, *, at: where.Where) -> None:
    """Show one job with its steps.

    Example: mouthpiece jobs show vid_01jd...
    """
    with at.server("jobs") as studio:
        _show(studio.job(job), as_json=at.as_json)


@app.command()
@where.on_server
def watch(job: Job, *, at: where.Where) -> None:
    """Follow a job to its end, also over a restart of the server. Ctrl-C ends the watching, not the job.

    With --json, each state is one line. Fails (exit code 1) where the job does.

    Example: mouthpiece jobs watch vid_01jd...
    """
    from clients.cli import steps
    from clients.python.failures import rebuilt
    from pipeline.errors import MouthpieceError

    with at.server("jobs") as studio:
        try:
            with closing(studio.watch_job(job)) as states:
                last = steps.follow(states, as_json=at.as_json)
        except KeyboardInterrupt:
            if not at.as_json:
                screen.note(f"The job goes on. `mouthpiece jobs cancel {job}` stops it.")
            raise
    if last.error is not None:
        raise rebuilt(last.error.model_dump())
    if last.state != "completed":
        raise MouthpieceError(f"The job {last.id} is {last.state}.", code=last.state)
    if not at.as_json:
        screen.line(f"{last.id} is completed.")


@app.command()
@where.on_server
def cancel(job: Job, *, at: where.Where) -> None:
    """Stop a job that has not ended.

    Example: mouthpiece jobs cancel vid_01jd...
    """
    with at.server("jobs") as studio:
        _show(studio.cancel_job(job), as_json=at.as_json)


@app.command()
@where.on_server
def retry(job: Job, *, at: where.Where) -> None:
    """Go on with a job that failed, from the steps that did.

    Example: mouthpiece jobs retry vid_01jd...
    """
    with at.server("jobs") as studio:
        _show(studio.retry_job(job), as_json=at.as_json)


@app.command()
@where.on_server
def delete(job: Job, *, at: where.Where) -> None:
    """Remove a job and its video; stops it first where it is being worked on.

    Example: mouthpiece jobs delete vid_01jd...
    """
    with at.server("jobs") as studio:
        studio.delete_job(job)
    screen.deleted(job, as_json=at.as_json)


def _states(named: list[str]) -> list[TaskState]:
    from pipeline.contracts import TaskState
    from pipeline.errors import UnknownName

    known: dict[str, TaskState] = {state: state for state in get_args(TaskState)}
    for name in named:
        if name not in known:
            raise UnknownName.of("state", name, known, field="--state")
    return [known[name] for name in named]


def _at(job: Task) -> str:
    return f"{job.created_at:%Y-%m-%d %H:%M:%S}"


def _show(job: Task, *, as_json: bool) -> None:
    if as_json:
        screen.result(job)
        return
    times = {"created": job.created_at, "started": job.started_at, "ended": job.completed_at}
    facts = {"id": job.id, "state": job.state, "progress": f"{job.progress:.0f} %, {job.message}".rstrip(", ")}
    if job.frames_total:
        facts["frames"] = f"{job.frames_made} of {job.frames_total}"
    facts |= {"priority": str(job.priority), "attempt": str(job.attempt)}
    facts |= {name: f"{time:%Y-%m-%d %H:%M:%S %Z}" for name, time in times.items() if time is not None}
    if job.error is not None:
        facts["error"] = f"{job.error.code}: {job.error.message}"
    screen.facts(facts)
    if job.steps:
        columns = ("step", "state", "attempts", "started", "seconds", "backend", "key", "artifact", "error")
        screen.table(columns, [_row(step) for step in job.steps])


def _row(step: Step) -> tuple[str, ...]:
    started, ended = step.started_at, step.completed_at
    return (
        step.name,
        f"{step.state}, cached" if step.cached else step.state,
        str(step.attempts),
        "" if started is None else f"{started:%H:%M:%S}",
        "" if started is None or ended is None else f"{(ended - started).total_seconds():.2f}",
        step.backend or "",
        (step.key or "")[:DIGITS],
        (step.artifact or "")[:DIGITS],
        "" if step.error is None else f"{step.error.code}: {step.error.message}",
    )
