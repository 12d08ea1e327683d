"""Models that do not fit together take turns on a real Ray cluster: real processes and files, a logical card."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray.exceptions import RayTaskError

from deployments.handles import HandleModels
from deployments.placement.board import Board
from deployments.placement.wishes import Wishes
from pipeline.contracts.placement import ModelWish
from pipeline.errors import BackendFailed
from tests.placement import cards, weighted

pytestmark = pytest.mark.cluster

NAMES = ("clone", "tts", "draw", "lips", "greedy")
PATIENCE = 120
"""Seconds until a test gives up; the machine may be busy with other tests."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cards")


@pytest.fixture(scope="module")
def weights(folder: Path) -> dict[str, str]:
    cards.register(folder / "site", NAMES)
    return {name: str(cards.write_weights(folder, name)) for name in NAMES}


@pytest.fixture(scope="module")
def card(folder: Path, weights: dict[str, str]) -> Iterator[None]:
    """One card of 10 gigabytes, scaled, for models of 5, 3, 7, 5 and 4, the last of which needs more than it says."""
    with cards.cluster(folder / "site", cards=1):
        options: dict[str, dict[str, Any]] = {name: {"weights": path} for name, path in weights.items()}
        options["greedy"]["extra"] = int(2 * weighted.SCALE * 2**30)
        cards.deploy(folder, NAMES, options=options)
        yield


class Sampler:
    """Looks at Ray's own accounts of the card all the time, and at the policy's view of who lies on it."""

    def __init__(self) -> None:
        self.least = 1.0
        self.seen: set[frozenset[str]] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        import ray

        while not self._ended.is_set():
            self.least = min(self.least, ray.available_resources().get("GPU", 0.0))
            entries = cards.view().get("residents", ())
            self.seen.add(frozenset(entry["deployment"] for entry in entries if entry["phase"] == "running"))
            time.sleep(0.02)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def running() -> set[str]:
    return {entry["deployment"] for entry in cards.view().get("residents", ()) if entry["phase"] == "running"}


def wishes() -> Wishes:
    return Wishes(Board(cards.APP), [f"voice-{name}" for name in NAMES])


def replica_of(name: str) -> dict[str, Any]:
    entries = [e for e in cards.view()["residents"] if e["deployment"] == f"voice-{name}" and e["phase"] == "running"]
    return entries[0] if entries else {}


def busy(ask: Callable[[], Any]) -> Any:
    """A request that is worked on as far as the policy knows: asked again where it was over before anybody looked."""
    asked = [ask()]

    def working() -> bool:
        try:
            asked[-1].result(timeout_s=0)
        except TimeoutError:
            return any(entry["ongoing"] for entry in cards.view()["residents"])
        asked.append(ask())
        return False

    cards.until(working, "it works")
    return asked[-1]


def test_models_that_do_not_fit_together_take_turns_within_the_budget(card: None) -> None:
    order = ["clone", "tts", "draw", "lips", "clone", "draw", "tts"]
    with Sampler() as sampler:
        sums = {}
        for name in order:
            tint, _ = cards.ask(name).result(timeout_s=PATIENCE)
            assert sums.setdefault(name, tint.pitch_hz) == tint.pitch_hz, "the weights are whole every time"
    assert len(set(sums.values())) == 3, "each answers with its own weights; two have the same size"
    assert sampler.least >= 0
    for together in sampler.seen:
        size = sum(weighted.SIZES[name.removeprefix("voice-")] for name in together)
        assert size <= 10, f"{together} don't fit on the card together"
    assert {"voice-clone", "voice-tts"} <= set().union(*sampler.seen)


def test_what_fits_stays(card: None) -> None:
    for name in ("clone", "tts"):
        cards.ask(name).result(timeout_s=PATIENCE)
    cards.until(lambda: {"voice-clone", "voice-tts"} <= running(), "both are resident")
    before = {name: replica_of(name)["replica"] for name in ("clone", "tts")}
    for name in ("clone", "tts") * 3:
        cards.ask(name).result(timeout_s=PATIENCE)
    assert {name: replica_of(name)["replica"] for name in ("clone", "tts")} == before


def test_a_busy_model_is_never_cut(card: None) -> None:
    cards.ask("draw").result(timeout_s=PATIENCE)
    long = busy(lambda: cards.ask("draw", 1500))
    other = cards.ask("clone")
    tint, spent = long.result(timeout_s=PATIENCE)
    assert spent.ended - spent.began >= 1.4, "clocks may be set meanwhile"
    assert tint.pitch_hz > 0
    other.result(timeout_s=PATIENCE)


