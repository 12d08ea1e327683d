"""The table of metrics and the methods that fill it."""

import inspect
import re
from typing import get_args

import pytest

from pipeline.contracts.jobs import TaskState
from pipeline.metrics import (
    ARTIFACT_BYTES,
    ARTIFACT_QUOTA_BYTES,
    EVENT_LISTENERS,
    FRAMES,
    JOBS,
    METRICS,
    STEP_FAILURES,
    STEP_RETRIES,
    STEP_SECONDS,
    Memory,
    Metric,
    Metrics,
)


def everything(metrics: Metrics) -> None:
    """Calls each method once."""
    given = {
        "kind": "film",
        "queue": "jobs",
        "outcome": "completed",
        "counts": {"pending": 2},
        "backend": "voice-espeak",
    }
    numbers = {"seconds": 1.5, "count": 3, "used": 100, "quota": 1000, "size": 7}
    words = {"code": "no_face", "card": "0", "model": "avatar-sd15", "cause": "idle", "stage": "load"}
    for name, method in inspect.getmembers(metrics, inspect.ismethod):
        if not name.startswith("_"):
            method(*((given | numbers | words)[parameter] for parameter in inspect.signature(method).parameters))


def test_every_row_is_filled_by_a_method_with_the_labels_it_has():
    filled: dict[str, set[tuple[str, ...]]] = {}

    def record(metric: Metric, value: float, labels) -> None:
        assert value >= 0
        assert all(isinstance(text, str) and text for text in labels.values())
        filled.setdefault(metric.name, set()).add(tuple(sorted(labels)))

    everything(Metrics(record))
    assert filled == {metric.name: {tuple(sorted(metric.labels))} for metric in METRICS}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_are_those_of_the_conventions(metric):
    """https://prometheus.io/docs/practices/naming/"""
    assert re.fullmatch(r"mouthpiece_[a-z]+(_[a-z]+)*", metric.name)
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert (metric.kind == "histogram") == bool(metric.buckets)
    if metric.kind == "histogram":
        assert metric.name.endswith("_seconds")
    assert not metric.name.endswith(("_count", "_sum", "_bucket", "_milliseconds", "_ms", "_megabytes"))
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.meaning.endswith(".")
    assert "le" not in metric.labels


def test_names_are_distinct():
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_memory_adds_up_counters_and_replaces_gauges():
    memory = Memory()
    metrics = Metrics(memory)
    for frames in (25, 0, 5):
        metrics.frames("lipsync-meshwarp", frames)
    metrics.listeners(3)
    metrics.listeners(1)
    metrics.step("speak", None, 0.5, "completed")
    metrics.step("speak", None, 1.5, "completed")
    metrics.step("speak", None, -0.1, "failed")  # a clock that was set back
    metrics.retry("speak", "voice-espeak")
    assert memory.value(FRAMES, "lipsync-meshwarp") == 30
    assert memory.value(EVENT_LISTENERS) == 1
    assert memory.value(STEP_SECONDS, "speak", "none", "completed") == 2.0
    assert memory.count(STEP_SECONDS, "speak", "none", "completed") == 2
    assert memory.value(STEP_SECONDS, "speak", "none", "failed") == 0
    assert memory.value(STEP_RETRIES, "speak", "voice-espeak") == 1
    assert memory.value(STEP_FAILURES, "speak", "voice-espeak", "no_face") == 0


def test_a_state_without_jobs_is_said_to_have_none():
    memory = Memory()
    metrics = Metrics(memory)
    metrics.jobs({"pending": 2, "failed": 1})
    metrics.jobs({"completed": 3})
    assert {state: memory.value(JOBS, state) for state in get_args(TaskState)} == dict.fromkeys(
        get_args(TaskState), 0
    ) | {"completed": 3}


def test_no_quota_is_none():
    memory = Memory()
    Metrics(memory).artifacts(100, None)
    assert (memory.value(ARTIFACT_BYTES), memory.value(ARTIFACT_QUOTA_BYTES)) == (100, 0)


def test_nobody_has_to_look():
    everything(Metrics())
