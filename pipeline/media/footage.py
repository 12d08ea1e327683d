"""Films that others made, read frame by frame: checked before anything is decoded, shown upright at an even rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.contracts import Picture
from pipeline.errors import InvalidMedia, TooLarge
from pipeline.media import sniff
from pipeline.media.video import rgb

if TYPE_CHECKING:
    from av.container import InputContainer

ACCEPTED: Final = "an MP4, MOV, WebM or Matroska film"

SLOWEST: Final = Fraction(1)
"""Frames a second at least."""
QUICKEST: Final = Fraction(60)
"""And at most: of quicker films, frames are left out."""

MIN_SIDE: Final = 16
"""Pixels."""

# Kind -> the one demuxer it is opened with. Never guessed by FFmpeg: some of its demuxers (playlists, concat) open
# other files and addresses.
_DEMUXERS: Final = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "video/3gpp": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
}


@dataclass(frozen=True, slots=True)
class FootageFacts:
    """What a film's header says."""

    width: int
    height: int
    """As it is shown: turned upright, of square pixels."""
    fps: Fraction
    """Frames a second that `frames` gives, at most QUICKEST."""
    seconds: float
    """How long it is shown; by the header, so an estimate."""
    sound: str | None
    """Codec of its first sound track: aac, opus ..."""
    turned: int = 0
    """Quarter turns, anticlockwise, that make its stored pictures upright: 0 to 3."""

    @property
    def frame_count(self) -> int:
        """About how many frames `frames` gives."""
        return max(1, round(self.seconds * self.fps))


def footage_facts(path: Path, *, field: str = "video", max_pixels: int, max_seconds: float) -> FootageFacts:
    """Reads the header and the first picture, which is where decoders say how a film is to be turned.

    Raises `InvalidMedia` with code not_video (no film that is read here), corrupt_video, no_pictures, too_small or
    too_many_pixels, and `TooLarge` with code video_too_long.
    """
    with opened(path, field) as container:
        facts = _facts(container, field, max_pixels)
    if facts.seconds > max_seconds:
        raise TooLarge(
            f"The film lasts {facts.seconds:.0f} s.",
            code="video_too_long",
            field=field,
            accepted=f"at most {max_seconds:g} s",
        )
    return facts


