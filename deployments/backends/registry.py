"""Which backends there are: a table. Adding one is one file, one row of `built_in` and its options in the settings.

Other packages add rows by an entry point in the group `mouthpiece.backends`, named `<capability>.<name>`, that
points to the class or to a `Backend` descriptor:

    [project.entry-points."mouthpiece.backends"]
    "voice.acme" = "acme_voice:AcmeVoice"
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any, get_args

from deployments.backends.built_in import BACKENDS
from deployments.backends.descriptor import OURS, Backend
from deployments.backends.loading import Option, Target, construct
from deployments.backends.published import licences
from pipeline.contracts import Capability
from pipeline.errors import SettingsError, UnknownName
from pipeline.settings import Settings

GROUP = "mouthpiece.backends"
CAPABILITIES: tuple[Capability, ...] = get_args(Capability)


def table() -> Mapping[str, Backend | EntryPoint]:
    """Every backend by name: our own rows, and the entry points of installed packages, not yet imported.

    Raises `SettingsError` where two claim one name, or an entry point's name is malformed.
    """
    return _table(tuple(sys.path))


def find(capability: Capability, name: str) -> Backend:
    """The backend, its package imported if it is another's. Raises `UnknownName` listing the capability's."""
    rows = table()
    row = rows.get(name)
    if row is None or _capability(row) != capability:
        names = [known for known, other in rows.items() if _capability(other) == capability]
        raise UnknownName.of(f"{capability} backend", name, names, field=f"{capability}.backends")
    return row if isinstance(row, Backend) else _descriptor(row)


def dubbing() -> tuple[str, ...]:
    """Names of the lip-sync backends of ours that work on films, whether or not they are enabled."""
    return tuple(row.name for row in BACKENDS if row.dubs)


def load(backend: Backend, options: Mapping[str, Any] | None = None) -> Any:
    """The model itself, built with these options: an object of the capability's protocol in `pipeline.models`.

    Raises `SettingsError` for what `check` refuses, and what the constructor raises.
    """
    check(backend, options or {})
    return construct(_target(backend), options or {})


def check(backend: Backend, options: Mapping[str, Any]) -> None:
    """Everything that can be checked without building it: import, protocol, options, programs.

    Raises `SettingsError`, with code missing_dependency and what to install where something is not there.
    """
    _target(backend).check(options)
    program = options.get("program", backend.program) if backend.program else ""
    if program and shutil.which(program) is None:
        raise SettingsError(
            f"The {backend.capability} backend {backend.name} needs the program {program!r}, which is not here.",
            code="missing_dependency",
            field=f"{backend.capability}.backends",
            accepted=backend.install or f"an installation of {program}",
        )


def options(backend: Backend) -> tuple[Option, ...]:
    """What may stand under `options.<name>` in the settings: the constructor's arguments."""
    return _target(backend).options()


def configured(backend: Backend, settings: Settings) -> dict[str, Any]:
    """What its constructor is given: its own options, and for arguments that `generation` has a value for, that."""
    shared = settings.generation.model_dump()
    taken = {option.name: shared[option.name] for option in options(backend) if option.name in shared}
    return taken | dict(settings.options.get(backend.name, {}))


def declared(backend: Backend, settings: Settings) -> float:
    """Gigabytes of a card that it declares to need, set up as it is."""
    if backend.offloaded_gigabytes and configured(backend, settings).get("offload", "none") != "none":
        return backend.offloaded_gigabytes
    return backend.vram_gigabytes


def fingerprint(backend: Backend, options: Mapping[str, Any]) -> str:
    """What a backend's results depend on besides the request: SHA-256 over its identity, version and options."""
    package = "" if backend.provider == OURS else _package_version(backend.provider)
    told = [backend.capability, backend.name, backend.target, backend.version, backend.provider, package, options]
    return hashlib.sha256(json.dumps(told, sort_keys=True, allow_nan=False).encode()).hexdigest()


def enabled(settings: Settings) -> dict[Capability, tuple[Backend, ...]]:
    """The configured backends of each capability, the default first, every name and option checked.

    Imports their classes but builds none. Raises `SettingsError` naming the key, and what is accepted; so it does for
    one whose licence forbids commercial use, where that is set.
    """
    found: dict[Capability, tuple[Backend, ...]] = {}
    rows = table()
    for name in settings.options:
        if name not in rows:
            raise SettingsError(
                f"options.{name}: there is no backend {name!r} here.",
                code="unknown_name",
                field=f"options.{name}",
                accepted=", ".join(sorted(rows)),
            )
    for capability in CAPABILITIES:
        try:
            backends = tuple(find(capability, name) for name in settings.backends(capability))
        except UnknownName as error:
            raise SettingsError(
                f"{capability}.backends: {error.message}", code=error.code, field=error.field, accepted=error.accepted
            ) from None
        for backend in backends:
            check(backend, configured(backend, settings))
        with licences.held_to(settings.commercial_use):
            licences.check_backends(backends)
        found[capability] = backends
    return found


def _package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""  # an entry point of something that is not a package; its row's version counts


def _target(backend: Backend) -> Target:
    return Target(
        backend.capability,
        backend.name,
        backend.target,
        backend.install,
        clones=backend.clones,
        dubs=backend.dubs,
        stretches=backend.stretches,
    )


def _capability(row: Backend | EntryPoint) -> str:
    return row.capability if isinstance(row, Backend) else row.name.partition(".")[0]


@lru_cache(maxsize=4)
def _table(_path: tuple[str, ...]) -> Mapping[str, Backend | EntryPoint]:
    # Reading the entry points looks at every installed package, so it is done once for each sys.path.
    rows: dict[str, Backend | EntryPoint] = {}
    for name, row in _rows():
        if name in rows:
            raise SettingsError(
                f"Two backends are called {name!r}: one of {_provider(rows[name])} and one of {_provider(row)}.",
                code="duplicate_backend",
                field=name,
                accepted="one of the two packages installed",
            )
        rows[name] = row
    return rows


def _rows() -> Iterator[tuple[str, Backend | EntryPoint]]:
    for backend in BACKENDS:
        yield backend.name, backend
    for entry in entry_points(group=GROUP):
        capability, _, name = entry.name.partition(".")
        if capability not in CAPABILITIES or not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
            raise SettingsError(
                f"The entry point {entry.name!r} of {_provider(entry)} does not name a backend.",
                code="invalid_backend",
                field=entry.name,
                accepted=f"<capability>.<name>, the capability one of {', '.join(CAPABILITIES)}",
            )
        yield name, entry


def _provider(row: Backend | EntryPoint) -> str:
    if isinstance(row, Backend):
        return row.provider
    return row.dist.name if row.dist else row.value


def _descriptor(entry: EntryPoint) -> Backend:
    """The row that an entry point stands for: the descriptor it points to, or one around the class."""
    capability = next(known for known in CAPABILITIES if known == _capability(entry))
    name = entry.name.partition(".")[2]
    path = f"{entry.module}:{entry.attr}"
    loaded = Target(capability, name, path, "").attribute()
    if not isinstance(loaded, Backend):
        return Backend(capability, name, path, provider=_provider(entry))
    if (loaded.capability, loaded.name) != (capability, name):
        raise SettingsError(
            f"The entry point {entry.name!r} of {_provider(entry)} points to the backend "
            f"{loaded.capability}.{loaded.name}.",
            code="invalid_backend",
            field=entry.name,
            accepted="the same capability and name in both",
        )
    return replace(loaded, provider=_provider(entry))
