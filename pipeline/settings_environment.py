"""Settings from the environment, and from text generally.

A variable is the key in capitals with a double underscore for each dot: `MOUTHPIECE_VIDEO__SIZE=256`,
`MOUTHPIECE_VOICE__BACKENDS=[flite, espeak]`. Its value is read as YAML.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import yaml

from pipeline.errors import SettingsError
from pipeline.layers import Layer
from pipeline.settings import KEYS, Key

PREFIX = "MOUTHPIECE_"
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
            key = tuple(part.lower() for part in name.removeprefix(PREFIX).split("__"))
            _check(key, name)
            written.append((key, plain(text, name, ".".join(key)), name))
    return Layer.of(written, "environment")


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
    names.add(OPTION)
    within = [OPTION] if key[0] == "options" else sorted(known for known in names if known.startswith(f"{name}__"))
    near = within or difflib.get_close_matches(name, sorted(names), n=3, cutoff=0.6)
    raise SettingsError(
        f"The environment variable {name} is {'a section, not one setting' if within else 'no setting'}.",
        code="unknown_setting",
        field=name,
        accepted=", ".join(near) or f"{PREFIX}<SECTION>__<KEY>, as in docs/configuration.md",
    )
