import numpy as np
import pytest

from deployments.backends.voice import clip
from deployments.backends.voice.espeak import Espeak
from deployments.backends.voice.world import resampled
from pipeline.contracts import Speech, SpeechRequest
from pipeline.errors import InvalidAudio

RATE = 22050
TIME = np.arange(5 * RATE) / RATE
RNG = np.random.default_rng(3)
SENTENCES = (
    "The old bridge shook when the train went past.",
    "Put the warm bread on the table by the window.",
    "He lost his left glove in the deep snow.",
    "They built a stone wall around the quiet garden.",
    "Cold rain fell on the roof all night long.",
    "The child drew a yellow sun above the house.",
)


def say(text, **options):
    return Speech.join(Espeak().speak(SpeechRequest(text, **options))).samples


@pytest.fixture(scope="module")
def speech():
    return say(" ".join(SENTENCES[:4]))


def code(samples, rate=RATE):
    with pytest.raises(InvalidAudio) as caught:
        clip.check(np.asarray(samples, np.float32), rate)
    assert caught.value.field == "clip"
    assert caught.value.accepted
    return caught.value.code


def notes(frequencies):
    length = np.arange(RATE // 3)
    return np.concatenate([np.sin(2 * np.pi * f * length / RATE) * np.exp(-length / 4000) for f in frequencies])


@pytest.mark.parametrize("voice", ["en-us", "f3", "klatt4", "m7", "croak"])
def test_one_voice_passes(voice):
    clip.check(say(" ".join(SENTENCES[:3]), voice=voice), RATE)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("cmn", "今天天气很好，我们去公园散步吧。晚上我们一起吃饭。"),
        ("vi", "Hôm nay trời nắng và chúng tôi đi dạo. Buổi tối chúng tôi ăn."),
        ("ar", "الطقس جميل اليوم ونحن نمشي في الحديقة. في المساء نأكل معا."),
    ],
)
def test_one_voice_of_any_language_passes(language, text):
    clip.check(say(text, language=language), RATE)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_any_rate_passes(speech, rate):
    clip.check(resampled(speech, RATE, rate).astype(np.float32), rate)


def test_an_expressive_voice_passes():
    moods = (0.0, 4.0, -3.0, 5.0, 0.0, 3.0)
    clip.check(np.concatenate([say(text, pitch=mood) for text, mood in zip(SENTENCES, moods, strict=True)]), RATE)


def test_some_noise_and_an_offset_pass(speech):
    clip.check((speech + RNG.normal(size=len(speech)) * 0.02 + 0.1).astype(np.float32), RATE)
    clip.check(speech * np.float32(0.02), RATE)


@pytest.mark.parametrize(
    ("reason", "samples"),
    [
        ("empty", np.zeros(0)),
        ("empty", np.zeros((5 * RATE, 2))),
        ("non_finite", np.where(TIME[9] == TIME, np.nan, 0.1)),
        ("non_finite", np.full(len(TIME), np.inf)),
        ("too_short", np.sin(TIME[: RATE // 5])),
        ("silent", np.zeros(len(TIME))),
        ("silent", np.full(len(TIME), 0.7)),
        ("silent", RNG.normal(size=len(TIME)) * 1e-4),
        ("clipped", np.clip(RNG.normal(size=len(TIME)) * 5, -1, 1)),
        ("no_speech", RNG.normal(size=len(TIME)) * 0.2),
        ("no_speech", RNG.normal(size=len(TIME)) * 0.1 * (1 + np.sin(2 * np.pi * 4 * TIME))),
        ("no_speech", np.sin(2 * np.pi * 220 * TIME) * 0.5),
        ("no_speech", np.sin(2 * np.pi * 50 * TIME)),
        ("no_speech", notes((262, 294, 330, 349, 392, 440, 494, 523, 494, 440, 392, 330))),
        (
            "no_speech",
            sum(notes(np.array((1, 1.12, 1.26, 1, 1.5, 1.26, 1.12, 1, 1, 1.5)) * f) for f in (220, 277, 330)),
        ),
    ],
)
def test_what_is_no_voice_is_refused(reason, samples):
    assert code(samples) == reason


def test_a_clipped_voice_is_refused(speech):
    assert code(np.clip(speech / np.abs(speech).max() * 8, -1, 1)) == "clipped"
    assert code(np.clip(speech / np.abs(speech).max() * 8, -1, 1) * 0.3) == "clipped"


@pytest.mark.parametrize("voices", [("en-us", "f3"), ("klatt4", "f3")])
def test_two_voices_in_turn_are_refused(voices):
    turns = [say(text, voice=voices[index % 2]) for index, text in enumerate(SENTENCES)]
    assert code(np.concatenate(turns)) == "several_speakers"


@pytest.mark.parametrize("rate", [0, -1, 100, 10**9])
def test_impossible_rates_are_refused(speech, rate):
    assert code(speech, rate) == "sample_rate"
