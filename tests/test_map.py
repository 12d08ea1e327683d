"""MAP.md names every file of the project and nothing that is gone; no file grows past what can be read at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import map as pages

ROOT = Path(__file__).parents[1]


def test_the_map_is_what_the_files_say_of_themselves() -> None:
    text = (ROOT / "MAP.md").read_text()
    assert text == pages.page(text), "run: python docs/map.py"


def source() -> list[str]:
    folders = ("pipeline", "deployments", "clients", "benchmarks", "docs", "tests")
    return sorted(
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for kind in ("*.py", "*.js", "*.css")
        for path in (ROOT / folder).rglob(kind)
    )


@pytest.mark.parametrize("name", source())
def test_a_file_can_be_read_at_once(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= 400


def test_the_readme_gives_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert "make demo" in text
    assert "make test" in text
