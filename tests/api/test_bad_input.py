"""Whatever a client gets wrong is answered by status, code and field, and the next good request works."""

from __future__ import annotations

import io
import json
import socket
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.api.conftest import error, wav

RATE = 16_000
SEVERAL = 4 * RATE


@pytest.fixture(autouse=True)
def the_next_good_request_works(api: httpx.Client) -> Iterator[None]:
    yield
    answer = api.post("/api/v1/speech", json={"text": "Good."})
    assert answer.status_code == 200, answer.text
    assert len(answer.content) > 5_000


def refused(answer: httpx.Response, code: str, field: str, status: int = 422) -> dict[str, object]:
    found = error(answer)
    assert (answer.status_code, found["code"], found.get("field")) == (status, code, field), found
    assert not found["retryable"]
    return found


# --- texts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v1/speech", "/api/v1/videos"])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "text_empty"),
        (" \t\n\u200b\u00ad", "text_empty"),
        ("...?! — … 🙂", "nothing_to_say"),
        ("bell\x07", "invalid_characters"),
        ("nul\x00", "invalid_characters"),
        ("half a pair \ud800", "invalid_characters"),
        ("\uffff", "invalid_characters"),
        ("word " * 40_000, "text_too_long"),
        ("a" * 1_000_001, "text_too_long"),
    ],
    ids=["empty", "blank", "punctuation", "bell", "nul", "surrogate", "noncharacter", "200000", "1000001"],
)
def test_texts(api: httpx.Client, path: str, text: str, code: str) -> None:
    body = json.dumps({"text": text})  # escapes half a pair, which UTF-8 can't hold
    refused(api.post(path, content=body, headers={"Content-Type": "application/json"}), code, "text")


@pytest.mark.parametrize(
    ("path", "body", "field", "valid"),
    [
        ("/api/v1/speech", {"language": "xx"}, "language", "en-us"),
        ("/api/v1/speech", {"language": "tlh-klingon"}, "language", "de"),
        ("/api/v1/speech", {"voice": "nobody"}, "voice", "en-us"),
        ("/api/v1/speech", {"voice": "voi_00000000000000000000000000"}, "voice", "en-us"),
        ("/api/v1/speech", {"voice": "en-us+nobody"}, "voice", "en-us"),
        ("/api/v1/speech", {"backend": "xtts"}, "backend", "espeak"),
        ("/api/v1/videos", {"language": "xx"}, "language", "en-us"),
        ("/api/v1/videos", {"voice": "nobody"}, "voice", "en-us"),
        ("/api/v1/videos", {"backends": {"voice": "xtts"}}, "backends.voice", "espeak"),
        ("/api/v1/videos", {"backends": {"avatar": "sdxl"}}, "backends.avatar", "procedural"),
        ("/api/v1/videos", {"backends": {"face": "eyes"}}, "backends.face", "mediapipe"),
        ("/api/v1/videos", {"backends": {"lipsync": "musetalk"}}, "backends.lipsync", "meshwarp"),
    ],
)
def test_unknown_names(api: httpx.Client, path: str, body: dict[str, Any], field: str, valid: str) -> None:
    found = refused(api.post(path, json={"text": "Hello."} | body), "unknown_name", field)
    assert valid in str(found["accepted"]).split(", ")


def test_a_voice_of_another_language(api: httpx.Client) -> None:
    body = {"text": "Hello.", "voice": "de", "language": "fr"}
    refused(api.post("/api/v1/speech", json=body), "voice_language", "language")
    refused(api.post("/api/v1/videos", json=body), "voice_language", "language")


def test_an_avatar_that_is_none(api: httpx.Client) -> None:
    refused(api.post("/api/v1/videos", json={"text": "Hello.", "avatar": "nobody"}), "not_found", "avatar", 404)


# --- clips -----------------------------------------------------------------------------------------------


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


# --- pictures --------------------------------------------------------------------------------------------


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


