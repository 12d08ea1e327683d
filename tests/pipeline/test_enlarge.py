"""Films enlarged frame by frame: length, rate, sound, and memory that does not grow with the film."""

from __future__ import annotations

import tempfile
import weakref
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from deployments.backends.upscale.lanczos import Lanczos
from pipeline.contracts import Encoding, EnlargeRequest, Film, Picture, UpscaleRequest, VideoFormat
from pipeline.errors import InvalidMedia, TooLarge
from pipeline.media.footage import footage_facts, footage_frames
from pipeline.media.video import VideoWriter, probe, read_frames
from pipeline.steps.enlarge import enlarge


def film(
    path: Path, picture: Picture, frames: int = 30, fps: Fraction = Fraction(30000, 1001), format: VideoFormat = "mp4"
) -> Path:
    """A picture that sways, with a tone."""
    height, width = picture.shape[:2]
    seconds = frames / float(fps)
    with VideoWriter(path, size=(width, height), fps=fps, sample_rate=16_000, encoding=Encoding(format)) as writer:
        writer.write_audio((0.3 * np.sin(np.arange(round(16_000 * seconds)) / 6)).astype(np.float32))
        for number in range(frames):
            moved = np.roll(picture, number // 3, axis=1)
            writer.write_frames(np.asarray(cv2.cvtColor(moved, cv2.COLOR_RGB2YUV_I420), np.uint8)[None])
    return path


def made(source: Path, target: Path, factor: int = 2, format: VideoFormat = "mp4", most: int = 1000) -> list[Film]:
    facts = footage_facts(source, max_pixels=10**9, max_seconds=1e6)
    data = np.fromfile(source, np.uint8)
    request = EnlargeRequest(data, facts.width * factor, facts.height * factor, most, Encoding(format))
    pieces = list(enlarge(Lanczos(), request))
    target.write_bytes(b"".join(piece.data for piece in pieces))
    return pieces


def sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


def test_a_film_is_enlarged_and_its_sound_is_the_same_bytes(tmp_path: Path, astronaut: Picture) -> None:
    small = np.ascontiguousarray(astronaut[40:136, 150:280])
    source, target = film(tmp_path / "a.mp4", small), tmp_path / "b.mp4"
    pieces = made(source, target)
    before, after = probe(source), probe(target)
    assert (after.width, after.height, after.fps) == (260, 192, before.fps)
    assert after.frames == before.frames == pieces[-1].frames == 30
    assert after.audio_codec == "aac"
    assert after.audio_seconds == pytest.approx(before.audio_seconds, abs=0.03)
    assert sound(target) == sound(source)[: len(sound(target))]
    for one, other in zip(read_frames(source), read_frames(target), strict=True):
        expected = Lanczos().upscale(UpscaleRequest(one, 260, 192))
        assert np.abs(expected.astype(int) - other).mean() < 4
    assert set(pieces[-1].timings or {}) == {"upscale", "encode"}
    again = tmp_path / "c.mp4"
    made(source, again)
    assert again.read_bytes() == target.read_bytes()


@pytest.mark.parametrize(("before", "after", "codec"), [("mp4", "webm", "opus"), ("webm", "mp4", "aac")])
def test_sound_that_a_format_does_not_take_is_encoded_anew(
    tmp_path: Path, astronaut: Picture, before: VideoFormat, after: VideoFormat, codec: str
) -> None:
    small = np.ascontiguousarray(astronaut[:64, :64])
    source, target = film(tmp_path / "a", small, 20, Fraction(20), before), tmp_path / "b"
    made(source, target, format=after)
    facts = probe(target)
    assert (facts.frames, facts.audio_codec) == (20, codec)
    assert facts.audio_seconds == pytest.approx(1, abs=0.06)


def test_one_frame_is_in_memory_at_a_time(tmp_path: Path, astronaut: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    source = film(tmp_path / "a.mp4", np.ascontiguousarray(astronaut[:64, :64]), 60)
    alive: list[int] = []

    class Watched(Lanczos):
        def upscale(self, request: UpscaleRequest) -> Picture:
            seen.append(weakref.ref(request.picture))
            alive.append(sum(picture() is not None for picture in seen))
            return super().upscale(request)

    seen: list[weakref.ref[Picture]] = []
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "work"))
    list(enlarge(Watched(), EnlargeRequest(np.fromfile(source, np.uint8), 128, 128, 100)))
    assert len(alive) == 60
    assert max(alive) <= 3
    assert not list((tmp_path / "work").iterdir()), "and nothing is left behind"


def test_a_film_of_uneven_rate_is_shown_as_a_player_would(tmp_path: Path) -> None:
    """Ten pictures in the first second, one that stays for another: twenty frames at ten a second, or so."""
    path = tmp_path / "uneven.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, at in enumerate([*range(0, 1000, 100), 2000]):
            frame: Any = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * number, np.uint8), "rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    facts = footage_facts(path, max_pixels=10**9, max_seconds=10)
    shown = [int(frame.mean()) for frame in footage_frames(path, facts, max_frames=100)]
    half = next(number for number, value in enumerate(shown) if value > 170)
    assert shown == sorted(shown)
    assert sum(170 < value < 190 for value in shown) / float(facts.fps) == pytest.approx(1.1, abs=0.25)
    assert half / float(facts.fps) == pytest.approx(0.9, abs=0.25)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_video"),
        (b"#EXTM3U\nhttp://example.org/x.ts", "not_video"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(400), "corrupt_video"),
        (b"\x1a\x45\xdf\xa3" + bytes(400), "corrupt_video"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path: Path, data: bytes, code: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(InvalidMedia) as refused:
        footage_facts(tmp_path / "x", max_pixels=10**9, max_seconds=10)
    assert (refused.value.code, refused.value.field) == (code, "video")


def test_bounds_are_kept_whatever_the_header_says(tmp_path: Path, astronaut: Picture) -> None:
    source = film(tmp_path / "a.mp4", np.ascontiguousarray(astronaut[:64, :64]), 40)
    with pytest.raises(TooLarge):
        footage_facts(source, max_pixels=10**9, max_seconds=1)
    with pytest.raises(InvalidMedia) as large:
        footage_facts(source, max_pixels=1000, max_seconds=100)
    assert large.value.code == "too_many_pixels"
    with pytest.raises(TooLarge):
        made(source, tmp_path / "b", most=20)
