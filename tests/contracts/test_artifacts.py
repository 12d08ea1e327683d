"""What `Artifacts` promises, of every store: a folder, and a bucket on a real S3 server."""

import hashlib
import itertools
import os
import secrets
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.errors import Damaged, NotFound, StorageFull
from pipeline.storage.artifact_bucket import ArtifactBucket
from pipeline.storage.artifact_folder import ArtifactFolder
from pipeline.storage.artifacts import PIECE, Artifacts, Stored
from tests.swift import REGION, S3Server

NOWHERE = hashlib.sha256(b"never put").hexdigest()
SIZES = [0, 1, 1000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 12345]


@dataclass
class Kind:
    """One kind of store, with what only a test may do to it."""

    open: Callable[..., Artifacts]
    """A store of the same things, as another process would open it. `quota_bytes` as its constructor takes it."""
    raw: Callable[[str], bytes]
    spoil: Callable[[str, bytes], None]
    """Writes other bytes in place of an artifact's, or of its sums where the name ends in `.sums`."""
    gone: Callable[[str], None]
    names: Callable[[], set[str]]
    """All that is there, temporaries too."""


def _folder(tmp_path: Path) -> Kind:
    root = tmp_path / "artifacts"

    def at(name: str) -> Path:
        return root / name[:2] / name

    def spoil(name: str, data: bytes) -> None:
        at(name).write_bytes(data)

    def names() -> set[str]:
        return {path.name for path in root.rglob("*") if path.is_file()} - {".count"}

    return Kind(
        lambda **options: ArtifactFolder(root, **options),
        lambda name: at(name).read_bytes(),
        spoil,
        lambda name: at(name).unlink(),
        names,
    )


def _bucket(tmp_path: Path, server: S3Server, bucket: str) -> Kind:
    client, prefix = server.client(), f"a/{secrets.token_hex(8)}"
    scratch = tmp_path / "scratch"

    def key(name: str) -> str:
        folder = "sums" if name.endswith(".sums") else "artifacts"
        return f"{prefix}/{folder}/{name.removesuffix('.sums')}"

    def names() -> set[str]:
        objects = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
        return {entry["Key"] for entry in objects} | {str(path) for path in scratch.iterdir()} - {f"{prefix}/opened"}

    return Kind(
        lambda **options: ArtifactBucket(
            bucket, prefix, endpoint=server.endpoint, region=REGION, scratch=scratch, client=client, **options
        ),
        lambda name: client.get_object(Bucket=bucket, Key=key(name))["Body"].read(),
        lambda name, data: client.put_object(Bucket=bucket, Key=key(name), Body=data),
        lambda name: client.delete_object(Bucket=bucket, Key=key(name)),
        names,
    )


@pytest.fixture(scope="module")
def bucket(s3_server) -> str:
    return s3_server.bucket()


@pytest.fixture(params=["folder", "bucket"])
def kind(request, tmp_path) -> Kind:
    if request.param == "folder":
        return _folder(tmp_path)
    return _bucket(tmp_path, request.getfixturevalue("s3_server"), request.getfixturevalue("bucket"))


@pytest.fixture
def store(kind) -> Artifacts:
    return kind.open()


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_put_comes_back(store, kind, size):
    data = secrets.token_bytes(size)
    stored = store.put(data)
    assert stored == Stored(digest_of(data), size)
    for opened in (store, kind.open()):
        assert opened.has(stored.digest)
        assert opened.size(stored.digest) == size
        assert opened.read(stored.digest) == data
        assert b"".join(opened.stream(stored.digest)) == data
        opened.verify(stored.digest)
        with opened.local(stored.digest) as path:
            assert path.read_bytes() == data
        assert [(kept.digest, kept.size) for kept in opened.list()] == [(stored.digest, size)]
        assert opened.used() == size
    assert kind.raw(stored.digest) == data  # the plain bytes: others can use the file


def test_a_writer_takes_any_pieces(store):
    data = secrets.token_bytes(2 * PIECE + 77)
    cuts = [0, 0, 1, 17, PIECE - 1, PIECE + 1, PIECE + 1, 2 * PIECE, len(data)]
    with store.writer() as writer:
        for start, end in itertools.pairwise(cuts):
            writer.write(data[start:end])
        stored = writer.commit()
    assert stored == Stored(digest_of(data), len(data))
    assert b"".join(store.stream(stored.digest)) == data


