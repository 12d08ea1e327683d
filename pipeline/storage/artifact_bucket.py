"""Artifacts in a bucket of an S3 server: `artifacts/ab12...`, the plain bytes, and `sums/ab12...` beside those of
more than 1 MiB, both under the prefix.

What is put goes through a file on the local disk, since its name is its digest. What is there already is not sent
again and not read, whatever its size: an empty object says that it was renewed (`renewed/ab12...`), another that a
reader found it damaged (`damaged/ab12...`), and only then it is sent again.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from pipeline.errors import Damaged, MouthpieceError, NotFound, SettingsError
from pipeline.recent import Recent
from pipeline.storage.artifacts import PIECE, Kept, Stored, checked, damaged, missing
from pipeline.storage.bucket_failures import Absent
from pipeline.storage.bucket_objects import BucketObjects, Look
from pipeline.storage.chunk_sums import ChunkSums, RunningSums
from pipeline.storage.condemned import Condemned
from pipeline.storage.drafts import Draft, Drafts
from pipeline.storage.room import Room
from pipeline.storage.spool import Spool

_COUNTED_ANEW_SECONDS = 300.0
_ABANDONED_SECONDS = 7 * 86_400.0
_SUMS_BYTES = 8 * PIECE

log = logging.getLogger("mouthpiece.artifacts")


class ArtifactBucket:
    """`Artifacts` on an S3 server, for any number of threads, processes and machines.

    `prefix` is what every key begins with, `endpoint` the address of a server that is not Amazon's, `scratch` a
    local folder that several processes may share, `reserve_bytes` what stays free on its disk. `client` is a boto3
    client; without one, keys are found as boto3 finds them.

    Opening it lists and writes once, and raises `SettingsError` or `Unavailable`; so does everything else. Several
    processes together may pass `quota_bytes` by what they put within five minutes: `used` learns from a listing
    what others did.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        endpoint: str | None,
        region: str,
        scratch: Path,
        quota_bytes: int | None = None,
        reserve_bytes: int = 0,
        client: Any | None = None,
    ) -> None:
        under = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._objects = BucketObjects(bucket, endpoint=endpoint, region=region, client=client)
        self._keys, self._sums_keys = f"{under}artifacts/", f"{under}sums/"
        self._renewed_keys, self._damaged_keys = f"{under}renewed/", f"{under}damaged/"
        self._condemned = Condemned(self._objects, f"{under}condemned/")
        self._room = Room(self._objects.place, scratch, quota_bytes=quota_bytes, reserve_bytes=reserve_bytes)
        self._drafts = Drafts(scratch, self._room)
        self._lock = Lock()
        self._limited = quota_bytes is not None
        self._listed, self._counted_at = 0, float("-inf")
        self._sending = 0
        self._verified: Recent[tuple[str, int]] = Recent(10_000)
        self._known_sums: Recent[ChunkSums] = Recent(_SUMS_BYTES)
        self._look_in(under)

    def _look_in(self, under: str) -> None:
        """Whether it may be listed and written, found now and not after the first film."""
        list(self._objects.list(self._keys, most=1))
        self._objects.put(f"{under}opened", b"")
        try:
            self._objects.abandon(self._keys, time.time() - _ABANDONED_SECONDS)
        except SettingsError as error:
            log.warning("Uploads that were cut off can't be cleared away: %s", error.message)

    def writer(self) -> Spool:
        return Spool(self._drafts, self._refuse_over_quota, self._keep)

    def _refuse_over_quota(self, size: int) -> None:
        if self._limited:
            self._room.refuse_over_quota(self.used(), size)

    def put(self, data: bytes) -> Stored:
        there = Stored(hashlib.sha256(data).hexdigest(), len(data))
        if self._renewed(there):
            return there
        with self.writer() as writer:
            writer.write(data)
            return writer.commit()

    def renew(self, digest: str) -> None:
        self._look(digest)
        self._objects.put(self._renewed_keys + digest, b"")
        self._condemned.wait(digest)
        self._look(digest)

    def _keep(self, draft: Draft, running: RunningSums) -> Stored:
        stored = running.stored
        while not self._renewed(stored):
            with self._counted(stored):
                if stored.size > PIECE:
                    self._objects.put(self._sums_keys + stored.digest, running.sums().packed())
                self._objects.upload(self._key(stored.digest), draft.path)
                self._condemned.wait(stored.digest)
            self._objects.delete(self._damaged_keys + stored.digest)
            if (look := self._looked(stored.digest)) is not None:
                self._trust(stored.digest, look)  # the server has checked what it was sent
                break
        return stored

    def _renewed(self, stored: Stored) -> bool:
        """Whether it was there, never found damaged, and is new now."""
        look = self._looked(stored.digest)
        if look is None or look.size != stored.size or self._noted_damaged(stored.digest):
            return False
        try:
            self.renew(stored.digest)
        except NotFound:
            return False
        return True

    @contextmanager
    def _counted(self, stored: Stored) -> Generator[None]:
        """Room for it, from before it is sent."""
        look = self._looked(stored.digest)
        more = stored.size - (look.size if look else 0)
        used = self.used() if self._limited else 0
        with self._lock:
            self._room.refuse_over_quota(used + self._sending, more)
            self._sending += more
        kept = 0
        try:
            yield
            kept = more
        finally:
            with self._lock:
                self._sending -= more
                self._listed += kept

    def used(self) -> int:
        if time.monotonic() - self._counted_at > _COUNTED_ANEW_SECONDS:
            total = sum(look.size for _, look in self._objects.list(self._keys))
            with self._lock:
                self._listed, self._counted_at = total, time.monotonic()
        return self._listed

    def has(self, digest: str) -> bool:
        return self._looked(digest) is not None

    def size(self, digest: str) -> int:
        return self._look(digest).size

    def read(self, digest: str) -> bytes:
        with self._distrusting(digest):
            try:
                data = self._objects.get(self._key(digest))
            except Absent:
                raise missing(digest) from None
            if hashlib.sha256(data).hexdigest() != digest:
                raise damaged(digest, f"its {len(data)} bytes have another sum")
        return data

    def stream(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        sums = self._sums(digest)
        return self._pieces(sums, *sums.span(start, end))

    def _pieces(self, sums: ChunkSums, start: int, end: int) -> Iterator[bytes]:
        if start == end:
            return
        first, last = start // PIECE * PIECE, min(-(-end // PIECE) * PIECE, sums.size)
        with self._distrusting(sums.digest):
            try:
                yield from sums.verified(self._objects.chunks(self._key(sums.digest), first, last), start, end)
            except Absent:
                raise missing(sums.digest) from None

    def _sums(self, digest: str) -> ChunkSums:
        size = self._look(digest).size
        with self._distrusting(digest):
            if size <= PIECE:
                return ChunkSums.of_one(digest, size)
            with self._lock:
                sums = self._known_sums.get(digest)
            if sums is None:
                sums = self._kept_sums(digest) or self._summed_again(digest)
                with self._lock:
                    self._known_sums.put(digest, sums, len(sums.sums))
            if sums.size != size:
                raise damaged(digest, f"it has {size} bytes instead of {sums.size}")
        return sums

    def _kept_sums(self, digest: str) -> ChunkSums | None:
        try:
            return ChunkSums.unpacked(digest, self._objects.get(self._sums_keys + digest))
        except Absent:
            return None

    def _summed_again(self, digest: str) -> ChunkSums:
        """Sums that were lost, from the whole of the artifact."""
        sums = self._summed(digest)
        self._objects.put(self._sums_keys + digest, sums.packed())
        return sums

    def _summed(self, digest: str) -> ChunkSums:
        """What all of it comes to. Raises `Damaged` if that is not its name."""
        running = RunningSums()
        try:
            for chunk in self._objects.chunks(self._key(digest), 0, None):
                running.update(chunk)
        except Absent:
            raise missing(digest) from None
        if running.stored.digest != digest:
            raise damaged(digest, f"its {running.size} bytes have another sum")
        return running.sums()

    def verify(self, digest: str) -> None:
        look = self._look(digest)
        with self._lock:
            if self._verified.get(digest) == (look.etag, look.size):
                return
        with self._distrusting(digest):
            self._summed(digest)
        self._trust(digest, look)

    def _trust(self, digest: str, look: Look) -> None:
        with self._lock:
            self._verified.put(digest, (look.etag, look.size))

    @contextmanager
    def _distrusting(self, digest: str) -> Generator[None]:
        """What is found damaged within it is noted so, in the bucket, for every process."""
        try:
            yield
        except Damaged:
            with self._lock:
                self._verified.put(digest, ("", 0))
            self._note_damage(digest)
            raise

    def _note_damage(self, digest: str) -> None:
        try:
            self._objects.put(self._damaged_keys + digest, b"")
        except MouthpieceError as error:
            log.warning("It could not be noted that %s is damaged: %s", digest, error.message)

    def _noted_damaged(self, digest: str) -> bool:
        try:
            self._objects.look(self._damaged_keys + digest)
        except Absent:
            return False
        return True

    @contextmanager
    def local(self, digest: str) -> Generator[Path]:
        with self._drafts.draft() as draft:
            for piece in self.stream(digest):
                draft.write(piece)
            yield draft.path

    def url(self, digest: str, seconds: int, media_type: str, filename: str) -> str:
        """Verifies it first, since its bytes then go past us: that reads it once in this process, unless this process
        put it."""
        self.verify(digest)
        return self._objects.url(self._key(digest), seconds, media_type, filename)

    def list(self) -> Iterator[Kept]:
        renewals = self._dated(self._renewed_keys)
        renewed, when = next(renewals, ("", 0.0))
        for key, look in self._objects.list(self._keys):
            digest = checked(key.removeprefix(self._keys))
            while renewed and renewed < digest:  # both come in the order of their keys
                renewed, when = next(renewals, ("", 0.0))
            yield Kept(digest, look.size, max(look.modified, when) if renewed == digest else look.modified)

    def _dated(self, prefix: str) -> Iterator[tuple[str, float]]:
        return ((key.removeprefix(prefix), look.modified) for key, look in self._objects.list(prefix))

    def delete(self, digest: str) -> None:
        if (look := self._looked(digest)) is not None:
            self._remove(digest, look)

    def discard(self, digest: str, until: float) -> bool:
        if not self.has(digest):
            return False
        with self._condemned.marked(digest) as ours:
            look = self._looked(digest)
            if not ours or look is None or max(look.modified, self._renewed_at(digest)) > until:
                return False
            self._remove(digest, look)
        return True

    def _renewed_at(self, digest: str) -> float:
        try:
            return self._objects.look(self._renewed_keys + digest).modified
        except Absent:
            return 0.0

    def _remove(self, digest: str, look: Look) -> None:
        for keys in (self._keys, self._sums_keys, self._renewed_keys, self._damaged_keys):
            self._objects.delete(keys + digest)
        with self._lock:
            self._listed -= look.size

    def _key(self, digest: str) -> str:
        return self._keys + checked(digest)

    def _look(self, digest: str) -> Look:
        look = self._looked(digest)
        if look is None:
            raise missing(digest)
        return look

    def _looked(self, digest: str) -> Look | None:
        try:
            return self._objects.look(self._key(digest))
        except Absent:
            return None
