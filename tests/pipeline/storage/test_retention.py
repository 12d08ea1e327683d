"""Sweeps and references, in every order that they can come in."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import NotFound
from pipeline.storage.artifact_folder import ArtifactFolder
from pipeline.storage.artifacts import Artifacts, Kept
from pipeline.storage.retention import Swept, make_room, sweep, unreferenced

HOUR = 3600.0
DATA = [b"one", b"two"]


@pytest.fixture
def store(tmp_path):
    return ArtifactFolder(tmp_path / "artifacts")


def age(tmp_path, digest, seconds, now):
    os.utime(tmp_path / "artifacts" / digest[:2] / digest, (now - seconds, now - seconds))


def test_only_what_is_old_and_unreferenced_goes(store, tmp_path):
    now = time.time()
    ages = {b"old, wanted": 2 * HOUR, b"old": 2 * HOUR, b"young": HOUR / 2, b"on the line": HOUR}
    digests = {}
    for data, seconds in ages.items():
        digests[data] = store.put(data).digest
        age(tmp_path, digests[data], seconds, now)
    keep = {digests[b"old, wanted"]}
    swept = sweep(store, lambda: keep, grace_seconds=HOUR, now=now)
    assert swept == Swept(2, len(b"old") + len(b"on the line"))
    assert {kept.digest for kept in store.list()} == {digests[b"old, wanted"], digests[b"young"]}
    assert sweep(store, lambda: keep, grace_seconds=HOUR, now=now) == Swept(0, 0)


def test_room_is_made_of_what_was_used_longest_ago(store, tmp_path):
    now = time.time()
    digests = [store.put(bytes([index]) * 100).digest for index in range(5)]
    for index, digest in enumerate(digests):
        age(tmp_path, digest, (index + 1) * HOUR, now)
    store.renew(digests[3])
    droppable = list(unreferenced(store, lambda: {digests[4]}, grace_seconds=HOUR / 2, now=now))
    store.renew(digests[2])  # by somebody who found it after it was listed
    assert make_room(store, 150, droppable) == Swept(2, 200)
    assert {kept.digest for kept in store.list()} == {digests[index] for index in (2, 3, 4)}
    assert make_room(store, 1000, droppable) == Swept(0, 0)
    assert make_room(store, 0, droppable) == Swept(0, 0)


class Interleaved:
    """A store between any two of whose steps somebody else takes theirs."""

    def __init__(self, store, others):
        self._store = store
        self._others = others

    def list(self) -> Iterator[Kept]:
        self._others()
        for kept in self._store.list():
            yield kept
            self._others()

    def discard(self, digest, until) -> bool:
        self._others()
        gone = self._store.discard(digest, until)
        self._others()
        return gone


class Users:
    """Some who put or find artifacts, refer to them a move later, and drop the references.

    What was there before the sweep is older than its grace, and all that they do is younger.
    """

    def __init__(self, store, moves):
        self.store = store
        self.now = time.time()
        self.referred: set[str] = set()
        self._moves = iter(moves)
        self._holding: dict[int, str] = {}

    def keep(self) -> set[str]:
        self.step()
        found = set(self.referred)
        self.step()
        return found

    def step(self) -> None:
        """Up to three moves of anyone."""
        for move, who in next(self._moves, ()):
            if move in ("put", "adopt"):
                self._holding[who] = self.store.put(DATA[who]).digest
            elif move == "find":
                digest = hashlib.sha256(DATA[who]).hexdigest()
                try:
                    self.store.renew(digest)
                    self._holding[who] = digest
                except NotFound:
                    assert digest not in self.referred
            if move in ("refer", "adopt") and who in self._holding:
                self.referred.add(self._holding.pop(who))
            elif move == "drop":
                self.referred.discard(hashlib.sha256(DATA[who]).hexdigest())
        self.nothing_is_lost()

    def nothing_is_lost(self) -> None:
        assert all(self.store.has(digest) for digest in self.referred)


move = st.tuples(st.sampled_from(["adopt", "put", "find", "refer", "drop"]), st.sampled_from([0, 1]))
moves = st.lists(st.lists(move, max_size=3), min_size=8, max_size=12)


@given(moves, st.sets(st.sampled_from([0, 1]), min_size=1), st.sets(st.sampled_from([0, 1])))
@settings(max_examples=200, deadline=None)
def test_no_order_of_events_loses_a_reference(tmp_path_factory, moves, there, referred):
    folder = tmp_path_factory.mktemp("retention")
    store = ArtifactFolder(folder / "artifacts")
    users = Users(store, moves)
    for who in there:
        digest = store.put(DATA[who]).digest
        age(folder, digest, 2 * HOUR, users.now)
        if who in referred:
            users.referred.add(digest)
    sweep(cast(Artifacts, Interleaved(store, users.step)), users.keep, grace_seconds=HOUR, now=users.now)
    users.nothing_is_lost()
    # Afterwards everything unreferenced can go, and nothing else.
    sweep(store, lambda: set(users.referred), grace_seconds=0, now=users.now + HOUR)
    assert {kept.digest for kept in store.list()} == users.referred
    assert store.used() == sum(kept.size for kept in store.list())


def test_an_age_is_looked_at_again_on_removal(store, tmp_path):
    now = time.time()
    digest = store.put(b"found again").digest
    age(tmp_path, digest, 2 * HOUR, now)
    (candidate,) = unreferenced(store, set, grace_seconds=HOUR, now=now)
    store.renew(digest)  # and referred to, after `keep` was asked
    assert make_room(store, 1, [candidate]) == Swept(0, 0)
    assert store.has(digest)


def test_removal_and_renewal_do_not_meet(tmp_path):
    """Two stores on one folder, as two processes have it: what is put while it is being removed is there."""
    putting, removing = ArtifactFolder(tmp_path / "artifacts"), ArtifactFolder(tmp_path / "artifacts")
    data = b"put and removed"
    digest = putting.put(data).digest
    over = threading.Event()
    removed = []

    def remove() -> None:
        while not over.is_set():
            removed.append(removing.discard(digest, time.time() - HOUR))

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for turn in range(100):
            if turn % 2:
                putting.put(data)
            else:
                try:
                    putting.renew(digest)
                except NotFound:
                    putting.put(data)
            assert putting.read(digest) == data
            age(tmp_path, digest, 2 * HOUR, time.time())
            while putting.has(digest):  # until it has been taken
                pass
    finally:
        over.set()
        thread.join()
    assert sum(removed) == 100
    assert putting.used() == 0