def test_a_model_that_needs_more_than_it_says_gets_it_and_its_neighbour_notices_nothing(card: None) -> None:
    cards.ask("tts").result(timeout_s=PATIENCE)
    # Room for both: which of two idle ones went would hang on what the policy has heard of their last use.
    for name in ("clone", "draw", "lips"):
        wishes().ask(f"voice-{name}", ModelWish(action="unload"))
    cards.until(lambda: running() == {"voice-tts"}, "nothing else is there", PATIENCE)
    neighbour = cards.until(lambda: replica_of("tts").get("replica"), "the neighbour is there")
    with pytest.raises(Exception, match="ran out of") as raised:
        cards.ask("greedy").result(timeout_s=PATIENCE)
    failure = getattr(raised.value, "cause", raised.value)
    assert isinstance(failure, BackendFailed)
    assert failure.code == "out_of_memory"
    assert failure.retryable
    assert failure.accepted is not None
    # Worth another try, until the replica that has too little is replaced.
    tint, _ = cards.until(_enough, "it gets what it needs")
    assert tint.pitch_hz > 0
    need = cards.until(lambda: cards.view()["models"]["voice-greedy"]["need"], "the need is known")
    assert need >= int(0.9 * 4 * weighted.SCALE * 2**30) + int(2 * weighted.SCALE * 2**30)
    assert replica_of("tts").get("replica") == neighbour, cards.view()["decisions"]


def _enough() -> Any:
    try:
        return cards.ask("greedy").result(timeout_s=PATIENCE)
    except (BackendFailed, RayTaskError) as error:
        failure = getattr(error, "cause", error)  # Ray wraps what a replica raised
        if isinstance(failure, BackendFailed) and failure.code == "out_of_memory":
            return None
        raise


def test_a_killed_replica_gives_its_room_back(card: None) -> None:
    cards.ask("draw").result(timeout_s=PATIENCE)
    pid = cards.until(lambda: replica_of("draw").get("pid"), "it is resident")
    os.kill(pid, signal.SIGKILL)
    tint, _ = cards.ask("clone").result(timeout_s=PATIENCE)
    assert tint.pitch_hz > 0
    tint, _ = cards.ask("draw").result(timeout_s=PATIENCE)
    assert tint.pitch_hz > 0


def test_a_call_caught_in_a_dying_replica_is_answered_by_another(card: None) -> None:
    models = HandleModels({"voice": {name: cards.handle(name) for name in NAMES}})
    cards.ask("clone").result(timeout_s=PATIENCE)
    pid = cards.until(lambda: replica_of("clone").get("pid"), "it is resident")

    async def caught() -> Any:
        while True:  # asked again where it was over before anybody looked
            asking = asyncio.create_task(models.tint("clone", np.zeros(1, np.float32), 2000))
            while not asking.done():
                if (await asyncio.to_thread(replica_of, "clone")).get("ongoing"):
                    os.kill(pid, signal.SIGKILL)
                    return await asking
                await asyncio.sleep(0.02)

    assert asyncio.run(caught()).pitch_hz > 0


def test_a_killed_controller_goes_by_what_is_resident(card: None) -> None:
    import ray

    cards.ask("tts").result(timeout_s=PATIENCE)
    before = cards.until(lambda: replica_of("tts").get("replica"), "it is resident")
    controller = ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    os.kill(ray.get(controller.get_pid.remote()), signal.SIGKILL)
    killed = time.time()
    cards.until(lambda: cards.view()["at"] > killed + 1, "a new policy decides", PATIENCE)
    cards.until(lambda: replica_of("tts"), "it is known again")
    assert replica_of("tts").get("replica") == before, "it was not loaded anew"
    for name in ("draw", "tts"):
        cards.ask(name).result(timeout_s=PATIENCE)


def test_a_model_is_loaded_pinned_and_unloaded_on_request(card: None) -> None:
    wishes().ask("voice-draw", ModelWish(action="load"))
    cards.until(lambda: "voice-draw" in running(), "it is loaded", PATIENCE)
    wishes().ask("voice-draw", ModelWish(action="unload"))
    cards.until(lambda: "voice-draw" not in running(), "it has gone", PATIENCE)
    wishes().ask("voice-tts", ModelWish(pinned=True))
    cards.until(lambda: "voice-tts" in running(), "a pinned model is loaded", PATIENCE)
    pinned = replica_of("tts")["replica"]
    for name in ("clone", "lips", "clone"):
        cards.ask(name).result(timeout_s=PATIENCE)
    assert replica_of("tts").get("replica") == pinned, "a pinned model stays"
    wishes().ask("voice-tts", ModelWish(pinned=False))
