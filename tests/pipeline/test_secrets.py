"""Secrets: where they may come from, and that nothing shows them."""

import base64
import json
import traceback

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from ray import cloudpickle

from deployments.backends.loading import Target
from pipeline.cascade import explain, override, resolve
from pipeline.errors import SettingsError
from pipeline.secrets import MASK, secret_name
from pipeline.settings import KEYS, SECRETS, Key, Settings, secret
from pipeline.settings_environment import variable
from pipeline.settings_file import parse

SIGNING = "whsec_" + base64.b64encode(b"quite a secret, 30 bytes long.").decode()
VALUES: dict[Key, str] = {
    ("storage", "database"): "postgresql://mary:jelly-fish@db.example:5432/jobs",
    ("webhooks", "secret"): SIGNING,
    ("options", "acme", "api_key"): "12345678901234567890",
}
KEY = pytest.mark.parametrize("key", list(VALUES), ids=".".join)


def held(found: Settings, key: Key) -> str:
    if key[0] == "options":
        return str(found.options[key[1]][key[2]])
    return getattr(getattr(found, key[0]), key[1]).get_secret_value()


def given_by(key: Key, folder, kind: str) -> dict[str, str]:
    if kind == "variable":
        return {variable(key): VALUES[key]}
    path = folder / "secret"
    path.write_text(VALUES[key] + "\n")
    return {f"{variable(key)}_FILE": str(path)}


def refused(*arguments, **named) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        resolve(*arguments, **named)
    return caught.value


def test_every_declared_secret_is_tried_here():
    assert {key for key in VALUES if key[0] != "options"} == SECRETS
    assert set(KEYS) > SECRETS


@KEY
@pytest.mark.parametrize("kind", ["variable", "file"])
def test_a_secret_arrives_and_nothing_shows_it(key, kind, tmp_path):
    environment = given_by(key, tmp_path, kind)
    found = resolve({}, environment)
    assert held(found, key) == VALUES[key]

    explained = explain({}, environment)[".".join(key)]
    assert (explained.value, explained.origin) == (MASK, next(iter(environment)))

    shown = [
        repr(found),
        str(found),
        str(found.model_dump()),
        json.dumps(found.model_dump(mode="json")),
        found.model_dump_json(),
        repr(found.args()),
    ]
    for text in shown:
        assert VALUES[key] not in text
        assert MASK in text


@KEY
def test_a_secret_gets_to_the_replicas(key):
    """As `mouthpiece serve` does it: arguments of `build`, then an object that is pickled into each replica."""
    found = resolve({}, {variable(key): VALUES[key]})
    there = resolve(found.args(), {"MOUTHPIECE_VIDEO__SIZE": "256"})
    assert there == found
    assert cloudpickle.loads(cloudpickle.dumps(there)) == found
    assert held(there, key) == VALUES[key]


@KEY
def test_arguments_that_hold_a_secret_become_no_text(key):
    found = resolve({}, {variable(key): VALUES[key]}).args()
    with pytest.raises(TypeError):
        json.dumps(found)
    with pytest.raises(yaml.YAMLError):
        yaml.safe_dump(found)


@KEY
def test_a_file_or_a_flag_is_no_place_for_a_secret(key):
    name = ".".join(key)
    nested: dict = {key[-1]: VALUES[key]}
    for part in reversed(key[:-1]):
        nested = {part: nested}
    written = parse(yaml.safe_dump(nested), "my.yaml")
    for error, place in (
        (refused(written, {}), f"my.yaml:{len(key)}"),
        (refused(nested, {}), "arguments"),
        (refused(nested | {"resolved": True, "profile": "cpu"}, {}), "arguments"),
        (refused({}, {}, {name: VALUES[key]}), f"--set {name}"),
    ):
        assert (error.code, error.field) == ("secret_in_settings", name)
        assert error.message == f"{place}: {name} is a secret and can't be set here."
        assert variable(key) in (error.accepted or "")
        assert f"{variable(key)}_FILE" in (error.accepted or "")
    with pytest.raises(SettingsError) as caught:
        override(f"{name}={VALUES[key]}: [not even YAML")
    assert caught.value.code == "secret_in_settings"
    assert VALUES[key] not in str(caught.value.body())


