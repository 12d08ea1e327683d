"""Video out, as it is made, and in again: the only encoder and decoder of films."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Encoding, Picture, Samples, VideoFormat
from pipeline.errors import InvalidMedia
from pipeline.media.tracks import SMPTE170M, PictureTrack, SoundTrack

if TYPE_CHECKING:
    from av import VideoFrame

CONTENT_TYPES: Final[dict[VideoFormat, str]] = {"mp4": "video/mp4", "webm": "video/webm", "gif": "image/gif"}
_BT601: Final = (2, 5, SMPTE170M)
"""Colour spaces that have its matrix, FFmpeg's numbers; what says nothing (2) is taken for it, as swscale does."""


class VideoWriter:
    """Writes one film with sound, frame by frame, and gives it its name only when it is whole.

        with VideoWriter(path, size=512, fps=Fraction(25), sample_rate=22050) as film:
            film.write_audio(samples)
            film.write_frames(planes)

    The file appears at `path` when the block ends; where it ends in an error, nothing is left behind. mp4 is
    H.264 and AAC with the index in front, webm VP9 and Opus; both are tagged BT.601, limited range, and carry
    sound only if `sample_rate` is given. The sound is cut or filled with silence to exactly the length of the
    pictures. gif has no sound, at most GIF_RATE frames a second (every second, third ... frame is kept) and
    GIF_SIDE pixels on the longer side. `size` is the side of a square, or width and height. The same frames and
    sound make the same bytes on the same machine, however they are cut into calls.

    x264's veryfast is the default because superfast saves 6 % of its time for 2.8 times the bytes, and faster costs
    1.8 times as much for the same likeness per byte (benchmarks/encode.py).

    Frames are encoded in the calling thread with the GIL released, so that other threads can go on rendering.
    Raises `ValueError` for frames of another shape and `OSError` where the folder can't be written to.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        size: int | tuple[int, int],
        fps: Fraction,
        sample_rate: int | None = None,
        encoding: Encoding | None = None,
        threads: int = 1,
    ) -> None:
        import av

        width, height = (size, size) if isinstance(size, int) else size
        if width % 2 or height % 2 or min(width, height) < 2:
            raise ValueError(f"size is {width} x {height}; both must be even")
        encoding = encoding or Encoding()
        self._path = Path(path)
        self._shape = (height * 3 // 2, width)
        self._fps = fps
        self._frames = 0
        self._closed = False
        # A name of its own, so that two films of one name do not write into each other; the last one wins.
        self._part = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}.part")
        self._part.touch(exist_ok=False)
        options = {"fflags": "+bitexact"}
        if encoding.format == "mp4":
            options["movflags"] = "+faststart"
        try:
            self._container = av.open(str(self._part), "w", format=encoding.format, container_options=options)
            if encoding.format == "gif":
                from pipeline.media.gif import GifTrack

                self._pictures: Any = GifTrack(self._container, width, height, fps)
            else:
                self._pictures = PictureTrack(self._container, width, height, fps, encoding, threads)
            silent = sample_rate is None or encoding.format == "gif"
            self._sound = None if silent else SoundTrack.of(self._container, sample_rate, fps, encoding.format)
        except BaseException:
            self._part.unlink(missing_ok=True)
            raise

    @property
    def frames(self) -> int:
        """Frames written so far."""
        return self._frames

    def write_frames(self, planes: NDArray[np.uint8]) -> None:
        """`planes` is (n, height * 3 // 2, width) uint8 I420; it may be overwritten afterwards."""
        if planes.ndim != 3 or planes.shape[1:] != self._shape or planes.dtype != np.uint8:
            raise ValueError(f"planes are {planes.shape} {planes.dtype}, not (n, {self._shape[0]}, {self._shape[1]})")
        for plane in planes:
            self._pictures.write(plane)
            self._frames += 1
            if self._sound is not None:
                self._sound.advance(self._frames / self._fps)

    def write_audio(self, samples: Samples) -> None:
        """More of the sound, (n,) float32 mono; it may run ahead of the frames or behind them."""
        if self._sound is not None:
            self._sound.write(samples)

    def close(self) -> None:
        """Ends the film and gives it its name. Raises `ValueError` if it has no frames."""
        if self._closed:
            return
        try:
            if not self._frames:
                raise ValueError("a film needs at least one frame")
            if self._sound is not None:
                self._sound.finish(self._frames / self._fps)
            self._pictures.finish()
            self._container.close()
            self._closed = True
            self._part.replace(self._path)
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Drops what was written; `path` stays as it was."""
        if not self._closed:
            self._closed = True
            # The disk may be what failed; ending a file that is thrown away need not succeed.
            with suppress(OSError, ValueError):
                self._container.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """What a film file is, by its packets and its header."""

    frames: int
    fps: Fraction
    seconds: float
    """Length of the pictures."""
    width: int
    height: int
    video_codec: str
    audio_codec: str | None
    audio_seconds: float | None
    """Length of the sound as it is decoded: encoder delay and padding taken off."""
    sample_rate: int | None


def probe(path: str | Path) -> FilmFacts:
    """The facts of a film made here: FFmpeg may guess the format, which it must not with uploads.

    Raises `InvalidMedia`, code not_video, for a file without pictures.
    """
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InvalidMedia("The file has no pictures.", code="not_video")
            stream = container.streams.video[0]
            fps = Fraction(stream.average_rate or stream.guessed_rate or 0)
            base = stream.time_base or Fraction(0)
            last = Fraction(0)
            frames = 0
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    frames += 1
                    last = max(last, packet.pts * base + ((packet.duration or 0) * base or (1 / fps if fps else 0)))
            size, codec = (stream.width, stream.height), stream.codec_context.name
        with av.open(str(path)) as container:
            sound = container.streams.audio[0] if container.streams.audio else None
            count = sum(frame.samples for frame in container.decode(sound)) if sound is not None else 0
            return FilmFacts(
                frames=frames,
                fps=fps,
                seconds=float(last),
                width=size[0],
                height=size[1],
                video_codec=codec,
                audio_codec=sound.codec_context.name if sound is not None else None,
                audio_seconds=count / sound.rate if sound is not None else None,
                sample_rate=sound.rate if sound is not None else None,
            )
    except av.error.FFmpegError as error:
        raise InvalidMedia(f"The film can't be read: {error}.", code="not_video") from error


def read_frames(path: str | Path) -> Iterator[Picture]:
    """The pictures of a film made here, in order, (height, width, 3) uint8 RGB.

    Raises `InvalidMedia`, code not_video, for a file without pictures.
    """
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InvalidMedia("The file has no pictures.", code="not_video")
            for frame in container.decode(container.streams.video[0]):
                yield rgb(frame)
    except av.error.FFmpegError as error:
        raise InvalidMedia(f"The film can't be read: {error}.", code="not_video") from error


def thumbnail(path: str | Path) -> Picture:
    """The first picture of a film: of a talking portrait, the face at rest."""
    frames = read_frames(path)
    try:
        return next(frames)
    except StopIteration:
        raise InvalidMedia("The film has no frames.", code="not_video") from None
    finally:
        cast("Any", frames).close()


def rgb(frame: VideoFrame) -> Picture:
    """The picture of a decoded frame, (height, width, 3) uint8 RGB, as it was stored. Rounded to the nearest level:
    swscale left to itself rounds down, and what is read and written again and again grows darker."""
    from av.video.reformatter import Interpolation

    if frame.format.name == "yuv420p" and frame.colorspace in _BT601 and frame.color_range != 2:
        import cv2

        # The inverse of what made the planes; swscale's own conversion differs by a level here and there.
        return cast("Picture", cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420))
    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
    return cast("Picture", frame.to_ndarray(format="rgb24", interpolation=exact))
