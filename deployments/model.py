"""The replica that holds one backend."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from deployments.backends import registry
from deployments.backends.published import licences
from deployments.placement.berth import Berth
from deployments.placement.terms import Terms
from pipeline.contracts import (
    AnimationRequest,
    Capability,
    CodedStretch,
    DubRequest,
    Encoding,
    EnlargeRequest,
    MotionRequest,
    StretchRequest,
    TrackRequest,
)
from pipeline.errors import BackendFailed, Damaged, MissingWeights, MouthpieceError
from pipeline.steps.dub import dub
from pipeline.steps.enlarge import enlarge
from pipeline.steps.film import clip, film
from pipeline.steps.stretch import stretch
from pipeline.steps.track import track
from pipeline.streams import from_thread

logger = logging.getLogger("mouthpiece")


LAST: Final = 19
"""Niceness of who gets what nobody else wants."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Comes with every answer: when the replica was at work on it, in seconds since the epoch."""

    began: float
    ended: float

    @classmethod
    def since(cls, began: float) -> Spent:
        return cls(began, time.time())


class Model:
    """Serves one backend: loads it, runs it on one thread, streams what it yields.

    `at_once` loads it in the constructor; otherwise its first use does, for a process that needs few of them.
    `terms` are those of a model that needs a card: its process is then kept within what is set aside for it, and
    running out of that is `BackendFailed` with code out_of_memory. With `commercial_use`, weights whose licence forbids
    it are refused, whatever option asks for them.

    Weights that are missing or damaged are no reason to start again and again: the replica stays, says so to whoever
    asks, and looks for them again at the next request.

    The event loop stays free meanwhile, so health checks answer, streams are cancelled promptly and bad input
    never costs the replica: a `MouthpieceError` goes back to the caller as it is, anything else as
    `BackendFailed`. Streams end with one `Spent`; calls return `(result, Spent)`.
    """

    def __init__(
        self,
        capability: Capability,
        name: str,
        options: Mapping[str, Any],
        *,
        at_once: bool = True,
        terms: Terms | None = None,
        commercial_use: bool = False,
    ) -> None:
        self._commercial_use = commercial_use
        self._capability: Capability = capability
        self._name = name
        self._options = options
        self._label = f"{capability}-{name}"
        # Backends are promised one thread at a time. A lock rather than a one-thread pool, because an abandoned
        # stream has to close its iterator in the thread that runs it.
        self._turn = threading.Lock()
        self._berth = None if terms is None else Berth(terms)
        self._unusable: BackendFailed | None = None
        self._among_others = at_once
        if at_once:
            self._load()

    def _load(self) -> None:
        try:
            _ = self._backend
        except (MissingWeights, Damaged) as error:
            logger.warning("%s can't work yet: %s Run: %s", self._label, error.message, error.accepted)
        except Exception as error:
            self._unusable = self._berth.shortage(error) if self._berth else None
            if self._unusable is None:
                raise
            # It stays until those who wait for it have been told; the next replica has more room.
        if self._berth:
            self._berth.ready()

    @cached_property
    def _backend(self) -> Any:
        with licences.held_to(self._commercial_use):
            return registry.load(registry.find(self._capability, self._name), self._options)

    async def call(self, method: str, *arguments: Any) -> tuple[Any, Spent]:
        """Runs `method` of the backend's protocol to its end."""
        began = time.time()
        with self._working():
            result = await asyncio.to_thread(self._run, method, arguments)
        return result, Spent.since(began)

    async def stream(self, method: str, *arguments: Any) -> AsyncIterator[Any]:
        """Yields what the iterator returned by `method` yields, as it comes."""
        async for item in self._relay(lambda: getattr(self._backend, method)(*arguments)):
            yield item

    async def film(self, request: AnimationRequest, encoding: Encoding) -> AsyncIterator[Any]:
        """Animates with the backend and encodes beside it; yields `Film`."""
        async for item in self._relay(lambda: film(self._backend, request, encoding)):
            yield item

    async def stretch(self, request: StretchRequest, encoding: Encoding) -> tuple[CodedStretch, Spent]:
        """Animates a stretch with the backend and encodes beside it; who goes away meanwhile ends it."""
        began = time.time()
        made: CodedStretch | None = None
        with self._working():
            pieces = from_thread(lambda: self._iterate(lambda: stretch(self._backend, request, encoding)))
            async with aclosing(pieces):
                async for piece in pieces:
                    made = piece if isinstance(piece, CodedStretch) else None
        assert made is not None  # noqa: S101 - the last piece of every stretch
        return made, Spent.since(began)

    async def passage(self, request: StretchRequest, encoding: Encoding) -> AsyncIterator[Any]:
        """The same for a part of a film that is kept: yields how many frames are done, then the `CodedStretch`."""
        async for item in self._relay(lambda: stretch(self._backend, request, encoding, in_order=False)):
            yield item

    async def track(self, request: TrackRequest) -> AsyncIterator[Any]:
        """Finds the face in every frame of a film; yields `Tracked`."""
        async for item in self._relay(lambda: track(self._backend, request)):
            yield item

    async def dub(self, request: DubRequest, encoding: Encoding) -> AsyncIterator[Any]:
        """Has a film say something with the backend and encodes beside it; yields `Film`."""
        async for item in self._relay(lambda: dub(self._backend, request, encoding)):
            yield item

    async def clip(self, request: MotionRequest, encoding: Encoding) -> AsyncIterator[Any]:
        """Moves a picture with the backend and encodes beside it; yields `Film`."""
        async for item in self._relay(lambda: clip(self._backend, request, encoding)):
            yield item

    async def enlarge(self, request: EnlargeRequest) -> AsyncIterator[Any]:
        """Enlarges a film with the backend and encodes beside it; yields `Film`."""
        async for item in self._relay(lambda: enlarge(self._backend, request)):
            yield item

    async def _relay(self, start: Callable[[], Iterator[Any]]) -> AsyncIterator[Any]:
        began = time.time()
        with self._working():
            async for item in from_thread(lambda: self._iterate(start)):
                yield item
        yield Spent.since(began)

    def _run(self, method: str, arguments: tuple[Any, ...]) -> Any:
        self._give_way()
        with self._turn:
            self._check()
            try:
                return getattr(self._backend, method)(*arguments)
            except MouthpieceError:
                raise
            except Exception as error:
                raise self._failed(error) from error

    def _iterate(self, start: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        self._give_way()
        with self._turn:
            self._check()
            try:
                yield from start()
            except MouthpieceError:
                raise
            except Exception as error:
                raise self._failed(error) from error

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Called by Serve several times a second, for the placement policy."""
        return self._berth.stats() if self._berth else {}

    def _working(self) -> AbstractContextManager[None]:
        return self._berth.working() if self._berth else nullcontext()

    def _give_way(self) -> None:
        """A thread that computes, and those that it starts, leave the cores to whoever only passes something on: proxy,
        ingress and coordinator answer while renders fill the machine, and renders, which have all the rest, take as
        long as they did."""
        if self._among_others and sys.platform == "linux":  # elsewhere the event loop would give way with it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LAST)

    def _check(self) -> None:
        if self._unusable is not None:
            raise self._unusable

    def _failed(self, error: Exception) -> BackendFailed:
        short = self._berth.shortage(error) if self._berth else None
        if short is not None:
            return short
        return BackendFailed(f"{self._label} failed: {type(error).__name__}: {error}")
