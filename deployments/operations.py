"""The coordinator's operations as a caller in another process has them: typed, with our own errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from typing import Any

from ray.serve.handle import DeploymentHandle

from deployments.handles import translated
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
    UsageTable,
    VideoJob,
    VideoRequest,
    VoiceList,
    VoiceProfile,
)
from pipeline.contracts.live import LiveMessage, LiveRequest
from pipeline.contracts.placement import ModelWish, Placement
from pipeline.contracts.playback import Playlist, Segment
from pipeline.ids import new_id


class Operations:
    """Forwards each operation to the coordinator behind `handle`; see `Coordinator` for what each one does."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def _call(self, method: str, *arguments: Any) -> Any:
        response: Any = self._handle.options(method_name=method).remote(*arguments)
        try:
            return await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except Exception as error:
            raise translated(error, "coordinator") from error

    async def _stream(self, method: str, *arguments: Any) -> AsyncIterator[Any]:
        response: Any = self._handle.options(method_name=method, stream=True).remote(*arguments)
        try:
            async for item in response:
                yield item
        except Exception as error:
            raise translated(error, "coordinator") from error
        finally:
            response.cancel()

    async def create_video(self, request: VideoRequest, idempotency_key: str | None = None) -> VideoJob:
        """The same key with the same request is the same job; with another one it raises `Conflict`."""
        return await self._call("create_video", request, idempotency_key)

    async def stream_video(self, request: VideoRequest) -> AsyncGenerator[bytes]:
        """A video while it is made, as fragmented MP4. A piece is asked for when the one before has been taken; who
        stops asking, or closes this, stops the work."""
        stream = new_id("str")  # made here, so that it can be ended however far its beginning has come
        try:
            piece = await self._call("begin_stream", stream, request)
            while piece:
                yield piece
                piece = await self._call("take_from_stream", stream)
        finally:
            # Not awaited: whoever was cancelled has no time for it.
            self._handle.options(method_name="end_stream").remote(stream)

    async def begin_live(self, session: str, request: LiveRequest, longest: float) -> None:
        """Opens a live session under this name, which is used once, for at most so many seconds."""
        await self._call("begin_live", session, request, longest)

    async def take_from_live(self, session: str) -> list[str | bytes]:
        """What goes to its client next, as it comes: news in JSON (`LiveNews`), and pieces of a fragmented MP4. Empty
        after the last. Who stops waiting for it ends the session."""
        return await self._call("take_from_live", session)

    async def say_in_live(self, session: str, messages: tuple[LiveMessage, ...]) -> None:
        await self._call("say_in_live", session, messages)

    def end_live(self, session: str) -> None:
        """Ends a session, if it has not ended. Not waited for: whoever was cancelled has no time for it."""
        self._handle.options(method_name="end_live").remote(session)

    async def upscale(self, request: UpscalePicture) -> bytes:
        return await self._call("upscale", request)

    async def transcribe(self, request: TranscribeRequest) -> Transcription:
        return await self._call("transcribe", request)

    async def video_subtitles(self, job_id: str, format: SubtitleFormat) -> bytes:
        return await self._call("video_subtitles", job_id, format)

    async def create_clip(self, request: ClipRequest, idempotency_key: str | None = None) -> VideoJob:
        return await self._call("create_clip", request, idempotency_key)

    async def video(self, job_id: str) -> VideoJob:
        return await self._call("video", job_id)

    async def videos(self, limit: int = 20, after: str | None = None) -> list[VideoJob]:
        return await self._call("videos", limit, after)

    async def wait_video(self, job_id: str, seconds: float) -> VideoJob:
        return await self._call("wait_video", job_id, seconds)

    async def watch_video(self, job_id: str) -> AsyncIterator[VideoJob]:
        async for piece in self._stream("watch_video", job_id):
            yield piece

    async def cancel_video(self, job_id: str) -> VideoJob:
        return await self._call("cancel_video", job_id)

    async def delete_video(self, job_id: str) -> None:
        await self._call("delete_video", job_id)

    async def video_content(self, job_id: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        async for piece in self._stream("video_content", job_id, start, end):
            yield piece

    async def video_playlist(self, job_id: str) -> Playlist:
        """The segments of a video that there are: passages of one that is being made, all of a finished one."""
        return await self._call("video_playlist", job_id)

    async def video_segment(self, job_id: str, number: int) -> Segment:
        """A segment, the first of which is 1, as a fragment of MP4; 0 is the header that comes before it."""
        return await self._call("video_segment", job_id, number)

    async def growing_video(self, job_id: str) -> AsyncGenerator[bytes]:
        """A video as fragmented MP4, as far as it is made and then as it is; a piece is asked for when the one before
        has been taken. Waits for the first."""
        number = 0
        while piece := await self._call("await_segment", job_id, number):
            yield piece
            number += 1

    async def video_url(self, job_id: str, seconds: int = 3600) -> str | None:
        """A signed URL of the finished file that works so long without us; None where it is not in a bucket."""
        return await self._call("video_url", job_id, seconds)

    async def video_still(self, job_id: str, variant: Still) -> bytes:
        """A picture of a finished video as a WebP file: one frame of it, or a sheet of many."""
        return await self._call("video_still", job_id, variant)

    async def job(self, job_id: str) -> Job:
        """With its steps."""
        return await self._call("job", job_id)

    async def jobs(
        self,
        limit: int = 20,
        after: str | None = None,
        kind: JobKind | None = None,
        states: tuple[TaskState, ...] = (),
    ) -> list[Job]:
        """Newest first, without their steps, older than the id `after`; of all states where none is given."""
        return await self._call("jobs", limit, after, kind, states)

    async def wait_job(self, job_id: str, seconds: float) -> Job:
        """The job as it ends, or as it is after `seconds`."""
        return await self._call("wait_job", job_id, seconds)

    async def cancel_job(self, job_id: str) -> Job:
        """Raises `Conflict` for one that has ended."""
        return await self._call("cancel_job", job_id)

    async def retry_job(self, job_id: str) -> Job:
        """From the steps that failed. Raises `Conflict` for a job that has not failed."""
        return await self._call("retry_job", job_id)

    async def delete_job(self, job_id: str) -> None:
        await self._call("delete_job", job_id)

    async def events(self, after: int = 0, job_id: str | None = None, limit: int = 1000) -> list[Event]:
        """Events that are kept, oldest first, with ids above `after`; of one job, or of all."""
        return await self._call("events", after, job_id, limit)

    async def follow_events(self) -> AsyncIterator[list[Event]]:
        """Events of all jobs as they happen, a batch at a time; the first batch may be empty and says that the
        stream is open: nothing that happens after it is missed."""
        async for batch in self._stream("follow_events"):
            yield batch

    async def usage(self, table: UsageTable, since: datetime | None = None) -> AsyncIterator[bytes]:
        """A Parquet file of what was done since then."""
        async for piece in self._stream("usage", table, since):
            yield piece

    async def speak(self, request: SpeakRequest) -> AsyncIterator[bytes]:
        async for piece in self._stream("speak", request):
            yield piece

    async def draw(self, request: DrawRequest) -> DrawnPortrait:
        return await self._call("draw", request)

    async def create_voice(self, name: str, clip: bytes, consent: str | None = None) -> VoiceProfile:
        return await self._call("create_voice", name, clip, consent)

    async def voices(self) -> VoiceList:
        return await self._call("voices")

    async def voice(self, voice: str) -> VoiceProfile:
        return await self._call("voice", voice)

    async def preview_voice(
        self, voice: str, text: str | None = None, language: str = "en", format: AudioFormat = "wav"
    ) -> AsyncIterator[bytes]:
        async for piece in self._stream("preview_voice", voice, text, language, format):
            yield piece

    async def rename_voice(self, voice: str, name: str) -> VoiceProfile:
        return await self._call("rename_voice", voice, name)

    async def delete_voice(self, voice: str) -> None:
        await self._call("delete_voice", voice)

    async def create_consent(self, name: str, language: str, recording: bytes) -> Consent:
        return await self._call("create_consent", name, language, recording)

    async def consents(self, limit: int = 20, after: str | None = None) -> list[Consent]:
        return await self._call("consents", limit, after)

    async def consent(self, consent: str) -> Consent:
        return await self._call("consent", consent)

    async def rename_consent(self, consent: str, name: str) -> Consent:
        return await self._call("rename_consent", consent, name)

    async def delete_consent(self, consent: str) -> None:
        await self._call("delete_consent", consent)

    async def create_avatar(self, wanted: NewAvatar) -> Avatar:
        return await self._call("create_avatar", wanted)

    async def avatars(self) -> list[Avatar]:
        return await self._call("avatars")

    async def avatar(self, avatar: str) -> Avatar:
        return await self._call("avatar", avatar)

    async def avatar_png(self, avatar: str) -> bytes:
        return await self._call("avatar_png", avatar)

    async def rename_avatar(self, avatar: str, name: str) -> Avatar:
        return await self._call("rename_avatar", avatar, name)

    async def delete_avatar(self, avatar: str) -> None:
        await self._call("delete_avatar", avatar)

    async def placement(self) -> Placement:
        return await self._call("placement")

    async def ask_model(self, model: str, wish: ModelWish) -> Placement:
        return await self._call("ask_model", model, wish)

    async def models(self) -> dict[Capability, tuple[str, ...]]:
        return await self._call("models")

    async def status(self) -> Status:
        return await self._call("status")