# --- numbers, and fields that contradict ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"size": 511}, "invalid_request", "size"),
        ({"size": 0}, "invalid_request", "size"),
        ({"size": 10_000}, "invalid_request", "size"),
        ({"size": -2}, "invalid_request", "size"),
        ({"size": "512"}, "invalid_request", "size"),
        ({"size": 512.5}, "invalid_request", "size"),
        ({"size": 10**400}, "invalid_request", "size"),
        ({"fps": 0}, "invalid_request", "fps"),
        ({"fps": 1000}, "invalid_request", "fps"),
        ({"seed": -1}, "invalid_request", "seed"),
        ({"seed": 2**63}, "invalid_request", "seed"),
        ({"speed": 0}, "invalid_request", "speed"),
        ({"pitch": 13}, "invalid_request", "pitch"),
        ({"head_motion": 3}, "invalid_request", "head_motion"),
        ({"blink": "sometimes"}, "invalid_request", "blink"),
        ({"blink": 1}, "invalid_request", "blink"),
        ({"format": "avi"}, "invalid_request", "format"),
        ({"language": "e"}, "invalid_request", "language"),
        ({"language": "../en"}, "invalid_request", "language"),
        ({"voice": ""}, "invalid_request", "voice"),
        ({"voice": "a" * 101}, "invalid_request", "voice"),
        ({"prompt": "a" * 2001}, "invalid_request", "prompt"),
        ({"avatar": "me", "prompt": "a man"}, "two_sources", "prompt"),
        ({"colour": "red"}, "unknown_field", "colour"),
        ({"backends": {"upscale": "lanczos"}}, "unknown_field", "backends.upscale"),
        ({"backends": "espeak"}, "invalid_request", "backends"),
        ({"text": None}, "missing_field", "text"),
        ({"text": 7}, "invalid_request", "text"),
        ({"portrait": "me.png"}, "file_in_json", "portrait"),
        ({"audio": "bWU="}, "file_in_json", "audio"),
    ],
)
def test_videos(api: httpx.Client, body: dict[str, Any], code: str, field: str) -> None:
    refused(api.post("/api/v1/videos", json={"text": "Hello."} | body), code, field)


def test_what_is_accepted_is_said(api: httpx.Client) -> None:
    unknown = error(api.post("/api/v1/videos", json={"text": "Hello.", "colour": "red"}))
    assert "prompt" in str(unknown["accepted"]).split(", ")
    nested = error(api.post("/api/v1/videos", json={"text": "Hello.", "backends": {"upscale": "lanczos"}}))
    assert nested["accepted"] == "voice, avatar, face, lipsync"
    choice = error(api.post("/api/v1/videos", json={"text": "Hello.", "format": "avi"}))
    assert "webm" in str(choice["accepted"])


@pytest.mark.parametrize(
    ("fields", "files", "field"),
    [
        ({"text": "Hello."}, ("audio",), "audio"),
        ({"text": "Hello.", "prompt": "a man"}, ("portrait",), "prompt"),
        ({"text": "Hello.", "avatar": "me"}, ("portrait",), "avatar"),
    ],
)
def test_two_sources(
    api: httpx.Client, photo: bytes, clip: bytes, fields: dict[str, str], files: tuple[str, ...], field: str
) -> None:
    given = {"audio": clip, "portrait": photo}
    refused(api.post("/api/v1/videos", data=fields, files={name: given[name] for name in files}), "two_sources", field)


def test_two_sources_of_an_avatar(api: httpx.Client, photo: bytes) -> None:
    answer = api.post("/api/v1/avatars", data={"name": "Eve", "prompt": "a woman"}, files={"portrait": photo})
    refused(answer, "two_sources", "prompt")


def test_a_voice_and_a_clip(api: httpx.Client, clip: bytes) -> None:
    for path in ("/api/v1/speech", "/api/v1/videos"):
        answer = api.post(path, data={"text": "Hello.", "voice": "en-us"}, files={"voice_clip": clip})
        refused(answer, "invalid_request", "voice_clip")
    answer = api.post("/api/v1/videos", data={"voice": "en-us"}, files={"audio": clip})
    refused(answer, "invalid_request", "voice")


@pytest.mark.parametrize("name", ["", " ", "a" * 101, "bell\x07", "voi_00000000000000000000000000"])
def test_names(api: httpx.Client, clip: bytes, photo: bytes, name: str) -> None:
    for path, files in (("/api/v1/voices", {"clip": clip}), ("/api/v1/avatars", {"portrait": photo})):
        if (path, name) == ("/api/v1/avatars", "voi_00000000000000000000000000"):
            continue  # an id of a voice is a fine name for an avatar
        answer = api.post(path, data={"name": name}, files=files)
        assert answer.status_code == 422, answer.text
        assert error(answer)["field"] == "name"


