import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from deployments.backends.voice import espeak_library, espeak_voices
from deployments.backends.voice.espeak import Espeak
from deployments.backends.voice.world import world
from pipeline.contracts import Speech, SpeechRequest
from pipeline.errors import InvalidRequest, InvalidText, Unavailable, UnknownName
from pipeline.models import VoiceModel

TEXT = "Hello there, my friend. The birch canoe slid on the smooth planks."


@pytest.fixture(scope="module")
def espeak():
    return Espeak()


def say(espeak, text=TEXT, **options):
    return Speech.join(espeak.speak(SpeechRequest(text, **options)))


def pitch(speech):
    sound = speech.samples.astype(float)
    rough, times = world().dio(sound, speech.sample_rate, f0_floor=35.0, f0_ceil=500.0)
    found = world().stonemask(sound, rough, times, speech.sample_rate)
    return float(np.median(found[found > 0]))


@pytest.mark.parametrize("folder", ["nowhere", "deep/" * 50], ids=["missing", "long"])
def test_data_that_can_not_be_read_is_an_error_and_not_the_end_of_the_process(espeak, tmp_path, monkeypatch, folder):
    """Environments that Ray makes lie deep: a path may be longer than the library takes."""
    data = tmp_path / folder
    if folder != "nowhere":
        data.parent.mkdir(parents=True)
        data.symlink_to(espeak_library._data())
    monkeypatch.setattr(espeak_library, "_data", lambda: data)
    with pytest.raises(Unavailable, match="can't read its data in"):
        say(espeak)


def test_it_is_a_voice_model(espeak):
    assert isinstance(espeak, VoiceModel)
    voices = espeak.voices()
    assert next(iter(voices)) == "en-us"
    assert voices["en-us"] == ("en-us", "en")
    assert {"de", "pt-br", "cmn", "sw", "f3", "klatt4"} <= set(voices)
    assert "cmn" in voices["f3"]
    assert len(voices) > 200


def test_speech_is_sound_with_phonemes_that_cover_it(espeak):
    parts = list(espeak.speak(SpeechRequest(TEXT)))
    assert len(parts) == 2
    for part in parts:
        assert part.samples.dtype == np.float32
        assert part.sample_rate == 22050
        assert 0.1 < np.abs(part.samples).max() <= 1
        assert part.language == "en-us"
        assert part.phonemes[0].start == 0
        assert part.phonemes[-1].end == pytest.approx(part.seconds, abs=1e-9)
        assert all(before.end == after.start for before, after in zip(part.phonemes, part.phonemes[1:], strict=False))
        assert all(one.ipa or other.ipa for one, other in zip(part.phonemes, part.phonemes[1:], strict=False))
    assert "".join(p.ipa for p in parts[0].phonemes) == "həlˈoʊðˈɛɹmaɪfɹˈɛnd"


def test_phoneme_times_are_those_of_the_sound(espeak):
    speech = say(espeak, "Ah. Ssss. Mama.")
    level = {"": [], "vowel": []}
    for phoneme in speech.phonemes:
        part = speech.samples[round(phoneme.start * 22050) : round(phoneme.end * 22050)]
        kind = "" if not phoneme.ipa else "vowel" if any(c in "ɑaæ" for c in phoneme.ipa) else None
        if kind is not None and len(part) > 1000:
            level[kind].append(float(np.sqrt(np.mean(part**2))))
    assert min(level["vowel"]) > 20 * max(level[""])


def test_silence_around_is_short_and_between_sentences_natural(espeak):
    first, last = espeak.speak(SpeechRequest(TEXT))
    for part, low, high in ((first, 0.3, 0.45), (last, 0.1, 0.2)):
        assert part.phonemes[0].end < 0.03
        assert not part.phonemes[-1].ipa
        assert low < part.phonemes[-1].end - part.phonemes[-1].start < high


def test_the_same_request_gives_the_same_bytes_whatever_came_before(espeak):
    for voice in (None, "klatt4", "whisper", "Reed"):
        before = say(espeak, voice=voice)
        say(espeak, "Etwas ganz anderes.", language="de", voice="f2", speed=2.0, pitch=3.0)
        after = say(espeak, voice=voice)
        assert before.samples.tobytes() == after.samples.tobytes()
        assert before.phonemes == after.phonemes


