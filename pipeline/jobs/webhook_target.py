"""Where a webhook leads: its URL taken apart, its host looked up once, and each address asked whose it is.

Between looking a name up and connecting to it, its owner may change it (DNS rebinding); so a `Target` carries the
address that was looked at, and the connection goes there.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from pipeline.errors import InvalidRequest, Unavailable
from pipeline.jobs.webhook_address import Address, reach

if TYPE_CHECKING:
    import httpx

    from pipeline.settings import Webhooks as WebhookSettings

RESOLVE_SECONDS: Final = 5.0
RESOLVERS: Final = 4
"""Lookups at the same time. They have threads of their own: a server of names that never answers holds up no other
work."""

ACCEPTED: Final = "http://host/path or https://host/path, without user or password"


@dataclass(frozen=True, slots=True)
class Target:
    """A place that may be called."""

    url: httpx.URL
    """As it was asked for, without its fragment."""
    addresses: tuple[Address, ...]
    """Connect to one of these, whatever the host's name means by then."""

    def at(self, address: Address) -> httpx.URL:
        """The URL with an address in place of the name."""
        return self.url.copy_with(host=str(address))

    @property
    def host(self) -> str:
        """The host as a certificate has to name it."""
        return _host(self.url).rstrip(".")

    @property
    def authority(self) -> str:
        """The header `Host`."""
        return self.url.netloc.decode("ascii")


class Targets:
    """Says where a webhook may lead. Close it in the end."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._private = settings.private_networks
        self._hosts = frozenset(map(_plain, settings.hosts))
        self._threads = ThreadPoolExecutor(RESOLVERS, "webhook-names")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def find(self, url: str) -> Target:
        """Looks the host up. Raises `InvalidRequest` (field `webhook`) for a URL that is none, carries credentials,
        has a host that does not exist, or leads where webhooks may not; `Unavailable` where names can't be looked up.
        """
        parsed = _parsed(url)
        found = await self._addresses(parsed)
        named = _plain(_host(parsed)) in self._hosts
        for address in found:
            whose = reach(address)
            if not (named or whose == "public" or (whose == "private" and self._private)):
                raise _refused(f"{parsed.host} leads to {address}, which is no public address", "webhook_address")
        return Target(parsed, found)

    async def _addresses(self, url: httpx.URL) -> tuple[Address, ...]:
        look_up = partial(socket.getaddrinfo, _host(url), None, type=socket.SOCK_STREAM)
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except TimeoutError:
            raise _unknown(url, "nobody answered") from None
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise _unknown(url, "no server of names answers") from None
            raise _refused(f"there is no host {url.host}", "webhook_host") from None
        except (OSError, UnicodeError, OverflowError):
            raise _refused(f"{url.host} is no host", "webhook_host") from None
        return tuple(dict.fromkeys(ip_address(str(address[4][0])) for address in found))


def _host(url: httpx.URL) -> str:
    """In ASCII, as names are looked up."""
    return url.raw_host.decode("ascii")


def _parsed(text: str) -> httpx.URL:
    import httpx

    try:
        url = httpx.URL(text)
        host = _host(url)
    except (httpx.InvalidURL, ValueError):
        raise _refused("it is no URL") from None
    if url.scheme not in ("http", "https") or not host or not (url.port is None or 0 < url.port <= 65535):
        raise _refused("it is no http or https URL")
    if url.userinfo:
        raise _refused("it carries a user or a password", "webhook_credentials")
    if "%" in host or _odd_number(host):
        raise _refused(f"{url.host} is neither a name nor an address as it is usually written", "webhook_host")
    return url.copy_with(fragment=None)


def _odd_number(host: str) -> bool:
    """Whether it is an IPv4 address in a form that only some read, `2130706433`, `0x7f.1` or `0177.0.0.1`: a last
    label that is a number makes a host an address (URL standard, "ends in a number"), and `ip_address` knows one form.
    """
    last = host.rstrip(".").rsplit(".", 1)[-1].lower()
    if not (last.isdigit() or last.startswith("0x")) or ":" in host:
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


def _plain(host: str) -> str:
    """A host as it is compared: lower case, no dot at the end, an address in its one form."""
    host = host.lower().rstrip(".")
    try:
        return str(ip_address(host))
    except ValueError:
        return host


def _refused(why: str, code: str = "invalid_webhook") -> InvalidRequest:
    return InvalidRequest(f"The webhook can't be called: {why}.", code=code, field="webhook", accepted=ACCEPTED)


def _unknown(url: httpx.URL, why: str) -> Unavailable:
    return Unavailable(
        f"The webhook's host {url.host} can't be looked up now: {why}.", code="webhook_lookup", field="webhook"
    )
