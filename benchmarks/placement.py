"""Models that take turns on a logical card: how long a swap takes, of what, and how many requests are served.

    python -m benchmarks.placement [--plain SECONDS] [--gigabytes 1.4]

Real Ray, real processes, real weight files; the card is only counted. Three models of 6 GB on a card of 10 GB, their
files `--gigabytes` each. Plain Ray Serve scales to zero with its default settings, which takes ten minutes of waiting,
once; `--plain 15` has it scale down after 15 seconds instead. Wants an idle machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
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
SECONDS: Final = 40.0
SWAPS: Final = 7
STAGES: Final = ("decide", "leave", "process", "load", "answer")
OURS: Final = ("decide", "leave", "answer")
"""The rest is starting a process and copying weights."""


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
    parser.add_argument("--plain", type=float, help="seconds until plain Serve scales down; its default without")
    parser.add_argument("--gigabytes", type=float, default=1.4, help="of each model's weights")
    parser.add_argument("--skip", nargs="*", default=[], choices=("plain", "clients", "four"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mouthpiece-placement-") as name:
        folder = Path(name)
        cards.register(folder / "site", NAMES)
        weights = {name: str(_weights(folder, name, arguments.gigabytes)) for name in NAMES}
        one, four = 0.0, 0.0
        with cards.cluster(folder / "site", cards=1):
            _deploy(weights)
            swap = _swaps()
            if "clients" not in arguments.skip:
                one = _twelve_clients("turns of 12 s", weights, {})
                quantum = _twelve_clients("turns of 1 s", weights, {"turn": 1.0, "turn_per_load": 0.0})
                print(f"  ratio: {one / quantum:.2f} times the requests")
            if "plain" not in arguments.skip:
                plain = _plain(weights, arguments.plain)
                print(f"  ratio: {plain / swap:.0f} times faster")
        if "four" not in arguments.skip:
            with cards.cluster(folder / "site", cards=4):
                four = _four(weights)
            if one:
                print(f"  ratio: {four / one:.2f} times the requests of one card")


def _weights(folder: Path, name: str, gigabytes: float) -> Path:
    path = folder / f"{name}.safetensors"
    size = int(gigabytes * GIGABYTE) // 16
    save_file({f"layer.{i}": np.full(size, i + 1, np.uint8) for i in range(16)}, path)
    return path


def _deploy(weights: Mapping[str, str], **args: Any) -> None:
    from deployments.placement import private_serve

    private_serve.deploy(
        "benchmarks.placement:build", {"weights": dict(weights), **args}, name=cards.APP, route_prefix=None
    )


def _swaps() -> float:
    """Prints the stages of a swap; returns its median seconds."""
    from deployments.placement.board import Board

    for name in NAMES[:2]:  # the second has its file read once
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
    print(f"Swap, {SWAPS} times, seconds (median, worst):")
    for stage in (*STAGES, "all"):
        values = [row[stage] for row in rows]
        print(f"  {stage:<10}{statistics.median(values):8.2f}{max(values):8.2f}")
    decided = statistics.median(sum(row[stage] for stage in OURS) for row in rows)
    print(f"  of which neither process nor copy: {decided:.2f}")
    return statistics.median(row["all"] for row in rows)


def _settled(name: str) -> dict[str, Any] | None:
    view = cards.view()
    there = [e for e in view["residents"] if e["deployment"] == f"voice-{name}" and e["phase"] == "running"]
    return view if there else None


def _plain(weights: Mapping[str, str], delay: float | None) -> float:
    """One swap by Serve itself; returns its seconds."""
    settings = {} if delay is None else {"downscale_delay_s": delay}
    _deploy(weights, plain=settings)
    cards.ask("alpha", WORK_MILLISECONDS).result(timeout_s=300)
    asked = time.monotonic()
    cards.ask("beta", WORK_MILLISECONDS).result(timeout_s=1800)
    seconds = time.monotonic() - asked
    said = "its default settings" if delay is None else f"its default settings, but a downscale delay of {delay:g} s"
    print(f"Plain Ray Serve, scale to zero with {said}: {seconds:.1f} s for one swap")
    return seconds


def _twelve_clients(label: str, weights: Mapping[str, str], terms: Mapping[str, float]) -> float:
    """Requests in `SECONDS`, of clients that each want one model and ask again as soon as they are answered."""
    _deploy(weights, terms={"turn": 12.0, **terms})
    cards.ask("alpha", 0).result(timeout_s=300)
    waits = _load(SECONDS)
    print(f"{CLIENTS} clients, three models that exclude each other, {label}: {len(waits)} requests in {SECONDS:g} s")
    print(f"  wait: median {statistics.median(waits):.2f} s, worst {max(waits):.2f} s")
    if not terms:
        print(f"  bound on the wait of a model with a load of 3 s: {_bound():.0f} s")
    return float(len(waits))


def _bound() -> float:
    from deployments.placement.bound import longest_wait
    from deployments.placement.facts import Card, Footprint, Rules

    footprints = {name: Footprint(NEED, load_seconds=3.0) for name in NAMES}
    rules = Rules(turn=12.0)
    spent = WORK_MILLISECONDS / 1000
    return longest_wait(footprints, [Card("a", CARD)], rules, longest_request=spent, stop_seconds=0.5, interval=0.05)


def _four(weights: Mapping[str, str]) -> float:
    _deploy(weights)
    for response in [cards.ask(name, 0) for name in NAMES]:
        response.result(timeout_s=300)
    _load(10.0)  # until there are as many replicas as there is room for
    before = {entry["replica"] for entry in cards.view()["residents"]}
    waits = _load(SECONDS)
    gone = before - {entry["replica"] for entry in cards.view()["residents"]}
    print(f"Four cards: {len(waits)} requests in {SECONDS:g} s; models that left their card meanwhile: {len(gone)}")
    return float(len(waits))


def _load(seconds: float) -> list[float]:
    """Seconds from asking to the answer, of every request that was asked for within so long."""
    waits: list[float] = []
    end = time.monotonic() + seconds

    def client(name: str) -> None:
        while (asked := time.monotonic()) < end:
            cards.ask(name, WORK_MILLISECONDS).result(timeout_s=600)
            if time.monotonic() <= end:
                waits.append(time.monotonic() - asked)

    threads: Sequence[threading.Thread] = [
        threading.Thread(target=client, args=(NAMES[i % len(NAMES)],)) for i in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


if __name__ == "__main__":
    main()
