"""A machine that dies takes its cards along: what was on them is started again where there is room."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.placement import cards

pytestmark = pytest.mark.cluster

NAMES = ("clone", "draw")
PATIENCE = 150

QUICK = {
    "RAY_health_check_initial_delay_ms": "300",
    "RAY_health_check_period_ms": "300",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "3",
}
"""How soon Ray believes that a node is dead; read by the first node."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("leaving")


@pytest.fixture(scope="module")
def one_card(folder: Path) -> Iterator[None]:
    """Models that don't fit on the one card together."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in QUICK.items():
            patched.setenv(name, value)
        cards.register(folder / "site", NAMES)
        options = {name: {"weights": str(cards.write_weights(folder, name))} for name in NAMES}
        with cards.cluster(folder / "site", cards=1):
            cards.deploy(folder, NAMES, options=options)
            yield


@contextmanager
def second_machine() -> Generator[subprocess.Popen[bytes]]:
    """Another node of the cluster, with a card of its own, on this machine."""
    node = started()
    while node.poll() is not None:  # Ray gives a node half a minute to come up, which a busy machine may not have
        node = started()
    try:
        yield node
    finally:
        power_off(node)


def started() -> subprocess.Popen[bytes]:
    """A node that is up, or has given up."""
    import ray

    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=2", "--num-gpus=1"]
    node = subprocess.Popen(
        [*start, f"--address={ray.get_runtime_context().gcs_address}", "--object-store-memory=83886080"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    cards.until(lambda: node.poll() is not None or alive() == 2, "the node is up", PATIENCE)
    return node


def alive() -> int:
    import ray

    return sum(node["Alive"] for node in ray.nodes())


def power_off(node: subprocess.Popen[bytes]) -> None:
    """Everything that runs on it, at once."""
    if node.poll() is None:
        of_it = psutil.Process(node.pid)
        for process in [of_it, *of_it.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    node.wait()


def where() -> dict[str, str]:
    """Model -> the card that it runs on."""
    return {
        entry["deployment"].removeprefix("voice-"): entry["card"]
        for entry in cards.view().get("residents", ())
        if entry["phase"] == "running"
    }


def known() -> list[str]:
    return [card["id"] for card in cards.view().get("cards", ())]


def test_a_node_that_leaves_takes_its_cards_along(one_card: None) -> None:
    cards.ask("draw").result(timeout_s=PATIENCE)
    [first] = cards.until(known, "the card is seen")
    with second_machine() as machine:
        cards.until(lambda: len(known()) == 2, "the card of the second machine is seen", PATIENCE)
        cards.ask("clone").result(timeout_s=PATIENCE)
        cards.until(lambda: set(where()) == set(NAMES), "both are resident", PATIENCE)
        assert where()["clone"] != first, "nobody had to leave for it"

        power_off(machine)
        cards.until(lambda: known() == [first], "its card is gone", PATIENCE)
        cards.until(lambda: "clone" not in where(), "what was on it is gone", PATIENCE)
        assert cards.ask("clone").result(timeout_s=PATIENCE)[0] is not None
        # It came to the card that is left, and the other made room; the view follows a moment later.
        cards.until(lambda: where() == {"clone": first}, "it is alone there", PATIENCE)
        assert cards.ask("draw").result(timeout_s=PATIENCE)[0] is not None
