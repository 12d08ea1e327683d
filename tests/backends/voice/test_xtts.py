"""XTTS through its real classes, with random weights in the published layout."""

import importlib.util

import numpy as np
import pytest

from deployments.backends import registry
from deployments.backends.voice.xtts import languages
from deployments.backends.voice.xtts.sampling import Sampling
from pipeline.contracts import Speech, SpeechRequest, VoiceConditioning, VoiceTint
from pipeline.errors import InvalidAudio, InvalidRequest, InvalidText, UnknownName
from tests.backends.voice.test_torchaudio import mel, sinc_sum

torch = pytest.importorskip("torch", reason="make models")
pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = "Hi there."
ROW = registry.find("voice", "xtts")


def said(voice, text=TEXT, **wishes) -> np.ndarray:
    return Speech.join(voice.speak(SpeechRequest(text, **wishes))).samples


@pytest.fixture(scope="module")
def network(xtts):
    return xtts._model._network


@pytest.fixture(scope="module")
def speaker(xtts):
    return next(iter(xtts._speakers.values()))


@pytest.fixture(scope="module")
def ids(xtts):
    return xtts._model.encoded(TEXT, "en")


def test_its_tokens_and_its_sound_are_those_of_coqui_tts(xtts, network, speaker, ids):
    """The library's own stream, all in one piece: it decodes everything at once then, and nothing is cross-faded."""
    torch.manual_seed(5)
    pieces = network.inference_stream(
        TEXT,
        "en",
        speaker.latent,
        speaker.embedding,
        stream_chunk_size=0,
        repetition_penalty=5.0,
    )
    theirs = torch.cat(list(pieces)).numpy()
    ours = np.concatenate(list(xtts._model.said(ids, speaker, Sampling(seed=5), limit=25, every=10**6, speed=1)))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert len(ours) == 108 * 256  # 25 tokens, 4 hops of 22.05 kHz each, at 24 kHz
    assert ours.std() > 1e-4


@pytest.mark.parametrize("speed", [1.0, 0.5, 1.7])
def test_pieces_joined_are_what_one_go_makes(xtts, speaker, ids, speed):
    def pieces(every):
        return list(xtts._model.said(ids, speaker, Sampling(), limit=20, every=every, speed=speed))

    whole, parts = pieces(10**6), pieces(6)
    assert len(whole) == 1
    assert len(parts) >= 2
    assert sum(map(len, parts)) == len(whole[0])
    np.testing.assert_allclose(np.concatenate(parts), whole[0], atol=1e-6)
    assert len(whole[0]) == pytest.approx(20 * 1114.56 / speed, abs=1115 + 2 * 256)  # whole vectors, whole frames


def test_it_is_heard_before_the_sentence_is_finished(xtts, network, speaker, ids):
    from deployments.backends.voice.xtts import generation, vocoder

    made = 0

    def counted():
        nonlocal made
        for latent in generation.latents(network, ids, speaker, Sampling(), 20):
            made += 1
            yield latent

    first = next(vocoder.sound(network, counted(), speaker, 10))
    assert made == 10
    assert 20 * 256 < len(first) <= 10 * 1115
    pieces = list(xtts.speak(SpeechRequest("A sentence of some length.")))
    assert all(piece.phonemes is None and piece.sample_rate == 24000 for piece in pieces)
    assert [round(piece.seconds, 1) for piece in pieces] == [0.7, 0.4, 0.1]


def test_the_same_request_is_the_same_sound_whatever_else_is_drawn(xtts):
    once = said(xtts)
    torch.manual_seed(99)
    pieces = []
    for piece in xtts.speak(SpeechRequest(TEXT)):
        torch.rand(7)
        pieces.append(piece.samples)
    np.testing.assert_array_equal(np.concatenate(pieces), once)
    state = torch.get_rng_state()
    said(xtts)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_sentence_is_the_same_wherever_it_stands(xtts):
    alone = said(xtts, "One.", final=False)
    both = said(xtts, "One. Two.")
    np.testing.assert_array_equal(both[: len(alone)], alone)


