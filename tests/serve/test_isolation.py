"""Backends that can't simply be built: one with packages of its own, one whose weights are not there yet, on Ray.

F5-TTS is the one. `uv pip compile` of Mouthpiece's requirements and f5-tts 1.1.22 finds no solution: f5-tts wants
cached-path, which wants rich 13 wherever it goes with huggingface-hub 1, and Mouthpiece wants rich 14.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from deployments.app import environment
from deployments.backends import registry
from deployments.backends.published.catalogue import find
from deployments.model import Model
from pipeline.errors import MissingWeights, SettingsError
from tests.conftest import Server, serving

pytest.importorskip("torch", reason="make models")

from benchmarks import random_f5

pytestmark = pytest.mark.cluster

F5 = registry.find("voice", "f5")
THEIRS = "13.9.4"
"""The rich that f5-tts has to have, by way of cached-path."""

MODULE = '''
"""Portraits that say what they were made with, in place of a picture."""
import sys
from importlib.metadata import version
from importlib.util import find_spec

from deployments.backends import registry
from deployments.backends.descriptor import Backend
from deployments.backends.published.location import located
from pipeline.errors import InvalidRequest


class Telling:
    def draw(self, request):
        raise InvalidRequest(f"{sys.executable} rich {version('rich')} {find_spec('f5_tts') is not None}")


class Weighty:
    def __init__(self):
        self.folder = located("realesr-general-x4v3")

    def draw(self, request):
        raise InvalidRequest(f"weights in {self.folder}")


PACKAGES = registry.find("voice", "f5").packages  # the same are the same environment
ROW = {"licence": "MIT", "commercial_use": True}
ISOLATED = Backend("avatar", "isolated", "conflicting:Telling", packages=PACKAGES, complete=True, **ROW)
AMONG_US = Backend("avatar", "among_us", "conflicting:Telling", **ROW)
WEIGHTY = Backend("avatar", "weighty", "conflicting:Weighty", **ROW)
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    site = tmp_path_factory.mktemp("site")
    (site / "conflicting.py").write_text(MODULE)
    info = site / "conflicting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: conflicting\nVersion: 1.0\n")
    rows = [f"avatar.{name} = conflicting:{name.upper()}" for name in ("isolated", "among_us", "weighty")]
    (info / "entry_points.txt").write_text("\n".join(["[mouthpiece.backends]", *rows, ""]))
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    variables = {"PYTHONPATH": path, "HF_HOME": str(site / "hf"), "HF_ASSETS_CACHE": str(site / "hf" / "assets")}
    settings = (
        "avatar.backends=[procedural,isolated,among_us,weighty]",
        "voice.backends=[espeak,f5]",
        f"options.f5={json.dumps({**random_f5.write(tmp_path_factory.mktemp('f5')), 'flow_steps': 3})}",
    )
    with serving(tmp_path_factory, *settings, environment=variables) as server:
        server.folder = site
        yield server


def drawn(server: Server, backend: str) -> httpx.Response:
    body = {"prompt": "", "size": 128, "backend": backend}
    return httpx.post(f"{server.url}/api/v1/portraits", json=body, timeout=240)


def job_steps(server: Server, identity: str) -> list[dict[str, Any]]:
    return httpx.get(f"{server.url}/api/v1/jobs/{identity}", timeout=30).json()["steps"]


def told(server: Server, backend: str) -> tuple[Path, str, bool]:
    """A replica's Python, its rich, and whether f5-tts is there."""
    answer = drawn(server, backend)
    assert answer.status_code == 422, answer.text
    python, _, rich, there = answer.json()["error"]["message"].split()
    return Path(python), rich, there == "True"


@pytest.fixture(scope="module")
def isolated(server: Server, removed: Callable[[Path], None]) -> Iterator[tuple[Path, str, bool]]:
    """What an isolated replica tells. Its environment, a copy of ours, is gigabytes, and Ray leaves it behind."""
    found = told(server, "isolated")
    yield found
    server.stop()
    removed(found[0].parents[2])


