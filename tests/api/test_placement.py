"""Placement over HTTP on a machine without cards; with them: tests/placement/test_on_ray.py."""

from __future__ import annotations

import httpx
import pytest

from clients.python.client import Client
from pipeline.contracts.placement import ModelWish
from pipeline.errors import UnknownName

pytestmark = pytest.mark.server


def test_without_a_model_that_needs_a_card_nothing_stands_there(server: str) -> None:
    answer = httpx.get(f"{server}/api/v1/system/gpus", timeout=30)
    assert answer.status_code == 200
    assert answer.json() == {
        "at": None,
        "cards": [],
        "placeless": [],
        "waiting": [],
        "models": [],
        "decisions": [],
    }


def test_a_model_that_needs_no_card_can_not_be_loaded(server: str) -> None:
    with Client(server) as client, pytest.raises(UnknownName) as raised:
        client.ask_model("voice-espeak", ModelWish(action="load"))
    assert raised.value.field == "model"


@pytest.mark.parametrize("body", [{"action": "eject"}, {"keep_seconds": -1}, {"pinned": "maybe"}, {"other": 1}])
def test_a_wish_that_is_none_is_refused(server: str, body: dict) -> None:
    answer = httpx.post(f"{server}/api/v1/system/models/voice-xtts", json=body, timeout=30)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"]
