"""Whatever a client gets wrong is answered by status, code and field, and the next good request works."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from pipeline.media.video import VideoWriter
from tests.api.conftest import error, refused

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("then_a_good_request_works")]


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
        ("/api/v1/speech", {"language": "xn-us"}, "language", "en-us"),
        ("/api/v1/speech", {"language": "tlh-klingon"}, "language", "hi"),
        ("/api/v1/speech", {"voice": "en-su"}, "voice", "en-us"),
        ("/api/v1/speech", {"voice": "voi_00000000000000000000000000"}, "voice", "vi"),
        ("/api/v1/speech", {"voice": "en-us+nobody"}, "voice", "en-us"),
        ("/api/v1/speech", {"backend": "xtts"}, "backend", "espeak"),
        ("/api/v1/videos", {"language": "xn-us"}, "language", "en-us"),
        ("/api/v1/videos", {"voice": "en-su"}, "voice", "en-us"),
        ("/api/v1/videos", {"backends": {"voice": "xtts"}}, "backends.voice", "espeak"),
        ("/api/v1/videos", {"backends": {"avatar": "sdxl"}}, "backends.avatar", "procedural"),
        ("/api/v1/videos", {"backends": {"face": "eyes"}}, "backends.face", "mediapipe"),
        ("/api/v1/videos", {"backends": {"lipsync": "musetalk"}}, "backends.lipsync", "meshwarp"),
    ],
)
def test_unknown_names(api: httpx.Client, path: str, body: dict[str, Any], field: str, valid: str) -> None:
    found = refused(api.post(path, json={"text": "Hello."} | body), "unknown_name", field)
    accepted = str(found["accepted"]).split(", ")
    assert valid in accepted
    assert len(accepted) <= 13
    assert ("GET /api/v1/voices have all" in accepted[-1]) == (field in ("language", "voice"))


def test_a_voice_of_another_language(api: httpx.Client) -> None:
    body = {"text": "Hello.", "voice": "de", "language": "fr"}
    refused(api.post("/api/v1/speech", json=body), "voice_language", "language")
    refused(api.post("/api/v1/videos", json=body), "voice_language", "language")


def test_an_avatar_that_is_none(api: httpx.Client) -> None:
    refused(api.post("/api/v1/videos", json={"text": "Hello.", "avatar": "nobody"}), "not_found", "avatar", 404)


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
        ({"backends": {"smell": "lanczos"}}, "unknown_field", "backends.smell"),
        ({"backends": "espeak"}, "invalid_request", "backends"),
        ({"text": None}, "missing_field", "text"),
        ({"text": 7}, "invalid_request", "text"),
        ({"portrait": "me.png"}, "file_in_json", "portrait"),
        ({"audio": "bWU="}, "file_in_json", "audio"),
    ],
)
def test_videos(api: httpx.Client, body: dict[str, Any], code: str, field: str) -> None:
    refused(api.post("/api/v1/videos", json={"text": "Hello."} | body), code, field)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"style": "photo"}, "not_honoured", "style"),
        ({"steps": 20}, "not_honoured", "steps"),
        ({"guidance": 7.5}, "not_honoured", "guidance"),
        ({"negative_prompt": "hat"}, "not_honoured", "negative_prompt"),
        ({"loras": {"warm": 0.5}}, "not_honoured", "loras"),
        ({"loras": {"warm": 3}}, "invalid_request", "loras.warm"),
        ({"loras": {"a.b": 1}}, "invalid_request", "loras.a.b.[key]"),
        ({"style": "Photo!"}, "invalid_request", "style"),
        ({"steps": 0}, "invalid_request", "steps"),
        ({"guidance": 31}, "invalid_request", "guidance"),
        ({"strength": 0}, "invalid_request", "strength"),
        ({"image": "me.png"}, "file_in_json", "image"),
    ],
)
def test_portraits(api: httpx.Client, body: dict[str, Any], code: str, field: str) -> None:
    refused(api.post("/api/v1/portraits", json={"prompt": "a woman"} | body), code, field)


def test_how_a_portrait_is_drawn(api: httpx.Client, photo: bytes) -> None:
    unknown = refused(api.post("/api/v1/portraits", json={"styles": "photo"}), "unknown_field", "styles")
    assert "style" in str(unknown["accepted"]).split(", ")
    body = {"text": "Hello.", "prompt": "a man", "drawing": {"steps": 20}}
    refused(api.post("/api/v1/videos", json=body), "not_honoured", "drawing.steps")
    form = {"text": "Hello.", "drawing.loras.warm": "0.5"}
    refused(api.post("/api/v1/videos", data=form), "not_honoured", "drawing.loras")
    refused(api.post("/api/v1/videos", data=form, files={"portrait": photo}), "invalid_request", "drawing.loras")
    refused(api.post("/api/v1/videos", data={"drawing": "x", "drawing.steps": "3"}), "given_twice", "drawing.steps")
    refused(api.post("/api/v1/portraits", files={"image": photo}), "not_honoured", "image")
    refused(api.get("/api/v1/portraits", params={"style": "photo"}), "not_honoured", "style")
    refused(api.get("/api/v1/portraits", params={"lora": ["a=1", "a=2"]}), "given_twice", "lora")


def test_what_is_accepted_is_said(api: httpx.Client) -> None:
    unknown = error(api.post("/api/v1/videos", json={"text": "Hello.", "colour": "red"}))
    assert "prompt" in str(unknown["accepted"]).split(", ")
    nested = error(api.post("/api/v1/videos", json={"text": "Hello.", "backends": {"smell": "lanczos"}}))
    assert nested["accepted"] == "voice, avatar, face, lipsync, motion, upscale, transcribe"
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


def test_a_film_needs_a_lipsync_that_works_on_films(api: httpx.Client, tmp_path: Path) -> None:
    """The one that is enabled here draws on pictures: which others there are is said, over every way in."""
    path = tmp_path / "film.mp4"
    with VideoWriter(path, size=(128, 128), fps=Fraction(25)) as writer:
        writer.write_frames(np.full((3, 192, 128), 120, np.uint8))
    form = {"text": "Hello.", "backends.lipsync": "meshwarp"}
    named = refused(
        api.post("/api/v1/videos", data=form, files={"video": path.read_bytes()}), "no_dubbing", "backends.lipsync"
    )
    assert "meshwarp" in str(named["message"])
    scene = {"text": "Hello.", "prompt": "a man", "camera": "zoom_in"}
    refusal = refused(api.post("/api/v1/videos", json=scene), "no_dubbing", "backends.lipsync")
    assert "wav2lip, musetalk" in str(refusal["accepted"])
    refused(api.post("/api/v1/videos", json={"text": "Hello.", "video": "me.mp4"}), "file_in_json", "video")
    refused(api.post("/api/v1/videos", data={"text": "Hello."}, files={"video": b"x"}), "not_video", "video")
