"""Text as it is written: every sentence once, whatever stands in the others, and nothing looked at again and again."""

from __future__ import annotations

import pytest

from pipeline.jobs.live_text import LiveText
from pipeline.text import PIECE


def test_a_bad_character_costs_its_own_sentence_alone() -> None:
    text = LiveText("en", 1000)
    found = text.add("First one. Second has a \x07 bell. Third one. And the last")
    assert found.sentences == ["First one.", "Third one."]
    assert [error.code for error in found.wrong] == ["invalid_characters"]
    assert text.end() == (["And the last"], [])


@pytest.mark.parametrize("unit", [" ", "\n", "。、", ")", "a", "漢。", "a. ", "\x07"])
def test_what_waits_is_never_more_than_a_piece(unit: str) -> None:
    """However much comes at once: of what has been cut off nothing is looked at again."""
    text = LiveText("en", 1000)
    seen = sum(len(sentence) for sentence in text.add(unit * (65_536 // len(unit))).sentences)
    assert sum(len(sentence) for sentence in text.end().sentences) <= PIECE
    assert seen <= 65_536
