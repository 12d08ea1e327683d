from __future__ import annotations

import hashlib
import threading
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, cast, get_args

import av
import cv2
import numpy as np
import pytest

from pipeline.contracts import Encoding, Samples, VideoFormat
from pipeline.errors import InvalidMedia
from pipeline.media.gif import GIF_SIDE
from pipeline.media.sniff import kind
from pipeline.media.tracks import AUDIO_RATE
from pipeline.media.video import CONTENT_TYPES, VideoWriter, probe, read_frames, thumbnail

SIZE = 128
FORMATS: list[VideoFormat] = list(get_args(VideoFormat))


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """(60, SIZE, SIZE, 3): a photo that sways, and a white square that is on in every eighth frame."""
    from skimage import data

    face: Any = cv2.resize(data.astronaut()[:256, 100:356], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    made = []
    for index in range(60):
        shift: Any = np.array([[1, 0, 2 * np.sin(index / 9)], [0, 1, np.cos(index / 7)]])
        picture: Any = cv2.warpAffine(face, shift, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
        picture[-32:, -32:] = 255 if index % 8 == 0 else 0
        made.append(picture)
    return np.stack(made)


@pytest.fixture(scope="module")
def planes(pictures: np.ndarray) -> np.ndarray:
    return np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420) for picture in pictures])


def sound(seconds: float, rate: int = 22050) -> Samples:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write(path: Path, planes: np.ndarray, fps: Fraction = Fraction(25), **options: Any) -> Path:
    samples = options.pop("samples", sound(float(len(planes) / fps)))
    encoding = Encoding(format=options.pop("format", "mp4"), **options)
    with VideoWriter(path, size=planes.shape[2], fps=fps, sample_rate=22050, encoding=encoding) as film:
        film.write_audio(samples)
        film.write_frames(planes)
    return path


def heard(path: Path) -> Samples:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


