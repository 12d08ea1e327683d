"""Pictures of one film and the sound of another in one file: copied where the format takes it, encoded where not."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Final, cast

from pipeline.contracts import VideoFormat
from pipeline.media.footage import opened

COPIED: Final[dict[VideoFormat, frozenset[str]]] = {
    "mp4": frozenset({"aac", "mp3", "ac3", "eac3", "alac"}),
    "webm": frozenset({"opus", "vorbis"}),
    "gif": frozenset(),
}
"""Codecs of sound that each format takes as they are; any other is encoded anew as `ENCODED` says."""

ENCODED: Final[dict[str, tuple[str, int]]] = {"mp4": ("aac", 160_000), "webm": ("libopus", 128_000)}
"""Codec and bits a second."""


def joined(pictures: Path, sound: Path, target: Path, format: VideoFormat, length: Fraction) -> None:
    """Writes `target`: the pictures of a film made here, and of the first sound track of the film `sound` no more than
    `length`, in seconds: that of the pictures. Channels stay. Without a sound track, or in a gif, it is the pictures
    alone.

    The same files make the same bytes. Raises `InvalidMedia`, code corrupt_video, for a film that can't be read.
    """
    import av

    options = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if format == "mp4" else {})
    with opened(sound, "video") as other:
        track = other.streams.audio[0] if other.streams.audio else None
        if format == "gif" or track is None:
            target.write_bytes(pictures.read_bytes()) if format == "gif" else pictures.replace(target)
            return
        with (
            av.open(str(pictures), "r") as own,
            av.open(str(target), "w", format=format, container_options=options) as out,
        ):
            shown = own.streams.video[0]
            film = out.add_stream_from_template(shown)
            copied = track.codec_context.name in COPIED[format]
            if copied:
                heard: Any = out.add_stream_from_template(track)
            else:
                codec, bits = ENCODED[format]
                heard = cast("Any", out.add_stream(codec, rate=48_000))
                heard.layout = "stereo" if track.channels > 1 else "mono"
                heard.bit_rate = bits
            filmed = other.streams.video[0]
            first = Fraction((filmed.start_time or 0) * (filmed.time_base or Fraction(0)))
            _interleave(own, shown, film, other, track, heard, out, copied=copied, first=first, length=length)


def _interleave(
    own: Any, shown: Any, film: Any, other: Any, track: Any, heard: Any, out: Any, *, copied: bool, first: Fraction,
    length: Fraction,
) -> None:  # fmt: skip
    """Packets of both in the order of their times, so that players need no buffer."""
    sounds = _copied(other, track, heard, first, length) if copied else _encoded(other, track, heard, first, length)
    waiting = next(sounds, None)
    for packet in own.demux(shown):
        if packet.dts is None:
            continue
        at = packet.dts * packet.time_base
        while waiting is not None and waiting.dts * waiting.time_base <= at:
            out.mux(waiting)
            waiting = next(sounds, None)
        packet.stream = film
        out.mux(packet)
    while waiting is not None:
        out.mux(waiting)
        waiting = next(sounds, None)


def _copied(other: Any, track: Any, heard: Any, first: Fraction, length: Fraction) -> Any:
    for packet in other.demux(track):
        if packet.dts is None or packet.pts is None:
            continue
        shift = round(first / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        if packet.pts * packet.time_base >= length:
            return
        packet.stream = heard
        yield packet


def _encoded(other: Any, track: Any, heard: Any, first: Fraction, length: Fraction) -> Any:
    from av import AudioResampler

    context = heard.codec_context
    resampler = AudioResampler(
        format=context.format, layout=context.layout, rate=context.sample_rate, frame_size=context.frame_size
    )
    given, most = 0, round(length * context.sample_rate)

    def packets(frames: Any) -> Any:
        nonlocal given
        for frame in frames:
            if given >= most:
                return
            frame.pts, frame.time_base = given, Fraction(1, context.sample_rate)
            given += frame.samples
            yield from (packet for packet in heard.encode(frame) if packet.dts is not None)

    for frame in other.decode(track):
        if frame.pts is not None and frame.pts * frame.time_base < first - Fraction(frame.samples, frame.sample_rate):
            continue
        frame.pts = None
        yield from packets(resampler.resample(frame))
        if given >= most:
            break
    yield from packets(resampler.resample(None))
    yield from (packet for packet in heard.encode(None) if packet.dts is not None)
