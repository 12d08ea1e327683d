"""`mouthpiece upscale`: a picture or a film in more pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from clients.cli import screen, sources, where
from clients.cli.render import made, summary
from clients.cli.speak import tell, written
from clients.python.output import Output

FORMATS: Final = ("png", "mp4", "webm")


@where.anywhere
def upscale(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A picture, or a film.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="A picture: .png, or a film: .mp4, .webm.", show_default=False
        ),
    ],
    factor: Annotated[float, typer.Option("--factor", metavar="X", help="Times as wide and as tall, 1 to 4.")] = 2.0,
    backend: Annotated[
        list[str] | None, typer.Option("--backend", metavar="[upscale=]NAME", help="Upscale backend.")
    ] = None,
    *,
    at: where.Where,
) -> None:
    """Show a picture or a film in more pixels. A film keeps its sound.

    Examples:

      mouthpiece upscale small.jpg --factor 4 -o large.png

      mouthpiece upscale hello.mp4 --backend realesrgan -o hello-large.mp4
    """
    format = sources.extension(output, FORMATS)
    chosen = sources.backends(backend, only="upscale")
    with Output(output) as file:
        data = sources.contents(source, "FILE")
        from pipeline.contracts import Backends, ClipRequest, UpscalePicture

        if format == "png":
            picture = sources.contract(UpscalePicture, picture=data, factor=factor, backend=chosen.get("upscale"))
            with at.studio() as studio:
                size = written(file, (studio.upscale(picture),))
            tell(output, size, as_json=at.as_json)
            return
        named = sources.contract(Backends, **chosen)
        film = sources.contract(ClipRequest, video=data, upscale=factor, format=format, backends=named)
        with at.studio() as studio:
            job = made(studio, lambda: studio.clip(film), quiet=at.as_json, kept=bool(at.address))
            studio.download(job, file)
    if at.as_json:
        screen.result({"output": str(output), "video": job})
    else:
        summary(job, str(output))
