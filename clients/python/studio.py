"""What a program can ask of Mouthpiece, wherever it runs: one interface for a server and for this process."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Generator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, Self

from clients.python.output import Output
from pipeline.contracts import (
    AudioFormat,
    Avatar,
    Capability,
    ClipRequest,
    Drawing,
    DrawRequest,
    Event,
    Job,
    JobKind,
    SpeakRequest,
    Status,
    SubtitleFormat,
    TaskState,
    TranscribeRequest,
    UpscalePicture,
    UsageTable,
    VideoJob,
    VideoRequest,
    VoiceList,
    VoiceProfile,
)
from pipeline.contracts.placement import ModelWish, Placement
from pipeline.errors import BackendFailed

ENDED: Final = frozenset({"completed", "failed", "cancelled"})
"""States that a video does not leave."""


class Studio(Protocol):
    """The operations of Mouthpiece. Every method raises the classes of `pipeline.errors`.

    `Client` implements it over HTTP. Voices and avatars are named by id or name. A stream that is closed early
    stops the work behind it. A studio is closed by `close` or by the end of a `with` block, and used from one
    thread at a time.
    """

    # Videos

    @abstractmethod
    def render(self, request: VideoRequest, idempotency_key: str | None = None) -> VideoJob:
        """Asks for a video and returns at once. What can be refused about the request is refused here.

        The same request under the same key, also of another program, is the same video; another request under it
        raises `Conflict`. 1 to 255 printable ASCII characters.
        """

    @abstractmethod
    def clip(self, request: ClipRequest, idempotency_key: str | None = None) -> VideoJob:
        """Asks for a film without speech, as `render` does for one with; it is a video from then on."""

    @abstractmethod
    def video(self, video_id: str) -> VideoJob:
        """The job as it is now."""

    @abstractmethod
    def videos(self, limit: int = 20, after: str | None = None) -> list[VideoJob]:
        """Newest first, at most `limit` (1 to 100), those older than the id `after`."""

    @abstractmethod
    def watch(self, video_id: str) -> Generator[VideoJob, None, None]:
        """The job now, then whenever it changes; the last one has ended."""

    @abstractmethod
    def cancel(self, video_id: str) -> VideoJob:
        """Stops a video. Raises `Conflict` for one that has ended."""

    @abstractmethod
    def delete(self, video_id: str) -> None:
        """Removes a video and its file."""

    @abstractmethod
    def content(self, video_id: str) -> Generator[bytes, None, None]:
        """The finished file in pieces. Raises `Conflict` before it is finished."""

    @abstractmethod
    def stream(self, request: VideoRequest) -> Generator[bytes, None, None]:
        """The video that `render` asks for, while it is made: a fragmented MP4 in pieces, to be played or written as
        they come. It is not kept; closing this stops the work. What goes wrong later than in the beginning breaks it
        off: `Unavailable` where it comes from a server. Raises `InvalidRequest`, code not_streamed, for a film that is
        dubbed, enlarged or made by a camera, and for other formats than mp4."""

    @abstractmethod
    def subtitles(self, video_id: str, format: SubtitleFormat = "srt") -> bytes:
        """What is said in a finished video, as a file of subtitles. Raises `Conflict` before it is finished, and where
        nobody speaks."""

    def wait(self, video_id: str) -> VideoJob:
        """The job once it has ended."""
        *_, job = self.watch(video_id)
        return job

    def download(self, job: VideoJob, target: Path | Output) -> Path:
        """Writes the finished file, whole or not at all, and returns its path.

        Raises `BackendFailed` where what came is not what was made, `Conflict` before the video is finished and
        `InvalidRequest` for a path that can't be written.
        """
        output = target if isinstance(target, Output) else Output(target)
        digest = hashlib.sha256()
        with output:
            for piece in self.content(job.id):
                digest.update(piece)
                output.write(piece)
            if job.result is not None and digest.hexdigest() != job.result.sha256:
                raise BackendFailed(f"What came of video {job.id} is not what was made.", code="damaged_download")
            return output.commit()

    # Jobs: what makes the videos, step by step; a video's job has the video's id

    @abstractmethod
    def job(self, job_id: str) -> Job:
        """The job as it is now, with its steps."""

    @abstractmethod
    def jobs(
        self,
        limit: int = 20,
        after: str | None = None,
        kind: JobKind | None = None,
        states: Sequence[TaskState] = (),
    ) -> list[Job]:
        """Newest first, without steps, at most `limit` (1 to 100), those older than the id `after`; of all states
        where none is named."""

    @abstractmethod
    def watch_job(self, job_id: str) -> Generator[Job, None, None]:
        """The job now, then whenever it changes, with its steps; the last one has ended."""

    @abstractmethod
    def cancel_job(self, job_id: str) -> Job:
        """Stops a job. Raises `Conflict` for one that has ended."""

    @abstractmethod
    def retry_job(self, job_id: str) -> Job:
        """Goes on from the steps that failed. Raises `Conflict` for a job that has not failed."""

    @abstractmethod
    def delete_job(self, job_id: str) -> None:
        """Removes a job and what only it has made; stops it first where it is being worked on."""

    @abstractmethod
    def events(self, after: int | None = None, job: str | None = None) -> Generator[Event, None, None]:
        """Events of all jobs, or of one, for as long as the caller takes them: those that are kept with ids above
        `after`, then new ones as they happen; only new ones for None."""

    @abstractmethod
    def usage(self, table: UsageTable, since: datetime | None = None) -> Generator[bytes, None, None]:
        """What was done, as a Parquet file in pieces; `pipeline.jobs.usage` says which columns. With `since`, which
        has a time zone, only jobs that were created then or later, and their steps."""

    # Speech and portraits alone

    @abstractmethod
    def speak(self, request: SpeakRequest) -> Generator[bytes, None, None]:
        """An audio file, in pieces as it is spoken."""

    @abstractmethod
    def draw(self, request: DrawRequest) -> bytes:
        """A portrait as a PNG file."""

    @abstractmethod
    def upscale(self, request: UpscalePicture) -> bytes:
        """A picture in more pixels, as a PNG file."""

    @abstractmethod
    def transcribe(self, request: TranscribeRequest) -> bytes:
        """What a recording says, in `request.format`; as JSON it is a `Transcription`."""

    # Voices

    @abstractmethod
    def create_voice(self, name: str, clip: bytes) -> VoiceProfile:
        """Keeps a voice profile, measured from a reference clip in any common audio format."""

    @abstractmethod
    def voices(self) -> VoiceList:
        """Profiles that are kept, and the built-in voices."""

    @abstractmethod
    def voice(self, voice: str) -> VoiceProfile: ...

    @abstractmethod
    def preview_voice(
        self, voice: str, text: str | None = None, language: str = "en", format: AudioFormat = "wav"
    ) -> Generator[bytes, None, None]:
        """A profile saying `text`, or a sentence of the server's: an audio file in pieces."""

    @abstractmethod
    def rename_voice(self, voice: str, name: str) -> VoiceProfile: ...

    @abstractmethod
    def delete_voice(self, voice: str) -> None: ...

    # Avatars

    @abstractmethod
    def create_avatar(
        self,
        name: str,
        portrait: bytes | None = None,
        prompt: str | None = None,
        size: int | None = None,
        seed: int = 0,
        drawing: Drawing | None = None,
        backend: str | None = None,
    ) -> Avatar:
        """Keeps a face: a photo's, or one drawn from a prompt, as `drawing` says, by an avatar backend."""

    @abstractmethod
    def avatars(self) -> list[Avatar]: ...

    @abstractmethod
    def avatar(self, avatar: str) -> Avatar: ...

    @abstractmethod
    def avatar_picture(self, avatar: str) -> bytes:
        """Its portrait as a PNG file."""

    @abstractmethod
    def rename_avatar(self, avatar: str, name: str) -> Avatar: ...

    @abstractmethod
    def delete_avatar(self, avatar: str) -> None: ...

    # System

    @abstractmethod
    def backends(self) -> dict[Capability, tuple[str, ...]]:
        """Enabled backends by capability, the default first."""

    @abstractmethod
    def placement(self) -> Placement:
        """Who is on which card; empty where no model needs one."""

    @abstractmethod
    def ask_model(self, model: str, wish: ModelWish) -> Placement:
        """Loads, unloads, pins or keeps a model; returns at once, with how things stand."""

    @abstractmethod
    def status(self) -> Status: ...

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
