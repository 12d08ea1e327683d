"""The sound of a live session: what an interruption says was said."""

from __future__ import annotations

import numpy as np

from pipeline.contracts import Speech, Word
from pipeline.jobs.live_sound import LiveSound

RATE = 8000


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
