"""`mouthpiece usage`: what a server did and what it took, for analysis."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from clients.cli import screen, where
from pipeline.errors import InvalidRequest

app = typer.Typer(help="What a server did, and what it took.", no_args_is_help=True)


@app.callback()
def usage() -> None:
    """Has Typer keep the one command under its name."""


@app.command()
@where.on_server
def export(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the dataset is.", show_default=False)
    ],
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="Only jobs created then or later: 2026-11-01, UTC if no zone."),
    ] = None,
    *,
    at: where.Where,
) -> None:
    """Write jobs and steps as a Parquet dataset, by month; exporting again adds what is new and repeats nothing.

    Read it with pyarrow.dataset.dataset("FOLDER/jobs", partitioning="hive"), pandas, DuckDB, Spark ...

    Example: mouthpiece usage export -o usage --since 2026-11-01
    """
    begin = _moment(since)
    with at.server("a record of usage") as studio:
        from clients.python.dataset import export

        found = export(studio, output, begin)
    if at.as_json:
        tables = {table: {"rows": part.rows, "months": part.months} for table, part in found.items()}
        screen.result({"output": str(output), **tables})
        return
    for table, part in found.items():
        screen.line(f"{output / table}: {part.rows} rows in {len(part.months)} months, {part.total} there now")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(
            f"{text!r} is no date.", field="--since", accepted="ISO 8601: 2026-11-01 or 2026-11-01T12:00+01:00"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
