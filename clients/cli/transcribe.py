"""`mouthpiece transcribe`: what a recording says, and when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clients.cli import screen, sources, where
from clients.cli.speak import tell, written
from clients.python.output import Output

if TYPE_CHECKING:
    from pipeline.contracts import TranscriptFormat

FORMATS: Final[dict[str, TranscriptFormat]] = {"txt": "text", "srt": "srt", "vtt": "vtt", "json": "json"}


@where.anywhere
def transcribe(
    audio: Annotated[Path, typer.Argument(metavar="AUDIO", help="A recording, or a film.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help=f"File to write: .{', .'.join(FORMATS)}. Else the text is printed."
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="What it says, where that is known.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option("--script", metavar="FILE", help="The same in a text file (UTF-8); - is stdin.")
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", metavar="TAG", help="BCP 47 tag; found out, or en with a known text.")
    ] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", metavar="WORDS", help="Words to expect.")] = None,
    backend: Annotated[
        list[str] | None, typer.Option("--backend", metavar="[transcribe=]NAME", help="Transcribe backend.")
    ] = None,
    *,
    at: where.Where,
) -> None:
    """Write down what a recording says, as a text, as subtitles or with the time of every word.

    With a known text, no model is needed: its words are found in the recording.

    Examples:

      mouthpiece transcribe talk.wav --script talk.txt -o talk.srt

      mouthpiece transcribe talk.mp4 --backend whisper -o talk.json
    """
    sources.one_of({"--text": text, "--script": script}, required=False)
    chosen = sources.backends(backend, only="transcribe")
    format: TranscriptFormat = "text"
    if output is not None:
        format = FORMATS[sources.extension(output, tuple(FORMATS))]
    elif at.as_json:
        format = "json"
    recording = sources.contents(audio, "AUDIO")
    known = sources.spoken(text, script)
    from pipeline.contracts import TranscribeRequest

    request = sources.contract(
        TranscribeRequest,
        audio=recording,
        text=known,
        language=language,
        prompt=prompt,
        format=format,
        backend=chosen.get("transcribe"),
    )
    if output is None:
        with at.studio() as studio:
            answer = studio.transcribe(request).decode()
        if at.as_json:
            screen.result(json.loads(answer))
        else:
            screen.line(answer.rstrip("\n"))
        return
    with Output(output) as file, at.studio() as studio:
        size = written(file, (studio.transcribe(request),))
    tell(output, size, as_json=at.as_json)
