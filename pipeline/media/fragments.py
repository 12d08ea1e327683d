"""Fragmented MP4 (ISO/IEC 14496-12, 8.8): a film that plays while it is made, handed out as bytes."""

from __future__ import annotations

from collections.abc import Sequence
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
    fragment,
    header,
    length_prefixed,
)
from pipeline.media.tracks import AUDIO_BITS, AUDIO_RATE, SoundTrack, sound_encoder

if TYPE_CHECKING:
    from av import Packet

CONTENT_TYPE: Final = "video/mp4"


class FragmentWriter:
    """Puts stretches of pictures and their sound together to one fragmented MP4: `header`, then `moof` and `mdat` for
    each stretch, which goes out at once.

    H.264 and AAC, as `VideoWriter` makes them. The sound of a fragment ends up to 70 ms before its pictures, what is
    missing begins the next one; after the last it is cut or filled with silence to the length of the pictures.
    Nothing is kept of what has gone out. One thread at a time.
    """

    def __init__(self, *, size: int, fps: Fraction, sample_rate: int) -> None:
        self._size = size
        self._fps = fps
        self._pictures: PictureFormat | None = None
        self._encoder = sound_encoder()
        self._coded: list[Packet] = []
        self._sound = SoundTrack(
            self._encoder, lambda frame: self._coded.extend(self._encoder.encode(frame)), sample_rate, fps
        )
        self._fragments = 0
        self._frames = 0
        self._heard = 0

    @property
    def header(self) -> bytes:
        """The initialisation segment, `ftyp` and `moov`: goes out before the first fragment, and is known with it."""
        if self._pictures is None:
            raise ValueError("a film needs at least one frame")
        # FFmpeg's encoder of AAC begins with one frame of priming.
        delay, configuration = self._encoder.frame_size, bytes(self._encoder.extradata or b"")
        return header(self._pictures, SoundFormat(AUDIO_RATE, AUDIO_BITS["mp4"], delay, configuration))

    def write_audio(self, samples: Samples) -> None:
        """More of the sound, (n,) float32 mono: what belongs to a stretch comes before it."""
        self._sound.write(samples)

    def write_pictures(self, stretch: CodedStretch) -> bytes:
        """The fragment of the next stretch, with what was heard by then. Raises `BackendFailed` for pictures that were
        encoded differently, which no player could follow."""
        if self._pictures is None:
            self._pictures = PictureFormat(self._size, self._size, self._fps, stretch.header)
        elif stretch.header != self._pictures.parameter_sets:
            raise BackendFailed("The stretches of the video were not encoded alike.", code="stretches_differ")
        tick, count = self._pictures.tick, len(stretch.packets)
        samples = [length_prefixed(packet) for packet in stretch.packets]
        run = Run(PICTURES, self._frames * tick, [tick] * count, samples, depending=True)
        self._frames += count
        self._sound.advance(self._frames / self._fps)
        return self._fragment([run, *self._heard_by_now()])

    def finish(self) -> bytes:
        """The rest of the sound; empty where there is none. Raises `ValueError` if there was no stretch."""
        if not self._frames:
            raise ValueError("a film needs at least one frame")
        self._sound.finish(self._frames / self._fps)
        return self._fragment(self._heard_by_now())

    def _heard_by_now(self) -> list[Run]:
        packets, self._coded = self._coded, []
        if not packets:
            return []
        durations = [int(packet.duration or 0) for packet in packets]
        start, self._heard = self._heard, self._heard + sum(durations)
        return [Run(SOUND, start, durations, [bytes(packet) for packet in packets])]

    def _fragment(self, runs: Sequence[Run]) -> bytes:
        if not runs:
            return b""
        self._fragments += 1
        return fragment(self._fragments, runs)
