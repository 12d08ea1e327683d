"""Coqui's models of two networks: a spectrogram, then its sound. Small, random, in the layout of their folders."""

import json
import pickle
import shutil
import warnings
from typing import Any

import numpy as np
import pytest

from deployments.backends import registry
from deployments.backends.voice.coqui import stepwise
from pipeline.contracts import Speech, SpeechRequest
from pipeline.errors import Damaged, MissingWeights, SettingsError

torch = pytest.importorskip("torch", reason="make models")

from benchmarks import random_vits  # noqa: E402
from tests.backends.voice import griffin_lim, spectral  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = "Mama buys a pie."
ROW = registry.find("voice", "coqui")
STEPWISE = ("tacotron", "tacotron2", "overflow", "neuralhmm_tts")
STYLED = ("tacotron2+gst", "tacotron2+capacitron")
ALIKE = ("fast_speech", "fastspeech2", "speedy_speech", "align_tts", *STEPWISE, *STYLED)
"""Architectures that are tried with one vocoder each."""
ENDS = {
    "tacotron": "stopnet.linear.bias",
    "tacotron2": "stopnet.1.linear_layer.bias",
    "overflow": "output_net.parametermodel.last_layer.bias",
    "neuralhmm_tts": "output_net.parametermodel.last_layer.bias",
}
"""What says how likely it is that a step is the last one, or goes on to the next sign."""
VOCODERS = ("melgan", "multiband_melgan", "fullband_melgan", "parallel_wavegan", "univnet", "wavegrad")
"""Those that are tried with one network each."""


@pytest.fixture(scope="module")
def folders(one_thread, tmp_path_factory):
    root = tmp_path_factory.mktemp("spectral")
    return {
        "glow_tts": spectral.write(root / "glow", "glow_tts", scaled=True),
        "fast_pitch": spectral.write(root / "pitch", "fast_pitch", speakers=("ann", "bob")),
        **{name: spectral.write(root / name, name) for name in ALIKE},
        **{name: spectral.write_vocoder(root / name, name) for name in VOCODERS},
        "vocoder": spectral.write_vocoder(root / "vocoder", scaled=True),
        "finer": spectral.write_vocoder(root / "finer", rate=24000),
        "vits": random_vits.write(root / "vits"),
    }


def built(folder, vocoder, **options):
    return registry.load(ROW, {"model": str(folder), "vocoder": str(vocoder), **options})


def said(model, text=TEXT, **wishes) -> Speech:
    return Speech.join(model.speak(SpeechRequest(text, **wishes)))


