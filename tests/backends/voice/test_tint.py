from dataclasses import replace

import numpy as np
import pytest

from deployments.backends.voice import tint
from deployments.backends.voice.espeak import Espeak
from deployments.backends.voice.world import resampled
from pipeline.contracts import Speech, SpeechRequest
from pipeline.errors import InvalidAudio, InvalidRequest

CLIP = "We watched the ship move slowly out of the harbor. Nine men carried the heavy piano up the stairs."
TEXT = "A small brown dog ran after the red ball. Tall grass grew between the rows of young trees."


@pytest.fixture(scope="module")
def espeak():
    return Espeak()


@pytest.fixture(scope="module")
def plain(espeak):
    return Speech.join(espeak.speak(SpeechRequest(TEXT)))


@pytest.fixture(scope="module")
def clip(espeak):
    """Another voice, another text."""
    return Speech.join(espeak.speak(SpeechRequest(CLIP, voice="f3")))


@pytest.fixture(scope="module")
def colour(espeak, clip):
    return espeak.tint(clip.samples, clip.sample_rate)


@pytest.fixture(scope="module")
def tinted(espeak, colour):
    return Speech.join(espeak.speak(SpeechRequest(TEXT, tint=colour)))


def semitones(one, other):
    return 12 * np.log2(one / other)


def distance(one, other):
    """dB between two mean envelopes up to 6 kHz."""
    return float(np.sqrt(np.mean((one.envelope_db - other.envelope_db)[:384] ** 2)))


def test_a_tint_says_what_the_clip_is_like(clip, colour):
    assert colour.envelope_db.shape == (513,)
    assert colour.envelope_db.dtype == np.float32
    assert abs(float(colour.envelope_db.mean())) < 1e-3
    assert 180 < colour.pitch_hz < 230
    vowels = sum(any(c in "aeiouæɐɑɔəɛɜɪʊʌɚ" for c in phoneme.ipa) for phoneme in clip.phonemes)
    spoken = sum(phoneme.end - phoneme.start for phoneme in clip.phonemes if phoneme.ipa)
    assert colour.syllables_per_second == pytest.approx(vowels / spoken, rel=0.25)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 96000])
def test_a_tint_hardly_depends_on_the_clips_rate(clip, colour, rate):
    again = tint.measure(resampled(clip.samples, clip.sample_rate, rate).astype(np.float32), rate)
    assert abs(semitones(again.pitch_hz, colour.pitch_hz)) < 0.3
    known = int(0.42 * min(rate, 16000) / 16000 * 1024)
    off = (again.envelope_db - colour.envelope_db)[10:known]
    assert np.std(off) < 2


def test_pitch_range_and_colour_become_the_clips(plain, colour, tinted):
    before = tint.measure(plain.samples, plain.sample_rate)
    after = tint.measure(tinted.samples, tinted.sample_rate)
    assert abs(semitones(before.pitch_hz, colour.pitch_hz)) > 8
    assert abs(semitones(after.pitch_hz, colour.pitch_hz)) < 1
    assert distance(after, colour) < 0.8 * distance(before, colour)
    assert abs(after.pitch_spread - colour.pitch_spread) < abs(before.pitch_spread - colour.pitch_spread) + 0.02


def test_applying_moves_nothing_in_time(plain, colour):
    source = tint.measure(plain.samples, plain.sample_rate)
    made = tint.apply(plain, colour, source)
    assert len(made.samples) == len(plain.samples)
    assert made.phonemes == plain.phonemes
    assert made.samples.dtype == np.float32
    assert np.abs(made.samples).max() <= 1
    size = 441
    loudness = [np.log10(np.add.reduceat(s.samples.astype(float) ** 2, range(0, len(s.samples), size)) + 1e-4)
                for s in (plain, made)]  # fmt: skip
    assert np.corrcoef(*loudness)[0, 1] > 0.9
    assert made.samples.tobytes() == tint.apply(plain, colour, source).samples.tobytes()


def test_a_voice_in_its_own_tint_stays_itself(plain):
    own = tint.measure(plain.samples, plain.sample_rate)
    assert np.abs(tint.correction_db(own, own)).max() == 0
    again = tint.measure(tint.apply(plain, own, own).samples, plain.sample_rate)
    assert abs(semitones(again.pitch_hz, own.pitch_hz)) < 0.2
    assert distance(again, own) < 2.5


def test_corrections_are_bounded(colour):
    wild = replace(colour, envelope_db=np.linspace(90, -90, 513, dtype=np.float32), pitch_spread=9.0)
    assert np.abs(tint.correction_db(wild, colour)).max() == 12
    assert tint.pace(replace(colour, syllables_per_second=99.0), colour) == 1.25
    assert tint.pace(replace(colour, syllables_per_second=0.0), colour) == 1


def test_pitch_and_speed_are_asked_for_on_top(espeak, colour, tinted):
    moved = Speech.join(espeak.speak(SpeechRequest(TEXT, tint=colour, pitch=-4.0, speed=1.5)))
    heard = tint.measure(moved.samples, moved.sample_rate)
    assert abs(semitones(heard.pitch_hz, colour.pitch_hz) + 4) < 1
    assert moved.seconds == pytest.approx(tinted.seconds / 1.5, rel=0.02)


@pytest.mark.parametrize("language", ["cmn", "de", "sjn", "cv"])
def test_every_language_takes_a_tint(espeak, colour, language):
    text = {"cmn": "今天天气很好，我们去公园散步吧。", "cv": "Салам, мĕнле пурăнатăр."}.get(
        language, "Mae govannen, mellon nin. Anor na galad edhellen, an am ar na."
    )
    made = Speech.join(espeak.speak(SpeechRequest(text, language=language, tint=colour)))
    heard = tint.measure(made.samples, made.sample_rate)
    assert abs(semitones(heard.pitch_hz, colour.pitch_hz)) < 2  # one sentence has a melody of its own


def test_a_whisper_takes_none(espeak, colour):
    with pytest.raises(InvalidRequest) as caught:
        espeak.speak(SpeechRequest(TEXT, voice="whisper", tint=colour))
    assert (caught.value.code, caught.value.field) == ("voice_without_pitch", "voice")


def test_noise_has_no_tint():
    with pytest.raises(InvalidAudio):
        tint.measure(np.zeros(16000 * 4, np.float32), 16000)
