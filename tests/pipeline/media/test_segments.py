"""Segments cut out of finished films: the fragments that a film was put together of, byte for byte."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.contracts import Encoding
from pipeline.errors import Conflict
from pipeline.media import remux
from pipeline.media.fragments import FragmentWriter
from pipeline.media.rejoining import Rejoined
from pipeline.media.segments import cuts, initial, segment
from pipeline.media.video import VideoWriter, probe
from tests.pipeline.jobs.works import grey
from tests.pipeline.media.test_fragments import RATE, SIZE, decoded, stretch


def joined(path: Path, fps: Fraction, seconds: tuple[float, ...]) -> list[bytes]:
    """Writes a film, and gives its header and fragments."""
    counts = [round(each * fps) for each in seconds]
    writer = FragmentWriter(size=SIZE, fps=fps, sample_rate=RATE)
    out, first = [], 0
    for number, count in enumerate(counts, start=1):
        start, end = (int(frame * RATE / fps) for frame in (first, first + count))
        writer.write_audio((0.3 * np.sin(np.arange(start, end) / 11)).astype(np.float32))
        made = stretch(first, count, fps, in_order=False)
        out.append(writer.write_pictures(made, last=number == len(counts)))
        first += count
    film = Rejoined(path, writer.header, fps)
    for piece in out:
        film.write(piece)
    film.close()
    return [writer.header, *out]


def frames(count: int) -> np.ndarray:
    return np.stack([np.full((SIZE * 3 // 2, SIZE), grey(number), np.uint8) for number in range(count)])


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(10)])
def test_put_together_and_cut_again_it_is_the_same_bytes(fps: Fraction, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    pieces = joined(path, fps, (6.5, 7, 6.2, 9.4))
    found = cuts(path)
    assert (found.fps, found.frames) == (fps, tuple(round(each * fps) for each in (6.5, 7, 6.2, 9.4)))
    assert initial(path) == pieces[0]
    assert [segment(path, found, number) for number in range(1, 5)] == pieces[1:]


def test_put_together_it_is_as_if_written_in_one_piece(tmp_path: Path) -> None:
    path, whole = tmp_path / "film.mp4", tmp_path / "whole.mp4"
    pieces = joined(path, Fraction(25), (6.5, 7, 3))
    with VideoWriter(whole, size=SIZE, fps=Fraction(25), sample_rate=RATE) as film:
        film.write_audio((0.3 * np.sin(np.arange(round(16.52 * RATE)) / 11)).astype(np.float32))
        film.write_frames(frames(412))
    facts, usual = probe(path), probe(whole)
    assert (facts.frames, facts.fps, facts.seconds, facts.audio_seconds) == (
        usual.frames, usual.fps, usual.seconds, usual.audio_seconds,
    )  # fmt: skip
    (shown, heard), (fragmented, sound) = decoded(path.read_bytes()), decoded(b"".join(pieces))
    greys = [int(picture.to_ndarray()[:SIZE].mean()) for picture in shown]
    assert greys == pytest.approx([grey(number) for number in range(412)], abs=2)
    assert [picture.pts for picture in shown] == [512 * number for number in range(412)]
    assert [picture.pts for picture in fragmented] == [picture.pts for picture in shown]
    assert np.array_equal(heard, sound)


def test_any_film_of_ours_is_cut_at_its_key_frames(tmp_path: Path) -> None:
    """And what is cut out plays on from piece to piece."""
    path = tmp_path / "film.mp4"
    with VideoWriter(path, size=SIZE, fps=Fraction(25), sample_rate=RATE) as film:
        film.write_audio((0.3 * np.sin(np.arange(24 * RATE) / 11)).astype(np.float32))
        film.write_frames(frames(600))
    found = cuts(path)
    assert sum(found.frames) == 600
    assert min(found.frames[:-1]) >= 150  # pictures that change so much have key frames everywhere
    pieces = [segment(path, found, number) for number in range(1, len(found.frames) + 1)]
    shown, heard = decoded(initial(path) + b"".join(pieces))
    usual, sound = decoded(path.read_bytes())
    assert all(np.array_equal(one.to_ndarray(), other.to_ndarray()) for one, other in zip(shown, usual, strict=True))
    assert np.array_equal(heard, sound)
    middle, _ = decoded(initial(path) + pieces[1])
    assert len(middle) == found.frames[1]
    assert middle[0].time == found.frames[0] / 25


def test_a_film_without_sound(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with VideoWriter(path, size=(96, 64), fps=Fraction(25)) as film:
        film.write_frames(np.zeros((30, 96, 96), np.uint8))
    found = cuts(path)
    with av.open(io.BytesIO(initial(path) + segment(path, found, 1)), "r") as cut:
        assert [stream.type for stream in cut.streams] == ["video"]
        assert (cut.streams.video[0].width, sum(1 for _ in cut.decode(video=0))) == (96, 30)


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_sound_of_any_rate(rate: int, tmp_path: Path) -> None:
    """That of a film that was only enlarged is as it was: more samples a second, too, than its entry has room for."""
    pictures, sound, path = (tmp_path / f"{name}.mp4" for name in ("pictures", "sound", "film"))
    with VideoWriter(pictures, size=SIZE, fps=Fraction(25)) as film:
        film.write_frames(frames(30))
    tone = av.AudioFrame.from_ndarray((0.3 * np.sin(np.arange(rate) / 11)).astype(np.float32)[None], "fltp", "mono")
    tone.sample_rate = rate
    with av.open(str(pictures), "r") as own, av.open(str(sound), "w") as file:
        shown, heard = file.add_stream_from_template(own.streams.video[0]), file.add_stream("aac", rate=rate)
        for packet in (each for each in own.demux(video=0) if each.size):
            packet.stream = shown
            file.mux(packet)
        file.mux([*heard.encode(tone), *heard.encode(None)])
    remux.joined(pictures, sound, path, "mp4", Fraction(1))
    piece = initial(path) + segment(path, cuts(path), 1)
    (_, played), (_, usual) = decoded(piece), decoded(path.read_bytes())
    assert np.array_equal(played, usual)
    with av.open(io.BytesIO(piece), "r") as cut:
        assert cut.streams.audio[0].rate == rate


def test_other_codecs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "film.webm"
    with VideoWriter(path, size=SIZE, fps=Fraction(25), encoding=Encoding("webm")) as film:
        film.write_frames(frames(5))
    with pytest.raises(Conflict, match="vp9") as caught:
        cuts(path)
    assert caught.value.code == "not_segmented"
