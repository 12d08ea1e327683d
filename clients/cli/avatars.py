"""`mouthpiece avatar`: faces that are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli import options, screen, sources, where
from clients.cli.speak import tell, written
from clients.python.output import Output
from pipeline.errors import InvalidRequest

if TYPE_CHECKING:
    from pipeline.contracts import Avatar as Kept

app = typer.Typer(help="Faces that are kept: a photo, or drawn from words; used by name.", no_args_is_help=True)

Avatar = Annotated[str, typer.Argument(metavar="AVATAR", help="Name or id of an avatar.", show_default=False)]


@app.command()
@where.anywhere
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    image: Annotated[Path | None, typer.Argument(metavar="[IMAGE]", help="A photo with one face.")] = None,
    prompt: options.Prompt = None,
    size: options.Size = None,
    seed: options.Seed = 0,
    negative_prompt: options.NegativePrompt = None,
    style: options.Style = None,
    lora: options.Lora = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    backend: options.AvatarBackend = None,
    *,
    at: where.Where,
) -> None:
    """Keep a face: of a photo, or drawn from a prompt.

    Examples:

      mouthpiece avatar create me photo.jpg

      mouthpiece avatar create eve --prompt "young woman, red curly hair" --seed 3

      mouthpiece avatar create adam --prompt "old man in a suit" --backend sdxl --style studio
    """
    if image is None and prompt is None:
        raise InvalidRequest("There is no face.", code="missing_field", field="IMAGE", accepted="IMAGE or --prompt")
    sources.one_of({"IMAGE": image, "--prompt": prompt}, required=False)
    chosen = sources.backends(backend, only="avatar").get("avatar")
    how = sources.drawing(negative_prompt, style, lora, steps, guidance)
    data = None if image is None else sources.contents(image, "IMAGE")
    from pipeline.contracts import Drawing

    drawing = sources.contract(Drawing, **how)
    with at.studio() as studio:
        _show(studio.create_avatar(name, data, prompt, size, seed, drawing, chosen), as_json=at.as_json)


@app.command("list")
@where.anywhere
def list_(*, at: where.Where) -> None:
    """List the avatars.

    Example: mouthpiece avatar list
    """
    with at.studio() as studio:
        avatars = studio.avatars()
    if at.as_json:
        screen.result({"data": avatars})
        return
    rows = [(a.name, a.id, f"{a.width}x{a.height}", a.source, f"{a.quality:.2f}") for a in avatars]
    screen.table(("avatar", "id", "size", "source", "quality"), rows)


@app.command()
@where.anywhere
def show(
    avatar: Avatar,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write its picture here (.png).")
    ] = None,
    *,
    at: where.Where,
) -> None:
    """Show one avatar; with -o, write its picture.

    Example: mouthpiece avatar show eve -o eve.png
    """
    if output is None:
        with at.studio() as studio:
            _show(studio.avatar(avatar), as_json=at.as_json)
        return
    sources.extension(output, ("png",))
    with Output(output) as file, at.studio() as studio:
        size = written(file, (studio.avatar_picture(avatar),))
    tell(output, size, as_json=at.as_json)


@app.command()
@where.anywhere
def rename(
    avatar: Avatar,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.", show_default=False)],
    *,
    at: where.Where,
) -> None:
    """Give an avatar another name.

    Example: mouthpiece avatar rename eve "Eve, red hair"
    """
    with at.studio() as studio:
        _show(studio.rename_avatar(avatar, name), as_json=at.as_json)


@app.command()
@where.anywhere
def delete(avatar: Avatar, *, at: where.Where) -> None:
    """Remove an avatar.

    Example: mouthpiece avatar delete eve
    """
    with at.studio() as studio:
        studio.delete_avatar(avatar)
    screen.deleted(avatar, as_json=at.as_json)


def _show(avatar: Kept, *, as_json: bool) -> None:
    if as_json:
        screen.result(avatar)
        return
    screen.facts(
        {
            "name": avatar.name,
            "id": avatar.id,
            "created": f"{avatar.created_at:%Y-%m-%d %H:%M:%S %Z}",
            "source": avatar.source,
            "picture": f"{avatar.width}x{avatar.height}",
            "pose": f"yaw {avatar.yaw:.0f}, pitch {avatar.pitch:.0f}, roll {avatar.roll:.0f} degrees",
            "quality": f"{avatar.quality:.2f}",
        }
    )
