"""Settings from the environment, and from text generally.

A variable is the key in capitals with a double underscore for each dot: `MOUTHPIECE_VIDEO__SIZE=256`,
`MOUTHPIECE_VOICE__BACKENDS=[flite, espeak]`. Its value is read as YAML.

Secrets come from here and from nowhere else, as they are and not as YAML; or from the file that `<VARIABLE>_FILE`
names, as containers are given them: `MOUTHPIECE_WEBHOOKS__SECRET_FILE=/run/secrets/webhooks`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from pipeline.errors import SettingsError
from pipeline.layers import Layer
from pipeline.settings import KEYS, SECRETS, Key, secret

PREFIX = "MOUTHPIECE_"
FILE = "_FILE"
SECRET_BYTES = 65_536
OPTION = f"{PREFIX}OPTIONS__<BACKEND>__<OPTION>"

RESERVED: Mapping[str, str] = {
    "MOUTHPIECE_SERVER": "URL of a running server that the command line talks to",
    "MOUTHPIECE_CONFIG": "path of the settings file, where no --config is given",
    "MOUTHPIECE_GOLDENS": "folder of reference files that the tests compare with, where there is one",
}
"""Environment variables with our prefix that are not settings."""


def read(environment: Mapping[str, str]) -> Layer:
    """The layer of the environment. Raises `SettingsError` for a variable with our prefix that names no setting."""
    written: list[tuple[Key, Any, str]] = []
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX) and name not in RESERVED:
            key = _key(name)
            if name.endswith(FILE) and secret(named := _key(name.removesuffix(FILE))):
                if variable(named) in environment:
                    raise SettingsError(
                        f"{name} and {variable(named)} are both set.", field=".".join(named), accepted="one of them"
                    )
                key, value = named, _content(text, name, ".".join(named))
            elif secret(key):
                value = _secret(text, name, ".".join(key))
            else:
                _check(key, name)
                value = plain(text, name, ".".join(key))
            written.append((key, value, name))
    return Layer.of(written, "environment")


def _key(name: str) -> Key:
    return tuple(part.lower() for part in name.removeprefix(PREFIX).split("__"))


def _secret(text: str, place: str, key: str) -> SecretStr | None:
    if not text.strip():
        raise SettingsError(f"{place}: {key} has no value.", field=key, accepted="a value, or null for none")
    return None if text == "null" else SecretStr(text)


def _content(path: str, place: str, key: str) -> SecretStr:
    """What a file holds, without the line breaks at its end."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(SECRET_BYTES + 1)
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SettingsError(f"{place}: the file {path} is not text.", field=key, accepted="UTF-8") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SettingsError(
            f"{place}: {path} can't be read: {why}.", field=key, accepted="a file that holds the secret"
        ) from None
    if not text.strip() or len(content) > SECRET_BYTES:
        what = "is empty" if len(content) <= SECRET_BYTES else f"is larger than {SECRET_BYTES} bytes"
        raise SettingsError(f"{place}: {path} {what}.", field=key, accepted="a file that holds the secret")
    return SecretStr(text)


def plain(text: str, place: str, key: str) -> Any:
    """The value of a setting written as text. A list may also be written a, b."""
    if not text.strip():
        raise SettingsError(f"{place}: {key} has no value.", field=key, accepted="a value, or null for none")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise SettingsError(f"{place}: the value {text!r} of {key} is not YAML.", field=key, accepted="YAML") from None
    if key.endswith(".backends") and isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return value


def variable(key: Key) -> str:
    """The name of the variable that sets a key."""
    return PREFIX + "__".join(key).upper()


def _check(key: Key, name: str) -> None:
    if (key in KEYS and key != ("options",)) or (key[0] == "options" and len(key) == 3 and all(key)):
        return
    names = {variable(known) for known in KEYS if known != ("options",)} | set(RESERVED)
    names |= {variable(known) + FILE for known in SECRETS}
    names.add(OPTION)
    within = [OPTION] if key[0] == "options" else sorted(known for known in names if known.startswith(f"{name}__"))
    near = within or difflib.get_close_matches(name, sorted(names), n=3, cutoff=0.6)
    raise SettingsError(
        f"The environment variable {name} is {'a section, not one setting' if within else 'no setting'}.",
        code="unknown_setting",
        field=name,
        accepted=", ".join(near) or f"{PREFIX}<SECTION>__<KEY>, as in docs/configuration.md",
    )
