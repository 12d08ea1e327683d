"""The one writer of the database: what is written keeps its order, and what waits together is committed together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pipeline.errors import Unavailable
from pipeline.storage.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger("mouthpiece.jobs")

T = TypeVar("T")

BATCH: Final = 100
"""Writes of one transaction, at most."""


class Journal:
    """A thread that writes. Used from one event loop; `read` goes past it, on a connection of its own.

    `committed` is called on that loop after every transaction. `guard` begins each of them, and refuses it by raising
    where somebody else writes now.
    """

    def __init__(
        self,
        database: Database,
        committed: Callable[[], None],
        guard: Callable[[Connection], None] | None = None,
    ) -> None:
        self._database = database
        self._committed = committed
        self._guard = guard
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returned, once it is committed; raises what it raised, with nothing of it written.

        `work` may run more than once, where the connection was lost meanwhile. A caller that is cancelled does not
        take its write back.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Entry(work, loop, future))
        return await future

    def post(self, work: Callable[[Connection], Any]) -> None:
        """Writes without waiting. What can't be written is logged: nobody is there to be told."""
        self._queue.put(_Entry(work, asyncio.get_running_loop(), None))

    async def read(self, work: Callable[[Connection], T]) -> T:
        read: Callable[[], T] = partial(self._database.read, work)
        return await asyncio.to_thread(read)

    async def settle(self) -> None:
        """Returns when everything posted before is written."""
        await self.write(lambda _: None)

    def close(self) -> None:
        """Writes what is waiting, and ends. Nothing may be written any more."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            entry = self._queue.get()
            entries: list[_Entry] = []
            while entry is not None:
                entries.append(entry)
                if len(entries) == BATCH or self._queue.empty():
                    break
                entry = self._queue.get()
            if entries:
                self._commit(entries)
            if entry is None:
                return

    def _commit(self, entries: list[_Entry]) -> None:
        def together(connection: Connection) -> None:
            if self._guard is not None:
                self._guard(connection)
            for each in entries:
                each.run(connection)

        try:
            self._database.run(together)
        except Exception as error:  # noqa: BLE001 - handed to those who wait for it
            if len(entries) > 1 and not isinstance(error, Unavailable):
                # One of them was refused or is at fault, and the others need not suffer for it. That is rare; a
                # savepoint for each of them would cost every batch more than it costs this one to begin anew.
                for each in entries:
                    self._commit([each])
                return
            for each in entries:
                each.outcome = (None, error)
        for each in entries:
            each.tell()
        entries[-1].call(self._committed)


class _Entry:
    def __init__(
        self,
        work: Callable[[Connection], Any],
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Any] | None,
    ) -> None:
        self._work = work
        self._loop = loop
        self._future = future
        self.outcome: tuple[Any, Exception | None] = (None, None)

    def run(self, connection: Connection) -> None:
        self.outcome = (self._work(connection), None)

    def tell(self) -> None:
        self.call(self._settle)

    def call(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it everyone who waited
            self._loop.call_soon_threadsafe(function)

    def _settle(self) -> None:
        result, error = self.outcome
        if self._future is None:
            if error is not None:
                log.error("The journal could not be written: %s", error)
        elif self._future.done():
            return  # whoever waited for it has gone away
        elif error is not None:
            self._future.set_exception(error)
        else:
            self._future.set_result(result)
