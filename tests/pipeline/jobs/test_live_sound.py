"""The sound of a live session: sentences that grow, that pause, and what an interruption says was said."""

from __future__ import annotations

import math

import numpy as np

from pipeline.contracts import Speech, Word
from pipeline.jobs.live_sound import CUT_SECONDS, LiveSound
from tests.pipeline.jobs.parted import parts_of

RATE = 8000
FADE = round(CUT_SECONDS * RATE)
PARTS = parts_of("One.", known=True)
WHOLE = Speech.join(PARTS)


def upto(count: int) -> Speech:
    return Speech.join(PARTS[:count])


def test_what_an_interruption_cut_off_is_not_said_by_the_next() -> None:
    words = (Word(0, 0.5, "one"), Word(1, 1.25, "two"), Word(1.5, 2, "three"))
    sound = LiveSound(RATE, "en")
    tone = 0.1 * np.sin(np.arange(2 * RATE) / 7).astype(np.float32)
    sound.say("One two three.", Speech(tone, RATE, None, "en", words), 0)
    sound.say("Another.", Speech(tone, RATE, None, "en", (Word(0, 2, "another"),)), 0)
    at = round(1.3 * RATE)
    assert sound.stop(at) == "one two"
    assert sound.cuts == 1
    heard, played = sound.heard(0, 3 * RATE), sound.played(0, 3 * RATE)
    # The head still comes to rest, and again nothing was being said.
    for later in (at, round(1.62 * RATE), round(1.9 * RATE)):
        assert sound.stop(later) is None
    assert sound.cuts == 1
    assert np.array_equal(sound.heard(0, 3 * RATE).samples, heard.samples)
    assert np.array_equal(sound.played(0, 3 * RATE), played)


def test_an_interruption_in_a_pause_drops_what_comes_after_it() -> None:
    sound = LiveSound(RATE, "en")
    speech = np.concatenate([np.full(RATE, 0.1, np.float32), np.zeros(RATE, np.float32)])
    first = sound.say("One.", Speech(speech, RATE, None, "en", (Word(0, 1, "one"),)), 0)
    sound.say("Two.", Speech(speech, RATE, None, "en", (Word(0, 1, "two"),)), 0)
    assert first.voiced < first.end
    assert sound.stop(first.voiced + 10) is None
    assert sound.cuts == 1
    assert sound.end == first.end
    assert not sound.played(first.end, first.end + RATE).any()


def test_a_sentence_that_goes_on_in_time_is_the_one_that_was_there_from_the_beginning() -> None:
    whole, grown = LiveSound(RATE, "en"), LiveSound(RATE, "en")
    whole.say("One.", WHOLE, 100)
    said = grown.say("One.", upto(2), 100, whole=False)
    assert (said.at, grown.until(said)) == (100, None)
    for count in range(3, len(PARTS) + 1):
        grown.hold(grown.end)
        grown.go_on(upto(count), 10**6, whole=count == len(PARTS))
        known = 100 + len(upto(count).samples)
        assert grown.end == known
        found, wanted = grown.heard(50, known), whole.heard(50, known)
        assert np.array_equal(found.samples, wanted.samples)
        assert found.phonemes == wanted.phonemes
        assert np.array_equal(grown.played(0, known), whole.played(0, known))
    (last,) = grown.beginning(0, 101)
    assert grown.until(last) == whole.voiced == grown.voiced
    assert grown.stop(100 + round(1.1 * RATE)) == whole.stop(100 + round(1.1 * RATE)) == "word0 more word1"
    assert np.array_equal(grown.played(0, 9 * RATE), whole.played(0, 9 * RATE))


def test_a_sentence_that_is_not_there_in_time_pauses_and_goes_on_without_a_click_or_a_sample_twice() -> None:
    sound = LiveSound(RATE, "en")
    sound.say("One.", upto(3), 0, whole=False)
    sound.hold(3 * RATE)
    sound.go_on(upto(3), 0, whole=False)  # nothing more, and it did not pause
    sound.hold(3 * RATE + 1)
    sound.go_on(upto(4), 5 * RATE, whole=False)
    sound.go_on(upto(6), 10**6, whole=False)
    sound.go_on(WHOLE, 10**6, whole=True)
    assert len(sound.beginning(0, 20 * RATE)) == 1
    assert sound.end == len(WHOLE.samples) + 2 * RATE
    played = sound.played(0, sound.end)
    assert np.array_equal(played, sound.heard(0, sound.end).samples)
    one, two = 3 * RATE, 5 * RATE
    assert np.array_equal(played[: one - FADE], WHOLE.samples[: one - FADE])
    assert not played[one:two].any()
    assert np.array_equal(played[two + FADE :], WHOLE.samples[one + FADE :])
    step = np.abs(np.diff(WHOLE.samples[:RATE])).max()
    assert np.abs(np.diff(played[one - FADE - 1 : one + 1])).max() <= 1.1 * step
    assert np.abs(np.diff(played[two - 1 : two + FADE + 1])).max() <= 1.1 * step
    assert sound.stop(two + round(0.5 * RATE)) == "word0 more word1 more word2 more word3 more"


def test_a_sentence_that_pauses_again_and_one_that_ends_in_its_pause() -> None:
    sound = LiveSound(RATE, "en")
    sound.say("One.", upto(2), 0, whole=False)
    sound.hold(math.inf)
    sound.go_on(upto(3), 4 * RATE, whole=False)
    sound.hold(math.inf)
    sound.go_on(upto(4), 8 * RATE, whole=False)
    sound.hold(math.inf)
    sound.go_on(upto(4), 10**6, whole=True)
    assert sound.end == 9 * RATE
    played = sound.played(0, sound.end)
    for at, part in ((4, 2), (8, 3)):
        samples = PARTS[part].samples[FADE:-FADE]
        assert np.array_equal(played[at * RATE + FADE : (at + 1) * RATE - FADE], samples)
    assert sound.stop(round(8.4 * RATE)) == "word0 more word1 more word2 more word3 more"


def test_what_was_cut_off_is_not_unfinished_any_more() -> None:
    sound = LiveSound(RATE, "en")
    sound.say("One.", upto(2), 0, whole=False)
    sound.stop(RATE // 2)
    before = sound.played(0, 3 * RATE)
    sound.hold(math.inf)
    assert np.array_equal(sound.played(0, 3 * RATE), before)
