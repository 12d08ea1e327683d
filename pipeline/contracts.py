"""The typed requests and results of each capability: the only things that cross a process boundary.

Pydantic models are what a client sends or reads (JSON); dataclasses carry arrays between deployments.
Conventions: time in seconds, angles in degrees, sound as float32 mono in [-1, 1], pictures as uint8 RGB
(height, width, 3), coordinates in pixels with x to the right and y down, video frames as I420 planes in
BT.601 limited range (what OpenCV's RGB2YUV_I420 makes).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Samples = NDArray[np.float32]
"""(n,) float32 mono in [-1, 1]."""

Picture = NDArray[np.uint8]
"""(height, width, 3) uint8 RGB."""

Capability = Literal["voice", "avatar", "face", "lipsync"]
VideoFormat = Literal["mp4", "webm", "gif"]
AudioFormat = Literal["wav", "flac", "mp3", "opus", "aac", "pcm"]
JobState = Literal["queued", "running", "completed", "failed", "cancelled"]


class Contract(BaseModel):
    """Base of everything a client sends or reads: immutable, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- what crosses between deployments -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Phoneme:
    """One spoken sound. `ipa` may carry stress marks (ˈ ˌ) and length (ː); silence is the empty string."""

    start: float
    end: float
    ipa: str


@dataclass(frozen=True, slots=True)
class Speech:
    """Spoken sound. `phonemes` covers the clip in order without overlap, or is None where unknown."""

    samples: Samples
    sample_rate: int
    phonemes: tuple[Phoneme, ...] | None
    language: str

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    @staticmethod
    def join(parts: Iterable[Speech]) -> Speech:
        """One after another, sample-exact. Rates must agree; phonemes are kept only if every part has them."""
        parts = list(parts)
        if not parts:
            raise ValueError("nothing to join")
        rate = parts[0].sample_rate
        if any(part.sample_rate != rate for part in parts):
            raise ValueError("sample rates differ")
        phonemes: list[Phoneme] | None = []
        offset = 0
        for part in parts:
            if phonemes is not None and part.phonemes is not None:
                shift = offset / rate
                phonemes += [replace(p, start=p.start + shift, end=p.end + shift) for p in part.phonemes]
            else:
                phonemes = None
            offset += len(part.samples)
        samples = np.concatenate([part.samples for part in parts])
        return Speech(samples, rate, tuple(phonemes) if phonemes is not None else None, parts[0].language)


@dataclass(frozen=True, slots=True)
class VoiceTint:
    """What a reference clip tells about a voice without a neural model: a colour, not an identity.

    `envelope_db` is the mean log spectral envelope of voiced, active frames: (513,) float32 in dB at 16 kHz
    (1024-point FFT), with its own mean removed.
    """

    pitch_hz: float
    """Median fundamental frequency of voiced frames."""
    pitch_spread: float
    """Interquartile range of ln(f0)."""
    syllables_per_second: float
    """Syllable nuclei per second of speech, pauses left out."""
    envelope_db: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What a voice backend is asked to say. `text` is normalised, not empty, and may be many sentences."""

    text: str
    language: str = "en"
    """BCP 47 tag, lower case."""
    voice: str | None = None
    """A built-in voice of the backend; None is its default for the language."""
    tint: VoiceTint | None = None
    speed: float = 1.0
    """1 is the voice's own pace, 2 is twice as fast; 0.25 to 4."""
    pitch: float = 0.0
    """Semitones up or down, -12 to 12."""


@dataclass(frozen=True, slots=True)
class PortraitRequest:
    """What an avatar backend is asked to draw: a `size` x `size` picture of one usable face."""

    prompt: str
    size: int = 512
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Face:
    """The one face of a picture, in pixels of that picture."""

    landmarks: NDArray[np.float32]
    """(478, 3) MediaPipe face mesh with irises: x, y, and z in the same scale as x (towards the viewer < 0)."""
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 around the landmarks."""
    yaw: float
    pitch: float
    roll: float
    """Degrees; positive yaw looks to the picture's right, positive pitch up, positive roll clockwise."""
    quality: float
    """0 to 1: sharp, frontal, large and well lit is 1."""
    crop: tuple[int, int, int]
    """x, y, side of the square, inside the picture, that a talking portrait is best cut to."""


