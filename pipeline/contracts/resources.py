"""What a client reads."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.contracts.words import Contract, JobState, Language, Name, VideoFormat


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
    """Side of the square, pixels; of another shape, the shorter side."""
    width: int
    height: int
    format: VideoFormat
    bytes: int
    sha256: str
    timings: dict[str, float]
    """Wall seconds by stage. Stages overlap, so they add up to more than `total`."""
    backends: dict[str, str]

    @model_validator(mode="before")
    @classmethod
    def _square(cls, values: Any) -> Any:
        # What the first releases kept are squares, of which they said no more than the side.
        if isinstance(values, dict) and "size" in values:
            return {"width": values["size"], "height": values["size"], **values}
        return values


class VideoJob(Contract):
    """A video being made, or made: of a face that talks, or a clip."""

    id: str
    """`vid_` and 26 letters and digits."""
    object: Literal["video"] = "video"
    status: JobState
    progress: Annotated[float, Field(ge=0, le=100)]
    stage: str
    """What is being done now: queued, speaking (the portrait is prepared meanwhile), animating (of long videos the
    rest is spoken meanwhile), moving, done."""
    frames_made: int = 0
    frames_total: int | None = None
    """Known once all of the speech is."""
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
    """`tint`: pitch, range, pace and colour of the clip, not the person's identity. `clone`: at least one of
    `usable_by` speaks as the person; the others tint."""
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
    total_gigabytes: float | None
    """None where the driver does not say."""
    used_gigabytes: float | None


class DeploymentStatus(Contract):
    """One part of the application, as Ray Serve sees it."""

    name: str
    """`<capability>-<backend>`, `ingress` or `coordinator`."""
    status: str
    """Ray Serve's word: HEALTHY, UPDATING, UNHEALTHY ..."""
    replicas: dict[str, int]
    """Replicas by state: RUNNING, STARTING ..."""
    reserved_gigabytes: float = 0.0
    """Memory of a card that each replica reserves, in 2**30 bytes: the larger of what the model declares and what it
    was found to need."""
    measured_gigabytes: float = 0.0
    """The most of it that its replicas have taken, together."""
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


class SpokenWord(Contract):
    text: str
    """As it stands in the text, with the punctuation beside it."""
    start: float
    end: float
    """Seconds."""
    confidence: float


class SpokenSound(Contract):
    ipa: str
    """Empty is silence."""
    start: float
    end: float


class Transcription(Contract):
    """What a recording says, and when."""

    text: str
    language: str
    seconds: float
    confidence: float
    """0 to 1: how well text and recording go together. At 0, another text would fit as well."""
    no_speech: float
    """0 to 1: how likely it is that nobody speaks at all, where the backend has an opinion."""
    words: tuple[SpokenWord, ...]
    phonemes: tuple[SpokenSound, ...] | None
    """None where the backend has none."""
    backend: str
