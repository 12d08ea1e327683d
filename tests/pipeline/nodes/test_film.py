"""How sentences become one speech."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.contracts import Phoneme, Speech
from pipeline.errors import InvalidText
from pipeline.nodes.speech import LAST_PAUSE, said
from pipeline.storage.parcels import pack_speech, unpack_speech

RATE = 1000
SILENT = Speech(np.zeros(0, np.float32), 1, (), "en")


def sentence(seconds: float, pause: float) -> Speech:
    samples = np.concatenate([np.ones(round(seconds * RATE)), np.zeros(round(pause * RATE))]).astype(np.float32)
    return Speech(samples, RATE, (Phoneme(0, seconds, "a"), Phoneme(seconds, seconds + pause, "")), "en")


def test_sentences_follow_each_other_and_the_last_pause_is_short() -> None:
    speech = said([sentence(1, 0.35), SILENT, sentence(2, 0.35)])
    assert speech.seconds == pytest.approx(1.35 + 2 + LAST_PAUSE)
    assert speech.phonemes is not None
    assert (speech.phonemes[-1].ipa, speech.phonemes[-1].end) == ("", pytest.approx(3.5))
    assert [phoneme.start for phoneme in speech.phonemes] == pytest.approx([0, 1, 1.35, 3.35])


def test_a_shorter_pause_and_an_unknown_one_stay() -> None:
    assert said([sentence(1, 0.1)]).seconds == pytest.approx(1.1)
    unknown = Speech(np.ones(500, np.float32), RATE, None, "en")
    assert said([sentence(1, 0.35), unknown]).seconds == pytest.approx(1.85)


def test_where_nothing_is_said_there_is_no_video() -> None:
    with pytest.raises(InvalidText) as refused:
        said([SILENT, SILENT])
    assert (refused.value.code, refused.value.field) == ("nothing_to_say", "text")


@pytest.mark.parametrize("speech", [sentence(0.5, 0.2), SILENT, Speech(np.ones(5, np.float32), 8000, None, "de")])
def test_a_parcel_of_speech_gives_it_back_and_has_the_same_bytes_each_time(speech: Speech) -> None:
    data = pack_speech(speech)
    again = unpack_speech(data)
    assert (again.sample_rate, again.phonemes, again.language) == (speech.sample_rate, speech.phonemes, speech.language)
    np.testing.assert_array_equal(again.samples, speech.samples)
    assert pack_speech(again) == data
