"""`mouthpiece render`: a talking video."""

from __future__ import annotations

from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clients.cli import options, progress, screen, sources, where
from clients.cli.speak import written
from clients.python.output import Output
from pipeline.errors import Conflict, InvalidRequest, MouthpieceError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.python.studio import Studio
    from pipeline.contracts import SubtitleFormat, VideoFormat, VideoJob

FORMATS: Final[tuple[VideoFormat, ...]] = ("mp4", "webm", "gif")
CAPTIONS: Final[tuple[SubtitleFormat, ...]] = ("srt", "vtt")
CAMERAS: Final = "still, zoom_in, zoom_out, pan_left, pan_right, pan_up, pan_down, orbit_left, orbit_right."
SAY, FACE, SCENE, VIDEO, JOB = (
    "What it says (one of the first three)",
    "The face (drawn from the seed where none is given)",
    "The picture as a film",
    "The video",
    "On a server",
)


@where.anywhere
def render(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Video to write: .mp4, .webm or .gif.", show_default=False),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", metavar="TEXT", help="A text.", rich_help_panel=SAY)] = None,
    script: Annotated[
        Path | None,
        typer.Option("--script", metavar="FILE", help="A text file (UTF-8); - is stdin.", rich_help_panel=SAY),
    ] = None,
    audio: Annotated[
        Path | None, typer.Option("--audio", metavar="FILE", help="A recording of speech.", rich_help_panel=SAY)
    ] = None,
    transcript: Annotated[
        Path | None,
        typer.Option(
            "--transcript",
            metavar="FILE",
            help="A text file (UTF-8) of what --audio says: the lips follow its sounds.",
            rich_help_panel=SAY,
        ),
    ] = None,
    voice: Annotated[
        str | None,
        typer.Option(
            "--voice",
            metavar="NAME|CLIP",
            help="Voice profile or built-in voice; the path of a file is a reference clip.",
            rich_help_panel=SAY,
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            "--language",
            metavar="TAG",
            help="BCP 47: en, en-gb, de, pt-br ...; en, and of a recording whose words a backend finds, what it hears.",
            rich_help_panel=SAY,
        ),
    ] = None,
    speed: Annotated[float, typer.Option("--speed", metavar="X", help="Pace, 0.25 to 4.", rich_help_panel=SAY)] = 1.0,
    pitch: Annotated[float, typer.Option("--pitch", metavar="SEMITONES", help="-12 to 12.", rich_help_panel=SAY)] = 0.0,
    portrait: Annotated[
        Path | None,
        typer.Option("--portrait", metavar="IMAGE", help="A photo with one face.", rich_help_panel=FACE),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="WORDS", help="A face drawn from words.", rich_help_panel=FACE)
    ] = None,
    avatar: Annotated[
        str | None, typer.Option("--avatar", metavar="NAME", help="A stored avatar.", rich_help_panel=FACE)
    ] = None,
    negative_prompt: options.NegativePrompt = None,
    style: options.Style = None,
    lora: options.Lora = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    source_video: Annotated[
        Path | None,
        typer.Option("--source-video", metavar="FILE", help="A film of one face, to be dubbed.", rich_help_panel=FACE),
    ] = None,
    extend: Annotated[
        str | None,
        typer.Option(
            "--extend",
            metavar="HOW",
            help="bounce, loop or hold: what that film does under a longer speech.",
            rich_help_panel=FACE,
        ),
    ] = None,
    camera: Annotated[
        str | None, typer.Option("--camera", metavar="MOVEMENT", help=CAMERAS, rich_help_panel=SCENE)
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option("--strength", metavar="X", help="How much moves: 0 to 2; 1 is natural.", rich_help_panel=SCENE),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", metavar="PIXELS", help="Side, even; 512 unless set otherwise.", rich_help_panel=VIDEO),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option("--fps", metavar="RATE", help="Frames a second; 25 unless set otherwise.", rich_help_panel=VIDEO),
    ] = None,
    upscale: Annotated[
        float | None,
        typer.Option("--upscale", metavar="X", help="Enlarge the finished video: 1 to 4.", rich_help_panel=VIDEO),
    ] = None,
    subtitles: Annotated[
        Path | None,
        typer.Option(
            "--subtitles", metavar="FILE", help="Write what is said beside it: .srt or .vtt.", rich_help_panel=VIDEO
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Same request and seed, same bytes.", rich_help_panel=VIDEO)
    ] = 0,
    no_head_motion: Annotated[
        bool, typer.Option("--no-head-motion", help="Hold the head still.", rich_help_panel=VIDEO)
    ] = False,
    no_blink: Annotated[bool, typer.Option("--no-blink", help="Keep the eyes open.", rich_help_panel=VIDEO)] = False,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend", metavar="CAPABILITY=NAME", help="voice=flite, lipsync=... ; repeat.", rich_help_panel=VIDEO
        ),
    ] = None,
    priority: Annotated[
        int, typer.Option("--priority", metavar="N", help="-100 to 100; higher is sooner.", rich_help_panel=JOB)
    ] = 0,
    webhook: Annotated[
        str | None,
        typer.Option("--webhook", metavar="URL", help="Told when the video has ended.", rich_help_panel=JOB),
    ] = None,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="Print the id and leave the video to the server; no -o.", rich_help_panel=JOB),
    ] = False,
    detached_format: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="Of a detached video: mp4.", rich_help_panel=JOB)
    ] = None,
    *,
    at: where.Where,
) -> None:
    """Make a talking video.

    Ctrl-C cancels it, on a server too; with --detach the server goes on by itself.

    Examples:

      mouthpiece render --text "Hello there." --portrait me.jpg -o hello.mp4

      mouthpiece render --script speech.txt --voice anna --prompt "old man, grey beard" -o speech.webm

      mouthpiece render --audio talk.wav --avatar eve --size 720 --server http://127.0.0.1:8000 -o talk.mp4

      mouthpiece render --audio talk.wav --transcript talk.txt --portrait me.jpg --subtitles talk.srt -o talk.mp4

      mouthpiece render --script speech.txt --server http://127.0.0.1:8000 --detach

      mouthpiece render --script german.txt --language de --source-video talk.mp4 --backend lipsync=musetalk -o de.mp4

      mouthpiece render --text "Welcome." --prompt "a woman" --camera zoom_in --upscale 2 -o scene.mp4
    """
    sources.one_of({"--text": text, "--script": script, "--audio": audio}, required=True)
    faces = {"--portrait": portrait, "--prompt": prompt, "--avatar": avatar, "--source-video": source_video}
    sources.one_of(faces, required=False)
    if detach:
        detachable(at.address, output)
    elif output is None:
        raise InvalidRequest(
            "There is no file to write.", code="missing_field", field="--output", accepted="-o FILE, or --detach"
        )
    sources.one_of({"--output": output, "--format": detached_format}, required=False)
    if detach:
        sources.one_of({"--detach": detach, "--subtitles": subtitles}, required=False)
    captions = None if subtitles is None else sources.extension(subtitles, CAPTIONS, "--subtitles")
    format = FORMATS[0] if output is None else sources.extension(output, FORMATS)
    chosen = sources.backends(backend)
    with (
        nullcontext() if output is None else Output(output) as file,
        nullcontext() if subtitles is None else Output(subtitles) as beside,
    ):
        recording = None if audio is None else sources.contents(audio, "--audio")
        photo = None if portrait is None else sources.contents(portrait, "--portrait")
        film = None if source_video is None else sources.contents(source_video, "--source-video")
        said, spoken_by = sources.spoken(text, script), sources.clip_or_name(voice)
        from pipeline.contracts import Backends, Drawing, VideoRequest

        request = sources.contract(
            VideoRequest,
            text=said,
            audio=recording,
            transcript=None if transcript is None else sources.spoken(None, transcript, "--transcript"),
            language=language,
            speed=speed,
            pitch=pitch,
            portrait=photo,
            prompt=prompt,
            drawing=sources.contract(Drawing, **sources.drawing(negative_prompt, style, lora, steps, guidance)),
            avatar=avatar,
            video=film,
            extend=extend,
            camera=camera,
            strength=strength,
            size=size,
            upscale=upscale,
            fps=fps,
            seed=seed,
            head_motion=0.0 if no_head_motion else None,
            blink=not no_blink,
            format=detached_format or format,
            backends=sources.contract(Backends, **chosen),
            priority=priority,
            webhook=webhook,
            **spoken_by,
        )
        with at.studio() as studio:
            if file is None:
                left(studio.render(request), as_json=at.as_json)
                return
            job = made(studio, lambda: studio.render(request), quiet=at.as_json, kept=bool(at.address))
            studio.download(job, file)
            if beside is not None and captions is not None:
                written(beside, (studio.subtitles(job.id, captions),))
    if at.as_json:
        screen.result(
            {"output": str(output), "video": job} | ({} if subtitles is None else {"subtitles": str(subtitles)})
        )
    else:
        summary(job, str(output))


