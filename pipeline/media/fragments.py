"""Fragmented MP4 (ISO/IEC 14496-12, 8.8): a film that plays while it is made, handed out as bytes."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from pipeline.contracts import CodedStretch, Samples
from pipeline.errors import BackendFailed
from pipeline.media.boxes import (
    PICTURES,
    SOUND,
    PictureFormat,
    Run,
    SoundFormat,
    configuration,
    fragment,
    header,
    length_prefixed,
)
from pipeline.media.tracks import AUDIO_BITS, AUDIO_RATE, SoundTrack, sound_encoder

if TYPE_CHECKING:
    from av import Packet

CONTENT_TYPE: Final = "video/mp4"

SOUND_LAG: Final = 4096
"""Samples before the end of a fragment's pictures of which the sound is in the next: what resampler and encoder may
hold back. Always the same, so that a fragment can be cut out of the finished film again."""

REORDERED: Final = 2
"""Pictures that x264 decodes ahead of their turn where there are B-frames, one level of which others are made from."""

PRIMING: Final = 1024
"""Samples with which FFmpeg's encoder of AAC begins, before those that it was given."""


class FragmentWriter:
    """Puts stretches of pictures and their sound together to one fragmented MP4: `header`, then `moof` and `mdat` for
    each stretch, which goes out at once.

    H.264 and AAC, as `VideoWriter` makes them. The sound of a fragment ends a tenth of a second before its pictures,
    what is missing begins the next one; after the last it is cut or filled with silence to the length of the pictures.
    Nothing is kept of what has gone out. One thread at a time.
    """

    def __init__(self, *, size: int, fps: Fraction, sample_rate: int) -> None:
        self._size = size
        self._fps = fps
        self._parameter_sets = b""
        self._delay = 0
        self._encoder = sound_encoder()
        self._coded: deque[Packet] = deque()
        self._sound = SoundTrack(
            self._encoder, lambda frame: self._coded.extend(self._encoder.encode(frame)), sample_rate, fps
        )
        self._fragments = 0
        self._frames = 0
        self._heard = 0

    @property
    def header(self) -> bytes:
        """The initialisation segment, `ftyp` and `moov`: goes out before the first fragment, and is known with it."""
        if not self._parameter_sets:
            raise ValueError("a film needs at least one frame")
        return header(self._pictures(), sound_format(bytes(self._encoder.extradata or b"")))

    def write_audio(self, samples: Samples) -> None:
        """More of the sound, (n,) float32 mono: what belongs to a stretch comes before it."""
        self._sound.write(samples)

    def write_pictures(self, stretch: CodedStretch, *, last: bool = False) -> bytes:
        """The fragment of the next stretch; with the `last`, all of the sound. Raises `BackendFailed` for pictures that
        were encoded differently, which no player could follow."""
        if stretch.header != (self._parameter_sets or stretch.header):
            raise BackendFailed("The stretches of the video were not encoded alike.", code="stretches_differ")
        self._parameter_sets = stretch.header
        self._delay = 0 if stretch.shown is None else REORDERED
        tick, count = self._pictures().tick, len(stretch.packets)
        shown = None
        if stretch.shown is not None:
            shown = [tick * (at - place + self._delay) for place, at in enumerate(stretch.shown)]
        samples = [length_prefixed(packet) for packet in stretch.packets]
        run = Run(PICTURES, self._frames * tick, [tick] * count, samples, shown, depending=True)
        self._fragments += 1
        return fragment(self._fragments, [run, *self._sound_of(count, last=last)])

    def pass_over(self, frames: int) -> None:
        """The next stretch has gone out before, in an earlier life."""
        self._fragments += 1
        self._sound_of(frames, last=False)

    def finish(self) -> bytes:
        """The rest of the sound, where there was no last stretch. Raises `ValueError` if there was none at all."""
        if not self._frames:
            raise ValueError("a film needs at least one frame")
        self._fragments += 1
        return fragment(self._fragments, self._sound_of(0, last=True))

    def _pictures(self) -> PictureFormat:
        return PictureFormat(self._size, self._size, self._fps, configuration(self._parameter_sets), self._delay)

    def _sound_of(self, frames: int, *, last: bool) -> list[Run]:
        self._frames += frames
        seconds = self._frames / self._fps
        (self._sound.finish if last else self._sound.advance)(seconds)
        until = sound_until(seconds)
        packets: list[Packet] = []
        start = end = self._heard
        while self._coded and (last or end + (self._coded[0].duration or 0) <= until):
            packets.append(self._coded.popleft())
            end += packets[-1].duration or 0
        self._heard = end
        if not packets:
            return []
        return [Run(SOUND, start, [packet.duration or 0 for packet in packets], [bytes(packet) for packet in packets])]


def sound_format(configuration: bytes) -> SoundFormat:
    """Of sound as we encode it."""
    return SoundFormat(AUDIO_RATE, 1, AUDIO_BITS["mp4"], PRIMING, configuration)


def sound_until(seconds: Fraction) -> int:
    """Where the sound ends, in samples with those of the priming, of a fragment whose pictures end there."""
    return int(seconds * AUDIO_RATE) + PRIMING - SOUND_LAG
