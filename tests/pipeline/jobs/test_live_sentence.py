"""A sentence of a live session in parts: it is what it is in one, and begins early where the voice keeps ahead."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.contracts import Speech
from pipeline.jobs.live_sentence import START_SECONDS, LiveSentence
from tests.pipeline.jobs.parted import parts_of

RATE = 48_000


def sentence(parts: list[Speech], *, finished: bool = True) -> Speech | None:
    made = LiveSentence(RATE)
    for part in parts:
        made.add(part, 0.0)
    if finished:
        made.finish()
    return made.speech


def noise(rate: int, *lengths: int) -> list[Speech]:
    random = np.random.default_rng(rate)
    return [Speech(random.uniform(-0.3, 0.3, count).astype(np.float32), rate, None, "en") for count in lengths]


@pytest.mark.parametrize("rate", [8000, 22_050, 24_000, 44_100, 48_000])
def test_in_parts_it_is_resampled_as_in_one(rate: int) -> None:
    parts = noise(rate, rate, 7, 0, 1234, 3 * rate + 1, rate // 3)
    whole = sentence([Speech.join(parts)])
    found = sentence(parts)
    assert whole is not None
    assert found is not None
    assert len(found.samples) == round(sum(len(part.samples) for part in parts) * RATE / rate)
    assert np.array_equal(found.samples, whole.samples)
    for count in range(1, len(parts) + 1):
        known = sentence(parts[:count], finished=False)
        if known is not None:
            assert np.array_equal(known.samples, whole.samples[: len(known.samples)])


def test_what_is_spoken_in_it_has_the_times_of_the_whole() -> None:
    parts = parts_of("One.", known=True)
    whole, found = sentence([Speech.join(parts)]), sentence(parts)
    assert whole is not None
    assert found is not None
    assert (found.phonemes, found.words) == (whole.phonemes, whole.words)


def test_nothing_is_known_of_a_sentence_that_says_nothing() -> None:
    assert sentence([Speech(np.zeros(0, np.float32), 1, (), "en")]) is None
    assert sentence([]) is None


def told(*times: float) -> LiveSentence:
    """Parts of a second each, and when they were there."""
    made = LiveSentence(RATE)
    for part, at in zip(parts_of("One.", known=False), times, strict=False):
        made.add(part, at)
    return made


def test_it_begins_early_where_the_voice_is_quicker_than_time_and_so_much_is_there() -> None:
    assert not told(5.0).in_time
    assert told(5.0, 5.4).in_time
    assert told(5.0, 6.0).in_time
    assert not told(5.0, 6.1).in_time
    assert not told(5.0, 6.1, 7.1).in_time
    assert told(5.0, 6.1, 6.9).in_time
    short = LiveSentence(RATE)
    for part in noise(24_000, 10_000, 10_000):
        short.add(part, 0.0)
    assert not short.in_time
    assert START_SECONDS > 20_000 / 24_000
