"""What the product counts and measures while it works: one table, and a typed method for each row.

Who works with it is handed a `Metrics`. It keeps nothing itself: a recorder does, Ray's in a cluster
(`deployments/metrics.py`), `Memory` or nobody elsewhere. Recording never raises for what was measured and never waits.
Names follow Prometheus: base units, `_seconds`, `_bytes`, `_total` for what only rises. A histogram `x` is exported
as `x_bucket`, `x_count` and `x_sum`; Ray 2.60 adds up the middles of the buckets, so that the sum is a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final, Literal, get_args

from pipeline.contracts.jobs import JobKind, StepKind, TaskState

Outcome = Literal["completed", "failed", "cancelled"]
"""How a step or a job ended."""

Queue = Literal["jobs", "audio", "image", "video"]
"""Where work waits: jobs for a place among those that are worked on, their steps for a place of their kind."""

Sent = Literal["delivered", "postponed", "given_up"]
"""What came of one attempt to call a webhook."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of the table. A counter is added to, a gauge is set, a histogram is told of each single value."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper ends, for a histogram."""


SHORT: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds of what a person waits for."""
LONG: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 7200.0)
"""Seconds of work."""

STEP_SECONDS = Metric(
    "mouthpiece_step_seconds", "histogram", "Wall time of one attempt of a step.", ("kind", "backend", "outcome"), LONG
)
WORK_SECONDS = Metric(
    "mouthpiece_work_seconds_total", "counter", "The same added up, exactly: Ray's sums are not.", ("kind", "backend")
)
STEP_RETRIES = Metric(
    "mouthpiece_step_retries_total", "counter", "Attempts of steps after the first.", ("kind", "backend")
)
STEP_FAILURES = Metric(
    "mouthpiece_step_failures_total",
    "counter",
    "Steps that failed for good, by the code of the error.",
    ("kind", "backend", "code"),
)
CACHE_HITS = Metric(
    "mouthpiece_cache_hits_total", "counter", "Steps whose result was there already or was being made.", ("kind",)
)
FRAMES = Metric("mouthpiece_frames_total", "counter", "Video frames made.", ("backend",))
JOBS = Metric("mouthpiece_jobs", "gauge", "Jobs that are kept, by state.", ("state",))
JOB_SECONDS = Metric("mouthpiece_job_seconds", "histogram", "From a job's start to its end.", ("kind", "outcome"), LONG)
QUEUE_LENGTH = Metric("mouthpiece_queue_length", "gauge", "What waits for its turn.", ("queue",))
QUEUE_SECONDS = Metric("mouthpiece_queue_seconds", "histogram", "From enqueuing to start.", ("queue",), LONG)
ARTIFACT_BYTES = Metric("mouthpiece_artifact_bytes", "gauge", "Size of all artifacts together.")
ARTIFACT_QUOTA_BYTES = Metric(
    "mouthpiece_artifact_quota_bytes", "gauge", "Most that artifacts may take together; 0 where there is no quota."
)
WEBHOOKS = Metric("mouthpiece_webhook_attempts_total", "counter", "Attempts to call a webhook.", ("outcome",))
EVENT_LISTENERS = Metric("mouthpiece_event_listeners", "gauge", "Open event streams of this process.")
VRAM_BUDGET_BYTES = Metric("mouthpiece_vram_budget_bytes", "gauge", "Memory of a card that models may take.", ("card",))
VRAM_RESERVED_BYTES = Metric(
    "mouthpiece_vram_reserved_bytes",
    "gauge",
    "Memory of a card set aside for a model; 0 when it has left.",
    ("card", "model"),
)
VRAM_MEASURED_BYTES = Metric(
    "mouthpiece_vram_measured_bytes",
    "gauge",
    "Peak memory that a model was measured to take; 0 when it has left.",
    ("card", "model"),
)
EVICTIONS = Metric("mouthpiece_evictions_total", "counter", "Models taken off a card, by cause.", ("model", "cause"))
SWAP_SECONDS = Metric(
    "mouthpiece_swap_seconds", "histogram", "Stages of bringing a model onto a card.", ("stage",), SHORT
)
MODEL_WAITERS = Metric(
    "mouthpiece_model_waiters", "gauge", "Requests that wait for a model to be resident.", ("model",)
)
MODEL_WAIT_SECONDS = Metric(
    "mouthpiece_model_wait_seconds",
    "histogram",
    "From a request's arrival to its model being there.",
    ("model",),
    SHORT,
)

