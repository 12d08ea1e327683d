"""What a deployment tells the placement policy about itself: it travels in the deployment's own autoscaling config.

Serve hands that config to the policy with every call, keeps it over a restart of its controller, and replaces it when
the application is deployed anew, so the policy never holds terms that are out of date.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from deployments.placement.facts import FOREVER, Footprint
from deployments.placement.reservation import SHARES, kept

MARK: Final = "mouthpiece_placement"
"""Tells our terms from what else may stand under `policy_kwargs`."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Sizes in bytes, times in seconds."""

    need: int
    """What one replica is known to take when the application is built: declared, or measured before if that is more."""
    room: int
    """What all replicas on one card may take together: the card's budget less the margin."""
    key: str
    """Under which its measured footprint is kept."""
    concurrency: int = 1
    max_replicas: int = 1
    keep_alive: float = FOREVER
    pinned: bool = False
    prewarm: bool = False
    turn: float = 12.0
    """As in `Rules`; the same for all deployments of an application, as are the next two."""
    turn_per_load: float = 2.0
    start_limit: float = 120.0

    def kwargs(self) -> dict[str, Any]:
        """Plain values for `autoscaling_config.policy.policy_kwargs`."""
        return {MARK: asdict(self)}

    @classmethod
    def of(cls, kwargs: Mapping[str, Any]) -> Self | None:
        """The terms in a deployment's `policy_kwargs`; None where it has none."""
        found = kwargs.get(MARK)
        if found is None:
            return None
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in found.items() if name in known})

    @property
    def unit(self) -> int:
        """Bytes of one share of a card."""
        return self.room // SHARES

    @property
    def budget(self) -> int:
        """Bytes of a card, in whole shares."""
        return self.unit * SHARES

    def shares(self, need: int) -> int:
        """Ten-thousandths of a card that Ray sets aside to hold `need` bytes; a model larger than the card gets all of
        it."""
        return kept(min(SHARES, max(1, math.ceil(need * SHARES / self.room))))

    def footprint(self, need: int, load_seconds: float, wishes: Mapping[str, Any]) -> Footprint:
        """For the policy, `need` being the larger of declared and measured; `wishes` are what somebody asked for while
        it runs: pinned, prewarm, keep_alive."""
        return Footprint(
            need=self.shares(need) * self.unit,
            load_seconds=load_seconds,
            concurrency=self.concurrency,
            max_replicas=self.max_replicas,
            keep_alive=wishes.get("keep_alive", self.keep_alive),
            pinned=wishes.get("pinned", self.pinned),
            prewarm=wishes.get("prewarm", self.prewarm),
        )
