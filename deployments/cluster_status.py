"""What Ray Serve says about the application, in our words."""

from __future__ import annotations

from ray import serve

from deployments.backends import registry
from deployments.backends.descriptor import Backend
from deployments.placement import arrangement, gpus
from pipeline.contracts import DeploymentStatus, Gpu
from pipeline.contracts.placement import Placement
from pipeline.settings import Settings


def read(
    runtime: str, settings: Settings, placement: Placement
) -> tuple[tuple[DeploymentStatus, ...], tuple[Gpu, ...]]:
    """Deployments and cards, as they are now. Blocks for a moment: call it from a thread of a replica."""
    cards = tuple(
        Gpu(index=i, name=card.name, total_gigabytes=card.total_gigabytes, used_gigabytes=card.used_gigabytes)
        for i, card in enumerate(gpus.cards())
    )
    if runtime == "process":
        # There is nobody to ask: Serve's local mode keeps no state of them, and they live as long as the process.
        names = ("coordinator", *(backend.deployment for backend in _enabled(settings)))
        return tuple(DeploymentStatus(name=name, status="HEALTHY", replicas={"RUNNING": 1}) for name in names), cards
    # By the name it was deployed under, which is the deploy file's to choose.
    application = serve.status().applications[serve.get_replica_context().app_name]
    reserved, measured = reservations(settings, placement), usage(placement)
    found = [
        DeploymentStatus(
            name=name,
            status=part.status.value,
            replicas=dict(part.replica_states),
            reserved_gigabytes=reserved.get(name, 0.0),
            measured_gigabytes=measured.get(name, 0.0),
            message=part.message,
        )
        for name, part in sorted(application.deployments.items())
    ]
    return tuple(found), cards


def reservations(settings: Settings, placement: Placement) -> dict[str, float]:
    """Gigabytes of a card that each replica reserves, by deployment: as the policy goes by, which knows what was
    measured; before its first decision, as declared. Nothing where there is no card."""
    on_cards = set(arrangement.on_cards(_enabled(settings), settings))
    declared = {b.deployment: registry.declared(b, settings) for b in _enabled(settings) if b.deployment in on_cards}
    return declared | {model.model: model.need_gigabytes for model in placement.models}


def usage(placement: Placement) -> dict[str, float]:
    """Gigabytes of cards that the replicas of each deployment were seen to take, together."""
    found: dict[str, float] = {}
    for who in (*placement.placeless, *(who for card in placement.cards for who in card.occupants)):
        found[who.model] = found.get(who.model, 0.0) + who.measured_gigabytes
    return found


def _enabled(settings: Settings) -> list[Backend]:
    return [
        registry.find(capability, name)
        for capability in registry.CAPABILITIES
        for name in settings.backends(capability)
    ]
