"""What Ray Serve says about the application, in our words."""

from __future__ import annotations

from typing import Final

from ray import serve

from deployments.placement import gpus
from pipeline.contracts import DeploymentStatus, Gpu
from pipeline.settings import Settings

APPLICATION: Final = "mouthpiece"


def read(runtime: str, settings: Settings) -> tuple[tuple[DeploymentStatus, ...], tuple[Gpu, ...]]:
    """Deployments and cards, as they are now. Blocks for a moment: call it from a thread."""
    cards = tuple(
        Gpu(index=i, name=card.name, total_gigabytes=card.total_gigabytes, used_gigabytes=card.used_gigabytes)
        for i, card in enumerate(gpus.cards())
    )
    if runtime == "process":
        names = [f"{c}-{b}" for c in ("voice", "avatar", "face", "lipsync") for b in settings.backends(c)]
        alone = [_status(name, "HEALTHY", {"RUNNING": 1}) for name in (*names, "coordinator")]
        return tuple(alone), cards
    application = serve.status().applications.get(APPLICATION)
    if application is None:
        return (), cards
    found = [
        _status(name, part.status.value, dict(part.replica_states), part.message)
        for name, part in sorted(application.deployments.items())
    ]
    return tuple(found), cards


def _status(name: str, status: str, replicas: dict[str, int], message: str = "") -> DeploymentStatus:
    return DeploymentStatus(name=name, status=status, replicas=replicas, reserved_gigabytes=0.0, message=message)
