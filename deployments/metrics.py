"""The product's metrics through Ray: every process records, each node's agent exports them to Prometheus.

Ray puts its own prefix before every name, `ray_mouthpiece_...`; `cluster/prometheus.yml` takes it off again.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

from pipeline.metrics import Metric, Metrics

if TYPE_CHECKING:
    from ray.util.metrics import Counter, Gauge, Histogram


def metrics(runtime: str) -> Metrics:
    """Those of a process of a cluster, or with `runtime` "process" those of nobody: nothing would export them."""
    return Metrics() if runtime == "process" else Metrics(Exported())


class Exported:
    """A recorder that hands values to Ray. Make one in each process that measures something; it crosses none."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: dict[str, Any] = {}

    def __call__(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        made, tags = self._instrument(metric), dict(labels)
        if metric.kind == "counter":
            made.inc(value, tags)
        elif metric.kind == "gauge":
            made.set(value, tags)
        else:
            made.observe(value, tags)

    def _instrument(self, metric: Metric) -> Any:
        with self._lock:
            if metric.name not in self._made:
                self._made[metric.name] = _registered(metric)
            return self._made[metric.name]


def _registered(metric: Metric) -> Counter | Gauge | Histogram:
    from ray.util.metrics import Counter, Gauge, Histogram

    if metric.kind == "histogram":
        return Histogram(metric.name, metric.meaning, list(metric.buckets), metric.labels)
    kind = Counter if metric.kind == "counter" else Gauge
    return kind(metric.name, metric.meaning, metric.labels)
