"""The settings object: strict types, bounds, immutability, plain values and back."""

import ast
import pickle
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

import pipeline.settings
from pipeline.settings import KEYS, Settings, keys


def test_defaults_are_the_embedded_backends_on_loopback():
    settings = Settings()
    assert [settings.backends(c) for c in ("voice", "avatar", "face", "lipsync")] == [
        ("espeak",),
        ("procedural",),
        ("mediapipe",),
        ("meshwarp",),
    ]
    assert settings.server.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("values", "at"),
    [
        ({"video": {"size": "512"}}, ("video", "size")),
        ({"video": {"size": 511}}, ("video", "size")),
        ({"video": {"size": 512.0}}, ("video", "size")),
        ({"video": {"size": True}}, ("video", "size")),
        ({"video": {"fps": True}}, ("video", "fps")),
        ({"video": {"fps": "25"}}, ("video", "fps")),
        ({"video": {"fps": 1000}}, ("video", "fps")),
        ({"video": {"fps": float("nan")}}, ("video", "fps")),
        ({"video": {"preset": "placebo"}}, ("video", "preset")),
        ({"video": {"crf": 52}}, ("video", "crf")),
        ({"video": None}, ("video",)),
        ({"server": {"port": 0}}, ("server", "port")),
        ({"server": {"port": 65536}}, ("server", "port")),
        ({"server": {"host": ""}}, ("server", "host")),
        ({"ray": {"object_store_megabytes": 64}}, ("ray", "object_store_megabytes")),
        ({"storage": {"folder": "relative/folder"}}, ("storage", "folder")),
        ({"storage": {"folder": 3}}, ("storage", "folder")),
        ({"limits": {"clip_seconds_min": 10, "clip_seconds_max": 9}}, ("limits", "clip_seconds_max")),
        ({"limits": {"audio_seconds": float("inf")}}, ("limits", "audio_seconds")),
        ({"limits": {"text_characters": 1_000_001}}, ("limits", "text_characters")),
        ({"jobs": {"video": 0}}, ("jobs", "video")),
        ({"voice": {"backends": []}}, ("voice", "backends")),
        ({"voice": {"backends": "espeak"}}, ("voice", "backends")),
        ({"voice": {"backends": ["espeak", "espeak"]}}, ("voice", "backends")),
        ({"voice": {"backends": ["../espeak"]}}, ("voice", "backends", 0)),
        ({"gpu": {"budget_gigabytes": 0}}, ("gpu", "budget_gigabytes")),
        ({"gpu": {"margin_megabytes": -1}}, ("gpu", "margin_megabytes")),
        ({"generation": {"steps": 0}}, ("generation", "steps")),
        ({"server": {"host": "a b"}}, ("server", "host")),
        ({"storage": {"folder": "/a\0b"}}, ("storage", "folder")),
        ({"storage": {"folder": "/\ud800"}}, ("storage", "folder")),
        ({"options": {"espeak": {"x": [float("nan")]}}}, ("options", "espeak")),
        ({"options": {"espeak": {"x": "\ud800"}}}, ("options", "espeak")),
        ({"options": {"espeak": 3}}, ("options", "espeak")),
        ({"options": {"espeak": {"x": object()}}}, ("options", "espeak", "x")),
        ({"profile": "huge"}, ("profile",)),
        ({"resolved": "yes"}, ("resolved",)),
        ({"vidoe": {}}, ("vidoe",)),
        ({"video": {"sise": 1}}, ("video", "sise")),
    ],
)
def test_what_is_wrong_is_refused_where_it_stands(values, at):
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(values)
    assert at in [error["loc"] for error in caught.value.errors()]


@pytest.mark.parametrize("name", ["profile", "video", "options"])
def test_it_is_frozen(name):
    settings = Settings()
    with pytest.raises(ValidationError):
        setattr(settings, name, getattr(settings, name))
    with pytest.raises(ValidationError):
        settings.video.size = 256  # ty: ignore[invalid-assignment]


def test_plain_values_come_back_equal():
    settings = Settings.model_validate(
        {"profile": "small", "voice": {"backends": ["flite", "espeak"]}, "options": {"flite": {"a": [1, None]}}}
    )
    assert Settings.model_validate(settings.args()) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301


def test_a_section_of_options_may_be_empty():
    assert Settings.model_validate({"options": {"espeak": None}}).options == {"espeak": {}}


def test_keys_are_those_that_the_plain_values_have():
    def flat(values, above=()):
        for name, value in values.items():
            if isinstance(value, dict) and value:
                yield from flat(value, (*above, name))
            else:
                yield (*above, name)

    assert set(KEYS) == set(flat(Settings().args())) - {("resolved",)}
    assert keys(Settings) == KEYS


def test_each_field_has_its_meaning_under_it():
    tree = ast.parse(Path(pipeline.settings.__file__).read_text())
    undocumented = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            model = getattr(pipeline.settings, node.name)
            for line, after in zip(node.body, [*node.body[1:], None], strict=True):
                if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name):
                    continue
                name = line.target.id
                annotation = model.model_fields[name].annotation
                section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
                documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                if not section and not documented:
                    undocumented.append(f"{node.name}.{name}")
    assert undocumented == []
