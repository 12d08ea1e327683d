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


def stretch(first: int, count: int, fps: Fraction, encoding: Encoding | None = None) -> CodedStretch:
    """Frames whose grey tells their number."""
    planes = np.stack([np.full((SIZE * 3 // 2, SIZE), grey(n), np.uint8) for n in range(first, first + count)])
    runs = iter([Frames(first, planes[: count // 2]), Frames(first + count // 2, planes[count // 2 :])])
    *stops, made = coded(runs, (SIZE, SIZE), fps, encoding or Encoding())
    assert stops == [None, None]
    assert made is not None
    assert len(made.packets) == count
    return made


def written(fps: Fraction, counts: tuple[int, ...]) -> tuple[list[bytes], np.ndarray]:
    """What goes out after each stretch and at the end, and the sound: a tone that is interrupted now and then."""
    writer = FragmentWriter(size=SIZE, fps=fps, sample_rate=RATE, encoding=Encoding())
    time = np.arange(int(sum(counts) * RATE / fps)) / RATE
    sound = (0.3 * np.sin(2 * np.pi * 330 * time) * (time % 1.0 < 0.5)).astype(np.float32)
    out, first = [], 0
    for count in counts:
        start, end = (int(frame * RATE / fps) for frame in (first, first + count))
        writer.write_audio(sound[start:end])
        out.append(writer.write_pictures(stretch(first, count, fps)))
        first += count
    return [*out, writer.finish()], sound


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
    out, _ = written(Fraction(25), (5, 5, 12, 30))
    assert out[0] == b""
    assert boxes(out[1]) == ["ftyp", "moov", "moof", "mdat"]
    assert [boxes(piece) for piece in out[2:]] == [["moof", "mdat"]] * 3
    for known in range(2, len(out)):  # whoever has so much of it sees and hears all of that
        pictures, heard = decoded(b"".join(out[:known]))
        frames = sum((5, 5, 12, 30)[: known - 1])
        assert len(pictures) == frames
        assert abs(len(heard) / AUDIO_RATE - frames / 25) < 0.05


def test_a_fragment_says_where_it_belongs() -> None:
    out, _ = written(Fraction(25), (5, 5, 12))
    numbers, begins = [], []
    for piece in out[1:]:
        moof = dict(walk(piece))["moof"]
        numbers.append(struct.unpack(">I", dict(walk(moof))["mfhd"][4:8])[0])
        tfdt = dict(walk(dict(walk(moof))["traf"]))["tfdt"]
        begins.append(int.from_bytes(tfdt[4:], "big"))
    assert numbers == [1, 2, 3]
    assert begins == sorted(begins)


def test_stretches_encoded_otherwise_are_refused_and_not_shown_broken() -> None:
    writer = FragmentWriter(size=SIZE, fps=Fraction(25), sample_rate=RATE, encoding=Encoding())
    writer.write_pictures(stretch(0, 4, Fraction(25)))
    with pytest.raises(BackendFailed, match="not encoded alike") as caught:
        writer.write_pictures(stretch(4, 4, Fraction(30)))
    assert caught.value.code == "stretches_differ"
    writer.abandon()


def test_no_stretch_no_film() -> None:
    writer = FragmentWriter(size=SIZE, fps=Fraction(25), sample_rate=RATE, encoding=Encoding())
    with pytest.raises(ValueError, match="at least one frame"):
        writer.finish()
    writer.abandon()
