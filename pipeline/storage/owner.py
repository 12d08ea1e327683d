"""Exactly one coordinator works on a database: a lock that goes with its holder, and a number that tells who is last.

SQLite: a lock on a file beside it, which the system takes back from a process however it ends. Postgres: an advisory
lock of a session, which the server takes back when the connection is gone. A connection can be lost without its holder
noticing, so writers also call `guard`: it refuses them within their own transaction once somebody else took over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
import time
from pathlib import Path
from typing import IO, Final, Protocol

from sqlalchemy import Connection, func, literal_column, select, text
from sqlalchemy.exc import DBAPIError

from pipeline.errors import SettingsError, Unavailable
from pipeline.storage.database import Database
from pipeline.storage.failures import Meaning, meaning
from pipeline.storage.locks import Lock
from pipeline.storage.schema import owner

FILE: Final = ".owner"
_PAUSE: Final = 0.2  # seconds between tries
_EPOCH: Final = select(owner.c.epoch)
_GUARD: Final = _EPOCH.with_for_update(read=True)


class Owner:
    """Being the one who works on `database`. Called from any thread.

    A holder that just died may still seem to be there, so its lock is waited for, `patience` seconds. Raises
    `Unavailable` (`folder_in_use`, `database_in_use`) where somebody else has it, and what `Database.run` raises.
    """

    def __init__(self, database: Database, patience: float = 5.0) -> None:
        self._database = database
        self._turn = threading.Lock()
        self._lost = False
        self._held: _Held = _File(database.file.parent / FILE) if database.file else _Session(database)
        try:
            self._take(patience)
            name = f"process {os.getpid()} on {socket.gethostname()}"
            change = owner.update().values(epoch=owner.c.epoch + 1, name=name).returning(owner.c.epoch)
            self._epoch: int = database.run(lambda c: c.execute(change).scalar_one())
        except BaseException:
            self._held.close()
            raise

    def held(self) -> bool:
        """Whether it still is; never again, once it said no: then stop working.

        Where the connection was lost it takes the lock again, and still is the owner if nobody was in between. Raises
        `Unavailable` (`database_unavailable`) while the database can't be asked; nobody else can take over meanwhile.
        """
        with self._turn:
            if not self._lost:
                self._lost = not self._held.take() or self._database.read(epoch, patience=1.0) != self._epoch
            return not self._lost

    def guard(self, c: Connection) -> None:
        """To be called within each writing transaction: nobody takes over before that has ended. Raises `Unavailable`
        (`not_owner`) where somebody did before."""
        # FOR SHARE: who takes over waits for us, and we for nobody but them. SQLite has one writer anyway.
        if c.execute(_GUARD).scalar_one() != self._epoch:
            raise Unavailable(f"Another coordinator works on {self._database} now.", code="not_owner")

    def close(self) -> None:
        """Lets go of it."""
        with self._turn:
            self._lost = True
            self._held.close()

    def _take(self, patience: float) -> None:
        end = time.monotonic() + patience
        while True:
            away: Unavailable | None = None
            try:
                if self._held.take():
                    return
            except Unavailable as error:
                away = error
            if time.monotonic() >= end:
                raise away or self._in_use()
            time.sleep(_PAUSE)

    def _in_use(self) -> Unavailable:
        name = self._database.read(lambda c: c.execute(select(owner.c.name)).scalar_one())
        return Unavailable(
            f"Another Mouthpiece, {name or 'still starting'}, works on {self._database}; stop it, or set "
            f"{'storage.folder to another folder' if self._database.file else 'storage.database to another database'}.",
            code="folder_in_use" if self._database.file else "database_in_use",
            retry_after=5,
        )


def epoch(c: Connection) -> int:
    """Another one for each who has worked on this database."""
    return c.execute(_EPOCH).scalar_one()


def works_in(folder: Path) -> bool:
    """Whether somebody on this machine works on the SQLite database in `folder`."""
    try:
        file = (folder / FILE).open("rb")
    except FileNotFoundError:
        return False
    with file:
        try:
            # Let go of at once: whoever starts to work there right now tries again.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


class _Held(Protocol):
    """A lock that its holder loses by dying."""

    def take(self) -> bool:
        """Has it, or takes it if nobody has. Raises `Unavailable` where that can't be known."""
        ...

    def close(self) -> None: ...


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def take(self) -> bool:
        if self._file is not None:
            return True
        try:
            file = self._path.open("ab")
        except OSError as error:
            raise SettingsError(f"{self._path} can't be written: {error.strerror}.", field="storage.folder") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class _Session:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._c: Connection | None = None

    def take(self) -> bool:
        if self._c is not None:
            try:
                if self._has(self._c):
                    return True
            except DBAPIError as error:
                self._passes(error)
            self.close()  # the session is gone, or is another one behind a pooler
        try:
            self._c = self._database.session()
            taken = bool(self._c.execute(select(func.pg_try_advisory_lock(int(Lock.OWNER)))).scalar_one())
        except DBAPIError as error:
            self.close()
            self._passes(error)
            raise Unavailable(
                f"{self._database} can't be asked who works on it.", code="database_unavailable", retry_after=5
            ) from error
        if not taken:
            self.close()
        return taken

    def close(self) -> None:
        c, self._c = self._c, None
        if c is not None:
            if not c.invalidated:
                with contextlib.suppress(DBAPIError):  # the session is gone, and the lock with it
                    c.execute(select(func.pg_advisory_unlock(int(Lock.OWNER))))
            c.close()

    @staticmethod
    def _has(c: Connection) -> bool:
        # https://www.postgresql.org/docs/current/view-pg-locks.html: a 64-bit key stands there in two halves.
        query = (
            select(func.count())
            .select_from(text("pg_locks"))
            .where(
                text("locktype = 'advisory' AND granted AND objsubid = 1 AND pid = pg_backend_pid()"),
                literal_column("classid::bigint") == Lock.OWNER >> 32,
                literal_column("objid::bigint") == Lock.OWNER & 0xFFFFFFFF,
            )
        )
        return c.execute(query).scalar_one() > 0

    @staticmethod
    def _passes(error: DBAPIError) -> None:
        if meaning(error) is not Meaning.PASSES:
            raise error
