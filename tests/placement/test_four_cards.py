"""Where there are cards for all, everything stays resident, and a model that is asked for much has several replicas."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.placement import cards

pytestmark = pytest.mark.cluster

NAMES = ("clone", "tts", "draw", "lips")
PATIENCE = 120


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("four")
    cards.register(folder / "site", NAMES)
    options = {name: {"weights": str(cards.write_weights(folder, name))} for name in NAMES}
    with cards.cluster(folder / "site", cards=4):
        cards.deploy(folder, NAMES, options=options)
        yield


def entries() -> list[dict]:
    return [entry for entry in cards.view().get("residents", ()) if entry["phase"] == "running"]


def replicas() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entry in entries():
        found.setdefault(entry["deployment"], set()).add(entry["replica"])
    return found


def test_everything_stays_resident_after_its_first_request(four: None) -> None:
    for response in [cards.ask(name) for name in NAMES]:
        response.result(timeout_s=PATIENCE)
    cards.until(lambda: len(replicas()) == len(NAMES), "all are resident")
    first = replicas()
    for name in NAMES * 3:
        cards.ask(name).result(timeout_s=PATIENCE)
    after = replicas()
    assert all(first[model] <= after[model] for model in first), "nobody had to leave"


def test_a_model_that_is_asked_for_much_gets_more_replicas_on_other_cards(four: None) -> None:
    enough = threading.Event()

    def client() -> None:
        while not enough.is_set():
            cards.ask("draw", 500).result(timeout_s=PATIENCE)

    with ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(client) for _ in range(4)]
        try:
            cards.until(lambda: len(replicas().get("voice-draw", ())) > 1, "there are two at least", PATIENCE)
        finally:
            enough.set()
    for each in asking:
        each.result()
    where = [entry["card"] for entry in entries() if entry["deployment"] == "voice-draw"]
    assert len(where) == len(set(where)), "two of them don't fit on one card"
    by_card: dict[str, int] = {}
    for entry in cards.view()["residents"]:
        by_card[entry["card"]] = by_card.get(entry["card"], 0) + entry["reserved"]
    budget = cards.view()["cards"][0]["budget"]
    assert all(size <= budget for card, size in by_card.items() if card is not None)