METRICS: Final = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""The whole table."""

Recorder = Callable[[Metric, float, Mapping[str, str]], None]
"""Takes one value of a metric, with every label that it has. Called from any thread."""


def nobody(_metric: Metric, _value: float, _labels: Mapping[str, str]) -> None:
    """A recorder for where nobody looks."""


class Memory:
    """A recorder for one process without Ray: counters and gauges by their labels, histograms as every value's sum."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[tuple[str, tuple[str, ...]], float] = {}
        self._counts: dict[tuple[str, tuple[str, ...]], int] = {}

    def __call__(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        key = metric.name, tuple(labels[name] for name in metric.labels)
        with self._lock:
            before = 0.0 if metric.kind == "gauge" else self._values.get(key, 0.0)
            self._values[key] = before + value
            self._counts[key] = self._counts.get(key, 0) + 1

    def value(self, metric: Metric, *labels: str) -> float:
        """A counter's or gauge's value, or a histogram's sum; 0 before anything was recorded."""
        return self._values.get((metric.name, labels), 0.0)

    def count(self, metric: Metric, *labels: str) -> int:
        """How often it was recorded."""
        return self._counts.get((metric.name, labels), 0)


class Metrics:
    """Says what happened, in typed words; `recorder` keeps it.

    Seconds and bytes are as their names say. `backend` and `model` are deployment names (`voice-espeak`), or None for
    work that no model does.
    """

    def __init__(self, recorder: Recorder = nobody) -> None:
        self._record = recorder

    # Steps

    def step(self, kind: StepKind, backend: str | None, seconds: float, outcome: Outcome) -> None:
        """One attempt of a step has ended."""
        labels = {"kind": kind, "backend": backend or "none"}
        self._record(STEP_SECONDS, max(0.0, seconds), {**labels, "outcome": outcome})
        if seconds > 0:
            self._record(WORK_SECONDS, seconds, labels)

    def retry(self, kind: StepKind, backend: str | None) -> None:
        """A step is tried once more."""
        self._record(STEP_RETRIES, 1, {"kind": kind, "backend": backend or "none"})

    def failure(self, kind: StepKind, backend: str | None, code: str) -> None:
        """A step has failed and is not tried again."""
        self._record(STEP_FAILURES, 1, {"kind": kind, "backend": backend or "none", "code": code})

    def cache_hit(self, kind: StepKind) -> None:
        self._record(CACHE_HITS, 1, {"kind": kind})

    def frames(self, backend: str | None, count: int) -> None:
        """So many more frames."""
        if count > 0:
            self._record(FRAMES, count, {"backend": backend or "none"})

    # Jobs and queues

    def jobs(self, counts: Mapping[TaskState, int]) -> None:
        """All jobs that are kept, by state; a state that is left out has none."""
        for state in get_args(TaskState):
            self._record(JOBS, counts.get(state, 0), {"state": state})

    def job(self, kind: JobKind, seconds: float, outcome: Outcome) -> None:
        """A job has ended, so long after it was started."""
        self._record(JOB_SECONDS, max(0.0, seconds), {"kind": kind, "outcome": outcome})

    def queued(self, queue: Queue, count: int) -> None:
        """So many wait now."""
        self._record(QUEUE_LENGTH, count, {"queue": queue})

    def started(self, queue: Queue, seconds: float) -> None:
        """Something left a queue and was started, so long after it was put there."""
        self._record(QUEUE_SECONDS, max(0.0, seconds), {"queue": queue})

    # What surrounds them

    def artifacts(self, used: int, quota: int | None) -> None:
        """Bytes in the store, and the most there may be."""
        self._record(ARTIFACT_BYTES, used, {})
        self._record(ARTIFACT_QUOTA_BYTES, quota or 0, {})

    def webhook(self, outcome: Sent) -> None:
        self._record(WEBHOOKS, 1, {"outcome": outcome})

    def listeners(self, count: int) -> None:
        """So many event streams are open in this process."""
        self._record(EVENT_LISTENERS, count, {})

    # Placement

    def budget(self, card: str, size: int) -> None:
        """Bytes of a card that models may take together."""
        self._record(VRAM_BUDGET_BYTES, size, {"card": card})

    def reserved(self, card: str, model: str, size: int) -> None:
        """Bytes of a card that are set aside for a model; 0 when it has left."""
        self._record(VRAM_RESERVED_BYTES, size, {"card": card, "model": model})

    def measured(self, card: str, model: str, size: int) -> None:
        """Peak bytes that a model was seen to take; 0 when it has left."""
        self._record(VRAM_MEASURED_BYTES, size, {"card": card, "model": model})

    def eviction(self, model: str, cause: str) -> None:
        """A model was taken off a card; `cause` is one of a few words."""
        self._record(EVICTIONS, 1, {"model": model, "cause": cause})

    def swap(self, stage: str, seconds: float) -> None:
        """One stage of bringing a model onto a card took so long; `stage` is one of a few words."""
        self._record(SWAP_SECONDS, max(0.0, seconds), {"stage": stage})

    def waiters(self, model: str, count: int) -> None:
        """So many requests wait for a model to be there."""
        self._record(MODEL_WAITERS, count, {"model": model})

    def model_waited(self, model: str, seconds: float) -> None:
        """A request found its model there, so long after it asked."""
        self._record(MODEL_WAIT_SECONDS, max(0.0, seconds), {"model": model})
