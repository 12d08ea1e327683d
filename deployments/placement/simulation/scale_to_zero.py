"""What the policy is compared with: every deployment by itself, as Ray Serve scales it with its default settings."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deployments.placement.decision import Decision
from deployments.placement.facts import Card, Demand, Footprint, Replica, State
from deployments.placement.simulation.world import Hints


@dataclass(slots=True)
class _Scaled:
    samples: deque[tuple[float, float]] = field(default_factory=deque)
    """Time and requests, of the last `look_back` seconds."""
    target: int = 0
    low_since: float | None = None
    """Since when fewer replicas would do."""
    high_since: float | None = None


@dataclass(slots=True)
class ScaleToZero:
    """`min_replicas: 0` and Ray Serve's defaults (2.60, `AutoscalingConfig`): the first request starts a replica at
    once; more come when the mean of the last 30 s has asked for them for 30 s; fewer stay, down to none, when it has
    for 600 s. Nobody gives way to anybody: a replica that finds no room waits for it."""

    look_back: float = 30.0
    upscale_delay: float = 30.0
    downscale_delay: float = 600.0
    target_ongoing: float = 2.0
    _scaled: dict[str, _Scaled] = field(default_factory=dict)

    def __call__(
        self,
        demand: Mapping[str, Demand],
        resident: Sequence[Replica],
        footprints: Mapping[str, Footprint],
        cards: Sequence[Card],  # noqa: ARG002 - it takes no notice of room
        clock: float,
        *,
        hints: Hints,  # noqa: ARG002 - nor of what comes
        state: State,
    ) -> Decision:
        requests = {name: float(wish.queued) for name, wish in demand.items()}
        for replica in resident:
            requests[replica.deployment] = requests.get(replica.deployment, 0.0) + replica.ongoing
        targets = {}
        for name, footprint in footprints.items():
            if name in requests or name in self._scaled:
                targets[name] = self._target(name, footprint, requests.get(name, 0.0), clock)
        return Decision(targets, frozenset(), (), (), (), recheck=clock + 1.0, state=state)

    def _target(self, name: str, footprint: Footprint, requests: float, clock: float) -> int:
        scaled = self._scaled.setdefault(name, _Scaled())
        scaled.samples.append((clock, requests))
        while scaled.samples[0][0] < clock - self.look_back:
            scaled.samples.popleft()
        if scaled.target == 0 and requests > 0:
            scaled.target = 1
            return 1
        mean = sum(value for _, value in scaled.samples) / len(scaled.samples)
        desired = min(footprint.max_replicas, math.ceil(mean / self.target_ongoing))
        if desired >= scaled.target:
            scaled.low_since = None
        if desired <= scaled.target:
            scaled.high_since = None
        if desired > scaled.target:
            scaled.high_since = clock if scaled.high_since is None else scaled.high_since
            if clock - scaled.high_since >= self.upscale_delay:
                scaled.target, scaled.high_since = desired, None
        elif desired < scaled.target:
            scaled.low_since = clock if scaled.low_since is None else scaled.low_since
            if clock - scaled.low_since >= self.downscale_delay:
                scaled.target, scaled.low_since = desired, None
        return scaled.target
