"""`mouthpiece models`: the commands about weights, against a hub of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clients.cli.main import run
from deployments.backends.published.catalogue import MODELS
from deployments.backends.published.description import PublishedFile, PublishedModel
from deployments.backends.published.location import hub_folder
from tests.backends.published.conftest import COMMIT, LARGE, OTHER, added
from tests.backends.published.hub_server import Hub, sha256

pytest.importorskip("huggingface_hub")


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict:
    """The JSON that a command says: on stdout, or of its error on stderr."""
    assert run(["models", *arguments, "--json"]) == code
    out, err = capsys.readouterr()
    return json.loads(out) if code == 0 else json.loads(err)["error"]


def test_from_nothing_to_whole_and_back(
    hub: Hub,
    tiny: PublishedModel,
    capsys: pytest.CaptureFixture[str],
) -> None:
    listed = {each["name"]: each for each in said(capsys, "list")["data"]}
    assert set(listed) == set(MODELS)
    assert (listed["tiny"]["state"], listed["tiny"]["bytes_here"]) == ("absent", 0)
    error = said(capsys, "path", "tiny", code=1)
    assert (error["code"], error["accepted"]) == ("missing_weights", "mouthpiece models pull tiny")

    pulled = said(capsys, "pull", "tiny")["data"]
    folder = hub_folder(tiny) / "snapshots" / COMMIT
    assert pulled == [{"name": "tiny", "folder": str(folder)}]
    assert said(capsys, "path", "tiny")["folder"] == str(folder)
    shown = said(capsys, "show", "tiny")
    assert (shown["state"], shown["folder"], shown["licence"]) == ("here", str(folder), "MIT")
    assert shown["files"][1] == {"path": "unet/model.bin", "bytes": len(LARGE), "sha256": sha256(LARGE), "url": None}
    verified = said(capsys, "verify")["data"]  # all that are here
    assert [(each["name"], [file["state"] for file in each["files"]]) for each in verified] == [
        ("tiny", ["whole", "whole"])
    ]

    (folder / "unet/model.bin").write_bytes(LARGE[::-1])
    error = said(capsys, "verify", "tiny", code=1)
    assert (error["code"], error["accepted"]) == ("damaged_weights", "mouthpiece models pull tiny")
    said(capsys, "pull", "tiny")
    said(capsys, "verify", "tiny")

    assert said(capsys, "remove", "tiny")["removed"] == "tiny"
    assert not hub_folder(tiny).exists()
    assert said(capsys, "show", "tiny")["state"] == "absent"
    assert said(capsys, "remove", "tiny")["bytes"] == 0


def test_removing_one_leaves_what_another_stands_on(
    hub: Hub,
    tiny: PublishedModel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = (PublishedFile("more.bin", len(OTHER), sha256(OTHER)), PublishedFile("config.json"))
    sibling = added(monkeypatch, "sibling", files=same, revision=COMMIT)
    hub.files[("someone/tiny", "more.bin")] = OTHER
    said(capsys, "pull", "tiny", "sibling")
    assert said(capsys, "remove", "tiny")["bytes"] == len(LARGE) + len(hub.files["someone/tiny", "config.json"])
    assert [path.name for path in hub_folder(sibling).glob("snapshots/*/*")] == ["more.bin"]
    assert said(capsys, "show", "sibling")["state"] == "partly"
    assert said(capsys, "pull", "sibling")["data"][0]["name"] == "sibling"


def test_files_elsewhere(hub: Hub, elsewhere: PublishedModel, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(said(capsys, "pull", "elsewhere")["data"][0]["folder"])
    assert (folder / "upscaler.pth").read_bytes() == OTHER
    assert said(capsys, "remove", "elsewhere")["bytes"] == len(OTHER)
    assert not folder.exists()


def test_licences_are_held_to(
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    added(monkeypatch, files=(PublishedFile("config.json"),), revision=COMMIT, commercial_use=False)
    error = said(capsys, "pull", "tiny", "--set", "commercial_use=true", code=2)
    assert (error["code"], error["field"]) == ("licence_forbids", "commercial_use")
    monkeypatch.setenv("MOUTHPIECE_COMMERCIAL_USE", "true")
    assert said(capsys, "path", "tiny", code=2)["code"] == "licence_forbids"
    assert hub.requests == []


def test_a_wrong_name_is_told_before_anything_is_fetched(
    hub: Hub,
    tiny: PublishedModel,
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = said(capsys, "pull", "tiny", "huge", code=2)
    assert error["code"] == "unknown_name"
    assert "musetalk-v15" in error["accepted"]
    assert hub.requests == []


def test_what_people_see(
    hub: Hub,
    tiny: PublishedModel,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["models", "pull", "tiny"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("tiny is in ")
    assert "unet/model.bin: 2.9 MB, 100 %" in err
    assert run(["models", "list"]) == 0
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["tiny"][:3] == ["here", "2.9 MB", "yes"]
    assert rows["wav2lip"][0] == ""
    for command in (["show", "tiny"], ["verify"], ["show", "sdxl"], ["remove", "tiny"]):
        assert run(["models", *command]) == 0
    told = capsys.readouterr().out
    assert "whole" in told
    assert "14.00 GB" in told  # what avatar-sdxl declares to need of a card


def test_a_process_of_its_own_honours_mirror_and_cache(hub: Hub, tmp_path: Path) -> None:
    """The command as it is installed, asking for a published model at a mirror that lacks it, and listing offline."""
    environment = {**os.environ, "HF_HOME": str(tmp_path / "other"), "HF_ENDPOINT": hub.url}
    command = [sys.executable, "-m", "clients.cli.main", "models"]
    ran = subprocess.run(
        [*command, "pull", "whisper-tiny", "--json"], env=environment, capture_output=True, check=False
    )
    error = json.loads(ran.stderr)["error"]
    assert (ran.returncode, error["code"]) == (2, "not_published")
    assert hub.url in error["message"]
    assert hub.asked("HEAD", "/openai/whisper-tiny/resolve/169d4a4341b33bc18d8881c4b69c2e104e1cc0af/config.json")
    assert not list((tmp_path / "other").rglob("*.incomplete"))
