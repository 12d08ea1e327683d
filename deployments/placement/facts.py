"""What the placement policy is told: cards, models, the replicas that are there, and who waits for them.

Times are seconds of one clock that does not run backwards; the policy only compares them. Memory is whole bytes, or
any other whole unit that is the same for cards and models: sums are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

FOREVER: Final = -1.0
"""`keep_alive` of a model that stays until its room is needed."""


class Phase(StrEnum):
    """A replica holds its room in every phase, until it is no longer listed."""

    STARTING = "starting"
    """Asked for: waits for a card, or loads."""
    RUNNING = "running"
    STOPPING = "stopping"
    """Takes no new requests, finishes those it has, goes."""


@dataclass(frozen=True, slots=True)
class Card:
    """One card, or one MIG device: what a replica lies on as a whole."""

    id: str
    budget: int
    """Bytes that replicas may reserve together; the safety margin is off already."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one replica of a deployment takes, and how its owner wants it kept."""

    need: int
    """Bytes, above 0: the larger of declared and measured, rounded up as Ray will count it (its shares of a card have
    four decimals, so three thirds of a card don't fit on it)."""
    load_seconds: float = 5.0
    """From asked for to running, as measured; an estimate lengthens its turn and dates plans, nothing breaks by it."""
    concurrency: int = 1
    """Requests that one replica works on at once; more than that, queued and ongoing, asks for another replica."""
    max_replicas: int = 1
    keep_alive: float = FOREVER
    """Seconds that it stays after its last request; 0 leaves right after use, `FOREVER` when room is needed."""
    pinned: bool = False
    """Loaded as soon as there is a card for it, and its last replica is never evicted."""
    prewarm: bool = False
    """Loaded before anybody asks, where room is spare, and not subject to `keep_alive`."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica as the cluster has it now. All that outlasts a restart of the controller is in here."""

    id: str
    deployment: str
    card: str | None
    """None while Ray has not said yet: it may still wait for a card, or be on one already."""
    phase: Phase
    since: float
    """When it was asked for (STARTING), could take requests (RUNNING), was told to go (STOPPING)."""
    ongoing: int = 0
    """Requests that it works on now."""
    used: float | None = None
    """When it last had a request, the clock itself while it has one; None: never."""
    stop_order: int = 0
    """Rank among the deployment's replicas in which Serve would stop them, lowest first. Scaling down names a number,
    not a replica: Serve (2.60, `_get_replicas_to_stop`) takes those not running yet, then those off the head node, on
    the node with the fewest replicas, the newest."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of one deployment now, beyond what its replicas work on."""

    queued: int = 0
    """Requests that no replica has taken."""
    since: float | None = None
    """Arrival of the oldest of them, where known. Without it the policy takes the moment it first sees them."""
    load: bool = False
    """Somebody asked for the model itself: it is loaded as for a request."""
    unload: bool = False
    """Somebody asked for it to go: it does as soon as it is idle, unless it is pinned or `load` is set too."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy's own numbers."""

    turn: float = 12.0
    """Seconds that a busy model keeps its room from when somebody waits for it, at most."""
    turn_per_load: float = 2.0
    """A turn is at least so many times the model's own `load_seconds`: two thirds of the time go to work."""
    linger: float = 0.3
    """Seconds without work after which a model whose turn is not up counts as idle: a client that asks again at once
    finds it still there."""
    start_limit: float = 120.0
    """Seconds after which a replica that is not running yet is given up."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A deployment's place in the line of those that wait for room."""

    since: float
    card: str | None = None
    """The card that is being cleared for it, or that it starts on."""
    until: float | None = None
    """When what is in its way there may go; minus infinity once it goes."""
    bumped: bool = False
    """Ray has put another on its card, or it on none. Until it runs, nobody younger starts where that could happen
    again."""
    starting: float | None = None
    """When its start was first seen under way."""


@dataclass(frozen=True, slots=True)
class State:
    """What one decision tells the next. Empty after a restart of the controller: then places in the line go by
    `Demand.since`, the rest follows from the replicas."""

    clock: float | None = None
    """When the last decision was taken."""
    waiting: Mapping[str, Ticket] = field(default_factory=dict)
    expected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Cards that starts under way were meant for, by deployment, oldest start first."""
