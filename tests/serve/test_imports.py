"""What a server's forked workers have imported before they are asked for anything."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.backends.built_in import BACKENDS
from deployments.serving import _imports
from pipeline import cascade


def imports(**said: Any) -> tuple[str, ...]:
    return _imports(cascade.resolve(said, {}, vram_gigabytes=None))


@pytest.mark.parametrize("gpu", [{"budget_gigabytes": 10.0}, {}])
def test_libraries_of_the_enabled_models_on_a_card_or_none(gpu: dict[str, float]) -> None:
    assert imports(gpu=gpu, lipsync={"backends": ["wav2lip", "meshwarp"]}) == ("torch",)


def test_nothing_where_nobody_needs_it() -> None:
    assert imports() == ()
    assert imports(gpu={"budget_gigabytes": 10.0}) == ()


def test_nothing_of_a_backend_with_packages_of_its_own() -> None:
    assert imports(voice={"backends": ["f5"]}) == ()


def test_every_model_on_a_card_says_what_it_imports() -> None:
    """Whisper's library aside, which takes a tenth of a second, and those whose packages are not here."""
    silent = {row.name for row in BACKENDS if row.vram_gigabytes and not row.imports and not row.packages}
    assert silent == {"whisper"}


@pytest.mark.parametrize("name", sorted({name for row in BACKENDS for name in row.imports}))
def test_what_is_imported_is_of_libraries(name: str) -> None:
    """A program that connects to the cluster may have a `pipeline` of its own."""
    assert name.partition(".")[0] in ("torch", "transformers", "diffusers")
