"""Errors of the server, as the same classes here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import MouthpieceError, UserError


def rebuilt(error: Mapping[str, Any], status: int | None = None) -> MouthpieceError:
    """The error of an answer's body: its class by `code` or `kind` where one of them names it, else by HTTP status.

    `status` is None for the error of a failed job, which has no answer of its own.
    """
    code, retryable = str(error.get("code") or "internal_error"), bool(error.get("retryable"))
    retry_after = error.get("retry_after")
    return _class(str(error.get("kind") or code), status, retryable)(
        str(error.get("message") or "The server gave no reason."),
        code=code,
        field=error.get("field"),
        accepted=error.get("accepted"),
        retry_after=float(retry_after) if isinstance(retry_after, int | float) else None,
    )


def _class(name: str, status: int | None, retryable: bool) -> type[MouthpieceError]:
    tree = list(_tree(MouthpieceError))
    named = [kind for kind in tree if kind.default_code == name]
    alike = [kind for kind in tree if kind.status == status and kind.retryable == retryable]
    if named or alike:
        return (named or alike)[0]
    return UserError if 400 <= (status or 500) < 500 else MouthpieceError


def _tree(kind: type[MouthpieceError]) -> Iterator[type[MouthpieceError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)
