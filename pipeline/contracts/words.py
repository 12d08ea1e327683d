"""Words that every contract is written in."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Capability = Literal["voice", "avatar", "face", "lipsync", "motion", "upscale", "transcribe"]
VideoFormat = Literal["mp4", "webm", "gif"]
MEDIA_TYPES: Final[dict[VideoFormat, str]] = {"mp4": "video/mp4", "webm": "video/webm", "gif": "image/gif"}
AudioFormat = Literal["wav", "flac", "mp3", "opus", "aac", "pcm"]
SubtitleFormat = Literal["srt", "vtt"]
TranscriptFormat = Literal["json", "text", "srt", "vtt"]
Camera = Literal[
    "still",
    "zoom_in",
    "zoom_out",
    "pan_left",
    "pan_right",
    "pan_up",
    "pan_down",
    "orbit_left",
    "orbit_right",
]
"""How the camera moves: it pans by turning, so what it shows goes the other way, and orbits around what is in front."""
Extension = Literal["bounce", "loop", "hold"]
"""What a film does where the speech goes on after its end: it goes backwards and forwards again, begins anew, or stays
at its last picture."""
JobState = Literal["queued", "running", "completed", "failed", "cancelled"]

Size = Annotated[int, Field(ge=128, le=1536, multiple_of=2, description="Side of the square picture, pixels; even.")]
Side = Annotated[int, Field(ge=128, le=3840, multiple_of=2, description="Width or height, pixels; even.")]
Strength = Annotated[float, Field(ge=0, le=2, description="0 is none, 1 is natural.")]
Factor = Annotated[float, Field(ge=1, le=4, description="Times as wide and as tall.")]
Style = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,59}$", description="Name of a style of the backend.")]
Lora = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,59}$", description="Name of a LoRA of the backend.")]
LoraWeight = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False, description="0 is none of it, 1 all.")]
Steps = Annotated[int, Field(ge=1, le=1000, description="Denoising steps.")]
Guidance = Annotated[float, Field(ge=0, le=30, allow_inf_nan=False, description="How closely the words are followed.")]
Redrawn = Annotated[float, Field(gt=0, le=1, description="How much of a picture is drawn anew: 1 is all of it.")]
Rate = Annotated[float, Field(ge=5, le=60, description="Frames a second; 23.976, 29.97 and 59.94 mean x/1001.")]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Language = Annotated[str, Field(min_length=2, max_length=35, pattern=r"^[A-Za-z][A-Za-z0-9-]*$")]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(min_length=1, max_length=1_000_000)]
Speed = Annotated[float, Field(ge=0.25, le=4)]
Pitch = Annotated[float, Field(ge=-12, le=12, description="Semitones up or down.")]

Priority = Annotated[int, Field(ge=-100, le=100, description="Higher is sooner.")]
Webhook = Annotated[str, Field(max_length=2000, pattern=r"^https?://", description="An http or https URL.")]
IdempotencyKey = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
"""A name that the client gives to one request, so that sending it twice makes one job."""


class Contract(BaseModel):
    """Base of everything a client sends or reads: immutable, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
