"""The one replica that owns the data folder: it accepts work, runs the steps, keeps what they make."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import IO

from ray.serve.handle import DeploymentHandle

from deployments import cluster_status
from deployments.handles import HandleModels
from pipeline.contracts import (
    AudioFormat,
    Avatar,
    Capability,
    Consent,
    DrawRequest,
    PortraitRequest,
    Samples,
    SpeakRequest,
    Speech,
    Status,
    VideoJob,
    VideoRequest,
    VoiceList,
    VoiceProfile,
)
from pipeline.errors import Unavailable
from pipeline.jobs.videos import VideoJobs
from pipeline.library import Library
from pipeline.media.audio import encode_audio
from pipeline.media.image import encode_png
from pipeline.render import Renderer
from pipeline.settings import Settings
from pipeline.steps.locate import Locator
from pipeline.steps.speak import Speaker
from pipeline.storage.avatars import AvatarStore
from pipeline.storage.consents import ConsentStore
from pipeline.storage.voices import VoiceStore
from pipeline.streams import from_thread, into_thread
from pipeline.text import normalise

PIECE = 1 << 18
"""Bytes of a finished video sent at once."""


class Coordinator:
    """Every operation of the product, typed; the ingress and the Python handle call these methods.

    `videos` is the folder of video jobs, `handles` the model deployments by capability and backend, the default
    first. Raises `Unavailable` where another coordinator works on the same folder.
    """

    def __init__(
        self,
        settings: Settings,
        videos: Path,
        handles: Mapping[Capability, Mapping[str, DeploymentHandle]],
        runtime: str,
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self._models = HandleModels(handles)
        folder = settings.storage.folder.expanduser()
        shelf, avatars = VoiceStore(folder / "voices"), AvatarStore(folder / "avatars")
        consents = ConsentStore(folder / "consents")
        self._speaker = Speaker(self._models, shelf, settings.limits)
        self._locator = Locator(self._models, settings.limits.image_pixels)
        self._library = Library(self._models, settings, self._speaker, self._locator, shelf, avatars, consents)
        self._renderer = Renderer(self._models, settings, self._speaker, self._locator, avatars)
        self._lock = _own(videos)
        self._videos = VideoJobs(
            videos, self._renderer.render, concurrent=settings.jobs.video, queued=settings.jobs.queued
        )
        self._started = False

    def _jobs(self) -> VideoJobs:
        # Not in the constructor: the tasks have to live on the event loop that serves the calls.
        if not self._started:
            self._started = True
            self._videos.start()
        return self._videos

    async def check_health(self) -> None:
        """Called by Serve after start and from time to time; also what takes up the jobs of an earlier life."""
        self._jobs()

    # Videos

    async def create_video(self, request: VideoRequest) -> VideoJob:
        """Accepts a video. Whatever can be refused about it is refused here, before there is a job."""
        await self._renderer.admit(request)
        return await self._jobs().submit(request)

    async def video(self, job_id: str) -> VideoJob:
        return self._jobs().get(job_id)

    async def videos(self, limit: int = 20, after: str | None = None) -> list[VideoJob]:
        return self._jobs().page(limit, after)

    async def wait_video(self, job_id: str, seconds: float) -> VideoJob:
        return await self._jobs().wait(job_id, seconds)

    async def watch_video(self, job_id: str) -> AsyncIterator[VideoJob]:
        async for job in self._jobs().watch(job_id):
            yield job

    async def cancel_video(self, job_id: str) -> VideoJob:
        return await self._jobs().cancel(job_id)

    async def delete_video(self, job_id: str) -> None:
        await self._jobs().delete(job_id)

    async def video_content(self, job_id: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes `start` up to but without `end` of the finished file."""
        path = self._jobs().file(job_id)

        def pieces() -> Iterator[bytes]:
            with path.open("rb") as file:
                left = (path.stat().st_size if end is None else end) - start
                file.seek(start)
                while left > 0 and (piece := file.read(min(PIECE, left))):
                    left -= len(piece)
                    yield piece

        async for piece in from_thread(pieces):
            yield piece

    # Speech and portraits alone

    async def speak(self, request: SpeakRequest) -> AsyncIterator[bytes]:
        """An audio file, streamed sentence by sentence as it is spoken."""
        text = normalise(request.text, limit=self._settings.limits.text_characters)
        spoken = await self._speaker.resolve(
            backend=request.backend, voice=request.voice, clip=request.voice_clip, language=request.language
        )
        speech = self._speaker.speak(spoken, text, request.language, request.speed, request.pitch)
        async for piece in _encoded(speech, request.format):
            yield piece

    async def draw(self, request: DrawRequest) -> bytes:
        """A portrait as a PNG file."""
        backend = self._models.choose("avatar", request.backend)
        size = request.size or self._settings.video.size
        picture = await self._models.draw(backend, PortraitRequest(request.prompt, size, request.seed))
        return await asyncio.to_thread(encode_png, picture)

    # Voices

    async def create_voice(self, name: str, clip: bytes, consent: str | None = None) -> VoiceProfile:
        return await self._library.create_voice(name, clip, consent)

    async def voices(self) -> VoiceList:
        return await self._library.voices()

    async def voice(self, voice: str) -> VoiceProfile:
        return await asyncio.to_thread(self._library.voice, voice)

    async def preview_voice(
        self, voice: str, text: str | None = None, language: str = "en", format: AudioFormat = "wav"
    ) -> AsyncIterator[bytes]:
        said = None if text is None else normalise(text, limit=self._settings.limits.text_characters)
        async for piece in _encoded(self._library.preview_voice(voice, said, language), format):
            yield piece

    async def rename_voice(self, voice: str, name: str) -> VoiceProfile:
        return await asyncio.to_thread(self._library.rename_voice, voice, name)

    async def delete_voice(self, voice: str) -> None:
        await asyncio.to_thread(self._library.delete_voice, voice)

    # Consents

    async def create_consent(self, name: str, language: str, recording: bytes) -> Consent:
        return await self._library.create_consent(name, language, recording)

    async def consents(self, limit: int = 20, after: str | None = None) -> list[Consent]:
        return await asyncio.to_thread(self._library.consents, limit, after)

    async def consent(self, consent: str) -> Consent:
        return await asyncio.to_thread(self._library.consent, consent)

    async def rename_consent(self, consent: str, name: str) -> Consent:
        return await asyncio.to_thread(self._library.rename_consent, consent, name)

    async def delete_consent(self, consent: str) -> None:
        await asyncio.to_thread(self._library.delete_consent, consent)

    # Avatars

    async def create_avatar(
        self,
        name: str,
        portrait: bytes | None = None,
        prompt: str | None = None,
        size: int | None = None,
        seed: int = 0,
    ) -> Avatar:
        return await self._library.create_avatar(name, portrait, prompt, size, seed)

    async def avatars(self) -> list[Avatar]:
        return await asyncio.to_thread(self._library.avatars)

    async def avatar(self, avatar: str) -> Avatar:
        return await asyncio.to_thread(self._library.avatar, avatar)

    async def avatar_png(self, avatar: str) -> bytes:
        return await asyncio.to_thread(self._library.avatar_png, avatar)

    async def rename_avatar(self, avatar: str, name: str) -> Avatar:
        return await asyncio.to_thread(self._library.rename_avatar, avatar, name)

    async def delete_avatar(self, avatar: str) -> None:
        await asyncio.to_thread(self._library.delete_avatar, avatar)

    # System

    async def models(self) -> dict[Capability, tuple[str, ...]]:
        """Enabled backends by capability, the default first."""
        capabilities: tuple[Capability, ...] = ("voice", "avatar", "face", "lipsync")
        return {capability: self._models.enabled(capability) for capability in capabilities}

    async def status(self) -> Status:
        """The truth about this application: what runs, on what, with which settings."""
        deployments, gpus = await asyncio.to_thread(cluster_status.read, self._runtime, self._settings)
        return Status(
            version=version("mouthpiece"),
            runtime="process" if self._runtime == "process" else "cluster",
            profile=self._settings.profile,
            gpus=gpus,
            deployments=deployments,
            videos=self._jobs().counts(),
            settings=self._settings.model_dump(mode="json"),
        )


async def _encoded(speech: AsyncIterator[Speech], format: AudioFormat) -> AsyncIterator[bytes]:
    first = await anext(speech)
    loop = asyncio.get_running_loop()

    async def rest() -> AsyncIterator[Samples]:
        yield first.samples
        async for part in speech:
            yield part.samples

    def pieces() -> Iterable[bytes]:
        return encode_audio(into_thread(rest(), loop), first.sample_rate, format)

    async for piece in from_thread(lambda: iter(pieces())):
        yield piece


def _own(folder: Path) -> IO[bytes]:
    """Locks the folder of jobs for this process; the lock goes with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / ".owner").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Unavailable(
            f"Another Mouthpiece works on {folder}; stop it, or set storage.folder to another folder.",
            code="folder_in_use",
        ) from None
    return file
