"""One decision in the making: the steps of the policy, in their order, over one account of the room."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

import numpy as np

from deployments.placement.booking import book
from deployments.placement.candidates import Loss, Plan
from deployments.placement.census import Census, Standing
from deployments.placement.clearing import Clearing
from deployments.placement.decision import Decision, Eviction, EvictionCause, Start, StartCause, WaitCause, Waiting
from deployments.placement.facts import FOREVER, Demand, Rules, State, Ticket
from deployments.placement.line import admit, in_order

CLAIMS: Final = 16
"""So many of those that wait have a card set aside before those in their way may go; the others follow."""

SEARCHES: Final = 8
"""So often all cards are searched for something to clear in one decision; who comes later is served at the next, a
control loop later. What is found is kept, so everybody's turn comes."""

STARTS: Final = 64
"""So many replicas are asked for in one decision, at most."""


class Round:
    """Call the steps in the order in which they stand here, then `answer`."""

    def __init__(
        self, census: Census, clock: float, hints: Sequence[Sequence[str]], state: State, rules: Rules
    ) -> None:
        self.census = census
        self.standings = census.standings
        self.cards = census.cards
        self.index = census.index
        self.clock = clock
        self.hints = hints
        self.state = state
        self.rules = rules
        self.soon: dict[str, int] = {}
        """How many steps of a running job from now a deployment is needed."""
        for job in hints:
            for position, name in enumerate(job):
                self.soon[name] = min(position, self.soon.get(name, position))
        booking = book(census, state.expected)
        self.room, self.predicted, self.homeless = booking.room, booking.predicted, booking.homeless
        self.tickets: dict[str, Ticket] = {}
        self.starts: list[Start] = []
        self.evictions: list[Eviction] = []
        self.waiting: list[Waiting] = []
        self.rechecks: list[float] = []
        self.searches = self.claims = 0
        self.turns: dict[int, float] = {}
        """By card, when the last of those may go whose room is set aside though their turn is not up."""
        # Who needs no less and came later finds nothing where an older one found nothing: the least needs for which
        # there was nothing to clear now, and nothing to clear ever.
        self.futile_now = self.futile_ever = math.inf

    # -- what goes whoever waits ---------------------------------------------------------------------------------

    def expire(self) -> None:
        """Starts that are stuck, models that were to be unloaded, and those whose time is over."""
        for name, standing in self.standings.items():
            if not standing.running and standing.asked:
                self.tickets[name] = self._ticket(standing)
            elif standing.demand.unload and not (standing.demand.load or standing.footprint.pinned or standing.busy):
                for row in standing.rows:
                    self._evict(standing, row, EvictionCause.UNLOADED)
        self._give_up()
        self._let_go()

    def _ticket(self, standing: Standing) -> Ticket:
        starting = float(self.census.since[list(standing.rows)].min()) if standing.count else None
        found = admit(standing, starting, self.state.waiting.get(standing.name), self.state.clock, self.clock)
        if standing.name in self.homeless:
            found = replace(found, starting=self.clock)  # it waits for room, it is not stuck
        return found if found.card is None or found.card in self.index else replace(found, card=None, until=None)

    def _give_up(self) -> None:
        for row in np.flatnonzero(~self.census.running & ~self.census.going).tolist():
            standing = self.census.by_number[self.census.deployment[row]]
            ticket = self.tickets.get(standing.name)
            began = float(self.census.since[row]) if ticket is None or ticket.starting is None else ticket.starting
            spare = ticket is None and row in self.homeless.get(standing.name, ())
            if spare or began + self.rules.start_limit <= self.clock:
                self._evict(standing, row, EvictionCause.STUCK)
            else:
                self.rechecks.append(began + self.rules.start_limit)

    def _let_go(self) -> None:
        """Whose `keep_alive` is over, in Serve's order: where one that has to stay would be stopped first, all stay."""
        for name, standing in self.standings.items():
            wish = standing.footprint
            if wish.keep_alive == FOREVER or wish.pinned or wish.prewarm or standing.busy or not standing.running:
                continue
            for row in standing.rows:
                if self.census.going[row]:
                    continue
                used = self.census.replica(row).used
                if not self.census.running[row] or (used is None and name in self.soon):
                    break
                end = (self.census.replica(row).since if used is None else used) + wish.keep_alive
                if end > self.clock:
                    self.rechecks.append(end)
                    break
                self._evict(standing, row, EvictionCause.KEEP_ALIVE)

    def _evict(
        self,
        standing: Standing,
        row: int,
        cause: EvictionCause,
        waiter: str | None = None,
        collateral: bool = False,
    ) -> None:
        replica, home = self.census.replica(row), int(self.census.home[row])
        self.census.going[row] = True
        standing.going += 1
        card = None
        if home >= 0:
            self.room.release(home, standing.footprint.need)
            card = self.cards[home].id
        drains = replica.ongoing > 0
        self.evictions.append(Eviction(replica.id, standing.name, card, cause, waiter, drains, collateral))

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
            elif standing.count and standing.name not in self.homeless:
                self._wait(standing, ticket, WaitCause.STARTING, int(self.census.home[standing.first]))
            elif len(self.starts) >= STARTS:
                self._wait(standing, ticket, WaitCause.LINE)
            elif need > clearable:
                self._wait(standing, ticket, WaitCause.TOO_LARGE if need > largest else WaitCause.PINNED)
            else:
                self._find_room(standing, ticket, claimed.get(standing.name))
        if any(wait.cause in (WaitCause.TURN, WaitCause.LINE) for wait in self.waiting):
            idle = self.clearing.next_idle()
            self.rechecks += [] if idle is None else [idle]

    def _find_room(self, standing: Standing, ticket: Ticket, claim: int | None) -> None:
        """A start, or a card that is being cleared, or one that will be, or a place in the line."""
        need = standing.footprint.need
        pending = standing.name in self.homeless
        if claim is not None:
            self.room.release(claim, need)
        if need <= self.room.most:
            if (home := self.room.fit(need)) is not None:
                self.room.take(home, need)
                if not pending:
                    cause = StartCause.DEMAND if standing.wanted or standing.demand.load else StartCause.PIN
                    self._start(standing, home, cause)
                self._wait(standing, ticket, WaitCause.STARTING, home)
                return
            if (home := self.room.coming(need, claim)) is not None:
                until = -math.inf if home == claim else self.turns.get(home, -math.inf)
                self._set_aside(standing, ticket, home, until, bumped=pending)
                return
        if need < self.futile_now and self.searches < SEARCHES:
            self.searches += 1
            if (plan := self._plan(need, ticket.since, self.clock, Loss.BUSY)) is not None:
                self._clear_for(standing, ticket, plan, pending)
                return
            self.futile_now = need
        if need < self.futile_ever and self.claims < CLAIMS:
            plan = None
            if ticket.card is not None:
                plan = self._plan(need, ticket.since, math.inf, Loss.BUSY, self.index[ticket.card])
            if plan is None and self.searches < SEARCHES:
                self.searches += 1
                plan = self._plan(need, ticket.since, math.inf, Loss.BUSY)
                if plan is None:
                    self.futile_ever = need
            if plan is not None and plan.until <= self.clock:
                self._clear_for(standing, ticket, plan, pending)
                return
            if plan is not None:
                self.claims += 1
                self.clearing.spend(plan.rows)
                self.room.release(plan.card, int(self.census.need[self.census.deployment[list(plan.rows)]].sum()))
                self.turns[plan.card] = max(plan.until, self.turns.get(plan.card, -math.inf))
                self.futile_now = math.inf  # what it leaves may be what another lacks
                later = ticket.until is not None and plan.until > ticket.until
                self._set_aside(standing, ticket, plan.card, plan.until, bumped=pending or later)
                return
        self._wait(standing, ticket, WaitCause.LINE)

    def _clear_for(self, standing: Standing, ticket: Ticket, plan: Plan, pending: bool) -> None:
        self._clear(plan, standing.name)
        self._set_aside(standing, ticket, plan.card, -math.inf, bumped=pending or ticket.until == -math.inf)

    def _set_aside(self, standing: Standing, ticket: Ticket, home: int, until: float, *, bumped: bool) -> None:
        self.room.set_aside(home, standing.footprint.need)
        if bumped and not ticket.bumped:
            ticket = replace(ticket, bumped=True)
        if ticket.bumped:
            self.room.guard(home)
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
            if standing.footprint.pinned and standing.count:
                home = self.census.home[standing.rows[-1]]
                if home >= 0:
                    pinned[home] += standing.footprint.need
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

    @cached_property
    def clearing(self) -> Clearing:
        return Clearing(self.census, self.soon, self.clock, self.rules)

    def _plan(self, need: int, since: float, by: float, most: Loss, only: int | None = None) -> Plan | None:
        return self.clearing.plan(need, self.room.future, since, by=by, most=most, only=only)

    def _clear(self, plan: Plan, waiter: str | None) -> None:
        cause = EvictionCause.BUDGET if waiter is None else EvictionCause.ROOM
        self.clearing.spend(plan.rows)
        for row in plan.rows:
            standing = self.census.by_number[self.census.deployment[row]]
            for before in range(standing.first, row + 1):
                if not self.census.going[before]:
                    collateral = before not in plan.rows
                    self._evict(standing, before, cause, waiter, collateral)
                    if collateral and self.census.home[before] >= 0:
                        self.clearing.spend((before,))

    def _start(self, standing: Standing, home: int, cause: StartCause) -> None:
        standing.starts += 1
        self.predicted.setdefault(standing.name, []).append(home)
        self.starts.append(Start(standing.name, self.cards[home].id, cause))

    def _wait(
        self, standing: Standing, ticket: Ticket, cause: WaitCause, home: int | None = None, until: float | None = None
    ) -> None:
        card = None if home is None else self.cards[home].id
        if (ticket.card, ticket.until) != (card, until):
            ticket = replace(ticket, card=card, until=until)
        self.tickets[standing.name] = ticket
        due = until if cause is WaitCause.TURN else None
        if due is not None:
            self.rechecks.append(due)
        self.waiting.append(Waiting(standing.name, ticket.since, cause, card, due))

    # -- what is spare -------------------------------------------------------------------------------------------

    def scale_out(self) -> None:
        """More replicas where requests ask for them, those with the fewest first; what was loaded in advance and never
        used gives way, where nobody goes along with it."""
        growing = [s for s in self.standings.values() if s.running and not s.going and s.target < s.desired]
        futile = math.inf
        left = STARTS - len(self.starts)
        while growing and left > 0:
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
        for name in dict.fromkeys(ahead):
            standing = self.standings.get(name)
            if standing is None or standing.count or standing.starts or standing.asked or standing.demand.unload:
                continue
            need = standing.footprint.need
            if need >= futile or len(self.starts) >= STARTS:
                continue
            if (home := self.room.fit(need)) is None:
                futile = need
                continue
            self.room.take(home, need)
            self._start(standing, home, StartCause.PREWARM)

    # -- the answer ----------------------------------------------------------------------------------------------

    def answer(self, demand: Mapping[str, Demand]) -> Decision:
        targets: dict[str, int] = {}
        held: list[str] = []
        for name, standing in self.standings.items():
            if standing.listed or standing.starts:
                targets[name] = standing.target
            elif standing.demand.queued > 0:
                held.append(name)
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
            if homes and not self.standings[name].going
        }
        return Decision(
            targets=targets,
            held=frozenset(held),
            starts=tuple(self.starts),
            evictions=tuple(self.evictions),
            waiting=tuple(self.waiting),
            recheck=min((time for time in self.rechecks if self.clock < time < math.inf), default=None),
            state=State(self.clock, self.tickets, expected),
        )
