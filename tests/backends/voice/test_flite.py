import os
import shutil

import numpy as np
import pytest

from deployments.backends.voice.flite import Flite
from deployments.backends.voice.world import world
from pipeline.contracts import Speech, SpeechRequest
from pipeline.errors import BackendFailed, InvalidText, Unavailable, UnknownName
from pipeline.models import VoiceModel

TEXT = "Hello there, my friend. It costs £5 at the café."
absent = shutil.which("flite") is None and os.environ.get("CI") != "true"  # CI has to have it, so there it fails
needs_flite = pytest.mark.skipif(absent, reason="apt-get install flite")


@pytest.fixture(scope="module")
def flite():
    return Flite()


def say(flite, text=TEXT, **options):
    return Speech.join(flite.speak(SpeechRequest(text, **options)))


def pitch(speech):
    sound = speech.samples.astype(float)
    rough, times = world().dio(sound, speech.sample_rate, f0_floor=35.0, f0_ceil=500.0)
    found = world().stonemask(sound, rough, times, speech.sample_rate)
    return float(np.median(found[found > 0]))


def test_a_missing_program_is_said_at_once():
    with pytest.raises(Unavailable) as caught:
        Flite(program="no-such-flite")
    assert caught.value.code == "flite_missing"
    assert "apt-get install flite" in caught.value.message


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 0\n", "#!/bin/sh\necho nonsense\n"])
def test_another_program_is_no_flite(tmp_path, script):
    program = tmp_path / "flite"
    program.write_text(script)
    program.chmod(0o755)
    with pytest.raises(Unavailable):
        Flite(program=str(program))


def test_a_program_that_breaks_is_the_backends_failure(tmp_path):
    program = tmp_path / "flite"
    program.write_text('#!/bin/sh\n[ "$1" = -lv ] && echo "Voices available: rms" && exit 0\nexit 3\n')
    program.chmod(0o755)
    with pytest.raises(BackendFailed):
        list(Flite(program=str(program)).speak(SpeechRequest("Hello")))


@needs_flite
def test_it_is_a_voice_model(flite):
    assert isinstance(flite, VoiceModel)
    assert next(iter(flite.voices())) == "rms"
    assert {"rms", "slt", "awb", "kal16"} <= set(flite.voices())


@needs_flite
@pytest.mark.parametrize("voice", ["rms", "kal16"])
def test_speech_is_sound_with_phonemes_that_cover_it(flite, voice):
    parts = list(flite.speak(SpeechRequest(TEXT, voice=voice)))
    assert len(parts) == 2
    for part in parts:
        assert (part.samples.dtype, part.sample_rate) == (np.float32, 16000)
        assert part.phonemes[0].start == 0
        assert part.phonemes[-1].end == pytest.approx(part.seconds, abs=1e-9)
        assert all(a.end == pytest.approx(b.start) for a, b in zip(part.phonemes, part.phonemes[1:], strict=False))
    assert "".join(p.ipa for p in parts[0].phonemes) == "həloʊðɛɹmaɪfɹɛnd"
    assert "faɪvpaʊndz" in "".join(p.ipa for p in parts[1].phonemes)


@needs_flite
@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_speed_is_what_was_asked_for(flite, speed):
    assert say(flite, speed=speed).seconds == pytest.approx(say(flite).seconds / speed, rel=0.06)


@needs_flite
@pytest.mark.parametrize("semitones", [-7, 7])
def test_pitch_is_what_was_asked_for(flite, semitones):
    moved = pitch(say(flite, pitch=float(semitones))) / pitch(say(flite))
    assert 12 * np.log2(moved) == pytest.approx(semitones, abs=0.7)


@needs_flite
def test_the_same_request_gives_the_same_bytes(flite):
    assert say(flite).samples.tobytes() == say(Flite()).samples.tobytes()


@needs_flite
def test_names_that_are_not_here_are_refused_at_once(flite):
    refused = (
        (SpeechRequest("Hello", language="de"), "language"),
        (SpeechRequest("Hello", voice="kal"), "voice"),
        (SpeechRequest("Hello", voice="-o"), "voice"),
    )
    for request, field in refused:
        with pytest.raises(UnknownName) as caught:
            flite.speak(request)
        assert caught.value.field == field
    assert say(flite, language="EN-gb").language == "en-us"


@needs_flite
@pytest.mark.parametrize(
    "text", ["-o /etc/x", "play", "$(x) `x` ;x", "<b>x</b>", "%s%n x", "9" * 60, "x\x00y", "“Hi”—x"]
)
def test_odd_text_is_text(flite, text):
    assert say(flite, text).seconds > 0.2


@needs_flite
def test_text_without_english_letters_is_the_texts_fault(flite):
    with pytest.raises(InvalidText) as caught:
        list(flite.speak(SpeechRequest("Привет")))
    assert caught.value.code == "nothing_to_say"


@needs_flite
def test_an_abandoned_request_leaves_no_process(flite):
    speaking = flite.speak(SpeechRequest("One sentence. " * 50))
    next(speaking)
    speaking.close()
    with pytest.raises(StopIteration):
        next(speaking)
