"""Where settings come from: profile defaults, then the user's YAML, then the environment, then flags.

Each layer is merged into the ones before it, key by key, so that a partial section keeps its other keys.
The key `profile` is looked up first, in the same order, since it chooses the defaults.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, get_args

from pydantic import SecretStr, ValidationError

from pipeline import profiles, settings_environment
from pipeline.errors import SettingsError
from pipeline.layers import Layer, leaves, merge
from pipeline.settings import Key, Profile, Settings, secret
from pipeline.settings_refusal import nearest, refused


@dataclass(frozen=True, slots=True)
class Explained:
    """One resolved value, masked where it is a secret, and the place that it came from.

    `origin` is `default`, `profile standard`, `detected`, `serve_config.yaml:12`, `MOUTHPIECE_VIDEO__SIZE`,
    `MOUTHPIECE_WEBHOOKS__SECRET_FILE`, `--set video.size` or `arguments`.
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
        ".".join(key): Explained(value, nearest(key, origins))
        for key, value in leaves(settings.model_dump(mode="json"))
        if key != ("resolved",)
    }


def override(text: str) -> tuple[str, Any]:
    """`video.size=256` taken apart; the value is read as YAML. For a command line's `--set`."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise SettingsError(f"{text!r} is not a setting.", field=text, accepted="key=value, such as video.size=256")
    path = tuple(key.split("."))
    if secret(path):  # before its value is read, since an error would show it
        raise _exposed(path, f"--set {key}")
    return key, settings_environment.plain(value, f"--set {key}", key)


def _resolve(
    arguments: Layer | Mapping[str, Any],
    environment: Mapping[str, str],
    overrides: Mapping[str, Any],
    vram: float | None,
) -> tuple[Settings, dict[Key, str]]:
    given = arguments if isinstance(arguments, Layer) else Layer(arguments)
    layers = [given, _flags(overrides)]
    for layer in layers:
        _conceal(layer)
    if given.values.get("resolved") is not True or given.values.get("profile") not in get_args(Profile):
        layers.insert(1, settings_environment.read(environment))
        first, last = _profile(layers, vram)
        layers = [Layer({"storage": {"folder": _data_folder(environment)}}, source="default"), first, *layers, last]
    merged: dict[str, Any] = Settings().args()
    origins: dict[Key, str] = dict.fromkeys((key for key, _ in leaves(merged)), "default")
    for layer in layers:
        merged = merge(merged, layer.values)
        # Sections too, so that an unknown one has the place of its own name.
        written = {key[:end] for key, _ in leaves(layer.values) for end in range(1, len(key) + 1)}
        origins |= {key: layer.place(key) for key in written}
    merged["resolved"] = True
    storage = merged["storage"]
    if isinstance(storage, dict) and isinstance(folder := storage.get("folder"), str):
        storage["folder"] = _expanded(folder, environment)
    try:
        return Settings.model_validate(merged), origins
    except ValidationError as error:
        raise refused(error, origins) from None


def _conceal(layer: Layer) -> None:
    """Refuses secrets that are written out: files are copied and kept in repositories, and Ray shows the arguments of
    an application on its dashboard, as the system shows those of a process. A `SecretStr` is our own, come back."""
    for key, value in leaves(layer.values):
        if secret(key) and value is not None and not isinstance(value, SecretStr):
            raise _exposed(key, layer.place(key))


def _exposed(key: Key, place: str) -> SettingsError:
    name = settings_environment.variable(key)
    return SettingsError(
        f"{place}: {'.'.join(key)} is a secret and can't be set here.",
        code="secret_in_settings",
        field=".".join(key),
        accepted=f"the environment variable {name}, or {name}{settings_environment.FILE} with the path of a file",
    )


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


def _flags(overrides: Mapping[str, Any]) -> Layer:
    written = [(tuple(name.split(".")), value, f"--set {name}") for name, value in overrides.items()]
    return Layer.of(written, "flags")


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
