"""Artifacts in a folder: `ab/ab12...`, the plain bytes, and `ab/ab12....sums` beside those of more than 1 MiB.

What is being written is in `.new`, on the same file system. `.count` holds the bytes of all artifacts, and its lock
orders everything that names, renews or removes one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from threading import Lock

from pipeline.errors import Damaged, NotFound, StorageFull
from pipeline.recent import Recent
from pipeline.storage.artifacts import PIECE, Kept, Stored, checked, damaged, missing
from pipeline.storage.chunk_sums import ChunkSums, RunningSums
from pipeline.storage.drafts import Draft, Drafts, sync
from pipeline.storage.room import Room
from pipeline.storage.shared_count import SharedCount
from pipeline.storage.spool import Spool

_SUMS = ".sums"

Look = tuple[int, ...]
"""What changes with a file: device, inode, size, times of its last change."""


class ArtifactFolder:
    """`Artifacts` on a local disk, for any number of threads and processes of one machine.

    `quota_bytes` is the most that the artifacts may take together, `reserve_bytes` what stays free on the disk.
    Opening it raises `StorageFull`, and `OSError` where the folder can't be made.
    """

    def __init__(self, folder: Path, *, quota_bytes: int | None = None, reserve_bytes: int = 0) -> None:
        self._folder = folder
        self._room = Room(str(folder), folder, quota_bytes=quota_bytes, reserve_bytes=reserve_bytes)
        self._made: set[str] = set()
        self._verified: Recent[Look] = Recent(10_000)
        self._verified_lock = Lock()
        with self._room.taking(0):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._drafts = Drafts(folder / ".new", self._room)
            self._count = SharedCount(folder / ".count", self._recount)
            sync(folder)

    def writer(self) -> Spool:
        return Spool(self._drafts, self._refuse_over_quota, self._keep)

    def put(self, data: bytes) -> Stored:
        there = Stored(hashlib.sha256(data).hexdigest(), len(data))
        if self._renewed(there.digest):
            return there
        with self.writer() as writer:
            writer.write(data)
            return writer.commit()

    def renew(self, digest: str) -> None:
        path = self._path(digest)
        with self._count.changing():
            if not self._touched(digest, path):
                raise missing(digest)

    def used(self) -> int:
        return self._count.value()

    def _refuse_over_quota(self, needed: int) -> None:
        self._room.refuse_over_quota(self.used(), needed)

    def _keep(self, draft: Draft, running: RunningSums) -> Stored:
        """Gives a finished draft its name."""
        stored = running.stored
        if self._renewed(stored.digest):
            return stored
        draft.sync()
        if stored.size <= PIECE:
            self._admit(draft, None, stored)
        else:
            with self._drafts.draft() as sums:
                sums.write(running.sums().packed())
                sums.sync()
                self._admit(draft, sums, stored)
        return stored

    def _admit(self, draft: Draft, sums: Draft | None, stored: Stored) -> None:
        path = self._path(stored.digest)
        with self._room.taking(stored.size):
            self._make(path.parent)
            with self._count.changing() as change:
                before = _size(path)
                self._room.refuse_over_quota(change.value - before, stored.size)
                if sums is not None:
                    sums.path.rename(_beside(path))  # first: without its sums an artifact is read whole once more
                os.utime(draft.path, ns=(now := time.time_ns(), now))
                draft.path.rename(path)
                change.value += stored.size - before
            sync(path.parent)

    def _make(self, folder: Path) -> None:
        if folder.name not in self._made:
            folder.mkdir(mode=0o700, exist_ok=True)
            sync(self._folder)  # even if it was there: whoever made it may have died before syncing it
            self._made.add(folder.name)

    def _renewed(self, digest: str) -> bool:
        """Whether it was there, whole, and is new now."""
        try:
            self.verify(digest)
        except (NotFound, Damaged):
            return False
        with self._count.changing():
            return self._touched(digest, self._path(digest))

    def _touched(self, digest: str, path: Path) -> bool:
        """Under the lock, so that `discard` sees it. What this process has verified stays verified."""
        try:
            before = _look(os.lstat(path))
            os.utime(path, ns=(now := time.time_ns(), now))
        except FileNotFoundError:
            return False
        with self._verified_lock:
            if self._verified.get(digest) == before:
                self._verified.put(digest, _look(os.lstat(path)))
        return True

    def has(self, digest: str) -> bool:
        return self._path(digest).exists()

    def size(self, digest: str) -> int:
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            raise missing(digest) from None

    def read(self, digest: str) -> bytes:
        with self._opened(digest) as file:
            data = file.read()
            if hashlib.sha256(data).hexdigest() != digest:
                raise damaged(digest, f"its {len(data)} bytes have another sum")
        return data

    def stream(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        sums = self._sums(digest)
        return self._pieces(sums, *sums.span(start, end))

    def _pieces(self, sums: ChunkSums, start: int, end: int) -> Iterator[bytes]:
        with self._opened(sums.digest) as file:
            file.seek(start // PIECE * PIECE)
            yield from sums.verified(iter(lambda: file.read(PIECE), b""), start, end)

    def _sums(self, digest: str) -> ChunkSums:
        size = self.size(digest)
        with self._distrusting(digest):
            if size <= PIECE:
                return ChunkSums.of_one(digest, size)
            try:
                sums = ChunkSums.unpacked(digest, _beside(self._path(digest)).read_bytes())
            except FileNotFoundError:
                sums = None
            if sums is None:
                sums = self._summed_again(digest)
            if sums.size != size:
                raise damaged(digest, f"it has {size} bytes instead of {sums.size}")
        return sums

    def _summed_again(self, digest: str) -> ChunkSums:
        """Sums that were lost, from the whole of the artifact."""
        running = RunningSums()
        with self._opened(digest) as file:
            for chunk in iter(lambda: file.read(PIECE), b""):
                running.update(chunk)
        sums = running.sums()
        if sums.digest != digest:
            raise damaged(digest, f"its {sums.size} bytes have another sum")
        with suppress(StorageFull), self._drafts.draft() as draft:  # a full disk keeps nobody from reading
            draft.write(sums.packed())
            draft.sync()
            with self._count.changing():
                if self.has(digest):
                    draft.path.rename(_beside(self._path(digest)))
        return sums

    def verify(self, digest: str) -> None:
        with self._opened(digest) as file:
            look = _look(os.fstat(file.fileno()))
            with self._verified_lock:
                if self._verified.get(digest) == look:
                    return
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise damaged(digest, "its bytes have another sum")
            if _look(os.fstat(file.fileno())) == look:
                with self._verified_lock:
                    self._verified.put(digest, look)

    @contextmanager
    def local(self, digest: str) -> Generator[Path]:
        self.verify(digest)
        yield self._path(digest)

    def url(self, digest: str, seconds: int, media_type: str, filename: str) -> None:  # noqa: ARG002
        checked(digest)

    @contextmanager
    def _opened(self, digest: str) -> Generator[BufferedReader]:
        try:
            file = self._path(digest).open("rb")
        except FileNotFoundError:
            raise missing(digest) from None
        with file, self._distrusting(digest):
            try:
                yield file
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                raise damaged(digest, "the disk can't read it") from error

    @contextmanager
    def _distrusting(self, digest: str) -> Generator[None]:
        """What is found damaged within it is no longer verified for any process, so that putting it mends it."""
        try:
            yield
        except Damaged:
            with suppress(OSError):
                self._path(digest).chmod(0o600)  # moves the time of its change, and not that of its being put
            raise

    def list(self) -> Iterator[Kept]:
        for entry in self._entries():
            with suppress(FileNotFoundError, ValueError):  # deleted meanwhile; sums
                look = entry.stat(follow_symlinks=False)
                yield Kept(checked(entry.name), look.st_size, look.st_mtime)

    def delete(self, digest: str) -> None:
        path = self._path(digest)
        with self._count.changing() as change:
            change.value -= _unlinked(path)
        with suppress(FileNotFoundError):  # there never was any that begins like it
            sync(path.parent)

    def discard(self, digest: str, until: float) -> bool:
        path = self._path(digest)
        with self._count.changing() as change:
            try:
                if os.lstat(path).st_mtime > until:
                    return False
            except FileNotFoundError:
                return False
            change.value -= _unlinked(path)
        return True  # not synced: what a power failure brings back is discarded once more

    def _path(self, digest: str) -> Path:
        return self._folder / checked(digest)[:2] / digest

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        for group in self._folder.iterdir():
            if len(group.name) == 2 and group.is_dir():
                with os.scandir(group) as entries:
                    yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))

    def _recount(self) -> int:
        """Bytes of all artifacts, counted under the lock; sums whose artifact never came are removed."""
        for entry in self._entries():
            if entry.name.endswith(_SUMS) and not Path(entry.path.removesuffix(_SUMS)).exists():
                Path(entry.path).unlink()
        return sum(kept.size for kept in self.list())


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _SUMS)


def _size(path: Path) -> int:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0


def _unlinked(path: Path) -> int:
    """Bytes that have gone."""
    size = _size(path)
    path.unlink(missing_ok=True)
    _beside(path).unlink(missing_ok=True)
    return size


def _look(stat: os.stat_result) -> Look:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
