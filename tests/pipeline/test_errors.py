"""What an error says of a name that is not there: which there are, of many the closest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts import VoiceTint
from pipeline.errors import NotFound, UnknownName, listed
from pipeline.storage.voices import VoiceStore

TAGS = (*(f"{a}{b}" for a in "abcdefgh" for b in "mnopqrst"), "en-us", "en-gb", "de")


def test_few_names_are_listed_whole() -> None:
    assert listed("x", ["b", "a", "a"]) == "a, b"
    assert listed("x", []) == "none"
    assert UnknownName.of("colour", "gren", ["red", "green"], whole="elsewhere").accepted == "green, red"


def test_of_many_the_closest_come_first() -> None:
    names = str(UnknownName.of("language", "EN-UK", TAGS, whole="`list` has all").accepted).split(", ")
    assert names[:2] == ["en-us", "en-gb"]
    assert (len(names), names[-1]) == (13, f"and {len(TAGS) - 12} more (`list` has all)")
    assert listed("x" * 100_000, TAGS, most=2).endswith(f", and {len(TAGS) - 2} more")


def test_what_is_kept_is_listed_where_a_name_is_not(tmp_path: Path) -> None:
    store = VoiceStore(tmp_path)
    tint = VoiceTint(100.0, 0.1, 4.0, np.zeros(513, np.float32))

    def accepted(name: str) -> str:
        with pytest.raises(NotFound) as caught:
            store.get(name)
        return str(caught.value.accepted)

    assert accepted("nobody") == "an id or a name; there are none yet"
    for number in range(14):
        store.create(f"Voice {number:02}", np.zeros(800, np.float32), 16_000, tint, ())
    assert accepted("voice 7").startswith("an id or a name: Voice 07, ")
    assert accepted("voice 7").endswith(", and 2 more")
    with pytest.raises(NotFound) as caught:
        store.delete("nobody")
    assert "and 2 more" in str(caught.value.accepted)
