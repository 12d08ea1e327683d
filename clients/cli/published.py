"""The half of `mouthpiece models` that is about weights: which published models are on this machine, whole or not."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.cli import screen, where

if TYPE_CHECKING:
    from rich.progress import Progress

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="As musetalk-v15; `models list` has them.", show_default=False)
]
Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="As musetalk-v15; `models list` has them.", show_default=False)
]
SomeNames = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Without one, all that are here.", show_default=False)
]

STATES = {"here": "here", "partly": "not all", "absent": ""}


def add(app: typer.Typer) -> None:
    """Puts the commands into a group."""
    for command in (show, pull, verify, path, remove):
        app.command()(where.here(command))


def list_models(at: where.Where) -> None:
    """What `models list` says without a server."""
    found = _holdings(at).all()
    if at.as_json:
        screen.result({"data": [_summary(holding) for holding in found]})
        return
    rows = [
        (
            holding.model.name,
            STATES[holding.state],
            _size(holding.model.gigabytes),
            "yes" if holding.model.commercial_use else "no",
            holding.model.licence.partition(":")[0].partition(";")[0],
            holding.model.description,
        )
        for holding in found
    ]
    screen.table(("model", "on this machine", "size", "commercial use", "licence", "what it is"), rows)


def show(name: Name, *, at: where.Where) -> None:
    """Show one published model: licence, repository, files with sizes and hashes, and what of it is here.

    Example: mouthpiece models show musetalk-v15
    """
    holding = _holdings(at).one(name)
    model = holding.model
    if at.as_json:
        files = [
            {"path": file.path, "bytes": file.size, "sha256": file.sha256, "url": file.url or None}
            for file in model.files
        ]
        screen.result({**_summary(holding), "files": files})
        return
    screen.facts(
        {
            "model": model.name,
            "what it is": model.description,
            "repository": f"{model.repository} at {model.revision}",
            "licence": f"{model.licence} ({model.licence_url})",
            "commercial use": "yes" if model.commercial_use else "no",
            "size": _size(model.gigabytes),
            "used by": ", ".join(holding.backends) or "nothing built in",
            "needs of a card": _size(holding.vram_gigabytes) if holding.vram_gigabytes else "nothing that is declared",
            "on this machine": str(holding.folder) if holding.state == "here" else STATES[holding.state] or "no",
        }
    )
    screen.line("")
    rows = [(file.path, str(file.size or "unknown"), file.sha256 or "the hub's tag counts") for file in model.files]
    screen.table(("file", "bytes", "sha256"), rows)


def pull(names: Names, *, at: where.Where) -> None:
    """Fetch the weights of published models, verified; a download that stopped goes on where it did.

    They go to the Hugging Face cache (HF_HOME), by way of HF_ENDPOINT where it names a mirror. What is here already is
    verified, and mended where it is damaged.

    Example: mouthpiece models pull musetalk-v15 sd-vae-ft-mse whisper-tiny
    """
    holdings = _holdings(at)
    for name in names:
        holdings.one(name)  # a wrong name is told before the first is fetched
    done = []
    with _progress(quiet=at.as_json) as watch:
        for name in names:
            folder = holdings.pull(name, watch)
            done.append({"name": name, "folder": folder})
            if not at.as_json:
                screen.line(f"{name} is in {folder}")
    if at.as_json:
        screen.result({"data": done})


def verify(names: SomeNames = None, *, at: where.Where) -> None:
    """Read the weights that are here and compare them with what was published; 1 is returned where they differ.

    Example: mouthpiece models verify musetalk-v15
    """
    holdings = _holdings(at)
    chosen = names or [holding.model.name for holding in holdings.all() if holding.state != "absent"]
    found = []
    with _bar(quiet=at.as_json) as bar:
        for name in chosen:
            task = bar.add_task(name, total=holdings.one(name).bytes_here or None) if bar else None
            found.append((name, holdings.verify(name, _advance(bar, task))))
    if at.as_json:
        screen.result({"data": [{"name": name, "files": [_verdict(each) for each in all_]} for name, all_ in found]})
    else:
        rows = [(name, each.path, each.state, each.detail) for name, all_ in found for each in all_]
        screen.table(("model", "file", "state", "what it was compared with"), rows)
    from clients.cli import local

    problem = local.damaged(found)
    if problem is not None:
        raise problem


def path(name: Name, *, at: where.Where) -> None:
    """Print the folder in which a model's files lie.

    Example: mouthpiece models path sd-vae-ft-mse
    """
    folder = _holdings(at).path(name)
    if at.as_json:
        screen.result({"name": name, "folder": folder})
    else:
        screen.line(str(folder))


def remove(name: Name, *, at: where.Where) -> None:
    """Delete a model's files from this machine's cache, for every program that uses it.

    Example: mouthpiece models remove svd-xt
    """
    freed = _holdings(at).remove(name)
    if at.as_json:
        screen.result({"removed": name, "bytes": freed})
    else:
        screen.line(f"{name} is gone; {_size(freed / 2**30)} are free again.")


def _holdings(at: where.Where) -> Any:
    from clients.cli import local

    where.log(as_json=at.as_json, verbose=at.verbose)
    return local.published(at.config, at.sets)


def _summary(holding: Any) -> dict[str, Any]:
    model = holding.model
    return {
        "name": model.name,
        "state": holding.state,
        "folder": holding.folder,
        "gigabytes": round(model.gigabytes, 3),
        "bytes_here": holding.bytes_here,
        "repository": model.repository,
        "revision": model.revision,
        "licence": model.licence,
        "licence_url": model.licence_url,
        "commercial_use": model.commercial_use,
        "backends": holding.backends,
        "vram_gigabytes": holding.vram_gigabytes,
        "description": model.description,
    }


def _verdict(verdict: Any) -> dict[str, str]:
    return {"path": verdict.path, "state": verdict.state, "detail": verdict.detail}


def _size(gigabytes: float) -> str:
    return f"{gigabytes:.2f} GB" if gigabytes >= 0.1 else f"{gigabytes * 1024:.1f} MB"


@contextmanager
def _bar(*, quiet: bool) -> Generator[Progress | None]:
    """A bar on a terminal; nothing elsewhere."""
    if quiet or not screen.err().is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen.err()) as bar:
        yield bar


def _advance(bar: Progress | None, task: Any) -> Callable[[int], None]:
    return lambda count: bar.advance(task, count) if bar else None


@contextmanager
def _progress(*, quiet: bool) -> Generator[Callable[[Any], None]]:
    """What watches a download: a bar for each file on a terminal, a line for each tenth of it elsewhere."""
    tasks: dict[str, Any] = {}
    tenths: dict[str, int] = {}
    with _bar(quiet=quiet) as bar:

        def drawn(fetched: Any) -> None:
            if bar is None:
                return
            if fetched.path not in tasks:
                tasks[fetched.path] = bar.add_task(fetched.path, total=fetched.size)
            bar.update(tasks[fetched.path], completed=fetched.here, total=fetched.size)

        def noted(fetched: Any) -> None:
            tenth = 10 * fetched.here // fetched.size if fetched.size else 0
            if tenth != tenths.get(fetched.path):
                tenths[fetched.path] = tenth
                screen.note(f"{fetched.path}: {_size(fetched.here / 2**30)}, {10 * tenth} %")

        yield (lambda _: None) if quiet else drawn if bar else noted
