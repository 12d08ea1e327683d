"""Clips and pictures that can't be used are refused with the reason, and the next good request works."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import httpx
import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.api.conftest import error, refused, wav

RATE = 16_000
SEVERAL = 4 * RATE

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("then_a_good_request_works")]


def floats(samples: np.ndarray) -> bytes:
    """A WAV file of 32-bit floats, which can say NaN."""
    raw = samples.astype("<f4").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(raw), b"WAVE", b"fmt ", 16, 3, 1, RATE, 4 * RATE, 4, 32)
    return head + struct.pack("<4sI", b"data", len(raw)) + raw


def lying(wave_file: bytes, claimed: int) -> bytes:
    """A WAV file that says it has `claimed` bytes of sound."""
    return (
        wave_file[:4] + struct.pack("<I", claimed + 36) + wave_file[8:40] + struct.pack("<I", claimed) + wave_file[44:]
    )


@cache
def clips() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    tone = 0.3 * np.sin(np.arange(SEVERAL) / 20)
    broken = tone.copy()
    broken[1000:1010] = np.nan
    return {
        "empty": b"",
        "no samples": wav(np.zeros(0)),
        "silent": wav(np.zeros(SEVERAL)),
        "very short": wav(tone[: RATE // 20]),
        "short": wav(tone[: RATE // 5]),
        "clipped": wav(np.sign(random.standard_normal(SEVERAL))),
        "text": b"I am not a recording." * 100,
        "picture": picture(np.zeros((99, 99, 3), np.uint8)),
        "not a number": floats(broken),
        "infinite": floats(np.where(np.isnan(broken), np.inf, broken)),
        "claims hours, has 1 s": lying(wav(tone[:RATE]), 0x7FFFFFFF),
        "only a header": wav(tone)[:44],
        "half a header": wav(tone)[:30],
        "noise": wav(0.2 * random.standard_normal(SEVERAL)),
        "tone": wav(tone),
    }


BOTH = [
    ("empty", "empty"),
    ("silent", "silent"),
    ("very short", "too_short"),
    ("clipped", "clipped"),
    ("text", "not_audio"),
    ("picture", "not_audio"),
    ("not a number", "non_finite"),
    ("infinite", "non_finite"),
]
NOT_A_VOICE = [
    ("short", "too_short"),
    ("claims hours, has 1 s", "too_short"),
    ("noise", "no_speech"),
    ("tone", "no_speech"),
]


@pytest.mark.parametrize(("clip", "code"), BOTH + NOT_A_VOICE)
@pytest.mark.parametrize(
    ("path", "fields", "field"),
    [
        ("/api/v1/voices", {"name": "Eve"}, "clip"),
        ("/api/v1/speech", {"text": "Hello."}, "voice_clip"),
        ("/api/v1/videos", {"text": "Hello."}, "voice_clip"),
    ],
)
def test_clips(api: httpx.Client, path: str, fields: dict[str, str], field: str, clip: str, code: str) -> None:
    refused(api.post(path, data=fields, files={field: ("clip.wav", clips()[clip])}), code, field)


@pytest.mark.parametrize(("clip", "code"), BOTH)
def test_recordings(api: httpx.Client, clip: str, code: str) -> None:
    refused(api.post("/api/v1/videos", files={"audio": ("clip.wav", clips()[clip])}), code, "audio")


@pytest.mark.parametrize("clip", ["no samples", "only a header", "half a header"])
def test_recordings_without_sound(api: httpx.Client, clip: str) -> None:
    answer = api.post("/api/v1/videos", files={"audio": ("clip.wav", clips()[clip])})
    assert answer.status_code == 422
    assert error(answer)["field"] == "audio"
    assert error(answer)["code"] in {"empty", "no_samples", "corrupt_audio", "not_audio"}


def test_a_recording_that_claims_more_is_taken_as_it_is(api: httpx.Client, clip: bytes) -> None:
    long = lying(clip, 0x7FFFFFFF)
    tinted = api.post("/api/v1/speech", data={"text": "Hello."}, files={"voice_clip": long})
    assert tinted.status_code == 200, tinted.text
    honest = api.post("/api/v1/speech", data={"text": "Hello."}, files={"voice_clip": clip})
    assert tinted.content == honest.content


def picture(pixels: np.ndarray, format: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format)
    return out.getvalue()


def header(width: int, height: int) -> bytes:
    """The beginning of a PNG file of that size, and a little of its pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    lines = zlib.compress(b"\x00" * 100_000)
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


@cache
def pictures() -> dict[str, bytes]:
    astronaut = Image.fromarray(data.astronaut())
    whole = picture(np.asarray(astronaut))
    third = np.asarray(astronaut.crop((80, 0, 400, 320)))
    far = Image.new("RGB", (1024, 768), (90, 120, 150))
    far.paste(astronaut.resize((72, 72)), (500, 300))  # the face is about 20 pixels high
    return {
        "empty": b"",
        "nobody": picture(np.tile(np.linspace(0, 255, 512, dtype=np.uint8)[:, None, None], (1, 512, 3))),
        "three": picture(np.hstack([third, third, third])),
        "far": picture(np.asarray(far)),
        "cut": whole[: len(whole) // 2],
        "huge": header(50_000, 50_000),
        "strip": header(100_000, 8),
        "text": b"I am not a picture." * 100,
        "sound": wav(np.zeros(SEVERAL)),
        "profile": picture(data.camera()),
        "tiny": picture(np.zeros((9, 9, 3), np.uint8)),
    }


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("empty", "empty"),
        ("nobody", "no_face"),
        ("three", "several_faces"),
        ("profile", "face_turned_away"),
        ("far", "face_too_small"),
        ("cut", "truncated_image"),
        ("huge", "too_many_pixels"),
        ("strip", "too_small"),
        ("text", "not_image"),
        ("sound", "not_image"),
        ("tiny", "too_small"),
    ],
)
@pytest.mark.parametrize(
    ("path", "fields"), [("/api/v1/videos", {"text": "Hello."}), ("/api/v1/avatars", {"name": "Eve"})]
)
def test_pictures(api: httpx.Client, path: str, fields: dict[str, str], name: str, code: str) -> None:
    refused(api.post(path, data=fields, files={"portrait": ("me.png", pictures()[name])}), code, "portrait")


def test_the_extension_says_nothing(api: httpx.Client, photo: bytes) -> None:
    named = {"portrait": ("me.txt", photo, "text/plain")}
    made = api.post("/api/v1/avatars", data={"name": "Misnamed"}, files=named)
    assert made.status_code == 201, made.text
    assert api.delete("/api/v1/avatars/Misnamed").status_code == 204
