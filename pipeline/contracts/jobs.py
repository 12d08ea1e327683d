"""Jobs, their steps and their events, as a client reads them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.contracts.resources import ErrorBody, VideoFacts
from pipeline.contracts.words import Contract

JobKind = Literal["video"]
"""What a job makes; its id begins with the first three letters."""

StepKind = Literal["measure", "speak", "draw", "locate", "film", "move", "track", "dub", "enlarge", "transcribe"]
"""What a step does: measure a voice clip, speak a sentence, draw a portrait, find a face, make the talking video,
make a film of a picture, find the face in every frame of a film, have it say something, enlarge a film, find the words
of speech in time."""

TaskState = Literal[
    "pending", "assigned", "in_progress", "awaiting_review", "completed", "failed", "blocked", "cancelled"
]
"""States of jobs and of steps. `pipeline.contracts.states` says which may follow which."""

EventType = Literal[
    "task.queued", "task.started", "task.progress", "task.completed", "task.failed", "task.cancelled", "task.deleted"
]

Still = Literal["thumbnail", "spritesheet"]

UsageTable = Literal["jobs", "steps"]

Percent = Annotated[float, Field(ge=0, le=100)]


class Step(Contract):
    """One node of a job's graph. What it makes is kept by the key of everything it is made from, and shared."""

    name: str
    """Unique in its job: `locate`, `speak.0003`, `film`."""
    kind: StepKind
    state: TaskState = "pending"
    attempts: int = 0
    backend: str | None = None
    """The model that does it."""
    key: str | None = None
    """Content key, 64 hex digits: kind, backend and its version, parameters, digests of the inputs. Known once those
    inputs are; until it is completed, that of a film has the keys of its sentences in place of their digests."""
    artifact: str | None = None
    """SHA-256 of what it made, 64 hex digits."""
    cached: bool = False
    """Nothing had to be done: it was made before, or another job was making it at the same time."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: ErrorBody | None = None


class Job(Contract):
    """Work that was accepted: it survives every crash and ends completed, failed or cancelled."""

    id: str
    object: Literal["job"] = "job"
    kind: JobKind = "video"
    state: TaskState
    progress: Percent = 0.0
    """Moves with the frames that are made, never back."""
    message: str = ""
    """What is being done, in a few words."""
    frames_made: int = 0
    frames_total: int | None = None
    """Known once all of the speech is."""
    priority: int = 0
    attempt: int = 1
    """How often the whole job was started: 2 after the first retry."""
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    steps: tuple[Step, ...] = ()
    """In the order in which they can be done. Left out of lists."""
    error: ErrorBody | None = None
    result: VideoFacts | None = None


class JobPage(Contract):
    """Newest first."""

    data: list[Job]
    has_more: bool


class Event(Contract):
    """Something that happened to a job."""

    id: int
    """Rises by one or more with every event, across restarts: where a listener takes up again."""
    type: EventType
    task_id: str
    at: datetime
    data: dict[str, Any]
    """As the type says. queued: {type}; started: {type, started_at}; progress: {percent, message, frames_made,
    frames_total}; completed: {result, duration}; failed: {error}; each with task_id."""
