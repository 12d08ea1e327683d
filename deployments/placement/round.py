"""One decision in the making: the steps of the policy, in their order, over one account of the room."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from deployments.placement.clearing import Clearing, Loss, Plan, removable
from deployments.placement.decision import Decision, Eviction, EvictionCause, Start, StartCause, WaitCause, Waiting
from deployments.placement.facts import Card, Demand, Phase, Replica, Rules, State, Ticket
from deployments.placement.line import admit, in_order
from deployments.placement.room import Room
from deployments.placement.standing import Standing

CLAIMS: Final = 24
"""So many of those that wait have a card set aside before those in their way may go; the others follow."""

CLEARINGS: Final = 24
"""So many are made room for in one decision; the rest at the next, a control loop later."""

STARTS: Final = 64
"""So many replicas are asked for beyond demand (scaling out, loading in advance) in one decision."""


class Round:
    """Call the steps in the order in which they stand here, then `answer`."""

    def __init__(
        self,
        standings: Mapping[str, Standing],
        cards: Sequence[Card],
        index: Mapping[str, int],
        clock: float,
        hints: Sequence[Sequence[str]],
        state: State,
        rules: Rules,
    ) -> None:
        self.standings = standings
        self.cards = cards
        self.index = index
        self.clock = clock
        self.hints = hints
        self.state = state
        self.rules = rules
        self.room = Room(cards)
        self.soon: dict[str, int] = {}
        """How many steps of a running job from now a deployment is needed."""
        for job in hints:
            for position, name in enumerate(job):
                self.soon[name] = min(position, self.soon.get(name, position))
        self.homes: dict[str, int] = {}
        """Card of every replica that stays or is evicted now, by the replica's id."""
        self.predicted: dict[str, list[int]] = {}
        """Cards where starts under way are taken to be, by deployment."""
        self.homeless: dict[str, list[Replica]] = {}
        """Starts under way that no card has room for, by deployment."""
        self.tickets: dict[str, Ticket] = {}
        self.starts: list[Start] = []
        self.evictions: list[Eviction] = []
        self.waiting: list[Waiting] = []
        self.rechecks: list[float] = []
        self.clearings = self.claims = 0
        self.futile_now = self.futile_ever = math.inf
        """The least need in line that nothing could be cleared for, now or ever."""
        self.clearing_of_all: Clearing | None = None

    # -- what is there ------------------------------------------------------------------------------------------

    def book(self) -> None:
        """Every replica on its card. A start that Ray has not reported a card for is where the last decision expected
        it, or where Ray would put it now; where no card has room for it, it waits for one and holds nothing."""
        held, leaving = [0] * len(self.cards), [0] * len(self.cards)
        unknown: list[Standing] = []
        index, homes = self.index, self.homes
        for standing in self.standings.values():
            need = standing.footprint.need
            for replica in standing.stays:
                if replica.card is None:
                    unknown.append(standing)
                else:
                    home = homes[replica.id] = index[replica.card]
                    held[home] += need
            for replica in standing.leaving:
                if replica.card is not None:
                    home = index[replica.card]
                    held[home] += need
                    leaving[home] += need
        self.room.hold(held, leaving)
        for standing in dict.fromkeys(unknown):
            self._predict(standing)

    def _predict(self, standing: Standing) -> None:
        need, free = standing.footprint.need, self.room.free
        expected = [self.index[card] for card in self.state.expected.get(standing.name, ()) if card in self.index]
        for replica in standing.stays:
            if replica.card is not None and self.homes[replica.id] in expected:
                expected.remove(self.homes[replica.id])  # this one has arrived
        for replica in sorted((r for r in standing.stays if r.card is None), key=lambda r: (r.since, r.id)):
            fits = np.flatnonzero(free >= need)
            if expected and free[expected[0]] >= need:
                home = expected.pop(0)
            elif fits.size:
                home = int(fits[free[fits].argmin()])
            elif replica.phase is Phase.RUNNING and free.size:
                home = int(free.argmax())
            else:
                self.homeless.setdefault(standing.name, []).append(replica)
                continue
            self.homes[replica.id] = home
            self.predicted.setdefault(standing.name, []).append(home)
            self.room.take(home, need)

    # -- what goes whoever waits ---------------------------------------------------------------------------------

    def expire(self) -> None:
        """Starts that are stuck, models that were to be unloaded, and those whose time is over."""
        for name, standing in self.standings.items():
            if standing.asked and not standing.running:
                self.tickets[name] = self._ticket(standing)
            if not standing.stays:
                continue
            self._give_up(standing)
            if standing.footprint.pinned or standing.busy:
                continue
            if standing.demand.unload and not standing.demand.load:
                for replica in standing.stays:
                    self._evict(standing, replica, EvictionCause.UNLOADED)
                continue
            for replica in standing.stays:
                if replica.id in standing.going:
                    continue
                if replica.phase is not Phase.RUNNING:
                    break
                end = standing.expires(replica, name in self.soon)
                if end > self.clock:
                    self.rechecks.append(end)
                    break
                self._evict(standing, replica, EvictionCause.KEEP_ALIVE)

    def _ticket(self, standing: Standing) -> Ticket:
        found = admit(standing, self.state.waiting.get(standing.name), self.state.clock, self.clock)
        if standing.name in self.homeless:
            found = replace(found, starting=self.clock)  # it waits for room, it is not stuck
        return found if found.card in self.index else replace(found, card=None, until=None)

    def _give_up(self, standing: Standing) -> None:
        ticket = self.tickets.get(standing.name)
        homeless = self.homeless.get(standing.name, ())
        for replica in standing.stays:
            if replica.phase is not Phase.STARTING:
                break
            began = replica.since if ticket is None or ticket.starting is None else ticket.starting
            if began + self.rules.start_limit <= self.clock or (ticket is None and replica in homeless):
                self._evict(standing, replica, EvictionCause.STUCK)
            else:
                self.rechecks.append(began + self.rules.start_limit)

    def _evict(
        self,
        standing: Standing,
        replica: Replica,
        cause: EvictionCause,
        waiter: str | None = None,
        collateral: bool = False,
    ) -> None:
        standing.going.add(replica.id)
        home = self.homes.get(replica.id)
        card = replica.card
        if home is not None:
            self.room.future[home] += standing.footprint.need
            card = self.cards[home].id
        self.evictions.append(Eviction(replica.id, standing.name, card, cause, waiter, replica.ongoing > 0, collateral))

    # -- those that wait -----------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Room for everyone in line, oldest first, as far as there is any."""
        self._trim()
        line = in_order((self.standings[name], ticket) for name, ticket in self.tickets.items())
        largest, clearable = self._largest()
        claimed = self._keep_claims(line)
        for standing, ticket in line:
            need = standing.footprint.need
            if standing.going:
                self._wait(standing, ticket, WaitCause.LINE)
            elif standing.stays and standing.name not in self.homeless:
                self._wait(standing, ticket, WaitCause.STARTING, self.homes[standing.stays[0].id])
            elif need > clearable:
                self._wait(standing, ticket, WaitCause.TOO_LARGE if need > largest else WaitCause.PINNED)
            else:
                self._find_room(standing, ticket, claimed.get(standing.name))
        if any(wait.cause in (WaitCause.TURN, WaitCause.LINE) for wait in self.waiting):
            self.rechecks += self.clearing.due[np.isfinite(self.clearing.due)].tolist()

    def _find_room(self, standing: Standing, ticket: Ticket, claim: int | None) -> None:
        """A start, or a card that is being cleared, or one that will be, or a place in the line."""
        need = standing.footprint.need
        pending = standing.name in self.homeless
        if claim is not None:
            self.room.set_aside(claim, -need)
        if (home := self.room.fit(need)) is not None:
            self.room.take(home, need)
            if not pending:
                cause = StartCause.DEMAND if standing.wanted or standing.demand.load else StartCause.PIN
                self._start(standing, home, cause)
            self._wait(standing, ticket, WaitCause.STARTING, home)
            return
        bumped = ticket.bumped or pending
        if (home := self.room.coming(need, claim)) is not None:
            self._set_aside(standing, replace(ticket, bumped=bumped), home, -math.inf)
            return
        # Who needs no less and came later finds nothing where an older one found nothing.
        if need < self.futile_now and self.clearings < CLEARINGS:
            if (plan := self._plan(need, ticket.since, self.clock, Loss.BUSY)) is not None:
                self.clearings += 1
                self._clear(plan, standing.name)
                bumped = bumped or ticket.until == -math.inf
                self._set_aside(standing, replace(ticket, bumped=bumped), plan.card, -math.inf)
                return
            self.futile_now = need
        if need < self.futile_ever and self.claims < CLAIMS:
            kept = None if ticket.card is None else self.index[ticket.card]
            plan = None if kept is None else self._plan(need, ticket.since, math.inf, Loss.BUSY, kept)
            plan = plan or self._plan(need, ticket.since, math.inf, Loss.BUSY)
            if plan is not None:
                self.claims += 1
                self.clearing.spend(plan.card, {unit.replica for unit in plan.units})
                self.room.future[plan.card] += sum(unit.size for unit in plan.units)
                bumped = bumped or (ticket.until is not None and plan.until > ticket.until)
                self._set_aside(standing, replace(ticket, bumped=bumped), plan.card, plan.until)
                return
            self.futile_ever = need
        self._wait(standing, ticket, WaitCause.LINE)

    def _set_aside(self, standing: Standing, ticket: Ticket, home: int, until: float) -> None:
        self.room.set_aside(home, standing.footprint.need)
        self.room.guarded[home] |= ticket.bumped
        self._wait(standing, ticket, WaitCause.STOPPING if until == -math.inf else WaitCause.TURN, home, until)

    def _trim(self) -> None:
        """Idle ones go from a card that holds more than its budget, as it may once a footprint was corrected."""
        for home in np.flatnonzero(self.room.future < 0).tolist():
            plan = self._plan(0, self.clock, self.clock, Loss.SOON, home)
            if plan is not None:
                self._clear(plan, None)

    def _largest(self) -> tuple[int, int]:
        """The largest budget of a card, and the most that can be cleared on one: without what pinned models hold."""
        if not self.cards:
            return 0, 0
        pinned = np.zeros(len(self.cards), np.int64)
        for standing in self.standings.values():
            if standing.footprint.pinned and standing.stays and standing.stays[-1].id in self.homes:
                pinned[self.homes[standing.stays[-1].id]] += standing.footprint.need
        return int(self.room.budget.max()), int((self.room.budget - pinned).max())

    def _keep_claims(self, line: Iterable[tuple[Standing, Ticket]]) -> dict[str, int]:
        """Room that is being cleared stays with whom it is cleared for, also before those that waited longer: these
        have their own. Returns the cards by deployment."""
        kept: dict[str, int] = {}
        for standing, ticket in line:
            need = standing.footprint.need
            if ticket.card is not None and ticket.until == -math.inf:
                home = self.index[ticket.card]
                if self.room.future[home] >= need:
                    self.room.set_aside(home, need)
                    kept[standing.name] = home
        return kept

    @property
    def clearing(self) -> Clearing:
        if self.clearing_of_all is None:
            rows = [
                unit
                for standing in self.standings.values()
                if standing.stays
                for unit in removable(standing, self.homes, self.soon, self.clock, self.rules)
            ]
            self.clearing_of_all = Clearing(rows, len(self.cards))
        return self.clearing_of_all

    def _plan(self, need: int, since: float, by: float, most: Loss, only: int | None = None) -> Plan | None:
        return self.clearing.plan(need, self.room.future, since, by=by, most=most, only=only)

    def _clear(self, plan: Plan, waiter: str | None) -> None:
        cause = EvictionCause.BUDGET if waiter is None else EvictionCause.ROOM
        meant = {unit.replica for unit in plan.units}
        self.clearing.spend(plan.card, meant)
        for unit in plan.units:
            standing = self.standings[unit.deployment]
            for replica in standing.stays[: unit.place + 1]:
                if replica.id not in standing.going:
                    self._evict(standing, replica, cause, waiter, replica.id not in meant)
                    if replica.id not in meant and replica.id in self.homes:
                        self.clearing.spend(self.homes[replica.id], {replica.id})

    def _start(self, standing: Standing, home: int, cause: StartCause) -> None:
        standing.starts += 1
        self.predicted.setdefault(standing.name, []).append(home)
        self.starts.append(Start(standing.name, self.cards[home].id, cause))

    def _wait(
        self, standing: Standing, ticket: Ticket, cause: WaitCause, home: int | None = None, until: float | None = None
    ) -> None:
        card = None if home is None else self.cards[home].id
        self.tickets[standing.name] = replace(ticket, card=card, until=until)
        due = until if cause is WaitCause.TURN else None
        if due is not None:
            self.rechecks.append(due)
        self.waiting.append(Waiting(standing.name, ticket.since, cause, card, due))

    # -- what is spare -------------------------------------------------------------------------------------------

    def scale_out(self) -> None:
        """More replicas where requests ask for them, those with the fewest first; loaded in advance gives way."""
        growing = [s for s in self.standings.values() if s.running and not s.going and s.target < s.desired]
        futile = math.inf
        left = STARTS
        while growing and left:
            growing.sort(key=lambda standing: (standing.target, standing.name))
            still: list[Standing] = []
            for standing in growing[:left]:
                need = standing.footprint.need
                if need >= futile or standing.going:
                    continue
                left -= 1
                if (home := self.room.fit(need)) is not None:
                    self.room.take(home, need)
                    self._start(standing, home, StartCause.SCALE_OUT)
                    if standing.target < standing.desired:
                        still.append(standing)
                elif (home := self.room.coming(need, None)) is not None:
                    self.room.set_aside(home, need)
                elif (plan := self._plan(need, self.clock, self.clock, Loss.UNUSED)) is not None:
                    self._clear(plan, standing.name)
                    self.room.set_aside(plan.card, need)
                else:
                    futile = need
            growing = still

    def prewarm(self) -> None:
        """What running jobs need next, the soonest first, then what is to be there anyway, where room is spare."""
        ahead = [
            job[depth]
            for depth in range(max(map(len, self.hints), default=0))
            for job in self.hints
            if depth < len(job)
        ]
        ahead += sorted(name for name, standing in self.standings.items() if standing.footprint.prewarm)
        futile = math.inf
        left = STARTS
        for name in dict.fromkeys(ahead):
            standing = self.standings.get(name)
            if standing is None or standing.stays or standing.starts or standing.asked or standing.demand.unload:
                continue
            need = standing.footprint.need
            if need >= futile or not left:
                continue
            if (home := self.room.fit(need)) is None:
                futile = need
                continue
            left -= 1
            self.room.take(home, need)
            self._start(standing, home, StartCause.PREWARM)

    # -- the answer ----------------------------------------------------------------------------------------------

    def answer(self, demand: Mapping[str, Demand]) -> Decision:
        targets: dict[str, int] = {}
        held: list[str] = []
        layout: list[tuple[str, str]] = []
        for name, standing in self.standings.items():
            if standing.listed or standing.starts:
                targets[name] = standing.target
            elif standing.demand.queued > 0:
                held.append(name)
            for replica in standing.stays:
                if replica.id not in standing.going and replica.id in self.homes:
                    layout.append((self.cards[self.homes[replica.id]].id, name))
        layout += [(start.card, start.deployment) for start in self.starts]
        for name in sorted(demand.keys() - self.standings.keys()):
            wish = demand[name]
            if wish.queued > 0 or wish.load:
                since = self.state.waiting.get(name, Ticket(self.clock if wish.since is None else wish.since)).since
                self.tickets[name] = Ticket(since)
                self.waiting.append(Waiting(name, since, WaitCause.UNKNOWN))
                held.append(name)
        expected = {
            name: tuple(self.cards[home].id for home in homes)
            for name, homes in self.predicted.items()
            if not self.standings[name].going
        }
        return Decision(
            targets=targets,
            held=frozenset(held),
            starts=tuple(self.starts),
            evictions=tuple(self.evictions),
            waiting=tuple(self.waiting),
            layout=tuple(layout),
            recheck=min((time for time in self.rechecks if self.clock < time < math.inf), default=None),
            state=State(self.clock, self.tickets, expected),
        )