@dataclass(frozen=True, slots=True)
class AnimationRequest:
    """What a lip-sync backend is asked to do: make `face` in `portrait` say `speech`."""

    portrait: Picture
    face: Face
    speech: Speech
    size: int = 512
    """Side of the square frames made; even."""
    fps: Fraction = Fraction(25)
    seed: int = 0
    """Chooses blinks and head motion."""
    head_motion: float = 1.0
    """0 holds the head still, 1 is natural."""
    blink: bool = True

    @property
    def frame_count(self) -> int:
        """Frames that cover the sound: the smallest whole number not shorter than it, at least 1."""
        speech = self.speech
        return max(1, -(-len(speech.samples) * self.fps.numerator // (speech.sample_rate * self.fps.denominator)))


@dataclass(frozen=True, slots=True)
class Frames:
    """A run of video frames. `planes` is (n, size * 3 // 2, size) uint8, I420; `first` is its first index."""

    first: int
    planes: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How frames become a file. `preset` and `crf` are x264's and count for mp4 only."""

    format: VideoFormat = "mp4"
    preset: str = "veryfast"
    crf: int = 20


@dataclass(frozen=True, slots=True)
class Film:
    """A piece of news from a film being made: frames encoded so far, then the file itself in pieces."""

    frames: int
    data: bytes = b""
    timings: dict[str, float] | None = None
    """Wall seconds by stage, in the last piece only."""


# --- what a client sends -------------------------------------------------------------------------------

Size = Annotated[int, Field(ge=128, le=1536, multiple_of=2, description="Side of the square picture, pixels; even.")]
Rate = Annotated[float, Field(ge=5, le=60, description="Frames a second; 23.976, 29.97 and 59.94 mean x/1001.")]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Language = Annotated[str, Field(min_length=2, max_length=35, pattern=r"^[A-Za-z][A-Za-z0-9-]*$")]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(min_length=1, max_length=1_000_000)]
Speed = Annotated[float, Field(ge=0.25, le=4)]
Pitch = Annotated[float, Field(ge=-12, le=12, description="Semitones up or down.")]


class Backends(Contract):
    """The backend of each capability that a request asks for by name; None is the configured default."""

    voice: str | None = None
    avatar: str | None = None
    face: str | None = None
    lipsync: str | None = None


class VideoRequest(Contract):
    """A talking video: something to say (`text` or `audio`) and a face (`portrait`, `avatar` or `prompt`)."""

    text: Text | None = None
    audio: bytes | None = None
    """A recording to lip-sync to, in any common format; a file part over HTTP."""
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
    """Id of a stored avatar."""
    prompt: Annotated[str, Field(max_length=2000)] | None = None
    """Words for a portrait to draw. With no face given at all, one is drawn from the seed."""
    size: Size | None = None
    fps: Rate | None = None
    seed: Seed = 0
    head_motion: Annotated[float, Field(ge=0, le=2)] = 1.0
    blink: bool = True
    format: VideoFormat = "mp4"
    backends: Backends = Backends()


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


class DrawRequest(Contract):
    """A portrait from words, as a PNG file."""

    prompt: Annotated[str, Field(max_length=2000)] = ""
    size: Size | None = None
    seed: Seed = 0
    backend: str | None = None


class NewVoice(Contract):
    """A voice to keep."""

    name: Name
    clip: bytes
    """A reference clip; a file part over HTTP."""


class NewAvatar(Contract):
    """A face to keep: a photo, or a portrait drawn from a prompt."""

    name: Name
    portrait: bytes | None = None
    """A photo with one face; a file part over HTTP."""
    prompt: Annotated[str, Field(max_length=2000)] | None = None
    size: Size | None = None
    seed: Seed = 0


# --- what a client reads -------------------------------------------------------------------------------


class ErrorBody(Contract):
    code: str
    message: str
    retryable: bool = False
    kind: str | None = None
    """The code of the family that `code` is one of: `clipped` is an `invalid_audio`. None where `code` says it all."""
    field: str | None = None
    accepted: str | None = None
    retry_after: float | None = None


class VideoFacts(Contract):
    """What was made."""

    seconds: float
    frames: int
    fps: float
    size: int
    format: VideoFormat
    bytes: int
    sha256: str
    timings: dict[str, float]
    """Wall seconds by stage. Stages overlap, so they add up to more than `total`."""
    backends: dict[str, str]


class VideoJob(Contract):
    """A talking video being made, or made."""

    id: str
    """`vid_` and 26 letters and digits."""
    object: Literal["video"] = "video"
    status: JobState
    progress: Annotated[float, Field(ge=0, le=100)]
    stage: str
    """What is being done now: queued, speaking, drawing, locating, animating, done."""
    frames_made: int = 0
    frames_total: int | None = None
    """Known once the speech is."""
    created_at: datetime
    completed_at: datetime | None = None
    error: ErrorBody | None = None
    result: VideoFacts | None = None


class VoiceProfile(Contract):
    """A voice kept on disk. `usable_by` names the voice backends that can speak with it."""

    id: str
    name: Name
    created_at: datetime
    clip_seconds: float
    pitch_hz: float
    pitch_spread: float
    syllables_per_second: float
    usable_by: tuple[str, ...]
    fidelity: Literal["tint", "clone"] = "tint"
    """`tint`: pitch, range, pace and colour of the clip, not the person's identity."""
    consent: str | None = None
    """Id of the consent that it was made with."""


class Consent(Contract):
    """A person's recorded agreement to have their voice kept."""

    id: str
    name: Name
    language: Language
    created_at: datetime
    seconds: float
    """Length of the recording."""


class Avatar(Contract):
    """A face kept on disk, ready to talk."""

    id: str
    name: Name
    created_at: datetime
    width: int
    height: int
    yaw: float
    pitch: float
    roll: float
    quality: float
    source: Literal["photo", "prompt"]


class VoiceList(Contract):
    """Voices a request may name: profiles, and each backend's own with the languages they speak."""

    profiles: tuple[VoiceProfile, ...]
    builtin: dict[str, dict[str, tuple[str, ...]]]
    """Voice backend -> built-in voice -> BCP 47 tags, the default voice first."""


class Gpu(Contract):
    """One card, as its driver reports it."""

    index: int
    name: str
    total_gigabytes: float
    used_gigabytes: float | None


class DeploymentStatus(Contract):
    """One part of the application, as Ray Serve sees it."""

    name: str
    """`<capability>-<backend>`, `ingress` or `coordinator`."""
    status: str
    """Ray Serve's word: HEALTHY, UPDATING, UNHEALTHY ..."""
    replicas: dict[str, int]
    """Replicas by state: RUNNING, STARTING ..."""
    reserved_gigabytes: float
    """Memory of a card that each replica reserves."""
    message: str = ""


class Status(Contract):
    """What runs, on what, with which settings."""

    version: str
    runtime: Literal["cluster", "process"]
    profile: str
    gpus: tuple[Gpu, ...]
    deployments: tuple[DeploymentStatus, ...]
    videos: dict[str, int]
    """Video jobs by state."""
    settings: dict[str, Any]
