"""What a node works with: the models, the store, the limits, and someone who wants to know how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from pipeline.contracts import Speech
from pipeline.models import Models
from pipeline.settings import Settings
from pipeline.storage.artifacts import Artifacts, Stored


class Tell(Protocol):
    """Told how much of a node is done, of how much."""

    def __call__(self, made: int, total: int) -> None: ...


class TellSpeech(Tell, Protocol):
    """Told what is said as well."""

    def said(self, part: Speech) -> None:
        """The next part of the speech that the node makes, as soon as that is there."""
        ...


@dataclass(frozen=True, slots=True)
class Output:
    """What a node made."""

    artifact: Stored
    facts: dict[str, JsonValue]
    """What is worth knowing about it without reading it; kept beside the key."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where nodes are made."""

    models: Models
    artifacts: Artifacts
    settings: Settings

    async def keep(self, data: bytes) -> Stored:
        return await asyncio.to_thread(self.artifacts.put, data)


class Passages(Protocol):
    """The parts of a film that were made, by number: 0 is the header, the others are fragments of MP4."""

    async def find(self, number: int) -> bytes | None: ...

    async def keep(self, number: int, data: bytes, frames: int) -> None:
        """With how many frames it has. From then on no crash loses it. In order."""
        ...

    async def forget(self) -> None:
        """Lets all of them go."""
        ...


@dataclass(frozen=True, slots=True)
class Inputs:
    """The artifacts that a node is made from: digests by role, in order."""

    artifacts: Artifacts
    digests: Mapping[str, tuple[str, ...]]
    passages: Passages | None = None
    """What was made of it before, where it is made in parts; None where nothing can be kept but the whole."""

    def __contains__(self, role: str) -> bool:
        return bool(self.digests.get(role))

    async def one(self, role: str) -> bytes:
        (digest,) = self.digests[role]
        return await asyncio.to_thread(self.artifacts.read, digest)

    async def each(self, role: str) -> list[bytes]:
        return [await asyncio.to_thread(self.artifacts.read, digest) for digest in self.digests[role]]
