"""`mouthpiece ps` and `mouthpiece models load|unload|pin|keep` over HTTP: from what the policy wrote on the board to
what people read, and from what they ask to what the policy is told. The board alone is not Ray's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deployments.placement.facts import FOREVER, Demand, Footprint, Phase
from deployments.placement.journal import Journal
from deployments.placement.overview import overview
from deployments.placement.wishes import Wishes
from pipeline.contracts.placement import ModelWish, Placement
from pipeline.metrics import Metrics
from pipeline.settings import Settings
from tests.clients.conftest import Ran, over_http
from tests.placement.kept_board import CARD, GIB, KeptBoard, record, resident

Command = Callable[..., Ran]

FOOTPRINTS = {
    "voice-xtts": Footprint(need=5 * GIB, pinned=True),
    "lipsync-musetalk": Footprint(need=6 * GIB, keep_alive=60.0),
}


class Cards:
    """The two operations of an application whose models need a card."""

    def __init__(self, board: KeptBoard) -> None:
        self.board = board
        self.wishes = Wishes(board, FOOTPRINTS)

    async def placement(self) -> Placement:
        return overview(self.board)

    async def ask_model(self, model: str, wish: ModelWish) -> Placement:
        self.wishes.ask(model, wish)
        return await self.placement()


@pytest.fixture(scope="module")
def board() -> KeptBoard:
    """One model idle for half a minute, another one with two requests that has to wait: the first is pinned."""
    board = KeptBoard()
    now = time.time()
    idle = resident("voice-xtts", Phase.RUNNING, now - 90, used=now - 30, ready=now - 90)
    record(Journal(board, Metrics()), [idle], {"lipsync-musetalk": Demand(2, now - 5)}, FOOTPRINTS, now)
    return board


@pytest.fixture(scope="module")
def address(board: KeptBoard, settings: Settings) -> Iterator[str]:
    operations: Any = Cards(board)
    with over_http(operations, settings) as url:
        yield url


@pytest.fixture
def command(mouthpiece: Command, address: str) -> Command:
    def run(*arguments: str) -> Ran:
        return mouthpiece(*arguments, "--server", address)

    return run


def rows(ran: Ran) -> list[list[str]]:
    assert ran.code == 0, ran.err
    return [line.split("\t") for line in ran.out.splitlines()]


def test_who_is_on_which_card_and_who_waits(command: Command) -> None:
    head, card, occupant, waits, waiter = rows(command("ps"))
    assert head == ["card", "set aside", "model", "state", "set aside for it", "took", "in use"]
    assert card[:2] == [CARD, "5.00 GB of 10.00 GB"]
    assert occupant[2:6] == ["voice-xtts", "running", "5.00 GB", "4.00 GB"]
    assert occupant[6].startswith("idle for ")
    assert waits == ["waits", "for", "requests", "because", "card"]
    assert (waiter[0], *waiter[2:]) == ("lipsync-musetalk", "2", "pinned", "")


def test_the_same_for_a_machine(command: Command, board: KeptBoard) -> None:
    assert Placement.model_validate(command("ps", "--json").json) == overview(board)


def test_models_that_need_a_card(command: Command) -> None:
    _, lips, voice = rows(command("models", "list"))
    assert lips == ["lipsync-musetalk", "6.00 GB", "0", "2", "", "", "60 s"]
    assert voice == ["voice-xtts", "5.00 GB", "1", "0", "yes", "", "until its room is needed"]


def test_what_is_asked_of_a_model_is_what_the_policy_is_told(command: Command, board: KeptBoard) -> None:
    def told() -> dict[str, Any]:
        return board.wishes()["models"]["lipsync-musetalk"]

    before = time.time()
    assert rows(command("models", "load", "lipsync-musetalk"))[1][0] == CARD, "it answers with how things stand"
    assert told()["load"] >= before
    assert rows(command("models", "unload", "lipsync-musetalk"))
    assert told()["unload"] >= before
    assert "load" not in told(), "the last word holds"
    rows(command("models", "pin", "lipsync-musetalk"))
    assert told()["pinned"] is True
    rows(command("models", "pin", "lipsync-musetalk", "--off"))
    assert told()["pinned"] is False
    rows(command("models", "keep", "lipsync-musetalk", "90"))
    assert told()["keep_alive"] == 90
    rows(command("models", "keep", "lipsync-musetalk", "forever"))
    assert told()["keep_alive"] == FOREVER
    rows(command("models", "keep", "lipsync-musetalk", "default"))
    assert "keep_alive" not in told()


@pytest.mark.parametrize("words", [("load",), ("unload",), ("pin",), ("keep", "5")], ids=lambda words: words[0])
def test_a_model_that_needs_no_card(command: Command, words: tuple[str, ...]) -> None:
    verb, *more = words
    ran = command("models", verb, "voice-espeak", *more, "--json")
    assert ran.code != 0
    assert ran.error["code"] == "unknown_name"
    assert "lipsync-musetalk, voice-xtts" in ran.error["accepted"]


def test_a_time_that_is_none(command: Command) -> None:
    ran = command("models", "keep", "voice-xtts", "soon", "--json")
    assert (ran.code != 0, ran.error["field"]) == (True, "SECONDS")


@pytest.mark.parametrize("words", [("ps",), ("models", "load", "voice-xtts")], ids=lambda words: words[-1])
def test_without_a_server_there_are_no_cards_to_speak_of(mouthpiece: Command, words: tuple[str, ...]) -> None:
    ran = mouthpiece(*words, "--json")
    assert ran.code != 0
    assert "server" in ran.error["message"]
