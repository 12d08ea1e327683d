"""Backends that can't simply be built: one with packages of its own, one whose weights are not there yet, on Ray.

Two versions of one small package stand for the conflict. F5-TTS has a real one: what it needs wants protobuf 5 and
huggingface_hub 1, where mediapipe and the other published models want 4 and 2. It is found by pip, with gigabytes of
CUDA and a torchaudio that no torch for CPUs goes with, and its weights can't be had in a test.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from deployments.backends.published.catalogue import find
from deployments.model import Model
from pipeline.errors import MissingWeights, SettingsError
from tests.conftest import Server, serving

pytestmark = pytest.mark.cluster

OURS = version("filetype")
THEIRS = "1.1.0"

MODULE = f'''
"""Portraits that say what they were made with, in place of a picture."""
from pathlib import Path

from deployments.backends.descriptor import Backend
from deployments.backends.published.location import located
from pipeline.errors import InvalidRequest


class Old:
    def __init__(self):
        from importlib.metadata import version

        import filetype

        self.made = f"filetype {{version('filetype')}} at {{Path(filetype.__file__).parent.parent}}"

    def draw(self, request):
        raise InvalidRequest(self.made)


class Weighty:
    def __init__(self):
        self.folder = located("realesr-general-x4v3")

    def draw(self, request):
        raise InvalidRequest(f"weights in {{self.folder}}")


OLD = Backend("avatar", "old", "conflicting:Old", licence="MIT", commercial_use=True, packages=("filetype=={THEIRS}",))
WEIGHTY = Backend("avatar", "weighty", "conflicting:Weighty", licence="MIT", commercial_use=True)
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    site = tmp_path_factory.mktemp("site")
    (site / "conflicting.py").write_text(textwrap.dedent(MODULE))
    info = site / "conflicting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: conflicting\nVersion: 1.0\n")
    rows = ("[mouthpiece.backends]", "avatar.old = conflicting:OLD", "avatar.weighty = conflicting:WEIGHTY", "")
    (info / "entry_points.txt").write_text("\n".join(rows))
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": path, "HF_HOME": str(site / "hf"), "HF_ASSETS_CACHE": str(site / "hf" / "assets")}
    settings = "avatar.backends=[procedural,old,weighty]"
    with serving(tmp_path_factory, settings, environment=environment) as server:
        server.folder = site
        yield server


def drawn(server: Server, backend: str) -> httpx.Response:
    body = {"prompt": "", "size": 128, "backend": backend}
    return httpx.post(f"{server.url}/api/v1/portraits", json=body, timeout=240)


def test_a_backend_with_packages_of_its_own_has_them_and_the_rest_has_ours(server: Server) -> None:
    assert version("filetype") == OURS != THEIRS
    answer = drawn(server, "old")
    assert answer.status_code == 422, answer.text
    message = answer.json()["error"]["message"]
    assert message.startswith(f"filetype {THEIRS} at ")
    assert "runtime_resources" in message
    assert drawn(server, "procedural").status_code == 200


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
