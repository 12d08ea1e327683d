from __future__ import annotations

from pathlib import Path

import pytest

from deployments.placement.footprints import NAME, ROUNDING, Footprints, key, rounded
from pipeline.settings import Generation, Settings


def test_the_larger_of_declared_and_measured_counts_and_is_kept(tmp_path: Path) -> None:
    footprints = Footprints(tmp_path / "data")
    assert footprints.need("a", 5) == 5
    assert footprints.learn({"a": 7, "b": 1})
    again = Footprints(tmp_path / "data")
    assert (again.need("a", 5), again.need("a", 9), again.need("b", 2)) == (7, 9, 2)


def test_less_than_before_changes_nothing(tmp_path: Path) -> None:
    footprints = Footprints(tmp_path)
    footprints.learn({"a": 7})
    before = (tmp_path / NAME).stat()
    assert not footprints.learn({"a": 6})
    assert (tmp_path / NAME).stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in tmp_path.iterdir()] == [NAME], "nothing is left beside it"


@pytest.mark.parametrize("content", ["", "[]", '{"bytes": 3}', '{"bytes": {"a": "x"}}'])
def test_a_damaged_file_is_passed_over(tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / NAME).write_text(content)
    footprints = Footprints(tmp_path)
    assert footprints.need("a", 5) == 5
    assert NAME in caplog.text
    assert footprints.learn({"a": 7})
    assert Footprints(tmp_path).need("a", 5) == 7


def test_a_measurement_holds_for_one_size_and_batch() -> None:
    small, large = Settings(), Settings(generation=Generation(image_size=768))
    assert key("avatar-sdxl", small) != key("avatar-sdxl", large)


def test_needs_are_rounded_up() -> None:
    assert rounded(1) == ROUNDING
    assert rounded(ROUNDING) == ROUNDING
    assert rounded(ROUNDING + 1) == 2 * ROUNDING
