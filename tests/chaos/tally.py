"""The embedded backends, keeping count: a line when a piece of work begins and one when it ends.

The file is MOUTHPIECE_TALLY's; lines are appended whole, by whichever process, and outlive every one of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployments.backends.avatar.procedural import Procedural
from deployments.backends.face.mediapipe import MediapipeFace
from deployments.backends.lipsync.meshwarp.backend import Meshwarp
from deployments.backends.voice.espeak import Espeak
from pipeline.contracts import AnimationRequest, Face, Frames, Picture, PortraitRequest, Speech, SpeechRequest
from pipeline.storage.parcels import pack_picture

NAME = "tally"
TARGETS = {"voice": "Voice", "avatar": "Avatar", "face": "Faces", "lipsync": "Lips"}
VARIABLE = "TALLY_FILE"


@dataclass(frozen=True, slots=True)
class Mark:
    """One line."""

    at: float
    what: str
    """begin or end."""
    kind: str
    which: str
    """What identifies the work: the text, the seed, the picture."""


def marks(file: Path) -> list[Mark]:
    """Everything written so far; a line cut off by a kill is passed over."""
    if not file.exists():
        return []
    whole = file.read_text().rpartition("\n")[0]
    return [Mark(**json.loads(line)) for line in whole.splitlines()]


def package(folder: Path) -> Path:
    """An installed package, as far as Python can tell, that offers these backends. Put it on PYTHONPATH."""
    info = folder / "mouthpiece_tally-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mouthpiece-tally\nVersion: 1.0\n")
    rows = [f"{capability}.{NAME}-{capability} = tests.chaos.tally:{name}" for capability, name in TARGETS.items()]
    (info / "entry_points.txt").write_text("\n".join(["[mouthpiece.backends]", *rows, ""]))
    return folder


def settings() -> list[str]:
    """What makes them the defaults."""
    return [f"{capability}.backends=[{NAME}-{capability}]" for capability in TARGETS]


def _mark(what: str, kind: str, which: str) -> None:
    line = json.dumps({"at": time.time(), "what": what, "kind": kind, "which": which}) + "\n"
    descriptor = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


class Voice(Espeak):
    def speak(self, request: SpeechRequest) -> Iterator[Speech]:
        _mark("begin", "speak", request.text)
        yield from super().speak(request)
        _mark("end", "speak", request.text)


class Avatar(Procedural):
    def draw(self, request: PortraitRequest) -> Picture:
        _mark("begin", "draw", str(request.seed))
        picture = super().draw(request)
        _mark("end", "draw", str(request.seed))
        return picture


class Faces(MediapipeFace):
    def locate(self, picture: Picture) -> Face:
        which = hashlib.sha256(pack_picture(picture)).hexdigest()
        _mark("begin", "locate", which)
        face = super().locate(picture)
        _mark("end", "locate", which)
        return face


class Lips(Meshwarp):
    def animate(self, request: AnimationRequest) -> Iterator[Frames]:
        _mark("begin", "film", str(request.seed))
        yield from super().animate(request)
        _mark("end", "film", str(request.seed))
