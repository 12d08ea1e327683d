"""Where settings come from: profile defaults, then the user's YAML, then the environment, then flags.

Each layer is merged into the ones before it, key by key, so that a partial section keeps its other keys.
The key `profile` is looked up first, in the same order, since it chooses the defaults.

An environment variable is the key in capitals with a double underscore for each dot:
`MOUTHPIECE_VIDEO__SIZE=256`, `MOUTHPIECE_VOICE__BACKENDS=[flite, espeak]`. Its value is read as YAML.
"""

from __future__ import annotations

import difflib
import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline import profiles
from pipeline.errors import SettingsError
from pipeline.settings import Profile, Settings
from pipeline.settings_file import Key, Layer

PREFIX = "MOUTHPIECE_"

RESERVED: Mapping[str, str] = {
    "MOUTHPIECE_SERVER": "URL of a running server that the command line talks to",
    "MOUTHPIECE_CONFIG": "path of the settings file, where no --config is given",
    "MOUTHPIECE_GOLDENS": "set by developers to write the tests' expected files anew",
}
"""Environment variables with our prefix that are not settings."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One resolved value and the place that it came from.

    `origin` is `default`, `profile standard`, `detected`, `serve_config.yaml:12`, `MOUTHPIECE_VIDEO__SIZE`,
    `--set video.size` or `arguments`.
    """

    value: Any
    origin: str


def resolve(
    arguments: Layer | Mapping[str, Any],
    environment: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    vram_gigabytes: float | None = None,
) -> Settings:
    """The settings that hold.

    `arguments` is a loaded file or the `args` of the Serve application, `overrides` has dotted keys, and
    `vram_gigabytes` (2**30 bytes) is the memory of the detected card, None without one.
    Arguments that say `resolved: true` are this function's own result come back from another process: the
    environment and the card are not looked at again.

    Raises `SettingsError`: place, key, what was got and what is accepted, for every key at fault.
    """
    return _resolve(arguments, environment, overrides or {}, vram_gigabytes)[0]


def explain(
    arguments: Layer | Mapping[str, Any],
    environment: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    vram_gigabytes: float | None = None,
) -> dict[str, Explained]:
    """What `resolve` makes of the same arguments: dotted key -> value and origin, in the order of the model."""
    settings, origins = _resolve(arguments, environment, overrides or {}, vram_gigabytes)
    return {
        ".".join(key): Explained(value, _nearest(key, origins))
        for key, value in leaves(settings.args())
        if key != ("resolved",)
    }


