"""What an error of a database means: whether it passes, whether there is no room, whether the file is damaged."""

from __future__ import annotations

import sqlite3
from enum import Enum, auto
from typing import Final

from sqlalchemy.exc import DBAPIError

from pipeline.storage import triggers


class Meaning(Enum):
    PASSES = auto()
    """The server is away, restarts, or is busy with someone else: the same transaction may succeed later."""
    FULL = auto()
    """No room for what was to be written."""
    DAMAGED = auto()
    """The file is not what was written."""
    ILLEGAL = auto()
    """A state that may not follow the one before."""
    OTHER = auto()
    """A mistake in the statement, or something that no waiting mends."""


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING: Final = {
    "40001": "serialization_failure",
    "40P01": "deadlock_detected",
    "55P03": "lock_not_available",
    "53300": "too_many_connections",
    "57P01": "admin_shutdown",
    "57P02": "crash_shutdown",
    "57P03": "cannot_connect_now",
    "57P05": "idle_session_timeout",
    "25P03": "idle_in_transaction_session_timeout",
}
_CONNECTION: Final = "08"  # the class of connection exceptions
_DISK_FULL: Final = "53100"
_CORRUPTED: Final = ("XX001", "XX002")


def meaning(error: DBAPIError) -> Meaning:
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause)
    state = getattr(cause, "sqlstate", None)
    if state == _DISK_FULL:
        return Meaning.FULL
    if state == triggers.CODE:
        return Meaning.ILLEGAL
    if state in _CORRUPTED:
        return Meaning.DAMAGED
    if state is not None and (state in _PASSING or state.startswith(_CONNECTION)):
        return Meaning.PASSES
    # libpq gives no SQLSTATE where the server could not be reached or went away in the middle of a sentence.
    if error.connection_invalidated or (state is None and type(cause).__name__ == "OperationalError"):
        return Meaning.PASSES
    return Meaning.OTHER


# https://sqlite.org/rescode.html: the low byte is the family.
_FAMILIES: Final = {
    sqlite3.SQLITE_BUSY: Meaning.PASSES,
    sqlite3.SQLITE_LOCKED: Meaning.PASSES,
    sqlite3.SQLITE_FULL: Meaning.FULL,
    sqlite3.SQLITE_CORRUPT: Meaning.DAMAGED,
    sqlite3.SQLITE_NOTADB: Meaning.DAMAGED,
}
_ROOM: Final = frozenset({sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
"""Where a file system says that it is full, and SQLite says only that it could not write."""


def _of_sqlite(error: sqlite3.Error) -> Meaning:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Meaning.OTHER
    if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        return Meaning.ILLEGAL
    if code in _ROOM:
        return Meaning.FULL
    return _FAMILIES.get(code & 0xFF, Meaning.OTHER)
