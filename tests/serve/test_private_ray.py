"""Of Ray's and Serve's insides: what happens where another version of them is built otherwise."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from deployments import private_ray
from deployments.placement.berth import card_number
from deployments.placement.private_serve import Controller, outbox


def holding(resources: Any) -> SimpleNamespace:
    return SimpleNamespace(core_worker=SimpleNamespace(resource_ids=lambda: resources))


def test_a_card_is_numbered_as_ray_counts() -> None:
    assert private_ray.card(lambda: holding({"GPU": [(3, 0.5)]})) == 3
    assert card_number(3, ["GPU-8a"]) == 3
    assert private_ray.card(lambda: holding({})) is None
    assert card_number(None, []) == 0


def test_a_process_that_is_no_worker_has_no_card() -> None:
    assert private_ray.card() is None
    assert Controller.here() is None


@pytest.mark.parametrize("built", [SimpleNamespace(), holding(None), holding({"GPU": [()]}), holding({"GPU": 1})])
def test_where_ray_does_not_say_the_public_name_counts(built: Any) -> None:
    assert private_ray.card(lambda: built) is None
    assert [card_number(None, names) for names in ([2], ["1"], ["GPU-8a"], [])] == [2, 1, 0, 0]
    assert Controller.here(lambda: private_ray.actor(lambda: built)) is None


def test_where_serve_has_no_such_outbox_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def send(message: Any) -> None: ...

    monkeypatch.setitem(sys.modules, "ray.serve._private.http_util", None)
    assert outbox(send) is None