# --- bodies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "code", "field"),
    [
        (b"{", "application/json", "invalid_json", "body"),
        (b"", "application/json", "invalid_json", "body"),
        (b"[]", "application/json", "invalid_json", "body"),
        (b'"text"', "application/json", "invalid_json", "body"),
        (b"null", "application/json", "invalid_json", "body"),
        (b'{"text": "\xff"}', "application/json", "invalid_json", "body"),
        (b'{"text": "a", "speed": NaN}', "application/json", "invalid_json", "body"),
        (b'{"text": "a", "seed": 1' + b"0" * 10_000 + b"}", "application/json", "invalid_json", "body"),
        (b"[" * 100_000, "application/json", "invalid_json", "body"),
        (b"{}", "application/json", "missing_field", "text"),
        (b"<text/>", "application/xml", "unsupported_content_type", "content-type"),
        (b"text=Hello", "text/plain", "unsupported_content_type", "content-type"),
        (b"text=", "application/x-www-form-urlencoded", "text_empty", "text"),
        (b"junk", "multipart/form-data", "invalid_form", "body"),
        (b"junk", "multipart/form-data; boundary=x", "invalid_form", "body"),
        (b"--x\r\n\r\njunk", "multipart/form-data; boundary=x", "invalid_form", "body"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/speech", "/api/v1/videos"])
def test_bodies(api: httpx.Client, path: str, body: bytes, kind: str, code: str, field: str) -> None:
    refused(api.post(path, content=body, headers={"Content-Type": kind}), code, field)


def test_forms(api: httpx.Client, photo: bytes) -> None:
    refused(api.post("/api/v1/speech", data={"text": ["a", "b"]}, files={"voice_clip": b"x"}), "given_twice", "text")
    refused(
        api.post("/api/v1/videos", data={"text": "a"}, files=[("portrait", photo), ("portrait", photo)]),
        "given_twice",
        "portrait",
    )
    refused(api.post("/api/v1/speech", data={"text": "a"}, files={"portrait": photo}), "unknown_file", "portrait")
    refused(api.post("/api/v1/videos", data={"text": "a", "portrait": "me.png"}), "not_a_file", "portrait")
    refused(api.post("/api/v1/videos", data={"text": "a", "blink": "maybe"}), "invalid_request", "blink")
    refused(
        api.post("/api/v1/videos", data={"text": "a", "backends.voice": "x", "backends": "y"}),
        "given_twice",
        "backends",
    )
    many = {f"field{n}": "x" for n in range(100)}
    refused(api.post("/api/v1/videos", data=many, files={"portrait": photo}), "invalid_form", "body")


# --- uploads over the limit (64 megabytes here) -------------------------------------------------------------

MEGABYTE = 1 << 20


class Upload:
    """A request whose body is sent piece by piece, with an eye on the answer."""

    def __init__(self, server: str, path: str, *headers: str) -> None:
        address = urlsplit(server)
        assert address.hostname
        assert address.port
        self._socket = socket.create_connection((address.hostname, address.port), timeout=30)
        self._socket.sendall(
            "\r\n".join([f"POST {path} HTTP/1.1", f"Host: {address.netloc}", *headers, "", ""]).encode()
        )

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, piece: bytes) -> bool:
        """Whether the other side still listens."""
        try:
            self._socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def answered(self, seconds: float) -> bool:
        self._socket.settimeout(seconds)
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(30)

    def answer(self) -> tuple[int, bytes]:
        got = b""
        while b"\r\n\r\n" not in got or b"}}" not in got:
            piece = self._socket.recv(65536)
            if not piece:
                break
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        return int(head.split()[1]), body


@pytest.mark.parametrize("path", ["/api/v1/videos", "/v1/audio/voices"])
def test_an_announced_upload_is_refused_before_it_comes(server: str, path: str) -> None:
    kind = "Content-Type: multipart/form-data; boundary=x"
    with Upload(server, path, kind, f"Content-Length: {10 << 30}") as upload:
        upload.send(b'--x\r\nContent-Disposition: form-data; name="portrait"; filename="a"\r\n\r\n')
        status, body = upload.answer()
    assert status == 413
    assert b'"too_large"' in body
    assert b"at most 64 megabytes" in body


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json"])
def test_an_endless_upload_is_refused_while_it_comes(server: str, kind: str) -> None:
    start = (
        b'{"text": "'
        if kind == "application/json"
        else (b'--x\r\nContent-Disposition: form-data; name="portrait"; filename="a"\r\n\r\n')
    )
    sent = 0
    with Upload(server, "/api/v1/videos", f"Content-Type: {kind}", "Transfer-Encoding: chunked") as upload:
        upload.send(b"%x\r\n%s\r\n" % (len(start), start))
        piece = b"%x\r\n%s\r\n" % (MEGABYTE, b"a" * MEGABYTE)
        while sent < 200 and not upload.answered(0.2 if sent > 60 else 0.001):
            if not upload.send(piece):
                break
            sent += 1
        status, body = upload.answer()
    assert status == 413
    assert b'"too_large"' in body
    assert 64 <= sent < 200
