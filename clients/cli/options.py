"""Options that several commands share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SERVER = "Where it runs"
DRAWN = "How a portrait is drawn, by a backend that can be told"

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        envvar="MOUTHPIECE_SERVER",
        help="Talk to this running server; without one the application runs in this process. '' means none.",
        rich_help_panel=SERVER,
    ),
]
RunningServer = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        envvar="MOUTHPIECE_SERVER",
        help="The running server to ask; this command needs one.",
        rich_help_panel=SERVER,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="MOUTHPIECE_CONFIG",
        help="Settings file; ./serve_config.yaml where there is one.",
        rich_help_panel=SERVER,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting: video.crf=18.", rich_help_panel=SERVER),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on stdout, an error as JSON on stderr, nothing else.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the traceback of an unexpected error, and all logs.")]
Language = Annotated[str, typer.Option("--language", metavar="TAG", help="BCP 47 tag: en, en-gb, de, pt-br ...")]
Speed = Annotated[float, typer.Option("--speed", metavar="X", help="Pace: 0.25 to 4, 1 is the voice's own.")]
Pitch = Annotated[float, typer.Option("--pitch", metavar="SEMITONES", help="-12 to 12.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Same request and seed, same bytes.")]
Size = Annotated[int | None, typer.Option("--size", metavar="PIXELS", help="Side of the square, even.")]
Text = Annotated[str | None, typer.Option("--text", metavar="TEXT", help="What to say.")]
Script = Annotated[
    Path | None, typer.Option("--script", metavar="FILE", help="Text file of what to say (UTF-8); - is stdin.")
]
Voice = Annotated[
    str | None,
    typer.Option(
        "--voice",
        metavar="NAME|CLIP",
        help="Voice profile or built-in voice by name; the path of a file is a reference clip.",
    ),
]
Prompt = Annotated[str | None, typer.Option("--prompt", metavar="WORDS", help="Draw the face from words.")]
NegativePrompt = Annotated[
    str | None,
    typer.Option("--negative-prompt", metavar="WORDS", help="What is not to be seen.", rich_help_panel=DRAWN),
]
Style = Annotated[
    str | None,
    typer.Option("--style", metavar="NAME", help="photo, studio, painting ...; none.", rich_help_panel=DRAWN),
]
Lora = Annotated[
    list[str] | None,
    typer.Option("--lora", metavar="NAME=WEIGHT", help="A LoRA of the backend; repeat.", rich_help_panel=DRAWN),
]
Steps = Annotated[
    int | None, typer.Option("--steps", metavar="N", help="Denoising steps, 1 to 1000.", rich_help_panel=DRAWN)
]
AvatarBackend = Annotated[list[str] | None, typer.Option("--backend", metavar="[avatar=]NAME", help="Avatar backend.")]
Guidance = Annotated[
    float | None,
    typer.Option("--guidance", metavar="X", help="How closely the words are followed, 0 to 30.", rich_help_panel=DRAWN),
]
