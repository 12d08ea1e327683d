"""The cascade of row A3: profile defaults, file, environment, flags."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cascade import Explained, explain, override, resolve
from pipeline.errors import SettingsError
from pipeline.layers import leaves
from pipeline.profiles import PROFILES, choose
from pipeline.settings import KEYS, Settings
from pipeline.settings_environment import variable
from pipeline.settings_file import parse

HOME = {"HOME": "/home/somebody"}

NAMES = st.lists(st.sampled_from(["espeak", "flite", "acme", "x-y"]), min_size=1, max_size=3, unique=True)
EVEN = st.integers(64, 768).map(lambda n: 2 * n)
SECONDS = st.floats(1, 86_400) | st.integers(1, 86_400)
VALUES = {
    ("server", "host"): st.sampled_from(["127.0.0.1", "::1", "localhost", "no", "3"]),
    ("server", "port"): st.integers(1, 65535),
    ("server", "request_seconds"): SECONDS,
    ("ray", "object_store_megabytes"): st.integers(80, 10_000),
    ("storage", "folder"): st.sampled_from(["/srv/mouthpiece", "/a b/é"]),
    ("limits", "clip_seconds_min"): st.floats(3, 60),
    ("limits", "image_pixels"): st.integers(4096, 10**9),
    ("voice", "backends"): NAMES,
    ("lipsync", "backends"): NAMES,
    ("video", "size"): EVEN,
    ("video", "fps"): st.floats(5, 60) | st.integers(5, 60),
    ("video", "preset"): st.sampled_from(["ultrafast", "slow"]),
    ("video", "crf"): st.integers(0, 51),
    ("gpu", "budget_gigabytes"): st.none() | st.floats(0.5, 80) | st.integers(1, 80),
    ("generation", "steps"): st.integers(1, 1000),
    ("options", "espeak", "gap"): st.floats(0, 1) | st.text("aé𐀀: #'\"", min_size=1, max_size=5) | st.booleans(),
    ("options", "espeak", "rate"): st.lists(st.integers(), max_size=3),
    ("options", "acme", "gap"): st.none() | st.integers(),
}
PARTIAL = st.fixed_dictionaries({}, optional=VALUES)
CARDS = st.none() | st.sampled_from([4.0, 8.0, 10.0, 24.0])
PROFILE = st.none() | st.sampled_from(["auto", *PROFILES])


def nested(partial):
    tree: dict = {}
    for key, value in partial.items():
        section = tree
        for name in key[:-1]:
            section = section.setdefault(name, {})
        section[key[-1]] = value
    return tree


def flat(settings: Settings):
    return dict(leaves(settings.args()))


def with_profile(partial, profile):
    return partial if profile is None else {**partial, ("profile",): profile}


@settings(deadline=None)
@given(st.tuples(PARTIAL, PROFILE), st.tuples(PARTIAL, PROFILE), st.tuples(PARTIAL, PROFILE), CARDS)
def test_later_layers_win_key_by_key_and_origins_say_so(file, environment, flags, card):
    partials = [with_profile(*layer) for layer in (file, environment, flags)]
    written = yaml.safe_dump(nested(partials[0]), allow_unicode=True)
    variables = {variable(key): json.dumps(value, ensure_ascii=False) for key, value in partials[1].items()} | HOME
    overrides = {".".join(key): value for key, value in partials[2].items()}
    layer = parse(written, "my.yaml") if partials[0] else {}

    settings = resolve(layer, variables, overrides, card)
    explained = explain(layer, variables, overrides, card)

    asked = "auto"
    for partial in partials:
        asked = partial.get(("profile",), asked)
    profile = choose(card) if asked == "auto" else asked
    assert settings.profile == profile

    lines = {line.split(":")[0].strip(): n for n, line in enumerate(written.splitlines(), 1)}
    for key in {*VALUES, *KEYS} - {("profile",), ("options",)}:
        name = ".".join(key)
        by_layer = [partial[key] for partial in partials if key in partial]
        if by_layer:
            assert flat(settings)[key] == by_layer[-1]
            if key in partials[2]:
                assert explained[name].origin == f"--set {name}"
            elif key in partials[1]:
                assert explained[name].origin == variable(key)
            else:
                assert explained[name].origin.startswith("my.yaml:")
                if [other[-1] for other in partials[0]].count(key[-1]) == 1:
                    assert explained[name].origin == f"my.yaml:{lines[key[-1]]}"
        elif key[0] != "options":
            from_profile = key[-1] in PROFILES[profile].get(key[0], {})
            assert explained[name].origin == (f"profile {profile}" if from_profile else "default")
        if name in explained:
            assert explained[name].value == flat(settings)[key]


@settings(deadline=None)
@given(PARTIAL, PROFILE, CARDS)
def test_the_result_survives_the_trip_to_another_process(partial, profile, card):
    settings = resolve(nested(with_profile(partial, profile)), HOME, vram_gigabytes=card)
    for plain in (
        settings.args(),
        json.loads(json.dumps(settings.args())),
        yaml.safe_load(yaml.safe_dump(settings.args())),
    ):
        assert Settings.model_validate(plain) == settings
        # There, neither the environment nor the card changes what the flags here have decided.
        assert resolve(plain, {variable(("video", "size")): "130", "HOME": "/root"}, vram_gigabytes=80) == settings


@settings(deadline=None)
@given(PARTIAL, CARDS)
def test_resolving_leaves_its_arguments_alone(partial, card):
    given_values = nested(partial)
    before = json.dumps(given_values)
    resolve(given_values, HOME, {}, card)
    assert json.dumps(given_values) == before


def test_a_partial_section_keeps_its_other_keys():
    settings = resolve({"video": {"size": 256}}, {"MOUTHPIECE_VIDEO__CRF": "30"}, {"video.fps": 30})
    assert settings.video.model_dump() == {"size": 256, "fps": 30.0, "preset": "veryfast", "crf": 30}


def test_a_list_replaces_the_list_before_it():
    settings = resolve({"voice": {"backends": ["flite", "espeak"]}}, {"MOUTHPIECE_VOICE__BACKENDS": "espeak"})
    assert settings.backends("voice") == ("espeak",)


def test_an_explicit_profile_overrides_detection():
    settings = resolve({"profile": "small"}, {}, vram_gigabytes=24)
    assert settings.profile == "small"
    assert settings.generation.batch == 1
    assert explain({"profile": "small"}, {}, vram_gigabytes=24)["profile"].origin == "arguments"
    assert explain({"profile": "auto"}, {}, vram_gigabytes=24)["profile"] == Explained("high", "detected")


def test_the_profile_is_only_the_lowest_layer():
    settings = resolve({"generation": {"steps": 7}}, {}, {"profile": "high"})
    assert (settings.generation.steps, settings.generation.batch) == (7, 4)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        (HOME, "/home/somebody/.local/share/mouthpiece"),
        ({**HOME, "XDG_DATA_HOME": "/data"}, "/data/mouthpiece"),
        ({**HOME, "XDG_DATA_HOME": "data"}, "/home/somebody/.local/share/mouthpiece"),
        ({**HOME, "XDG_DATA_HOME": ""}, "/home/somebody/.local/share/mouthpiece"),
        ({**HOME, "MOUTHPIECE_STORAGE__FOLDER": "~/m", "XDG_DATA_HOME": "/data"}, "/home/somebody/m"),
        ({**HOME, "MOUTHPIECE_STORAGE__FOLDER": "/srv/~/m"}, "/srv/~/m"),
    ],
)
def test_the_storage_folder(environment, folder):
    assert str(resolve({}, environment).storage.folder) == folder


def test_without_a_home_variable_the_accounts_home_is_used():
    assert resolve({}, {}).storage.folder.is_absolute()


def test_hand_written_resolved_without_a_profile_is_not_believed():
    settings = resolve({"resolved": True}, {"MOUTHPIECE_VIDEO__SIZE": "256"})
    assert (settings.profile, settings.video.size) == ("cpu", 256)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"video.siz": 3}, "--set video.siz: there is no setting video.siz (did you mean video.size?)."),
        ({"video": 3}, "--set video must be a section of keys and values, got 3."),
        (
            {"profile": "huge"},
            "--set profile must be 'auto', 'high', 'standard', 'small' or 'cpu', got 'huge'.",
        ),
        ({"profile": None}, "--set profile must be 'auto', 'high', 'standard', 'small' or 'cpu', got None."),
        ({"face.backends": []}, "--set face.backends must be a list of at least one name, got []."),
        (
            {"face.backends": ["a", "a"]},
            "--set face.backends must not name a backend twice, got ['a', 'a'].",
        ),
        ({"server.host": "a b"}, "--set server.host must be a host name or address, got 'a b'."),
        ({"options.a.b": float("nan")}, "--set options.a.b: options.a must hold finite numbers and valid text, got"),
        ({"options.A.b": 1}, "--set options.A.b: options.A must be a name of lower-case letters, digits, - and _"),
        ({"storage.folder": "here"}, "--set storage.folder must be an absolute path, or start with ~/"),
    ],
)
def test_a_wrong_flag_is_named(overrides, message):
    with pytest.raises(SettingsError) as caught:
        resolve({}, {}, overrides)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("video.size=256", ("video.size", 256)),
        (" video.size = 256", ("video.size", 256)),
        ("voice.backends=flite,espeak", ("voice.backends", ["flite", "espeak"])),
        ("options.x.url=http://a/?b=c", ("options.x.url", "http://a/?b=c")),
        ("gpu.budget_gigabytes=null", ("gpu.budget_gigabytes", None)),
    ],
)
def test_a_flag_as_text(text, pair):
    assert override(text) == pair


@pytest.mark.parametrize("text", ["", "video.size", "=3", "video.size=", "video.size=[1"])
def test_a_flag_that_is_none(text):
    with pytest.raises(SettingsError):
        override(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([name for key in KEYS for name in key]) | st.text(max_size=5), inner, max_size=3
        )
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([key[0] for key in KEYS]) | st.text(max_size=5), JSON, max_size=4))
def test_any_arguments_are_settings_or_an_error_with_a_field(arguments):
    try:
        settings = resolve(arguments, HOME)
    except SettingsError as error:
        assert error.field is not None
        assert error.accepted
    else:
        assert Settings.model_validate(settings.args()) == settings
