"""The table of node kinds: what makes one, and what it shares its turns with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.contracts import Capability, StepKind
from pipeline.graph import Node
from pipeline.nodes.bench import Bench, Inputs, Output, TellSpeech
from pipeline.nodes.draw import draw
from pipeline.nodes.dub import dub
from pipeline.nodes.enlarge import enlarge
from pipeline.nodes.film import begun, film
from pipeline.nodes.locate import locate
from pipeline.nodes.measure import measure
from pipeline.nodes.move import move
from pipeline.nodes.speak import speak
from pipeline.nodes.track import track
from pipeline.nodes.transcribe import transcribe

Medium = Literal["audio", "image", "video"]
"""Nodes of one medium take turns: `jobs.audio`, `jobs.image` and `jobs.video` say how many at once."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How nodes of a kind are made."""

    capability: Capability
    medium: Medium
    stage: str
    """What is being done, for people."""
    make: Callable[[Node, Inputs, Bench, TellSpeech], Awaitable[Output]]
    gradual: str = ""
    """The role whose artifacts may come while the node is made already; nothing where all have to be there."""
    begun: Callable[[Node, Inputs, Bench], Awaitable[None]] | None = None
    """Waits, before the node takes its turn, for what has to have come."""


KINDS: Final[Mapping[StepKind, Kind]] = {
    "measure": Kind("voice", "audio", "speaking", measure),
    "speak": Kind("voice", "audio", "speaking", speak),
    "draw": Kind("avatar", "image", "drawing", draw),
    "locate": Kind("face", "image", "locating", locate),
    "film": Kind("lipsync", "video", "animating", film, "speech", begun),
    "move": Kind("motion", "video", "moving", move),
    "track": Kind("face", "video", "tracking", track),
    "dub": Kind("lipsync", "video", "dubbing", dub),
    "enlarge": Kind("upscale", "video", "enlarging", enlarge),
    "transcribe": Kind("transcribe", "audio", "transcribing", transcribe),
}
