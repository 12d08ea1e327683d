"""What a real Prometheus sees of a running server, set up by the file in `cluster/`."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.metrics import METRICS
from tests.cluster.series import RAY, exported
from tests.cluster.test_dashboard import queries
from tests.conftest import Server
from tests.serve.prometheus import Prometheus, absent, prometheus

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(absent, reason="Prometheus (Debian package prometheus) is not installed"),
]

WORKER = """
    import json, os, sys
    import ray

    context = ray.init(address=sys.argv[1], log_to_driver=False)

    @ray.remote(num_cpus=0, runtime_env={"env_vars": {"PYTHONPATH": sys.argv[2]}})
    class Worker:
        def __init__(self):
            from deployments.metrics import metrics
            self.metrics = metrics("cluster")

        def work(self):
            from tests.pipeline.test_metrics import everything
            everything(self.metrics)

        def film(self):
            self.metrics.frames("one-alone", 25)
            self.metrics.step("draw", "one-alone", 0.3, "completed")

    workers = [Worker.remote(), Worker.remote()]
    ray.get([worker.work.remote() for worker in workers])
    ray.get([worker.film.remote() for worker in (*workers, workers[0])])
    print(json.dumps(context.address_info["session_dir"]), flush=True)
    sys.stdin.read()
"""
"""Two processes that record each metric, as long as stdin is open: what a process measured goes with it."""


@pytest.fixture(scope="module")
def session(running: Server) -> Iterator[Path]:
    """The folder of Ray's session, in which every metric has been recorded."""
    running.wait_for_dashboard()
    root = str(Path(__file__).parents[2])
    program = [sys.executable, "-c", textwrap.dedent(WORKER), running.urls()["ray"], root]
    environment = os.environ | {"RAY_AUTH_MODE": "token"}
    process = subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(process.communicate()[1][-3000:])
    yield Path(json.loads(line))
    process.communicate(timeout=60)


@pytest.fixture(scope="module")
def scraped(session: Path, tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[Prometheus]:
    assert httpx.post(f"{server}/api/v1/speech", json={"text": "Measured."}, timeout=60).status_code == 200
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus(folder, session / "prom_metrics_service_discovery.json") as found:
        found.until(set(exported()) | set(RAY) - {"ray_serve_deployment_error_counter_total"})
        yield found


def test_every_metric_is_there_under_its_own_name_with_its_labels(scraped: Prometheus) -> None:
    for metric in METRICS:
        name = f"{metric.name}_bucket" if metric.kind == "histogram" else metric.name
        # the last minutes and not this moment: one page that a busy machine hands out too late makes its series stale
        found = scraped.query(f"group by ({', '.join((*metric.labels, 'le'))}) (last_over_time({name}[5m]))")
        assert found, name
        for series in found:
            assert set(series["metric"]) - {"le"} == set(metric.labels), name


def test_no_name_is_rays_for_ours(scraped: Prometheus) -> None:
    assert not [name for name in scraped.names() if name.startswith("ray_mouthpiece")]


def test_what_several_processes_counted_adds_up(scraped: Prometheus) -> None:
    scraped.reaches('sum(mouthpiece_frames_total{backend="one-alone"})', 75)
    scraped.reaches('sum(mouthpiece_work_seconds_total{backend="one-alone"})', 0.9)
    scraped.reaches('sum(mouthpiece_step_seconds_count{backend="one-alone"})', 3)
    scraped.reaches('sum(mouthpiece_step_seconds_bucket{backend="one-alone", le="0.25"})', 0)
    scraped.reaches('sum(mouthpiece_step_seconds_bucket{backend="one-alone", le="0.5"})', 3)


@pytest.mark.parametrize(("title", "query"), list(queries()))
def test_a_query_of_the_dashboard_can_be_asked(scraped: Prometheus, title: str, query: str) -> None:
    """With an interval as Grafana puts it there."""
    scraped.query(query.replace("$__rate_interval", "1m"))
