"""A simulated cluster, by events: cards, replicas that load, work and drain, and Serve, which only takes numbers.

What it has of Ray Serve 2.60: a deployment is told a number of replicas and chooses itself which to stop; a stopping
replica finishes its requests and holds its room meanwhile; a replica that no card has room for waits for one; a
deployment with requests, nothing running, and a place in the answer is started, whatever the number.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from deployments.placement.decision import Decision, EvictionCause
from deployments.placement.facts import Card, Demand, Footprint, Phase, Replica, State
from deployments.placement.simulation.requests import Request, Source

Hints = Sequence[Sequence[str]]


class Policy(Protocol):
    """`policy.decide`, or whatever it is compared with."""

    def __call__(
        self,
        demand: Mapping[str, Demand],
        resident: Sequence[Replica],
        footprints: Mapping[str, Footprint],
        cards: Sequence[Card],
        clock: float,
        *,
        hints: Hints,
        state: State,
    ) -> Decision: ...


Choose = Callable[[str, Sequence[str], Mapping[str, int]], str]
"""Where a replica is put: its deployment, the cards with room for it, free bytes by card."""


def fullest(deployment: str, fitting: Sequence[str], free: Mapping[str, int]) -> str:  # noqa: ARG001 - all alike
    """The card with the least room left, as Ray chooses."""
    return min(fitting, key=lambda card: free[card])


class Process:
    """A replica as it is, from asked for to gone."""

    __slots__ = ("card", "deployment", "id", "number", "phase", "since", "used", "version", "view", "work")

    def __init__(self, number: int, deployment: str, clock: float) -> None:
        self.number = number
        self.id = f"{deployment}#{number}"
        self.deployment = deployment
        self.card: str | None = None
        self.phase = Phase.STARTING
        self.since = clock
        self.used: float | None = None
        self.work: list[Request] = []
        self.version = 0
        """Of the phase: an event of an earlier one means nothing any more."""
        self.view: Replica | None = None

    def enter(self, phase: Phase, clock: float) -> None:
        self.phase, self.since, self.view = phase, clock, None
        self.version += 1


STOP_SECONDS: Final = 0.25
"""From the last request of a stopping replica until its room is free, as measured with Ray Serve."""


class World:
    """Runs a policy over a source of requests. Everything that happened can be read off it afterwards."""

    def __init__(
        self,
        cards: Iterable[Card],
        footprints: Mapping[str, Footprint],
        policy: Policy,
        *,
        interval: float = 0.1,
        stop_seconds: float = STOP_SECONDS,
        choose: Choose = fullest,
        load_seconds: Callable[[str], float] | None = None,
        tells_cards: bool = True,
    ) -> None:
        """`choose` is where Ray puts a replica, `load_seconds` how long one really loads; without `tells_cards` the
        policy learns where a replica is only once it runs, as it does from Serve."""
        self.cards = {card.id: card for card in cards}
        self.footprints = dict(footprints)
        self.policy = policy
        self.interval = interval
        self.stop_seconds = stop_seconds
        self.choose = choose
        self.tells_cards = tells_cards
        self.load_seconds = load_seconds or (lambda name: self.footprints[name].load_seconds)
        self.clock = 0.0
        self.free = {card.id: card.budget for card in self.cards.values()}
        self.processes: dict[str, list[Process]] = {name: [] for name in footprints}
        self.queues: dict[str, deque[Request]] = {name: deque() for name in footprints}
        self.hints: Hints = ()
        self.state = State()
        self.decisions: list[tuple[float, Decision]] = []
        self.keep_decisions = False
        self.served: list[Request] = []
        self.loads = 0
        self.evictions: dict[str, int] = {}
        self.working = 0.0
        """Seconds that replicas worked on requests."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._numbers = itertools.count()
        self._pending: list[Process] = []
        self._source: Source | None = None
        self._dirty = True
        self._decided = -math.inf
        self._recheck: float | None = None

    # -- what the policy sees ------------------------------------------------------------------------------------

    def demand(self) -> dict[str, Demand]:
        return {name: Demand(len(queue), queue[0].arrival) for name, queue in self.queues.items() if queue}

    def resident(self) -> list[Replica]:
        found = []
        for name, processes in self.processes.items():
            order = {process.id: rank for rank, process in enumerate(self._stop_order(name))} if processes[1:] else {}
            for process in processes:
                view = process.view
                rank = order.get(process.id, 0)
                if view is None or view.stop_order != rank or process.work:
                    process.view = view = Replica(
                        process.id,
                        name,
                        process.card if self.tells_cards or process.phase is not Phase.STARTING else None,
                        process.phase,
                        process.since,
                        len(process.work),
                        self.clock if process.work else process.used,
                        rank,
                    )
                found.append(view)
        return found

    def _stop_order(self, name: str) -> list[Process]:
        """Not running first; then those on cards with the fewest replicas, the newest first."""
        stays = [process for process in self.processes[name] if process.phase is not Phase.STOPPING]
        if not stays[1:]:
            return stays
        count: dict[str | None, int] = {}
        for process in itertools.chain.from_iterable(self.processes.values()):
            count[process.card] = count.get(process.card, 0) + 1
        return sorted(stays, key=lambda p: (p.phase is Phase.RUNNING, count[p.card], p.card or "", -p.number))

    # -- what happens --------------------------------------------------------------------------------------------

    def run(self, source: Source, until: float = math.inf) -> None:
        """Until everything is answered, or the time is up."""
        self._source = source
        for request in source.arrivals():
            self.at(request.arrival, lambda request=request: self.arrive(request))
        self.step(until)

    def step(self, until: float) -> None:
        """All that happens up to a time, decisions included. With no end it ends when nothing more can happen."""
        while True:
            self._decide_if_due()
            due = self._next_decision()
            if not self._events and due == math.inf:
                break
            when = min(self._events[0][0] if self._events else math.inf, due)
            if when > until:
                break
            self.clock = max(self.clock, when)
            while self._events and self._events[0][0] <= self.clock:
                heapq.heappop(self._events)[2]()
        if until < math.inf:
            self.clock = max(self.clock, until)

    def at(self, time: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), event))

    def arrive(self, request: Request) -> None:
        self.queues[request.deployment].append(request)
        self._dirty = True
        self._dispatch(request.deployment)

    def _dispatch(self, name: str) -> None:
        queue = self.queues[name]
        while queue:
            limit = self.footprints[name].concurrency
            open_ = [p for p in self.processes[name] if p.phase is Phase.RUNNING and len(p.work) < limit]
            if not open_:
                return
            process = min(open_, key=lambda p: (len(p.work), p.number))
            request = queue.popleft()
            request.taken = self.clock
            process.work.append(request)
            process.view = None
            self.at(self.clock + request.seconds, lambda p=process, r=request: self._finish(p, r))

    def _finish(self, process: Process, request: Request) -> None:
        if request not in process.work:
            return  # it died with the replica
        process.work.remove(request)
        process.used, process.view = self.clock, None
        request.done = self.clock
        self.served.append(request)
        self.working += request.seconds
        self._dirty = True
        if process.phase is Phase.STOPPING and not process.work:
            self._leave(process)
        self._dispatch(process.deployment)
        if self._source is not None and (following := self._source.after(request)) is not None:
            self.at(following.arrival, lambda: self.arrive(following))

    def _start(self, name: str) -> None:
        process = Process(next(self._numbers), name, self.clock)
        self.processes[name].append(process)
        self._pending.append(process)
        self._place()

    def _place(self) -> None:
        """Ray puts those that wait for a card where there is room, first come first served as far as they fit."""
        for process in list(self._pending):
            need = self.footprints[process.deployment].need
            fitting = [card for card, free in self.free.items() if free >= need]
            if not fitting:
                continue
            self._pending.remove(process)
            process.card, process.view = self.choose(process.deployment, fitting, self.free), None
            self.free[process.card] -= need
            self.loads += 1
            version = process.version
            self.at(self.clock + self.load_seconds(process.deployment), lambda p=process, v=version: self._loaded(p, v))

    def _loaded(self, process: Process, version: int) -> None:
        if process.version == version:
            process.enter(Phase.RUNNING, self.clock)
            self._dirty = True
            self._dispatch(process.deployment)

    def _stop(self, process: Process) -> None:
        process.enter(Phase.STOPPING, self.clock)
        self._dirty = True
        if not process.work:
            self._leave(process)

    def _leave(self, process: Process) -> None:
        self.at(self.clock + self.stop_seconds, lambda: self._gone(process))

    def _gone(self, process: Process) -> None:
        if process in self.processes[process.deployment]:
            self._remove(process)

    def _remove(self, process: Process) -> None:
        self.processes[process.deployment].remove(process)
        if process in self._pending:
            self._pending.remove(process)
        if process.card in self.free:
            self.free[process.card] += self.footprints[process.deployment].need
        self._dirty = True
        self._place()

    def kill(self, process: Process) -> None:
        """A replica dies; what it worked on is asked again."""
        process.version += 1
        for request in reversed(process.work):
            request.taken = None
            self.queues[process.deployment].appendleft(request)
        process.work.clear()
        self._remove(process)
        self._dispatch(process.deployment)

    def lose(self, card: str) -> None:
        """A node leaves with its card."""
        del self.cards[card], self.free[card]
        for process in [p for some in self.processes.values() for p in some if p.card == card]:
            self.kill(process)

    def join(self, card: Card) -> None:
        self.cards[card.id], self.free[card.id] = card, card.budget
        self._dirty = True
        self._place()

    # -- decisions -----------------------------------------------------------------------------------------------

    def _next_decision(self) -> float:
        if self._dirty:
            return max(self._decided + self.interval, self.clock)
        return math.inf if self._recheck is None else max(self._recheck, self._decided + self.interval)

    def _decide_if_due(self) -> None:
        if self._next_decision() <= self.clock:
            self._dirty = False
            self._decided = self.clock
            self.decide()

    def decide(self) -> Decision:
        """One turn of the control loop."""
        decision = self.policy(
            self.demand(),
            self.resident(),
            self.footprints,
            list(self.cards.values()),
            self.clock,
            hints=self.hints,
            state=self.state,
        )
        self.state, self._recheck = decision.state, decision.recheck
        if self.keep_decisions:
            self.decisions.append((self.clock, decision))
        for eviction in decision.evictions:
            self.evictions[eviction.cause] = self.evictions.get(eviction.cause, 0) + 1
        stuck = {eviction.replica for eviction in decision.evictions if eviction.cause is EvictionCause.STUCK}
        for name, target in decision.targets.items():
            for process in [p for p in self.processes[name] if p.id in stuck and p.phase is not Phase.STOPPING]:
                self._stop(process)
            stays = self._stop_order(name)
            if not any(p.phase is Phase.RUNNING for p in stays) and self.queues[name] and not target and not stuck:
                target = max(1, len(stays))
            for process in stays[: max(0, len(stays) - target)]:
                self._stop(process)
            for _ in range(target - len(stays)):
                self._start(name)
                self._dirty = True
        return decision
