"""What a client sends."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.contracts.words import (
    AudioFormat,
    Camera,
    Contract,
    Extension,
    Factor,
    Guidance,
    Language,
    Lora,
    LoraWeight,
    Name,
    Pitch,
    Priority,
    Rate,
    Redrawn,
    Seed,
    Side,
    Size,
    Speed,
    Steps,
    Strength,
    Style,
    Text,
    TranscriptFormat,
    VideoFormat,
    Webhook,
)


class Backends(Contract):
    """The backend of each capability that a request asks for by name; None is the configured default."""

    voice: str | None = None
    avatar: str | None = None
    face: str | None = None
    lipsync: str | None = None
    motion: str | None = None
    upscale: str | None = None
    transcribe: str | None = None


class Drawing(Contract):
    """How a portrait is drawn, besides its words. None leaves it to the backend; one that has no use for what is given
    refuses it."""

    negative_prompt: Annotated[str, Field(max_length=2000)] | None = None
    """What is not to be seen."""
    style: Style | None = None
    """Words that the backend puts around the prompt, by name; `none` leaves it as it is."""
    loras: Annotated[dict[Lora, LoraWeight], Field(max_length=8)] | None = None
    """LoRAs by the names that the backend's options give them, and how much of each; {} is none. In a form:
    `loras.NAME`."""
    steps: Steps | None = None
    guidance: Guidance | None = None


class VideoRequest(Contract):
    """A talking video: something to say (`text` or `audio`), and a face (`portrait`, `avatar` or `prompt`) or a film of
    one (`video`)."""

    text: Text | None = None
    audio: bytes | None = None
    """A recording to lip-sync to, in any common format; a file part over HTTP."""
    transcript: Text | None = None
    """What is said in `audio`, where that is known. Its words are found in time by the transcribe backend, for
    subtitles; and the lips follow its sounds, unless a network that hears for itself moves them. Without it, a
    transcribe backend that is named in `backends`, and recognises speech, does the same with what it hears: in
    `language` if that is given. Where it hears nobody, the lips follow the sound."""
    voice: Name | None = None
    """Voice profile id or name, or a built-in voice of the voice backend."""
    voice_clip: bytes | None = None
    """A reference clip to take the voice's colour from, for this request only; a file part over HTTP."""
    language: Language = "en"
    speed: Speed = 1.0
    pitch: Pitch = 0.0
    portrait: bytes | None = None
    """A photo with one face; a file part over HTTP."""
    avatar: Name | None = None
    """Id or name of a stored avatar."""
    prompt: Annotated[str, Field(max_length=2000)] | None = None
    """Words for a portrait to draw. With no face given at all, one is drawn from the seed."""
    drawing: Drawing = Drawing()
    """How it is drawn."""
    video: bytes | None = None
    """A film whose face says it instead, of the film's own size; its own sound is left out. A file part over HTTP."""
    extend: Extension = "bounce"
    """What `video` does where the speech is longer; where it is shorter, the film ends with the speech."""
    camera: Camera | None = None
    """Makes a film of the picture first, by the motion backend, and has the face in that film talk: the whole picture
    is shown, its shorter side `size` pixels, and not the square around the face."""
    strength: Strength = 1.0
    """How much moves in that film."""
    size: Size | None = None
    fps: Rate | None = None
    """Of a `video`, unless given, its own."""
    seed: Seed = 0
    head_motion: Annotated[float, Field(ge=0, le=2)] = 1.0
    blink: bool = True
    upscale: Factor | None = None
    """Enlarges the finished video so many times, `size` pixels being what it is made in."""
    format: VideoFormat = "mp4"
    backends: Backends = Backends()
    priority: Priority = 0
    """Higher is sooner; among equals, the older one."""
    webhook: Webhook | None = None
    """Told when the video has ended, by a signed POST of the event."""


class ClipRequest(Contract):
    """A film without a face that talks: a picture (`picture` or `prompt`) that the camera moves over, or a film
    (`video`) to enlarge."""

    picture: bytes | None = None
    """Any picture; a file part over HTTP."""
    prompt: Annotated[str, Field(max_length=2000)] | None = None
    """Words for a picture to draw, by the avatar backend."""
    drawing: Drawing = Drawing()
    """How it is drawn."""
    video: bytes | None = None
    """A film to `upscale`, as long and as quick as it is, with its sound; a file part over HTTP."""
    upscale: Factor | None = None
    """Enlarges what was made, or `video`, so many times."""
    seconds: Annotated[float, Field(ge=0.2, le=3600)] = 4.0
    camera: Camera = "zoom_in"
    strength: Strength = 1.0
    width: Side | None = None
    height: Side | None = None
    """Where one is not given, the picture's own shape says it; with neither, its shorter side is `video.size`."""
    fps: Rate | None = None
    seed: Seed = 0
    format: VideoFormat = "mp4"
    backends: Backends = Backends()
    priority: Priority = 0
    """Higher is sooner; among equals, the older one."""
    webhook: Webhook | None = None
    """Told when the clip has ended, by a signed POST of the event."""


class SpeakRequest(Contract):
    """Speech alone, as an audio file."""

    text: Text
    voice: Name | None = None
    voice_clip: bytes | None = None
    language: Language = "en"
    speed: Speed = 1.0
    pitch: Pitch = 0.0
    format: AudioFormat = "wav"
    backend: str | None = None


class DrawRequest(Drawing):
    """A portrait from words, or from words and a picture, as a PNG file."""

    prompt: Annotated[str, Field(max_length=2000)] = ""
    size: Size | None = None
    seed: Seed = 0
    image: bytes | None = None
    """A picture to begin with, of which the middle square is taken; a file part over HTTP."""
    strength: Redrawn | None = None
    """How much of `image` is drawn anew."""
    backend: str | None = None


class UpscalePicture(Contract):
    """A picture to enlarge, as a PNG file."""

    picture: bytes
    """Any picture; a file part over HTTP."""
    factor: Factor = 2.0
    backend: str | None = None


class TranscribeRequest(Contract):
    """A recording to write down, with the times of its words."""

    audio: bytes
    """In any common format, also a film; a file part over HTTP."""
    text: Text | None = None
    """What is said, where that is known: its words are only found in time then."""
    language: Language | None = None
    """What is spoken. None: a backend that recognises speech finds out, one that aligns takes English."""
    prompt: Annotated[str, Field(max_length=4000)] | None = None
    """Words and spellings to expect, for a backend that recognises speech."""
    temperature: Annotated[float, Field(ge=0, le=1)] = 0.0
    """0 takes the likeliest words, more draws from the likely ones."""
    format: TranscriptFormat = "json"
    backend: str | None = None


class NewVoice(Contract):
    """A voice to keep."""

    name: Name
    clip: bytes
    """A reference clip; a file part over HTTP."""


class NewAvatar(Drawing):
    """A face to keep: a photo, or a portrait drawn from a prompt."""

    name: Name
    portrait: bytes | None = None
    """A photo with one face; a file part over HTTP."""
    prompt: Annotated[str, Field(max_length=2000)] | None = None
    size: Size | None = None
    seed: Seed = 0
    backend: str | None = None
    """The avatar backend that draws it."""