def test_two_people_are_two_voices(xtts, conditionings, people):
    one, other = (said(xtts, conditioning=conditioning) for conditioning in conditionings)
    assert one.shape != other.shape or np.abs(one - other).max() > 1e-3
    np.testing.assert_array_equal(said(xtts, conditioning=conditionings[0]), one)
    built_in = said(xtts)
    assert one.shape != built_in.shape or np.abs(one - built_in).max() > 1e-3
    again = xtts.condition(people[0].samples, people[0].sample_rate)
    for name, array in conditionings[0].arrays.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(again.arrays[name], array)


def test_the_conditioning_is_the_networks_view_of_the_clip(network, people, conditionings):
    """The sound resampled and made a mel in float64, in parts of four seconds, each through the network's encoder."""
    clip = people[0]
    assert clip.sample_rate == 22050
    sound = clip.samples.astype(np.float64)
    views = []
    for start in range(0, len(sound), 4 * 22050):
        part = sound[start : start + 4 * 22050]
        if len(part) < 0.33 * 22050:
            continue

        def hann(count):
            return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(count) / count)

        heard = np.log(np.maximum(mel(part, 22050, 2048, 1024, 256, 0, 8000, 80, hann, "slaney"), 1e-5))
        with torch.inference_mode():
            views.append(network.gpt.get_style_emb(torch.from_numpy(heard).float()[None]))
    assert len(views) > 1
    latent = torch.stack(views).mean(0).transpose(1, 2).numpy()
    np.testing.assert_allclose(conditionings[0].arrays["latent"], latent, atol=2e-3)
    with torch.inference_mode():
        slow = torch.from_numpy(sinc_sum(sound, 22050, 16000)).float()[None]
        embedding = network.hifigan_decoder.speaker_encoder.forward(slow, l2_norm=True).unsqueeze(-1).numpy()
    np.testing.assert_allclose(conditionings[0].arrays["embedding"], embedding, atol=1e-4)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


def test_whose_voice_is_asked_for_has_to_be_one_it_knows(xtts, conditionings):
    tags = xtts.voices()["Speaker 1"]
    assert list(xtts.voices()) == ["Speaker 1", "Speaker 2"]
    assert "en" in tags
    with pytest.raises(UnknownName) as caught:
        xtts.speak(SpeechRequest(TEXT, voice="Nobody"))
    assert caught.value.accepted == "Speaker 1, Speaker 2"
    tint = VoiceTint(120, 0.2, 4, np.zeros(513, np.float32))
    with pytest.raises(InvalidRequest) as refused:
        xtts.speak(SpeechRequest(TEXT, tint=tint))
    assert refused.value.code == "tint_for_a_clone"
    arrays = conditionings[0].arrays
    for foreign in ({}, {**arrays, "latent": arrays["latent"][..., :32]}, {**arrays, "embedding": arrays["latent"]}):
        with pytest.raises(InvalidRequest) as refused:
            xtts.speak(SpeechRequest(TEXT, conditioning=VoiceConditioning(foreign)))
        assert refused.value.code == "foreign_conditioning"
    for bad, code in ((np.zeros(80000, np.float32), "silent"), (np.zeros(100, np.float32), "too_short")):
        with pytest.raises(InvalidAudio) as unheard:
            xtts.condition(bad, 16000)
        assert unheard.value.code == code


def test_its_seventeen_languages(xtts):
    assert set(map(languages.base, ROW.languages)) == set(languages.LONGEST)
    assert len(ROW.languages) == 17
    for tag in ROW.languages:
        base = languages.base(tag)
        module, extra = languages.PACKAGES.get(base, ("", ""))
        if module and importlib.util.find_spec(module) is None:
            assert tag not in xtts.voices()["Speaker 1"]
            with pytest.raises(UnknownName, match=rf"coqui-tts\[{extra}\]"):
                xtts.speak(SpeechRequest("50", language=tag))
            continue
        assert tag in xtts.voices()["Speaker 1"]
        found = xtts._model.encoded("Año это test 한국", base)
        assert found.shape[1] > 3
        if base == "hi":
            with pytest.raises(InvalidText) as caught:
                list(xtts.speak(SpeechRequest("50", language=tag)))
            assert caught.value.code == "unspeakable_figures"
        else:
            spelt = xtts._model.encoded("12,5 50", base)
            assert spelt.shape[1] > 6, tag
    with pytest.raises(UnknownName):
        xtts.speak(SpeechRequest(TEXT, language="sv"))
    first = next(xtts.speak(SpeechRequest(TEXT, language="en-GB")))
    assert first.language == "en-GB"


