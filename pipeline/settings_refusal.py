"""What to say about settings that don't hold: place, key, what was got, what is accepted."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.errors import SettingsError
from pipeline.settings import KEYS, SECRETS, Key, secret


def refused(error: ValidationError, origins: Mapping[Key, str]) -> SettingsError:
    """Every complaint of the validation, one line each, with the place that the value came from."""
    details = [(_key(detail), detail) for detail in error.errors(include_url=False)]
    lines: list[str] = []
    accepted: list[str] = []
    for key, detail in details:
        if any(len(other) > len(key) and other[: len(key)] == key for other, _ in details):
            continue  # a consequence of what is wrong further in
        name, place = ".".join(key), nearest(key, origins)
        if detail["type"] == "extra_forbidden":
            near, every = _siblings(key)
            accepted.append(every)
            lines.append(f"{place}: there is no setting {name}{f' (did you mean {near}?)' if near else ''}.")
        else:
            wanted = _wanted(detail)
            accepted.append(wanted.removeprefix("be "))
            got = "a value that is not shown" if _hidden(key) else _shown(detail["input"])
            where = place if place.rpartition(" ")[2] == name else f"{place}: {name}"  # --set KEY names it already
            lines.append(f"{where} must {wanted}, got {got}.")
    unknown = details[0][1]["type"] == "extra_forbidden"
    return SettingsError(
        "\n".join(lines),
        code="unknown_setting" if unknown else "invalid_settings",
        field=".".join(details[0][0]),
        accepted=accepted[0],
    )


def _key(detail: ErrorDetails) -> Key:
    return tuple(str(part) for part in detail["loc"] if part != "[key]")


WANTED: Mapping[str, str] = {
    "dict_type": "be a section of keys and values",
    "model_type": "be a section of keys and values",
    "tuple_type": "be a list of names",
    "too_short": "be a list of at least one name",
    "invalid-json-value": "be plain text, numbers, lists and sections",
}


PATTERNS: Mapping[Key, str] = {
    ("server", "host"): "be a host name or address",
    ("webhooks", "hosts"): "be a host name or address",
    ("storage", "bucket"): "be s3://bucket/prefix",
    ("storage", "endpoint"): "be an http or https URL without a path",
    ("storage", "region"): "be a region of lower-case letters, digits and -",
}


def _wanted(detail: ErrorDetails) -> str:
    """What would have been right, in words that follow "must"."""
    if detail["type"] == "string_pattern_mismatch":
        return PATTERNS.get(_key(detail)[:2], "be a name of lower-case letters, digits, - and _")
    if detail["type"] in WANTED:
        return WANTED[detail["type"]]
    message = detail["msg"].removeprefix("Value error, must ").removeprefix("Input should ")
    return message[:1].lower() + message[1:]


def _hidden(key: Key) -> bool:
    """Whether a value may be or hold a secret."""
    return secret(key) or any(known[: len(key)] == key for known in SECRETS)


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _siblings(unknown: Key) -> tuple[str, str]:
    """The setting that an unknown key was probably meant to be, or "", and every key of its section."""
    section = unknown[:-1]
    names = dict.fromkeys(
        key[len(section)] for key in KEYS if len(key) > len(section) and key[: len(section)] == section
    )
    near = difflib.get_close_matches(unknown[-1], names, n=1)
    if not near:  # perhaps it is a key of another section
        near = [".".join(key) for key in KEYS if key[-1] == unknown[-1] and key[:-1] != section][:1]
        return (near[0] if near else ""), ", ".join(names)
    return ".".join((*section, near[0])), ", ".join(names)


def nearest(key: Key, origins: Mapping[Key, str]) -> str:
    """The place of a key, or of the nearest one that holds it or that it holds."""
    for end in range(len(key), 0, -1):
        if key[:end] in origins:
            return origins[key[:end]]
    return next((origin for known, origin in origins.items() if known[: len(key)] == key), "arguments")
