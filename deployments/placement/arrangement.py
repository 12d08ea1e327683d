"""How the deployments that need a card are set up, from settings, declared needs and what was measured before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from deployments.backends import registry
from deployments.backends.descriptor import Backend
from deployments.placement import gpus
from deployments.placement.facts import FOREVER
from deployments.placement.footprints import Footprints, key
from deployments.placement.reservation import SHARES, share
from deployments.placement.terms import Terms
from pipeline.errors import SettingsError
from pipeline.settings import Settings

CONCURRENCY: Final = 1
"""Requests of one replica at a time: a model is called from one thread, so the next one waits wherever it is; at the
handle it can still go to another replica, and a replica that is to leave need not finish it."""

AGAIN_SECONDS: Final = (0.01, 0.05)
"""After the first time that every replica was busy, and at most: when the next request may ask for a place again. With
Serve's own half a second a replica that has become free stands idle for a good part of what a short request takes."""

LONGEST_REQUEST_SECONDS: Final = 7200.0
"""So long a replica that is to leave may finish what it works on."""


def room(settings: Settings) -> float | None:
    """Gigabytes of a card that models may take together, without the margin; None where there is no card."""
    budget = settings.gpu.budget_gigabytes
    return gpus.vram_gigabytes() if budget is None else budget


def terms(backend: Backend, settings: Settings, footprints: Footprints, *, default: bool) -> Terms | None:
    """None for a model that needs no card, or where there is none. `default` backends are loaded in advance.

    Raises `SettingsError` for a model that declares to need more than a card has, naming what would fit it.
    """
    budget = room(settings)
    if backend.vram_gigabytes <= 0 or budget is None:
        return None
    name, placement = backend.deployment, settings.placement
    declared = registry.declared(backend, settings)
    share(name, declared, budget, settings.gpu.margin_megabytes, less=_offloaded(backend, declared))
    keep = dict(entry.rsplit("=", 1) for entry in placement.keep).get(name, placement.keep_seconds)
    return Terms(
        need=footprints.need(key(name, settings), round(declared * gpus.GIBIBYTE)),
        room=round(budget * gpus.GIBIBYTE) - settings.gpu.margin_megabytes * gpus.MEBIBYTE,
        key=key(name, settings),
        concurrency=CONCURRENCY,
        max_replicas=placement.replicas,
        keep_alive=FOREVER if keep is None else float(keep),
        pinned=name in placement.pinned,
        prewarm=default or name in placement.prewarm,
        turn=placement.turn_seconds,
        start_limit=placement.start_seconds,
    )


def _offloaded(backend: Backend, declared: float) -> tuple[str, float] | None:
    """The setting by which the model needs less of a card than `declared`, and how much then."""
    less = backend.offloaded_gigabytes
    return (f"options.{backend.name}.offload: model", less) if 0 < less < declared else None


def on_cards(backends: Iterable[Backend], settings: Settings) -> tuple[str, ...]:
    """Names of the deployments that need a card, none where there is no card."""
    if room(settings) is None:
        return ()
    return tuple(backend.deployment for backend in backends if backend.vram_gigabytes > 0)


def options(terms: Terms, cpus: float) -> dict[str, Any]:
    """The options of a deployment that is placed by these terms."""
    return {
        "ray_actor_options": {"num_cpus": cpus, "num_gpus": terms.shares(terms.need) / SHARES},
        "max_ongoing_requests": CONCURRENCY,
        "request_router_config": {"initial_backoff_s": AGAIN_SECONDS[0], "max_backoff_s": AGAIN_SECONDS[1]},
        "graceful_shutdown_wait_loop_s": 0.05,  # Serve's 2 s would be slept before the first look
        "graceful_shutdown_timeout_s": LONGEST_REQUEST_SECONDS,
        "autoscaling_config": {
            "min_replicas": 0,
            "max_replicas": terms.max_replicas,
            "target_ongoing_requests": CONCURRENCY,
            "upscale_delay_s": 0,
            "downscale_delay_s": 0,
            "look_back_period_s": 0.5,
            "metrics_interval_s": 0.1,
            "policy": {"policy_kwargs": terms.kwargs()},
        },
    }


def check_names(settings: Settings, deployments: Iterable[str]) -> None:
    """Raises `SettingsError` where the settings of placement name a model that is not enabled."""
    enabled = set(deployments)
    keep = tuple(entry.rsplit("=", 1)[0] for entry in settings.placement.keep)
    for field, names in (
        ("pinned", settings.placement.pinned),
        ("prewarm", settings.placement.prewarm),
        ("keep", keep),
    ):
        for name in names:
            if name not in enabled:
                raise SettingsError(
                    f"placement.{field}: there is no model {name!r} here.",
                    code="unknown_name",
                    field=f"placement.{field}",
                    accepted=", ".join(sorted(enabled)),
                )