def test_the_tag_of_the_language_comes_first(xtts, network):
    vocabulary = network.tokenizer.tokenizer
    for base, tag in (("en", "[en]"), ("ru", "[ru]")):
        assert int(xtts._model.encoded("a b", base)[0, 0]) == vocabulary.token_to_id(tag)
    assert vocabulary.token_to_id("[SPACE]") in xtts._model.encoded("a b", "en")


def test_long_texts_are_cut_by_us_to_what_the_language_takes(xtts, monkeypatch):
    heard = []

    def noted(piece, ids, language, *_):
        heard.append((piece, language, ids.shape[1]))
        return iter([np.zeros(10, np.float32)])

    monkeypatch.setattr(xtts, "_said", noted)
    words = " ".join(f"word{number} goes on, and" for number in range(150))
    for language in ("en", "ko", "de"):
        heard.clear()
        pieces = list(xtts.speak(SpeechRequest(f"{words}. Short.", language=language)))
        assert len(heard) > 5
        assert max(len(piece) for piece, *_ in heard) <= languages.LONGEST[language]
        assert "".join("".join(piece.split()) for piece, *_ in heard) == "".join(f"{words}. Short.".split())
        pauses = [piece.seconds for piece in pieces[1::2]]
        assert pauses[-1] == pytest.approx(0.15, abs=0.01)
        assert pauses[-2] == pytest.approx(0.35, abs=0.01)
        assert set(np.round(pauses[:-2], 2)) == {0.18}
    heard.clear()
    figures = "9" * 30 + " " + "8" * 30
    list(xtts.speak(SpeechRequest(" ".join([figures] * 4))))
    assert len(heard) > 1, "figures are more once they are spelt out"
    assert max(count for *_, count in heard) < 402


def test_speech_always_ends(xtts):
    for text, capacity in (("Hi.", 602), ("a" * 250, 602), ("a" * 30, 61)):
        most = languages.most_tokens(text, "en", capacity)
        assert 43 < most <= capacity
    assert languages.most_tokens("Hi.", "en", 602) < 60
    assert languages.most_tokens("你好" * 41, "zh", 602) == 602
    # Random weights find no end by themselves: the sound is as long as the limit lets it be.
    limit = languages.most_tokens(TEXT, "en", xtts._model.capacity)
    assert len(said(xtts)) <= (limit + 1) * 1115 + 0.15 * 24000


def test_every_setting_of_the_sampling_counts(xtts, network, speaker, ids):
    from deployments.backends.voice.xtts import generation

    def sampled(**manner) -> np.ndarray:
        return torch.cat(list(generation.latents(network, ids, speaker, Sampling(**manner), 16))).numpy()

    plain = sampled()
    np.testing.assert_array_equal(sampled(), plain)
    for manner in (
        {"seed": 1},
        {"temperature": 2.0},
        {"temperature": 0},
        {"top_k": 2},
        {"top_p": 0.05},
        {"beams": 3},
        {"beams": 3, "temperature": 0},
    ):
        other = sampled(**manner)
        assert other.shape != plain.shape or np.abs(other - plain).max() > 1e-3, manner
        np.testing.assert_array_equal(sampled(**manner), other)
    brief, long = (len(sampled(beams=3, temperature=0, length_penalty=value)) for value in (-10, 10))
    assert brief < long == 16
    likeliest = sampled(temperature=0)
    np.testing.assert_array_equal(sampled(temperature=0, seed=3), likeliest)
    bias = network.gpt.mel_head.bias
    before = bias.clone()
    bias[7] += 8  # a token that it would say again and again
    try:
        assert np.abs(sampled(temperature=0, repetition_penalty=1.0) - sampled(temperature=0)).max() > 1e-3
    finally:
        bias.copy_(before)


def test_speed_and_pitch(xtts):
    pause = 0.15 * 24000
    plain = len(said(xtts)) - pause
    assert len(said(xtts, speed=2.0)) - pause / 2 == pytest.approx(plain / 2, abs=2 * 256)
    pieces = list(xtts.speak(SpeechRequest("Hi.", pitch=3.0)))
    assert len(pieces) == 2
    assert len(pieces[0].samples) == sum(len(piece.samples) for piece in list(xtts.speak(SpeechRequest("Hi.")))[:-1])
    with pytest.raises(InvalidRequest):
        xtts.speak(SpeechRequest(TEXT, speed=9))
