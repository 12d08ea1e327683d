"""Coqui's models of two networks: a spectrogram, then its sound. Small, random, in the layout of their folders."""

import json
import pickle
import shutil
import warnings
from typing import Any

import numpy as np
import pytest

from deployments.backends import registry
from pipeline.contracts import Speech, SpeechRequest
from pipeline.errors import Damaged, MissingWeights, SettingsError

torch = pytest.importorskip("torch", reason="make models")

from tests.backends.voice import spectral, vits  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = "Mama buys a pie."
ROW = registry.find("voice", "coqui")


@pytest.fixture(scope="module")
def folders(one_thread, tmp_path_factory):
    root = tmp_path_factory.mktemp("spectral")
    return {
        "glow_tts": spectral.write(root / "glow", "glow_tts", scaled=True),
        "fast_pitch": spectral.write(root / "pitch", "fast_pitch", speakers=("ann", "bob")),
        "vocoder": spectral.write_vocoder(root / "vocoder", scaled=True),
        "finer": spectral.write_vocoder(root / "finer", rate=24000),
        "vits": vits.write(root / "vits"),
    }


def built(folder, vocoder, **options):
    return registry.load(ROW, {"model": str(folder), "vocoder": str(vocoder), **options})


def said(model, text=TEXT, **wishes) -> Speech:
    return Speech.join(model.speak(SpeechRequest(text, **wishes)))


@pytest.mark.parametrize(
    ("model", "vocoder"), [("glow_tts", "vocoder"), ("glow_tts", "finer"), ("fast_pitch", "vocoder")]
)
def test_its_sound_is_that_of_coqui_tts(folders, model, vocoder):
    from deployments.backends.voice.torchaudio import standing_in

    with standing_in(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pysbd, which cuts texts for it
        from TTS.utils.synthesizer import Synthesizer

        theirs = Synthesizer(
            tts_checkpoint=folders[model] / "model_file.pth",
            tts_config_path=spectral.absolute(folders[model]),
            vocoder_checkpoint=spectral.without_critic(folders[vocoder]),
            vocoder_config=spectral.absolute(folders[vocoder]),
        )
        torch.manual_seed(3)
        speaker = "bob" if model == "fast_pitch" else None
        wanted = np.array(theirs.tts(TEXT, speaker_name=speaker, split_sentences=False))[:-10000]
    speech = said(built(folders[model], folders[vocoder], seed=3), voice=speaker, final=True)
    assert speech.sample_rate == {"vocoder": 22050, "finer": 24000}[vocoder]
    sound = speech.samples[: -round(0.15 * speech.sample_rate)]
    assert len(sound) >= len(wanted)  # theirs cuts silences off
    np.testing.assert_allclose(sound[: len(wanted)], wanted, atol=1e-5)
    assert sound.std() > 1e-5


def test_speed_voices_and_seeds(folders):
    glow = built(folders["glow_tts"], folders["vocoder"])
    pause = 0.15
    assert said(glow, speed=0.5).seconds - 2 * pause == pytest.approx(2 * (said(glow).seconds - pause), rel=0.2)
    np.testing.assert_array_equal(said(glow).samples, said(glow).samples)
    other = said(built(folders["glow_tts"], folders["vocoder"], seed=1)).samples
    assert np.abs(other - said(glow).samples).max() > 1e-6
    pitch = built(folders["fast_pitch"], folders["vocoder"])
    assert list(pitch.voices()) == ["ann", "bob"]
    with pytest.raises(SettingsError, match="drawn at random in fast_pitch"):
        built(folders["fast_pitch"], folders["vocoder"], noise=0.5)


def test_a_vocoder_as_it_was_saved_long_ago(folders):
    old = spectral.without_critic(folders["finer"])
    shutil.copy(folders["finer"] / "config.json", old.parent)
    ours = said(built(folders["glow_tts"], folders["finer"])).samples
    np.testing.assert_array_equal(said(built(folders["glow_tts"], old)).samples, ours)


def test_a_vocoder_where_one_belongs(folders, tmp_path):
    with pytest.raises(SettingsError, match="vocoder"):
        built(folders["glow_tts"], "")
    with pytest.raises(SettingsError, match="by itself"):
        built(folders["vits"], folders["vocoder"])
    with pytest.raises(SettingsError, match="hifigan"):
        built(folders["glow_tts"], folders["vits"])
    few = spectral.write_vocoder(tmp_path / "few", bands=40)
    with pytest.raises(SettingsError, match="40 bands"):
        built(folders["glow_tts"], few)


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('it was run')",))


def test_statistics_run_nothing(folders, tmp_path):
    folder = spectral.write(tmp_path / "glow", "glow_tts", scaled=True)
    file = folder / "scale_stats.npy"
    whole = np.load(file, allow_pickle=True).item()
    bad: Any = (
        ({**whole, "more": Bomb()}, "unsafe_weights"),
        ({"mel_mean": whole["mel_mean"]}, "damaged_weights"),
    )
    for held, code in bad:
        np.save(file, held, allow_pickle=True)
        with pytest.raises(Damaged) as caught:
            built(folder, folders["vocoder"])
        assert caught.value.code == code
    file.write_bytes(pickle.dumps(whole))
    with pytest.raises(Damaged):
        built(folder, folders["vocoder"])
    file.unlink()
    with pytest.raises(MissingWeights, match=r"scale_stats\.npy"):
        built(folder, folders["vocoder"])


def test_every_tensor_of_a_vocoder_has_its_place(folders, tmp_path):
    folder = spectral.write_vocoder(tmp_path / "vocoder")
    held = torch.load(folder / "model_file.pth", weights_only=True)
    del held["model"]["model_g.conv_post.bias"]
    torch.save(held, folder / "model_file.pth")
    with pytest.raises(Damaged, match=r"no conv_post\.bias"):
        built(folders["glow_tts"], folder)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"generator_model": "os", "model": "wavegrad"}))
    with pytest.raises(SettingsError, match="wavegrad"):
        built(folders["glow_tts"], folder)