EVERY_TIMBRE = """
import ctypes, hashlib, json, sys
from deployments.backends.voice import espeak_library

ctypes.CDLL(None).srand(int(sys.argv[1]))
digests = {}
for name in sorted(espeak_library.variants(), reverse=sys.argv[1] == "2"):
    samples, events = espeak_library.synthesise("The birch canoe slid.", f"gmw/en-US+{name}", 175, 50, 50)
    digests[name] = hashlib.sha256(samples.tobytes() + repr(events).encode()).hexdigest()
json.dump(digests, sys.stdout)
"""


def test_every_timbre_gives_the_same_bytes_in_every_process(tmp_path):
    """The second process begins with what the first said last, at another time of day, elsewhere, in other words."""
    root = str(Path(__file__).parents[3])
    said = []
    for order, extra in (("1", {}), ("2", {"LC_ALL": "POSIX", "MALLOC_PERTURB_": "77", "PADDING": "x" * 5000})):
        done = subprocess.run(
            [sys.executable, "-c", EVERY_TIMBRE, order],
            env={"PYTHONPATH": root, **extra},
            cwd=tmp_path if extra else root,
            capture_output=True,
            check=True,
            text=True,
        )
        said.append(json.loads(done.stdout))
    assert len(said[0]) > 100
    assert {name for name in said[0] if said[0][name] != said[1].get(name)} == set()


def test_threads_do_not_disturb_each_other(espeak):
    requests = [SpeechRequest(TEXT, voice=voice, speed=speed) for voice in ("m1", "f4") for speed in (1.0, 1.7)]
    alone = [Speech.join(espeak.speak(request)).samples.tobytes() for request in requests]
    together: dict[int, bytes] = {}

    def work(index):
        together[index] = Speech.join(Espeak().speak(requests[index])).samples.tobytes()

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[index] for index in range(len(requests))] == alone


def test_an_abandoned_request_holds_nothing_up(espeak):
    request = SpeechRequest("One sentence. " * 5000)
    speaking = espeak.speak(request)
    next(speaking)
    assert say(espeak, "Meanwhile.").seconds > 0.3
    speaking.close()
    assert say(espeak, "Afterwards.").seconds > 0.3


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.8, 1.5, 2.0, 4.0])
def test_speed_is_what_was_asked_for(espeak, speed):
    plain, changed = say(espeak), say(espeak, speed=speed)
    assert changed.seconds == pytest.approx(plain.seconds / speed, rel=0.01)
    assert pitch(changed) == pytest.approx(pitch(plain), rel=0.06)
    assert [p.ipa for p in changed.phonemes if p.ipa] == [p.ipa for p in plain.phonemes if p.ipa]
    assert changed.phonemes[-1].end == pytest.approx(changed.seconds, abs=1e-9)


@pytest.mark.parametrize("semitones", [-12, -5, 5, 12])
def test_pitch_is_what_was_asked_for(espeak, semitones):
    plain, changed = say(espeak), say(espeak, pitch=float(semitones))
    assert 12 * np.log2(pitch(changed) / pitch(plain)) == pytest.approx(semitones, abs=0.7)
    assert changed.seconds == pytest.approx(plain.seconds, rel=0.05)


@pytest.mark.parametrize(
    ("tag", "spoken"),
    [
        ("en", "en-us"), ("EN-GB", "en-gb"), ("en_US", "en-us"), ("en-au", "en-gb"), ("pt-br", "pt-br"), ("pt", "pt"),
        ("zh", "cmn"), ("zh-Hans-CN", "cmn"), ("zh-hk", "yue"), ("no", "nb"), ("fr-CA", "fr-fr"), ("es-mx", "es-419"),
        ("de-at-1996", "de"), ("sr-latn-rs", "sr"), ("iw", "he"), ("sw-x-private", "sw"),
    ],
)  # fmt: skip
def test_language_tags_find_their_language(espeak, tag, spoken):
    assert say(espeak, "Hello 25.", language=tag).language == spoken


def closest(error: UnknownName) -> set[str]:
    """The names that it lists, a dozen, and says of how many more there are."""
    *names, more = (error.accepted or "").split(", ")
    assert len(names) == 12
    assert more.startswith("and ")
    return set(names)


@pytest.mark.parametrize("tag", ["xx", "tlh-piqd", "", "-", "fo", "en\x00", "../en", "e"])
def test_unknown_languages_are_refused_at_once(espeak, tag):
    with pytest.raises(UnknownName) as caught:
        espeak.speak(SpeechRequest("Hello", language=tag))
    assert caught.value.field == "language"
    assert closest(caught.value) <= {tag for tags in espeak_voices.voices().values() for tag in tags}


