"""One talking video, from request to file: the order of the steps."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args

import numpy as np

from pipeline import timings
from pipeline.contracts import (
    AnimationRequest,
    Capability,
    Encoding,
    PortraitRequest,
    Speech,
    VideoFacts,
    VideoRequest,
)
from pipeline.errors import REPLICA_DIED, InvalidRequest, TooLarge, Unavailable
from pipeline.media.audio import check_speech, decode_audio
from pipeline.models import Models
from pipeline.settings import Settings
from pipeline.steps.locate import Locator, Portrait
from pipeline.steps.speak import Speaker, Spoken
from pipeline.storage.avatars import AvatarStore
from pipeline.text import normalise

log = logging.getLogger("mouthpiece.render")

T = TypeVar("T")


class Report(Protocol):
    """Told the stage and the progress in percent, which never goes back; frames made of all, once that is known."""

    def __call__(self, stage: str, progress: float, frames_made: int = 0, frames_total: int | None = None) -> None: ...


PREPARED = 10.0
"""Percent shown when speech and portrait are ready; the frames make the rest."""

DRAWN = 512
"""Pixels a side of a drawn portrait, at least."""


class Renderer:
    """Renders videos with the models and stores it is given."""

    def __init__(
        self, models: Models, settings: Settings, speaker: Speaker, locator: Locator, avatars: AvatarStore
    ) -> None:
        self._models = models
        self._settings = settings
        self._speaker = speaker
        self._locator = locator
        self._avatars = avatars

    async def admit(self, request: VideoRequest) -> None:
        """Everything about a request that can be refused, before it is accepted. Raises `UserError`."""
        _one_of(request, "text", "audio", required=True)
        _one_of(request, "portrait", "avatar", "prompt", required=False)
        # Those that the request does not need as well: a name that nobody knows is a mistake wherever it stands.
        for capability in get_args(Capability):
            self._models.choose(capability, getattr(request.backends, capability))
        if request.text is not None:
            normalise(request.text, limit=self._settings.limits.text_characters)
            await self._spoken(request)
        else:
            await asyncio.to_thread(self._recording, request)
        if request.portrait is not None:
            await self._locator.photo(request.portrait, request.backends.face)
        elif request.avatar is not None:
            await asyncio.to_thread(self._avatars.get, request.avatar)

    async def render(self, request: VideoRequest, target: Path, report: Report) -> VideoFacts:
        """Writes the video to `target`. Cancelling the task stops the models and leaves no file.

        Raises `UserError` for a request that `admit` would have refused, `BackendFailed` where a model failed.
        """
        ledger = timings.Timings()
        timings.current.set(ledger)
        report("speaking", 0.0)
        try:
            async with asyncio.TaskGroup() as group:
                speech_task = group.create_task(_again(lambda: self._speech(request, ledger)))
                portrait_task = group.create_task(_again(lambda: self._portrait(request, ledger)))
        except ExceptionGroup as failures:
            # One of the two failed and the other was cancelled: the one is the answer.
            raise failures.exceptions[0] from None
        speech, portrait = speech_task.result(), portrait_task.result()
        if speech.seconds > self._settings.limits.video_seconds:
            raise TooLarge(
                f"The speech lasts {speech.seconds:.0f} s.",
                code="video_too_long",
                field="audio" if request.text is None else "text",
                accepted=f"at most {self._settings.limits.video_seconds:.0f} s",
            )
        animation = AnimationRequest(
            portrait=portrait.picture,
            face=portrait.face,
            speech=speech,
            size=request.size or self._settings.video.size,
            fps=frame_rate(request.fps or self._settings.video.fps),
            seed=request.seed,
            head_motion=request.head_motion,
            blink=request.blink,
        )
        lipsync = self._models.choose("lipsync", request.backends.lipsync)
        encoding = Encoding(request.format, self._settings.video.preset, self._settings.video.crf)
        digest, size = await _again(lambda: self._film(lipsync, animation, encoding, target, report, ledger))
        report("done", 100.0, animation.frame_count, animation.frame_count)
        return VideoFacts(
            seconds=animation.frame_count / float(animation.fps),
            frames=animation.frame_count,
            fps=float(animation.fps),
            size=animation.size,
            format=request.format,
            bytes=size,
            sha256=digest,
            timings=ledger.seconds(),
            backends=self._used(request) | {"lipsync": lipsync},
        )

    async def _film(
        self,
        backend: str,
        animation: AnimationRequest,
        encoding: Encoding,
        target: Path,
        report: Report,
        ledger: timings.Timings,
    ) -> tuple[str, int]:
        total = animation.frame_count
        report("animating", PREPARED, 0, total)
        digest, size = hashlib.sha256(), 0
        partial = target.with_name(target.name + ".part")
        try:
            with ledger.measure("film"), partial.open("wb") as file:
                async for piece in self._models.film(backend, animation, encoding):
                    file.write(piece.data)
                    digest.update(piece.data)
                    size += len(piece.data)
                    report("animating", PREPARED + (99 - PREPARED) * piece.frames / total, piece.frames, total)
                    for stage, seconds in (piece.timings or {}).items():
                        ledger.add(stage, seconds)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return digest.hexdigest(), size

    async def _speech(self, request: VideoRequest, ledger: timings.Timings) -> Speech:
        with ledger.measure("speak"):
            if request.text is None:
                return await asyncio.to_thread(self._recording, request)
            text = normalise(request.text, limit=self._settings.limits.text_characters)
            spoken = await self._spoken(request)
            stream = self._speaker.speak(spoken, text, request.language, request.speed, request.pitch)
            return Speech.join([part async for part in stream])

    async def _spoken(self, request: VideoRequest) -> Spoken:
        return await self._speaker.resolve(
            backend=request.backends.voice,
            voice=request.voice,
            clip=request.voice_clip,
            language=request.language,
        )

    def _recording(self, request: VideoRequest) -> Speech:
        if request.voice is not None or request.voice_clip is not None:
            raise InvalidRequest(
                "A recording is lip-synced as it is; a voice speaks a text.",
                field="voice_clip" if request.voice is None else "voice",
                accepted="text with a voice, or audio alone",
            )
        data = request.audio or b""
        samples, rate = decode_audio(data, field="audio", max_seconds=self._settings.limits.audio_seconds)
        check_speech(samples, rate, "audio")
        return Speech(np.asarray(samples, np.float32), rate, None, request.language)

    async def _portrait(self, request: VideoRequest, ledger: timings.Timings) -> Portrait:
        if request.portrait is not None:
            with ledger.measure("locate"):
                return await self._locator.photo(request.portrait, request.backends.face)
        if request.avatar is not None:
            with ledger.measure("load"):
                return await asyncio.to_thread(self._kept, request.avatar)
        with ledger.measure("draw"):
            backend = self._models.choose("avatar", request.backends.avatar)
            # Never smaller than a face that can be found and followed; the frames are cut down to their size.
            size = max(DRAWN, request.size or self._settings.video.size)
            picture = await self._models.draw(backend, PortraitRequest(request.prompt or "", size, request.seed))
        with ledger.measure("locate"):
            return await self._locator.picture(picture, request.backends.face)

    def _kept(self, avatar: str) -> Portrait:
        identity = self._avatars.get(avatar).id
        return Portrait(self._avatars.picture(identity), self._avatars.face(identity))

    def _used(self, request: VideoRequest) -> dict[str, str]:
        used: dict[str, str] = {}
        if request.text is not None:
            used["voice"] = self._models.choose("voice", request.backends.voice)
        if request.avatar is None:
            used["face"] = self._models.choose("face", request.backends.face)
            if request.portrait is None:
                used["avatar"] = self._models.choose("avatar", request.backends.avatar)
        return used


async def _again(step: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Does a step, and once more where the replica that did it died: steps give the same result each time."""
    try:
        return await step()
    except Unavailable as error:
        if error.code != REPLICA_DIED:
            raise
        log.warning("%s Doing the step again.", error.message)
        return await step()


def frame_rate(rate: float) -> Fraction:
    """The exact rate that a decimal one means: 29.97 is 30000/1001, 25 is 25."""
    for whole in (24, 30, 48, 60):
        if abs(rate - whole * 1000 / 1001) < 0.005:
            return Fraction(whole * 1000, 1001)
    return Fraction(rate).limit_denominator(1001)


def _one_of(request: VideoRequest, *fields: str, required: bool) -> None:
    given = [field for field in fields if getattr(request, field) is not None]
    listed = " or ".join(fields)
    if len(given) > 1:
        raise InvalidRequest(
            f"{' and '.join(given)} are given at once.", code="two_sources", field=given[1], accepted=f"one of {listed}"
        )
    if required and not given:
        raise InvalidRequest(
            f"There is no {listed}.", code="missing_field", field=fields[0], accepted=f"one of {listed}"
        )
