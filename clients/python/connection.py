"""HTTP to one server: errors come out as our own classes, and what may be repeated is repeated while it is away."""

from __future__ import annotations

import ipaddress
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx

from clients.python.failures import rebuilt
from clients.python.patience import Patience
from clients.python.sse import Message, lines, messages
from pipeline.errors import Busy, InvalidRequest, MouthpieceError, Unavailable

EXAMPLE: Final = "http://127.0.0.1:8000"
CONNECT_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 60.0
"""Longest silence of an event stream before it is opened anew: what sits between may have forgotten it."""
REPEATABLE: Final = frozenset({"GET", "PUT", "PATCH", "DELETE"})
"""Methods that do the same when they are done twice; a POST has to say so."""

NO_APPLICATION: Final = "/-/routes for available routes"
"""In the 404 of a proxy of Ray Serve's that has not been told of any application, as after its restart."""


class Connection:
    """To the server at `url`. `timeout` in seconds is for an answer or its next piece, `patience` for how long
    repeatable calls go on while the server is busy, away or being restarted.

    A server that never answered is not waited for. Raises `InvalidRequest` for an address that is none.
    """

    def __init__(self, url: str, timeout: float, patience: float) -> None:
        try:
            address = httpx.URL(url)
        except (httpx.InvalidURL, TypeError) as error:
            raise _no_address(url) from error
        if address.scheme not in ("http", "https") or not address.host:
            raise _no_address(url)
        self.url = url.rstrip("/")
        self._patience = patience
        self._reached = False
        self.here = here = _loopback(address.host)
        """Whether the server is on this machine."""
        self._http = httpx.Client(
            base_url=address,
            timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
            # A proxy of the environment does not lead back to this machine.
            trust_env=not here,
            # Where nothing is encrypted there is no certificate to check, and reading those to check it by would take
            # a tenth of a second.
            verify=address.scheme == "https" or not here,
        )

    def call(self, method: str, path: str, *, repeatable: bool | None = None, **arguments: Any) -> httpx.Response:
        """The whole answer. `repeatable` is for calls that do the same when done twice although their method does
        not say so, and the other way round."""
        patience, lost = Patience(self._patience), False
        while True:
            try:
                with self.translated():
                    response = self._http.request(method, path, **arguments)
                    self._check(response)
                    return response
            except (Unavailable, Busy) as error:
                self._another_try(error, method in REPEATABLE if repeatable is None else repeatable, patience)
                lost = lost or error.code == "connection_lost"
            except MouthpieceError as error:
                if lost and method == "DELETE" and error.status == 404:
                    return httpx.Response(204)  # the call whose answer was lost removed it
                raise

    def pieces(
        self, method: str, path: str, *, resumable: bool = False, repeatable: bool | None = None, **arguments: Any
    ) -> Generator[bytes, None, None]:
        """The answer as it comes. What is `resumable` is taken up where it broke, by `Range`."""
        patience, taken = Patience(self._patience), 0
        while True:
            headers = {"Range": f"bytes={taken}-"} if taken else {}
            try:
                with self.translated(), self._http.stream(method, path, headers=headers, **arguments) as response:
                    self._check(response)
                    if taken and response.status_code != 206:
                        raise MouthpieceError(f"{response.url} can't be taken up in the middle.", code="bad_answer")
                    for piece in response.iter_bytes():
                        taken += len(piece)
                        patience.renew()
                        yield piece
                    return
            except (Unavailable, Busy) as error:
                if taken and not resumable:
                    raise
                self._another_try(error, method in REPEATABLE if repeatable is None else repeatable, patience)

    def follow(self, path: str, last: str = "", **arguments: Any) -> Generator[Message | None, None, None]:
        """Server-sent events for as long as the caller listens, over as many connections as it takes.

        None says that a connection was opened; it takes up after the last event that had an id, at first after
        `last`. A caller that wants to miss nothing looks, each time, at how things are.
        """
        patience = Patience(self._patience)
        timeout = httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
        while True:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
            try:
                with (
                    self.translated(),
                    self._http.stream("GET", path, headers=headers, timeout=timeout, **arguments) as response,
                ):
                    self._check(response)
                    yield None
                    try:
                        for message in messages(lines(response.iter_text())):
                            patience.renew()
                            last = message.id or last
                            if message.data:
                                yield message
                    except httpx.ReadTimeout:  # nothing happened, which is no outage
                        continue
                raise Unavailable(f"{self.url} ended the stream.", code="connection_lost")
            except (Unavailable, Busy) as error:
                if error.code == "timeout" and self._reached:  # a server that starts may let callers wait
                    patience.wait(error)
                else:
                    self._another_try(error, True, patience)

    def _another_try(self, error: MouthpieceError, repeatable: bool, patience: Patience) -> None:
        """Waits before one. Raises `error` where it would make no sense, or might do something twice."""
        if error.code == "connection_lost":
            self._reached = True
        sensible = {
            "no_server": self._reached,  # nothing was sent, so that anything may be repeated
            "bad_answer": self._reached and repeatable,  # a proxy whose server went away
            "timeout": False,
            "not_mouthpiece": False,
        }.get(error.code, repeatable)
        if not sensible:
            raise error
        patience.wait(error)

    def _check(self, response: httpx.Response) -> None:
        """Raises the error that an answer carries."""
        if response.is_success:
            self._reached = True
            return
        response.read()
        error = _error(response)
        self._reached = self._reached or error.code != "bad_answer"
        raise error

    @contextmanager
    def translated(self) -> Generator[None, None, None]:
        """Turns what goes wrong on the way, and an answer that can't be read, into `Unavailable`."""
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
            raise Unavailable(f"The connection to {self.url} broke: {error}.", code="connection_lost") from None
        except ValueError as error:  # JSON or a contract: whatever answers there, it is not Mouthpiece
            raise Unavailable(
                f"What answers at {self.url} is not Mouthpiece, or another version of it: {error}",
                code="not_mouthpiece",
                field="server",
            ) from None

    def close(self) -> None:
        self._http.close()


def _error(response: httpx.Response) -> MouthpieceError:
    """Ours where the body is one, else by status."""
    try:
        body = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        body = None
    if isinstance(body, Mapping):
        found = rebuilt(body, response.status_code)
        if found.retry_after is None:
            found.retry_after = _retry_after(response)
        return found
    message = f"{response.url} answered {response.status_code}."
    if response.status_code == 429:
        return Busy(message, retry_after=_retry_after(response))
    if response.status_code == 503:
        return Unavailable(message, retry_after=_retry_after(response))
    if response.status_code >= 500:
        return Unavailable(message, code="bad_answer")
    if response.status_code == 404 and NO_APPLICATION in response.text:
        return Unavailable(f"Nothing is deployed at {response.url.host} yet, or it is being restarted.")
    return MouthpieceError(message, code="bad_answer", field="server")


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds; None for no header, and for one that gives a date, as ours never do."""
    header = response.headers.get("retry-after", "")
    return float(header) if header.isascii() and header.isdigit() else None


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _no_address(url: object) -> InvalidRequest:
    return InvalidRequest(
        f"{url!r} is not the address of a server.", code="invalid_url", field="server", accepted=f"such as {EXAMPLE}"
    )
