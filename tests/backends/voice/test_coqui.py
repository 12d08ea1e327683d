"""VITS through the real classes of coqui-tts, with small random weights in the layout of its own folders."""

import json
import shutil

import numpy as np
import pytest

from deployments.backends import registry
from deployments.backends.published import licences
from deployments.backends.voice.espeak import Espeak
from pipeline.contracts import Speech, SpeechRequest, VoiceConditioning
from pipeline.errors import Damaged, InvalidRequest, InvalidText, MissingWeights, SettingsError, UnknownName
from pipeline.models import VoiceModel

torch = pytest.importorskip("torch", reason="make models")

from benchmarks import random_vits  # noqa: E402
from tests.backends.voice.conftest import CLIP  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = "Mama buys a pie."
ROW = registry.find("voice", "coqui")


@pytest.fixture(scope="module")
def folders(one_thread, tmp_path_factory):
    root = tmp_path_factory.mktemp("coqui")
    return {
        "single": random_vits.write(root / "single"),
        "several": random_vits.write(root / "several", speakers=("p225", "p226\n", "ED")),
        "vectors": random_vits.write(
            root / "vectors", speakers=("ann", "bob"), vectors=True, languages=("en", "fr-fr")
        ),
        "spelt": random_vits.write(root / "spelt", phonemes="en-us"),
        "fine": random_vits.write(root / "fine", rate=44100),
    }


@pytest.fixture(scope="module")
def voices(folders):
    return {name: built(folder) for name, folder in folders.items()}


def built(folder, **options):
    return registry.load(ROW, {"model": str(folder), **options})


def said(model, text=TEXT, **wishes) -> np.ndarray:
    return Speech.join(model.speak(SpeechRequest(text, **wishes))).samples


def differ(one, other) -> bool:
    return one.shape != other.shape or bool(np.abs(one - other).max() > 1e-4)


def test_its_sound_is_that_of_coqui_tts(voices, folders):
    """Built, loaded and spoken by the library alone, norms and all."""
    from deployments.backends.voice.torchaudio import standing_in

    with standing_in():
        from TTS.config import load_config
        from TTS.tts.models.vits import Vits

        theirs = Vits(load_config(folders["single"] / "config.json"))
        theirs.load_checkpoint(theirs.config, folders["single"] / "model_file.pth", eval=True)
        torch.manual_seed(3)
        wanted = theirs.synthesize(TEXT)["wav"]
    model = built(folders["single"], seed=3)
    sound = said(model)
    pause = round(0.15 * 22050)
    assert len(sound) == len(wanted) + pause
    np.testing.assert_allclose(sound[:-pause], wanted, atol=1e-6)
    assert not sound[-pause:].any()
    assert sound.std() > 1e-4
    assert isinstance(model, VoiceModel)


def test_the_same_request_is_the_same_sound_whatever_else_is_drawn(voices):
    voice = voices["single"]
    once = said(voice)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    np.testing.assert_array_equal(said(voice), once)
    assert torch.equal(torch.get_rng_state(), state)
    alone = said(voice, "One.", final=False)
    np.testing.assert_array_equal(said(voice, "One. Two.")[: len(alone)], alone)


def test_a_seed_and_noise_are_options(folders, voices):
    plain = said(voices["single"])
    assert differ(said(built(folders["single"], seed=1)), plain)
    still = [said(built(folders["single"], noise=0.0, length_noise=0.0, seed=seed)) for seed in (0, 1)]
    np.testing.assert_array_equal(still[0], still[1])
    assert differ(said(built(folders["single"], noise=0.0)), plain)


def test_speakers_are_voices(voices, folders):
    assert list(voices["single"].voices()) == ["default"]
    several = voices["several"]
    assert list(several.voices()) == ["p225", "p226", "ED"], "the line end that VCTK's list has is none of the name"
    sounds = [said(several, voice=name) for name in several.voices()]
    assert differ(sounds[0], sounds[1])
    assert differ(sounds[1], sounds[2])
    np.testing.assert_array_equal(said(several), sounds[0])
    chosen = built(folders["several"], speaker="ED")
    assert list(chosen.voices()) == ["ED", "p225", "p226"]
    np.testing.assert_array_equal(said(chosen), sounds[2])
    with pytest.raises(SettingsError, match="p225, p226, ED"):
        built(folders["several"], speaker="nobody")
    with pytest.raises(UnknownName) as refused:
        several.speak(SpeechRequest(TEXT, voice="nobody"))
    assert refused.value.accepted == "ED, p225, p226"
    given = voices["vectors"]
    assert list(given.voices()) == ["ann", "bob"]
    assert differ(said(given, voice="ann"), said(given, voice="bob"))


