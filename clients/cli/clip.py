"""`mouthpiece clip`: a film without speech."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from clients.cli import options, screen, sources, where
from clients.cli.render import CAMERAS, FORMATS, JOB, VIDEO, detachable, left, made, summary
from clients.python.output import Output
from pipeline.errors import InvalidRequest

PICTURE, MOTION = "The picture (one of both)", "How it moves"


@where.anywhere
def clip(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Video to write: .mp4, .webm or .gif.", show_default=False),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="IMAGE", help="Any picture.", rich_help_panel=PICTURE)
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", metavar="WORDS", help="A picture drawn from words.", rich_help_panel=PICTURE),
    ] = None,
    negative_prompt: options.NegativePrompt = None,
    style: options.Style = None,
    lora: options.Lora = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    camera: Annotated[
        str,
        typer.Option(
            "--camera",
            metavar="MOVEMENT",
            help=CAMERAS,
            rich_help_panel=MOTION,
        ),
    ] = "zoom_in",
    strength: Annotated[
        float, typer.Option("--strength", metavar="X", help="0 to 2; 1 is natural.", rich_help_panel=MOTION)
    ] = 1.0,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", help="How long it is.", rich_help_panel=VIDEO)
    ] = 4.0,
    width: Annotated[
        int | None, typer.Option("--width", metavar="PIXELS", help="Even; as the picture is.", rich_help_panel=VIDEO)
    ] = None,
    height: Annotated[
        int | None, typer.Option("--height", metavar="PIXELS", help="Even; as the picture is.", rich_help_panel=VIDEO)
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option("--fps", metavar="RATE", help="Frames a second; 25 unless set otherwise.", rich_help_panel=VIDEO),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Same request and seed, same bytes.", rich_help_panel=VIDEO)
    ] = 0,
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", metavar="CAPABILITY=NAME", help="motion=svd ... ; repeat.", rich_help_panel=VIDEO),
    ] = None,
    priority: Annotated[
        int, typer.Option("--priority", metavar="N", help="-100 to 100; higher is sooner.", rich_help_panel=JOB)
    ] = 0,
    webhook: Annotated[
        str | None, typer.Option("--webhook", metavar="URL", help="Told when it has ended.", rich_help_panel=JOB)
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the id and leave it to the server; no -o.", rich_help_panel=JOB)
    ] = False,
    *,
    at: where.Where,
) -> None:
    """Make a film of a picture: a camera moves over it, or a model brings it to life.

    Examples:

      mouthpiece clip --picture harbour.jpg --camera pan_right --seconds 6 -o harbour.mp4

      mouthpiece clip --prompt "old man, grey beard" --camera orbit_left --width 720 --height 1280 -o man.webm
    """
    sources.one_of({"--picture": picture, "--prompt": prompt}, required=True, what="to make a film of")
    if detach:
        detachable(at.address, output)
    elif output is None:
        raise InvalidRequest(
            "There is no file to write.", code="missing_field", field="--output", accepted="-o FILE, or --detach"
        )
    format = FORMATS[0] if output is None else sources.extension(output, FORMATS)
    chosen = sources.backends(backend)
    with nullcontext() if output is None else Output(output) as file:
        data = None if picture is None else sources.contents(picture, "--picture")
        from pipeline.contracts import Backends, ClipRequest, Drawing

        request = sources.contract(
            ClipRequest,
            picture=data,
            prompt=prompt,
            drawing=sources.contract(Drawing, **sources.drawing(negative_prompt, style, lora, steps, guidance)),
            seconds=seconds,
            camera=camera,
            strength=strength,
            width=width,
            height=height,
            fps=fps,
            seed=seed,
            format=format,
            backends=sources.contract(Backends, **chosen),
            priority=priority,
            webhook=webhook,
        )
        with at.studio() as studio:
            if file is None:
                left(studio.clip(request), as_json=at.as_json)
                return
            job = made(studio, lambda: studio.clip(request), quiet=at.as_json, kept=bool(at.address))
            studio.download(job, file)
    if at.as_json:
        screen.result({"output": str(output), "video": job})
    else:
        summary(job, str(output))
