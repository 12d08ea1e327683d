"""The one replica that owns the data folder: it accepts work, runs the steps, keeps what they make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments import cluster_status
from deployments.backends import registry
from deployments.backends.registry import CAPABILITIES
from deployments.handles import HandleModels
from deployments.live_calls import LiveCalls
from deployments.placement import arrangement
from deployments.placement.desk import Desk
from deployments.placement.footprints import Footprints
from deployments.runtime import Runtime
from pipeline.contracts import (
    AudioFormat,
    Avatar,
    Capability,
    ClipRequest,
    Consent,
    DrawnPortrait,
    DrawRequest,
    Event,
    Job,
    JobKind,
    NewAvatar,
    SpeakRequest,
    Status,
    Still,
    SubtitleFormat,
    TaskState,
    TranscribeRequest,
    Transcription,
    UpscalePicture,
    UpscaleRequest,
    UsageTable,
    VideoJob,
    VideoRequest,
    VoiceList,
    VoiceProfile,
)
from pipeline.contracts.placement import ModelWish, Placement
from pipeline.contracts.playback import Playlist, Segment
from pipeline.contracts.words import MEDIA_TYPES
from pipeline.errors import TooLarge
from pipeline.jobs.videos import as_video, by_status
from pipeline.library import Library
from pipeline.media.image import decode_picture, encode_png
from pipeline.media.subtitles import written
from pipeline.settings import Settings
from pipeline.steps.draw import portrait
from pipeline.steps.locate import Locator
from pipeline.steps.speak import Speaker, encoded
from pipeline.steps.transcribe import transcription
from pipeline.storage.avatars import AvatarStore
from pipeline.storage.consents import ConsentStore
from pipeline.storage.voices import VoiceStore
from pipeline.streams import from_thread
from pipeline.text import normalise

if TYPE_CHECKING:
    from pipeline.jobs.jobs import Jobs


class Coordinator(LiveCalls):
    """Every operation of the product, typed; the ingress and the Python handle call these methods.

    `folder` is where jobs and what they make are kept, `handles` are the model deployments by capability and backend,
    the default first. Raises `Unavailable` where another coordinator works on the same folder or database.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        handles: Mapping[Capability, Mapping[str, DeploymentHandle]],
        runtime: Runtime,
    ) -> None:
        # Here and not above: whoever builds the application needs this class, not the database behind it.
        from deployments.works import Works

        self._settings = settings
        self._runtime = runtime
        configured = {
            name: registry.configured(registry.find(capability, name), settings)
            for capability, named in handles.items()
            for name in named
        }
        kept = settings.storage.folder.expanduser()
        self._desk = _desk(settings, kept, runtime)
        self._models = HandleModels(handles, configured, self._desk.together)
        shelf, avatars = VoiceStore(kept / "voices"), AvatarStore(kept / "avatars")
        consents = ConsentStore(kept / "consents")
        self._speaker = Speaker(self._models, shelf, settings.limits)
        self._locator = Locator(self._models, settings.limits.image_pixels)
        self._library = Library(self._models, settings, self._speaker, self._locator, shelf, avatars, consents)
        self._following: asyncio.Task[None] | None = None
        self._works = Works(settings, folder, self._models, self._speaker, avatars, runtime)

    async def _jobs(self) -> Jobs:
        # Not in the constructor: the work has to live on the event loop that serves the calls.
        return await self._works.jobs()

    async def check_health(self) -> None:
        """Called by Serve after start and from time to time; also what takes up the jobs of an earlier life."""
        jobs = await self._jobs()
        if self._following is None:
            self._following = asyncio.create_task(self._desk.follow(lambda: _ahead(jobs)))
        elif self._following.done():
            self._following.result()

    async def close(self) -> None:
        """Ends the work of this process, for one that lives on without it; what is unfinished stays so."""
        await self._works.close()

    # Videos

    async def create_video(self, request: VideoRequest, idempotency_key: str | None = None) -> VideoJob:
        """Accepts a video. Whatever can be refused about it is refused here, before there is a job."""
        return as_video(await (await self._jobs()).submit(request, idempotency_key))

    async def create_clip(self, request: ClipRequest, idempotency_key: str | None = None) -> VideoJob:
        """Accepts a film without speech; it is a video from then on."""
        return as_video(await (await self._jobs()).submit(request, idempotency_key))

    async def video(self, job_id: str) -> VideoJob:
        return as_video(await (await self._jobs()).get(job_id))

    async def videos(self, limit: int = 20, after: str | None = None) -> list[VideoJob]:
        return [as_video(job) for job in await (await self._jobs()).page(limit, after, "video")]

    async def wait_video(self, job_id: str, seconds: float) -> VideoJob:
        return as_video(await (await self._jobs()).wait(job_id, seconds))

    async def watch_video(self, job_id: str) -> AsyncIterator[VideoJob]:
        shown: VideoJob | None = None
        async for job in (await self._jobs()).watch(job_id):
            if (video := as_video(job)) != shown:
                shown = video
                yield video

    async def cancel_video(self, job_id: str) -> VideoJob:
        return as_video(await (await self._jobs()).cancel(job_id))

    async def delete_video(self, job_id: str) -> None:
        await (await self._jobs()).delete(job_id)

    async def video_content(self, job_id: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes `start` up to but without `end` of the finished file."""
        digest = await (await self._jobs()).artifact(job_id)
        async for piece in from_thread(lambda: self._works.artifacts.stream(digest, start, end)):
            yield piece

    async def video_url(self, job_id: str, seconds: int = 3600) -> str | None:
        """A signed URL of the finished file, where the store has a server of its own."""
        jobs = await self._jobs()
        digest, job = await jobs.artifact(job_id), await jobs.get(job_id)
        format = job.result.format if job.result else "mp4"
        return await asyncio.to_thread(
            self._works.artifacts.url, digest, seconds, MEDIA_TYPES[format], f"{job_id}.{format}"
        )

    async def video_still(self, job_id: str, variant: Still) -> bytes:
        """A picture of a finished video as a WebP file: one frame of it, or a sheet of many."""
        from pipeline.media.stills import spritesheet, thumbnail

        digest = await (await self._jobs()).artifact(job_id)

        def still() -> bytes:
            with self._works.artifacts.local(digest) as path:
                return thumbnail(path) if variant == "thumbnail" else spritesheet(path)

        return await asyncio.to_thread(still)

    async def video_subtitles(self, job_id: str, format: SubtitleFormat) -> bytes:
        """What is said in a finished video, as a file of subtitles."""
        transcript = await (await self._jobs()).transcript(job_id)
        return written(transcript.words, format)

    # Videos in segments, and videos that are watched while they are made

    async def video_playlist(self, job_id: str) -> Playlist:
        return await (await self._works.playback()).playlist(job_id)

    async def video_segment(self, job_id: str, number: int) -> Segment:
        return await (await self._works.playback()).segment(job_id, number)

    async def await_segment(self, job_id: str, number: int) -> bytes:
        return await (await self._works.playback()).awaited(job_id, number)

    async def begin_stream(self, stream: str, request: VideoRequest) -> bytes:
        """The first piece of a fragmented MP4, once there is one. Whatever can be refused is refused here."""
        return await (await self._works.streams()).begin(stream, request)

    async def take_from_stream(self, stream: str) -> bytes:
        """The next piece, empty after the last: asked for one by one, since what is yielded to another process goes
        there as soon as it is made, however slow the reader is."""
        return await (await self._works.streams()).take(stream)

    async def end_stream(self, stream: str) -> None:
        await (await self._works.streams()).end(stream)

    # Jobs

    async def job(self, job_id: str) -> Job:
        return await (await self._jobs()).get(job_id)

    async def jobs(
        self,
        limit: int = 20,
        after: str | None = None,
        kind: JobKind | None = None,
        states: tuple[TaskState, ...] = (),
    ) -> list[Job]:
        return await (await self._jobs()).page(limit, after, kind, states)

    async def wait_job(self, job_id: str, seconds: float) -> Job:
        return await (await self._jobs()).wait(job_id, seconds)

    async def cancel_job(self, job_id: str) -> Job:
        return await (await self._jobs()).cancel(job_id)

    async def retry_job(self, job_id: str) -> Job:
        return await (await self._jobs()).retry(job_id)

    async def delete_job(self, job_id: str) -> None:
        await (await self._jobs()).delete(job_id)

    async def events(self, after: int = 0, job_id: str | None = None, limit: int = 1000) -> list[Event]:
        return await (await self._jobs()).events(after, job_id, limit)

    async def follow_events(self) -> AsyncIterator[list[Event]]:
        async for batch in (await self._jobs()).follow():
            yield batch

    async def usage(self, table: UsageTable, since: datetime | None = None) -> AsyncIterator[bytes]:
        """A Parquet file of what was done since then."""
        await self._jobs()
        async for piece in from_thread(lambda: self._works.usage(table, since)):
            yield piece

    # Speech and portraits alone

    async def speak(self, request: SpeakRequest) -> AsyncIterator[bytes]:
        """An audio file, streamed sentence by sentence as it is spoken."""
        text = normalise(request.text, limit=self._settings.limits.text_characters)
        spoken = await self._speaker.resolve(
            backend=request.backend, voice=request.voice, clip=request.voice_clip, language=request.language
        )
        speech = self._speaker.speak(spoken, text, request.language, request.speed, request.pitch)
        async for piece in encoded(speech, request.format):
            yield piece

    async def draw(self, request: DrawRequest) -> DrawnPortrait:
        """A portrait, by the first seed that gives a usable one."""
        return await portrait(self._models, self._settings, request)

    async def upscale(self, request: UpscalePicture) -> bytes:
        """A picture in more pixels, as a PNG file."""
        backend = self._models.choose("upscale", request.backend)
        limit = self._settings.limits.image_pixels
        picture = await asyncio.to_thread(decode_picture, request.picture, field="picture", max_pixels=limit)
        height, width = (round(side * request.factor) for side in picture.shape[:2])
        if height * width > limit:
            raise TooLarge(
                f"The picture would be {width} x {height} pixels.",
                code="too_many_pixels",
                field="factor",
                accepted=f"at most {limit / 1e6:g} million pixels",
            )
        large = await self._models.upscale(backend, UpscaleRequest(picture, width, height))
        return await asyncio.to_thread(encode_png, large)

    async def transcribe(self, request: TranscribeRequest) -> Transcription:
        """What a recording says, and when."""
        return await transcription(self._models, request, self._settings.limits)

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
        async for piece in encoded(self._library.preview_voice(voice, said, language), format):
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

    async def create_avatar(self, wanted: NewAvatar) -> Avatar:
        return await self._library.create_avatar(wanted)

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

    async def placement(self) -> Placement:
        """Who is on which card; empty where no model needs one."""
        return await self._desk.placement()

    async def ask_model(self, model: str, wish: ModelWish) -> Placement:
        """Asks something of a model that needs a card. Raises `UnknownName`, listing those that do."""
        return await self._desk.ask(model, wish)

    async def models(self) -> dict[Capability, tuple[str, ...]]:
        """Enabled backends by capability, the default first."""
        return {capability: self._models.enabled(capability) for capability in CAPABILITIES}

    async def status(self) -> Status:
        """The truth about this application: what runs, on what, with which settings."""
        placement = await self.placement()
        deployments, gpus = await asyncio.to_thread(cluster_status.read, self._runtime, self._settings, placement)
        return Status(
            version=version("mouthpiece"),
            runtime=self._runtime,
            profile=self._settings.profile,
            gpus=gpus,
            deployments=deployments,
            videos=by_status(await (await self._jobs()).counts()),
            settings=self._settings.model_dump(mode="json"),
        )


def _desk(settings: Settings, folder: Path, runtime: Runtime) -> Desk:
    rows = [registry.find(capability, name) for capability in CAPABILITIES for name in settings.backends(capability)]
    if runtime == "process":  # nobody shares its cards out
        return Desk("", (), Footprints(folder))
    models = arrangement.on_cards(rows, settings)
    return Desk(serve.get_replica_context().app_name, models, Footprints(folder))


def _ahead(jobs: Jobs) -> list[list[str]]:
    """For each running job, the deployments that it needs from now on."""
    from pipeline.nodes.kinds import KINDS

    return [[f"{KINDS[node.kind].capability}-{node.backend}" for node in job] for job in jobs.ahead()]
