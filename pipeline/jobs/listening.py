"""A sentence that is heard while it is spoken: its parts, whoever has it made, and however often that begins anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np

from pipeline.contracts import Speech
from pipeline.errors import BackendFailed, Damaged
from pipeline.graph import Graph
from pipeline.jobs.builder import Builder, Lost
from pipeline.jobs.run import remade
from pipeline.jobs.turns import Rank
from pipeline.storage.artifacts import Artifacts
from pipeline.storage.parcels import unpack_speech


async def spoken(graph: Graph, builder: Builder, artifacts: Artifacts, name: str, rank: Rank) -> AsyncGenerator[Speech]:
    """The parts of the sentence that the `speak` node of this name makes, each as soon as the voice has made it, or is
    told to have; at least one. Joined, they are what is kept of it.

    One that was made before comes in one part, and so does one in which the voice finds nothing to say: it is of no
    length. However slowly it is listened to, it is spoken to its end; closing this stops that, unless somebody else
    wants it. Raises as the nodes do, and `BackendFailed` with code speech_differs where the voice broke off, was asked
    again, and did not say again what had been heard by then.
    """
    node = next(node for node in graph.nodes if node.name == name)
    made = {each: (await remade(graph, builder, each, rank)).artifact for each in sorted(node.needs())}
    ear = _Ear(name)
    making = asyncio.create_task(builder.make(node, made, rank, ear))
    making.add_done_callback(lambda _: ear.news.set())
    try:
        while True:
            ended = making.done()
            while (part := ear.next()) is not None:
                yield part
            if ended:
                break
            await ear.news.wait()
            ear.news.clear()
        try:
            result, _ = making.result()
        except Lost as lost:
            raise Damaged(str(lost), code="source_lost") from lost
        if not ear.whole():
            yield unpack_speech(await asyncio.to_thread(artifacts.read, result.artifact))
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)


class _Ear:
    """A watcher that listens."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._attempt = 0
        self._said: list[Speech] = []
        """By the attempt that is being made."""
        self._given: list[Speech] = []
        self._compared = 0
        """Parts of those that were given and that this attempt has said as well."""
        self.news = asyncio.Event()

    def keyed(self, key: str) -> None: ...

    def started(self, attempt: int) -> None:
        self._attempt, self._said, self._compared = attempt, [], 0

    def told(self, made: int, total: int, *, sure: bool = True) -> None: ...

    def said(self, part: Speech) -> None:
        self._said.append(part)
        self.news.set()

    def next(self) -> Speech | None:
        """The next part, if there is one. Raises `BackendFailed` where this attempt says something else."""
        while self._compared < min(len(self._given), len(self._said)):
            if not _same(self._given[self._compared], self._said[self._compared]):
                raise self._differs()
            self._compared += 1
        if len(self._said) <= len(self._given):
            return None
        part = self._said[len(self._given)]
        self._given.append(part)
        self._compared += 1
        return part

    def whole(self) -> bool:
        """Once it is made: whether all of it was given; otherwise nothing was. Raises as `next` does."""
        if len(self._said) < len(self._given):
            raise self._differs()
        return bool(self._given)

    def _differs(self) -> BackendFailed:
        return BackendFailed(
            f"{self._name} broke off while it was heard, and attempt {self._attempt} said something else.",
            code="speech_differs",
        )


def _same(one: Speech, other: Speech) -> bool:
    return (
        one.sample_rate == other.sample_rate
        and np.array_equal(one.samples, other.samples)
        and (one.phonemes, one.words, one.language) == (other.phonemes, other.words, other.language)
    )
