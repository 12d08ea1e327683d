"""`mouthpiece status`: what runs, on what, with which settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clients.cli import screen, where

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.contracts import DeploymentStatus, Gpu, Status


@where.anywhere
def status(*, at: where.Where) -> None:
    """Show GPUs, hardware profile, deployments and versions; with --verbose, the resolved settings.

    Without a server: this machine and the settings that hold on it, each with where it came from.

    Examples:

      mouthpiece status --server http://127.0.0.1:8000

      mouthpiece status --verbose --set profile=small
    """
    where.log(as_json=at.as_json, verbose=False)
    if at.address:
        at.refuse_settings("--server '' for this machine")
        _running(at.address, as_json=at.as_json, verbose=at.verbose)
        return
    from clients.cli import local

    machine = local.machine(at.config, at.sets)
    if at.as_json:
        settings = {key: {"value": e.value, "origin": e.origin} for key, e in machine.settings.items()}
        facts = {"server": None, "versions": machine.versions, "profile": machine.profile, "gpus": machine.gpus}
        if machine.problem:
            facts["problem"] = machine.problem
        screen.result(facts | {"folder": machine.folder} | ({"settings": settings} if at.verbose else {}))
        return
    screen.facts({"server": "none named: this machine (--server URL, MOUTHPIECE_SERVER)"} | machine.versions)
    screen.facts(
        {
            "profile": f"{machine.profile} ({machine.settings['profile'].origin})",
            "data": machine.folder,
            "backends": "; ".join(f"{capability} {', '.join(names)}" for capability, names in machine.backends.items()),
        }
    )
    _cards(machine.gpus)
    if at.verbose:
        rows = [(key, _shown(e.value), e.origin) for key, e in machine.settings.items()]
        screen.table(("setting", "value", "from"), rows)


def _running(server: str, *, as_json: bool, verbose: bool) -> None:
    from clients.python.client import Client

    with Client(server, timeout=30) as client:
        found = client.status()
    if as_json:
        body = screen.plain(found)
        if not verbose:
            del body["settings"]
        screen.result({"server": server, **body})
        return
    _facts(server, found)
    _cards(found.gpus)
    rows = [
        (part.name, part.status, _replicas(part.replicas), *_memory(part), part.message) for part in found.deployments
    ]
    screen.table(("deployment", "status", "replicas", "VRAM reserved each", "taken at most", ""), rows)
    if verbose:
        screen.table(("setting", "value"), [(key, _shown(value)) for key, value in _flat(found.settings)])


def _memory(part: DeploymentStatus) -> tuple[str, str]:
    """Nothing for what needs no card."""
    if not part.reserved_gigabytes:
        return "", ""
    return f"{part.reserved_gigabytes:.2f} GB", f"{part.measured_gigabytes:.2f} GB"


def _facts(server: str, found: Status) -> None:
    videos = ", ".join(f"{count} {state}" for state, count in found.videos.items()) or "none"
    folder = str(found.settings.get("storage", {}).get("folder", ""))
    screen.facts(
        {
            "server": server,
            "mouthpiece": found.version,
            "runtime": found.runtime,
            "profile": found.profile,
            "data": folder,
            "videos": videos,
        }
    )


def _cards(gpus: Sequence[Gpu]) -> None:
    if not gpus:
        screen.line("GPU: none")
        return
    rows = [
        (
            str(gpu.index),
            gpu.name,
            "unknown" if gpu.used_gigabytes is None else f"{gpu.used_gigabytes:.2f} GB",
            f"{gpu.total_gigabytes:.2f} GB",
        )
        for gpu in gpus
    ]
    screen.table(("GPU", "name", "VRAM in use", "VRAM"), rows)


def _replicas(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {state.lower()}" for state, number in counts.items()) or "none"


def _flat(values: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        found += _flat(value, f"{above}{key}.") if isinstance(value, dict) and value else [(f"{above}{key}", value)]
    return found


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "null" if value is None else str(value)
