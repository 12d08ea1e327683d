"""`mouthpiece serve`: a server on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from clients.cli import options, screen, where
from pipeline.errors import SettingsError


def serve(
    config: options.Config = None,
    host: Annotated[str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", metavar="PORT", min=1, max=65535, help="Port.")] = None,
    sets: options.Set = None,
    dashboard: Annotated[bool, typer.Option("--dashboard/--no-dashboard", help="Start Ray's dashboard too.")] = True,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Start a local Ray cluster and the application, until Ctrl-C.

    With --json, one line {"urls": {...}} is printed when it is ready.

    Examples:

      mouthpiece serve

      mouthpiece serve --config serve_config.yaml --port 9000 --set video.crf=18 --no-dashboard
    """
    where.log(as_json=as_json, verbose=verbose)
    from clients.cli import local

    flags = {"server.host": host, "server.port": port}
    given = local.overrides(sets)
    for key, value in flags.items():
        if value is not None:
            if key in given:
                raise SettingsError(f"{key} is set twice.", code="duplicate_setting", field=key, accepted="one of them")
            given[key] = value
    local.serve(config, given, dashboard=dashboard, ready=lambda urls: _ready(urls, as_json=as_json))


def _ready(urls: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        screen.event({"urls": urls})
    else:
        screen.facts(urls)
        screen.note("Ctrl-C stops it.")
