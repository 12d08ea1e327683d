"""What a server's forked workers have imported before they are asked for anything."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.backends.built_in import BACKENDS
from deployments.serving import _imports, _on_cards
from pipeline import cascade


def imports(**said: Any) -> tuple[str, ...]:
    return _imports(_on_cards(cascade.resolve(said, {}, vram_gigabytes=None)))


def test_libraries_of_models_that_take_turns_on_a_card() -> None:
    found = imports(gpu={"budget_gigabytes": 10.0}, lipsync={"backends": ["wav2lip", "meshwarp"]})
    assert found == ("torch",)


def test_nothing_where_there_is_no_card_or_nobody_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # with nvidia-smi there is a card
    assert imports(lipsync={"backends": ["wav2lip"]}) == ()
    assert imports(gpu={"budget_gigabytes": 10.0}) == ()


def test_every_model_on_a_card_says_what_it_imports() -> None:
    """Whisper's library aside, which takes a tenth of a second, and those whose packages are not here."""
    silent = {row.name for row in BACKENDS if row.vram_gigabytes and not row.imports and not row.packages}
    assert silent == {"whisper"}


@pytest.mark.parametrize("name", sorted({name for row in BACKENDS for name in row.imports}))
def test_what_is_imported_is_of_libraries(name: str) -> None:
    """A program that connects to the cluster may have a `pipeline` of its own."""
    assert name.partition(".")[0] in ("torch", "transformers", "diffusers")
