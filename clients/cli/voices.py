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
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A recording of the voice.", show_default=False)],
    server: options.Server = None,
    config: options.Config = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Keep a voice, measured from a reference clip (WAV, FLAC, MP3, OGG, M4A).

    Example: mouthpiece voice create anna sample.mp3
    """
    data = sources.contents(clip, "CLIP")
    with where.studio(server, config, sets, as_json=as_json, verbose=verbose) as studio:
        _show(studio.create_voice(name, data), as_json=as_json)


@app.command("list")
def list_(
    server: options.Server = None,
    config: options.Config = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """List voice profiles, and the built-in voices of each backend.

    Example: mouthpiece voice list --json
    """
    with where.studio(server, config, sets, as_json=as_json, verbose=verbose) as studio:
        voices = studio.voices()
    if as_json:
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
def show(
    voice: Voice,
    server: options.Server = None,
    config: options.Config = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Show one voice profile.

    Example: mouthpiece voice show anna
    """
    with where.studio(server, config, sets, as_json=as_json, verbose=verbose) as studio:
        _show(studio.voice(voice), as_json=as_json)


@app.command()
def preview(
    voice: Voice,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Audio to write.", show_default=False)],
    text: Annotated[str | None, typer.Option("--text", metavar="TEXT", help="What it says.")] = None,
    language: options.Language = "en",
    server: options.Server = None,
    config: options.Config = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Hear a voice profile: an audio file of one sentence.

    Example: mouthpiece voice preview anna -o anna.wav
    """
    format = sources.extension(output, FORMATS)
    with Output(output) as file, where.studio(server, config, sets, as_json=as_json, verbose=verbose) as studio:
        size = written(file, studio.preview_voice(voice, text, language, format))
    tell(output, size, as_json=as_json)


@app.command()
def rename(
    voice: Voice,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.", show_default=False)],
    server: options.Server = None,
    config: options.Config = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Give a voice profile another name.

    Example: mouthpiece voice rename anna "Anna, older"
    """
    with where.studio(server, config, sets, as_json=as_json, verbose=verbose) as studio:
        _show(studio.rename_voice(voice, name), as_json=as_json)


@app.command()
def delete(
    voice: Voice,
    server: options.Server = None,
    config: options.Config = None,
    sets: options.Set = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Remove a voice profile.

    Example: mouthpiece voice delete anna
    """
    with where.studio(server, config, sets, as_json=as_json, verbose=verbose) as studio:
        studio.delete_voice(voice)
    screen.deleted(voice, as_json=as_json)


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
