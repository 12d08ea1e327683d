"""What a node works with: the models, the store, the limits, and someone who wants to know how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol

from pydantic import JsonValue

from pipeline.contracts import Speech
from pipeline.models import Models
from pipeline.settings import Settings
from pipeline.storage.artifacts import Artifacts, Stored

PATIENCE: Final = 1.0
"""Seconds for which a node that waits for what comes, with nothing to do, keeps its turn."""


class Tell(Protocol):
    """Told how much of a node is done, of how much."""

    def __call__(self, made: int, total: int, *, sure: bool = True) -> None:
        """Where it is not `sure`, `total` is what is likely."""
        ...


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
    patience: float = PATIENCE

    async def keep(self, data: bytes) -> Stored:
        return await asyncio.to_thread(self.artifacts.put, data)


class Passages(Protocol):
    """The parts of a film that were made, by number: 0 is the header, the others are fragments of MP4."""

    async def find(self, number: int, sound: str | None = None) -> bytes | None:
        """What is kept; where `sound` is given, only what was made of that, and what was made of other sound goes."""
        ...

    async def keep(self, number: int, data: bytes, frames: int, sound: str = "") -> None:
        """With how many frames it has, and a digest of the sound that it was made of. From then on no crash loses it.
        In order."""
        ...

    async def forget(self) -> None:
        """Lets all of them go."""
        ...


class Coming(Protocol):
    """Artifacts that a node is made from and that come one after another, while it is made."""

    @property
    def voices(self) -> Collection[str]:
        """The backends that make them."""
        ...

    def __len__(self) -> int: ...

    async def digest(self, place: int) -> str:
        """Of the one at this place, from 0 on, as soon as it is there."""
        ...


@dataclass(frozen=True, slots=True)
class Inputs:
    """The artifacts that a node is made from: digests by role, in order."""

    artifacts: Artifacts
    digests: Mapping[str, tuple[str, ...]]
    passages: Passages | None = None
    """What was made of it before, where it is made in parts; None where nothing can be kept but the whole."""
    coming: Mapping[str, Coming] = field(default_factory=dict)
    """Those by role that are not all there yet."""
    aside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    """Lets other nodes have this one's turn, while there is nothing to do but wait for what comes."""

    def __contains__(self, role: str) -> bool:
        return role in self.coming or bool(self.digests.get(role))

    async def parts(self, role: str) -> AsyncGenerator[tuple[str, bytes]]:
        """Digest and content of each, in order: read when it is wanted, and waited for where it has not come."""
        coming = self.coming.get(role)
        for place in range(len(self.digests[role] if coming is None else coming)):
            digest = self.digests[role][place] if coming is None else await coming.digest(place)
            yield digest, await asyncio.to_thread(self.artifacts.read, digest)

    async def one(self, role: str) -> bytes:
        (digest,) = self.digests[role]
        return await asyncio.to_thread(self.artifacts.read, digest)

    async def each(self, role: str) -> list[bytes]:
        return [data async for _, data in self.parts(role)]
