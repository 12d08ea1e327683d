"""Of Ray's and Serve's insides: what happens where another version of them is built otherwise."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from ray._private import worker

from deployments import private_ray
from deployments.placement.berth import _number
from deployments.placement.private_serve import Controller, outbox


def holding(resources: Any) -> SimpleNamespace:
    return SimpleNamespace(mode=None, core_worker=SimpleNamespace(resource_ids=lambda: resources))


def test_a_card_is_numbered_as_ray_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "global_worker", holding({"GPU": [(3, 0.5)]}))
    assert (private_ray.card(), _number(["GPU-8a"])) == (3, 3)
    monkeypatch.setattr(worker, "global_worker", holding({}))
    assert (private_ray.card(), _number([])) == (None, 0)


@pytest.mark.parametrize(
    "built", [SimpleNamespace(mode=None), holding(None), holding({"GPU": [()]}), holding({"GPU": 1})]
)
def test_where_ray_does_not_say_the_public_name_counts(built: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "global_worker", built)
    assert private_ray.card() is None
    assert [_number(names) for names in ([2], ["1"], ["GPU-8a"], [])] == [2, 1, 0, 0]
    assert Controller.here() is None


def test_where_serve_has_no_such_outbox_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def send(message: Any) -> None: ...

    monkeypatch.setitem(sys.modules, "ray.serve._private.http_util", None)
    assert outbox(send) is None
