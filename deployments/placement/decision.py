"""What the placement policy answers: how many replicas of each deployment, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from deployments.placement.facts import Phase, Replica, State


class StartCause(StrEnum):
    """Why a replica is asked for."""

    DEMAND = "demand"
    """Requests wait and no replica is there, or somebody asked for the model."""
    PIN = "pin"
    SCALE_OUT = "scale_out"
    PREWARM = "prewarm"
    """A running job will need it, or its owner wants it loaded, and the room is spare."""


class EvictionCause(StrEnum):
    """Why a replica has to go: the label of metrics and logs."""

    ROOM = "room"
    """Another model needs the room."""
    KEEP_ALIVE = "keep_alive"
    UNLOADED = "unloaded"
    STUCK = "stuck"
    """It did not get running within the limit, or no card has room for it and nobody waits for it."""
    BUDGET = "budget"
    """What is on the card was measured to need more than the card has."""


class WaitCause(StrEnum):
    """Why a deployment that is asked for is not running."""

    STARTING = "starting"
    STOPPING = "stopping"
    """Its room is being cleared."""
    TURN = "turn"
    """Those in its way are busy and their turn is not up."""
    LINE = "line"
    """Others that waited longer come first."""
    PINNED = "pinned"
    """Pinned models leave it no card."""
    TOO_LARGE = "too_large"
    """It needs more than any card has."""
    UNKNOWN = "unknown"
    """Nothing says how much it needs."""


@dataclass(frozen=True, slots=True)
class Start:
    """One more replica of a deployment."""

    deployment: str
    card: str
    """Where the policy expects it: the card with room for it that would be left fullest, as Ray chooses too. Ray may
    take another; the next decision goes by where it is."""
    cause: StartCause


@dataclass(frozen=True, slots=True)
class Eviction:
    """One replica less. Its room counts as taken until it is gone."""

    replica: str
    """The one meant, by `Replica.stop_order` the one that Serve will choose."""
    deployment: str
    card: str | None
    cause: EvictionCause
    waiter: str | None = None
    """The deployment it makes room for."""
    drains: bool = False
    """It has requests, and finishes them first."""
    collateral: bool = False
    """It goes only because Serve stops it before another replica of its deployment that is in the way."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A deployment that is asked for and not running, oldest first."""

    deployment: str
    since: float
    cause: WaitCause
    card: str | None = None
    """Where its room will be, as far as that is known."""
    until: float | None = None
    """TURN: when the turns in its way are up."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of `policy.decide`.

    What to tell Serve: `targets` for the deployments in it, nothing about the others, and above all nothing about
    those in `held`: Serve starts a replica of every deployment that has requests, none running, and a place in the
    answer, whatever number stands there. For the same reason Serve can't be told to give up a STUCK start of a
    deployment with requests; whoever carries the decision out ends that replica itself, by its id.
    """

    targets: Mapping[str, int]
    """Replicas that are to be there, those STARTING and RUNNING counted, those STOPPING not."""
    held: frozenset[str]
    """Deployments at 0 that have requests and no room yet."""
    starts: tuple[Start, ...]
    evictions: tuple[Eviction, ...]
    waiting: tuple[Waiting, ...]
    recheck: float | None
    """When the passing of time alone can change the answer: a turn, a `keep_alive`, a limit ends. None: never."""
    state: State
    """For the next call."""

    def placement(self, resident: Iterable[Replica]) -> dict[str, tuple[str, ...]]:
        """By card, the deployments on it once this is carried out on these replicas, one entry a replica, in
        alphabetical order. Empty cards, stopping replicas and those without a reported card are left out."""
        gone = {eviction.replica for eviction in self.evictions}
        cards: dict[str, list[str]] = {}
        for replica in resident:
            if replica.card is not None and replica.phase is not Phase.STOPPING and replica.id not in gone:
                cards.setdefault(replica.card, []).append(replica.deployment)
        for start in self.starts:
            cards.setdefault(start.card, []).append(start.deployment)
        return {card: tuple(sorted(deployments)) for card, deployments in sorted(cards.items())}

    @property
    def prewarms(self) -> tuple[Start, ...]:
        return tuple(start for start in self.starts if start.cause is StartCause.PREWARM)
