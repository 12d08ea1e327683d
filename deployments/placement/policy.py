"""The placement policy: who is resident on which card, decided from what is there and who waits.

A pure function: no Ray, no clock of its own, no log; the same facts give the same decision. The rules:

- A card's budget is never exceeded. A replica holds its room from when it is asked for until it is gone.
- Idle models stay until room is needed, or their `keep_alive` is over.
- Those who wait are served oldest first. Whoever is older has its room set aside; the younger may use what is left.
- Room is made on one card, chosen as a whole: free memory in pieces on several cards is of use to nobody. What goes
  first: models loaded in advance and never used; replicas beyond the first of their deployment, the idle before the
  busy; the least recently used idle model, those that a running job needs soon last; busy models whose turn is up, the
  longest served first. Never a pinned model's last replica. No more than needed: without any one of those that go, the
  waiter would not fit. Serve chooses which replica of several it stops, so others of the deployment may go along.
- A busy model keeps its room for a turn, counted from when it could work and somebody waited, and serves its queue
  in it. Then it is drained: it finishes the requests that it has.
- More replicas of one deployment, and models that running jobs need next, only where room is spare.

How long a deployment waits at most is said, and proved, in `bound`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployments.placement.census import Census
from deployments.placement.decision import Decision
from deployments.placement.facts import Card, Demand, Footprint, Replica, Rules, State
from deployments.placement.round import Round


def decide(
    demand: Mapping[str, Demand],
    resident: Sequence[Replica],
    footprints: Mapping[str, Footprint],
    cards: Sequence[Card],
    clock: float,
    *,
    hints: Sequence[Sequence[str]] = (),
    state: State | None = None,
    rules: Rules | None = None,
) -> Decision:
    """Targets for all deployments, from how things stand now.

    `demand` by deployment; one that is missing has none. `resident` is every replica of these deployments in any
    phase, those asked for by the last decision included, even where the cluster does not list them yet (STARTING,
    card None): the policy keeps no account of its own. A replica on a card that is not among `cards` is gone with it.
    `footprints` by deployment: one with demand and no footprint waits as UNKNOWN, one larger than every card as
    TOO_LARGE. `hints`: for each running job, oldest first, the deployments that its next steps need, soonest first.
    `state` is that of the last decision, None after a restart.

    Call it whenever something changed, and at `Decision.recheck`; a steady interval serves as well. Raises ValueError
    for facts that contradict themselves: two cards or replicas of one id, a replica without footprint, a budget or need
    that is not positive. Replicas that need more than their card has are no contradiction, since a footprint may be
    corrected while they run: nothing starts there until it fits again, and idle ones go.
    """
    census = Census(demand, resident, footprints, cards)
    round_ = Round(census, clock, hints, state or State(), rules or Rules())
    round_.expire()
    round_.serve()
    round_.scale_out()
    round_.prewarm()
    return round_.answer(demand)
