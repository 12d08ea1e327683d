"""One suite for every implementation of `Studio`: over HTTP and in this process."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
import soundfile
from PIL import Image

from clients.python.studio import Studio
from pipeline.contracts import (
    Backends,
    ClipRequest,
    Drawing,
    DrawRequest,
    SpeakRequest,
    TranscribeRequest,
    Transcription,
    UpscalePicture,
    VideoRequest,
)
from pipeline.errors import (
    Conflict,
    InvalidAudio,
    InvalidImage,
    InvalidRequest,
    InvalidText,
    MouthpieceError,
    NotFound,
    UnknownName,
)

LONG = "This sentence is said again and again, so that there is time to stop it. " * 40


def small(text: str, photo: bytes, **fields: Any) -> VideoRequest:
    return VideoRequest(text=text, portrait=photo, size=128, fps=10, **fields)


def test_a_video_is_made_followed_and_fetched(studio: Studio, photo: bytes, tmp_path: Path) -> None:
    asked = studio.render(small("Hello.", photo, head_motion=0.0, blink=False, backends=Backends(voice="espeak")))
    states = list(studio.watch(asked.id))
    assert [job.id for job in states] == [asked.id] * len(states)
    assert [job.progress for job in states] == sorted(job.progress for job in states)
    job = states[-1]
    assert job.status == "completed"
    assert job.result is not None
    assert job.frames_made == job.frames_total == job.result.frames
    path = studio.download(job, tmp_path / "hello.mp4")
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == job.result.sha256
    assert data[4:8] == b"ftyp"
    assert [entry.name for entry in tmp_path.iterdir()] == ["hello.mp4"]
    assert studio.wait(job.id) == studio.video(job.id) == job
    assert studio.videos(1)[0] == job
    studio.delete(job.id)
    with pytest.raises(NotFound):
        studio.video(job.id)


def test_a_video_is_stopped(studio: Studio, photo: bytes, tmp_path: Path) -> None:
    asked = studio.render(small(LONG, photo))
    with pytest.raises(Conflict) as early:
        studio.download(asked, tmp_path / "early.mp4")
    assert early.value.code == "not_completed"
    assert not list(tmp_path.iterdir())
    assert studio.cancel(asked.id).status == "cancelled"
    assert studio.wait(asked.id).status == "cancelled"
    with pytest.raises(Conflict) as again:
        studio.cancel(asked.id)
    assert again.value.code == "already_ended"


@pytest.mark.parametrize(
    ("fields", "kind", "field"),
    [
        ({}, InvalidRequest, "text"),
        ({"text": "Hi.", "audio": b"RIFF"}, InvalidRequest, "audio"),
        ({"text": "... !?"}, InvalidText, "text"),
        ({"text": "Hi.", "language": "tlh"}, UnknownName, "language"),
        ({"text": "Hi.", "voice": "nobody"}, UnknownName, "voice"),
        ({"text": "Hi.", "backends": Backends(voice="none")}, UnknownName, "backends.voice"),
        ({"text": "Hi.", "portrait": b"no picture"}, InvalidImage, "portrait"),
        ({"text": "Hi.", "avatar": "nobody"}, NotFound, None),
        ({"audio": b"no sound"}, InvalidAudio, "audio"),
        ({"text": "Hi.", "voice_clip": b"no sound"}, InvalidAudio, "voice_clip"),
    ],
)
def test_what_is_refused_is_refused_by_class(
    studio: Studio, fields: dict[str, Any], kind: type[MouthpieceError], field: str | None
) -> None:
    with pytest.raises(kind) as refusal:
        studio.render(VideoRequest(**fields))
    assert type(refusal.value) is kind
    if field is not None:
        assert refusal.value.field == field


def test_a_clip(studio: Studio, photo: bytes, tmp_path: Path) -> None:
    request = ClipRequest(picture=photo, seconds=0.4, width=160, height=128, fps=10, camera="pan_right")
    job = studio.wait(studio.clip(request, "one-clip").id)
    assert studio.clip(request, "one-clip").id == job.id
    assert job.result is not None
    assert (job.result.width, job.result.height, job.result.frames) == (160, 128, 4)
    assert studio.download(job, tmp_path / "clip.mp4").read_bytes()[4:8] == b"ftyp"
    with pytest.raises(InvalidRequest) as refusal:
        studio.clip(ClipRequest())
    assert refusal.value.field == "picture"


def test_a_picture_and_a_film_are_enlarged(studio: Studio, photo: bytes, tmp_path: Path) -> None:
    large = studio.upscale(UpscalePicture(picture=photo, factor=1.5))
    assert Image.open(io.BytesIO(large)).size == (768, 768)
    small = ClipRequest(picture=photo, seconds=0.4, width=160, height=128, fps=10)
    film = studio.download(studio.wait(studio.clip(small).id), tmp_path / "small.mp4").read_bytes()
    job = studio.wait(studio.clip(ClipRequest(video=film, upscale=2.0)).id)
    assert job.result is not None
    assert (job.result.width, job.result.height, job.result.frames) == (320, 256, 4)


def test_what_a_recording_says(studio: Studio, clip: bytes) -> None:
    text = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. It is easy to tell."
    found = Transcription.model_validate_json(studio.transcribe(TranscribeRequest(audio=clip, text=text)))
    assert " ".join(word.text for word in found.words) == text
    srt = studio.transcribe(TranscribeRequest(audio=clip, text=text, format="srt"))
    assert srt.count(b"-->") == 3
    with pytest.raises(InvalidRequest) as unknown:
        studio.transcribe(TranscribeRequest(audio=clip))
    assert (unknown.value.code, unknown.value.field) == ("text_needed", "text")


def test_subtitles(studio: Studio) -> None:
    job = studio.wait(studio.render(VideoRequest(text="One, two. Three.", prompt="a man", size=128, fps=10)).id)
    shown = studio.subtitles(job.id, "vtt").decode().splitlines()
    assert [line for line in shown if line and "-->" not in line] == ["WEBVTT", "One, two.", "Three."]
    with pytest.raises(NotFound):
        studio.subtitles("vid_00000000000000000000000000")


def test_speech(studio: Studio) -> None:
    request = SpeakRequest(text="One. Two.", language="en", format="flac")
    pieces = list(studio.speak(request))
    sound = soundfile.info(io.BytesIO(b"".join(pieces)))
    assert sound.format == "FLAC"
    assert sound.duration > 0.5
    assert b"".join(studio.speak(request)) == b"".join(pieces)
    with pytest.raises(UnknownName):
        list(studio.speak(SpeakRequest(text="One.", backend="nobody")))


def test_a_stream_can_be_left(studio: Studio) -> None:
    pieces = studio.speak(SpeakRequest(text=LONG))
    assert next(pieces)
    pieces.close()
    assert list(studio.speak(SpeakRequest(text="One.")))


def test_a_portrait(studio: Studio) -> None:
    request = DrawRequest(prompt="woman, red hair", size=128, seed=4)
    drawn = studio.draw(request)
    assert Image.open(io.BytesIO(drawn)).size == (128, 128)
    assert studio.draw(request) == drawn


def test_voices(studio: Studio, clip: bytes) -> None:
    kept = studio.create_voice("Anna / ä?", clip)
    try:
        assert studio.voice(kept.id) == studio.voice("Anna / ä?") == kept
        listed = studio.voices()
        assert kept in listed.profiles
        assert "espeak" in listed.builtin
        with pytest.raises(Conflict):
            studio.create_voice("Anna / ä?", clip)
        heard = b"".join(studio.preview_voice(kept.id, "Hello there.", "en", "wav"))
        assert soundfile.info(io.BytesIO(heard)).duration > 0.3
        assert studio.rename_voice(kept.id, "Bea").name == "Bea"
        spoken = b"".join(studio.speak(SpeakRequest(text="Hello.", voice="Bea")))
        assert spoken != b"".join(studio.speak(SpeakRequest(text="Hello.")))
    finally:
        studio.delete_voice(kept.id)
    with pytest.raises(NotFound):
        studio.voice(kept.id)
    with pytest.raises(InvalidAudio):
        studio.create_voice("Cleo", b"no sound")


def test_avatars(studio: Studio, photo: bytes) -> None:
    kept = studio.create_avatar("me", photo)
    try:
        assert kept.source == "photo"
        assert studio.avatar("me") == studio.avatar(kept.id) == kept
        assert kept in studio.avatars()
        assert Image.open(io.BytesIO(studio.avatar_picture(kept.id))).size == (kept.width, kept.height)
        assert studio.rename_avatar(kept.id, "you").name == "you"
        job = studio.wait(studio.render(VideoRequest(text="Hi.", avatar=kept.id, size=128, fps=10)).id)
        assert job.status == "completed"
    finally:
        studio.delete_avatar(kept.id)
    with pytest.raises(NotFound):
        studio.avatar(kept.id)
    drawn = studio.create_avatar("drawn", prompt="old man, beard", size=256, seed=2)
    assert drawn.source == "prompt"
    studio.delete_avatar(drawn.id)
    with pytest.raises(InvalidRequest):
        studio.create_avatar("both", photo, "a prompt")
    drawing = Drawing(loras={"warm": 0.5})
    with pytest.raises(InvalidRequest, match="has no use for loras"):
        studio.create_avatar("warm", prompt="a man", drawing=drawing)
    with pytest.raises(InvalidRequest, match="nothing is drawn") as refused:
        studio.create_avatar("warm", photo, drawing=drawing)
    assert refused.value.field == "loras"
    with pytest.raises(UnknownName):
        studio.create_avatar("warm", prompt="a man", backend="nobody")


def test_what_runs(studio: Studio) -> None:
    assert studio.backends() == {
        "voice": ("espeak",),
        "avatar": ("procedural",),
        "face": ("mediapipe",),
        "lipsync": ("meshwarp",),
        "motion": ("kenburns",),
        "upscale": ("lanczos",),
        "transcribe": ("align",),
    }
    status = studio.status()
    assert status.profile == "cpu"
    assert status.runtime == "process"
    assert {part.name for part in status.deployments} >= {"voice-espeak", "face-mediapipe", "lipsync-meshwarp"}


@pytest.mark.parametrize("name", ["", ".", "..", "no/such", "vid_../../etc/passwd", "a?b#c", "%2e%2e"])
def test_a_strange_name_is_only_not_found(studio: Studio, name: str) -> None:
    for ask in (studio.video, studio.voice, studio.avatar, studio.avatar_picture, studio.delete_voice):
        with pytest.raises((NotFound, InvalidRequest)):
            ask(name)
