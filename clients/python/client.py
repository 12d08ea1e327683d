"""Mouthpiece over HTTP, for programs:

with Client() as studio:
    job = studio.render(VideoRequest(text="Hello.", portrait=Path("me.jpg").read_bytes()))
    studio.download(studio.wait(job.id), Path("hello.mp4"))
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from clients.python.connection import Connection
from clients.python.live import Live, session
from clients.python.states import job_states
from clients.python.studio import ENDED, Studio
from pipeline.contracts import (
    AudioFormat,
    Avatar,
    Capability,
    ClipRequest,
    Contract,
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
from pipeline.contracts.live import LiveRequest
from pipeline.contracts.placement import ModelWish, Placement
from pipeline.contracts.words import IdempotencyKey
from pipeline.errors import InvalidRequest

C = TypeVar("C", bound=Contract)

URL: Final = "http://127.0.0.1:8000"

_KEY: Final = TypeAdapter(IdempotencyKey)


class _Backends(Contract):
    enabled: dict[Capability, tuple[str, ...]]


class Client(Studio):
    """A running server. `timeout` is in seconds: how long an answer, or its next piece, may take.

    What can be repeated without being done twice is repeated for up to `patience` seconds of waiting where the
    connection breaks or the server is busy (429), not ready (503) or being restarted; streams of events go on after
    it. A video is asked for under a key of its own, so that it is made once however often it is asked for.
    Raises `Unavailable` where no server answers and `InvalidRequest` for an address that is none.
    """

    def __init__(self, url: str = URL, timeout: float = 300.0, patience: float = 120.0) -> None:
        self._connection = Connection(url, timeout, patience)
        self.url = self._connection.url

    # Videos

    def render(self, request: VideoRequest, idempotency_key: str | None = None) -> VideoJob:
        key = secrets.token_urlsafe(24) if idempotency_key is None else _key(idempotency_key)
        body = _body(request, ("audio", "voice_clip", "portrait", "video"))
        return self._one(VideoJob, "POST", "/api/v1/videos", repeatable=True, headers={"Idempotency-Key": key}, **body)

    def clip(self, request: ClipRequest, idempotency_key: str | None = None) -> VideoJob:
        key = secrets.token_urlsafe(24) if idempotency_key is None else _key(idempotency_key)
        body = _body(request, ("picture", "video"))
        return self._one(VideoJob, "POST", "/api/v1/clips", repeatable=True, headers={"Idempotency-Key": key}, **body)

    def video(self, video_id: str) -> VideoJob:
        return self._one(VideoJob, "GET", f"/api/v1/videos/{_part(video_id)}")

    def videos(self, limit: int = 20, after: str | None = None) -> list[VideoJob]:
        return self._list(VideoJob, "/api/v1/videos", limit=limit, after=after)

    def watch(self, video_id: str) -> Generator[VideoJob, None, None]:
        shown: VideoJob | None = None
        with closing(self._connection.follow(f"/api/v1/videos/{_part(video_id)}/events")) as messages:
            for message in messages:
                if message is None:
                    continue
                with self._connection.translated():
                    job = VideoJob.model_validate_json(message.data)
                if job != shown:
                    yield job
                shown = job
                if job.status in ENDED:
                    return

    def cancel(self, video_id: str) -> VideoJob:
        return self._one(VideoJob, "POST", f"/api/v1/videos/{_part(video_id)}/cancel")

    def delete(self, video_id: str) -> None:
        self._connection.call("DELETE", f"/api/v1/videos/{_part(video_id)}")

    def content(self, video_id: str) -> Generator[bytes, None, None]:
        return self._connection.pieces("GET", f"/api/v1/videos/{_part(video_id)}/content", resumable=True)

    def stream(self, request: VideoRequest) -> Generator[bytes, None, None]:
        body = _body(request, ("audio", "voice_clip", "portrait", "video"))
        return self._connection.pieces("POST", "/api/v1/videos/stream", repeatable=True, **body)

    def live(self, request: LiveRequest) -> AbstractContextManager[Live]:
        """A live session, for as long as the block lasts: a face that says what it is told to while it is written."""
        return session(self.url, request, here=self._connection.here)

    def subtitles(self, video_id: str, format: SubtitleFormat = "srt") -> bytes:
        return self._connection.call("GET", f"/api/v1/videos/{_part(video_id)}/subtitles.{format}").content

    # Jobs

    def job(self, job_id: str) -> Job:
        return self._one(Job, "GET", f"/api/v1/jobs/{_part(job_id)}")

    def jobs(
        self,
        limit: int = 20,
        after: str | None = None,
        kind: JobKind | None = None,
        states: Sequence[TaskState] = (),
    ) -> list[Job]:
        return self._list(Job, "/api/v1/jobs", limit=limit, after=after, kind=kind, state=[*states] or None)

    def watch_job(self, job_id: str) -> Generator[Job, None, None]:
        with closing(self._news(None, job_id)) as news:
            yield from job_states(lambda: self.job(job_id), news)

    def cancel_job(self, job_id: str) -> Job:
        return self._one(Job, "POST", f"/api/v1/jobs/{_part(job_id)}/cancel")

    def retry_job(self, job_id: str) -> Job:
        return self._one(Job, "POST", f"/api/v1/jobs/{_part(job_id)}/retry")

    def delete_job(self, job_id: str) -> None:
        self._connection.call("DELETE", f"/api/v1/jobs/{_part(job_id)}")

    def events(self, after: int | None = None, job: str | None = None) -> Generator[Event, None, None]:
        with closing(self._news(after, job)) as news:
            yield from (event for event in news if event is not None)

    def _news(self, after: int | None, job: str | None) -> Generator[Event | None, None, None]:
        """Events, and None each time that the stream was opened."""
        last = "" if after is None else str(after)
        with closing(self._connection.follow("/api/v1/events", last, params=_given({"job": job}))) as messages:
            for message in messages:
                if message is None:
                    yield None
                    continue
                with self._connection.translated():
                    event = Event.model_validate_json(message.data)
                yield event

    def usage(self, table: UsageTable, since: datetime | None = None) -> Generator[bytes, None, None]:
        params = _given({"since": None if since is None else since.isoformat()})
        return self._connection.pieces("GET", f"/api/v1/usage/{table}", params=params)

    # Speech and portraits alone

    def speak(self, request: SpeakRequest) -> Generator[bytes, None, None]:
        return self._connection.pieces("POST", "/api/v1/speech", repeatable=True, **_body(request, ("voice_clip",)))

    def draw(self, request: DrawRequest) -> bytes:
        return self._connection.call("POST", "/api/v1/portraits", repeatable=True, **_body(request, ("image",))).content

    def upscale(self, request: UpscalePicture) -> bytes:
        body = _body(request, ("picture",))
        return self._connection.call("POST", "/api/v1/image/upscale", repeatable=True, **body).content

    def transcribe(self, request: TranscribeRequest) -> bytes:
        body = _body(request, ("audio",))
        return self._connection.call("POST", "/api/v1/audio/transcribe", repeatable=True, **body).content

    # Voices

    def create_voice(self, name: str, clip: bytes) -> VoiceProfile:
        return self._one(VoiceProfile, "POST", "/api/v1/voices", data={"name": name}, files={"clip": ("clip", clip)})

    def voices(self) -> VoiceList:
        return self._one(VoiceList, "GET", "/api/v1/voices")

    def voice(self, voice: str) -> VoiceProfile:
        return self._one(VoiceProfile, "GET", self._voice(voice))

    def preview_voice(
        self, voice: str, text: str | None = None, language: str = "en", format: AudioFormat = "wav"
    ) -> Generator[bytes, None, None]:
        params = _given({"language": language, "format": format, "text": text})
        return self._connection.pieces("GET", f"{self._voice(voice)}/preview", params=params)

    def rename_voice(self, voice: str, name: str) -> VoiceProfile:
        return self._one(VoiceProfile, "PATCH", self._voice(voice), json={"name": name})

    def delete_voice(self, voice: str) -> None:
        self._connection.call("DELETE", self._voice(voice))

    # Avatars

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
        how = {} if drawing is None else drawing.model_dump(mode="json", exclude_none=True)
        fields = _given({"name": name, "prompt": prompt, "size": size, "seed": seed, "backend": backend, **how})
        if portrait is None:
            return self._one(Avatar, "POST", "/api/v1/avatars", json=fields)
        files = {"portrait": ("portrait", portrait)}
        return self._one(Avatar, "POST", "/api/v1/avatars", data=dict(_flat(fields)), files=files)

    def avatars(self) -> list[Avatar]:
        return self._list(Avatar, "/api/v1/avatars")

    def avatar(self, avatar: str) -> Avatar:
        return self._one(Avatar, "GET", self._avatar(avatar))

    def avatar_picture(self, avatar: str) -> bytes:
        return self._connection.call("GET", f"{self._avatar(avatar)}/picture").content

    def rename_avatar(self, avatar: str, name: str) -> Avatar:
        return self._one(Avatar, "PATCH", self._avatar(avatar), json={"name": name})

    def delete_avatar(self, avatar: str) -> None:
        self._connection.call("DELETE", self._avatar(avatar))

    # System

    def backends(self) -> dict[Capability, tuple[str, ...]]:
        return self._one(_Backends, "GET", "/api/v1/backends").enabled

    def placement(self) -> Placement:
        return self._one(Placement, "GET", "/api/v1/system/gpus")

    def ask_model(self, model: str, wish: ModelWish) -> Placement:
        body = wish.model_dump(mode="json", exclude_none=True)
        return self._one(Placement, "POST", f"/api/v1/system/models/{_part(model)}", json=body)

    def status(self) -> Status:
        return self._one(Status, "GET", "/api/v1/status")

    def close(self) -> None:
        self._connection.close()

    # Paths and answers

    def _id(self, name: str, kept: Callable[[], Iterable[VoiceProfile | Avatar]]) -> str:
        """The name as one part of a path; the id instead where the name holds a slash."""
        if "/" in name:
            name = next((each.id for each in kept() if each.name == name), name)
        return _part(name)

    def _voice(self, name: str) -> str:
        return f"/api/v1/voices/{self._id(name, lambda: self.voices().profiles)}"

    def _avatar(self, name: str) -> str:
        return f"/api/v1/avatars/{self._id(name, self.avatars)}"

    def _one(self, contract: type[C], method: str, path: str, **arguments: Any) -> C:
        answer = self._connection.call(method, path, **arguments)
        with self._connection.translated():
            return contract.model_validate(answer.json())

    def _list(self, contract: type[C], path: str, **params: Any) -> list[C]:
        answer = self._connection.call("GET", path, params=_given(params))
        with self._connection.translated():
            body = answer.json()
            if not isinstance(body, dict) or not isinstance(body.get("data"), list):
                raise ValueError("the answer is no list")
            return [contract.model_validate(item) for item in body["data"]]


def _body(request: Contract, files: tuple[str, ...]) -> dict[str, Any]:
    """What to send: JSON, or a form where there are files; what is not said is left to the server."""
    parts = {name: data for name in files if (data := getattr(request, name)) is not None}
    fields = request.model_dump(mode="json", exclude=set(files), exclude_unset=True, exclude_none=True)
    if not parts:
        return {"json": fields}
    return {"data": dict(_flat(fields)), "files": {name: (name, data) for name, data in parts.items()}}


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """As parts of a form, which have no parts of their own: `backends.voice`."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", inner) for key, inner in _flat(value))
        else:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in fields.items() if value is not None}


def _key(key: str) -> str:
    try:
        return _KEY.validate_python(key)
    except ValidationError:
        raise InvalidRequest(
            f"{key[:100]!r} is no idempotency key.",
            field="idempotency_key",
            accepted="1 to 255 printable ASCII characters without spaces",
        ) from None


def _part(name: str) -> str:
    """A name as one part of a path. A server takes an encoded slash for a real one: see `Client._id`."""
    if name in ("", ".", ".."):
        raise InvalidRequest(f"{name!r} is no id and no name.", field="id", accepted="an id or a name")
    return quote(name, safe="")
