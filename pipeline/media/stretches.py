"""H.264 in stretches that are encoded one without the other and play one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

from pipeline.contracts import CodedStretch, Encoding, Frames
from pipeline.media.tracks import lay_out, picture

_STRETCH: Final = {"bf": "0", "g": "100000", "sc_threshold": "0"}
"""Frames in the order in which they are shown, so that times simply count on from stretch to stretch, and no other key
frame than the first."""


def options(encoding: Encoding) -> dict[str, str]:
    """x264's, of every stretch of a video: with the same, size and rate besides, all have the same parameter sets."""
    return {"preset": encoding.preset, "crf": str(encoding.crf), **_STRETCH}


def coded(
    frames: Iterator[Frames], size: tuple[int, int], fps: Fraction, encoding: Encoding
) -> Iterator[CodedStretch | None]:
    """Encodes frames of this width and height as they come, and yields what they make; None after each run before that,
    where it can be stopped. In memory is only what they are encoded to."""
    import av
    from av.codec.context import Flags

    encoder = av.CodecContext.create("libx264", "w")
    lay_out(encoder, *size, fps, options(encoding))
    encoder.flags |= Flags.global_header
    packets: list[bytes] = []
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
            packets += _bytes(encoder.encode(picture(plane, number, fps)))
        passed("encode")
        yield None
    passed("render")
    packets += _bytes(encoder.encode(None))
    passed("encode")
    yield CodedStretch(bytes(encoder.extradata or b""), tuple(packets), spent)


def _bytes(packets: list[Any]) -> list[bytes]:
    return [bytes(packet) for packet in packets]
