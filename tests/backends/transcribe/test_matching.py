"""Known words at the times at which others were heard."""

from __future__ import annotations

from itertools import pairwise

from deployments.backends.transcribe.matching import LEAST, apart, matched
from pipeline.contracts import Word


def heard(*words: str) -> list[Word]:
    return [Word(float(number), number + 0.8, word, 0.9) for number, word in enumerate(words)]


def test_what_was_heard_keeps_its_times_and_is_written_as_known() -> None:
    found = matched("Hello, World!", heard("hello", "world"), 9)
    assert found == (Word(0, 0.8, "Hello,", 0.9), Word(1, 1.8, "World!", 0.9))


def test_words_heard_otherwise_share_the_time_of_those() -> None:
    found = matched("Call Anne-Marie now.", heard("call", "and", "mary", "now"), 9)
    assert [(word.start, word.end, word.text) for word in found] == [
        (0, 0.8, "Call"),
        (1, 2.8, "Anne-Marie"),
        (3, 3.8, "now."),
    ]
    assert 0.2 < found[1].confidence < 0.5


def test_words_that_were_not_heard_have_a_moment_and_no_confidence() -> None:
    found = matched("So, one two three four", heard("one", "four"), 9)
    assert [word.confidence for word in found] == [0, 0.9, 0, 0, 0.9]
    assert all(word.end - word.start >= LEAST - 1e-9 for word in found)
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(found))
    assert 0.8 <= found[2].start < found[3].end <= 1.0


def test_another_text_has_no_confidence() -> None:
    found = matched("nothing of the kind", heard("completely", "different", "words"), 9)
    assert max(word.confidence for word in found) < 0.4


def test_words_are_put_apart() -> None:
    found = apart([Word(1, 2, "a"), Word(1, 1, "b"), Word(1, 3, "c"), Word(2.5, 2.6, "d")], 9)
    assert [word.start for word in found] == [1, 1 + LEAST, 1 + 2 * LEAST, 2.5]
    assert found[2].end == 2.5


def test_more_words_than_there_is_time_for_stay_in_it() -> None:
    found = apart([Word(0.5, 0.5, "a")] * 100, 0.5)
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(found))
    assert (found[0].start, found[-1].end) == (0, 0.5)