def footage_frames(
    path: Path, facts: FootageFacts, *, field: str = "video", max_frames: int, start: int = 0
) -> Iterator[Picture]:
    """The pictures in order, `facts.fps` of them a second: (height, width, 3) uint8 RGB, one in memory at a time.

    A film of uneven rate is shown as a player would: at each moment the latest picture. `start` leaves out so many of
    the same pictures; where the film has an index, most of them are not even decoded. Raises `InvalidMedia` with code
    corrupt_video where nothing can be decoded, and `TooLarge` with code video_too_long past `max_frames`, whatever the
    header said.
    """
    import av

    given = start
    held: Picture | None = None
    try:
        with opened(path, field) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            first: Fraction | None = None
            for frame, at in _timed(container, stream, facts, start):
                first = at if first is None else first
                # This picture is on from `at`; until then the one before it was.
                due = -((first - at) * facts.fps // 1) if at > first else 0
                while held is not None and given < due:
                    given += 1
                    _bounded(given, max_frames, field)
                    yield held
                held = _picture(frame, facts)
    except av.error.FFmpegError as error:
        if held is None:
            raise _corrupt(error, field) from error
        # Recordings that were cut off end in a damaged frame: what came before it counts.
    if held is None:
        raise InvalidMedia("The film has no frames.", code="no_pictures", field=field, accepted=ACCEPTED)
    given += 1
    _bounded(given, max_frames, field)
    yield held


def _timed(container: Any, stream: Any, facts: FootageFacts, start: int) -> Iterator[tuple[Any, Fraction]]:
    """Pictures and their times in seconds: first one, then those from one on that is shown at `start` or before."""
    frames = enumerate(container.decode(stream))
    for number, frame in frames:
        at = _at(frame, number, facts)
        yield frame, at
        if number == 0 and start and frame.pts is not None:
            wanted = at + start / facts.fps
            container.seek(int(wanted / frame.time_base), stream=stream)
            later = container.decode(stream)
            landed = next(later, None)
            if landed is None or landed.pts is None or _at(landed, 0, facts) > wanted:
                # No index, or a wrong one: all of it, then.
                container.seek(frame.pts, stream=stream)
                later = container.decode(stream)
            else:
                yield landed, _at(landed, 0, facts)
            yield from ((each, _at(each, 0, facts)) for each in later if each.pts is not None)
            return


def _at(frame: Any, number: int, facts: FootageFacts) -> Fraction:
    if frame.pts is None:
        return Fraction(number) / facts.fps
    return Fraction(frame.pts * (frame.time_base or Fraction(0)))


def opened(path: Path, field: str) -> InputContainer:
    import av

    with path.open("rb") as file:
        found = sniff.kind(file.read(512))
    if found not in _DEMUXERS:
        raise InvalidMedia(f"Not a film: {found or 'unknown bytes'}.", code="not_video", field=field, accepted=ACCEPTED)
    try:
        return av.open(str(path), "r", format=_DEMUXERS[found], metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise _corrupt(error, field) from error


def _facts(container: InputContainer, field: str, max_pixels: int) -> FootageFacts:
    if not container.streams.video:
        raise InvalidMedia("The film has no pictures.", code="no_pictures", field=field, accepted=ACCEPTED)
    stream = container.streams.video[0]
    if min(stream.width, stream.height) < MIN_SIDE:
        raise InvalidMedia(
            f"The film's pictures are {stream.width} x {stream.height}.",
            code="too_small",
            field=field,
            accepted=f"at least {MIN_SIDE} pixels a side",
        )
    rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    else:
        seconds = (container.duration or 0) / 1_000_000
    ratio = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    width, height = max(2, 2 * round(stream.width * ratio / 2)), max(2, 2 * round(stream.height / 2))
    if width * height > max_pixels:
        raise InvalidMedia(
            f"The film's pictures are {width} x {height}.",
            code="too_many_pixels",
            field=field,
            accepted=f"at most {max_pixels / 1e6:g} million pixels",
        )
    turned = _turned(container, stream, field)
    sound = container.streams.audio[0].codec_context.name if container.streams.audio else None
    return FootageFacts(
        *((height, width) if turned % 2 else (width, height)),
        min(max(rate, SLOWEST), QUICKEST).limit_denominator(1001),
        seconds,
        sound,
        turned,
    )


def _turned(container: Any, stream: Any, field: str) -> int:
    import av

    try:
        frame = next(container.decode(stream), None)
    except av.error.FFmpegError as error:
        raise _corrupt(error, field) from error
    # Degrees anticlockwise that turn what is stored into what is shown; cameras write quarters.
    return round((0 if frame is None else frame.rotation) / 90) % 4


def _picture(frame: Any, facts: FootageFacts) -> Picture:
    upright = np.rot90(rgb(frame), facts.turned)
    if upright.shape[:2] == (facts.height, facts.width):
        return np.ascontiguousarray(upright)
    import cv2

    size = (facts.width, facts.height)
    return np.asarray(cv2.resize(np.ascontiguousarray(upright), size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _bounded(frames: int, most: int, field: str) -> None:
    if frames > most:
        raise TooLarge(
            f"The film has more than {most} frames.",
            code="video_too_long",
            field=field,
            accepted="a film as long as its header says",
        )


def _corrupt(error: Exception, field: str) -> InvalidMedia:
    reason = getattr(error, "strerror", None) or error
    return InvalidMedia(f"The film can't be read: {reason}.", code="corrupt_video", field=field, accepted=ACCEPTED)
