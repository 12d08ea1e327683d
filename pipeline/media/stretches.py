"""H.264 in stretches that are encoded one without the other and play one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from pipeline.contracts import CodedStretch, Encoding, Frames
from pipeline.media.tracks import lay_out, picture

if TYPE_CHECKING:
    from av import Packet

_STRETCH: Final = {"g": "100000", "sc_threshold": "0"}
"""No other key frame than the first."""
_IN_ORDER: Final = {"bf": "0"}
_EVEN: Final = {"mbtree": "0", "rc-lookahead": "0"}


def options(encoding: Encoding, *, in_order: bool) -> dict[str, str]:
    """x264's, of every stretch of a video: with the same, size and rate besides, all have the same parameter sets."""
    kept = {"preset": encoding.preset, "crf": str(encoding.crf), **_STRETCH}
    return kept | (_IN_ORDER if in_order else {}) | (_EVEN if encoding.even else {})


def coded(
    frames: Iterator[Frames], size: tuple[int, int], fps: Fraction, encoding: Encoding, *, in_order: bool = True
) -> Iterator[CodedStretch | int]:
    """Encodes frames of this width and height as they come, and yields what they make; after each run before that,
    where it can be stopped, how many there were. In memory is only what they are encoded to.

    `in_order` leaves B-frames out, for players that show a stretch at once; with them it takes fewer bytes."""
    import av
    from av.codec.context import Flags

    encoder = av.CodecContext.create("libx264", "w")
    lay_out(encoder, *size, fps, options(encoding, in_order=in_order))
    encoder.flags |= Flags.global_header
    packets: list[Packet] = []
    done = 0
    spent = {"render": 0.0, "encode": 0.0}
    mark = time.perf_counter()

    def passed(stage: str) -> None:
        nonlocal mark
        now = time.perf_counter()
        spent[stage] += now - mark
        mark = now

    for run in frames:
        passed("render")
        for number, plane in enumerate(run.planes, start=run.first):
            packets += encoder.encode(picture(plane, number, fps))
        passed("encode")
        done += len(run.planes)
        yield done
    passed("render")
    packets += encoder.encode(None)
    passed("encode")
    begins = min(packet.pts or 0 for packet in packets)
    shown = None if in_order else tuple((packet.pts or 0) - begins for packet in packets)
    yield CodedStretch(bytes(encoder.extradata or b""), tuple(bytes(packet) for packet in packets), spent, shown)


def codec(header: bytes) -> str:
    """The name of what is encoded with these parameter sets (Annex B), as RFC 6381 has it: `avc1.`, and from the SPS
    profile, constraints and level."""
    start = header.index(b"\0\0\1\x67") + 4
    return f"avc1.{header[start : start + 3].hex()}"
