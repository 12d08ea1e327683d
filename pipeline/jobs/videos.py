"""Jobs that make videos, in the words of `VideoJob`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.contracts import Job, TaskState, VideoJob
from pipeline.contracts.words import JobState

STATUSES: Final[Mapping[TaskState, JobState]] = {
    "pending": "queued",
    "assigned": "running",
    "in_progress": "running",
    "awaiting_review": "running",
    "completed": "completed",
    "failed": "failed",
    "blocked": "failed",
    "cancelled": "cancelled",
}

ENDED: Final = frozenset({"completed", "failed", "cancelled"})
"""Statuses that a video does not leave by itself."""


def as_video(job: Job) -> VideoJob:
    """The same job, without its steps."""
    return VideoJob(
        id=job.id,
        status=STATUSES[job.state],
        progress=job.progress,
        stage=job.message,
        frames_made=job.frames_made,
        frames_total=job.frames_total,
        created_at=job.created_at,
        completed_at=job.completed_at,
        error=job.error,
        result=job.result,
    )


def by_status(counts: Mapping[TaskState, int]) -> dict[str, int]:
    """Videos by the words of `VideoJob.status`."""
    found: dict[str, int] = {}
    for state, count in counts.items():
        found[STATUSES[state]] = found.get(STATUSES[state], 0) + count
    return found