@pytest.mark.parametrize(
    ("model", "vocoder"),
    [
        *(("glow_tts", vocoder) for vocoder in ("vocoder", "finer", *VOCODERS, "griffin_lim")),
        *((model, "vocoder") for model in ("fast_pitch", *ALIKE) if model != "tacotron"),
        ("tacotron", "griffin_lim"),
    ],
)
def test_its_sound_is_that_of_coqui_tts(folders, model, vocoder):
    """Random weights seldom find an end: those of coqui-tts are stopped where ours are. Its Griffin-Lim is librosa's,
    which would compile for longer than all of this takes: ours is held to the algorithm written down plainly."""
    from deployments.backends.voice.torchaudio import standing_in

    with standing_in(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pysbd, which cuts texts for it
        from TTS.utils.synthesizer import Synthesizer

        second: dict[str, Any] = {}
        if vocoder in folders:
            second["vocoder_checkpoint"] = spectral.without_critic(folders[vocoder])
            second["vocoder_config"] = spectral.absolute(folders[vocoder])
        theirs = Synthesizer(
            tts_checkpoint=folders[model] / "model_file.pth",
            tts_config_path=spectral.absolute(folders[model]),
            **second,
        )
        torch.manual_seed(3)
        np.random.seed(3)
        speaker = "bob" if model == "fast_pitch" else None
        architecture, _, _ = model.partition("+")
        network: Any = theirs.tts_model
        if architecture in stepwise.ARCHITECTURES:
            stepwise.bound(network, architecture, len(TEXT))
        with torch.no_grad():  # MelGANs can't do without, there
            if vocoder == "griffin_lim":
                spectrogram = network.synthesize(TEXT)["outputs"]["model_outputs"][0].numpy()
                wanted = griffin_lim.sound(spectrogram, network.ap, linear=model == "tacotron")
            else:
                wanted = np.array(theirs.tts(TEXT, speaker_name=speaker, split_sentences=False))[:-10000]
    speech = said(built(folders[model], folders.get(vocoder, vocoder), seed=3), voice=speaker, final=True)
    assert speech.sample_rate == {"finer": 24000}.get(vocoder, 22050)
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
    (folder / "config.json").write_text(json.dumps(values | {"generator_model": "os", "model": "wavernn"}))
    with pytest.raises(SettingsError, match=r"'wavernn'; accepted are: hifigan, .*wavegrad"):
        built(folders["glow_tts"], folder)


@pytest.mark.parametrize("name", STEPWISE)
def test_a_voice_that_finds_no_end_is_stopped_by_the_length_of_its_text(folders, tmp_path, name):
    folder = tmp_path / name
    shutil.copytree(folders[name], folder)
    held = torch.load(folder / "model_file.pth", weights_only=True)
    for tensor in (part for part in held["model"] if part.endswith(ENDS[name])):
        held["model"][tensor][-1] = -100
    torch.save(held, folder / "model_file.pth")
    network = built(folder, "griffin_lim")._model._network
    for text in (TEXT, 3 * TEXT):
        stepwise.bound(network, name, len(text), first=0.1, each=0.01)
        frames = network.synthesize(text)["outputs"]["model_outputs"].shape[1]
        wanted = (0.1 + 0.01 * len(text)) * 22050 / 256
        assert abs(frames - wanted) < 3 * spectral.AT_ONCE


@pytest.mark.parametrize("name", ["tacotron2", "overflow"])
def test_speed_of_networks_that_have_no_pace(folders, name):
    voice = built(folders[name], folders["vocoder"])
    plain, slow, fast = (said(voice, speed=speed).seconds - 0.15 / speed for speed in (1.0, 0.5, 2.0))
    assert slow == pytest.approx(2 * plain, rel=0.01)
    assert fast == pytest.approx(plain / 2, rel=0.01)


def test_frames_at_once_are_those_that_training_ended_with(folders, tmp_path):
    def changed(**beside):
        folder = tmp_path / "-".join(beside)
        shutil.copytree(folders["tacotron"], folder)
        held = torch.load(folder / "model_file.pth", weights_only=True)
        del held["r"]
        torch.save(held | beside, folder / "model_file.pth")
        return built(folder, "griffin_lim")._model._network.decoder.r

    assert built(folders["tacotron"], "griffin_lim")._model._network.decoder.r == spectral.AT_ONCE
    assert changed(config={"r": 1}) == 1
    assert changed(epoch=3) == 3
    with pytest.raises(Damaged, match="makes 1 to 3 frames at once, and it says 4"):
        changed(r=4)


def test_the_scale_of_a_neural_hmm_is_not_cut_to_whole_numbers(folders, tmp_path):
    """As coqui-tts cuts it, which makes the voice louder or quieter than it was trained to be."""
    folder = tmp_path / "scaled"
    shutil.copytree(folders["neuralhmm_tts"], folder)
    held = torch.load(folder / "model_file.pth", weights_only=True)
    held["model"] |= {"mean": torch.tensor(-5.5), "std": torch.tensor(2.25)}
    torch.save(held, folder / "model_file.pth")
    network = built(folder, "griffin_lim", noise=0.0)._model._network
    assert (float(network.mean), float(network.std)) == (-5.5, 2.25)
    assert network.sampling_temp == 0.0


def test_tacotron_has_no_vocoder(folders):
    with pytest.raises(SettingsError, match="griffin_lim"):
        built(folders["tacotron"], folders["vocoder"])
    with pytest.raises(SettingsError, match=r"name a `vocoder` for .*, or griffin_lim"):
        built(folders["tacotron2"], "")
