"""How long a deployment waits at most, and a request.

Let n be the deployments that may wait, and k the cards on which each of them fits beside the models pinned there.
The longest turn is T, the longest load L, the longest request R; a replica without requests is gone after S seconds;
decisions are at most D apart. Then a deployment that is asked for is running after

    W = ceil(n / k) * (T + R + S + 2 * L + 4 * D)

seconds, as long as starts succeed, cards stay, and Ray puts replicas where it is expected to. Why: places in the line
are kept, and who gets its room and loses it again goes to the end. Each of the first k in line has a card of its own
that is set aside as a whole, so nobody younger starts there. What is on it already loads for at most L, then keeps
its turn of T from then on at most, drains for R, goes within S; the waiter loads for L; what happens is seen at most D
later, four times. So after each such period the first k are running, and k others are first.

A request also waits for those of its own model that came before it. A turn serves at least `concurrency` requests for
each R seconds in it, so with q requests before it in its queue it waits for ceil((q + 1) / served) times W, a turn, and
R: the turn may have been over as it came.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from deployments.placement.facts import Card, Footprint, Rules
from deployments.placement.round import CLAIMS


def longest_wait(
    footprints: Mapping[str, Footprint],
    cards: Iterable[Card],
    rules: Rules,
    *,
    longest_request: float,
    stop_seconds: float,
    interval: float,
) -> float:
    """Seconds from when a deployment is asked for until it runs, at most: W above. Infinite where a model fits on no
    card beside those that are pinned, wherever these are."""
    waiting = list(footprints.values())
    pinned = sum(footprint.need for footprint in waiting if footprint.pinned)
    largest = max((footprint.need for footprint in waiting), default=0)
    roomy = sum(card.budget - pinned >= largest for card in cards)
    if not roomy:
        return math.inf
    turn, load = longest_turn(waiting, rules), max((footprint.load_seconds for footprint in waiting), default=0.0)
    period = turn + longest_request + stop_seconds + 2 * load + 4 * interval
    return math.ceil(len(waiting) / min(roomy, CLAIMS)) * period


def longest_request_wait(
    wait: float, footprint: Footprint, rules: Rules, *, ahead: int, longest_request: float
) -> float:
    """Seconds that a request waits with `ahead` others before it in its queue, where `wait` is that of its
    deployment."""
    turn = longest_turn([footprint], rules)
    served = footprint.concurrency * max(1, math.floor(turn / longest_request))
    return math.ceil((ahead + 1) / served) * (wait + turn + longest_request)


def longest_turn(footprints: Iterable[Footprint], rules: Rules) -> float:
    return max((max(rules.turn, rules.turn_per_load * f.load_seconds) for f in footprints), default=rules.turn)
