"""One run of one job: its graph, node by node, as soon as what each is made from is there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import JsonValue

from pipeline.contracts import ErrorBody, Speech
from pipeline.errors import Damaged, MouthpieceError
from pipeline.graph import Graph, Node
from pipeline.jobs.arrivals import Later
from pipeline.jobs.builder import Builder, Lost, known_error
from pipeline.jobs.runner import Checkpoint, Checkpoints, Value
from pipeline.jobs.turns import Rank
from pipeline.jobs.unfinished import UnfinishedJob
from pipeline.nodes.kinds import KINDS
from pipeline.storage.nodes import Made

REMAKES = 3
"""How often in a row what a node is made from may be lost."""


@dataclass(frozen=True, slots=True)
class Product:
    """What a node made, as the run remembers it."""

    artifact: str
    size: int
    facts: Mapping[str, JsonValue]
    cached: bool
    """Whether it was there already, or made for another job."""

    @classmethod
    def of(cls, made: Made, cached: bool) -> Product:
        return cls(made.artifact, made.size, made.facts, cached)

    def value(self) -> Value:
        return {"artifact": self.artifact, "size": self.size, "facts": dict(self.facts), "cached": self.cached}

    @classmethod
    def read(cls, value: Value) -> Product:
        return cls(
            artifact=cast(str, value["artifact"]),
            size=cast(int, value["size"]),
            facts=cast(dict[str, JsonValue], value["facts"]),
            cached=bool(value.get("cached")),  # an earlier version did not say
        )


class Failed(Exception):
    """A step failed: what is left of the job can't be done."""

    def __init__(self, node: Node, error: MouthpieceError) -> None:
        super().__init__(error.message)
        self.node = node
        self.error = error


class Run:
    """Builds the graph of `job`. Raises `Failed`; cancelling it stops what nobody else wants."""

    def __init__(self, graph: Graph, job: UnfinishedJob, builder: Builder, priority: int) -> None:
        self._graph = graph
        self._job = job
        self._builder = builder
        self._ranks = {node.name: Rank.of(priority, job.id, place) for place, node in enumerate(graph.nodes)}
        self._nodes = {node.name: node for node in graph.nodes}
        self._products: dict[str, asyncio.Task[Product]] = {}
        self._mended: dict[str, str] = {}
        """Digests of what was made again, because it was lost, by node name."""

    async def build(self, checkpoints: Checkpoints) -> dict[str, Product]:
        """What every node made, by name."""
        reserved = checkpoints.reserve([node.name for node in self._graph.nodes])
        try:
            async with asyncio.TaskGroup() as group:
                for node in self._graph.nodes:
                    self._products[node.name] = group.create_task(self._node(node, reserved[node.name]))
        except BaseExceptionGroup as group:
            # The first of them failed and the others were cancelled for it.
            raise next(error for error in group.exceptions if isinstance(error, Exception)) from None
        return {name: task.result() for name, task in self._products.items()}

    async def _node(self, node: Node, checkpoint: Checkpoint) -> Product:
        gradual = node.inputs.get(KINDS[node.kind].gradual, ())
        for name in sorted({name for each in gradual for name in self._nodes[each].needs()}):
            await self._products[name]  # what these will be is known then
        made = {name: (await self._products[name]).artifact for name in sorted(node.needs() - {*gradual})}

        async def step() -> Value:
            return (await self._make(node, made)).value()

        try:
            product = Product.read(await checkpoint(step))
        except MouthpieceError as error:
            raise Failed(node, error) from error
        if self._job.step_state(node.name) != "completed":  # done in an earlier life, which could not say so any more
            self._job.step(node.name, state="completed", artifact=product.artifact, cached=True, completed_at=_now())
        return product

    async def _make(self, node: Node, made: dict[str, str]) -> Product:
        told = _Told(self._job, node)
        try:
            result, cached = await self._rebuilt(node, made, told)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            failed = known_error(node, error)
            body = ErrorBody(**failed.body()["error"])
            self._job.step(node.name, state="failed", completed_at=_now(), error=body)
            raise failed from error
        self._job.step(node.name, state="completed", artifact=result.artifact, cached=cached, completed_at=_now())
        self._job.work_done()
        return Product.of(result, cached)

    async def _rebuilt(self, node: Node, made: dict[str, str], told: _Told) -> tuple[Made, bool]:
        """Makes the node, and first of all again whatever it is made from that can't be read any more."""
        for _ in range(REMAKES):
            try:
                return await self._builder.make(node, made, self._ranks[node.name], told, self._later(node))
            except Lost as lost:
                reason = str(lost)
                await self._restore(lost, node, made)
        raise Damaged(f"{reason} It was made again and was lost again.")

    def _later(self, node: Node) -> Later | None:
        """What the node takes as it comes."""
        role = KINDS[node.kind].gradual
        names = node.inputs.get(role, ())
        if not names:
            return None

        async def source(place: int) -> str:
            name = names[place]
            await asyncio.wait({self._products[name]})  # whoever no longer waits for it does not cancel it
            return self._digest(name)

        makers = [self._nodes[name] for name in names]
        keys = [self._builder.key(each, {name: self._digest(name) for name in each.needs()}) for each in makers]
        return Later(role, tuple(keys), source, frozenset(each.backend for each in makers))

    async def _restore(self, lost: Lost, node: Node, made: dict[str, str]) -> None:
        there = made | {name: self._digest(name) for name in node.needs() - made.keys() if self._made(name)}
        makers = [name for name, digest in there.items() if digest == lost.digest]
        if not makers:
            raise Damaged(str(lost), code="source_lost") from lost
        await self._builder.forget(lost.digest)
        for name in makers:
            maker = self._nodes[name]
            below = {each: (await self._products[each]).artifact for each in sorted(maker.needs())}
            again = (await self._rebuilt(maker, below, _Told(None, maker)))[0].artifact
            self._mended[name] = again
            if name in made:
                made[name] = again

    def _made(self, name: str) -> bool:
        product = self._products[name]
        return product.done() and not product.cancelled() and product.exception() is None

    def _digest(self, name: str) -> str:
        """Of what a node has made, or of what was made in its place. Raises what making it raised."""
        return self._mended.get(name) or self._products[name].result().artifact


class _Told:
    """A watcher that tells the job."""

    def __init__(self, job: UnfinishedJob | None, node: Node) -> None:
        self._job = job
        self._node = node

    def keyed(self, key: str) -> None:
        if self._job is not None:
            self._job.step(self._node.name, key=key, backend=self._node.backend)

    def started(self, attempt: int) -> None:
        if self._job is not None:
            self._job.work_begins(self._node, attempt)

    def told(self, made: int, total: int, *, sure: bool = True) -> None:
        if self._job is not None:
            self._job.work_moves(self._node, made, total, sure=sure)

    def said(self, part: Speech) -> None:
        """The job has it when it is whole."""


async def remade(graph: Graph, builder: Builder, name: str, rank: Rank) -> Made:
    """A node of a job that has ended, with everything below it that is no longer there. Raises as the nodes do."""
    node = next(node for node in graph.nodes if node.name == name)
    made = {each: (await remade(graph, builder, each, rank)).artifact for each in sorted(node.needs())}
    try:
        return (await builder.make(node, made, rank, _Told(None, node)))[0]
    except Lost as lost:
        raise Damaged(str(lost), code="source_lost") from lost


def _now() -> Any:
    return datetime.now(UTC)
