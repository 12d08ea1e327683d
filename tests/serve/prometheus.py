"""A real Prometheus, set up by the file that we hand out."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.conftest import free_port

CONFIG = Path(__file__).parents[2] / "cluster/prometheus.yml"

absent = shutil.which("prometheus") is None and os.environ.get("CI") != "true"  # CI has to have it, so there it fails


class Prometheus:
    """Answers queries. What it scrapes, it scrapes every three seconds: a busy machine may take one."""

    def __init__(self, port: int) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60, trust_env=False)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Each series of the result, with `metric` and `value`. Fails where the expression is none."""
        answer = self._client.get("/query", params={"query": expression}).json()
        assert answer["status"] == "success", (expression, answer)
        return answer["data"]["result"]

    def number(self, expression: str) -> float | None:
        """The value of the only series, None where there is none."""
        found = self.query(expression)
        assert len(found) < 2, found
        return float(found[0]["value"][1]) if found else None

    def reaches(self, expression: str, value: float, seconds: float = 60) -> None:
        """Returns when the only series has this value, to a millionth: each process reports in its own time."""
        end = time.monotonic() + seconds
        while (found := self.number(expression)) is None or not math.isclose(found, value, rel_tol=1e-6):
            assert time.monotonic() < end, (expression, found)
            time.sleep(0.2)

    def names(self) -> set[str]:
        return set(self._client.get("/label/__name__/values").json()["data"])

    def until(self, names: set[str], seconds: float = 90) -> None:
        """Returns when there are series of all these names."""
        end = time.monotonic() + seconds
        while missing := names - self.names():
            assert time.monotonic() < end, (missing, self._client.get("/targets").json())
            time.sleep(0.2)

    def answers(self) -> bool:
        try:
            return self._client.get("/status/runtimeinfo").status_code == 200
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self._client.close()


@contextlib.contextmanager
def prometheus(folder: Path, discovery: Path) -> Generator[Prometheus]:
    """With our configuration, except for where Ray writes down its nodes (`discovery`) and how often it looks."""
    config = yaml.safe_load(CONFIG.read_text())
    config["global"]["scrape_interval"] = "3s"
    for job in config["scrape_configs"]:
        job["scrape_timeout"] = "3s"
        for source in job["file_sd_configs"]:
            source.update(files=[str(discovery)], refresh_interval="1s")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    options = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}"],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Prometheus(port)
    try:
        end = time.monotonic() + 60
        while not server.answers():
            assert process.poll() is None and time.monotonic() < end, (folder / "prometheus.log").read_text()
            time.sleep(0.1)
        yield server
    finally:
        server.close()
        process.terminate()
        process.wait()