def test_a_backend_with_packages_of_its_own_has_them_and_the_rest_has_ours(
    server: Server, isolated: tuple[Path, str, bool]
) -> None:
    assert version("rich") != THEIRS
    assert find_spec("f5_tts") is None
    python, rich, there = isolated
    assert (rich, there) == (THEIRS, True)
    assert "runtime_resources" in python.parts
    assert told(server, "among_us") == (Path(sys.executable), version("rich"), False)


def test_f5_speaks_in_its_own_environment_beside_the_others(server: Server) -> None:
    def said(backend: str, **wishes: Any) -> bytes:
        body = {"text": "Mama buys a pie.", "backend": backend, **wishes}
        answer = httpx.post(f"{server.url}/api/v1/speech", json=body, timeout=240)
        assert answer.status_code == 200, answer.text
        return answer.content

    once = said("f5")
    sound, rate = soundfile.read(io.BytesIO(once))
    assert len(sound) / rate > 1
    assert np.std(sound) > 1e-3
    assert said("f5") == once != said("espeak")
    assert len(said("f5", speed=2)) < 0.7 * len(once)
    listed = httpx.get(f"{server.url}/api/v1/voices", timeout=30).json()["builtin"]
    assert list(listed["f5"]) == ["basic"]
    asked = {"text": "Hello there.", "prompt": "", "size": 128, "backends": {"voice": "f5"}}
    job = httpx.post(f"{server.url}/api/v1/videos", params={"wait": 120}, json=asked, timeout=150).json()
    assert job["status"] == "completed", job
    assert "f5" in {step["backend"] for step in job_steps(server, job["id"])}


def test_its_own_tests_pass_there(isolated: tuple[Path, str, bool]) -> None:
    python, _, _ = isolated
    root = Path(__file__).parents[2]
    figures = "tests/benchmarks/test_gpu.py::test_it_runs_and_says_what_was_not_run[f5]"
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/backends/voice/test_f5.py", figures],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": ""},
    )
    if done.returncode:
        pytest.fail(done.stdout[-6000:] + done.stderr[-2000:])
    assert "skipped" not in done.stdout


def test_pip_finds_packages_as_here_and_is_told_no_password() -> None:
    """What Ray is asked for, which anybody who sees the deployment sees."""
    variables = {
        "PIP_FIND_LINKS": "/opt/wheels",
        "PIP_INDEX_URL": "https://me:secret@packages.example/simple",
        "PIP_CERT": "",
        "HOME": "/root",
    }
    asked = environment(F5, variables)
    assert asked["env_vars"] == {"PIP_FIND_LINKS": "/opt/wheels", "PYTHONDONTWRITEBYTECODE": ""}
    assert asked["pip"]["packages"] == list(F5.packages)
    assert "--no-deps" in asked["pip"]["pip_install_options"]
    assert "pip_install_options" not in environment(replace(F5, complete=False), variables)["pip"]


def test_missing_weights_are_said_and_looked_for_again(server: Server) -> None:
    answer = drawn(server, "weighty")
    assert answer.status_code == 503
    error = answer.json()["error"]
    assert (error["code"], error["retryable"]) == ("missing_weights", False)
    assert error["accepted"] == "mouthpiece models pull realesr-general-x4v3"
    model = find("realesr-general-x4v3")
    folder = server.folder / "hf" / "assets" / "mouthpiece" / model.name
    folder.mkdir(parents=True)
    with (folder / model.files[0].path).open("wb") as file:
        file.truncate(model.files[0].size)
    answer = drawn(server, "weighty")  # the same replica, which was never started anew
    assert answer.json()["error"]["message"] == f"weights in {folder}"


def test_an_option_does_not_get_round_the_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: the replica holds its backend to the setting while it is built."""

    class Parsing:
        def __init__(self, model: str = "wav2lip") -> None:
            from deployments.backends.published.location import located

            located(model)

    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("deployments.backends.registry.load", lambda _, options: Parsing(**options))
    with pytest.raises(SettingsError, match="the licence of the model wav2lip forbids it"):
        Model("lipsync", "meshwarp", {}, commercial_use=True)
    missing = Model("lipsync", "meshwarp", {"model": "whisper-tiny"}, commercial_use=True)  # allowed, and not here
    with pytest.raises(MissingWeights):
        _ = missing._backend
