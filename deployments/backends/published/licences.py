"""Which licences hold: with `commercial_use` on, only models that may be used for it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar

from deployments.backends.descriptor import Backend
from deployments.backends.published.catalogue import PublishedModel, find
from pipeline.errors import SettingsError

_COMMERCIAL: ContextVar[bool] = ContextVar("commercial_use", default=False)


@contextmanager
def held_to(commercial_use: bool) -> Generator[None]:
    """Within it, `check` refuses models whose licence forbids commercial use, if that is what they are wanted for."""
    token = _COMMERCIAL.set(commercial_use)
    try:
        yield
    finally:
        _COMMERCIAL.reset(token)


def check(model: PublishedModel) -> None:
    """Raises `SettingsError`, code licence_forbids, for a model that may not be used for what it is wanted for."""
    if _COMMERCIAL.get() and not model.commercial_use:
        raise SettingsError(
            f"commercial_use is on, and the licence of the model {model.name} forbids it: {model.licence} "
            f"({model.licence_url}).",
            code="licence_forbids",
            field="commercial_use",
            accepted="another model, or commercial_use: false",
        )


def check_terms(what: str, licence: str, commercial_use: bool) -> None:
    """The same for a model that is in no catalogue; `commercial_use` says whether its licence allows that."""
    if _COMMERCIAL.get() and not commercial_use:
        raise SettingsError(
            f"commercial_use is on, and the licence of {what} forbids it, or is not known: {licence}.",
            code="licence_forbids",
            field="commercial_use",
            accepted="another model, or commercial_use: false",
        )


def check_backends(backends: Iterable[Backend]) -> None:
    """The same for backends, by their own licences and those of the published models that they name."""
    for backend in backends:
        if _COMMERCIAL.get() and not backend.commercial_use:
            raise SettingsError(
                f"commercial_use is on, and the licence of the backend {backend.name} forbids it, or is not known: "
                f"{backend.licence}.",
                code="licence_forbids",
                field=f"{backend.capability}.backends",
                accepted="another backend, or commercial_use: false",
            )
        for name in backend.weights:
            check(find(name))
