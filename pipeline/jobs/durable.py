"""The durable runner: each job is a DBOS workflow, each node of its graph a step of it.

DBOS starts again, by itself, every workflow that was running when the process died, and gives the steps that had ended
what they gave. Which job is next is not left to its queues: they poll, and jobs are in our own table already.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.jobs.runner import Checkpoint, Value, Work

if TYPE_CHECKING:
    from dbos import StepReservation

log = logging.getLogger("mouthpiece.jobs")

EXECUTOR: Final = "coordinator"
"""One coordinator works on a database, and takes up the work of the one before it, wherever that was."""

VERSION: Final = "1"
"""Of the workflow below: running jobs go on under a new release of Mouthpiece. Raised only when the steps of a plan
that is stored would no longer be reserved in the same order."""

WORKFLOW: Final = "mouthpiece.job"


class _Reserved:
    """The steps of the workflow that is running, numbered in the order of their names."""

    def reserve(self, names: Sequence[str]) -> Mapping[str, Checkpoint]:
        from dbos import DBOS

        return {name: _checkpoint(name, DBOS.reserve_step()) for name in names}


def _checkpoint(name: str, reservation: StepReservation) -> Checkpoint:
    async def run(step: Callable[[], Awaitable[Value]]) -> Value:
        async def once() -> Value:
            return await step()

        return await reservation.run_async({"name": name}, once)

    return run


class DurableRunner:
    """A `Runner` whose runs survive the process. `url` names the database of DBOS; SQLite or Postgres."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Any = None
        self._workflow: Any = None

    @classmethod
    def in_folder(cls, folder: Path) -> DurableRunner:
        return cls(f"sqlite:///{folder / 'runs.sqlite'}")

    async def open(self, work: Work) -> set[str]:
        from dbos import DBOS, DBOSConfig
        from dbos import DBOSPortableJSONSerializer as Json

        config: DBOSConfig = {
            "name": "mouthpiece",
            "system_database_url": self._url,
            "executor_id": EXECUTOR,
            "application_version": VERSION,
            "serializer": Json(),
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        if self._url.startswith("sqlite:"):
            self._engine = config["system_database_engine"] = _sqlite(self._url)

        # DBOS finds workflows by name in one registry of the process.
        async def job(job_id: str) -> None:
            await work(job_id, _Reserved())

        DBOS(config=config)
        self._workflow = DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)(job)
        # On this loop, so that the work runs on it: DBOS runs workflows on the loop that it is launched from.
        DBOS.launch()
        pending = await DBOS.list_workflows_async(
            status=["PENDING"], name=WORKFLOW, load_input=False, load_output=False
        )
        return {workflow.workflow_id for workflow in pending}

    async def run(self, run_id: str, job_id: str) -> None:
        from dbos import DBOS, SetWorkflowID

        with SetWorkflowID(run_id):
            handle = await DBOS.start_workflow_async(self._workflow, job_id)
        await handle.get_result()

    async def close(self) -> None:
        from dbos import DBOS

        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        # DBOS puts its own threads behind `asyncio.to_thread` of the loop that it is launched from, and ends them.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        if self._engine is not None:
            self._engine.dispose()


def _sqlite(url: str) -> Any:
    """With a write-ahead log, which DBOS does not ask for. Its checkpoints may be lost with the machine's power, not
    with the process: a step done again then finds what it made by its key."""
    from sqlalchemy import create_engine, event

    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA busy_timeout=30000")

    return engine
