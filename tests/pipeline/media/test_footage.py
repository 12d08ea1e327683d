"""Films shown upright, from any of their pictures on, and for longer than they last."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation

from pipeline.contracts import Extension
from pipeline.errors import InvalidMedia
from pipeline.media import playing
from pipeline.media.footage import footage_facts, footage_frames
from pipeline.media.playing import played

EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def film(
    path: Path,
    pictures: list[np.ndarray],
    degrees: int = 0,
    times: list[int] | None = None,
    space: int = 2,
    **options: str,
) -> Path:
    """An H.264 film of ten pictures a second, or shown from these milliseconds on; `space` is FFmpeg's colour space."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10, options={"crf": "1", **options})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.colorspace = space
        if degrees:
            stream.set_display_rotation(degrees)
        for number, picture in enumerate(pictures):
            frame: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=space if space != 2 else None, interpolation=EXACT)
            frame.pts = times[number] if times else 100 * number
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def corners(picture: np.ndarray) -> list[int]:
    """How bright the four quarters are, clockwise from the top left."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    parts = (picture[:height, :width], picture[:height, width:], picture[height:, width:], picture[height:, :width])
    return [round(float(part.mean()) / 60) for part in parts]


@pytest.mark.parametrize("space", [1, 2, 6])
def test_what_is_read_is_no_darker_than_what_was_written(tmp_path: Path, space: int) -> None:
    """BT.709, nothing said, BT.601: colours, each a flat picture, of which a level may be lost to rounding."""
    levels = np.random.default_rng(3).integers(20, 236, (24, 3))
    pictures = [np.full((32, 32, 3), level, np.uint8) for level in levels]
    path = film(tmp_path / "flat.mp4", pictures, space=space)
    facts = footage_facts(path, max_pixels=10**6, max_seconds=10)
    read = np.array([picture[16, 16] for picture in footage_frames(path, facts, max_frames=30)])
    assert read.shape == levels.shape
    assert np.abs(read - levels).max() <= 2
    assert abs((read - levels).mean()) < 0.2


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_a_film_is_turned_as_its_tag_says(tmp_path: Path, degrees: int) -> None:
    upright = np.zeros((64, 96, 3), np.uint8)
    upright[:32, 48:], upright[32:, 48:], upright[32:, :48] = 60, 120, 180
    stored = np.rot90(upright, -degrees // 90)  # turned by so much, it is upright again
    path = film(tmp_path / "turned.mp4", [stored] * 3, degrees)
    facts = footage_facts(path, max_pixels=10**6, max_seconds=10)
    assert (facts.width, facts.height, facts.turned) == (96, 64, degrees // 90 % 4)
    for picture in footage_frames(path, facts, max_frames=10):
        assert picture.shape == (64, 96, 3)
        assert corners(picture) == [0, 1, 2, 3]


def numbered(path: Path, count: int, **options: Any) -> tuple[Path, Any]:
    """A film whose pictures tell their numbers by their brightness."""
    film(path, [np.full((32, 32, 3), 4 * number, np.uint8) for number in range(count)], **options)
    return path, footage_facts(path, max_pixels=10**6, max_seconds=100)


def number(picture: np.ndarray) -> int:
    return round(float(picture.mean()) / 4)


@pytest.mark.parametrize("options", [{}, {"g": "7", "bf": "2"}, {"g": "5", "x264-params": "open-gop=1:bframes=3"}])
def test_from_any_picture_on_it_is_the_same_film(tmp_path: Path, options: dict[str, str]) -> None:
    path, facts = numbered(tmp_path / "film.mp4", 24, **options)
    whole = [number(picture) for picture in footage_frames(path, facts, max_frames=24)]
    assert whole == list(range(24))
    for start in range(24):
        assert [number(picture) for picture in footage_frames(path, facts, max_frames=24, start=start)] == whole[start:]


def test_from_any_picture_on_a_film_of_uneven_rate_is_the_same_too(tmp_path: Path) -> None:
    times = [0, 40, 120, 500, 520, 900, 1000, 1300]
    path, facts = numbered(tmp_path / "film.mp4", len(times), times=times, g="3")
    whole = [number(picture) for picture in footage_frames(path, facts, max_frames=100)]
    assert len(set(whole)) > 4
    for start in range(len(whole)):
        assert [number(picture) for picture in footage_frames(path, facts, max_frames=100, start=start)] == whole[
            start:
        ]


def test_a_film_without_times_that_can_be_trusted_is_read_from_its_beginning(tmp_path: Path) -> None:
    source, _ = numbered(tmp_path / "film.mp4", 12)
    path = tmp_path / "film.mkv"
    with av.open(str(source)) as old, av.open(str(path), "w", options={"reserve_index_space": "0"}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    # Cut before its index, as a recording that broke off.
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"\x1c\x53\xbb\x6b")])
    found = footage_facts(path, max_pixels=10**6, max_seconds=100)
    whole = [number(picture) for picture in footage_frames(path, found, max_frames=100)]
    assert len(set(whole)) >= 11
    assert [number(picture) for picture in footage_frames(path, found, max_frames=100, start=6)] == whole[6:]


@pytest.mark.parametrize(
    ("extend", "numbers"),
    [
        ("bounce", [0, 1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1, 0, 0, 1, 2]),
        ("loop", [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1, 2]),
        ("hold", [*range(7), *[6] * 10]),
    ],
)
def test_a_film_is_gone_on_with(
    tmp_path: Path, extend: Extension, numbers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playing, "HELD", 2 * 32 * 32 * 3)  # backwards in pieces of two pictures
    path, facts = numbered(tmp_path / "film.mp4", 7, g="4")
    shown = list(played(path, facts, len(numbers), extend, max_frames=7))
    assert [place for place, _ in shown] == numbers
    assert [number(picture) for _, picture in shown] == numbers
    assert [place for place, _ in played(path, facts, 3, extend, max_frames=7)] == [0, 1, 2]


def test_no_more_pictures_are_decoded_than_are_shown(tmp_path: Path) -> None:
    path, facts = numbered(tmp_path / "film.mp4", 20)
    shown = played(path, facts, 10**9, "loop", max_frames=20)
    assert len(list(itertools.islice(shown, 50))) == 50


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    path = film(tmp_path / "large.mp4", [np.zeros((512, 512, 3), np.uint8)])
    with pytest.raises(InvalidMedia) as refused:
        footage_facts(path, max_pixels=512 * 500, max_seconds=10)
    assert refused.value.code == "too_many_pixels"
