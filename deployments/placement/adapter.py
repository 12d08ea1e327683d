"""The application-level autoscaling policy of the deploy file: it hands the controller's calls on to the pilot.

Serve pickles the module that its policy stands in by value, so there is nothing here but that.
"""

from __future__ import annotations

from typing import Any


class Placement:
    """Made once in Serve's controller, called by it in every turn of its control loop with the context of every
    deployment that scales; answers with how many replicas each of them shall have, and says nothing about those that
    shall stay as they are."""

    def __init__(self) -> None:
        self._pilot: Any = None

    def __call__(self, contexts: dict[Any, Any]) -> tuple[dict[Any, float], dict[Any, dict[str, Any]]]:
        if self._pilot is None:  # not before: a controller that takes over makes this while it is being made itself
            from deployments.placement.pilot import Pilot

            self._pilot = Pilot()
        return self._pilot.steer(contexts), {}