def test_voices_by_language_by_timbre_and_by_both(espeak):
    plain, timbre = say(espeak), say(espeak, voice="F3")
    assert say(espeak, voice="en-us+f3").samples.tobytes() == timbre.samples.tobytes()
    assert say(espeak, voice="en-us").samples.tobytes() == plain.samples.tobytes()
    assert say(espeak, voice="Mr serious").samples.tobytes() != plain.samples.tobytes()
    assert pitch(timbre) > 1.5 * pitch(plain)
    assert say(espeak, "Hallo", language="de", voice="f3").language == "de"
    assert say(espeak, voice="en-gb").language == "en-gb"


@pytest.mark.parametrize("voice", ["nobody", "en-us+nobody", "xx+f3", "", "+f3", "en-us+", "../../etc", "f3+f3"])
def test_unknown_voices_are_refused_at_once(espeak, voice):
    with pytest.raises(UnknownName) as caught:
        espeak.speak(SpeechRequest("Hello", voice=voice))
    assert caught.value.field == "voice"
    assert closest(caught.value) <= set(espeak_voices.voices())


def test_a_voice_of_another_language_is_refused(espeak):
    with pytest.raises(UnknownName) as caught:
        espeak.speak(SpeechRequest("Hello", language="en", voice="de+f3"))
    assert (caught.value.field, caught.value.accepted) == ("language", "de")


@pytest.mark.parametrize(
    ("options", "field"),
    [({"speed": 0.2}, "speed"), ({"speed": 4.1}, "speed"), ({"speed": np.nan}, "speed"), ({"pitch": 13.0}, "pitch")],
)
def test_out_of_range_is_refused(espeak, options, field):
    with pytest.raises(InvalidRequest) as caught:
        espeak.speak(SpeechRequest("Hello", **options))
    assert caught.value.field == field


def test_every_language_says_its_numbers():
    mute = []
    for language in espeak_library.languages():
        _, events = espeak_library.synthesise("1 2 3", language.identifier, 175, 50, 50)
        if not any(name for _, name in events):
            mute.append(language.tags[0])
    assert mute == ["chr-us-qaaa-x-west", "cv", "sjn"]  # espeak-ng has no words for figures in these


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "你好，world。今天3点见"), ("ja", "きょうは いい てんき です"), ("ar", "مرحبا كيف حالك؟"),
        ("hi", "नमस्ते, आप कैसे हैं?"), ("ru", "Привет, Anna!"), ("th", "สวัสดี"), ("en", "漢字 and नमस्ते"),
        ("ko", "안녕하세요"),
    ],
)  # fmt: skip
def test_other_scripts_are_spoken(espeak, language, text):
    speech = say(espeak, text, language=language)
    assert speech.seconds > 0.4
    assert not set("()0123456789") & set("".join(p.ipa for p in speech.phonemes))


@pytest.mark.parametrize(
    "text",
    ["<speak>a < b</speak>", "[[h@l'oU]] x", "a &amp; b", "\x0199s x", "x\x00y", "\ud800 x", "'\" x", "x" * 3000,
     "9" * 1000, "x\u0301" * 900, "١٢٣ ४५६ x", "%n%s x", "a\\b/c x"],
)  # fmt: skip
def test_odd_text_is_text(espeak, text):
    assert say(espeak, text).seconds > 0.2


def test_markup_is_read_out(espeak):
    assert "slˈæʃ" in "".join(p.ipa for p in say(espeak, "a <b> c </b>").phonemes)
    assert say(espeak, "[[h]] x").seconds > say(espeak, "x").seconds + 0.1


def test_nothing_to_say_is_the_texts_fault(espeak):
    with pytest.raises(InvalidText) as caught:
        list(espeak.speak(SpeechRequest("... !")))
    assert caught.value.code == "nothing_to_say"


def test_phonemes_without_sound():
    american = espeak_library.phonemes("Recent research. At Harvard!", "gmw/en-US")
    assert american == "ɹˈiːsənt ɹᵻsˈɜːtʃ æt hˈɑːɹvɚd"
    assert espeak_library.phonemes("le weekend", "roa/fr") == "lə- (en)wiːkˈɛnd(fr)"
    assert espeak_library.phonemes("", "roa/fr") == ""
    assert espeak_library.phonemes("Recent research. At Harvard!", "gmw/en-US") == american
