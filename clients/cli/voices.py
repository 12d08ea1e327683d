"""`mouthpiece voice`: voices that are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli import options, screen, sources, where
from clients.cli.speak import FORMATS, tell, written
from clients.python.output import Output

if TYPE_CHECKING:
    from pipeline.contracts import VoiceProfile

app = typer.Typer(help="Voices that are kept: made from a reference clip, used by name.", no_args_is_help=True)

Voice = Annotated[str, typer.Argument(metavar="VOICE", help="Name or id of a voice profile.", show_default=False)]


@app.command()
@where.anywhere
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A recording of the voice.", show_default=False)],
    *,
    at: where.Where,
) -> None:
    """Keep a voice, measured from a reference clip (WAV, FLAC, MP3, OGG, M4A).

    Example: mouthpiece voice create anna sample.mp3
    """
    data = sources.contents(clip, "CLIP")
    with at.studio() as studio:
        _show(studio.create_voice(name, data), as_json=at.as_json)


@app.command("list")
@where.anywhere
def list_(*, at: where.Where) -> None:
    """List voice profiles, and the built-in voices of each backend.

    Example: mouthpiece voice list --json
    """
    with at.studio() as studio:
        voices = studio.voices()
    if at.as_json:
        screen.result(voices)
        return
    rows = [
        (p.name, p.id, f"{p.pitch_hz:.0f} Hz, {p.syllables_per_second:.1f} syllables/s", ", ".join(p.usable_by))
        for p in voices.profiles
    ]
    for backend, builtin in voices.builtin.items():
        rows += [(name, "", ", ".join(tags), backend) for name, tags in builtin.items()]
    screen.table(("voice", "id", "speaks", "backend"), rows)


@app.command()
@where.anywhere
def show(voice: Voice, *, at: where.Where) -> None:
    """Show one voice profile.

    Example: mouthpiece voice show anna
    """
    with at.studio() as studio:
        _show(studio.voice(voice), as_json=at.as_json)


@app.command()
@where.anywhere
def preview(
    voice: Voice,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Audio to write.", show_default=False)],
    text: Annotated[str | None, typer.Option("--text", metavar="TEXT", help="What it says.")] = None,
    language: options.Language = "en",
    *,
    at: where.Where,
) -> None:
    """Hear a voice profile: an audio file of one sentence.

    Example: mouthpiece voice preview anna -o anna.wav
    """
    format = sources.extension(output, FORMATS)
    with Output(output) as file, at.studio() as studio:
        size = written(file, studio.preview_voice(voice, text, language, format))
    tell(output, size, as_json=at.as_json)


@app.command()
@where.anywhere
def rename(
    voice: Voice,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.", show_default=False)],
    *,
    at: where.Where,
) -> None:
    """Give a voice profile another name.

    Example: mouthpiece voice rename anna "Anna, older"
    """
    with at.studio() as studio:
        _show(studio.rename_voice(voice, name), as_json=at.as_json)


@app.command()
@where.anywhere
def delete(voice: Voice, *, at: where.Where) -> None:
    """Remove a voice profile.

    Example: mouthpiece voice delete anna
    """
    with at.studio() as studio:
        studio.delete_voice(voice)
    screen.deleted(voice, as_json=at.as_json)


def _show(profile: VoiceProfile, *, as_json: bool) -> None:
    if as_json:
        screen.result(profile)
        return
    screen.facts(
        {
            "name": profile.name,
            "id": profile.id,
            "created": f"{profile.created_at:%Y-%m-%d %H:%M:%S %Z}",
            "clip": f"{profile.clip_seconds:.1f} s",
            "pitch": f"{profile.pitch_hz:.0f} Hz",
            "pace": f"{profile.syllables_per_second:.1f} syllables a second",
            "usable by": ", ".join(profile.usable_by),
            "fidelity": profile.fidelity,
        }
    )