def test_ranges_are_those_of_slices(store):
    data = secrets.token_bytes(3 * PIECE + 5)
    digest = store.put(data).digest
    marks = [0, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, len(data) - 1, len(data), len(data) + 10]
    for start in marks:
        for end in [*(mark for mark in marks if mark >= start), None]:
            pieces = list(store.stream(digest, start, end))
            assert b"".join(pieces) == data[start:end]
            assert all(0 < len(piece) <= PIECE for piece in pieces)
    for start, end in ((-1, None), (0, -1), (5, 4)):
        with pytest.raises(ValueError, match="range"):
            store.stream(digest, start, end)


def test_nothing_is_left_of_what_was_not_committed(store, kind):
    before = kind.names()
    with store.writer() as writer:
        writer.write(b"half")
    with pytest.raises(KeyError), store.writer() as writer:
        writer.write(secrets.token_bytes(2 * PIECE))
        raise KeyError
    assert kind.names() == before
    assert store.used() == 0
    for call in (lambda: writer.write(b"x"), writer.commit, lambda: store.writer().write(b"x")):
        with pytest.raises(ValueError, match="not being written"):
            call()


@pytest.mark.parametrize("wrong", ["", "abc", "../../etc/passwd", NOWHERE.upper(), NOWHERE + "0", NOWHERE[:-1] + "\n"])
def test_only_digests_are_names(store, wrong):
    for call in (store.has, store.size, store.read, store.stream, store.verify, store.delete, store.renew):
        with pytest.raises(ValueError, match="SHA-256"):
            call(wrong)
    with pytest.raises(ValueError, match="SHA-256"):
        store.discard(wrong, 0)
    with pytest.raises(ValueError, match="SHA-256"), store.local(wrong):
        pass
    with pytest.raises(ValueError, match="SHA-256"):
        store.url(wrong, 60, "video/mp4", "a.mp4")


def test_what_is_not_there_is_not_found(store):
    assert not store.has(NOWHERE)
    for call in (store.size, store.read, store.stream, store.verify, store.renew):
        with pytest.raises(NotFound, match=NOWHERE):
            call(NOWHERE)
    with pytest.raises(NotFound), store.local(NOWHERE):
        pass
    store.delete(NOWHERE)
    assert not store.discard(NOWHERE, 1e12)


@pytest.mark.parametrize("size", [1, PIECE, 3 * PIECE + 9])
@pytest.mark.parametrize("damage", ["first", "last", "shorter", "longer", "empty"])
def test_no_damaged_byte_leaves_and_putting_again_mends(store, kind, size, damage):
    data = secrets.token_bytes(size)
    digest = store.put(data).digest
    store.verify(digest)
    other = kind.open()
    other.verify(digest)
    broken = {
        "first": lambda: flipped(data, 0),
        "last": lambda: flipped(data, size - 1),
        "shorter": lambda: data[:-1],
        "longer": lambda: data + b"!",
        "empty": lambda: b"",
    }[damage]()
    kind.spoil(digest, broken)
    for call in (store.read, store.verify):
        with pytest.raises(Damaged, match=digest):
            call(digest)
    received = bytearray()
    with pytest.raises(Damaged):
        for piece in store.stream(digest):
            received += piece
    assert data.startswith(received)
    with pytest.raises(Damaged), store.local(digest):
        pass
    assert other.put(data).digest == digest  # by a store that had verified it
    for opened in (store, other, kind.open()):
        opened.verify(digest)
        assert opened.read(digest) == data
        assert opened.used() == size


def test_a_range_is_verified_by_its_own_chunks(store, kind):
    data = secrets.token_bytes(4 * PIECE)
    digest = store.put(data).digest
    kind.spoil(digest, flipped(data, 2 * PIECE + 100))
    assert b"".join(store.stream(digest, 10, 2 * PIECE)) == data[10 : 2 * PIECE]
    assert b"".join(store.stream(digest, 3 * PIECE)) == data[3 * PIECE :]
    pieces = store.stream(digest, PIECE, 3 * PIECE)
    assert next(pieces) == data[PIECE : 2 * PIECE]
    with pytest.raises(Damaged, match=str(2 * PIECE)):
        next(pieces)
    with pytest.raises(Damaged):
        next(store.stream(digest, 3 * PIECE - 1, 3 * PIECE))