def test_languages(voices, folders):
    several = voices["vectors"]
    assert several.voices()["ann"] == ("en", "fr-fr")
    english, french = said(several), said(several, language="fr")
    assert differ(english, french)
    np.testing.assert_array_equal(said(several, language="en-GB"), english)
    np.testing.assert_array_equal(said(several, language="fr_FR"), french)
    with pytest.raises(UnknownName) as refused:
        several.speak(SpeechRequest(TEXT, language="de"))
    assert refused.value.accepted == "en, fr-fr"
    assert next(several.speak(SpeechRequest(TEXT, language="fr-ca"))).language == "fr-ca"
    ewe = built(folders["single"], language="ewe")
    assert ewe.voices() == {"default": ("ewe",)}
    said(ewe, language="ewe")
    with pytest.raises(UnknownName):
        ewe.speak(SpeechRequest(TEXT))
    with pytest.raises(SettingsError, match="en, fr-fr"):
        built(folders["vectors"], language="de")


def test_espeaks_phonemes_without_its_program(voices):
    spelt = voices["spelt"]
    assert spelt.voices() == {"default": ("en-us",)}
    tokenizer = spelt._model._network.tokenizer
    ids = tokenizer.text_to_ids("Recent research, at Harvard!", language="en-us")
    heard = tokenizer.decode([token for token in ids if token != tokenizer.blank_id])
    assert heard == "ɹˈiːsənt ɹᵻsˈɜːtʃ, æt hˈɑːɹvɚd!"
    assert len(said(spelt)) > 22050 / 4
    assert spelt._model.known("weekend 日本", "en-us")


def test_long_texts_are_cut_by_us(voices, folders, monkeypatch):
    voice = built(folders["single"], longest=80)
    heard = []

    def noted(piece, *_, **__):
        heard.append(piece)
        return np.ones(100, np.float32)

    monkeypatch.setattr(voice._model, "said", noted)
    words = " ".join(f"word{number} goes on, and" for number in range(40))
    pieces = voice.speak(SpeechRequest(f"{words}. Short. 日本。"))
    first = next(pieces)
    assert len(heard) == 1, "the first sentence is heard before the second is said"
    pauses = [round(piece.seconds - 100 / 22050, 2) for piece in (first, *pieces)]
    assert len(heard) > 8
    assert max(map(len, heard)) <= 80
    assert "".join("".join(piece.split()) for piece in heard) == "".join(f"{words}. Short.".split())
    assert pauses[-1] == 0.15
    assert pauses[-2] == 0.35
    assert set(pauses[:-2]) == {0.18}
    for empty in ("日本。", "！？ ١٢٣"):
        with pytest.raises(InvalidText) as refused:
            list(voice.speak(SpeechRequest(empty)))
        assert refused.value.code == "nothing_to_say"


def test_speed_and_pitch(voices):
    pause = 0.15
    for name in ("single", "fine"):
        rate = {"single": 22050, "fine": 44100}[name]
        plain = Speech.join(voices[name].speak(SpeechRequest(TEXT)))
        assert plain.sample_rate == rate
        fast, slow = (Speech.join(voices[name].speak(SpeechRequest(TEXT, speed=speed))) for speed in (2.0, 0.5))
        assert fast.seconds - pause / 2 < 0.75 * (plain.seconds - pause)
        assert slow.seconds - pause * 2 == pytest.approx(2 * (plain.seconds - pause), rel=0.2)
        high = Speech.join(voices[name].speak(SpeechRequest(TEXT, pitch=3.0)))
        assert high.sample_rate == min(rate, 24000)
        assert high.seconds == pytest.approx(plain.seconds, abs=0.001)
    with pytest.raises(InvalidRequest):
        voices["single"].speak(SpeechRequest(TEXT, speed=9))