def detachable(server: str | None, output: Path | None) -> None:
    """Raises `InvalidRequest` where a video can't be left to a server."""
    if output is not None:
        raise InvalidRequest(
            "A detached video is not written here.",
            code="two_sources",
            field="--output",
            accepted="--format, and `mouthpiece videos download` when it is made",
        )
    if not server:
        raise InvalidRequest(
            "Without a server a video ends with this command.", code="missing_field", field="--server", accepted="a URL"
        )


def left(job: VideoJob, *, as_json: bool) -> None:
    """Says which video was left to a server, and how to get at it."""
    if as_json:
        screen.result({"video": job})
        return
    screen.line(job.id)
    screen.note(f"`mouthpiece jobs watch {job.id}` follows it, `mouthpiece videos download {job.id} -o FILE` gets it.")


def made(studio: Studio, asked: Callable[[], VideoJob], *, quiet: bool, kept: bool) -> VideoJob:
    """Asks for a video and follows it; interrupted, it cancels the job. Raises what the job failed of.

    `kept` means that the job outlives this process: the user is told what becomes of it.
    """
    from clients.python.failures import rebuilt

    job = asked()
    try:
        with closing(studio.watch(job.id)) as jobs:
            job = progress.follow(jobs, quiet=quiet)
    except KeyboardInterrupt:
        telling = kept and not quiet
        if telling:
            screen.note(f"Cancelling {job.id}; Ctrl-C again leaves it to the server.")
        became = _cancelled(studio, job.id)
        if telling:
            screen.note(became)
        raise
    except Unavailable as error:
        if kept:
            error.message += f" The video {job.id} was accepted and goes on there: `mouthpiece jobs watch {job.id}`."
        raise
    if job.error is not None:
        raise rebuilt(job.error.model_dump())
    if job.result is None:
        raise MouthpieceError(f"The video {job.id} was {job.status}.", code=job.status)
    return job


def _cancelled(studio: Studio, job_id: str) -> str:
    """Stops a job, and says what became of it."""
    try:
        studio.cancel(job_id)
    except Conflict:
        return f"The video {job_id} had ended already: `mouthpiece videos show {job_id}`."
    except MouthpieceError as error:
        return f"{error.message} The video {job_id} may go on there: `mouthpiece jobs cancel {job_id}` stops it."
    return f"The video {job_id} is cancelled. --detach leaves one to the server."


def summary(job: VideoJob, output: str) -> None:
    """Says what was made of it."""
    facts = job.result
    if facts is None:
        return
    screen.line(
        f"{output}: {facts.seconds:.2f} s, {facts.frames} frames of {facts.width}x{facts.height} "
        f"at {facts.fps:g} a second, {facts.bytes / 1024:.0f} KiB"
    )
    screen.line("made by " + ", ".join(f"{capability} {name}" for capability, name in facts.backends.items()))
    screen.line("seconds " + ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in facts.timings.items()))
