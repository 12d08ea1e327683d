"""Jobs and events as they are kept: what an ingress replica reads without asking the coordinator."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pipeline.errors import StorageFull, Unavailable
from pipeline.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.storage.database import Database

log = logging.getLogger("mouthpiece.ingress")

T = TypeVar("T")

THREADS: Final = 2
"""That read at once. They are this reader's own: decoding an upload keeps nobody waiting who asks how it goes."""

PATIENCE: Final = 1.0
"""Seconds that a database may be away before the coordinator is asked, which waits for it longer."""


class Elsewhere(Exception):
    """What is kept can't be read from here; the message says why."""


class Records:
    """The database of the coordinator, read by another process.

    The coordinator answers when what it did is committed, so whoever has its answer finds it here. Of a step that is
    being done, what is kept is up to a quarter of a second old.

    SQLite is read where a coordinator works on the very file, on this machine; Postgres from everywhere. In either the
    tables have to be those of this release.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._url = settings.storage.database
        self._folder = folder
        self._database: Database | None = None
        self._epoch: int | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="records")
        self._said = ""

    async def read(self, work: Callable[[Connection], T], *, brief: bool = False) -> T:
        """What `work` returns; raises what it raises, and `Elsewhere` where the coordinator has to be asked.

        `brief` work reads a few rows by their keys. From an open file that takes half a millisecond, less than a thread
        waits for the interpreter's lock while others compute.
        """
        try:
            if brief and self._url is None and self._database is not None:
                found = self._read(work, patience=0.0)
            else:
                read: Callable[[], T] = partial(self._read, work, PATIENCE)
                found = await asyncio.get_running_loop().run_in_executor(self._threads, read)
        except Elsewhere as error:
            self._say(str(error))
            raise
        self._say("")
        return found

    def close(self) -> None:
        """Nothing may be read any more."""
        self._threads.shutdown()
        if self._database is not None:
            self._database.close()

    def _read(self, work: Callable[[Connection], T], patience: float) -> T:
        from sqlalchemy.exc import DBAPIError

        database = self._reachable()

        def both(c: Connection) -> T:
            self._check(c)
            return work(c)

        try:
            return database.read(both, patience)
        except (DBAPIError, Unavailable, StorageFull) as error:
            raise Elsewhere(str(error)) from error

    def _reachable(self) -> Database:
        from pipeline.storage import owner
        from pipeline.storage.database import Database

        if self._url is None and not owner.works_in(self._folder):
            raise Elsewhere(f"no coordinator works on {self._folder} on this machine")
        if self._database is None:
            url = self._url
            self._database = Database.in_folder(self._folder) if url is None else Database(url.get_secret_value())
        return self._database

    def _check(self, c: Connection) -> None:
        """A coordinator of another release changes the tables before it takes the database over."""
        from pipeline.storage import owner, schema

        epoch = owner.epoch(c)
        if epoch != self._epoch:
            revision = schema.revision(c)
            if revision != schema.HEAD:
                raise Elsewhere(f"the tables are of revision {revision}, not {schema.HEAD}")
            self._epoch = epoch

    def _say(self, why: str) -> None:
        """Once, however often it is so."""
        if why != self._said:
            self._said = why
            log.info("Jobs are read %s", f"by way of the coordinator: {why}" if why else "from the database")
