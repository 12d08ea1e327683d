"""Where a command runs: on a server, or in this process."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clients.cli import options, screen
from pipeline.errors import InvalidRequest

if TYPE_CHECKING:
    from clients.python.studio import Studio


class _Notes(logging.Handler):
    """Warnings of our own, as lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        screen.note(f"{record.levelname.capitalize()}: {record.getMessage()}")


@dataclass(frozen=True, slots=True)
class Where:
    """What the options said that every command has."""

    address: str | None
    """Of a server; None, as the empty text, means this process."""
    config: Path | None
    sets: Sequence[str] | None
    as_json: bool
    verbose: bool

    def studio(self) -> Studio:
        """The server that is named, or the application in this process."""
        log(as_json=self.as_json, verbose=self.verbose)
        if self.address:
            self.refuse_settings("--server '' to run in this process")
            from clients.python.client import Client

            return Client(self.address)
        # Importing the application makes a million objects that stay: looking through them for garbage again and
        # again is a sixth of the time to the first frame.
        gc.disable()
        try:
            from clients.cli import local

            return local.Local(local.settings(self.config, self.sets), verbose=self.verbose)
        finally:
            gc.freeze()
            gc.enable()

    def server(self, kept: str) -> Studio:
        """The server that is named. Raises `InvalidRequest` for none: `kept` says what only a server keeps."""
        if not self.address:
            raise InvalidRequest(
                f"Only a server keeps {kept}.",
                code="missing_field",
                field="--server",
                accepted="the address of a running server, there or in MOUTHPIECE_SERVER",
            )
        return self.studio()

    def refuse_settings(self, accepted: str) -> None:
        """Raises `InvalidRequest` where settings are given: those of a server are what they are."""
        if self.config is not None or self.sets:
            raise InvalidRequest(
                "A running server has its settings already.",
                code="two_sources",
                field="--set" if self.sets else "--config",
                accepted=accepted,
            )


def anywhere(command: Callable[..., None]) -> Callable[..., None]:
    """A command for a server or this process: has --server, --config, --set, --json and --verbose, which it is handed
    as `at`."""
    return _with(command, COMMON)


def on_server(command: Callable[..., None]) -> Callable[..., None]:
    """A command for a server alone: the same without --config and --set."""
    own = {name: COMMON[name] for name in ("as_json", "verbose")}
    return _with(command, {"address": (options.RunningServer, None), **own})


def here(command: Callable[..., None]) -> Callable[..., None]:
    """A command for this machine alone: the same without --server."""
    return _with(command, {name: COMMON[name] for name in ("config", "sets", "as_json", "verbose")})


COMMON: Final[Mapping[str, tuple[Any, Any]]] = {
    "address": (options.Server, None),
    "config": (options.Config, None),
    "sets": (options.Set, None),
    "as_json": (options.Json, False),
    "verbose": (options.Verbose, False),
}
"""Fields of `Where`, with the options that they come from and their defaults."""


def _with(command: Callable[..., None], given: Mapping[str, tuple[Any, Any]]) -> Callable[..., None]:
    @wraps(command)
    def located(**arguments: Any) -> None:
        said: dict[str, Any] = {name: arguments.pop(name, default) for name, (_, default) in COMMON.items()}
        command(**arguments, at=Where(**said))

    own = signature(command, eval_str=True)
    common = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=option)
        for name, (option, default) in given.items()
    ]
    kept = [parameter for name, parameter in own.parameters.items() if name != "at"]
    located.__signature__ = own.replace(parameters=[*kept, *common])  # ty: ignore[missing-attribute]
    return located


def log(*, as_json: bool, verbose: bool) -> None:
    """Lets our own warnings through to stderr, and every log with `verbose`. Nothing with `as_json` alone."""
    ours = logging.getLogger("mouthpiece")
    for handler in [*ours.handlers]:
        ours.removeHandler(handler)
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    else:
        ours.addHandler(logging.NullHandler() if as_json else _Notes(logging.WARNING))
