"""Segments of a finished film, for players that want it in pieces: cut at key frames, nothing encoded again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import Conflict
from pipeline.media.boxes import PICTURES, SOUND, PictureFormat, Run, SoundFormat, fragment, header
from pipeline.media.fragments import SOUND_LAG
from pipeline.media.tracks import AUDIO_BITS

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer

LEAST_SECONDS: Final = 6.0
"""A segment begins with the first key frame that comes so long after the beginning of the one before."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where the segments of a film begin."""

    fps: Fraction
    frames: tuple[int, ...]
    """Of each segment."""


def cuts(film: Path) -> Cuts:
    """Of a film made here. Raises `Conflict`, code not_segmented, for one that is not H.264 with AAC or no sound."""
    with _opened(film) as container:
        track = container.streams.video[0]
        fps, starts, last = _fps(track), [0], 0
        for packet in container.demux(track):
            if packet.pts is None or not packet.size:
                continue
            at = round(packet.pts * packet.time_base * fps)
            last = max(last, at)
            if packet.is_keyframe and (at - starts[-1]) / fps >= LEAST_SECONDS:
                starts.append(at)
    ends = [*starts[1:], last + 1]
    return Cuts(fps, tuple(end - start for start, end in zip(starts, ends, strict=True)))


def initial(film: Path) -> bytes:
    """The initialisation segment. Raises as `cuts` does."""
    with _opened(film) as container:
        sound = _sound(container)
        return header(_pictures(container), sound)


def segment(film: Path, found: Cuts, number: int) -> bytes:
    """A segment, the first of which is 1: of a film that was put together of fragments, the same bytes again.
    `found` is what `cuts` finds. Raises as `cuts` does."""
    first, count = sum(found.frames[: number - 1]), found.frames[number - 1]
    with _opened(film) as container:
        pictures, sound = _pictures(container), _sound(container)
        runs = [_shown(container, pictures, first, count)]
        if sound is not None:
            last = number == len(found.frames)
            start = None if number == 1 else _until(first / found.fps, sound)
            run = _heard(container, sound, start, None if last else _until((first + count) / found.fps, sound))
            runs += [run] if run.samples else []
    return fragment(number, runs)


def _opened(film: Path) -> InputContainer:
    import av

    container = av.open(str(film), "r")
    codecs = [stream.codec_context.name for stream in (*container.streams.video, *container.streams.audio)]
    if codecs not in (["h264"], ["h264", "aac"]):
        container.close()
        raise Conflict(
            f"The video is {' and '.join(codecs)}, which is not cut into segments.",
            code="not_segmented",
            accepted="H.264 with AAC or without sound",
        )
    return container


def _fps(track: Any) -> Fraction:
    return Fraction(track.average_rate)


def _pictures(container: InputContainer) -> PictureFormat:
    track = container.streams.video[0]
    first = next(_from(container, track, Fraction(-1)))
    delay = max(0, -round((first.dts or 0) * first.time_base * _fps(track)))
    configuration = bytes(track.codec_context.extradata or b"")
    return PictureFormat(track.width, track.height, _fps(track), configuration, delay)


def _sound(container: InputContainer) -> SoundFormat | None:
    if not container.streams.audio:
        return None
    track = container.streams.audio[0]
    first = next(_from(container, track, Fraction(-1)))
    delay = max(0, -round((first.pts or 0) * first.time_base * track.rate))
    configuration = bytes(track.codec_context.extradata or b"")
    return SoundFormat(track.rate, track.channels, AUDIO_BITS["mp4"], delay, configuration)


def _until(seconds: Fraction, sound: SoundFormat) -> int:
    """Where the sound of a segment ends whose pictures end there, in samples with those of the priming."""
    return int(seconds * sound.rate) + sound.delay - SOUND_LAG


def _shown(container: InputContainer, pictures: PictureFormat, first: int, count: int) -> Run:
    track = container.streams.video[0]
    packets: list[Packet] = []
    for packet in _from(container, track, first / pictures.fps):
        at = round((packet.pts or 0) * packet.time_base * pictures.fps)
        if packets or (packet.is_keyframe and at == first):
            packets.append(packet)
        if len(packets) == count:
            break
    shown = [round((packet.pts or 0) * packet.time_base * pictures.fps) for packet in packets]
    offsets = [(at - first - place + pictures.delay) * pictures.tick for place, at in enumerate(shown)]
    samples = [bytes(packet) for packet in packets]
    return Run(PICTURES, first * pictures.tick, [pictures.tick] * count, samples, offsets, depending=True)


def _heard(container: InputContainer, sound: SoundFormat, start: int | None, until: int | None) -> Run:
    """The packets that end after `start` and not after `until`."""
    track = container.streams.audio[0]
    begins, durations, samples = 0, [], []
    for packet in _from(container, track, Fraction(start or 0, sound.rate) - Fraction(1, 4)):
        at = round((packet.pts or 0) * packet.time_base * sound.rate) + sound.delay
        length = round((packet.duration or 0) * packet.time_base * sound.rate)
        if start is not None and at + length <= start:
            continue
        if until is not None and at + length > until:
            break
        begins = begins if samples else at
        durations.append(length)
        samples.append(bytes(packet))
    return Run(SOUND, begins, durations, samples)


def _from(container: InputContainer, track: Any, seconds: Fraction) -> Iterator[Packet]:
    """Packets from the key frame on that is shown by then, or from the first."""
    container.seek(int(seconds / track.time_base), stream=track, backward=True, any_frame=False)
    for packet in container.demux(track):
        if packet.pts is not None and packet.size:
            yield packet
