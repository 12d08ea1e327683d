"""What the user sees: results on stdout, everything else on stderr; JSON alone with `--json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import MouthpieceError, SettingsError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def result(value: Any) -> None:
    """A machine's answer: one JSON document on stdout."""
    print(json.dumps(plain(value), ensure_ascii=False, indent=2))  # noqa: T201


def event(value: Any) -> None:
    """News for a machine: one line of JSON on stdout, at once."""
    print(json.dumps(plain(value), ensure_ascii=False), flush=True)  # noqa: T201


def plain(value: Any) -> Any:
    """Contracts and paths inside a value as what JSON knows."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def err() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def line(text: str) -> None:
    """Text for people on stdout, as it is."""
    print(text)  # noqa: T201


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows under headings; tab-separated lines where stdout is no terminal."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            line("\t".join(row))
        return
    from rich.console import Console
    from rich.text import Text

    drawn = _table(columns)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(drawn)


def _table(columns: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    return drawn


def facts(values: Mapping[str, str]) -> None:
    """One thing, a line for each of its properties."""
    width = max(map(len, values))
    for name, value in values.items():
        line(f"{name:<{width}}  {value}")


def deleted(name: str, *, as_json: bool) -> None:
    """Says that something is gone."""
    if as_json:
        result({"deleted": name})
    else:
        line(f"{name} is deleted.")


def failure(error: MouthpieceError, *, as_json: bool) -> None:
    """An error on stderr: one red line that names the field and what is accepted, or the JSON body of the API."""
    if as_json:
        print(json.dumps(error.body(), ensure_ascii=False), file=sys.stderr)  # noqa: T201
        return
    from rich.text import Text

    said = error.message if isinstance(error, SettingsError) else ""  # which has both in it, mostly
    field = f"{error.field}: " if error.field and error.field not in said else ""
    accepted = f" Accepted: {error.accepted}." if error.accepted and f"must be {error.accepted}" not in said else ""
    err().print(Text(f"Error: {field}{error.message}{accepted}", style="red"))


def note(text: str) -> None:
    """A remark on stderr."""
    err().print(text, markup=False)
