"""The states of jobs and steps, and which may follow which (row C8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.contracts.jobs import TaskState

FOLLOWING: Final[Mapping[TaskState, frozenset[TaskState]]] = {
    # Waits for its turn; a step waits for what it is made from.
    "pending": frozenset({"assigned", "blocked", "cancelled", "completed", "failed"}),
    # Taken from the queue. Back to pending where the process that took it died.
    "assigned": frozenset({"in_progress", "pending", "blocked", "failed", "cancelled", "completed"}),
    # Back to pending where the process that did it died.
    "in_progress": frozenset({"awaiting_review", "completed", "failed", "blocked", "cancelled", "pending"}),
    # A review accepts it, sends it back, or gives it up.
    "awaiting_review": frozenset({"completed", "in_progress", "failed", "cancelled"}),
    # By a retry.
    "failed": frozenset({"pending"}),
    # Something that it needs failed; by a retry of that.
    "blocked": frozenset({"pending", "cancelled"}),
    "completed": frozenset(),
    "cancelled": frozenset(),
}
"""From each state, the states that may follow. The schema holds the same table as triggers, made from this one."""

ENDED: Final[frozenset[TaskState]] = frozenset({"completed", "failed", "blocked", "cancelled"})
"""States in which nothing more happens by itself."""
