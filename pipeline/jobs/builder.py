"""Makes nodes, each at most once: what was made before is taken, what is being made is waited for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from pydantic import JsonValue

from pipeline import timings
from pipeline.contracts import Speech
from pipeline.errors import BackendFailed, Damaged, MouthpieceError, NotFound, StorageFull
from pipeline.graph import Node, content_key
from pipeline.jobs.arrivals import Arrivals, Later
from pipeline.jobs.journal import Journal
from pipeline.jobs.passages import KeptPassages
from pipeline.jobs.turns import Rank, Turn, Turns
from pipeline.metrics import Metrics
from pipeline.nodes.bench import Bench, Inputs, Output
from pipeline.nodes.kinds import KINDS, Medium
from pipeline.storage import nodes
from pipeline.storage.nodes import Made

log = logging.getLogger("mouthpiece.jobs")


class Watcher(Protocol):
    """Told what happens to a node, by whichever job it is made."""

    def keyed(self, key: str) -> None: ...

    def started(self, attempt: int) -> None: ...

    def told(self, made: int, total: int, *, sure: bool = True) -> None: ...

    def said(self, part: Speech) -> None:
        """The next part of a speech. After `started`, it is said anew from its beginning."""
        ...


class Lost(Exception):
    """An artifact that a node is made from is gone or damaged."""

    def __init__(self, digest: str, reason: str) -> None:
        super().__init__(reason)
        self.digest = digest


@dataclass(slots=True)
class _Flight:
    """A node being made, and who wants it."""

    watchers: list[Watcher] = field(default_factory=list)
    attempt: int = 0
    since: float | None = None
    """When it began to be made, as `time.perf_counter` has it."""
    last: tuple[int, int, bool] | None = None
    said: list[Speech] = field(default_factory=list)
    """The parts of a speech that this attempt has made."""
    digests: set[str] = field(default_factory=set)
    """What it reads, and what it has found."""
    coming: Arrivals | None = None
    """What it is made from and that comes meanwhile."""
    task: asyncio.Task[tuple[Made, bool]] | None = None

    def keyed(self, key: str) -> None:
        for watcher in self.watchers:
            watcher.keyed(key)


class _Told:
    """Tells all who want a node how far it is."""

    def __init__(self, flight: _Flight) -> None:
        self._flight = flight

    def __call__(self, made: int, total: int, *, sure: bool = True) -> None:
        self._flight.last = (made, total, sure)
        for watcher in self._flight.watchers:
            watcher.told(made, total, sure=sure)

    def said(self, part: Speech) -> None:
        self._flight.said.append(part)
        for watcher in self._flight.watchers:
            watcher.said(part)


class Builder:
    """Makes nodes for every job of this process. One event loop."""

    def __init__(self, bench: Bench, journal: Journal, metrics: Metrics) -> None:
        self._bench = bench
        self._journal = journal
        self._metrics = metrics
        self._flights: dict[str, _Flight] = {}
        self._clear: Callable[[], Awaitable[bool]] | None = None
        jobs = bench.settings.jobs
        self._turns: dict[Medium, Turns] = {
            "audio": Turns(jobs.audio),
            "image": Turns(jobs.image),
            "video": Turns(jobs.video),
        }

    def key(self, node: Node, made: Mapping[str, str]) -> str:
        """Content key of what the node makes of `made`: digests by node name."""
        return content_key(node, self._bench.models.fingerprint(KINDS[node.kind].capability, node.backend), made)

    async def make(
        self, node: Node, made: Mapping[str, str], rank: Rank, watcher: Watcher, later: Later | None = None
    ) -> tuple[Made, bool]:
        """What the node makes of `made` (digests by node name), and whether it was there already or being made for
        someone else.

        With `later`, what plays that role need not be there: until it is, the node goes by a key that has the content
        keys of these in place of their digests, and by that key its passages are kept.

        Who is cancelled only goes away; the work stops when nobody wants it any more. Raises `Lost` for an input
        that can't be read, and what the node's own work raises, after as many retries as the settings say.
        """
        key = self.key(node, made if later is None else {**made, **_by_name(node, later, later.keys)})
        watcher.keyed(key)
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._flights[key] = _Flight()
            if later is not None:
                flight.coming = Arrivals(len(later.keys), later.voices, flight.digests.add)
            flight.task = asyncio.create_task(self._fly(key, node, made, rank, flight, later))
            flight.task.add_done_callback(lambda _: self._landed(key, flight))
        elif flight.attempt:
            watcher.started(flight.attempt)
            if flight.last is not None:
                frames, total, sure = flight.last
                watcher.told(frames, total, sure=sure)
            for part in flight.said:
                watcher.said(part)
        assert flight.task is not None  # noqa: S101 - set where it was made
        flight.watchers.append(watcher)
        if flight.coming is not None and later is not None:
            flight.coming.add(later.source)
        try:
            result, cached = await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            flight.watchers.remove(watcher)
            if flight.coming is not None and later is not None:
                flight.coming.remove(later.source)
            if not flight.watchers and not flight.task.done():
                self._landed(key, flight)  # whoever wants it now begins anew
                flight.task.cancel()
                await asyncio.wait({flight.task})
            raise
        if result.key != key:
            watcher.keyed(result.key)
        if cached or joined:
            self._metrics.cache_hit(node.kind)
        return result, cached or joined

    def _landed(self, key: str, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def holding(self) -> set[str]:
        """Digests of what is being read or was just made: nothing that may be removed now."""
        return {digest for flight in self._flights.values() for digest in flight.digests}

    def when_full(self, clear: Callable[[], Awaitable[bool]]) -> None:
        """What is called, once for each node, when the store is full; says whether there is more room now."""
        self._clear = clear

    async def forget(self, digest: str) -> None:
        """So that what can't be read is made again by whoever wants it next, and has its room."""
        await self._journal.write(lambda connection: nodes.forget(connection, digest))
        await asyncio.to_thread(self._bench.artifacts.delete, digest)

    async def forget_passages(self, key: str) -> None:
        """Removes what there is of a film that was not finished, unless it is being made."""
        if key not in self._flights:
            await self._passages(key, set()).forget()

    def _passages(self, key: str, digests: set[str], backend: str = "") -> KeptPassages:
        return KeptPassages(key, self._journal, self._bench.artifacts, digests, backend, self.holding)

    async def _fly(
        self, key: str, node: Node, made: Mapping[str, str], rank: Rank, flight: _Flight, later: Later | None
    ) -> tuple[Made, bool]:
        gradual = "" if later is None else later.role
        digests = {role: tuple(made[name] for name in names) for role, names in node.inputs.items() if role != gradual}
        digests |= {role: (digest,) for role, digest in node.given.items()}
        flight.digests.update(digest for some in digests.values() for digest in some)
        known = await (self._known(key) if later is None else self._known_later(node, made, later))
        if known is not None:
            flight.digests.add(known.artifact)
            return known, True
        passages = self._passages(key, flight.digests, node.backend)
        coming = {} if flight.coming is None else {gradual: flight.coming}
        inputs = Inputs(self._bench.artifacts, digests, passages, coming)
        output, seconds = await self._tried(node, inputs, rank, flight)
        model = f"{KINDS[node.kind].capability}-{node.backend}"
        self._metrics.step(node.kind, model, seconds, "completed")
        if isinstance(frames := output.facts.get("frames"), int):
            self._metrics.frames(model, frames)
        stored = output.artifact
        flight.digests.add(stored.digest)
        if later is not None and flight.coming is not None:
            came = [await flight.coming.digest(place) for place in range(len(later.keys))]
            key = self.key(node, {**made, **_by_name(node, later, came)})
        result = Made(
            key=key,
            kind=node.kind,
            backend=node.backend,
            artifact=stored.digest,
            size=stored.size,
            seconds=round(seconds, 4),
            facts=output.facts,
            created_at=datetime.now(UTC),
        )
        await self._journal.write(lambda connection: nodes.record(connection, result))
        if later is not None:
            flight.keyed(key)  # before the passages go: who looks for them finds the film
        if passages.used:
            await passages.forget()
        return result, False

    async def _tried(self, node: Node, inputs: Inputs, rank: Rank, flight: _Flight) -> tuple[Output, float]:
        """What the node makes, and the seconds it took, after as many retries as the settings say."""
        patience, model = self._bench.settings.jobs, f"{KINDS[node.kind].capability}-{node.backend}"
        attempt, cleared = 0, False
        while True:
            attempt += 1
            flight.since = None
            try:
                return await self._attempt(node, inputs, rank, flight, attempt)
            except Lost:
                raise
            except Exception as error:  # whatever a model or a library raises is the node's failure, by its name
                failed = known_error(node, error)
                if isinstance(failed, Damaged | NotFound):
                    came = () if flight.coming is None else flight.coming.known()
                    await self._readable({**inputs.digests, "coming": came})
                again = _may_pass(failed) and attempt <= patience.retries
                if isinstance(failed, StorageFull) and self._clear is not None and not cleared:
                    cleared = again = await self._clear()
                seconds = 0.0 if flight.since is None else time.perf_counter() - flight.since
                self._metrics.step(node.kind, model, seconds, "failed")
                if not again:
                    self._metrics.failure(node.kind, model, failed.code)
                    raise failed from error
                self._metrics.retry(node.kind, model)
            wait = patience.retry_seconds * 2 ** (attempt - 1)
            log.warning("%s failed and is tried again in %g s: %s", node.name, wait, failed.message)
            await asyncio.sleep(wait)

    async def _attempt(
        self, node: Node, inputs: Inputs, rank: Rank, flight: _Flight, attempt: int
    ) -> tuple[Output, float]:
        kind = KINDS[node.kind]
        if kind.begun is not None and flight.coming is not None:
            await kind.begun(node, inputs, self._bench)
        waiting, turns = time.perf_counter(), self._turns[kind.medium]
        self._metrics.queued(kind.medium, turns.waiting + 1)
        async with turns.turn(rank) as turn:
            self._metrics.started(kind.medium, time.perf_counter() - waiting)
            self._metrics.queued(kind.medium, turns.waiting)
            flight.attempt = attempt
            flight.said = []
            for watcher in flight.watchers:
                watcher.started(attempt)
            await self._readable(inputs.digests)
            flight.since = time.perf_counter()
            output = await self._make(node, replace(inputs, aside=turn.aside), flight, turn)
            return output, time.perf_counter() - flight.since - turn.aside_seconds

    async def _known_later(self, node: Node, made: Mapping[str, str], later: Later) -> Made | None:
        """What was made of inputs that are all there already, although nobody has said so yet."""
        there = await self._journal.read(lambda connection: nodes.artifacts(connection, later.keys))
        if not there.keys() >= set(later.keys):
            return None
        came = [there[key] for key in later.keys]
        return await self._known(self.key(node, {**made, **_by_name(node, later, came)}))

    async def _known(self, key: str) -> Made | None:
        found = await self._journal.read(lambda connection: nodes.find(connection, key))
        if found is None:
            return None
        try:
            # Renewed first, so that no sweep takes it before the job that refers to it now is written.
            await asyncio.to_thread(self._bench.artifacts.renew, found.artifact)
            await asyncio.to_thread(self._bench.artifacts.verify, found.artifact)
        except (Damaged, NotFound) as error:
            log.warning("%s It is made again.", error.message)
            await self.forget(found.artifact)
            return None
        self._journal.post(lambda connection: nodes.touch(connection, [key], datetime.now(UTC)))
        return found

    async def _readable(self, digests: Mapping[str, tuple[str, ...]]) -> None:
        for digest in (each for some in digests.values() for each in some):
            try:
                await asyncio.to_thread(self._bench.artifacts.verify, digest)
            except (Damaged, NotFound) as error:
                raise Lost(digest, error.message) from error

    async def _make(self, node: Node, inputs: Inputs, flight: _Flight, turn: Turn) -> Output:
        ledger = timings.Timings()
        timings.current.set(ledger)
        with ledger.measure(node.kind):
            output = await KINDS[node.kind].make(node, inputs, self._bench, _Told(flight))
        spent = ledger.seconds()
        spent.pop("total")
        spent[node.kind] = max(0.0, round(spent[node.kind] - turn.aside_seconds, 4))
        calls: list[JsonValue] = [list(astuple(call)) for call in ledger.calls]
        return Output(output.artifact, {**output.facts, "timings": {**spent}, "calls": calls})


def known_error(node: Node, error: Exception) -> MouthpieceError:
    """An error of ours as it is; any other, by the name of the node that it came from."""
    if isinstance(error, MouthpieceError):
        return error
    log.error("%s failed", node.name, exc_info=error)
    return BackendFailed(f"{node.name} failed: {type(error).__name__}: {error}", code="step_failed")


def _may_pass(error: MouthpieceError) -> bool:
    return error.retryable and not isinstance(error, StorageFull)


def _by_name(node: Node, later: Later, words: Sequence[str]) -> dict[str, str]:
    """One word for each of the nodes that come later, in order."""
    return dict(zip(node.inputs[later.role], words, strict=True))
