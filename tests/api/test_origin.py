"""Other web pages are kept out, this server's own and programs are not."""

from __future__ import annotations

import httpx
import pytest

pytestmark = pytest.mark.server

BODY = {"text": "Hello.", "format": "wav"}


def test_a_page_of_another_site_can_change_nothing(api: httpx.Client) -> None:
    for origin in ("https://example.org", "null", "http://127.0.0.1:1"):
        answer = api.post("/api/v1/speech", json=BODY, headers={"Origin": origin})
        assert answer.status_code == 403, origin
        assert answer.json()["error"]["code"] == "foreign_origin"


def test_a_page_of_this_server_can(api: httpx.Client) -> None:
    own = str(api.base_url).rstrip("/")
    assert api.post("/api/v1/speech", json=BODY, headers={"Origin": own}).status_code == 200


@pytest.mark.parametrize("host", ["example.org", "evil.test:8000", "127.0.0.1.evil.test", ""])
def test_a_foreign_name_that_points_here_reads_nothing(api: httpx.Client, host: str) -> None:
    answer = api.get("/api/v1/backends", headers={"Host": host})
    assert answer.status_code in (400, 403), host
    if answer.status_code == 403:
        assert answer.json()["error"]["code"] == "foreign_host"


def test_localhost_is_our_name_too(api: httpx.Client) -> None:
    answer = api.get("/api/v1/backends", headers={"Host": f"localhost:{api.base_url.port}"})
    assert answer.status_code == 200
