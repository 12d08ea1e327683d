"""Where a command runs: on a server, or in this process."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clients.cli import screen
from pipeline.errors import InvalidRequest

if TYPE_CHECKING:
    from clients.python.studio import Studio


class _Notes(logging.Handler):
    """Warnings of our own, as lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        screen.note(f"{record.levelname.capitalize()}: {record.getMessage()}")


def studio(
    server: str | None, config: Path | None, sets: Sequence[str] | None, *, as_json: bool = False, verbose: bool = False
) -> Studio:
    """The server at `server`, or the application in this process for None and the empty text."""
    log(as_json=as_json, verbose=verbose)
    if server:
        if config is not None or sets:
            raise InvalidRequest(
                "A running server has its settings already.",
                code="two_sources",
                field="--set" if sets else "--config",
                accepted="--server '' to run in this process",
            )
        from clients.python.client import Client

        return Client(server)
    # Importing the application makes a million objects that stay: looking through them for garbage again and again
    # is a sixth of the time to the first frame.
    gc.disable()
    try:
        from clients.cli import local

        return local.Local(local.settings(config, sets), verbose=verbose)
    finally:
        gc.freeze()
        gc.enable()


def server(server: str | None, kept: str, *, as_json: bool, verbose: bool) -> Studio:
    """The server at `server`. Raises `InvalidRequest` for none: `kept` says what only a server keeps."""
    if not server:
        raise InvalidRequest(
            f"Only a server keeps {kept}.",
            code="missing_field",
            field="--server",
            accepted="the address of a running server, there or in MOUTHPIECE_SERVER",
        )
    return studio(server, None, None, as_json=as_json, verbose=verbose)


def log(*, as_json: bool, verbose: bool) -> None:
    """Lets our own warnings through to stderr, and every log with `verbose`. Nothing with `as_json` alone."""
    ours = logging.getLogger("mouthpiece")
    for handler in [*ours.handlers]:
        ours.removeHandler(handler)
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    else:
        ours.addHandler(logging.NullHandler() if as_json else _Notes(logging.WARNING))
