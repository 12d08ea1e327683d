"""What one decision of the placement policy costs at its worst: 1,000 cards of mixed sizes, all full, 500 models.

    python -m benchmarks.placement_decision

In each case so many models wait that have no replica, and every card is packed until nothing more fits on it. Nothing
is carried out, so that every decision finds all of it anew: who waits, who could go, and which plan is best. CPU time
of this process, which other programs on the same core lengthen too; `benchmarks.placement_simulation` has the decisions
of a cluster that is at work.
"""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from dataclasses import replace
from random import Random
from typing import Any, Final

from benchmarks.placement_cluster import CARDS, MODELS, mixed
from deployments.placement import policy
from deployments.placement.facts import Demand, Phase, Replica
from deployments.placement.simulation.report import quantile

ROUNDS: Final = 100
CLOCK: Final = 10_000.0
INTERVAL: Final = 0.05

CASES: Final = (
    ("half of the replicas at work, 200 models wait", 200, 0.5),
    ("all at work, 200 wait", 200, 1.0),
    ("all idle, 200 wait", 200, 0.0),
    ("half at work, 450 wait", 450, 0.5),
    ("half at work, nobody waits", 0, 0.5),
)


def full(waiting: int, busy: float, random: Random) -> tuple[Any, ...]:
    """Demand, replicas, footprints and cards of a cluster without room, where `waiting` models have no replica and
    this share of the replicas is at work."""
    cards, footprints = mixed(random)
    names = list(footprints)
    resident = names[waiting:]
    popular = [footprints[name].need ** -0.75 for name in resident]
    replicas: dict[str, list[Replica]] = defaultdict(list)
    for card in cards:
        free, missed = card.budget, 0
        while missed < 8:
            name = random.choices(resident, popular)[0]
            if footprints[name].need > free:
                missed += 1
                continue
            free -= footprints[name].need
            since, works = CLOCK - random.uniform(0.1, 600), random.random() < busy
            used = CLOCK if works else random.choices((None, random.uniform(since, CLOCK)), (1, 19))[0]
            number = sum(map(len, replicas.values()))
            found = Replica(f"{name}#{number}", name, card.id, Phase.RUNNING, since, int(works), used)
            replicas[name].append(found)
    there = [
        replace(replica, stop_order=place)
        for some in replicas.values()
        for place, replica in enumerate(random.sample(some, len(some)))
    ]
    asked = names[:waiting] + [name for name in resident if random.random() < busy]
    demand = {name: Demand(random.randint(1, 5), CLOCK - random.uniform(1, 60)) for name in asked}
    return demand, there, footprints, cards


def main() -> None:
    print(f"{CARDS} cards of 10 to 80 GB, all full, {MODELS} models; milliseconds of CPU, {ROUNDS} decisions")
    print(f"{'':48}{'replicas':>10}{'p50':>8}{'p95':>8}{'max':>8}")
    for label, waiting, busy in CASES:
        random = Random(5)
        facts = full(waiting, busy, random)
        names = list(facts[2])
        hints = [[random.choice(names) for _ in range(3)] for _ in range(50)]
        state, costs = None, []
        for i in range(ROUNDS):
            gc.disable()  # it would go through the facts
            begun = time.process_time()
            decision = policy.decide(*facts, CLOCK + i * INTERVAL, hints=hints, state=state)
            costs.append((time.process_time() - begun) * 1e3)
            gc.enable()
            state = decision.state
        costs.sort()
        print(
            f"{label:48}{len(facts[1]):10}{quantile(costs, 0.5):8.1f}{quantile(costs, 0.95):8.1f}{costs[-1]:8.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
