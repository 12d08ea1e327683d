"""A SQL database: SQLite in a folder or Postgres by URL, one transaction at a time, tried again where that helps."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pipeline.errors import Conflict, Damaged, MouthpieceError, SettingsError, StorageFull, Unavailable
from pipeline.storage import schema
from pipeline.storage.failures import Meaning, meaning

T = TypeVar("T")

FILE: Final = "jobs.sqlite"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0  # seconds between tries; each is twice the one before

# A server whose client's machine died notices within half a minute, and with it go that client's locks.
_SESSION: Final = (
    "SET timezone = 'UTC'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'; "
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4"
)
_CLIENT: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",  # milliseconds
    "application_name": "mouthpiece",
}


class Database:
    """Runs transactions. Called from any number of threads.

    Every error it raises for reasons of its own is one of ours; neither they nor `repr` show a password.
    """

    def __init__(self, url: str | URL) -> None:
        """`sqlite:///path` or `postgresql://user:password@host:port/name?option=value`, libpq's options.

        Connects when first used. Raises `SettingsError` where the URL can't be understood.
        """
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            raise SettingsError(
                "storage.database can't be understood as a URL.",
                field="storage.database",
                accepted="postgresql://user:password@host:port/name",
            ) from None
        name = parsed.get_backend_name()
        if name not in ("sqlite", "postgresql"):
            raise SettingsError(
                f"There is no way to keep jobs in {name!r}.", field="storage.database", accepted="postgresql://..."
            )
        self.dialect: Final = name
        self.file: Final = Path(parsed.database) if name == "sqlite" and parsed.database else None
        """Where SQLite keeps it."""
        self._shown = _shown(parsed)
        # Writers of this process take turns here, first come first served; SQLite's own way is to ask again and again.
        self._turn = threading.Lock() if name == "sqlite" else None
        options: dict[str, Any] = {"pool_size": 8, "max_overflow": 24, "pool_timeout": 10}
        if name == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
            options["connect_args"] = {key: value for key, value in _CLIENT.items() if key not in parsed.query}
        self._engine = create_engine(
            parsed,
            hide_parameters=True,  # they hold what users wrote
            # In ASCII, for Postgres keeps no NUL and no half of a surrogate pair unless it is escaped.
            json_serializer=partial(json.dumps, allow_nan=False, separators=(",", ":")),
            **options,
        )
        event.listen(self._engine, "connect", _prepare_sqlite if name == "sqlite" else _prepare_postgres)
        if name == "sqlite":
            event.listen(self._engine, "begin", _begin_sqlite)

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """SQLite in `folder`, which is made where it is missing. Raises `SettingsError` where that can't be."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"The folder {folder} can't be used: {error.strerror}.", field="storage.folder"
            ) from error
        return cls(URL.create("sqlite", database=str(folder / FILE)))

    def __repr__(self) -> str:
        return f"Database({self._shown})"

    def __str__(self) -> str:
        return self._shown

    def run(self, work: Callable[[Connection], T], patience: float = 60.0) -> T:
        """What `work` returns, once everything it did is committed; nothing of it is, where it raises.

        `work` is called again where the connection was lost, the server restarted or someone else was in the way,
        for `patience` seconds; it may have been committed before that, so doing it twice has to do no harm. What
        takes part in one transaction sees nobody else's halves: on SQLite there is one writer at a time.

        Raises `Unavailable` (`database_unavailable`) when patience is over, `StorageFull`, `Damaged`, `Conflict`
        (`illegal_transition`) where a trigger says so, and what `work` raises.
        """
        return self._patiently(work, patience, writing=True)

    def read(self, work: Callable[[Connection], T], patience: float = 60.0) -> T:
        """Like `run` for what only reads: all of it sees the database at one moment, and nobody waits for it."""
        return self._patiently(work, patience, writing=False)

    def migrate(self, patience: float = 60.0) -> None:
        """Brings an empty database, or one of any earlier release, to what this release needs.

        Several processes may do it at once: one does, the others wait. Raises `SettingsError`
        (`database_too_new`) where a later release has been here, and what `run` raises.
        """
        from pipeline.storage.migrations import upgrade

        with self._without_foreign_keys():
            self.run(upgrade, patience)

    def create(self) -> None:
        """The newest schema at once in an empty database, for one that is thrown away."""
        self.run(schema.create)

    def close(self) -> None:
        """Closes connections that nobody uses; the others when they are given back."""
        self._engine.dispose()

    def session(self) -> Connection:
        """On Postgres, a connection of the caller's own, each statement a transaction of its own, for a lock that
        lives as long as it does. Raises what SQLAlchemy raises; whoever called closes it."""
        c = self._engine.connect()
        try:
            c.execution_options(isolation_level="AUTOCOMMIT")
            c.detach()  # closing it ends the session, and what is locked with it
            return c
        except BaseException:
            c.close()
            raise

    def _patiently(self, work: Callable[[Connection], T], patience: float, *, writing: bool) -> T:
        end = time.monotonic() + patience
        pause = _FIRST_PAUSE
        while True:
            try:
                with self._writing(end) if writing else self._reading() as c:
                    return work(c)
            except DBAPIError as error:
                found = meaning(error)
                if found is Meaning.OTHER:
                    raise
                if found is not Meaning.PASSES:
                    raise self._explained(found, error) from error
                cause: Exception = error
            except (PoolTimeout, _NoTurn) as error:
                cause = error
            left = end - time.monotonic()
            if left <= 0:
                raise self._unavailable(cause, patience) from cause
            # Spread out, so that many who lost the same server don't all come back at the same moment.
            time.sleep(min(left, pause * random.uniform(0.5, 1.0)))  # noqa: S311
            pause = min(_LONGEST_PAUSE, pause * 2)

    @contextmanager
    def _writing(self, end: float) -> Generator[Connection]:
        if self._turn is not None and not self._turn.acquire(timeout=max(0.0, end - time.monotonic())):
            raise _NoTurn("other transactions of this process took all the time")
        try:
            with self._engine.connect() as c, c.begin():
                yield c
        finally:
            if self._turn is not None:
                self._turn.release()

    @contextmanager
    def _reading(self) -> Generator[Connection]:
        with self._engine.connect() as connection:
            c = connection.execution_options(reading=True)
            if self.dialect == "postgresql":
                c = c.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with c.begin():
                yield c

    @contextmanager
    def _without_foreign_keys(self) -> Generator[None]:
        """SQLite changes a table by making another and dropping the old one, which would take all that refers to its
        rows along. Can't be switched within a transaction, so new connections get it."""
        if self.dialect != "sqlite":
            yield
            return
        self._engine.dispose()
        event.listen(self._engine, "connect", _loosen)
        try:
            yield
        finally:
            event.remove(self._engine, "connect", _loosen)
            self._engine.dispose()

    def _explained(self, found: Meaning, error: DBAPIError) -> MouthpieceError:
        said = _first_line(error)
        if found is Meaning.FULL:
            return StorageFull(f"There is no room left for {self._shown}: {said}.", code="disk_full")
        if found is Meaning.DAMAGED:
            return Damaged(f"{self._shown} is damaged: {said}.", code="database_damaged")
        return Conflict(f"A state that may not follow the one before was refused: {said}.", code="illegal_transition")

    def _unavailable(self, error: Exception, patience: float) -> Unavailable:
        return Unavailable(
            f"{self._shown} could not be used for {patience:g} s: {_first_line(error)}.",
            code="database_unavailable",
            retry_after=5,
        )


class _NoTurn(Exception):
    """Another thread's transactions lasted too long."""


def _shown(url: URL) -> str:
    """What a log may show: neither user nor password, and no options, for they may hold one too."""
    if url.get_backend_name() == "sqlite":
        return f"the database {url.database or 'in memory'}"
    port = f":{url.port}" if url.port else ""
    return f"the database {url.database or ''} at {url.host or url.query.get('host', 'localhost')}{port}"


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".:")


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, not where Python guesses
    for pragma in ("busy_timeout=1000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _loosen(connection: Any, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=OFF").close()


def _begin_sqlite(c: Connection) -> None:
    # A transaction that reads first and writes later can lose its turn in between and would have to start again.
    reading = c.get_execution_options().get("reading", False)
    c.exec_driver_sql(f"PRAGMA query_only={'ON' if reading else 'OFF'}")
    c.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _prepare_postgres(connection: Any, _: object) -> None:
    connection.execute(_SESSION)
    connection.commit()
