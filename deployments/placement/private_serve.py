"""The one place that leans on Serve's insides (Ray 2.60): its controller's, its client's for deploying, and its outbox.

Without the outbox nobody waits for slow readers. Without the controller's the policy sees less. What they give that the
public interface does not: replicas that start or stop, the queue as it is and not as a mean, the order in which Serve
would stop replicas, another share of a card for the next replica, and an end to a start that nobody can otherwise end.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from typing import Any, Self

from deployments import private_ray
from deployments.placement.facts import Phase
from pipeline.errors import Unavailable

POLICY = "deployments.placement.adapter:Placement"
"""Stands in the deploy file too."""

log = logging.getLogger("ray.serve.placement")

PHASES = {
    "STARTING": Phase.STARTING,
    "RECOVERING": Phase.RUNNING,
    "UPDATING": Phase.RUNNING,
    "RUNNING": Phase.RUNNING,
    "PENDING_MIGRATION": Phase.RUNNING,
    "STOPPING": Phase.STOPPING,
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A replica as the controller has it."""

    id: str
    deployment: Any
    """Serve's DeploymentID."""
    phase: Phase
    asked: float | None
    """When its start was asked for, seconds since the epoch."""


class Controller:
    """The controller that this process is. Every call is made from its control loop, between two awaits."""

    def __init__(self, controller: Any) -> None:
        self._deployments = controller.deployment_state_manager
        self._scheduler = controller.deployment_state_manager._deployment_scheduler
        self._scaling = controller.autoscaling_state_manager
        self._applications = controller.application_state_manager

    @classmethod
    def here(cls, actor: Callable[[], Any] = private_ray.actor) -> Self | None:
        """None where this process is no controller, or one of another make."""
        try:
            return cls(actor())
        except (ImportError, AttributeError, KeyError):
            log.warning("Serve's controller is not built as expected: placement goes by what Serve makes public.")
            return None

    def replicas(self, deployments: Iterable[Any]) -> list[Listed]:
        found = []
        for deployment in deployments:
            state = self._deployments._deployment_states.get(deployment)
            for replica in state._replicas.get() if state else ():
                details = replica.actor_details
                phase = PHASES.get(getattr(details.state, "value", details.state))
                if phase is not None:
                    found.append(Listed(replica.replica_id.unique_id, deployment, phase, details.start_time_s))
        return found

    def queued(self, deployment: Any) -> int:
        """Requests that wait at handles, as these said last."""
        app = self._scaling._app_autoscaling_states[deployment.app_name]
        store = app._deployment_autoscaling_states[deployment]._handle_store
        total = 0.0
        for report in store.columnar.values():
            values = report.queued.values if report.queued is not None else ()
            total += values[-1] if len(values) else 0
        for report in store.objects.values():
            total += report.queued_requests[-1].value if report.queued_requests else 0
        return round(total)

    def stop_order(self, deployment: Any, count: int) -> list[str]:
        """The first `count` replicas that Serve would stop, in its order."""
        order: list[str] = []
        for number in range(1, count + 1):
            chosen = self._scheduler._get_replicas_to_stop(deployment, number)
            order += [replica.unique_id for replica in chosen if replica.unique_id not in order]
        return order

    def retarget(self, deployment: Any, replicas: int) -> None:
        """So many replicas, whoever waits for them. A controller that takes over goes by it too."""
        if self._deployments.autoscale(deployment, replicas):
            self._deployments.save_checkpoint()

    def end(self, deployment: Any, replica: str) -> None:
        """Kills the replica's process: one that hangs would take all of its grace to stop."""
        for entry in self._deployments._deployment_states[deployment]._replicas.get():
            if entry.replica_id.unique_id == replica:
                entry._actor.force_stop()

    def share(self, deployment: Any) -> float:
        """Share of a card that the next replica reserves."""
        return self._described(deployment).ray_actor_options.get("num_gpus", 0.0)

    def resize(self, deployment: Any, share: float) -> None:
        """The deployment's replicas reserve this share from now on.

        To Serve it is as if the application had been deployed again with it: it compares every deployment with what the
        application says in each turn of its control loop, and keeps that over a restart.
        """
        config = self._described(deployment)
        config.ray_actor_options = {**config.ray_actor_options, "num_gpus": share}
        config.resource_dict = {**config.resource_dict, "GPU": share}
        self._applications.save_checkpoint()

    def _described(self, deployment: Any) -> Any:
        app = self._applications._application_states[deployment.app_name]
        return app._target_state.deployment_infos[deployment.name].replica_config


def deploy(
    import_path: str, args: dict[str, Any], *, name: str, route_prefix: str | None, seconds: float = 300
) -> None:
    """What `serve deploy` does, from a process that is connected to the cluster: returns when the application runs.

    `serve.run` has no parameter for a policy of the application. The arguments have to be plain values, since the
    application is built in a worker of the cluster. Raises `Unavailable` with what Serve says where it does not start.
    """
    from ray import serve
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    described = {
        "name": name,
        "route_prefix": route_prefix,
        "import_path": import_path,
        "args": args,
        "autoscaling_policy": {"policy_function": POLICY},
    }
    client: Any = _get_global_client()
    client.deploy_apps(ServeDeploySchema.model_validate({"applications": [described]}))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = serve.status().applications.get(name)
        if found is not None and found.status == "RUNNING":
            return
        if found is not None and found.status == "DEPLOY_FAILED":
            raise Unavailable(f"The application did not start: {found.message}", code="start_failed")
        time.sleep(0.1)
    raise Unavailable(f"The application did not start within {seconds:g} s.", code="start_failed")


def outbox(send: Any, depth: int = 8) -> Sized | None:
    """Where a replica keeps the messages sent by `send`, which leads there by what the functions that wrap each other
    have hold of; None for another server's, and where this version of Serve keeps them otherwise."""
    try:
        from ray.serve._private.http_util import MessageQueue
    except ImportError:
        return None
    for cell in getattr(send, "__closure__", None) or ():
        try:
            held = cell.cell_contents
        except ValueError:  # not bound yet
            continue
        if isinstance(held, MessageQueue):
            return getattr(held, "_message_queue", None)
        if depth and callable(held) and (found := outbox(held, depth - 1)) is not None:
            return found
    return None
