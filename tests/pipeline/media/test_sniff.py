from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from pipeline.media.sniff import kind


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("AVIF", "image/avif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("GIF", "image/gif"),
    ],
)
def test_pictures(format: str, expected: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, format)
    assert kind(out.getvalue()) == expected
    assert kind(out.getvalue()[:512]) == expected


@pytest.mark.parametrize(
    ("format", "subtype", "expected"),
    [
        ("WAV", "PCM_16", "audio/wav"),
        ("RF64", "PCM_16", "audio/wav"),
        ("FLAC", "PCM_16", "audio/flac"),
        ("OGG", "VORBIS", "audio/ogg"),
        ("OGG", "OPUS", "audio/ogg"),
        ("MP3", "MPEG_LAYER_III", "audio/mpeg"),
        ("AIFF", "PCM_16", "audio/aiff"),
        ("AIFF", "FLOAT", "audio/aiff"),
        ("CAF", "PCM_16", "audio/x-caf"),
        ("W64", "PCM_16", "audio/x-w64"),
        ("AU", "PCM_16", "audio/basic"),
    ],
)
def test_recordings(format: str, subtype: str, expected: str) -> None:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(8000), 8000, format=format, subtype=subtype)
    assert kind(out.getvalue()) == expected


@pytest.mark.parametrize(
    ("format", "codec", "expected"),
    [
        ("mp4", "aac", "video/mp4"),
        ("ipod", "aac", "audio/mp4"),
        ("mov", "aac", "video/quicktime"),
        ("adts", "aac", "audio/aac"),
        ("mp3", "libmp3lame", "audio/mpeg"),
        ("mp2", "mp2", "audio/mpeg"),
        ("webm", "libopus", "video/webm"),
        ("matroska", "flac", "video/x-matroska"),
    ],
)
def test_containers(format: str, codec: str, expected: str) -> None:
    out = io.BytesIO()
    with av.open(out, "w", format=format) as container:
        stream: Any = container.add_stream(codec, rate=48000, layout="mono")
        resampler = av.AudioResampler(stream.format, "mono", 48000, stream.frame_size or 1152)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, 0
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    assert kind(out.getvalue()) == expected


def test_an_id3_tag_says_nothing_about_what_follows() -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)
    assert kind(tag + b"fLaC" + bytes(40)) == "audio/flac"
    assert kind(tag + b"\xff\xf1\x50\x80" + bytes(40)) == "audio/aac"
    assert kind(tag + b"\xff\xfb\x90\x00" + bytes(40)) == "audio/mpeg"
    assert kind(tag) == "audio/mpeg"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", None),
        (b"\x00", None),
        (bytes(1000), None),
        (b"hello, world", None),
        (b"\xff\xfe\x00\x00h\x00i\x00", None),  # UTF-16, not MPEG
        (b"#EXTM3U\n/etc/passwd", None),
        (b"%PDF-1.7", "application/pdf"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "image/heic"),
        (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf", "image/avif"),
    ],
)
def test_other_bytes(data: bytes, expected: str | None) -> None:
    assert kind(data) == expected
