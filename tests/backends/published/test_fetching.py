"""Fetching weights: the hub's real client against a server that speaks as the hub does."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from deployments.backends.published import fetching, licences
from deployments.backends.published.description import PublishedFile, PublishedModel
from deployments.backends.published.location import assets, hub_folder, located
from deployments.backends.published.verification import verify
from pipeline.errors import Conflict, Damaged, Forbidden, NotFound, SettingsError, StorageFull, Unavailable
from tests.backends.published.conftest import COMMIT, LARGE, LATER, OTHER, SMALL, added
from tests.backends.published.hub_server import Hub, git_sha1, sha256

pytest.importorskip("huggingface_hub")


def states(model: PublishedModel) -> dict[str, str]:
    return {verdict.path: verdict.state for verdict in verify(model)}


def test_what_is_pulled_lies_in_the_hubs_own_cache(hub: Hub, tiny: PublishedModel) -> None:
    from huggingface_hub import hf_hub_download, scan_cache_dir, try_to_load_from_cache

    seen: list[fetching.Fetched] = []
    folder = fetching.pull(tiny, seen.append)

    assert (folder / "config.json").read_bytes() == SMALL
    assert (folder / "unet/model.bin").read_bytes() == LARGE
    assert located("tiny") == folder == hub_folder(tiny) / "snapshots" / COMMIT
    assert (folder / "config.json").resolve().name == git_sha1(SMALL)
    assert (folder / "unet/model.bin").resolve().name == sha256(LARGE)
    last = [each for each in seen if each.path == "unet/model.bin"][-1]
    assert (last.here, last.size) == (len(LARGE), len(LARGE))
    # The client itself finds what we put there.
    cache = Path(os.environ["HF_HOME"]) / "hub"
    alone = hf_hub_download("someone/tiny", "unet/model.bin", revision=COMMIT, cache_dir=cache, local_files_only=True)
    assert Path(alone) == folder / "unet/model.bin"
    assert try_to_load_from_cache("someone/tiny", "config.json", cache, COMMIT) == str(folder / "config.json")
    scan = scan_cache_dir(cache)
    assert not scan.warnings
    assert scan.size_on_disk == len(LARGE) + len(SMALL)


def test_a_second_pull_asks_for_nothing(hub: Hub, tiny: PublishedModel) -> None:
    fetching.pull(tiny)
    hub.requests.clear()
    fetching.pull(tiny)
    assert hub.requests == []


def test_a_cut_connection_is_resumed(hub: Hub, tiny: PublishedModel) -> None:
    hub.cut = [1_000_000, 0, 500_000]
    folder = fetching.pull(tiny)
    assert (folder / "unet/model.bin").read_bytes() == LARGE
    assert hub.served == len(LARGE)  # every byte came once
    ranges = [headers.get("range") for headers in hub.asked("GET", "/store/")]
    assert ranges == [None, "bytes=1000000-", "bytes=1000000-", "bytes=1500000-"]


def test_a_pull_that_was_killed_goes_on_in_the_next_process(hub: Hub, tiny: PublishedModel) -> None:
    hub.cut = [2_000_000] + [0] * 20
    with pytest.raises(Unavailable, match="the same command goes on") as caught:
        fetching.pull(tiny)
    assert caught.value.code == "download_stopped"
    part = hub_folder(tiny) / "blobs" / f"{sha256(LARGE)}.incomplete"
    assert part.read_bytes() == LARGE[:2_000_000]
    assert states(tiny) == {"config.json": "whole", "unet/model.bin": "missing"}
    hub.cut.clear()
    assert (fetching.pull(tiny) / "unet/model.bin").read_bytes() == LARGE
    assert hub.served == len(LARGE)
    assert not part.exists()


def test_a_server_without_ranges_begins_anew(hub: Hub, tiny: PublishedModel) -> None:
    hub.ranges = False
    hub.cut = [1_000_000]
    assert (fetching.pull(tiny) / "unet/model.bin").read_bytes() == LARGE


def test_the_token_stays_with_the_hub(hub: Hub, tiny: PublishedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetching.pull(tiny)
    assert all(headers["authorization"] == "Bearer hf_secret" for headers in hub.asked("HEAD", "/resolve/"))
    assert hub.asked("GET", "/store/")
    assert not any("authorization" in headers for headers in hub.asked("GET", "/store/"))


def test_other_bytes_than_were_published_are_not_kept(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    said_elsewhere = added(monkeypatch, files=(PublishedFile("unet/model.bin", len(LARGE), "0" * 64),), revision=COMMIT)
    with pytest.raises(Damaged, match="It was not kept") as caught:
        fetching.pull(said_elsewhere)
    assert caught.value.code == "not_as_published"
    assert hub.served == 0  # the hub's tag said so already
    with pytest.raises(Damaged, match="as published it has 17"):
        fetching.pull(added(monkeypatch, files=(PublishedFile("config.json", 17),), revision=COMMIT))
    small = added(monkeypatch, files=(PublishedFile("config.json", len(SMALL), "0" * 64),), revision=COMMIT)
    with pytest.raises(Damaged, match="as it came"):
        fetching.pull(small)
    assert not [path for path in hub_folder(small).rglob("*") if path.is_file()]


def test_a_corrupted_file_is_found_and_mended(hub: Hub, tiny: PublishedModel) -> None:
    folder = fetching.pull(tiny)
    for path, bad in ((folder / "unet/model.bin", LARGE[:-1] + b"?"), (folder / "config.json", SMALL[:-1] + b"]")):
        path.write_bytes(bad if bad != path.read_bytes() else b"?" + bad[1:])
    assert states(tiny) == {"config.json": "damaged", "unet/model.bin": "damaged"}
    located("tiny")  # names and sizes alone can't tell
    fetching.pull(tiny)
    assert states(tiny) == {"config.json": "whole", "unet/model.bin": "whole"}
    assert (folder / "unet/model.bin").read_bytes() == LARGE

    (folder / "unet/model.bin").write_bytes(LARGE[:1000])
    with pytest.raises(Damaged, match="has 1000 bytes; as published it has 3000000") as caught:
        located("tiny")
    assert (caught.value.code, caught.value.accepted) == ("damaged_weights", "mouthpiece models pull tiny")


def test_offline_says_so_and_asks_nobody(hub: Hub, tiny: PublishedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Unavailable, match="HF_HUB_OFFLINE") as caught:
        fetching.pull(tiny)
    assert caught.value.code == "offline"
    assert hub.requests == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    folder = fetching.pull(tiny)
    hub.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetching.pull(tiny) == folder  # what is here is enough
    assert hub.requests == []


def test_a_branch_is_the_commit_that_the_hub_says(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    model = added(monkeypatch, files=(PublishedFile("more.bin", len(OTHER), sha256(OTHER)),))
    assert fetching.pull(model).name == COMMIT
    hub.add("someone/tiny", {}, LATER, "main")
    assert fetching.pull(model).name == COMMIT  # whole by its hash, so nobody was asked


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        ((403, "GatedRepo"), Forbidden, "licence_not_accepted"),
        ((401, "RepoNotFound"), NotFound, "not_published"),
        ((400, "BadRequest"), Unavailable, "hub_unavailable"),
    ],
)
def test_what_the_hub_refuses_is_said(
    hub: Hub, tiny: PublishedModel, status: tuple[int, str], kind: type[Exception], code: str
) -> None:
    hub.status["someone/tiny"] = status
    with pytest.raises(kind) as caught:
        fetching.pull(tiny)
    assert getattr(caught.value, "code", "") == code


def test_files_and_revisions_that_are_not_there(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for files, revision in (((PublishedFile("nothing.bin"),), COMMIT), ((PublishedFile("more.bin"),), "v9")):
        with pytest.raises(NotFound, match="not all files of tiny"):
            fetching.pull(added(monkeypatch, files=files, revision=revision))


def test_an_endpoint_that_is_no_hub(hub: Hub, tiny: PublishedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.store}/store/x/..")
    with pytest.raises((NotFound, Unavailable)):
        fetching.pull(tiny)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # its own waits between tries
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9 can't be asked"):
        fetching.pull(tiny)


def test_files_elsewhere_are_fetched_and_resumed_the_same_way(hub: Hub, elsewhere: PublishedModel) -> None:
    hub.cut = [20_000]
    folder = fetching.pull(elsewhere)
    assert folder == assets(elsewhere) == located("elsewhere")
    assert (folder / "upscaler.pth").read_bytes() == OTHER
    assert hub.served == len(OTHER)
    (folder / "upscaler.pth").write_bytes(OTHER[::-1])
    assert states(elsewhere) == {"upscaler.pth": "damaged"}
    fetching.pull(elsewhere)
    assert states(elsewhere) == {"upscaler.pth": "whole"}
    hub.files.clear()
    (folder / "upscaler.pth").unlink()
    with pytest.raises(NotFound, match="not there any more"):
        fetching.pull(elsewhere)


def test_two_at_once_do_not_mix(hub: Hub, elsewhere: PublishedModel) -> None:
    from deployments.backends.published.download import incomplete

    with incomplete(assets(elsewhere) / "upscaler.pth"), pytest.raises(Conflict, match="Another process"):
        fetching.pull(elsewhere)


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = added(monkeypatch, files=(PublishedFile("unet/model.bin", 1 << 60, sha256(LARGE)),), revision=COMMIT)
    with pytest.raises(StorageFull, match=r"needs 1073741824\.00 GB more") as caught:
        fetching.pull(huge)
    assert caught.value.code == "disk_full"
    assert hub.requests == []


def test_a_folder_that_cannot_be_written_is_a_clear_error(
    hub: Hub, tiny: PublishedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file"))
    with pytest.raises(SettingsError, match="can't be kept") as caught:
        fetching.pull(tiny)
    assert (caught.value.code, caught.value.field) == ("unwritable_cache", "HF_HOME")


def test_no_room_while_it_is_written_is_a_clear_error(hub: Hub, elsewhere: PublishedModel, tmp_path: Path) -> None:
    """In a process that may write no file of more than 20 kB: the disk's own answer, from the operating system."""
    url = elsewhere.files[0].url
    program = f"""
        import resource
        from pathlib import Path
        from deployments.backends.published.download import Source, download, incomplete
        from pipeline.errors import StorageFull
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            with incomplete(Path({str(tmp_path / "there" / "x.pth")!r})) as (part, file):
                download(lambda: Source({url!r}), file, {len(OTHER)}, lambda here, size: None)
        except StorageFull as error:
            print(error.code)
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.returncode) == ("disk_full\n", 0), ran.stderr


def test_commercial_use_refuses_before_anything_is_fetched(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    files = (PublishedFile("config.json"),)
    model = added(monkeypatch, files=files, revision=COMMIT, commercial_use=False)
    with licences.held_to(True), pytest.raises(SettingsError, match="nobody may sell it") as caught:
        fetching.pull(model)
    assert caught.value.code == "licence_forbids"
    assert hub.requests == []
    fetching.pull(model)
    with licences.held_to(True), pytest.raises(SettingsError):
        located("tiny")
