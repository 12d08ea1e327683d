"""Mouthpiece over HTTP, for programs:

with Client() as studio:
    job = studio.render(VideoRequest(text="Hello.", portrait=Path("me.jpg").read_bytes()))
    studio.download(studio.wait(job.id), Path("hello.mp4"))
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx

from clients.python.failures import rebuilt
from clients.python.studio import ENDED, Studio
from pipeline.contracts import (
    AudioFormat,
    Avatar,
    Capability,
    Contract,
    DrawRequest,
    SpeakRequest,
    Status,
    VideoJob,
    VideoRequest,
    VoiceList,
    VoiceProfile,
)
from pipeline.errors import InvalidRequest, MouthpieceError, Unavailable

C = TypeVar("C", bound=Contract)

URL: Final = "http://127.0.0.1:8000"
CONNECT_SECONDS: Final = 5.0
EVENT_SECONDS: Final = 60.0
"""Longest silence of an event stream before it is opened anew: a job that waits says nothing."""


class _Backends(Contract):
    enabled: dict[Capability, tuple[str, ...]]


class Client(Studio):
    """A running server. `timeout` is in seconds: how long an answer, or its next piece, may take.

    Raises `Unavailable` where no server answers and `InvalidRequest` for an address that is none.
    """

    def __init__(self, url: str = URL, timeout: float = 300.0) -> None:
        try:
            address = httpx.URL(url)
        except (httpx.InvalidURL, TypeError) as error:
            raise _no_address(url) from error
        if address.scheme not in ("http", "https") or not address.host:
            raise _no_address(url)
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=address,
            timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
            # A proxy of the environment does not lead back to this machine.
            trust_env=not _loopback(address.host),
        )

    # Videos

    def render(self, request: VideoRequest) -> VideoJob:
        return self._one(VideoJob, "POST", "/api/v1/videos", **_body(request, ("audio", "voice_clip", "portrait")))

    def video(self, video_id: str) -> VideoJob:
        return self._one(VideoJob, "GET", f"/api/v1/videos/{_part(video_id)}")

    def videos(self, limit: int = 20, after: str | None = None) -> list[VideoJob]:
        params = {"limit": limit} | ({} if after is None else {"after": after})
        return self._list(VideoJob, "/api/v1/videos", params=params)

    def watch(self, video_id: str) -> Generator[VideoJob, None, None]:
        shown: VideoJob | None = None
        while shown is None or shown.status not in ENDED:
            for job in self._events(video_id):
                if job != shown:
                    yield job
                shown = job

    def _events(self, video_id: str) -> Generator[VideoJob, None, None]:
        """One connection's worth: the job now, then its changes. Ends early where the server ends it."""
        path, timeout = f"/api/v1/videos/{_part(video_id)}/events", httpx.Timeout(EVENT_SECONDS)
        with self._translated(), self._http.stream("GET", path, timeout=timeout) as response:
            _check(response)
            try:
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        yield VideoJob.model_validate_json(line.removeprefix("data:"))
            except httpx.ReadTimeout:
                return

    def cancel(self, video_id: str) -> VideoJob:
        return self._one(VideoJob, "POST", f"/api/v1/videos/{_part(video_id)}/cancel")

    def delete(self, video_id: str) -> None:
        self._call("DELETE", f"/api/v1/videos/{_part(video_id)}")

    def content(self, video_id: str) -> Generator[bytes, None, None]:
        return self._pieces("GET", f"/api/v1/videos/{_part(video_id)}/content")

    # Speech and portraits alone

    def speak(self, request: SpeakRequest) -> Generator[bytes, None, None]:
        return self._pieces("POST", "/api/v1/speech", **_body(request, ("voice_clip",)))

    def draw(self, request: DrawRequest) -> bytes:
        return self._call("POST", "/api/v1/portraits", **_body(request, ())).content

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
        params = {"language": language, "format": format} | ({} if text is None else {"text": text})
        return self._pieces("GET", f"{self._voice(voice)}/preview", params=params)

    def rename_voice(self, voice: str, name: str) -> VoiceProfile:
        return self._one(VoiceProfile, "PATCH", self._voice(voice), json={"name": name})

    def delete_voice(self, voice: str) -> None:
        self._call("DELETE", self._voice(voice))

    # Avatars

    def create_avatar(
        self,
        name: str,
        portrait: bytes | None = None,
        prompt: str | None = None,
        size: int | None = None,
        seed: int = 0,
    ) -> Avatar:
        fields: dict[str, Any] = {"name": name, "prompt": prompt, "size": size, "seed": seed}
        fields = {key: value for key, value in fields.items() if value is not None}
        if portrait is None:
            return self._one(Avatar, "POST", "/api/v1/avatars", json=fields)
        files = {"portrait": ("portrait", portrait)}
        return self._one(Avatar, "POST", "/api/v1/avatars", data=fields, files=files)

    def avatars(self) -> list[Avatar]:
        return self._list(Avatar, "/api/v1/avatars")

    def avatar(self, avatar: str) -> Avatar:
        return self._one(Avatar, "GET", self._avatar(avatar))

    def avatar_picture(self, avatar: str) -> bytes:
        return self._call("GET", f"{self._avatar(avatar)}/picture").content

    def rename_avatar(self, avatar: str, name: str) -> Avatar:
        return self._one(Avatar, "PATCH", self._avatar(avatar), json={"name": name})

    def delete_avatar(self, avatar: str) -> None:
        self._call("DELETE", self._avatar(avatar))

    # System

    def backends(self) -> dict[Capability, tuple[str, ...]]:
        return self._one(_Backends, "GET", "/api/v1/backends").enabled

    def status(self) -> Status:
        return self._one(Status, "GET", "/api/v1/status")

    def close(self) -> None:
        self._http.close()

    # HTTP

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
        with self._translated():
            return contract.model_validate(self._call(method, path, **arguments).json())

    def _list(self, contract: type[C], path: str, **arguments: Any) -> list[C]:
        with self._translated():
            body = self._call("GET", path, **arguments).json()
            if not isinstance(body, dict) or not isinstance(body.get("data"), list):
                raise ValueError("the answer is no list")
            return [contract.model_validate(item) for item in body["data"]]

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        with self._translated():
            response = self._http.request(method, path, **arguments)
            _check(response)
            return response

    def _pieces(self, method: str, path: str, **arguments: Any) -> Generator[bytes, None, None]:
        with self._translated(), self._http.stream(method, path, **arguments) as response:
            _check(response)
            yield from response.iter_bytes()

    @contextmanager
    def _translated(self) -> Generator[None, None, None]:
        """Turns what goes wrong on the way into `Unavailable`."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise Unavailable(
                f"No server answers at {self.url}.",
                code="no_server",
                field="server",
                accepted="the address of a running server; `mouthpiece serve` starts one",
            ) from None
        except httpx.TimeoutException:
            raise Unavailable(f"{self.url} took too long to answer.", code="timeout") from None
        except httpx.TransportError as error:
            raise Unavailable(f"The connection to {self.url} broke: {error}", code="connection_lost") from None
        except ValueError as error:  # JSON or a contract: whatever answers there, it is not Mouthpiece
            raise Unavailable(
                f"What answers at {self.url} is not Mouthpiece, or another version of it: {error}",
                code="not_mouthpiece",
                field="server",
            ) from None


def _check(response: httpx.Response) -> None:
    """Raises the error that an answer carries."""
    if response.is_success:
        return
    response.read()
    try:
        error = response.json()["error"]
        raise rebuilt(error, response.status_code)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    if response.status_code >= 500:
        raise Unavailable(f"{response.url} answered {response.status_code}.", code="bad_answer")
    raise MouthpieceError(f"{response.url} answered {response.status_code}.", code="bad_answer", field="server")


def _body(request: Contract, files: tuple[str, ...]) -> dict[str, Any]:
    """What to send: JSON, or a form where there are files; what is not said is left to the server."""
    parts = {name: data for name in files if (data := getattr(request, name)) is not None}
    fields = request.model_dump(mode="json", exclude=set(files), exclude_unset=True, exclude_none=True)
    if not parts:
        return {"json": fields}
    form: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            form |= {f"{name}.{key}": str(inner) for key, inner in value.items()}
        else:
            form[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return {"data": form, "files": {name: (name, data) for name, data in parts.items()}}


def _part(name: str) -> str:
    """A name as one part of a path. A server takes an encoded slash for a real one: see `Client._id`."""
    if name in ("", ".", ".."):
        raise InvalidRequest(f"{name!r} is no id and no name.", field="id", accepted="an id or a name")
    return quote(name, safe="")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _no_address(url: object) -> InvalidRequest:
    return InvalidRequest(
        f"{url!r} is not the address of a server.", code="invalid_url", field="server", accepted=f"such as {URL}"
    )
