"""The whole application with models that need a card: what the coordinator shows, asks for and keeps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.operations import Operations
from pipeline.contracts.placement import ModelWish, Placement
from pipeline.errors import UnknownName
from tests.placement import cards, weighted

pytestmark = pytest.mark.cluster

NAMES = ("clone", "greedy", "draw")
PATIENCE = 150
APP = "mouthpiece"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("application")


@pytest.fixture(scope="module")
def application(folder: Path) -> Iterator[None]:
    """Models on one card beside the embedded ones, which need none. One of them never gets ready."""
    from deployments.placement import private_serve
    from pipeline import cascade

    cards.register(folder / "site", NAMES)
    options: dict[str, dict[str, Any]] = {name: {"weights": str(cards.write_weights(folder, name))} for name in NAMES}
    options["greedy"]["extra"] = int(2 * weighted.SCALE * 2**30)
    options["draw"]["hangs"] = True
    said = {
        "storage": {"folder": str(folder / "data")},
        "voice": {"backends": ["espeak", *NAMES]},
        "gpu": {"budget_gigabytes": weighted.CARD, "margin_megabytes": 0},
        "placement": {"start_seconds": 15.0},
        "options": options,
    }
    with cards.cluster(folder / "site", cards=1):
        settings = cascade.resolve(said, {}, vram_gigabytes=None)
        private_serve.deploy("deployments.app:build", settings.args(), name=APP, route_prefix=None)
        yield


def call(method: str, *arguments: Any) -> Any:
    from ray import serve

    async def called() -> Any:
        return await getattr(Operations(serve.get_deployment_handle("coordinator", APP)), method)(*arguments)

    return asyncio.run(called())


def states(placement: Placement) -> dict[str, str]:
    return {who.model: who.state for card in placement.cards for who in card.occupants}


def test_a_model_is_loaded_and_seen_on_its_card(application: None) -> None:
    call("ask_model", "voice-clone", ModelWish(action="load", keep_seconds=600))
    cards.until(lambda: states(call("placement")).get("voice-clone") == "running", "it is there", PATIENCE)
    # What it measured of itself comes a moment after it runs.
    cards.until(lambda: call("placement").cards[0].occupants[0].measured_gigabytes > 0, "it is weighed", PATIENCE)
    found = call("placement")
    [card] = found.cards
    [who] = card.occupants
    assert card.budget_gigabytes == pytest.approx(weighted.CARD, abs=1e-3)
    assert who.reserved_gigabytes == pytest.approx(5 * weighted.SCALE, abs=1e-3)
    assert who.measured_gigabytes <= who.reserved_gigabytes
    assert {model.model for model in found.models} == {f"voice-{name}" for name in NAMES}
    assert next(model.keep_seconds for model in found.models if model.model == "voice-clone") == 600
    assert any("voice-clone starts" in decision.text for decision in found.decisions)
    status = {part.name: part for part in call("status").deployments}
    assert status["voice-clone"].reserved_gigabytes == pytest.approx(5 * weighted.SCALE, abs=1e-3)
    assert status["voice-clone"].measured_gigabytes == pytest.approx(who.measured_gigabytes)
    assert status["voice-espeak"].reserved_gigabytes == 0


def test_a_model_that_needs_no_card_is_none_of_them(application: None) -> None:
    with pytest.raises(UnknownName) as raised:
        call("ask_model", "voice-espeak", ModelWish(action="load"))
    assert raised.value.accepted is not None
    assert "voice-clone" in raised.value.accepted


def test_what_a_model_was_found_to_need_is_kept_in_the_data_folder(application: None, folder: Path) -> None:
    from ray import serve

    with pytest.raises(Exception, match="ran out of"):
        serve.get_deployment_handle("voice-greedy", APP).call.remote("voices").result(timeout_s=PATIENCE)
    path = folder / "data" / "footprints.json"
    cards.until(path.exists, "the file is written", PATIENCE)
    [(key, size)] = json.loads(path.read_text())["bytes"].items()
    assert key.startswith("voice-greedy ")
    assert size > 4 * weighted.SCALE * 2**30


def test_a_model_that_never_gets_ready_gives_its_room_back(application: None) -> None:
    from ray import serve

    waiting = serve.get_deployment_handle("voice-draw", APP).call.remote("voices")
    cards.until(lambda: states(call("placement")).get("voice-draw") == "starting", "it starts", PATIENCE)
    given_up = "voice-draw .*leaves .*stuck"
    cards.until(lambda: _decided(given_up), "it is given up", PATIENCE)
    waiting.cancel()
    clone = serve.get_deployment_handle("voice-clone", APP).call.remote("voices")
    assert clone.result(timeout_s=PATIENCE)[0]


def _decided(pattern: str) -> bool:
    import re

    return any(re.search(pattern, decision.text) for decision in call("placement").decisions)
