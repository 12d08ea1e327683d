"""Who is on which card, who waits for one, and what may be changed about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from pipeline.contracts.words import Contract

ModelName = Annotated[str, Field(pattern=r"^[a-z]+-[a-z][a-z0-9_-]*$", max_length=80)]
"""A deployment that needs a card: voice-xtts."""


class Occupant(Contract):
    """One replica of a model, on a card or on its way to one. Sizes in 2**30 bytes."""

    model: ModelName
    replica: str
    state: Literal["starting", "running", "stopping"]
    since: datetime
    in_use: int
    """Requests that it works on now."""
    idle_since: datetime | None
    """When its last request ended; None while it works, and before its first."""
    reserved_gigabytes: float
    """What Ray has set aside for it on its card, and what its process is held to."""
    measured_gigabytes: float
    """The most that it has taken."""
    pid: int | None
    """None before its process runs."""


class PlacedCard(Contract):
    """A card, or a logical one, and who is on it."""

    id: str
    """Node and number of the card on it: 3f9c1a20b7de/0."""
    node: str
    index: int
    budget_gigabytes: float
    """What models may take together; the margin is off already."""
    reserved_gigabytes: float
    occupants: tuple[Occupant, ...]


class WaitingModel(Contract):
    """A model that is asked for and not running, in the order in which they get their room."""

    model: ModelName
    since: datetime
    cause: str
    """starting, stopping (its room is being cleared), turn (those in its way are busy and their turn is not up), line
    (others waited longer), pinned, too_large, unknown."""
    requests: int
    card: str | None
    until: datetime | None
    """When the turns in its way are up at the latest."""


class PlacedModel(Contract):
    """What is known about a model that needs a card, wherever it is."""

    model: ModelName
    need_gigabytes: float
    """The larger of declared and measured."""
    queued: int
    replicas: int
    pinned: bool
    prewarm: bool
    keep_seconds: float | None
    """Seconds that it stays when idle; None is until its room is needed."""


class PlacementDecision(Contract):
    at: datetime
    text: str


class Placement(Contract):
    """How things stand on the cards."""

    at: datetime | None
    """When the policy said so last; None where no model needs a card, or nothing has been decided yet."""
    cards: tuple[PlacedCard, ...] = ()
    placeless: tuple[Occupant, ...] = ()
    """Replicas whose card is not known yet."""
    waiting: tuple[WaitingModel, ...] = ()
    models: tuple[PlacedModel, ...] = ()
    decisions: tuple[PlacementDecision, ...] = ()
    """The last ones, oldest first."""


class ModelWish(Contract):
    """What is asked of a model until the cluster stops; what is left out stays as it is."""

    action: Literal["load", "unload"] | None = None
    """load: have it running, as for a request. unload: have it go as soon as it is idle."""
    pinned: bool | None = None
    """Loaded as soon as there is room, and never made to leave."""
    prewarm: bool | None = None
    """Loaded before anybody asks, where room is spare."""
    keep_seconds: Annotated[float, Field(ge=0, le=31_536_000)] | Literal["default", "forever"] | None = None
    """Seconds that it stays when idle: forever is until its room is needed, default is what the settings say."""
