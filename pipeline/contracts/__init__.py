"""The typed requests and results of each capability: the only things that cross a process boundary.

Pydantic models are what a client sends or reads (JSON); dataclasses carry arrays between deployments.
Conventions: time in seconds, angles in degrees, sound as float32 mono in [-1, 1], pictures as uint8 RGB
(height, width, 3), coordinates in pixels with x to the right and y down, video frames as I420 planes in
BT.601 limited range (what OpenCV's RGB2YUV_I420 makes).
"""

from __future__ import annotations

from pipeline.contracts.flow import (
    AnimationRequest,
    Encoding,
    Face,
    Film,
    Frames,
    Phoneme,
    Picture,
    PortraitRequest,
    Samples,
    Speech,
    SpeechRequest,
    VoiceTint,
)
from pipeline.contracts.requests import Backends, DrawRequest, NewAvatar, NewVoice, SpeakRequest, VideoRequest
from pipeline.contracts.resources import (
    Avatar,
    Consent,
    DeploymentStatus,
    ErrorBody,
    Gpu,
    Status,
    VideoFacts,
    VideoJob,
    VoiceList,
    VoiceProfile,
)
from pipeline.contracts.words import (
    AudioFormat,
    Capability,
    Contract,
    JobState,
    Language,
    Name,
    Pitch,
    Rate,
    Seed,
    Size,
    Speed,
    Text,
    VideoFormat,
)

__all__ = [
    "AnimationRequest",
    "AudioFormat",
    "Avatar",
    "Backends",
    "Capability",
    "Consent",
    "Contract",
    "DeploymentStatus",
    "DrawRequest",
    "Encoding",
    "ErrorBody",
    "Face",
    "Film",
    "Frames",
    "Gpu",
    "JobState",
    "Language",
    "Name",
    "NewAvatar",
    "NewVoice",
    "Phoneme",
    "Picture",
    "Pitch",
    "PortraitRequest",
    "Rate",
    "Samples",
    "Seed",
    "Size",
    "SpeakRequest",
    "Speech",
    "SpeechRequest",
    "Speed",
    "Status",
    "Text",
    "VideoFacts",
    "VideoFormat",
    "VideoJob",
    "VideoRequest",
    "VoiceList",
    "VoiceProfile",
    "VoiceTint",
]
