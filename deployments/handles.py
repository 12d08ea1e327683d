"""The models as the pipeline sees them: one deployment handle behind each backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from typing import Any

from ray.exceptions import ObjectLostError, RayActorError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError
from ray.serve.handle import DeploymentHandle

from deployments.backends import registry
from deployments.model import Spent
from pipeline import timings
from pipeline.contracts import (
    AnimationRequest,
    Capability,
    CodedStretch,
    DubRequest,
    Encoding,
    EnlargeRequest,
    Face,
    Film,
    MotionRequest,
    Picture,
    PortraitRequest,
    Samples,
    Speech,
    SpeechRequest,
    StretchRequest,
    Tracked,
    TrackRequest,
    Transcript,
    TranscriptionRequest,
    UpscaleRequest,
    VoiceConditioning,
    VoiceTint,
)
from pipeline.errors import REPLICA_DIED, Busy, Cancelled, MouthpieceError, Unavailable, UnknownName


class HandleModels:
    """Implements `pipeline.models.Models` over Ray Serve deployment handles.

    `handles` maps each capability to its enabled backends, the default first; `options` are those of each backend.
    `together` says whether deployments can be at work at the same time; without it, all can.
    """

    def __init__(
        self,
        handles: Mapping[Capability, Mapping[str, DeploymentHandle]],
        options: Mapping[str, Mapping[str, Any]] | None = None,
        together: Callable[[Collection[str]], Awaitable[bool]] | None = None,
    ) -> None:
        self._handles = handles
        self._together = together
        self._options = options or {}
        self._fingerprints: dict[tuple[Capability, str], str] = {}

    def choose(self, capability: Capability, name: str | None) -> str:
        enabled = self._handles[capability]
        if name is None:
            return next(iter(enabled))
        if name not in enabled:
            raise UnknownName.of(f"{capability} backend", name, enabled, field=f"backends.{capability}")
        return name

    def enabled(self, capability: Capability) -> tuple[str, ...]:
        return tuple(self._handles[capability])

    def fingerprint(self, capability: Capability, backend: str) -> str:
        known = self._fingerprints.get((capability, backend))
        if known is None:
            row = registry.find(capability, backend)
            known = registry.fingerprint(row, self._options.get(backend, {}))
            self._fingerprints[capability, backend] = known
        return known

    async def together(self, voice: str, lipsync: str) -> bool:
        return self._together is None or await self._together((f"voice-{voice}", f"lipsync-{lipsync}"))

    async def voices(self, backend: str) -> dict[str, tuple[str, ...]]:
        return await self._call("voice", backend, "voices")

    def speak(self, backend: str, request: SpeechRequest) -> AsyncIterator[Speech]:
        return self._stream("voice", backend, "stream", "speak", request)

    async def tint(self, backend: str, samples: Samples, sample_rate: int) -> VoiceTint:
        return await self._call("voice", backend, "tint", samples, sample_rate)

    def clones(self, backend: str) -> bool:
        return registry.find("voice", backend).clones

    async def condition(self, backend: str, samples: Samples, sample_rate: int) -> VoiceConditioning:
        return await self._call("voice", backend, "condition", samples, sample_rate)

    async def draw(self, backend: str, request: PortraitRequest) -> Picture:
        return await self._call("avatar", backend, "draw", request)

    def honours(self, backend: str) -> tuple[str, ...]:
        return registry.find("avatar", backend).honours

    def redrawn(self, backend: str) -> bool:
        return registry.find("avatar", backend).redrawn

    async def locate(self, backend: str, picture: Picture) -> Face:
        return await self._call("face", backend, "locate", picture)

    def film(self, backend: str, request: AnimationRequest, encoding: Encoding) -> AsyncIterator[Film]:
        return self._stream("lipsync", backend, "film", request, encoding)

    def stretching(self) -> tuple[str, ...]:
        return tuple(
            name
            for name in self.enabled("lipsync")
            if registry.find("lipsync", name).stretching(self._options.get(name, {}))
        )

    async def stretch(self, backend: str, request: StretchRequest, encoding: Encoding) -> CodedStretch:
        return await self._call("lipsync", backend, request, encoding, method="stretch")

    def passage(self, backend: str, request: StretchRequest, encoding: Encoding) -> AsyncIterator[CodedStretch | int]:
        return self._stream("lipsync", backend, "passage", request, encoding)

    def dubs(self, backend: str) -> bool:
        return registry.find("lipsync", backend).dubs

    def dubbing(self) -> tuple[str, ...]:
        return registry.dubbing()

    def track(self, backend: str, request: TrackRequest) -> AsyncIterator[Tracked]:
        return self._stream("face", backend, "track", request)

    def dub(self, backend: str, request: DubRequest, encoding: Encoding) -> AsyncIterator[Film]:
        return self._stream("lipsync", backend, "dub", request, encoding)

    def move(self, backend: str, request: MotionRequest, encoding: Encoding) -> AsyncIterator[Film]:
        return self._stream("motion", backend, "clip", request, encoding)

    async def upscale(self, backend: str, request: UpscaleRequest) -> Picture:
        return await self._call("upscale", backend, "upscale", request)

    async def transcribe(self, backend: str, request: TranscriptionRequest) -> Transcript:
        return await self._call("transcribe", backend, "transcribe", request)

    def recognises(self, backend: str) -> bool:
        return registry.find("transcribe", backend).recognises

    def enlarge(self, backend: str, request: EnlargeRequest) -> AsyncIterator[Film]:
        return self._stream("upscale", backend, "enlarge", request)

    async def _call(self, capability: Capability, backend: str, *arguments: Any, method: str = "call") -> Any:
        try:
            return await self._call_once(capability, backend, method, *arguments)
        except Unavailable as error:
            if error.code != REPLICA_DIED:
                raise
        # The same request gives the same result, so another replica may do it again; once, lest it be the request
        # that kills them.
        return await self._call_once(capability, backend, method, *arguments)

    async def _call_once(self, capability: Capability, backend: str, method: str, *arguments: Any) -> Any:
        sent = time.time()
        response: Any = self._handles[capability][backend].options(method_name=method).remote(*arguments)
        try:
            result, spent = await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except Exception as error:
            raise translated(error, f"{capability}-{backend}") from error
        _book(sent, spent)
        return result

    async def _stream(self, capability: Capability, backend: str, method: str, *arguments: Any) -> AsyncIterator[Any]:
        begun = False
        try:
            async with aclosing(self._stream_once(capability, backend, method, *arguments)) as items:
                async for item in items:
                    begun = True
                    yield item
            return
        except Unavailable as error:
            if error.code != REPLICA_DIED or begun:
                raise
        async with aclosing(self._stream_once(capability, backend, method, *arguments)) as items:
            async for item in items:
                yield item

    async def _stream_once(
        self, capability: Capability, backend: str, method: str, *arguments: Any
    ) -> AsyncGenerator[Any]:
        sent = time.time()
        handle = self._handles[capability][backend].options(method_name=method, stream=True)
        response: Any = handle.remote(*arguments)
        try:
            async for item in response:
                if isinstance(item, Spent):
                    _book(sent, item)
                else:
                    yield item
        except Exception as error:
            raise translated(error, f"{capability}-{backend}") from error
        finally:
            response.cancel()


def _book(sent: float, spent: Spent) -> None:
    """For the breakdown of the request that this call belongs to."""
    ledger = timings.current.get()
    if ledger is not None:
        ledger.called(timings.Call(sent, time.time(), spent.began, spent.ended))


def translated(error: Exception, deployment: str) -> BaseException:
    """Ray wraps what a replica raised; the pipeline wants the thing itself."""
    if isinstance(error, RequestCancelledError | TaskCancelledError):
        # Serve's local mode says so of a caller that is itself being cancelled, which has to stay that.
        task = asyncio.current_task()
        ours = task is not None and task.cancelling() > 0
        return asyncio.CancelledError() if ours else Cancelled(f"The request to {deployment} was cancelled.")
    cause = getattr(error, "cause", None)
    if isinstance(cause, MouthpieceError):
        return cause
    if isinstance(error, BackPressureError):
        return Busy(f"{deployment} has more requests waiting than it takes.", retry_after=1)
    if isinstance(error, RayActorError | ObjectLostError):
        return Unavailable(f"The replica of {deployment} died at work.", code=REPLICA_DIED, retry_after=1)
    if isinstance(error, DeploymentUnavailableError):
        return Unavailable(f"{deployment} can't be reached.", retry_after=5)
    return error
