"""The parts of long films, kept as they are made: a crash loses none, and players have them before the whole."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Set
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Final

from pipeline.errors import Damaged, NotFound
from pipeline.graph import digest_of
from pipeline.jobs.journal import Journal
from pipeline.storage import nodes
from pipeline.storage.artifacts import Artifacts
from pipeline.storage.nodes import Made

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger("mouthpiece.jobs")

KIND: Final = "passage"


class KeptPassages:
    """Those of the film with this key, that by which the builder knows it while it is made; implements
    `pipeline.nodes.bench.Passages`. Number 0 is the header, the others are fragments, each kept after the one before.
    What is in use is in `digests` as well.

    Films share artifacts: those of one size and rate have the same header, and the same fragments as far as they say
    the same. `holding` tells the digests that are worked with, of whatever film.
    """

    def __init__(
        self,
        film: str,
        journal: Journal,
        artifacts: Artifacts,
        digests: set[str],
        backend: str = "",
        holding: Callable[[], Set[str]] = frozenset,
    ) -> None:
        self._film = film
        self._journal = journal
        self._artifacts = artifacts
        self._digests = digests
        self._backend = backend
        self._holding = holding
        self._asked = -1
        self.used = False
        """Whether there are any, as far as this object knows."""

    async def find(self, number: int, sound: str | None = None) -> bytes | None:
        key = passage_key(self._film, number)
        self._asked = max(self._asked, number)
        made = await self._journal.read(lambda connection: nodes.find(connection, key))
        if made is None:
            return None
        self.used = True
        if sound is not None and made.facts.get("sound") != sound:
            await self._let_go(lambda connection: [each.key for each in self._kept(connection, number)])
            return None
        self._digests.add(made.artifact)
        try:
            return await asyncio.to_thread(self._artifacts.read, made.artifact)
        except (Damaged, NotFound) as error:
            log.warning("%s It is made again.", error.message)
            await self._journal.write(lambda connection: nodes.forget(connection, made.artifact))
            await asyncio.to_thread(self._artifacts.delete, made.artifact)
            return None

    async def keep(self, number: int, data: bytes, frames: int, sound: str = "") -> None:
        self.used = True
        # Held before it is put: whoever lets it go for another film meanwhile either knows, or finds it new.
        self._digests.add(await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest()))
        stored = await asyncio.to_thread(self._artifacts.put, data)
        made = Made(
            key=passage_key(self._film, number),
            kind=KIND,
            backend=self._backend,
            artifact=stored.digest,
            size=stored.size,
            seconds=0.0,
            facts={"frames": frames, "sound": sound},
            created_at=datetime.now(UTC),
        )
        await self._journal.write(lambda connection: nodes.record(connection, made))

    async def frames(self) -> list[int]:
        """Of each fragment that is kept, from the first on."""
        kept = await self._journal.read(lambda connection: list(self._kept(connection)))
        return [made.facts["frames"] for made in kept[1:]]

    async def forget(self) -> None:
        """Lets all of them go."""
        await self._let_go(lambda connection: [made.key for made in self._kept(connection, least=self._asked)])

    async def _let_go(self, keys: Callable[[Connection], list[str]]) -> None:
        """The artifacts that another film has as well stay; so does what was put again meanwhile, until it is swept."""
        began = time.time()
        gone = await self._journal.write(lambda connection: nodes.let_go(connection, keys(connection)))
        self._digests.difference_update(gone)
        for digest in gone:
            if digest not in self._holding():
                await asyncio.to_thread(self._artifacts.discard, digest, began)

    def _kept(self, connection: Connection, first: int = 0, least: int = -1) -> Iterator[Made]:
        """From number `first` on to the first that is missing after number `least`."""
        for number in count(first):
            made = nodes.find(connection, passage_key(self._film, number))
            if made is not None:
                yield made
            elif number > least:
                return


def passage_key(film: str, number: int) -> str:
    """Content key of a passage of the film with this key."""
    return digest_of(KIND, film, number)
