"""Stills of a finished film, as WebP files: one picture of it, or a sheet of many."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.errors import InvalidMedia
from pipeline.media import video

if TYPE_CHECKING:
    from av.container import InputContainer
    from PIL import Image

COLUMNS: Final = 5
ROWS: Final = 5
TILE: Final = 160
"""Pixels a side of one picture of a sheet."""
DECODED: Final = 1500
"""Frames of a film, at most, that are all decoded for a sheet: a minute at 25 a second, and a second's work at 512
pixels. Of a longer one only the keyframes are, which there are enough of: one in 128 to 250 frames."""


def thumbnail(path: str | Path) -> bytes:
    """The first picture of a film, as large as the film. Raises `InvalidMedia`, code not_video."""
    from PIL import Image

    return _webp(Image.fromarray(video.thumbnail(path)))


def spritesheet(path: str | Path, columns: int = COLUMNS, rows: int = ROWS, side: int = TILE) -> bytes:
    """Pictures from all over a film in reading order, `side` pixels each, `columns` in a row, at most `columns * rows`.

    They are evenly apart; those of a long film are its keyframes, nearly so. A film of fewer frames has fewer pictures
    and no more rows than they need; a last row that is not full is black at its end. Raises `InvalidMedia`, code
    not_video.
    """
    from PIL import Image

    tiles = list(_tiles(path, columns * rows, side))
    sheet = Image.new("RGB", (columns * side, math.ceil(len(tiles) / columns) * side))
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % columns * side, index // columns * side))
    return _webp(sheet)


def _tiles(path: str | Path, most: int, side: int) -> Iterator[Image.Image]:
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InvalidMedia("The file has no pictures.", code="not_video")
            stream = container.streams.video[0]
            times, keys = _times(container)
            if not times:
                raise InvalidMedia("The film has no frames.", code="not_video")
            if len(times) > DECODED:
                stream.codec_context.skip_frame = "NONKEY"
                times = keys
            count = min(most, len(times))
            # The middle one of each of `count` equal parts.
            wanted = {times[(2 * index + 1) * len(times) // (2 * count)] for index in range(count)}
            container.seek(0)
            for frame in container.decode(stream):
                if frame.pts in wanted:
                    wanted.discard(frame.pts)
                    yield frame.to_image(width=side, height=side, interpolation="AREA")
                    if not wanted:
                        return
    except av.error.FFmpegError as error:
        raise InvalidMedia(f"The film can't be read: {error}.", code="not_video") from error


def _times(container: InputContainer) -> tuple[list[int], list[int]]:
    """When its frames are shown, and which of them are keyframes; read from the packets, nothing is decoded."""
    packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
    times = [(packet.pts, packet.is_keyframe) for packet in packets if packet.pts is not None]
    return sorted(time for time, _ in times), sorted(time for time, key in times if key)


def _webp(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=80)
    return out.getvalue()