def override(text: str) -> tuple[str, Any]:
    """`video.size=256` taken apart; the value is read as YAML. For a command line's `--set`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise SettingsError(f"{text!r} is not a setting.", field=text, accepted="key=value, such as video.size=256")
    return key.strip(), _value(value, f"--set {key.strip()}", key.strip())


def leaves(values: Mapping[str, Any], above: Key = ()) -> list[tuple[Key, Any]]:
    """Every value that is not a section, with its key. An empty section counts as a value."""
    found: list[tuple[Key, Any]] = []
    for name, value in values.items():
        key = (*above, str(name))
        found += leaves(value, key) if isinstance(value, Mapping) and value else [(key, value)]
    return found


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: mappings are merged, anything else replaces. An empty section (null) changes nothing."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[name] = merge(below, value)
        elif not (isinstance(below, Mapping) and value is None):
            merged[name] = value
    return merged


def _resolve(
    arguments: Layer | Mapping[str, Any],
    environment: Mapping[str, str],
    overrides: Mapping[str, Any],
    vram: float | None,
) -> tuple[Settings, dict[Key, str]]:
    given = arguments if isinstance(arguments, Layer) else Layer(arguments)
    layers = [given, _flags(overrides)]
    if given.values.get("resolved") is not True:
        layers.insert(1, _environment(environment))
        first, last = _profile(layers, vram)
        layers = [Layer({"storage": {"folder": _data_folder(environment)}}, source="default"), first, *layers, last]
    merged: dict[str, Any] = Settings().args()
    origins: dict[Key, str] = dict.fromkeys((key for key, _ in leaves(merged)), "default")
    for layer in layers:
        merged = merge(merged, layer.values)
        origins |= {key: layer.place(key) for key, _ in leaves(layer.values)}
    merged["resolved"] = True
    storage = merged["storage"]
    if isinstance(storage, dict) and isinstance(folder := storage.get("folder"), str):
        storage["folder"] = _expanded(folder, environment)
    try:
        return Settings.model_validate(merged), origins
    except ValidationError as error:
        raise _refused(error, origins) from None


def _profile(layers: Sequence[Layer], vram: float | None) -> tuple[Layer, Layer]:
    """The first layer, the defaults of the profile that the layers name or else of the card; and a last one.

    The last one says the profile's name again, over the word auto that a layer between may have used.
    """
    asked: Any = "auto"
    for layer in layers:
        asked = layer.values.get("profile", asked)
    # A name that is neither auto nor a profile gets as far as validation, which refuses it.
    name: Profile = asked if asked in get_args(Profile) else profiles.choose(vram)
    first = Layer(profiles.defaults(name, vram), source=f"profile {name}")
    return first, Layer({"profile": name} if asked == "auto" else {}, source="detected")


def _environment(environment: Mapping[str, str]) -> Layer:
    values: dict[str, Any] = {}
    places: dict[Key, str] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        key = tuple(part.lower() for part in name.removeprefix(PREFIX).split("__"))
        _known(key, name)
        values = merge(values, _nested(key, _value(environment[name], name, ".".join(key))))
        places[key] = name
    return Layer(values, places, "environment")


def _flags(overrides: Mapping[str, Any]) -> Layer:
    values: dict[str, Any] = {}
    places: dict[Key, str] = {}
    for name, value in overrides.items():
        key = tuple(name.split("."))
        values = merge(values, _nested(key, value))
        places[key] = f"--set {name}"
    return Layer(values, places, "flags")


def _known(key: Key, variable: str) -> None:
    """Refuses a variable that names no setting, with the variables nearest to it."""
    if (key in KEYS and key != ("options",)) or (key[0] == "options" and len(key) == 3 and all(key)):
        return
    variables = {_variable(known) for known in KEYS if known != ("options",)} | set(RESERVED)
    variables.add(f"{PREFIX}OPTIONS__<BACKEND>__<OPTION>")
    within = sorted(name for name in variables if name.startswith(variable + "__"))
    near = within or difflib.get_close_matches(variable, sorted(variables), n=3, cutoff=0.6)
    raise SettingsError(
        f"The environment variable {variable} is {'a whole section' if within else 'no setting'}.",
        code="unknown_setting",
        field=variable,
        accepted=", ".join(near) or f"{PREFIX}<SECTION>__<KEY>, as in docs/configuration.md",
    )


def _value(text: str, place: str, key: str) -> Any:
    """Text of the environment or of a flag, read as YAML. A list may also be written a, b."""
    if not text.strip():
        raise SettingsError(f"{place}: {key} has no value.", field=key, accepted="a value, or null for none")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise SettingsError(f"{place}: the value {text!r} of {key} is not YAML.", field=key, accepted="YAML") from None
    if key.endswith(".backends") and isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return value


def _nested(key: Key, value: Any) -> dict[str, Any]:
    for name in reversed(key):
        value = {name: value}
    return value


def _variable(key: Key) -> str:
    return PREFIX + "__".join(key).upper()


def _home(environment: Mapping[str, str]) -> str:
    if home := environment.get("HOME"):
        return home
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        raise SettingsError("There is no home folder: HOME is not set.", field="storage.folder") from None


def _data_folder(environment: Mapping[str, str]) -> str:
    """XDG base directory specification 0.8: XDG_DATA_HOME where it is absolute, else ~/.local/share."""
    base = environment.get("XDG_DATA_HOME", "")
    return f"{base if PurePosixPath(base).is_absolute() else '~/.local/share'}/mouthpiece"


def _expanded(folder: str, environment: Mapping[str, str]) -> str:
    if folder == "~" or folder.startswith("~/"):
        return _home(environment) + folder[1:]
    return folder


def _nearest(key: Key, origins: Mapping[Key, str]) -> str:
    """The place of a key, or of the nearest one that holds it or that it holds."""
    for end in range(len(key), 0, -1):
        if key[:end] in origins:
            return origins[key[:end]]
    return next((origin for known, origin in origins.items() if known[: len(key)] == key), "arguments")


def _refused(error: ValidationError, origins: Mapping[Key, str]) -> SettingsError:
    """Every complaint of the validation, one line each, with the place that the value came from."""
    details = [(_key(detail), detail) for detail in error.errors(include_url=False)]
    lines: list[str] = []
    accepted: list[str] = []
    for key, detail in details:
        if any(len(other) > len(key) and other[: len(key)] == key for other, _ in details):
            continue  # a consequence of what is wrong further in
        name, place = ".".join(key), _nearest(key, origins)
        if detail["type"] == "extra_forbidden":
            near, every = _siblings(key)
            accepted.append(every)
            lines.append(f"{place}: there is no setting {name}{f' (did you mean {near}?)' if near else ''}.")
        else:
            accepted.append(_wanted(detail))
            lines.append(f"{place}: {name} must be {accepted[-1]}, got {_shown(detail['input'])}.")
    unknown = details[0][1]["type"] == "extra_forbidden"
    return SettingsError(
        "\n".join(lines),
        code="unknown_setting" if unknown else "invalid_settings",
        field=".".join(details[0][0]),
        accepted=accepted[0],
    )


def _key(detail: ErrorDetails) -> Key:
    return tuple(str(part) for part in detail["loc"] if part != "[key]")


def _wanted(detail: ErrorDetails) -> str:
    """What would have been right, in words that follow "must be"."""
    named = {
        "dict_type": "a section of keys and values",
        "model_type": "a section of keys and values",
        "tuple_type": "a list of names",
        "invalid-json-value": "plain text, numbers, lists and sections",
        "string_pattern_mismatch": "a name of lower-case letters, digits, - and _",
    }
    if detail["type"] in named:
        return named[detail["type"]]
    message = detail["msg"]
    for start in ("Value error, ", "Input should be ", "must be "):
        message = message.removeprefix(start)
    return message[:1].lower() + message[1:]


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


def keys(model: type[BaseModel] = Settings, above: Key = ()) -> tuple[Key, ...]:
    """Every key that can be set, taken apart; `options` stands for what the backends add under it."""
    found: list[Key] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += keys(field.annotation, (*above, name))
        elif (*above, name) != ("resolved",):
            found.append((*above, name))
    return tuple(found)


KEYS = keys()
