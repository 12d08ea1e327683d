"""What only a folder has to stand: killed processes, full disks, other processes' files."""

import hashlib
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pipeline.errors import Damaged, StorageFull
from pipeline.storage.artifact_folder import ArtifactFolder
from pipeline.storage.artifacts import PIECE

ROOT = Path(__file__).parents[3]


def python(code: str, *arguments: object, **options) -> subprocess.Popen:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, **options)


def line(process: subprocess.Popen) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


BUSY = """
    import random, sys
    from pathlib import Path
    from pipeline.storage.artifact_folder import ArtifactFolder
    store, chance = ArtifactFolder(Path(sys.argv[1])), random.Random(int(sys.argv[2]))
    print("open", flush=True)
    kept = []
    while True:
        with store.writer() as writer:
            for _ in range(chance.choice([1, 1, 3])):
                writer.write(chance.randbytes(chance.randrange(1, 900_000)))
            kept.append(writer.commit().digest)
            print(kept[-1], flush=True)
        if len(kept) > 4:
            gone = kept.pop(chance.randrange(len(kept)))
            print("-" + gone, flush=True)
            store.delete(gone)
"""


def test_a_killed_process_leaves_whole_artifacts_and_nothing_else(tmp_path):
    """Twice eight times, at random points, two processes at once: what was committed is there, what was not is not,
    and the count of bytes is right."""
    chance = random.Random(5)
    committed: set[str] = set()
    removed: set[str] = set()
    for turn in range(8):
        pair = [python(BUSY, tmp_path, 2 * turn + number) for number in (0, 1)]
        for process in pair:
            assert line(process) == b"open\n"
        time.sleep(chance.uniform(0, 0.25))
        for process in pair:
            process.kill()
        for process in pair:
            for said in process.communicate()[0].decode().split("\n")[:-1]:
                (removed if said.startswith("-") else committed).add(said.removeprefix("-"))
    store = ArtifactFolder(tmp_path)
    found = {kept.digest: kept.size for kept in store.list()}
    assert committed - removed <= found.keys()
    for digest in found:
        store.verify(digest)
        assert sum(len(piece) for piece in store.stream(digest)) == found[digest]
    assert store.used() == sum(found.values())
    artifacts = {f"{digest[:2]}/{digest}" for digest in found}
    sums = {f"{digest[:2]}/{digest}.sums" for digest in found if found[digest] > PIECE}
    assert files(tmp_path) == {".count"} | artifacts | sums
    assert len(committed) > 8


def test_the_count_is_right_although_others_were_killed_while_they_changed_it(tmp_path):
    store = ArtifactFolder(tmp_path)
    store.put(b"x" * 1000)
    code = """
        import os, signal, sys
        from pathlib import Path
        from pipeline.storage.artifact_folder import ArtifactFolder
        store = ArtifactFolder(Path(sys.argv[1]))
        rename = Path.rename
        def killed(self, target):
            rename(self, target)
            os.kill(os.getpid(), signal.SIGKILL)
        Path.rename = killed
        store.put(b"y" * 500)
    """
    process = python(code, tmp_path)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert store.used() in (1000, 1500)  # who reads without the lock may be told either
    store.put(b"z" * 7)
    assert store.used() == 1507


def test_drafts_of_the_living_are_left_alone(tmp_path):
    code = """
        import sys
        from pathlib import Path
        from pipeline.storage.artifact_folder import ArtifactFolder
        with ArtifactFolder(Path(sys.argv[1])).writer() as writer:
            writer.write(b"half ")
            print("written", flush=True)
            sys.stdin.readline()
            writer.write(b"and half")
            print(writer.commit().digest, flush=True)
    """
    alive = python(code, tmp_path, stdin=subprocess.PIPE)
    dead = python(code, tmp_path, stdin=subprocess.PIPE)
    for process in (alive, dead):
        assert line(process) == b"written\n"
    assert len(files(tmp_path / ".new")) == 2
    dead.kill()
    dead.communicate()
    store = ArtifactFolder(tmp_path)
    assert len(files(tmp_path / ".new")) == 1
    output = alive.communicate(b"\n")[0].decode().strip()
    assert store.read(output) == b"half and half"
    assert files(tmp_path / ".new") == set()


def test_two_processes_put_the_same_at_once(tmp_path):
    code = """
        import sys
        from pathlib import Path
        from pipeline.storage.artifact_folder import ArtifactFolder
        store = ArtifactFolder(Path(sys.argv[1]))
        for turn in range(30):
            data = bytes([turn]) * (1 << 20) + b"end"
            with store.writer() as writer:
                writer.write(data)
                digest = writer.commit().digest
            assert store.read(digest) == data
    """
    pair = [python(code, tmp_path) for _ in range(2)]
    for process in pair:
        process.communicate()
    assert [process.returncode for process in pair] == [0, 0]
    store = ArtifactFolder(tmp_path)
    assert store.used() == 30 * (PIECE + 3)
    assert len(list(store.list())) == 30


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB, where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "mouthpiece-test", folder]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_fails_the_write_and_leaves_nothing(small_disk):
    store = ArtifactFolder(small_disk / "artifacts")
    first = store.put(secrets.token_bytes(2 * PIECE))
    before = files(small_disk)
    with pytest.raises(StorageFull, match=r"no room for 3\.0 MiB more in .*/artifacts: \d") as caught:
        store.put(secrets.token_bytes(3 * PIECE))
    assert "storage.reserve_megabytes" in str(caught.value.accepted)
    assert files(small_disk) == before
    store.verify(first.digest)
    store.put(secrets.token_bytes(PIECE))
    store.delete(first.digest)
    store.put(secrets.token_bytes(2 * PIECE))


