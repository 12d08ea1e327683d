"""/api/v1/usage: what was done and what it took, as Parquet files for analysis."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BeforeValidator

from deployments.ingress.answers import ERRORS, file, streamed
from deployments.operations import Operations
from pipeline.contracts import UsageTable
from pipeline.errors import InvalidRequest

PARQUET: Final = "application/vnd.apache.parquet"


def _written(text: str) -> str:
    if not re.match(r"\d{4}-", text):  # pydantic would take a number for seconds since 1970
        raise ValueError("must be a date and a time, such as 2026-11-21T09:00:00Z")
    return text


Moment = Annotated[AwareDatetime, BeforeValidator(_written)]


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/api/v1/usage", tags=["jobs"], responses=ERRORS)

    @routes.get("/{table}", response_class=StreamingResponse, responses=file(PARQUET))
    async def table(
        table: UsageTable, since: Annotated[Moment | None, Query(description="With its zone.")] = None
    ) -> StreamingResponse:
        """Jobs, or their steps, that were created since then, one row each: a Parquet file."""
        try:
            begin = None if since is None else since.astimezone(UTC)
        except OverflowError:
            raise InvalidRequest("since: in UTC, there is no such time.", field="since") from None
        headers = {"Content-Disposition": f'attachment; filename="{table}.parquet"'}
        return await streamed(operations.usage(table, begin), PARQUET, headers)

    return routes