def test_sums_that_are_lost_or_damaged_are_made_anew(store, kind):
    data = secrets.token_bytes(2 * PIECE + 3)
    digest = store.put(data).digest
    sums = kind.raw(f"{digest}.sums")
    for harm in (lambda: kind.gone(f"{digest}.sums"), lambda: kind.spoil(f"{digest}.sums", flipped(sums, 60))):
        harm()
        opened = kind.open()
        assert b"".join(opened.stream(digest, PIECE + 1, PIECE + 9)) == data[PIECE + 1 : PIECE + 9]
        assert kind.raw(f"{digest}.sums") == sums
    kind.gone(f"{digest}.sums")
    kind.spoil(digest, flipped(data, 5))
    with pytest.raises(Damaged):
        kind.open().stream(digest)


def test_putting_again_makes_it_new_and_takes_no_room(store, kind):
    data = secrets.token_bytes(PIECE + 1)
    digest = store.put(data).digest
    (first,) = store.list()
    for again in (store, kind.open()):
        assert again.put(data).digest == digest
        with again.writer() as writer:
            writer.write(data)
            assert writer.commit().digest == digest
        again.renew(digest)
    (last,) = store.list()
    assert last.modified >= first.modified
    assert store.used() == kind.open().used() == len(data)


def test_delete_and_discard(store, kind):
    empty = kind.names()
    data = secrets.token_bytes(PIECE + 1)
    digest = store.put(data).digest
    (kept,) = store.list()
    assert not store.discard(digest, kept.modified - 5)
    assert store.read(digest) == data
    assert store.discard(digest, kept.modified)
    assert not store.has(digest)
    store.put(data)
    store.delete(digest)
    store.delete(digest)
    with pytest.raises(NotFound):
        store.verify(digest)  # although it was verified
    assert list(store.list()) == []
    assert store.used() == kind.open().used() == 0
    assert kind.names() == empty


def test_nothing_passes_the_quota(kind):
    store = kind.open(quota_bytes=3 * PIECE)
    first = secrets.token_bytes(2 * PIECE)
    store.put(first)
    before = kind.names()
    with pytest.raises(StorageFull, match=r"3\.0 MiB together; it takes 2\.0 MiB") as caught:
        store.put(secrets.token_bytes(PIECE + 1))
    assert caught.value.code == "quota_reached"
    with store.writer() as writer:
        writer.write(bytes(PIECE))
        with pytest.raises(StorageFull):
            writer.write(b"x")
        with pytest.raises(ValueError, match="not being written"):
            writer.commit()
    assert kind.names() == before
    store.put(first)  # is there already
    exact = store.put(secrets.token_bytes(PIECE))
    assert store.used() == 3 * PIECE
    store.delete(exact.digest)
    store.put(b"fits again")


def test_two_writers_can_not_share_the_last_room(kind):
    store = kind.open(quota_bytes=1000)
    with store.writer() as first, store.writer() as second:
        first.write(b"a" * 600)
        second.write(b"b" * 600)
        first.commit()
        with pytest.raises(StorageFull):
            second.commit()
    assert store.used() == 600
    assert len(list(store.list())) == 1


def test_many_threads_put_and_read_the_same(kind):
    blobs = [secrets.token_bytes(PIECE + size) for size in (1, 2, 3)]
    stores = [kind.open(), kind.open()]
    failures = []

    def work(number: int) -> None:
        try:
            for turn in range(4):
                data = blobs[(number + turn) % 3]
                digest = stores[number % 2].put(data).digest
                assert b"".join(stores[(number + turn) % 2].stream(digest, PIECE - 5)) == data[PIECE - 5 :]
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {kept.digest for kept in stores[0].list()} == {digest_of(data) for data in blobs}
    assert stores[0].used() == stores[1].used() == kind.open().used() == sum(map(len, blobs))


def test_memory_stays_flat(store):
    size = 24 * PIECE
    block = secrets.token_bytes(PIECE)
    store.put(b"warm")
    tracemalloc.start()
    try:
        with store.writer() as writer:
            for index in range(24):
                writer.write(index.to_bytes(4, "big") + block[4:])
            digest = writer.commit().digest
        received = sum(len(piece) for piece in store.stream(digest))
        store.verify(digest)
        with store.local(digest) as path:
            assert path.stat().st_size == size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert received == size
    assert peak < size // 3


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_local_files_are_ours_alone(store):
    with store.local(store.put(b"private").digest) as path:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
