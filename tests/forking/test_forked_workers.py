"""Workers that are forked are workers in every way: on a real cluster, killed in every way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from deployments.forking.zygote import holds

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only"),
]

ROOT = Path(__file__).parents[2]

OWN = {"RAY_JOB_ID", "RAY_RAYLET_PID", "RAY_LD_PRELOAD_ON_WORKERS", "SPT_NOENV", "OMP_NUM_THREADS", "PYTHONBREAKPOINT"}
"""Variables that Ray gives its workers."""


def drive(*arguments: str) -> tuple[dict[str, Any], str]:
    """What `cluster.py` told, and its log. Ray gives a node half a minute, which a busy machine may not manage."""
    command = [sys.executable, "-m", "tests.forking.cluster", *arguments]
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
    for _ in range(3):
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
        if "timed out during startup" not in ended.stderr:
            break
    assert ended.returncode == 0, ended.stderr[-4000:]
    return json.loads(ended.stdout.splitlines()[-1]), ended.stderr


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    facts, said = drive()
    return facts | {"said": said}


def test_workers_are_forks_of_the_zygote(told: dict[str, Any]) -> None:
    assert {worker["parent"] for worker in told["first"]} == {told["zygote"]}


def test_the_agents_of_the_raylet_are_forks_too(told: dict[str, Any]) -> None:
    assert sorted(told["agents"].values()) == ["ray::DashboardAgent", "ray::RuntimeEnvAgent"]


def test_a_fork_has_what_a_worker_has(told: dict[str, Any]) -> None:
    for worker in told["first"]:
        assert {k: v for k, v in worker["environment"].items() if k not in OWN} == {
            k: v for k, v in told["driver"].items() if k not in OWN
        }
        assert worker["group"] == worker["process"]
        assert worker["folder"] == str(ROOT)
        assert Path(worker["main"]).name == "default_worker.py"
        assert worker["title"] == "ray::Seen.seen"
        assert not [place for place in worker["path"] if place.endswith("forking")]


def test_a_fork_has_what_else_was_imported_for_it(told: dict[str, Any]) -> None:
    """Also after a library that is not there, and one that raises; and it is still one that can be forked."""
    assert told["later"]["parent"] == told["zygote"]
    assert told["later"]["imported"] == ["torch"] * (find_spec("torch") is not None) + ["tabnanny"]
    assert told["later"]["threads"] in (None, 1), "Ray lets it have one, as it reserves no processor"


def test_a_process_that_has_a_device_open_is_known(tmp_path: Path) -> None:
    """So is one that has CUDA open, of which no fork is made."""
    device = tmp_path / "nvidia-uvm"
    assert not holds((str(device),))
    with device.open("wb"):
        assert holds(("/dev/dxg", str(device)))
    assert not holds((str(device),))


def test_no_two_forks_draw_the_same(told: dict[str, Any]) -> None:
    for values in zip(*(worker["drawn"] for worker in told["first"]), strict=True):
        assert len(set(values)) == len(values)


def test_a_worker_of_another_environment_starts_as_ray_starts_it(told: dict[str, Any]) -> None:
    assert told["other"]["environment"]["COLOUR"] == "green"
    assert told["other"]["parent"] == told["raylet"]
    assert "workers are not forked: default_worker.py: another environment: COLOUR" in told["said"]


def test_a_killed_worker_is_replaced_by_a_fork_and_its_children_are_ended(told: dict[str, Any]) -> None:
    assert told["killed"]["process"] != told["first"][0]["process"]
    assert told["killed"]["parent"] == told["zygote"]
    assert told["child of killed"] == "swept"


def test_a_worker_and_its_stand_in_end_with_each_other(told: dict[str, Any]) -> None:
    assert told["ended"]
    assert told["without its stand-in"] == "ended"


def test_without_the_zygote_workers_live_on_and_others_start_as_ray_starts_them(told: dict[str, Any]) -> None:
    assert told["orphan"]["process"] == told["first"][2]["process"]
    assert told["late"]["parent"] == told["raylet"]
    assert "the zygote ended with -9" in told["said"]


def test_stopping_leaves_nothing_behind(told: dict[str, Any]) -> None:
    assert told["left"] == []


def test_what_can_not_be_forked_truthfully_is_not_forked() -> None:
    facts, said = drive("late")
    assert {worker["parent"] for worker in facts["first"]} == {facts["raylet"]}
    assert {worker["environment"]["LATE"] for worker in facts["first"]} == {"1"}
    assert "another environment: LATE" in said
    assert facts["left"] == []
