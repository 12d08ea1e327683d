"""What Ray Serve says about the application, in our words."""

from __future__ import annotations

from ray import serve

from deployments.backends import registry
from deployments.placement import gpus
from pipeline.contracts import DeploymentStatus, Gpu
from pipeline.settings import Settings


def read(runtime: str, settings: Settings) -> tuple[tuple[DeploymentStatus, ...], tuple[Gpu, ...]]:
    """Deployments and cards, as they are now. Blocks for a moment: call it from a thread of a replica."""
    cards = tuple(
        Gpu(index=i, name=card.name, total_gigabytes=card.total_gigabytes, used_gigabytes=card.used_gigabytes)
        for i, card in enumerate(gpus.cards())
    )
    reserved = {"coordinator": 0.0} | _reserved(settings)
    if runtime == "process":
        # There is nobody to ask: Serve's local mode keeps no state of them, and they live as long as the process.
        return tuple(_status(name, "HEALTHY", {"RUNNING": 1}, reserved) for name in reserved), cards
    # By the name it was deployed under, which is the deploy file's to choose.
    application = serve.status().applications[serve.get_replica_context().app_name]
    found = [
        _status(name, part.status.value, dict(part.replica_states), reserved, part.message)
        for name, part in sorted(application.deployments.items())
    ]
    return tuple(found), cards


def _reserved(settings: Settings) -> dict[str, float]:
    """Card memory of one replica by deployment, as `deployments.app.reserved` has Ray place it."""
    on_cards = settings.gpu.budget_gigabytes is not None
    backends = [
        registry.find(capability, name)
        for capability in registry.CAPABILITIES
        for name in settings.backends(capability)
    ]
    return {backend.deployment: backend.vram_gigabytes if on_cards else 0.0 for backend in backends}


def _status(
    name: str, status: str, replicas: dict[str, int], reserved: dict[str, float], message: str = ""
) -> DeploymentStatus:
    return DeploymentStatus(
        name=name, status=status, replicas=replicas, reserved_gigabytes=reserved.get(name, 0.0), message=message
    )
