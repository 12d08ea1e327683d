"""The replica that holds one backend."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deployments.backends import registry
from pipeline.contracts import AnimationRequest, Capability, Encoding
from pipeline.errors import BackendFailed, MouthpieceError
from pipeline.steps.film import film
from pipeline.streams import from_thread


@dataclass(frozen=True, slots=True)
class Spent:
    """Comes with every answer: wall seconds inside the replica. The caller's wall less this is transport."""

    seconds: float


class Model:
    """Serves one backend: loads it, runs it on one thread, streams what it yields.

    `at_once` loads it in the constructor; otherwise its first use does, for a process that needs few of them.

    The event loop stays free meanwhile, so health checks answer, streams are cancelled promptly and bad input
    never costs the replica: a `MouthpieceError` goes back to the caller as it is, anything else as
    `BackendFailed`. Streams end with one `Spent`; calls return `(result, Spent)`.
    """

    def __init__(self, capability: Capability, name: str, options: Mapping[str, Any], *, at_once: bool = True) -> None:
        self._capability: Capability = capability
        self._name = name
        self._options = options
        self._label = f"{capability}-{name}"
        # Backends are promised one thread at a time. A lock rather than a one-thread pool, because an abandoned
        # stream has to close its iterator in the thread that runs it.
        self._turn = threading.Lock()
        if at_once:
            _ = self._backend

    @cached_property
    def _backend(self) -> Any:
        return registry.load(registry.find(self._capability, self._name), self._options)

    async def call(self, method: str, *arguments: Any) -> tuple[Any, Spent]:
        """Runs `method` of the backend's protocol to its end."""
        started = time.perf_counter()
        result = await asyncio.to_thread(self._run, method, arguments)
        return result, Spent(time.perf_counter() - started)

    async def stream(self, method: str, *arguments: Any) -> AsyncIterator[Any]:
        """Yields what the iterator returned by `method` yields, as it comes."""
        async for item in self._relay(lambda: getattr(self._backend, method)(*arguments)):
            yield item

    async def film(self, request: AnimationRequest, encoding: Encoding) -> AsyncIterator[Any]:
        """Animates with the backend and encodes beside it; yields `Film`."""
        async for item in self._relay(lambda: film(self._backend, request, encoding)):
            yield item

    async def _relay(self, start: Callable[[], Iterator[Any]]) -> AsyncIterator[Any]:
        started = time.perf_counter()
        async for item in from_thread(lambda: self._iterate(start)):
            yield item
        yield Spent(time.perf_counter() - started)

    def _run(self, method: str, arguments: tuple[Any, ...]) -> Any:
        with self._turn:
            try:
                return getattr(self._backend, method)(*arguments)
            except MouthpieceError:
                raise
            except Exception as error:
                raise self._failed(error) from error

    def _iterate(self, start: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        with self._turn:
            try:
                yield from start()
            except MouthpieceError:
                raise
            except Exception as error:
                raise self._failed(error) from error

    def _failed(self, error: Exception) -> BackendFailed:
        return BackendFailed(f"{self._label} failed: {type(error).__name__}: {error}")
