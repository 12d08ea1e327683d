"""What the settings say for all networks reaches those backends whose constructor asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.backends import registry
from deployments.backends.descriptor import Backend
from pipeline.cascade import resolve
from pipeline.errors import SettingsError
from pipeline.settings import Settings


class Painter:
    def __init__(self, *, steps: int = 5, offload: str = "none", weights: str = "") -> None:
        self.told = steps, offload, weights

    def draw(self, request: object) -> None: ...


class Counting:
    def __init__(self, *, steps: str = "") -> None: ...

    def draw(self, request: object) -> None: ...


def row(name: str, kind: str) -> Backend:
    return Backend("avatar", name, f"{__name__}:{kind}")


def settings(**values: Any) -> Settings:
    return resolve(values, {})


def test_generation_reaches_arguments_of_the_same_name() -> None:
    asked = settings(profile="small", generation={"steps": 31})
    configured = registry.configured(row("painter", "Painter"), asked)
    assert configured == {"steps": 31, "offload": "model"}
    assert registry.load(row("painter", "Painter"), configured).told == (31, "model", "")


def test_the_backends_own_options_win() -> None:
    asked = settings(generation={"steps": 31}, options={"painter": {"steps": 2, "weights": "here"}})
    configured = registry.configured(row("painter", "Painter"), asked)
    assert configured == {"steps": 2, "offload": "none", "weights": "here"}


def test_a_backend_without_such_arguments_is_given_its_options_alone() -> None:
    asked = settings(generation={"steps": 31}, options={"meshwarp": {"threads": 1}})
    assert registry.configured(registry.find("lipsync", "meshwarp"), asked) == {"threads": 1}
    assert registry.configured(registry.find("face", "mediapipe"), asked) == {}


def test_results_depend_on_it() -> None:
    painter = row("painter", "Painter")
    prints = {
        registry.fingerprint(painter, registry.configured(painter, settings(generation={"steps": steps})))
        for steps in (20, 21)
    }
    assert len(prints) == 2


def test_an_argument_that_means_something_else_is_refused_by_name() -> None:
    counting = row("counting", "Counting")
    with pytest.raises(SettingsError) as refused:
        registry.check(counting, registry.configured(counting, settings()))
    assert refused.value.field == "options.counting.steps"
