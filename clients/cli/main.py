"""The command line: `mouthpiece`.

Results go to stdout, progress and errors to stderr. With `--json` stdout is one JSON document and an error is
one line of JSON on stderr, in the shape of the API: `{"error": {"code", "message", ...}}`.

Exit codes: 0 done; 1 failed; 2 the command, or something it names, has to change; 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Final, NoReturn

import typer

from clients.cli import (
    avatars,
    clip,
    jobs,
    placement,
    render,
    screen,
    serve,
    speak,
    status,
    transcribe,
    upscale,
    usage,
    videos,
    voices,
)
from pipeline.errors import MouthpieceError, SettingsError, UserError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

EPILOG: Final = (
    "Exit codes: 0 done; 1 failed; 2 the command, or something it names, has to change; 130 interrupted. "
    "With --json the result is one JSON document on stdout, an error one JSON line on stderr."
)

app = typer.Typer(
    name="mouthpiece",
    help="Talking videos from a voice, a face and a text.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.command("render", epilog=EPILOG)(render.render)
app.command("clip", epilog=EPILOG)(clip.clip)
app.command("upscale")(upscale.upscale)
app.command("transcribe")(transcribe.transcribe)
app.command("speak")(speak.speak)
app.command("portrait")(speak.portrait)
app.add_typer(voices.app, name="voice")
app.add_typer(avatars.app, name="avatar")
app.add_typer(videos.app, name="videos")
app.add_typer(jobs.app, name="jobs")
app.add_typer(usage.app, name="usage")
app.command("ps")(placement.ps)
app.add_typer(placement.app, name="models")
app.command("status")(status.status)
app.command("serve")(serve.serve)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"mouthpiece {version('mouthpiece')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def mouthpiece(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Talking videos from a voice, a face and a text."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code; nothing is raised."""
    as_json, verbose = "--json" in arguments, "--verbose" in arguments
    try:
        code = app(args=list(arguments), prog_name="mouthpiece", standalone_mode=False)
    except MouthpieceError as error:
        screen.failure(error, as_json=as_json)
        return USAGE if isinstance(error, UserError | SettingsError) else FAILED
    except typer.TyperException as error:
        screen.failure(UserError(error.format_message(), code="usage"), as_json=as_json)
        if not as_json:
            screen.note("`--help` after a command says what it takes.")
        return USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:  # whoever read the result has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - stays open to the end
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last stop: what nobody foresaw becomes one line
        if verbose:
            import traceback

            traceback.print_exc()
        unforeseen = MouthpieceError(f"{type(error).__name__}: {error}", accepted=None)
        screen.failure(unforeseen, as_json=as_json)
        if not as_json and not verbose:
            screen.note("This should not happen; --verbose shows where it did.")
        return FAILED
    if code == INTERRUPTED:
        screen.failure(MouthpieceError("Interrupted.", code="interrupted"), as_json=as_json)
    return code if isinstance(code, int) else OK


def main() -> NoReturn:
    """The entry point."""
    signal.signal(signal.SIGTERM, _terminate)
    code = run(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    if "ray" in sys.modules:
        # The application ran in this process. Its threads and native libraries need not be taken down one by one:
        # files are written, the folder of jobs is gone.
        os._exit(code)
    sys.exit(code)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM is an interruption like Ctrl-C: jobs are cancelled, half files removed."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
