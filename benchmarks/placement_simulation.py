"""The placement policy in simulated clusters: requests answered, loads, waits, what a decision costs.

    python -m benchmarks.placement_simulation [RECORDING]

The policy is the one that Mouthpiece runs, called as it calls it. RECORDING is a file of JSON lines with `time`,
`deployment` and `seconds`, played on one card of 10 GB after the tables (models of 6 GB, 2 s to load). Seconds are
simulated; milliseconds of a decision are CPU time of this process.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.placement_cluster import GB, MODELS, mixed
from deployments.placement import policy
from deployments.placement.bound import longest_request_wait, longest_wait
from deployments.placement.decision import Decision
from deployments.placement.facts import Card, Footprint, Rules
from deployments.placement.simulation.optimum import fewest_loads, least_wait
from deployments.placement.simulation.report import Report, quantile, report
from deployments.placement.simulation.requests import Clients, Recorded, Request, Source, poisson, popularity, read
from deployments.placement.simulation.scale_to_zero import ScaleToZero
from deployments.placement.simulation.world import STOP_SECONDS, Policy, World

OURS = Rules()
QUANTUM = Rules(turn=1.0, turn_per_load=0.0, linger=0.0)
INTERVAL = 0.1


class Timed:
    """A policy, and what each of its decisions cost."""

    def __init__(self, decide: Policy) -> None:
        self.decide = decide
        self.milliseconds: list[float] = []

    def __call__(self, *facts: object, **more: object) -> Decision:
        gc.disable()  # it would go through the objects of the simulation
        start = time.process_time()
        decision = self.decide(*facts, **more)  # ty: ignore[invalid-argument-type]
        self.milliseconds.append((time.process_time() - start) * 1e3)
        gc.enable()
        return decision


def policies() -> dict[str, Policy]:
    return {
        "ours": partial(policy.decide, rules=OURS),
        "1 s quantum": partial(policy.decide, rules=QUANTUM),
        "scale to zero": ScaleToZero(),
    }


def head(title: str) -> None:
    print(f"\n{title}")
    print(f"{'':22}{'answered':>9}{'left':>7}{'loads':>7}{'p50 s':>8}{'p95 s':>8}{'max s':>8}{'at work':>9}")


def row(name: str, what: Report) -> None:
    print(
        f"{name:22}{what.answered:9}{what.unanswered:7}{what.loads:7}{what.p50:8.2f}{what.p95:8.2f}{what.longest:8.2f}"
        f"{what.working:9.0%}",
        flush=True,
    )


def compare(
    title: str,
    cards: Sequence[Card],
    footprints: Mapping[str, Footprint],
    source: Callable[[], Source],
    seconds: float,
    interval: float = INTERVAL,
) -> dict[str, Report]:
    head(title)
    found = {}
    for name, decide in policies().items():
        timed = Timed(decide)
        world = World(cards, footprints, timed, interval=interval)
        world.run(source(), until=seconds)
        found[name] = report(world, seconds)
        row(name, found[name])
        if len(cards) > 8 and name == "ours":
            costs = sorted(timed.milliseconds)
            replicas = sum(map(len, world.processes.values()))
            print(
                f"{'':22}{len(costs)} decisions over {len(cards)} cards, {len(footprints)} models, {replicas} replicas:"
                f" p50 {quantile(costs, 0.5):.1f}, p95 {quantile(costs, 0.95):.1f}, max {costs[-1]:.1f} ms of CPU"
            )
    return found


def twelve_clients() -> None:
    footprints = {name: Footprint(need=6 * GB, load_seconds=1.5) for name in ("a", "b", "c")}
    cards = [Card("card", 10 * GB)]
    found = compare(
        "Twelve clients over three models that exclude each other, one card, 120 s",
        cards,
        footprints,
        lambda: Clients([name for name in footprints for _ in range(4)], (0.15, 0.3), end=120.0),
        120.0,
    )
    measures = {"longest_request": 0.3, "stop_seconds": STOP_SECONDS, "interval": INTERVAL}
    bound = longest_wait(footprints, cards, OURS, **measures)
    of_request = longest_request_wait(bound, footprints["a"], OURS, ahead=3, longest_request=0.3)
    ratio = found["ours"].answered / found["1 s quantum"].answered
    print(f"{ratio:.2f} times the requests of the quantum; a deployment waits {bound:.1f} s at most, ", end="")
    print(f"a request {of_request:.1f} s")


def turns() -> None:
    head("The same by length of the turn")
    footprints = {name: Footprint(need=6 * GB, load_seconds=1.5) for name in ("a", "b", "c")}
    for turn in (1.0, 3.0, 6.0, 12.0, 24.0):
        rules = Rules(turn=turn, turn_per_load=0.0)
        world = World([Card("card", 10 * GB)], footprints, partial(policy.decide, rules=rules), interval=INTERVAL)
        clients = Clients([name for name in footprints for _ in range(4)], (0.15, 0.3), end=120.0)
        world.run(clients, until=120.0)
        row(f"{turn:g} s", report(world, 120.0))


def studio() -> dict[str, Footprint]:
    """The models of the product on a 10 GB card."""
    return {
        "voice": Footprint(need=5 * GB, load_seconds=4.0),
        "speech": Footprint(need=3 * GB, load_seconds=2.0),
        "portrait": Footprint(need=7 * GB, load_seconds=5.0),
        "lipsync": Footprint(need=5 * GB, load_seconds=4.0),
    }


def one_card() -> None:
    rates = {"voice": 0.02, "speech": 0.03, "portrait": 0.01, "lipsync": 0.02}
    work = {"voice": 3.0, "speech": 1.0, "portrait": 6.0, "lipsync": 8.0}
    compare(
        "Voice 5, speech 3, portrait 7, lip-sync 5 GB on one card of 10 GB, one request in 12 s, one hour",
        [Card("card", 10 * GB)],
        studio(),
        lambda: poisson(rates, work, 3600.0, Random(1)),
        3600.0,
    )


def eight_cards() -> None:
    footprints = {f"model-{i}": Footprint(need=(3 + i % 5) * GB, load_seconds=3.0, max_replicas=4) for i in range(24)}
    rates = {name: 5.0 * share for name, share in zip(footprints, popularity(24), strict=True)}
    compare(
        "24 models of 3 to 7 GB on eight cards of 10 GB, 5 requests a second by Zipf's law, 10 minutes",
        [Card(f"card-{i}", 10 * GB) for i in range(8)],
        footprints,
        lambda: poisson(rates, dict.fromkeys(rates, 1.0), 600.0, Random(2)),
        600.0,
    )


def thousand_cards() -> None:
    cards, footprints = mixed(Random(3))
    rates = {name: 200.0 * share for name, share in zip(footprints, popularity(MODELS), strict=True)}
    compare(
        "500 models of 2 to 35 GB on 1,000 cards of 10 to 80 GB, 200 requests a second of 5 s, 60 s from empty",
        cards,
        footprints,
        lambda: poisson(rates, dict.fromkeys(rates, 5.0), 60.0, Random(4)),
        60.0,
        interval=0.5,
    )


def against_the_optimum() -> None:
    print("\nAgainst the optimum of one who knows all requests beforehand")
    print(f"{'200 small cases':42}{'ours':>9}{'optimum':>9}{'ratio':>8}")
    need = {"a": 3, "b": 4, "c": 5, "d": 7}
    mine = best = 0
    for seed in range(200):
        random = Random(seed)
        names = random.choices(list(need), k=12)
        requests = [Request(name, 20.0 * i, 1.0) for i, name in enumerate(names)]
        world = World(
            [Card("card", 10)], {name: Footprint(need=size) for name, size in need.items()}, policies()["ours"]
        )
        world.run(Recorded(requests))
        mine += world.loads
        best += fewest_loads(names, need, 10)
    print(f"{'loads, one request after the other':42}{mine:9}{best:9}{mine / best:8.2f}")
    waits = least = mine_end = best_end = work = 0.0
    load = {"a": 1.0, "b": 1.0, "c": 1.0}
    footprints = {name: Footprint(need=6, load_seconds=1.0) for name in load}
    for seed in range(200):
        random = Random(seed)
        requests = [Request(random.choice("abc"), random.uniform(0, 10), random.uniform(0.2, 1.0)) for _ in range(12)]
        world = World([Card("card", 10)], footprints, policies()["ours"], interval=0.02)
        world.run(Recorded(requests))
        waits += sum(request.waited or 0.0 for request in world.served)
        mine_end += max(request.done or 0.0 for request in world.served)
        wait, end = least_wait(requests, load, STOP_SECONDS)
        least, best_end = least + wait, best_end + end
        work += sum(request.seconds for request in requests)
    print(f"{'seconds waited, models excluding each other':42}{waits:9.0f}{least:9.0f}{waits / least:8.2f}")
    print(f"{'seconds until all is answered':42}{mine_end:9.0f}{best_end:9.0f}{mine_end / best_end:8.2f}")
    mine_use, best_use = work / mine_end, work / best_end
    print(f"{'of them the card at work':42}{mine_use:9.0%}{best_use:9.0%}{mine_use / best_use:8.2f}")


def recorded(path: Path) -> None:
    requests = read(path)
    names = sorted({request.deployment for request in requests.requests})
    compare(
        f"{path.name}: {len(requests.requests)} requests for {len(names)} models",
        [Card("card", 10 * GB)],
        {name: Footprint(need=6 * GB, load_seconds=2.0) for name in names},
        lambda: read(path),
        max((request.arrival for request in requests.requests), default=0.0) + 600.0,
    )


def main() -> None:
    twelve_clients()
    turns()
    one_card()
    eight_cards()
    thousand_cards()
    against_the_optimum()
    for name in sys.argv[1:]:
        recorded(Path(name))


if __name__ == "__main__":
    main()
