"""The live API keeps what its own OpenAPI document promises: Schemathesis reads it and tries every route."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

pytestmark = pytest.mark.server

PROMISED: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    allow_header_conformance,
]


EXAMPLES = 4
"""Of each route and mode: about a minute in all."""

ENDLESS = "/api/v1/events"
"""A stream that only ends at once where it is told to."""


@pytest.fixture(scope="session")
def promised(server: str) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{server}/openapi.json")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_route(promised: BaseSchema, mode: GenerationMode, subtests: pytest.Subtests) -> None:
    """Requests that the document allows, and requests that it does not."""
    found: list[Any] = list(promised.get_all_operations())
    routes = [one.ok() for one in found]
    assert len(routes) >= 37
    for route in routes:
        strategy: Any = route.as_strategy(generation_mode=mode)

        @settings(
            max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
        )
        @given(case=strategy)
        def keeps_its_promise(case: Case) -> None:
            if case.path == ENDLESS and mode is GenerationMode.POSITIVE:
                case.query = {**(case.query or {}), "wait": 0}
            case.call_and_validate(checks=PROMISED, timeout=60)

        with subtests.test(route.label):
            try:
                keeps_its_promise()
            except Unsatisfiable:
                if mode is not GenerationMode.NEGATIVE:
                    raise
                continue  # no request to this route can be wrong
