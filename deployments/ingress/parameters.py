"""Query parameters: the ones that a route has and no others, once each where they are not lists."""

from __future__ import annotations

from typing import get_origin

from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.requests import HTTPConnection

from pipeline.errors import InvalidRequest


async def known(request: HTTPConnection) -> None:
    """A dependency of every route. Raises `InvalidRequest` for a parameter that nobody would read."""
    # Asynchronous so that no thread is woken for it.
    route = request.scope.get("route")
    if not isinstance(route, APIRoute | APIWebSocketRoute):
        return
    fields = {field.alias: field for field in route.dependant.query_params}
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in fields:
            raise InvalidRequest(
                f"There is no query parameter {name[:100]!r} here.",
                code="unknown_field",
                field=name[:100],
                accepted=", ".join(fields) or "no query parameters",
            )
        if name in seen and get_origin(fields[name].field_info.annotation) not in (list, tuple):
            raise InvalidRequest(f"{name} is given twice.", code="given_twice", field=name)
        seen.add(name)
