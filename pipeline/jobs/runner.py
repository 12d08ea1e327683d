"""How jobs are run: the interface, and the runner of a process that keeps nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from pydantic import JsonValue

Value = dict[str, JsonValue]

Checkpoint = Callable[[Callable[[], Awaitable[Value]]], Awaitable[Value]]
"""Runs a step, or gives what it gave in an earlier life of the same run."""


class Checkpoints(Protocol):
    """The checkpoints of one run."""

    def reserve(self, names: Sequence[str]) -> Mapping[str, Checkpoint]:
        """One for each step of the run, always the same names in the same order. Called once, before any is used."""
        ...


Work = Callable[[str, Checkpoints], Awaitable[None]]
"""Does the job of this id to its end, whatever that is. Raises only where it could not be recorded."""


class Runner(Protocol):
    """Starts jobs, and starts again those that a crash cut off."""

    async def open(self, work: Work) -> set[str]:
        """Before anything else, on the event loop that the work belongs to. Returns the jobs that go on by themselves
        where they stopped: run ids given to `run` in an earlier life."""
        ...

    async def run(self, run_id: str, job_id: str) -> None:
        """Returns when the job has ended. `run_id` names this attempt at it, so that it is never made twice."""
        ...

    async def close(self) -> None:
        """What runs stops where it is; a later life takes it up."""
        ...


class Passing:
    """Checkpoints that remember nothing."""

    def reserve(self, names: Sequence[str]) -> Mapping[str, Checkpoint]:
        return dict.fromkeys(names, _straight)


async def _straight(step: Callable[[], Awaitable[Value]]) -> Value:
    return await step()


class PlainRunner:
    """Runs jobs on the event loop: for a process whose work ends with it."""

    def __init__(self) -> None:
        self._work: Work | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, work: Work) -> set[str]:
        self._work = work
        return set()

    async def run(self, run_id: str, job_id: str) -> None:  # noqa: ARG002 - a run has no second life here
        if self._work is None:
            raise RuntimeError("the runner is not open")
        task = asyncio.ensure_future(self._work(job_id, Passing()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await task

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
