"""Models that take turns on a logical card: how long a swap takes, of what, and how many requests are served.

    python -m benchmarks.placement [--plain SECONDS] [--gigabytes 1.4 3] [--seconds 60] [--skip plain clients four]

Real Ray, real processes, real weight files; the card is only counted. Three models of 6 GB on a card of 10 GB, their
files `--gigabytes` each, which the operating system has in memory: they have just been written. Clients are served with
files of each of the sizes: the quicker a swap, the less is lost by swapping often. Wants an idle machine with four
times the largest size of free memory, and about eight minutes.

Plain Ray Serve scales to zero by its own policy with its default settings, but for one: it scales down after `--plain`
seconds instead of 600. What it takes with 600 would be longer by the difference, in which nothing is done but wait;
`--plain 600` waits for it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import save_file

from tests.placement import cards

NAMES: Final = ("alpha", "beta", "gamma")
GIGABYTE: Final = 2**30
CARD, NEED = 10 * GIGABYTE, 6 * GIGABYTE
WORK_MILLISECONDS: Final = 200
CLIENTS: Final = 12
SWAPS: Final = 9
STAGES: Final = ("decide", "leave", "process", "load", "answer")
OURS: Final = ("decide", "leave", "answer")
"""The rest is starting a process and copying weights."""
DEFAULT_DELAY: Final = 600.0
"""Seconds after which Serve (2.60) scales down by default."""
TURN: Final = 12.0
INTERVAL: Final = 0.2
"""Seconds between decisions and from an event until the policy is told, at most: replicas say ten times a second what
they do."""


@dataclass(frozen=True, slots=True)
class Swaps:
    """Seconds, of several swaps in a row."""

    median: float
    leave: float
    """The longest that it took from the decision until the room was free."""
    load: float
    """The longest from asked for to answering."""
    process: float
    """The same without the reading of weights."""


@dataclass(frozen=True, slots=True)
class Served:
    """What clients got."""

    answered: int
    """Within the time."""
    waits: list[float]
    """Seconds from asking until a replica began, of all that were asked, those answered after the time too."""
    load: float
    """Seconds that the slowest model took to read its weights meanwhile."""


def build(args: dict[str, Any]) -> Any:
    """The three models. `terms` go over the product's own; with `plain`, Serve's own autoscaling decides, with these
    settings."""
    from ray import serve

    from deployments.app import CPUS
    from deployments.model import Model
    from deployments.placement import arrangement
    from deployments.placement.terms import Terms

    models = {}
    for name in NAMES:
        terms = Terms(need=NEED, room=CARD, key=name, max_replicas=4, **args.get("terms", {}))
        options = arrangement.options(terms, CPUS)
        if "plain" in args:
            options["autoscaling_config"] = {"min_replicas": 0, "max_replicas": 1, **args["plain"]}
            options["graceful_shutdown_wait_loop_s"] = 2.0  # Serve's default
        deployment = serve.deployment(name=f"voice-{name}", **options)(Model)
        models[name] = deployment.bind("voice", name, {"weights": args["weights"][name]}, terms=terms)
    return serve.deployment(name="door", ray_actor_options={"num_cpus": CPUS})(cards.Door).bind(models)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", type=float, default=15.0, help="seconds until plain Serve scales down")
    parser.add_argument("--seconds", type=float, default=60.0, help="that clients ask for")
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1.4, 5.0], help="of each model's weights")
    parser.add_argument("--skip", nargs="*", default=[], choices=("plain", "clients", "four"))
    arguments = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.1f}; {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="mouthpiece-placement-") as name:
        folder = Path(name)
        cards.register(folder / "site", NAMES)
        weights = _written(folder, arguments.gigabytes[0])
        one = 0
        with cards.cluster(folder / "site", cards=1):
            _deploy(weights)
            swap = _swaps(weights)
            if "plain" not in arguments.skip:
                plain = _plain(weights, arguments.plain)
                print(f"  ratio: {plain / swap.median:.0f} times faster with that delay")
            if "clients" not in arguments.skip:
                one = _against_the_quantum(weights, arguments.seconds, swap)
                for gigabytes in arguments.gigabytes[1:]:
                    weights = _written(folder, gigabytes)
                    _deploy(weights)
                    _against_the_quantum(weights, arguments.seconds, _swaps(weights))
        if "four" not in arguments.skip:
            weights = _written(folder, arguments.gigabytes[0])
            # A process of its own: handles of the cluster that has ended live on in this one.
            alone = get_context("spawn").Process(
                target=_four_cards, args=(folder / "site", weights, arguments.seconds, one)
            )
            alone.start()
            alone.join()
            if alone.exitcode:
                raise SystemExit(alone.exitcode)


def _four_cards(site: Path, weights: Mapping[str, str], seconds: float, one: int) -> None:
    """`one` is how many requests a single card had answered, 0 where that was not measured."""
    with cards.cluster(site, cards=4):
        four = _four(weights, seconds)
    if one:
        print(f"  ratio: {four / one:.2f} times the requests of one card")


def _written(folder: Path, gigabytes: float) -> dict[str, str]:
    """A file of weights for each model; those before are removed, from under whoever has them still open."""
    for before in folder.glob("*.safetensors"):
        before.unlink()
    return {name: str(_weights(folder, name, gigabytes)) for name in NAMES}


def _against_the_quantum(weights: Mapping[str, str], seconds: float, swap: Swaps) -> int:
    """Prints what clients get by our turns and by turns of a second. Returns the requests answered by ours."""
    ours = _twelve_clients(f"turns of {TURN:g} s", weights, seconds, {"turn": TURN})
    _bound(ours, swap)
    quick = {"turn": 1.0, "turn_per_load": 0.0}
    quantum = _twelve_clients("turns of 1 s", weights, seconds, quick)
    print(f"  ratio: {ours.answered / quantum.answered:.2f} times the requests")
    return ours.answered


def _weights(folder: Path, name: str, gigabytes: float) -> Path:
    path = folder / f"{name}-{gigabytes:g}.safetensors"
    size = int(gigabytes * GIGABYTE) // 16
    save_file({f"layer.{i}": np.full(size, i + 1, np.uint8) for i in range(16)}, path)
    return path


def _deploy(weights: Mapping[str, str], **args: Any) -> None:
    from deployments.placement import private_serve

    private_serve.deploy(
        "benchmarks.placement:build", {"weights": dict(weights), **args}, name=cards.APP, route_prefix=None
    )


def _swaps(weights: Mapping[str, str]) -> Swaps:
    """Prints the stages of a swap."""
    from deployments.placement.board import Board

    for name in NAMES:  # each has its file read once
        cards.ask(name, WORK_MILLISECONDS).result(timeout_s=300)
    rows: list[dict[str, float]] = []
    for i in range(SWAPS):
        name = NAMES[i % 2]
        time.sleep(1.5)  # the other one is idle
        asked = time.time()
        cards.ask(name, 0).result(timeout_s=300)
        answered = time.time()
        view = cards.until(lambda name=name: _settled(name), "the view has it")
        replica = next(e["replica"] for e in view["residents"] if e["deployment"] == f"voice-{name}")
        report = Board(cards.APP).reported(replica)
        assert report is not None
        assert report.ready is not None
        left = next(d["at"] for d in view["decisions"] if d["kind"] == "leave" and d["at"] >= asked)
        started = next(d["at"] for d in view["decisions"] if d["kind"] == "start" and d["at"] >= asked)
        moments = (asked, left, started, report.began, report.ready, answered)
        rows.append(
            {stage: end - begin for stage, begin, end in zip(STAGES, moments[:-1], moments[1:], strict=True)}
            | {"all": answered - asked}
        )
    size = Path(next(iter(weights.values()))).stat().st_size / GIGABYTE
    print(f"Swap with weights of {size:.1f} GB, {SWAPS} times, seconds (median, worst):")
    for stage in (*STAGES, "all"):
        values = [row[stage] for row in rows]
        print(f"  {stage:<10}{statistics.median(values):8.2f}{max(values):8.2f}")
    decided = statistics.median(sum(row[stage] for stage in OURS) for row in rows)
    print(f"  of which neither process nor copy: {decided:.2f}")
    return Swaps(
        median=statistics.median(row["all"] for row in rows),
        leave=max(row["leave"] for row in rows),
        load=max(row["process"] + row["load"] + row["answer"] for row in rows),
        process=max(row["process"] + row["answer"] for row in rows),
    )


def _settled(name: str) -> dict[str, Any] | None:
    view = cards.view()
    there = [e for e in view["residents"] if e["deployment"] == f"voice-{name}" and e["phase"] == "running"]
    return view if there else None


def _plain(weights: Mapping[str, str], delay: float) -> float:
    """One swap by Serve itself, without a policy of ours; returns its seconds."""
    from ray import serve

    serve.delete(cards.APP)
    application = build({"weights": dict(weights), "plain": {"downscale_delay_s": delay}})
    serve.run(application, name=cards.APP, route_prefix=None)
    cards.ask("alpha", WORK_MILLISECONDS).result(timeout_s=300)
    asked = time.monotonic()
    cards.ask("beta", 0).result(timeout_s=1800)
    seconds = time.monotonic() - asked
    print(f"Plain Ray Serve, scale to zero, its defaults but a downscale delay of {delay:g} s: {seconds:.1f} s a swap")
    if delay < DEFAULT_DELAY:
        print(f"  with its default delay of {DEFAULT_DELAY:g} s it would be {DEFAULT_DELAY - delay:g} s more; not run")
    return seconds


def _twelve_clients(label: str, weights: Mapping[str, str], seconds: float, terms: Mapping[str, float]) -> Served:
    """Clients that each want one model and ask again as soon as they are answered."""
    _deploy(weights, terms=dict(terms))
    cards.ask("alpha", 0).result(timeout_s=300)
    served = _load(seconds)
    print(
        f"{CLIENTS} clients, three models that exclude each other, {label}: {served.answered} requests, {seconds:g} s"
    )
    print(f"  wait: median {statistics.median(served.waits):.2f} s, worst {max(served.waits):.2f} s")
    return served


def _bound(served: Served, swap: Swaps) -> None:
    """Prints how long a request may have to wait at most, by what loading and leaving were seen to take here."""
    from deployments.placement.bound import longest_request_wait, longest_wait
    from deployments.placement.facts import Card, Footprint, Rules

    load = max(swap.load, swap.process + served.load)
    footprints = {name: Footprint(NEED, load_seconds=load) for name in NAMES}
    rules, request = Rules(turn=TURN), WORK_MILLISECONDS / 1000
    measures = {"longest_request": request, "stop_seconds": swap.leave, "interval": INTERVAL}
    model = longest_wait(footprints, [Card("a", CARD)], rules, **measures)
    ahead = CLIENTS // len(NAMES) - 1
    bound = longest_request_wait(model, footprints[NAMES[0]], rules, ahead=ahead, longest_request=request)
    held = "within" if max(served.waits) <= bound else "NOT WITHIN"
    waits = f"a model waits {model:.0f} s at most, a request {bound:.0f} s"
    print(f"  {held} the bound: {waits}, where loading takes up to {load:.1f} s")


def _four(weights: Mapping[str, str], seconds: float) -> float:
    _deploy(weights)
    for response in [cards.ask(name, 0) for name in NAMES]:
        response.result(timeout_s=300)
    _load(10.0)  # until there are as many replicas as there is room for
    before = {entry["replica"] for entry in cards.view()["residents"]}
    answered = _load(seconds).answered
    gone = before - {entry["replica"] for entry in cards.view()["residents"]}
    print(f"Four cards: {answered} requests in {seconds:g} s; models that left their card meanwhile: {len(gone)}")
    return float(answered)


def _load(seconds: float) -> Served:
    """Clients ask for so long, and wait for their last answer."""
    waits: list[float] = []
    answered: list[float] = []
    end = time.time() + seconds

    def client(name: str) -> None:
        while (asked := time.time()) < end:
            _, spent = cards.ask(name, WORK_MILLISECONDS).result(timeout_s=600)
            waits.append(spent.began - asked)
            answered.append(time.time())

    with ThreadPoolExecutor(CLIENTS) as clients:
        asking = [clients.submit(client, NAMES[i % len(NAMES)]) for i in range(CLIENTS)]
        load = 0.0
        while wait(asking, timeout=0.2).not_done:  # models stay for seconds
            load = max(load, _slowest())
        for each in asking:
            each.result()
    return Served(sum(moment <= end for moment in answered), waits, load)


def _slowest() -> float:
    """Seconds that the slowest of the models that are there now took to read its weights."""
    from deployments.placement.board import Board

    board = Board(cards.APP)
    reports = (board.reported(replica) for replica in board.replicas())
    return max((report.load_seconds for report in reports if report is not None), default=0.0)


if __name__ == "__main__":
    main()
