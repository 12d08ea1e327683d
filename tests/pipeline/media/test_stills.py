from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.contracts import Encoding, VideoFormat
from pipeline.errors import InvalidMedia
from pipeline.media import stills
from pipeline.media.stills import spritesheet, thumbnail
from pipeline.media.video import VideoWriter

SIDE = 64


def film(path: Path, frames: int, format: VideoFormat = "mp4") -> Path:
    """Grey that rises from black to white."""
    with VideoWriter(path, size=SIDE, fps=Fraction(10), encoding=Encoding(format=format)) as writer:
        for index in range(frames):
            planes = np.full((1, SIDE * 3 // 2, SIDE), 128, np.uint8)
            planes[0, :SIDE] = 16 + index * 219 // max(1, frames - 1)
            writer.write_frames(planes)
    return path


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP"
    return image


def greys(sheet: Image.Image, side: int, count: int) -> list[float]:
    """Mean level of each tile, 0 to 1."""
    pixels = np.asarray(sheet.convert("L"), np.float64) / 255
    columns = sheet.width // side
    tiles = [divmod(index, columns) for index in range(count)]
    return [float(pixels[y * side : y * side + side, x * side : x * side + side].mean()) for y, x in tiles]


@pytest.mark.parametrize("format", ["mp4", "webm", "gif"])
def test_a_thumbnail_is_the_first_picture(tmp_path: Path, format: VideoFormat) -> None:
    image = opened(thumbnail(film(tmp_path / "film", 20, format)))
    assert image.size == (SIDE, SIDE)
    assert np.asarray(image).max() < 12


@pytest.mark.parametrize("format", ["mp4", "webm", "gif"])
def test_a_sheet_is_even(tmp_path: Path, format: VideoFormat) -> None:
    # The palette of a GIF comes from its beginning: this one gets to a third of white.
    top = 0.3 if format == "gif" else 1.0
    sheet = opened(spritesheet(film(tmp_path / "film", 100, format), columns=4, rows=2, side=32))
    assert sheet.size == (4 * 32, 2 * 32)
    shown = np.array(greys(sheet, 32, 8))
    middles = (np.arange(8) + 0.5) / 8
    seen = middles < top
    assert seen.sum() >= 2
    assert np.abs(shown - middles)[seen].max() < 0.03
    assert list(shown) == sorted(shown)


def test_a_long_film_by_its_keyframes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "film.mp4", 1300)
    exact = greys(opened(spritesheet(path, columns=5, rows=1, side=16)), 16, 5)
    monkeypatch.setattr(stills, "DECODED", 1299)
    quick = opened(spritesheet(path, columns=5, rows=1, side=16))
    # x264 sets a keyframe every 250 frames at least, a fifth of this film: the nearest is half of that away at most.
    assert greys(quick, 16, 5) == pytest.approx(exact, abs=0.13)
    assert quick.size == (5 * 16, 16)


@pytest.mark.parametrize(("frames", "rows"), [(1, 1), (4, 1), (7, 2), (24, 5), (26, 5)])
def test_a_short_film_has_few(tmp_path: Path, frames: int, rows: int) -> None:
    sheet = opened(spritesheet(film(tmp_path / "film.mp4", frames), side=16))
    assert sheet.size == (5 * 16, rows * 16)
    shown = greys(sheet, 16, min(25, frames))
    assert shown == sorted(shown)
    if frames == 7:
        assert shown == pytest.approx(np.arange(7) / 6, abs=0.03)


def test_the_same_film_gives_the_same_bytes(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", 30)
    assert spritesheet(path) == spritesheet(path)
    assert thumbnail(path) == thumbnail(path)


def test_what_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"no film at all" * 100)
    for still in (thumbnail, spritesheet):
        with pytest.raises(InvalidMedia) as refused:
            still(path)
        assert refused.value.code == "not_video"