@pytest.mark.parametrize("format", ["mp4", "webm"])
@pytest.mark.parametrize(
    "fps", [Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(12), Fraction(60)]
)
@pytest.mark.parametrize("count", [1, 2, 59])
def test_rate_and_lengths_are_exact(
    tmp_path: Path, planes: np.ndarray, format: VideoFormat, fps: Fraction, count: int
) -> None:
    facts = probe(write(tmp_path / "film", planes[:count], fps, format=format))
    assert facts.frames == count
    assert (facts.width, facts.height) == (SIZE, SIZE)
    assert (facts.video_codec, facts.audio_codec) == (("h264", "aac") if format == "mp4" else ("vp9", "opus"))
    assert facts.sample_rate == AUDIO_RATE
    # Matroska counts milliseconds, MP4 counts in the rate itself.
    assert facts.seconds == pytest.approx(float(count / fps), abs=1e-9 if format == "mp4" else 2e-3)
    assert format == "webm" or facts.fps == fps
    assert facts.audio_seconds is not None
    # One picture; a single AAC frame of 21 ms is the least there can be.
    assert abs(facts.audio_seconds - float(count / fps)) < float(1 / fps)


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(60)])
def test_the_header_of_an_mp4_agrees(tmp_path: Path, planes: np.ndarray, fps: Fraction) -> None:
    with av.open(str(write(tmp_path / "film", planes, fps))) as container:
        picture: Any = container.streams.video[0]
        track: Any = container.streams.audio[0]
        assert picture.average_rate == fps
        assert picture.frames == 60
        assert picture.duration * picture.time_base == 60 / fps
        assert abs(track.duration * track.time_base - 60 / fps) < 1 / fps
        assert container.duration is not None
        assert abs(container.duration / 1e6 - float(60 / fps)) < float(1 / fps)
        context = picture.codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (6, 6, 6, 1)
        assert picture.codec_context.pix_fmt == "yuv420p"
        assert "creation_time" not in container.metadata
        assert "creation_time" not in picture.metadata


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_sound_and_pictures_start_together(tmp_path: Path, planes: np.ndarray, format: VideoFormat) -> None:
    click = np.zeros(22050 * 60 // 25, np.float32)
    click[22050 // 2 : 22050 // 2 + 200] = 0.8
    samples = heard(write(tmp_path / "film", planes, format=format, samples=click))
    first = int(np.argmax(np.abs(samples) > 0.3))
    assert abs(first / AUDIO_RATE - 0.5) < 0.003
    lit = [frame[-16, -16].mean() > 128 for frame in read_frames(tmp_path / "film")]
    assert lit == [index % 8 == 0 for index in range(60)]


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.4, 4.0])
def test_sound_is_cut_or_filled_to_the_pictures(tmp_path: Path, planes: np.ndarray, seconds: float) -> None:
    path = write(tmp_path / "film", planes, samples=sound(seconds))
    samples = heard(path)
    assert abs(len(samples) / AUDIO_RATE - 2.4) < 0.04
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    assert (loud[-1] / AUDIO_RATE if len(loud) else 0) == pytest.approx(min(seconds, 2.4), abs=0.03)


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_film_is_the_same_bytes(tmp_path: Path, planes: np.ndarray, format: VideoFormat) -> None:
    whole = write(tmp_path / "whole", planes, format=format)
    samples = sound(2.4)
    encoding = Encoding(format=format)
    with VideoWriter(tmp_path / "parts", size=SIZE, fps=Fraction(25), sample_rate=22050, encoding=encoding) as film:
        # Sound behind the pictures, in odd pieces, and a buffer that is used again.
        for start in range(0, 60, 7):
            buffer = planes[start : start + 7].copy()
            film.write_frames(buffer)
            buffer[:] = 0
            film.write_audio(samples[start * 882 : (start + 7) * 882])
        assert film.frames == 60
    assert whole.read_bytes() == (tmp_path / "parts").read_bytes()
    assert kind(whole.read_bytes()) == CONTENT_TYPES[format]


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_two_threads_make_the_same_film_each_time(tmp_path: Path, planes: np.ndarray, format: VideoFormat) -> None:
    made = set()
    for index in range(3):
        path = tmp_path / str(index)
        with VideoWriter(path, size=SIZE, fps=Fraction(25), encoding=Encoding(format=format), threads=2) as film:
            film.write_frames(planes)
        made.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(made) == 1


@pytest.mark.parametrize(("format", "decibel"), [("mp4", 32), ("webm", 30), ("gif", 26)])
def test_pictures_look_like_what_was_written(
    tmp_path: Path, pictures: np.ndarray, planes: np.ndarray, format: VideoFormat, decibel: float
) -> None:
    path = write(tmp_path / "film", planes, format=format)
    shown = np.stack(list(read_frames(path)))
    if format == "gif":
        pictures = pictures[::2]  # 12.5 a second
    assert shown.shape == pictures.shape
    assert shown.dtype == np.uint8
    worst = min(
        10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()) for a, b in zip(shown, pictures, strict=True)
    )
    assert worst > decibel
    # Colours are not only near, but not shifted: a wrong matrix or range moves the mean by several levels.
    assert np.abs(shown.mean(axis=(0, 1, 2)) - pictures.mean(axis=(0, 1, 2))).max() < 2
    np.testing.assert_array_equal(thumbnail(path), shown[0])


def test_the_tags_tell_other_players_the_same(tmp_path: Path, planes: np.ndarray, pictures: np.ndarray) -> None:
    """FFmpeg's own conversion, which goes by the tags in the file."""
    for format in ("mp4", "webm"):
        with av.open(str(write(tmp_path / "film", planes, format=format))) as container:
            first = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert np.abs(first.astype(float) - pictures[0]).mean() < 6


def test_preset_and_crf_count(tmp_path: Path, planes: np.ndarray) -> None:
    sizes = {crf: write(tmp_path / "film", planes, crf=crf).stat().st_size for crf in (15, 30)}
    assert sizes[15] > 1.5 * sizes[30]
    fast, slow = (write(tmp_path / name, planes, preset=name).read_bytes() for name in ("ultrafast", "faster"))
    assert fast != slow


