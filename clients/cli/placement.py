"""`mouthpiece ps` and the half of `mouthpiece models` that asks a server: who is on which card, and shall be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli import published, screen, where

if TYPE_CHECKING:
    from pipeline.contracts.placement import ModelWish, Occupant, Placement

app = typer.Typer(
    help="Models: their weights on this machine, and on a server with a card loading, unloading and pinning them.",
    no_args_is_help=True,
)
published.add(app)

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model on a card, as voice-xtts; `models list --server URL` has them.",
        show_default=False,
    ),
]


@where.on_server
def ps(*, at: where.Where) -> None:
    """Show which models are on which card: what they need and took, since when they are idle, who waits.

    Example: mouthpiece ps --server http://127.0.0.1:8000
    """
    with at.server("models on cards") as studio:
        found = studio.placement()
    if at.as_json:
        screen.result(found)
        return
    _cards(found)
    _waiting(found)


@app.command("list")
@where.anywhere
def list_(*, at: where.Where) -> None:
    """List the published models and what of them is on this machine; with --server, the models that need a card there.

    Example: mouthpiece models list
    """
    if not at.address:
        published.list_models(at)
        return
    with at.server("models on cards") as studio:
        found = studio.placement()
    if at.as_json:
        screen.result({"data": found.models})
        return
    rows = [
        (
            model.model,
            _size(model.need_gigabytes),
            str(model.replicas),
            str(model.queued),
            "yes" if model.pinned else "",
            "yes" if model.prewarm else "",
            "until its room is needed" if model.keep_seconds is None else f"{model.keep_seconds:g} s",
        )
        for model in found.models
    ]
    screen.table(("model", "needs", "replicas", "requests waiting", "pinned", "prewarmed", "stays when idle"), rows)


@app.command()
@where.on_server
def load(model: Model, *, at: where.Where) -> None:
    """Load a model as if somebody had asked for its work. Returns at once; `mouthpiece ps` shows when it is there."""
    from pipeline.contracts.placement import ModelWish

    _ask(model, ModelWish(action="load"), at)


@app.command()
@where.on_server
def unload(model: Model, *, at: where.Where) -> None:
    """Have a model leave its card as soon as it is idle."""
    from pipeline.contracts.placement import ModelWish

    _ask(model, ModelWish(action="unload"), at)


@app.command()
@where.on_server
def pin(
    model: Model,
    off: Annotated[bool, typer.Option("--off", help="Let it leave again when its room is needed.")] = False,
    *,
    at: where.Where,
) -> None:
    """Load a model and keep it, whoever waits, until the server stops. For longer: placement.pinned."""
    from pipeline.contracts.placement import ModelWish

    _ask(model, ModelWish(pinned=not off), at)


@app.command()
@where.on_server
def keep(
    model: Model,
    seconds: Annotated[str, typer.Argument(metavar="SECONDS", help="Or: forever, default.", show_default=False)],
    *,
    at: where.Where,
) -> None:
    """Say how long a model stays when it is idle; forever is until its room is needed."""
    from pydantic import ValidationError

    from pipeline.contracts.placement import ModelWish
    from pipeline.errors import InvalidRequest

    try:
        wish = ModelWish.model_validate({"keep_seconds": seconds})
    except ValidationError:
        raise InvalidRequest(
            f"{seconds!r} is no time to stay.", field="SECONDS", accepted="seconds from 0, forever or default"
        ) from None
    _ask(model, wish, at)


def _ask(model: str, wish: ModelWish, at: where.Where) -> None:
    with at.server("models on cards") as studio:
        found = studio.ask_model(model, wish)
    if at.as_json:
        screen.result(found)
    else:
        _cards(found)
        _waiting(found)


def _cards(found: Placement) -> None:
    if found.at is None:
        screen.line("No model needs a card here.")
        return
    rows = []
    for card in found.cards:
        taken = f"{_size(card.reserved_gigabytes)} of {_size(card.budget_gigabytes)}"
        rows.append((card.id, taken, "", "", "", "", ""))
        rows += [("", "", *_occupant(occupant)) for occupant in card.occupants]
    rows += [("no card yet", "", *_occupant(occupant)) for occupant in found.placeless]
    screen.table(("card", "set aside", "model", "state", "set aside for it", "took", "in use"), rows)


def _occupant(occupant: Occupant) -> tuple[str, str, str, str, str]:
    if occupant.in_use:
        use = f"{occupant.in_use} requests" if occupant.in_use > 1 else "1 request"
    elif occupant.idle_since is not None:
        use = f"idle for {_ago(occupant.idle_since)}"
    else:
        use = "not used yet"
    return (
        occupant.model,
        occupant.state,
        _size(occupant.reserved_gigabytes),
        _size(occupant.measured_gigabytes) if occupant.measured_gigabytes else "",
        use if occupant.state == "running" else "",
    )


def _waiting(found: Placement) -> None:
    if found.waiting:
        rows = [
            (model.model, _ago(model.since), str(model.requests), model.cause, model.card or "")
            for model in found.waiting
        ]
        screen.table(("waits", "for", "requests", "because", "card"), rows)


def _size(gigabytes: float) -> str:
    return f"{gigabytes:.2f} GB"


def _ago(moment: datetime) -> str:
    seconds = max(0, round((datetime.now(UTC) - moment).total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
