"""Names under which series can be asked for in Prometheus, set up as `cluster/prometheus.yml` says."""

from __future__ import annotations

from pipeline.metrics import METRICS

RAY = (
    "ray_node_cpu_utilization",
    "ray_node_mem_used",
    "ray_object_store_used_memory",
    "ray_serve_deployment_error_counter_total",
    "ray_serve_deployment_replica_healthy",
    "ray_serve_deployment_request_counter_total",
)
"""Ray's own, that the dashboard asks for."""


def exported() -> dict[str, tuple[str, ...]]:
    """The names of our series, with their labels without `le`."""
    names: dict[str, tuple[str, ...]] = {}
    for metric in METRICS:
        ends = ("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",)
        names |= {f"{metric.name}{end}": metric.labels for end in ends}
    return names