def test_an_mp4_can_be_played_while_it_is_loaded(tmp_path: Path, planes: np.ndarray) -> None:
    data = write(tmp_path / "film", planes).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    # Sound and pictures lie side by side, not one after the other.
    with av.open(str(tmp_path / "film")) as container:
        order = sorted((packet.pos, packet.stream.type) for packet in container.demux() if packet.size)
    turns = sum(a[1] != b[1] for a, b in pairwise(order))
    assert turns > 10


def test_gif_of_a_large_and_fast_film(tmp_path: Path) -> None:
    large = np.full((30, 900, 600), 128, np.uint8)
    large[:, :600] += np.arange(30, dtype=np.uint8)[:, None, None]
    facts = probe(write(tmp_path / "film.gif", large, Fraction(60), format="gif"))
    assert (facts.width, facts.height, facts.frames) == (GIF_SIDE, GIF_SIDE, 8)
    assert facts.seconds == pytest.approx(8 * 4 / 60, abs=0.01)
    assert facts.audio_codec is None


def test_a_failed_film_leaves_nothing(tmp_path: Path, planes: np.ndarray) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"what was there before")
    with pytest.raises(RuntimeError, match="renderer"), VideoWriter(path, size=SIZE, fps=Fraction(25)) as film:
        film.write_frames(planes[:5])
        assert path.read_bytes() == b"what was there before"
        raise RuntimeError("renderer")
    with pytest.raises(ValueError, match="at least one frame"), VideoWriter(path, size=SIZE, fps=Fraction(25)):
        pass
    assert path.read_bytes() == b"what was there before"
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4"]
    write(path, planes[:5])
    assert probe(path).frames == 5
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4"]


def test_closing_twice_is_fine(tmp_path: Path, planes: np.ndarray) -> None:
    film = VideoWriter(tmp_path / "film.mp4", size=SIZE, fps=Fraction(25))
    film.write_frames(planes[:2])
    film.close()
    film.close()
    assert probe(tmp_path / "film.mp4").frames == 2


def test_frames_of_another_shape(tmp_path: Path, planes: np.ndarray) -> None:
    with pytest.raises(ValueError, match="even"):
        VideoWriter(tmp_path / "film.mp4", size=127, fps=Fraction(25))
    with pytest.raises(ValueError, match="planes"), VideoWriter(tmp_path / "a.mp4", size=256, fps=Fraction(25)) as film:
        film.write_frames(planes)
    with (
        pytest.raises(ValueError, match="planes"),
        VideoWriter(tmp_path / "a.mp4", size=SIZE, fps=Fraction(25)) as film,
    ):
        film.write_frames(cast("Any", planes.astype(np.float32)))
    with pytest.raises(OSError, match="No such file"):
        VideoWriter(tmp_path / "nowhere" / "film.mp4", size=SIZE, fps=Fraction(25))
    assert list(tmp_path.iterdir()) == []


def test_other_threads_run_while_one_encodes(tmp_path: Path) -> None:
    """Long stretches without the interpreter: another thread wakes up far more often than once a call."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 1152, 768), dtype=np.uint8)
    woken: list[float] = []
    done = threading.Event()

    def ticks() -> None:
        while not done.is_set():
            woken.append(time.perf_counter())
            time.sleep(0.0005)

    thread = threading.Thread(target=ticks)
    with VideoWriter(tmp_path / "film", size=768, fps=Fraction(25), encoding=Encoding(preset="medium", crf=5)) as film:
        thread.start()
        film.write_frames(noise)
        film.close()
        done.set()
    thread.join()
    assert len(woken) > 20


@pytest.mark.parametrize("data", [b"", b"hello, world" * 100, b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42"])
def test_what_is_no_film(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(data)
    for look in (probe, thumbnail, lambda path: list(read_frames(path))):
        with pytest.raises(InvalidMedia) as caught:
            look(path)
        assert caught.value.code == "not_video"
