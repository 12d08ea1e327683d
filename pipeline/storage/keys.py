"""Idempotency keys: which job a client's key stands for."""

from __future__ import annotations

from sqlalchemy import Connection, select

from pipeline.contracts.jobs import Job
from pipeline.errors import Conflict
from pipeline.storage import jobs
from pipeline.storage.schema import requests


def known(c: Connection, key: str, digest: str) -> Job | None:
    """The job that was accepted with this key, None where there is none.

    Raises `Conflict` (`idempotency_conflict`) where its request had another digest.
    """
    found = c.execute(select(requests.c.job_id, requests.c.digest).where(requests.c.key == key)).one_or_none()
    if found is None:
        return None
    if found.digest != digest:
        raise Conflict(
            f"This key was used for another request; its job is {found.job_id}.",
            code="idempotency_conflict",
            field="Idempotency-Key",
            accepted="the same request again, or another key",
        )
    return jobs.get(c, found.job_id)
