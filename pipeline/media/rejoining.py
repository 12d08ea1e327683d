"""Fragments of a film put together to a plain MP4, its index in front, without encoding anything again."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.media.boxes import PICTURES, Run, runs
from pipeline.media.fragments import PRIMING
from pipeline.media.tracks import AUDIO_RATE

if TYPE_CHECKING:
    from av import Packet
    from av.stream import Stream


class Rejoined:
    """Writes a plain MP4 of the fragments that a `FragmentWriter` made, the first with its header.

    The same fragments make the same bytes. One fragment at a time is in memory. One thread at a time.
    """

    def __init__(self, path: Path, header: bytes, fps: Fraction) -> None:
        import av

        self._fps = fps
        self._header = header
        options = {"fflags": "+bitexact", "movflags": "+faststart"}
        self._container = av.open(str(path), "w", format="mp4", container_options=options)
        self._streams: dict[int, Stream] = {}
        self._tick = 0

    def write(self, fragment: bytes) -> None:
        """The next one."""
        if not self._streams:
            self._begin(fragment)
        for run in runs(fragment):
            for packet in self._shown(run) if run.track == PICTURES else self._heard(run):
                packet.stream = self._streams[run.track]
                self._container.mux(packet)

    def close(self) -> None:
        """Ends the file. Raises `ValueError` if there was no fragment."""
        if not self._streams:
            raise ValueError("a film needs at least one frame")
        self._container.close()

    def _begin(self, fragment: bytes) -> None:
        import av

        with av.open(io.BytesIO(self._header + fragment), "r", format="mp4") as film:
            for number, track in enumerate(film.streams, start=PICTURES):
                stream: Any = self._container.add_stream_from_template(track)
                self._streams[number] = stream
                if number == PICTURES:
                    stream.time_base = 1 / self._fps
                    self._tick = next(run.durations[0] for run in runs(fragment) if run.track == PICTURES)

    def _shown(self, run: Run) -> list[Packet]:
        from av import Packet

        packets, first = [], run.start // self._tick
        offsets = [0] * len(run.samples) if run.offsets is None else [offset // self._tick for offset in run.offsets]
        for number, (sample, offset) in enumerate(zip(run.samples, offsets, strict=True)):
            packet = Packet(sample)
            packet.time_base = 1 / self._fps
            # The first of a fragment is the first to be shown: what it waits, all have to wait.
            packet.dts = first + number - offsets[0]
            packet.pts = packet.dts + offset
            packet.duration = 1
            packet.is_keyframe = number == 0
            packets.append(packet)
        return packets

    def _heard(self, run: Run) -> list[Packet]:
        from av import Packet

        packets, at = [], run.start - PRIMING
        for duration, sample in zip(run.durations, run.samples, strict=True):
            packet = Packet(sample)
            packet.time_base = Fraction(1, AUDIO_RATE)
            packet.pts = packet.dts = at
            packet.duration = duration
            packet.is_keyframe = True
            at += duration
            packets.append(packet)
        return packets
