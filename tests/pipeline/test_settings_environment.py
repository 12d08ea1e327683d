"""Settings from environment variables: names, values, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cascade import resolve
from pipeline.errors import SettingsError
from pipeline.settings import KEYS
from pipeline.settings_environment import RESERVED, read, variable


def refused(environment: dict[str, str]) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        resolve({}, environment)
    return caught.value


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("MOUTHPIECE_PROFILE", "small", ("profile",), "small"),
        ("MOUTHPIECE_VIDEO__SIZE", "256", ("video", "size"), 256),
        ("MOUTHPIECE_VIDEO__FPS", "29.97", ("video", "fps"), 29.97),
        ("MOUTHPIECE_GPU__BUDGET_GIGABYTES", "null", ("gpu", "budget_gigabytes"), None),
        ("MOUTHPIECE_SERVER__HOST", "0.0.0.0", ("server", "host"), "0.0.0.0"),  # noqa: S104
        ("MOUTHPIECE_SERVER__HOST", "::1", ("server", "host"), "::1"),
        ("MOUTHPIECE_VOICE__BACKENDS", "[flite, espeak]", ("voice", "backends"), ["flite", "espeak"]),
        ("MOUTHPIECE_VOICE__BACKENDS", "flite, espeak", ("voice", "backends"), ["flite", "espeak"]),
        ("MOUTHPIECE_VOICE__BACKENDS", "flite", ("voice", "backends"), ["flite"]),
        ("MOUTHPIECE_OPTIONS__ESPEAK__GAP", "0.2", ("options", "espeak", "gap"), 0.2),
        ("MOUTHPIECE_OPTIONS__MY_VOICE__SOME_GAP", "true", ("options", "my_voice", "some_gap"), True),
    ],
)
def test_a_variable_sets_a_key(name, text, key, value):
    found = resolve({}, {name: text}).args()
    for part in key:
        found = found[part]
    assert found == value
    assert read({name: text}).place(key) == name


def test_other_variables_are_left_alone():
    assert read({"HOME": "/home/x", "MOUTHPIECES": "1", "mouthpiece_video__size": "3"}).values == {}


@pytest.mark.parametrize("name", list(RESERVED))
def test_reserved_variables_are_not_settings(name):
    assert read({name: "anything: [at all"}).values == {}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("MOUTHPIECE_VIDEO__SIZ", "MOUTHPIECE_VIDEO__SIZE"),
        ("MOUTHPIECE_VIDEO_SIZE", "MOUTHPIECE_VIDEO__SIZE"),
        ("MOUTHPIECE_SREVER", "MOUTHPIECE_SERVER"),
        ("MOUTHPIECE_VIDEO", "MOUTHPIECE_VIDEO__PRESET"),
        ("MOUTHPIECE_OPTIONS", "MOUTHPIECE_OPTIONS__<BACKEND>__<OPTION>"),
        ("MOUTHPIECE_OPTIONS__ESPEAK", "MOUTHPIECE_OPTIONS__<BACKEND>__<OPTION>"),
        ("MOUTHPIECE_OPTIONS____GAP", "MOUTHPIECE_OPTIONS__<BACKEND>__<OPTION>"),
    ],
)
def test_an_unknown_variable_lists_the_nearest(name, near):
    error = refused({name: "1"})
    assert (error.code, error.field) == ("unknown_setting", name)
    assert near in (error.accepted or "").split(", ")


@pytest.mark.parametrize("name", ["MOUTHPIECE_", "MOUTHPIECE___", "MOUTHPIECE_QQQQQ", "MOUTHPIECE_RESOLVED"])
def test_a_variable_near_to_nothing_is_refused_too(name):
    assert refused({name: "1"}).field == name


@pytest.mark.parametrize("text", ["", "  ", "[1, 2", "{a: b", "!!python/object:os.system {}", "2020-13-45"])
def test_a_value_that_is_none_names_variable_and_key(text):
    error = refused({"MOUTHPIECE_VIDEO__SIZE": text})
    assert error.message.startswith("MOUTHPIECE_VIDEO__SIZE: ")
    assert error.field == "video.size"


def test_a_wrong_value_names_the_variable():
    error = refused({"MOUTHPIECE_VIDEO__SIZE": "big"})
    assert error.message == "MOUTHPIECE_VIDEO__SIZE: video.size must be a valid integer, got 'big'."


@pytest.mark.parametrize("key", [key for key in KEYS if key != ("options",)], ids=".".join)
def test_every_key_has_its_variable(key):
    assert read({variable(key): "7"}).place(key) == variable(key)


NAMES = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ_", max_size=20) | st.sampled_from([variable(key) for key in KEYS])


@settings(deadline=None)
@given(
    st.dictionaries(
        NAMES.map(lambda name: "MOUTHPIECE_" + name.removeprefix("MOUTHPIECE_")), st.text(max_size=20), max_size=2
    )
)
def test_any_environment_is_settings_or_an_error(environment):
    try:
        resolve({}, environment)
    except SettingsError as error:
        assert "MOUTHPIECE_" in error.message