def test_profiles_colour_its_voices(folders, monkeypatch):
    """The network's noise has no pitch: what it says is said by espeak-ng here, at the network's rate."""
    voice = built(folders["single"])
    clip = Speech.join(Espeak().speak(SpeechRequest(CLIP, voice="f3")))
    wanted = voice.tint(clip.samples, clip.sample_rate)
    with monkeypatch.context() as patch:
        patch.setattr(voice._model, "said", lambda *_, **__: np.zeros(22050, np.float32))
        with pytest.raises(InvalidRequest) as refused:
            voice.speak(SpeechRequest(TEXT, tint=wanted))
    assert refused.value.code == "voice_without_pitch"

    def spoken(text, *_, speed, seed):
        return Speech.join(Espeak().speak(SpeechRequest(text, voice="m1", speed=speed))).samples

    monkeypatch.setattr(voice._model, "said", spoken)
    plain = Speech.join(voice.speak(SpeechRequest(TEXT)))
    coloured = Speech.join(voice.speak(SpeechRequest(TEXT, tint=wanted)))
    own, found = (voice.tint(np.tile(each.samples, 4), each.sample_rate) for each in (plain, coloured))
    assert own.pitch_hz < 0.8 * wanted.pitch_hz
    assert found.pitch_hz == pytest.approx(wanted.pitch_hz, rel=0.12)
    with pytest.raises(InvalidRequest) as refused:
        voice.speak(SpeechRequest(TEXT, conditioning=VoiceConditioning({})))
    assert refused.value.code == "foreign_conditioning"


def changed(source, target, *, config=id, weights=id):
    """A copy of the folder, its configuration and its weights changed in place."""
    shutil.copytree(source, target)
    values = json.loads((target / "config.json").read_text())
    config(values)
    (target / "config.json").write_text(json.dumps(values))
    held = torch.load(target / "model_file.pth", weights_only=True)
    weights(held)
    torch.save(held, target / "model_file.pth")
    return target


def test_checkpoints_as_they_were_saved_at_other_times(folders, voices, tmp_path):
    """The names of torch before 2.0, the critic, the speaker encoder, an optimizer as a pickled object."""
    from deployments.backends.voice.torchaudio import standing_in

    with standing_in():
        from TTS.utils.radam import RAdam

    def old(held):
        for name in list(held["model"]):
            for now, then in (("original0", "weight_g"), ("original1", "weight_v")):
                if name.endswith(f".parametrizations.weight.{now}"):
                    held["model"][name.replace(f"parametrizations.weight.{now}", then)] = held["model"].pop(name)
        held["model"] |= {"disc.nets.0.bias": torch.zeros(3), "speaker_encoder.fc.bias": torch.zeros(3)}
        held["optimizer"] = RAdam.__new__(RAdam)
        held["optimizer"].__dict__ |= {"defaults": {}, "state": {}, "param_groups": []}

    folder = changed(folders["single"], tmp_path / "old", weights=old)
    np.testing.assert_allclose(said(built(folder)), said(voices["single"]), atol=1e-6)
    renamed = folder / "best_model_1200.pth"
    (folder / "model_file.pth").rename(renamed)
    (folder / "speakers.pth").write_bytes(b"no weights")
    built(folder)
    shutil.copy(renamed, folder / "checkpoint_900.pth")
    with pytest.raises(SettingsError, match=r"best_model_1200\.pth, checkpoint_900\.pth"):
        built(folder)
    built(renamed)


def test_vectors_in_several_files(folders, voices, tmp_path):
    folder = changed(
        folders["vectors"],
        tmp_path / "two",
        config=lambda values: values["model_args"].update(d_vector_file=["/a/ann.json", "/b/bob.json"]),
    )
    held = json.loads((folder / "speakers.json").read_text())
    for name in ("ann", "bob"):
        (folder / f"{name}.json").write_text(json.dumps({f"{name}.wav": held[f"{name}.wav"]}))
    (folder / "speakers.json").unlink()
    two = built(folder)
    assert list(two.voices()) == ["ann", "bob"]
    np.testing.assert_array_equal(said(two, voice="bob"), said(voices["vectors"], voice="bob"))


def test_every_tensor_has_its_place(folders, tmp_path):
    def other(held):
        del held["model"]["text_encoder.emb.weight"]
        held["model"]["extra"] = torch.zeros(3)
        held["model"]["waveform_decoder.conv_pre.bias"] = torch.zeros(7)

    with pytest.raises(Damaged) as caught:
        built(changed(folders["single"], tmp_path / "other", weights=other))
    assert caught.value.code == "damaged_weights"
    for told in ("no text_encoder.emb.weight", "extra", "waveform_decoder.conv_pre.bias of (7,) for (32,)"):
        assert told in caught.value.message
    more = changed(folders["several"], tmp_path / "more")
    (more / "speaker_ids.json").write_text(json.dumps({name: place for place, name in enumerate("abcd")}))
    with pytest.raises(Damaged, match=r"emb_g\.weight"):
        built(more)
    (more / "speaker_ids.json").unlink()
    with pytest.raises(MissingWeights, match=r"speaker_ids\.json"):
        built(more)


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('it was run')",))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda values: values["characters"].update(characters_class="os.system"), "unsafe_weights"),
        (lambda values: values.update(text_cleaner="__import__"), "damaged_weights"),
        (lambda values: values.update(characters="abc"), "damaged_weights"),
        (lambda values: values["model_args"].update(upsample_rates_decoder=[2, 2]), "damaged_weights"),
    ],
)
def test_a_configuration_runs_nothing(folders, tmp_path, change, code):
    with pytest.raises(Damaged) as caught:
        built(changed(folders["single"], tmp_path / "bad", config=change))
    assert caught.value.code == code


