"""Query parameters: the ones that a route has, once each, and no others."""

from __future__ import annotations

from fastapi import Request
from fastapi.routing import APIRoute

from pipeline.errors import InvalidRequest


def known(request: Request) -> None:
    """A dependency of every route. Raises `InvalidRequest` for a parameter that nobody would read."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    names = [field.alias for field in route.dependant.query_params]
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in names:
            raise InvalidRequest(
                f"There is no query parameter {name[:100]!r} here.",
                code="unknown_field",
                field=name[:100],
                accepted=", ".join(names) or "no query parameters",
            )
        if name in seen:
            raise InvalidRequest(f"{name} is given twice.", code="given_twice", field=name)
        seen.add(name)
