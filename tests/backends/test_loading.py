"""From a registry row to a model: what is imported, checked, refused and built."""

import sys
import textwrap

import pytest

from deployments.backends import registry
from deployments.backends.loading import PROTOCOLS
from deployments.backends.registry import CAPABILITIES, Backend
from pipeline.errors import SettingsError

SOURCE = """
from __future__ import annotations
from pathlib import Path
from typing import Literal


class Lamp: ...

class Drawer:
    def __init__(
        self,
        *,
        folder: Path,
        shade: float = 0.5,
        count: int = 2,
        loud: bool = False,
        mood: Literal["glad", "sad"] = "glad",
        sides: tuple[int, ...] = (),
        lamp: Lamp | None = None,
        loose="anything",
    ):
        if count < 0:
            raise ValueError("count must not be negative")
        self.given = dict(folder=folder, shade=shade, count=count, loud=loud, mood=mood, sides=sides, loose=loose)

    def draw(self, request): ...


class Bare:
    def draw(self, request): ...


class Mute:
    def voices(self): ...

    speak = "not a method"


class NeedsMore:
    def __init__(self):
        import a_module_that_nobody_has

    def draw(self, request): ...


class Unresolved:
    def __init__(self, *, thing: Missing = None): ...

    def draw(self, request): ...


class NoType:
    def __init__(self, *, thing: function | None = None): ...

    def draw(self, request): ...


def function(): ...
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "acme_drawing.py").write_text(textwrap.dedent(SOURCE))
    (tmp_path / "acme_broken.py").write_text("import a_module_that_nobody_has\n")
    (tmp_path / "acme_old.py").write_text("from json import something_it_lacks\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "acme_drawing"
    for name in ("acme_drawing", "acme_broken", "acme_old"):
        sys.modules.pop(name, None)


def row(target: str, capability="avatar", install="pip install acme") -> Backend:
    return Backend(capability, "acme", target, install=install)


def refused(backend: Backend, options=None) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        registry.load(backend, options)
    return caught.value


def test_options_arrive_as_the_types_that_the_constructor_names(module):
    options = {"folder": "/srv", "shade": 1, "count": 3, "loud": True, "mood": "sad", "sides": [1, 2], "loose": [None]}
    built = registry.load(row("acme_drawing:Drawer"), options)
    given = {name: value for name, value in built.given.items() if name != "folder"}
    assert given == {"shade": 1.0, "count": 3, "loud": True, "mood": "sad", "sides": (1, 2), "loose": [None]}
    assert built.given["folder"].parts == ("/", "srv")


def test_what_is_not_given_keeps_its_default(module):
    assert registry.load(row("acme_drawing:Drawer"), {"folder": "/srv"}).given["count"] == 2


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        ({}, "missing_option", "options.acme.folder"),
        ({"folder": "/srv", "colour": 1}, "unknown_option", "options.acme.colour"),
        ({"folder": 3}, "invalid_option", "options.acme.folder"),
        ({"folder": "/srv", "shade": "0.5"}, "invalid_option", "options.acme.shade"),
        ({"folder": "/srv", "shade": True}, "invalid_option", "options.acme.shade"),
        ({"folder": "/srv", "shade": None}, "invalid_option", "options.acme.shade"),
        ({"folder": "/srv", "count": 2.5}, "invalid_option", "options.acme.count"),
        ({"folder": "/srv", "count": True}, "invalid_option", "options.acme.count"),
        ({"folder": "/srv", "loud": 1}, "invalid_option", "options.acme.loud"),
        ({"folder": "/srv", "mood": "angry"}, "invalid_option", "options.acme.mood"),
        ({"folder": "/srv", "sides": [1, "2"]}, "invalid_option", "options.acme.sides"),
        ({"folder": "/srv", "lamp": 1}, "invalid_option", "options.acme.lamp"),
        ({"folder": "/srv", "loose": object()}, "invalid_option", "options.acme.loose"),
        ({"folder": "/srv", "count": -1}, "invalid_option", "options.acme"),
    ],
)
def test_an_option_that_does_not_fit(module, options, code, field):
    error = refused(row("acme_drawing:Drawer"), options)
    assert (error.code, error.field) == (code, field)
    assert error.message.startswith(f"{field}: ")
    assert error.accepted


def test_an_unknown_option_lists_the_valid_ones(module):
    error = refused(row("acme_drawing:Drawer"), {"folder": "/srv", "colour": 1})
    assert error.accepted == "folder, shade, count, loud, mood, sides, lamp, loose"
    assert refused(row("acme_drawing:Bare"), {"colour": 1}).accepted == "none"


@pytest.mark.parametrize(
    ("target", "capability", "says"),
    [
        ("acme_absent:Drawer", "avatar", "there is no module 'acme_absent'"),
        ("acme_drawing.inner:Drawer", "avatar", "there is no module 'acme_drawing.inner'"),
        ("acme_drawing:Absent", "avatar", "acme_drawing has no 'Absent'"),
        ("acme_drawing", "avatar", "acme_drawing has no ''"),
        ("acme_drawing:function", "avatar", "is not a class"),
        ("acme_drawing:Mute", "voice", "is no VoiceModel: it has no speak, tint"),
        ("acme_drawing:Bare", "lipsync", "is no LipsyncModel: it has no animate"),
    ],
)
def test_a_row_that_points_to_no_backend(module, target, capability, says):
    error = refused(row(target, capability))
    assert says in error.message
    assert error.code == "invalid_backend"


@pytest.mark.parametrize("name", ["Unresolved", "NoType"])
def test_annotations_that_can_not_be_resolved(module, name):
    assert "can't be resolved" in refused(row(f"acme_drawing:{name}"), {"thing": 1}).message


@pytest.mark.parametrize("target", ["acme_broken:Drawer", "acme_old:Drawer", "acme_drawing:NeedsMore"])
def test_a_missing_dependency_says_what_to_install(module, target):
    error = refused(row(target))
    assert error.code == "missing_dependency"
    assert error.accepted == "pip install acme"
    assert refused(row(target, install="")).accepted == "an installation of all its dependencies"


def test_the_options_can_be_listed(module):
    listed = {option.name: option for option in registry.options(row("acme_drawing:Drawer"))}
    assert listed["sides"].type == "tuple[int, ...]"
    assert listed["count"].default == 2
    assert list(listed)[:2] == ["folder", "shade"]


def test_every_capability_has_its_protocol():
    assert set(PROTOCOLS) == set(CAPABILITIES)