def test_weights_run_nothing_and_addresses_are_not_opened(folders, tmp_path, voices):
    folder = tmp_path / "bomb"
    shutil.copytree(folders["single"], folder)
    torch.save({"model": {"a": torch.zeros(1)}, "optimizer": Bomb()}, folder / "model_file.pth")
    with pytest.raises(Damaged) as caught:
        built(folder)
    assert caught.value.code == "unsafe_weights"

    def elsewhere(values):
        for section in (values, values["model_args"]):
            section["speakers_file"] = "http://127.0.0.1:9/speaker_ids.json"
            section["speaker_encoder_model_path"] = "http://127.0.0.1:9/model_se.pth"
            section["speaker_encoder_config_path"] = "http://127.0.0.1:9/config_se.json"
        values["audio"]["stats_path"] = "/etc/hostname"

    folder = changed(folders["several"], tmp_path / "elsewhere", config=elsewhere)
    np.testing.assert_array_equal(said(built(folder)), said(voices["several"]))


def test_another_architecture_and_no_model_at_all(folders, tmp_path):
    for model, told in (("xtts", "voice-xtts"), ("bark", "'bark'; accepted here are: vits, .*tacotron2"), ("", "vits")):
        folder = tmp_path / f"a{model}"
        with pytest.raises(SettingsError, match=told):
            built(changed(folders["single"], folder, config=lambda values, model=model: values.update(model=model)))
    with pytest.raises(SettingsError, match="empty"):
        built("")
    with pytest.raises(MissingWeights, match="no folder"):
        built(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingWeights, match=r"model_file\.pth"):
        built(tmp_path / "empty")
    (tmp_path / "empty" / "model_file.pth").write_bytes(b"")
    with pytest.raises(MissingWeights, match=r"config\.json"):
        built(tmp_path / "empty")
    (tmp_path / "empty" / "config.json").write_text("{")
    with pytest.raises(Damaged, match=r"config\.json"):
        built(tmp_path / "empty")
    with pytest.raises(SettingsError, match="longest"):
        built(folders["single"], longest=3)


def test_by_name_in_the_folders_of_coqui_tts(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("TTS_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(MissingWeights, match="tts_models/en/ljspeech/vits"):
        registry.load(ROW)
    with pytest.raises(MissingWeights) as missing:
        built("tts_models/uk/mai/vits")
    kept = tmp_path / "tts" / "tts_models--uk--mai--vits"
    assert str(kept) in str(missing.value.accepted)
    assert "tts_models--uk--mai--vits.zip" in str(missing.value.accepted)
    shutil.copytree(folders["single"], kept)
    assert built("tts_models/uk/mai/vits").voices() == {"default": ("uk",)}
    with pytest.raises(MissingWeights) as missing:
        built("tts_models/sr/custom/vits")
    assert missing.value.accepted == "hf download daremc86/sr-cv-vits"
    repository = tmp_path / "hub" / "models--daremc86--sr-cv-vits"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.copytree(folders["single"], repository / "snapshots" / ("0" * 40))
    assert built("tts_models/sr/custom/vits").voices() == {"default": ("sr",)}
    with pytest.raises(SettingsError, match="tts_models/uk/mai/vits,"):
        built("tts_models/uk/mai/vitz")


def test_commercial_use_is_a_matter_of_each_model(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("TTS_HOME", str(tmp_path))
    with licences.held_to(True):
        licences.check_backends([ROW])
        for refused in (str(folders["single"]), "tts_models/multilingual/multi-dataset/your_tts"):
            with pytest.raises(SettingsError) as caught:
                built(refused)
            assert caught.value.code == "licence_forbids"
        built(folders["single"], commercial_use=True)
        with pytest.raises(MissingWeights):
            built("tts_models/uk/mai/vits")
