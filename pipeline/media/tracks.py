"""The tracks of a film being written: pictures and sound, each with its encoder."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Self, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Encoding, Samples, VideoFormat
from pipeline.media.resampler import Resampler

if TYPE_CHECKING:
    from av import AudioCodecContext, AudioFrame, AudioStream, VideoCodecContext, VideoFrame
    from av.container import OutputContainer

AUDIO_RATE: Final = 48_000
"""Samples a second of the sound track: what Opus needs and every AAC player takes."""
AUDIO_BITS: Final = {"mp4": 128_000, "webm": 96_000}

# ITU-T H.273: BT.601 (SMPTE 170M) primaries, transfer and matrix, limited range.
SMPTE170M: Final = 6
_LIMITED: Final = 1

_VP9: Final = {
    "deadline": "realtime",
    "cpu-used": "8",
    "row-mt": "1",
    "tile-columns": "1",
    "crf": "32",
    "lag-in-frames": "0",
}


# 0.4 of the time of FFmpeg's default search and, on speech at 128 kbit/s, 18 dB less noise (benchmarks/encode.py
# has the price of sound).
_AAC: Final = {"aac_coder": "fast"}
_SOUND: Final[dict[str, tuple[str, str, dict[str, str]]]] = {
    "mp4": ("aac", "fltp", _AAC),
    "webm": ("libopus", "flt", {}),
}
"""Encoder, its format of samples, its options."""


def lay_out(
    context: VideoCodecContext, width: int, height: int, fps: Fraction, options: dict[str, str], threads: int = 1
) -> None:
    """Sets an encoder of pictures up. A fixed number of threads: each makes its own, always the same, bytes."""
    context.width, context.height = width, height
    context.pix_fmt = "yuv420p"
    context.framerate, context.time_base = fps, 1 / fps
    context.bit_rate = 0
    context.thread_count = threads
    context.color_primaries = context.color_trc = context.colorspace = SMPTE170M
    context.color_range = _LIMITED
    context.options = options


def sound_encoder() -> AudioCodecContext:
    """An encoder of AAC, open, for a file that is not FFmpeg's to write: its configuration stands apart from what it
    makes."""
    from av import CodecContext
    from av.codec.context import Flags

    codec, samples, options = _SOUND["mp4"]
    encoder = cast("AudioCodecContext", CodecContext.create(codec, "w"))
    encoder.sample_rate, encoder.layout, encoder.options = AUDIO_RATE, "mono", options
    encoder.time_base = Fraction(1, AUDIO_RATE)
    encoder.flags |= Flags.global_header
    _open(encoder, samples, AUDIO_BITS["mp4"])
    return encoder


def _open(encoder: AudioCodecContext, samples: str, bits: int) -> None:
    from av import AudioFormat

    encoder.bit_rate = bits
    encoder.format = AudioFormat(samples)
    encoder.open()


def picture(plane: NDArray[np.uint8], number: int, fps: Fraction) -> VideoFrame:
    """A picture of a film, (height * 3 // 2, width) I420, as what its encoder takes; it is not copied."""
    from av import VideoFrame

    frame = VideoFrame.from_numpy_buffer(np.ascontiguousarray(plane), "yuv420p")
    frame.pts = number
    frame.duration = 1
    frame.time_base = 1 / fps
    frame.colorspace = frame.color_primaries = frame.color_trc = SMPTE170M
    frame.color_range = _LIMITED
    return frame


class PictureTrack:
    """The H.264 or VP9 stream of a film."""

    def __init__(
        self, container: OutputContainer, width: int, height: int, fps: Fraction, encoding: Encoding, threads: int
    ) -> None:
        if encoding.format == "mp4":
            codec, options = "libx264", {"preset": encoding.preset, "crf": str(encoding.crf)}
        else:
            codec, options = "libvpx-vp9", _VP9
        stream = container.add_stream(codec, rate=fps)
        stream.time_base = 1 / fps
        lay_out(stream.codec_context, width, height, fps, options, threads)
        self._container = container
        self._stream = stream
        self._fps = fps
        self._count = 0

    def write(self, plane: NDArray[np.uint8]) -> None:
        frame = picture(plane, self._count, self._fps)
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))


class SoundTrack:
    """The AAC or Opus track of a film: sound waits here until the pictures have come as far."""

    def __init__(
        self, encoder: AudioCodecContext, encode: Callable[[AudioFrame | None], None], rate: int, fps: Fraction
    ) -> None:
        """`encoder` is open; `encode` gives it a frame, or none when there are no more, and keeps what it makes."""
        self._encode_frame = encode
        self._samples = encoder.format.name
        self._frame = encoder.frame_size
        self._fps = fps
        self._rate = rate
        self._resampler = Resampler(rate, AUDIO_RATE)
        self._waiting: deque[Samples] = deque()
        self._held = np.zeros(0, np.float32)
        self._count = 0

    @classmethod
    def of(cls, container: OutputContainer, rate: int, fps: Fraction, format: VideoFormat) -> Self:
        """That of a file."""
        codec, samples, options = _SOUND[format]
        stream = cast("AudioStream", container.add_stream(codec, rate=AUDIO_RATE, layout="mono", options=options))
        _open(stream.codec_context, samples, AUDIO_BITS[format])
        return cls(stream.codec_context, lambda frame: container.mux(stream.encode(frame)), rate, fps)

    def write(self, samples: Samples) -> None:
        # In pieces, so that an hour given at once is not also resampled and held at once.
        self._waiting.extend(samples[start : start + self._rate] for start in range(0, len(samples), self._rate))

    def advance(self, seconds: Fraction) -> None:
        """Encodes what the pictures of `seconds` need, as far as it is there."""
        goal = int(seconds * AUDIO_RATE)
        while self._count < goal:
            while len(self._held) < self._frame and self._waiting:
                self._held = np.concatenate([self._held, self._resampler.feed(self._waiting.popleft())])
            if len(self._held) < self._frame or self._count + self._frame > goal:
                return
            self._encode(self._frame)

    def finish(self, seconds: Fraction) -> None:
        """Encodes the rest, cut or filled with silence to `seconds`."""
        self.advance(seconds)
        left = round(seconds * AUDIO_RATE) - self._count
        if self._frame * self._fps > AUDIO_RATE:
            # Decoders play whole AAC frames out. Where these are longer than a picture, ending on the nearest
            # one (10 ms away at most) keeps sound and pictures within a picture of each other.
            left = round(left / self._frame) * self._frame
        rest = [self._held]
        while self._waiting:
            rest.append(self._resampler.feed(self._waiting.popleft()))
        rest.append(self._resampler.finish())
        self._held = np.concatenate(rest)[:left]
        self._held = np.pad(self._held, (0, left - len(self._held)))
        while len(self._held):
            self._encode(min(self._frame, len(self._held)))
        self._encode_frame(None)

    def _encode(self, count: int) -> None:
        from av import AudioFrame

        part, self._held = np.clip(self._held[:count], -1, 1), self._held[count:]
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(part[None, :]), self._samples, "mono")
        frame.sample_rate = AUDIO_RATE
        frame.pts = self._count
        frame.time_base = Fraction(1, AUDIO_RATE)
        self._count += count
        self._encode_frame(frame)
