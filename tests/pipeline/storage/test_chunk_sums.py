import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Damaged
from pipeline.storage.artifacts import PIECE
from pipeline.storage.chunk_sums import ChunkSums, RunningSums

DATA = bytes(range(256)) * (10 * PIECE // 1024)  # 2.5 MiB


def summed(data: bytes, *cuts: int) -> ChunkSums:
    running = RunningSums()
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        running.update(data[start:end])
    return running.sums()


SUMS = summed(DATA)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, len(DATA)), max_size=5))
def test_sums_do_not_depend_on_how_the_bytes_came(cuts):
    assert summed(DATA, *sorted(cuts)) == SUMS


def test_they_are_those_of_each_chunk():
    chunks = [DATA[at : at + PIECE] for at in range(0, len(DATA), PIECE)]
    assert SUMS.sums == b"".join(hashlib.sha256(chunk).digest() for chunk in chunks)
    assert (SUMS.digest, SUMS.size) == (hashlib.sha256(DATA).hexdigest(), len(DATA))
    assert summed(b"") == ChunkSums.of_one(hashlib.sha256().hexdigest(), 0)
    assert summed(b"one") == ChunkSums.of_one(hashlib.sha256(b"one").hexdigest(), 3)


def test_packed_sums_are_taken_whole_and_for_their_own_artifact_only():
    packed = SUMS.packed()
    assert ChunkSums.unpacked(SUMS.digest, packed) == SUMS
    assert ChunkSums.unpacked("0" * 64, packed) is None
    for at in range(len(packed)):
        assert ChunkSums.unpacked(SUMS.digest, packed[:at]) is None
        assert ChunkSums.unpacked(SUMS.digest, packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :]) is None


@settings(deadline=None, max_examples=50)
@given(st.integers(0, len(DATA)), st.integers(0, len(DATA)))
def test_ranges_come_out_of_whole_chunks(one, other):
    start, end = SUMS.span(min(one, other), max(one, other))
    first = start // PIECE * PIECE
    chunks = (DATA[at : at + PIECE] for at in range(first, len(DATA), PIECE))
    assert b"".join(SUMS.verified(chunks, start, end)) == DATA[start:end]


def test_chunks_that_are_wrong_missing_or_too_short_are_damage():
    for chunks in ([], [DATA[:PIECE]], [DATA[:PIECE], DATA[PIECE : 2 * PIECE - 1]], [DATA[PIECE : 2 * PIECE]]):
        with pytest.raises(Damaged):
            list(SUMS.verified(chunks, 0, 2 * PIECE))
    with pytest.raises(Damaged):
        ChunkSums.of_one("0" * 64, 0)