def test_a_disk_that_fills_up_while_it_is_written_fails_the_write(small_disk, monkeypatch):
    """Somebody else takes the room between our look and our write: the error is the file system's own."""
    store = ArtifactFolder(small_disk / "artifacts")
    before = files(small_disk / "artifacts")
    with store.writer() as writer:
        writer.write(secrets.token_bytes(PIECE))
        look = os.statvfs(small_disk)
        (small_disk / "other").write_bytes(bytes(look.f_bavail * look.f_frsize - PIECE // 2))
        monkeypatch.setattr(os, "statvfs", lambda _: look)
        with pytest.raises(StorageFull):
            writer.write(secrets.token_bytes(PIECE))
        with pytest.raises(ValueError, match="not being written"):
            writer.commit()
    assert files(small_disk / "artifacts") == before


def test_reading_works_on_a_full_disk(small_disk):
    store = ArtifactFolder(small_disk / "artifacts")
    data = secrets.token_bytes(2 * PIECE)
    digest = store.put(data).digest
    (small_disk / "artifacts" / digest[:2] / f"{digest}.sums").unlink()
    look = os.statvfs(small_disk)
    (small_disk / "other").write_bytes(bytes(look.f_bavail * look.f_frsize))
    assert b"".join(store.stream(digest)) == data
    again = ArtifactFolder(small_disk / "artifacts")
    assert again.read(digest) == data
    again.renew(digest)
    again.delete(digest)
    assert again.used() == 0


def test_a_limit_on_the_size_of_files_is_no_room_either(tmp_path):
    code = """
        import resource, signal, sys
        from pathlib import Path
        from pipeline.errors import StorageFull
        from pipeline.storage.artifact_folder import ArtifactFolder
        store = ArtifactFolder(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            store.put(bytes((1 << 20) + 1))
        except StorageFull as error:
            print(error.message)
    """
    output = python(code, tmp_path).communicate()[0].decode()
    assert "no room for 1.0 MiB more" in output
    assert files(tmp_path) == {".count"}


def test_the_reserve_stays_free(tmp_path):
    disk = os.statvfs(tmp_path)
    store = ArtifactFolder(tmp_path / "artifacts", reserve_bytes=disk.f_bavail * disk.f_frsize + 2**40)
    with pytest.raises(StorageFull, match=r"of which .* are never used"):
        store.put(b"x")
    assert files(tmp_path / "artifacts") == {".count"}


def test_files_are_ours_alone(tmp_path):
    store = ArtifactFolder(tmp_path / "artifacts")
    store.put(secrets.token_bytes(PIECE + 1))
    with store.writer() as writer:
        writer.write(b"draft")
        for path in (tmp_path / "artifacts", *(tmp_path / "artifacts").rglob("*")):
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_what_one_process_finds_damaged_no_other_takes_for_verified(tmp_path):
    """Even where the damage shows in no time of the file: as when a disk forgets."""
    first, second = ArtifactFolder(tmp_path), ArtifactFolder(tmp_path)
    data = secrets.token_bytes(1000)
    digest = first.put(data).digest
    second.verify(digest)
    path = tmp_path / digest[:2] / digest
    look = path.stat()
    path.write_bytes(b"!" + data[1:])
    os.utime(path, ns=(look.st_atime_ns, look.st_mtime_ns))
    with pytest.raises(Damaged):
        first.read(digest)
    second.put(data)
    assert first.read(digest) == data


def test_strangers_in_the_folder_do_no_harm(tmp_path):
    (tmp_path / "ab").mkdir()
    for name in ("ab/README", "ab/" + "a" * 63, "notes", "zz"):
        (tmp_path / name).write_text("not ours")
    (tmp_path / "ab" / ("ab" * 32)).mkdir()
    store = ArtifactFolder(tmp_path)
    digest = store.put(b"ours").digest
    assert [kept.digest for kept in store.list()] == [digest]
    assert ArtifactFolder(tmp_path).used() == 4
    assert (tmp_path / "notes").exists()


def test_sums_whose_artifact_never_came_are_removed(tmp_path):
    store = ArtifactFolder(tmp_path)
    digest = store.put(bytes(PIECE + 1)).digest
    (tmp_path / digest[:2] / digest).unlink()
    assert (tmp_path / digest[:2] / f"{digest}.sums").exists()
    ArtifactFolder(tmp_path)
    assert files(tmp_path) == {".count"}


def test_nothing_is_read_again_that_was_verified(tmp_path, monkeypatch):
    store = ArtifactFolder(tmp_path)
    digest = store.put(bytes(PIECE)).digest
    store.verify(digest)
    reads = []
    monkeypatch.setattr(hashlib, "file_digest", lambda file, _: reads.append(file))
    store.verify(digest)
    store.renew(digest)
    store.put(bytes(PIECE))
    store.verify(digest)
    assert reads == []
