"""`mouthpiece videos`: the videos of a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli import screen, sources, where
from clients.cli.render import FORMATS
from clients.python.output import Output

if TYPE_CHECKING:
    from pipeline.contracts import VideoJob

app = typer.Typer(help="The videos of a running server.", no_args_is_help=True)

Video = Annotated[str, typer.Argument(metavar="ID", help="Id of a video, vid_...", show_default=False)]


@app.command("list")
@where.on_server
def list_(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=100, help="At most this many.")] = 20,
    after: Annotated[str | None, typer.Option("--after", metavar="ID", help="Those older than this one.")] = None,
    *,
    at: where.Where,
) -> None:
    """List the videos of a server, newest first.

    Example: mouthpiece videos list --server http://127.0.0.1:8000
    """
    with at.server("videos") as studio:
        jobs = studio.videos(limit, after)
    if at.as_json:
        screen.result({"data": jobs})
        return
    rows = [(job.id, job.status, f"{job.progress:.0f} %", f"{job.created_at:%Y-%m-%d %H:%M:%S}") for job in jobs]
    screen.table(("video", "status", "progress", "created"), rows)


@app.command()
@where.on_server
def show(video: Video, *, at: where.Where) -> None:
    """Show one video.

    Example: mouthpiece videos show vid_01jd...
    """
    with at.server("videos") as studio:
        _show(studio.video(video), as_json=at.as_json)


@app.command()
@where.on_server
def download(
    video: Video,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to.", show_default=False)],
    *,
    at: where.Where,
) -> None:
    """Fetch the file of a finished video.

    Example: mouthpiece videos download vid_01jd... -o hello.mp4
    """
    sources.extension(output, FORMATS)
    with Output(output) as file, at.server("videos") as studio:
        job = studio.video(video)
        if job.result is not None:
            sources.extension(output, (job.result.format,))
        studio.download(job, file)
    if at.as_json:
        screen.result({"output": str(output), "video": job})
    else:
        screen.line(str(output))


@app.command()
@where.on_server
def cancel(video: Video, *, at: where.Where) -> None:
    """Stop a video that has not ended.

    Example: mouthpiece videos cancel vid_01jd...
    """
    with at.server("videos") as studio:
        _show(studio.cancel(video), as_json=at.as_json)


@app.command()
@where.on_server
def delete(video: Video, *, at: where.Where) -> None:
    """Remove a video and its file.

    Example: mouthpiece videos delete vid_01jd...
    """
    with at.server("videos") as studio:
        studio.delete(video)
    screen.deleted(video, as_json=at.as_json)


def _show(job: VideoJob, *, as_json: bool) -> None:
    if as_json:
        screen.result(job)
        return
    facts = {
        "id": job.id,
        "status": job.status,
        "progress": f"{job.progress:.0f} %, {job.stage}",
        "created": f"{job.created_at:%Y-%m-%d %H:%M:%S %Z}",
    }
    if job.completed_at is not None:
        facts["ended"] = f"{job.completed_at:%Y-%m-%d %H:%M:%S %Z}"
    if job.error is not None:
        facts["error"] = f"{job.error.code}: {job.error.message}"
    if (made := job.result) is not None:
        facts["video"] = f"{made.seconds:.2f} s, {made.frames} frames of {made.width}x{made.height}, {made.format}"
        facts["seconds"] = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in made.timings.items())
    screen.facts(facts)