def test_null_says_in_a_file_that_there_is_none():
    assert resolve({"webhooks": {"secret": None}, "storage": {"database": None}}, {}) == resolve({}, {})
    assert resolve({}, {"MOUTHPIECE_WEBHOOKS__SECRET": "null"}).webhooks.secret is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"\xff\xfe", "not text"),
        (b"x" * 70_000, "larger"),
    ],
)
def test_a_file_that_holds_none_is_refused(content, says, tmp_path):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    error = refused({}, {"MOUTHPIECE_WEBHOOKS__SECRET_FILE": str(path)})
    assert says in error.message
    assert error.message.startswith("MOUTHPIECE_WEBHOOKS__SECRET_FILE: ")
    assert error.field == "webhooks.secret"


def test_a_folder_and_an_impossible_path_are_refused(tmp_path):
    assert "directory" in refused({}, {"MOUTHPIECE_STORAGE__DATABASE_FILE": str(tmp_path)}).message
    assert "can't be read" in refused({}, {"MOUTHPIECE_STORAGE__DATABASE_FILE": "a\0b"}).message


def test_a_variable_and_a_file_at_once_are_refused(tmp_path):
    path = tmp_path / "secret"
    path.write_text(SIGNING)
    error = refused({}, {"MOUTHPIECE_WEBHOOKS__SECRET": SIGNING, "MOUTHPIECE_WEBHOOKS__SECRET_FILE": str(path)})
    assert "both set" in error.message


def test_only_secrets_have_files(tmp_path):
    assert refused({}, {"MOUTHPIECE_VIDEO__SIZE_FILE": str(tmp_path)}).code == "unknown_setting"
    error = refused({}, {"MOUTHPIECE_WEBHOOKS__SECRT_FILE": "x"})
    assert "MOUTHPIECE_WEBHOOKS__SECRET_FILE" in (error.accepted or "")


@pytest.mark.parametrize("key", sorted(SECRETS), ids=".".join)
@settings(deadline=None)
@given(text=st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=80).map("ø{}".format))
def test_a_wrong_secret_is_not_shown_either(key, text):
    try:
        resolve({}, {variable(key): text})
    except SettingsError as error:
        assert text not in "".join(traceback.format_exception(error))
        assert text not in json.dumps(error.body(), ensure_ascii=False)
        assert f"{'.'.join(key)} must be " in error.message
    else:
        raise AssertionError("it was taken")
    try:
        # A section that is text instead: what stands in its place may be the secret.
        resolve({key[0]: text}, {})
    except SettingsError as error:
        assert text not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "text",
    [
        "short",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_" + "A" * 31,
        "not base64 at all, but long enough",
        "whsec_" + "A" * 400,
    ],
)
def test_a_signing_secret_is_what_other_libraries_take(text):
    assert "openssl rand -base64 32" in refused({}, {"MOUTHPIECE_WEBHOOKS__SECRET": text}).message


def test_a_secret_option_is_text_and_its_error_does_not_show_it():
    with pytest.raises(ValidationError, match="must hold its secrets as text"):
        Settings.model_validate({"options": {"acme": {"api_key": 12345}}})
    target = Target("voice", "acme", "tests.pipeline.test_secrets:Acme", "")
    with pytest.raises(SettingsError) as caught:
        target.check({"api_key": "jelly-fish"})
    assert "jelly-fish" not in str(caught.value.body())


class Acme:
    """A backend with a secret of the wrong type."""

    def __init__(self, api_key: int = 0) -> None: ...

    def voices(self): ...

    def speak(self, request): ...


NAMES = "api_key apikey API_KEY eleven_api_key token hub_token hf_token access_token password db_password secret"
NAMES += " client_secret secret_key access_key credentials passphrase"


@pytest.mark.parametrize("name", NAMES.split())
def test_names_of_secrets(name):
    assert secret_name(name)
    assert secret(("options", "acme", name))


@pytest.mark.parametrize(
    "name", ["tokens", "max_tokens", "pad_token", "eos_token", "key", "keyframes", "tokenizer", "secretary", "author"]
)
def test_names_of_no_secrets(name):
    assert not secret_name(name)
