"""`mouthpiece speak` and `mouthpiece portrait`: a voice alone, a face alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clients.cli import options, screen, sources, where
from clients.python.output import Output

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.contracts import AudioFormat

FORMATS: Final[tuple[AudioFormat, ...]] = ("wav", "flac", "mp3", "opus", "aac", "pcm")


@where.anywhere
def speak(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help=f"Audio to write: .{', .'.join(FORMATS)}.", show_default=False
        ),
    ],
    text: options.Text = None,
    script: options.Script = None,
    voice: options.Voice = None,
    language: options.Language = "en",
    speed: options.Speed = 1.0,
    pitch: options.Pitch = 0.0,
    backend: Annotated[
        list[str] | None, typer.Option("--backend", metavar="[voice=]NAME", help="Voice backend.")
    ] = None,
    *,
    at: where.Where,
) -> None:
    """Speak a text into an audio file.

    Examples:

      mouthpiece speak --text "Hello there." -o hello.wav

      mouthpiece speak --script speech.txt --voice sample.mp3 --language de -o speech.opus
    """
    sources.one_of({"--text": text, "--script": script}, required=True)
    format = sources.extension(output, FORMATS)
    chosen = sources.backends(backend, only="voice")
    with Output(output) as file:
        said, spoken_by = sources.spoken(text, script), sources.clip_or_name(voice)
        from pipeline.contracts import SpeakRequest

        request = sources.contract(
            SpeakRequest,
            text=said,
            language=language,
            speed=speed,
            pitch=pitch,
            format=format,
            backend=chosen.get("voice"),
            **spoken_by,
        )
        with at.studio() as studio:
            size = written(file, studio.speak(request))
    tell(output, size, as_json=at.as_json)


@where.anywhere
def portrait(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Picture to write: .png.", show_default=False)
    ],
    prompt: Annotated[str, typer.Option("--prompt", metavar="WORDS", help="What to draw.")] = "",
    size: options.Size = None,
    seed: options.Seed = 0,
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="IMAGE", help="A picture to begin with.", rich_help_panel=options.DRAWN),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength", metavar="X", help="How much of it is drawn anew, up to 1.", rich_help_panel=options.DRAWN
        ),
    ] = None,
    negative_prompt: options.NegativePrompt = None,
    style: options.Style = None,
    lora: options.Lora = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    backend: options.AvatarBackend = None,
    *,
    at: where.Where,
) -> None:
    """Draw a portrait from words, or from words and a picture.

    Examples:

      mouthpiece portrait --prompt "young woman, red curly hair, glasses" -o eve.png

      mouthpiece portrait --prompt "old man in a suit" --size 768 --seed 7 -o adam.png

      mouthpiece portrait --backend sdxl --image me.jpg --strength 0.5 --prompt "as a king" --style painting -o king.png
    """
    sources.extension(output, ("png",))
    chosen = sources.backends(backend, only="avatar")
    how = sources.drawing(negative_prompt, style, lora, steps, guidance)
    with Output(output) as file:
        begun = None if image is None else sources.contents(image, "--image")
        from pipeline.contracts import DrawRequest

        request = sources.contract(
            DrawRequest,
            prompt=prompt,
            size=size,
            seed=seed,
            image=begun,
            strength=strength,
            backend=chosen.get("avatar"),
            **how,
        )
        with at.studio() as studio:
            written_bytes = written(file, (studio.draw(request),))
    tell(output, written_bytes, as_json=at.as_json)


def written(file: Output, pieces: Iterable[bytes]) -> int:
    """Writes all pieces and puts the file in its place; returns its bytes."""
    size = 0
    for piece in pieces:
        file.write(piece)
        size += len(piece)
    file.commit()
    return size


def tell(output: Path, size: int, *, as_json: bool) -> None:
    """Says what was written."""
    if as_json:
        screen.result({"output": str(output), "bytes": size})
    else:
        screen.line(f"{output}: {size / 1024:.0f} KiB")
