"""Stretches of pictures and sound as a fragmented MP4: what plays when, and that nothing is between the stretches."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from pipeline.contracts import CodedStretch, Encoding, Frames
from pipeline.errors import BackendFailed
from pipeline.media.fragments import FragmentWriter
from pipeline.media.stretches import coded
from pipeline.media.tracks import AUDIO_RATE
from tests.pipeline.jobs.works import grey
from tests.pipeline.media.boxes import boxes, walk

RATE = 22_050
SIZE = 64


def stretch(
    first: int, count: int, fps: Fraction, encoding: Encoding | None = None, *, in_order: bool = True
) -> CodedStretch:
    """Frames whose grey tells their number."""
    planes = np.stack([np.full((SIZE * 3 // 2, SIZE), grey(n), np.uint8) for n in range(first, first + count)])
    runs = iter([Frames(first, planes[: count // 2]), Frames(first + count // 2, planes[count // 2 :])])
    *stops, made = coded(runs, (SIZE, SIZE), fps, encoding or Encoding(), in_order=in_order)
    assert stops == [count // 2, count]
    assert isinstance(made, CodedStretch)
    assert len(made.packets) == count
    return made


def written(fps: Fraction, counts: tuple[int, ...]) -> tuple[list[bytes], np.ndarray]:
    """The header, what goes out after each stretch and at the end, and the sound: a tone that is interrupted now and
    then."""
    writer = FragmentWriter(size=SIZE, fps=fps, sample_rate=RATE)
    time = np.arange(int(sum(counts) * RATE / fps)) / RATE
    sound = (0.3 * np.sin(2 * np.pi * 330 * time) * (time % 1.0 < 0.5)).astype(np.float32)
    out, first = [], 0
    for count in counts:
        start, end = (int(frame * RATE / fps) for frame in (first, first + count))
        writer.write_audio(sound[start:end])
        out.append(writer.write_pictures(stretch(first, count, fps)))
        first += count
    return [writer.header, *out, writer.finish()], sound


def decoded(data: bytes) -> tuple[list[av.VideoFrame], np.ndarray]:
    with av.open(io.BytesIO(data), "r") as file:
        pictures = list(file.decode(video=0))
    with av.open(io.BytesIO(data), "r") as file:
        return pictures, np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(10)])
def test_every_frame_is_there_once_in_order_and_sound_and_pictures_end_together(fps: Fraction) -> None:
    counts = (5, 5, 12, 30, 7)
    out, _ = written(fps, counts)
    pictures, heard = decoded(b"".join(out))
    assert [int(picture.to_ndarray()[:SIZE].mean()) for picture in pictures] == pytest.approx(
        [grey(number) for number in range(sum(counts))], abs=2
    )
    times = [Fraction((picture.pts or 0) * (picture.time_base or 1)) for picture in pictures]
    assert times[0] == 0
    assert all(abs(time - number / fps) < Fraction(1, 1000) for number, time in enumerate(times))
    assert abs(Fraction(len(heard), AUDIO_RATE) - sum(counts) / fps) < 1 / fps


def test_the_sound_has_no_seam_and_no_delay() -> None:
    """Against the same tone, resampled: AAC changes it a little everywhere, a seam would be one place."""
    out, _ = written(Fraction(25), (12, 13, 25, 38))
    _, heard = decoded(b"".join(out))
    time = np.arange(len(heard)) / AUDIO_RATE
    meant = 0.3 * np.sin(2 * np.pi * 330 * time) * (time % 1.0 < 0.5)
    steady = (time % 1.0 > 0.05) & (time % 1.0 < 0.45)
    assert np.abs(heard - meant)[steady].max() < 0.03


def test_plays_while_it_grows() -> None:
    counts = (5, 5, 12, 30)
    out, _ = written(Fraction(25), counts)
    assert boxes(out[0]) == ["ftyp", "moov"]
    assert [boxes(piece) for piece in out[1:]] == [["moof", "mdat"]] * 5
    for known in range(2, len(out) - 1):  # whoever has so much of it sees all of that and hears all but a little
        pictures, heard = decoded(b"".join(out[:known]))
        frames = sum(counts[: known - 1])
        assert len(pictures) == frames
        assert 0 <= frames / 25 - len(heard) / AUDIO_RATE < 0.11


def test_a_fragment_alone_can_be_begun_at() -> None:
    """As players do that seek: the header, and what comes from there on."""
    counts = (5, 5, 12, 30)
    out, _ = written(Fraction(25), counts)
    pictures, heard = decoded(out[0] + b"".join(out[3:]))
    assert int(pictures[0].to_ndarray()[:SIZE].mean()) == pytest.approx(grey(10), abs=2)
    assert (pictures[0].pts or 0) * (pictures[0].time_base or 1) == Fraction(10, 25)
    assert len(pictures) == 42
    assert abs(len(heard) / AUDIO_RATE - 42 / 25) < 0.15


def test_stretches_shorter_than_a_frame_of_sound() -> None:
    out, _ = written(Fraction(60), (1, 1, 1, 1, 1, 40))
    pictures, heard = decoded(b"".join(out))
    assert len(pictures) == 45
    assert abs(len(heard) / AUDIO_RATE - 45 / 60) < 1 / 60


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_sound_of_any_rate(rate: int) -> None:
    writer = FragmentWriter(size=SIZE, fps=Fraction(25), sample_rate=rate)
    out = []
    for first in (0, 10):
        writer.write_audio(np.zeros(10 * rate // 25, np.float32))
        out.append(writer.write_pictures(stretch(first, 10, Fraction(25))))
    pictures, heard = decoded(b"".join([writer.header, *out, writer.finish()]))
    assert len(pictures) == 20
    assert abs(len(heard) / AUDIO_RATE - 20 / 25) < 1 / 25


def test_a_fragment_says_where_it_belongs() -> None:
    out, _ = written(Fraction(25), (5, 5, 12))
    numbers, begins = [], []
    for piece in out[1:]:
        moof = dict(walk(piece))["moof"]
        numbers.append(struct.unpack(">I", dict(walk(moof))["mfhd"][4:8])[0])
        first = next(content for kind, content in walk(moof) if kind == "traf")
        tfdt = dict(walk(first))["tfdt"]
        begins.append(int.from_bytes(tfdt[4:], "big"))
    assert numbers == [1, 2, 3, 4]
    assert [begin / 12_800 for begin in begins[:3]] == [0, 5 / 25, 10 / 25]
    assert abs(begins[3] / AUDIO_RATE - 22 / 25) < 0.12  # what was left of the sound


def test_stretches_encoded_otherwise_are_refused_and_not_shown_broken() -> None:
    writer = FragmentWriter(size=SIZE, fps=Fraction(25), sample_rate=RATE)
    writer.write_pictures(stretch(0, 4, Fraction(25)))
    with pytest.raises(BackendFailed, match="not encoded alike") as caught:
        writer.write_pictures(stretch(4, 4, Fraction(30)))
    assert caught.value.code == "stretches_differ"


def test_no_stretch_no_film() -> None:
    writer = FragmentWriter(size=SIZE, fps=Fraction(25), sample_rate=RATE)
    with pytest.raises(ValueError, match="at least one frame"):
        writer.finish()
    with pytest.raises(ValueError, match="at least one frame"):
        assert writer.header
