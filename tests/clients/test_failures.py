"""Errors cross HTTP and come out as the same class."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clients.python.failures import rebuilt
from pipeline.errors import BackendFailed, MouthpieceError, NotFound, Unavailable, UserError


def tree(kind: type[MouthpieceError] = MouthpieceError) -> Iterator[type[MouthpieceError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


@pytest.mark.parametrize("code", [None, "a_code_of_its_own"])
@pytest.mark.parametrize("kind", list(tree()))
def test_every_error_comes_out_as_it_went_in(kind: type[MouthpieceError], code: str | None) -> None:
    sent = kind("What was wrong.", code=code, field="text", accepted="something else", retry_after=3)
    for status in (kind.status, None):
        got = rebuilt(sent.body()["error"], status)
        assert type(got) is kind
        assert got.body() == sent.body()


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        ({"code": "new_code"}, 404, NotFound),
        ({"code": "new_code", "retryable": True}, 503, Unavailable),
        ({"code": "new_code"}, 418, UserError),
        ({"code": "new_code"}, None, MouthpieceError),
        ({"code": "new_code", "retryable": True}, 500, BackendFailed),
        ({}, 500, MouthpieceError),
    ],
)
def test_what_another_version_says_is_still_an_error(
    error: dict[str, object], status: int | None, kind: type[MouthpieceError]
) -> None:
    assert type(rebuilt(error, status)) is kind
