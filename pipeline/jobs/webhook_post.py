"""One call of a webhook: a POST to the address that was looked at, over a connection of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final

from pipeline.jobs.webhook_target import Target

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS: Final = 4.0
"""One address of the host, before the next is tried."""


def transport() -> AbstractAsyncContextManager[httpx.AsyncHTTPTransport]:
    """What calls go through. Reads the certificates of authorities, so make it in a thread.

    A transport rather than a client: it follows no redirect, keeps no cookie, asks the environment for no proxy and
    logs no URL. Connections are not kept: one whose certificate was checked for a host must not serve another there.
    Certificates are checked against those of `certifi`, or of SSL_CERT_FILE.
    """
    import httpx

    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncHTTPTransport(verify=httpx.create_ssl_context(), trust_env=False, limits=limits)


async def post(through: httpx.AsyncHTTPTransport, target: Target, headers: Mapping[str, str], body: bytes) -> int:
    """The status of the answer, whose body is not read, of the first address that takes a connection.

    Sets no limit to the whole. Raises `httpx.TransportError` where there is no answer, and where the certificate is
    not that of the host.
    """
    import httpx

    own = {"host": target.authority, "user-agent": "Mouthpiece", "content-type": "application/json"}
    extensions = {
        "timeout": {"connect": CONNECT_SECONDS},
        "sni_hostname": target.host,  # also the name that the certificate is checked for
    }
    refused: httpx.TransportError = httpx.ConnectError("the host has no address")
    for address in target.addresses:
        url = target.at(address)
        request = httpx.Request("POST", url, headers={**headers, **own}, content=body, extensions=extensions)
        try:
            response = await through.handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            refused = error
        else:
            await response.aclose()
            return response.status_code
    raise refused
