"""Checkpoints of XTTS as they were published, trained, damaged and meddled with."""

import json
from dataclasses import asdict, fields

import numpy as np
import pytest

from deployments.backends import registry
from pipeline.contracts import Speech, SpeechRequest
from pipeline.errors import Damaged, MissingWeights, SettingsError

torch = pytest.importorskip("torch", reason="make models")
pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = "Hi there."
ROW = registry.find("voice", "xtts")


def said(voice, text=TEXT, **wishes) -> np.ndarray:
    return Speech.join(voice.speak(SpeechRequest(text, **wishes))).samples


def built(folder, **options):
    return registry.load(ROW, {"weights": str(folder), **options})


def altered(checkpoint_folder, folder, change):
    """A copy of the checkpoint whose model.pth is what `change` makes of it."""
    folder.mkdir()
    for file in ("config.json", "vocab.json"):
        (folder / file).write_bytes((checkpoint_folder / file).read_bytes())
    held = torch.load(checkpoint_folder / "model.pth", weights_only=True)
    torch.save(change(held), folder / "model.pth")
    return folder


def test_every_tensor_has_its_place(checkpoint_folder, tmp_path):
    def change(held):
        weights = held["model"]
        del weights["gpt.mel_head.bias"]
        weights["gpt.extra"] = torch.zeros(3)
        weights["gpt.final_norm.bias"] = torch.zeros(7)
        return held

    folder = altered(checkpoint_folder, tmp_path / "altered", change)
    (folder / "speakers_xtts.pth").write_bytes((checkpoint_folder / "speakers_xtts.pth").read_bytes())
    with pytest.raises(Damaged) as caught:
        built(folder)
    assert caught.value.code == "damaged_weights"
    for told in ("no gpt.mel_head.bias", "gpt.extra", "gpt.final_norm.bias of (7,) for (64,)"):
        assert told in caught.value.message
    (folder / "vocab.json").write_text("{}")
    with pytest.raises(Damaged, match=r"vocab\.json"):
        built(folder)
    (folder / "config.json").write_text("[1]")
    with pytest.raises(Damaged, match=r"config\.json"):
        built(folder)


def test_a_fine_tuned_checkpoint_by_name(checkpoint_folder, people, tmp_path):
    """As Coqui's trainer saves it: other names, what only training needs, settings as pickled classes, no voices."""
    from deployments.backends.voice.torchaudio import standing_in

    with standing_in():
        from TTS.tts.configs.xtts_config import XttsConfig

    def change(held):
        weights = {f"xtts.{name}": tensor for name, tensor in held["model"].items()}
        weights["dvae.codebook.embed"] = torch.zeros(2)
        weights["torch_mel_spectrogram_dvae.mel_stft.window"] = torch.zeros(2)
        return {"model": weights, "config": XttsConfig(), "step": 7}

    altered(checkpoint_folder, tmp_path / "narrator", change)
    clip = tmp_path / "clip.wav"
    import soundfile

    soundfile.write(clip, people[0].samples, people[0].sample_rate, subtype="FLOAT")
    options = {"checkpoints": str(tmp_path), "fine_tuned": "narrator"}
    with pytest.raises(SettingsError, match="no voices") as caught:
        registry.load(ROW, options)
    assert "reference" in caught.value.message
    with pytest.raises(SettingsError, match=r"nobody\.wav can't be read"):
        registry.load(ROW, {**options, "reference": str(tmp_path / "nobody.wav")})
    narrator = registry.load(ROW, {**options, "reference": str(clip), "piece_tokens": 30})
    assert list(narrator.voices()) == ["reference"]
    plain = built(checkpoint_folder)
    conditioning = plain.condition(people[0].samples, people[0].sample_rate)
    np.testing.assert_allclose(said(narrator), said(plain, conditioning=conditioning), atol=1e-6)
    with pytest.raises(SettingsError, match=r"narrator"):
        registry.load(ROW, {**options, "fine_tuned": "somebody"})
    with pytest.raises(SettingsError):
        registry.load(ROW, {**options, "fine_tuned": "../narrator"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingWeights, match=r"config\.json"):
        registry.load(ROW, {**options, "fine_tuned": "empty"})


def test_names_of_before_torch_2_and_addresses_in_the_configuration(checkpoint_folder, xtts, tmp_path):
    """Weight norms are g and v there; what the configuration points to outside its folder is left alone."""

    def change(held):
        weights = held["model"]
        for name in list(weights):
            for now, then in (("original0", "weight_g"), ("original1", "weight_v")):
                if name.endswith(f".parametrizations.weight.{now}"):
                    weights[name.replace(f"parametrizations.weight.{now}", then)] = weights.pop(name)
        return held

    folder = altered(checkpoint_folder, tmp_path / "old", change)
    (folder / "speakers_xtts.pth").write_bytes((checkpoint_folder / "speakers_xtts.pth").read_bytes())
    values = json.loads((folder / "config.json").read_text())
    values |= {"use_speaker_embedding": True, "speakers_file": "http://127.0.0.1:9/speakers.pth"}
    values["model_args"]["speaker_encoder_model_path"] = "http://127.0.0.1:9/model_se.pth"
    (folder / "config.json").write_text(json.dumps(values))
    np.testing.assert_allclose(said(built(folder)), said(xtts), atol=1e-6)


def test_without_weights_it_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights) as caught:
        registry.load(ROW)
    assert caught.value.accepted == "mouthpiece models pull xtts-v2"
    for options in ({"temperature": 3.0}, {"top_p": 0.0}, {"piece_tokens": 1}, {"clip_piece_seconds": 60}):
        with pytest.raises(SettingsError) as refused:
            registry.load(ROW, {"weights": str(tmp_path), **options})
        assert next(iter(options)) in refused.value.message


def test_the_published_configuration_has_the_published_sizes():
    """441 M parameters of the language model and 26 M of the vocoder: counted where no memory is needed."""
    from deployments.backends.voice.torchaudio import standing_in

    with standing_in():
        from TTS.tts.configs.xtts_config import XttsConfig
        from TTS.tts.models.xtts import Xtts

    config = XttsConfig()
    config.from_dict(
        {
            "model_args": {
                "gpt_number_text_tokens": 6681,
                "gpt_start_text_token": 261,
                "gpt_stop_text_token": 0,
                "gpt_num_audio_tokens": 1026,
                "gpt_start_audio_token": 1024,
                "gpt_stop_audio_token": 1025,
                "gpt_use_perceiver_resampler": True,
            }
        }
    )
    with torch.device("meta"):
        network = Xtts(config)
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    assert 0.999 < size / 1_867_929_118 < 1.0  # model.pth as published, less its zip's own
    assert ROW.clones
    assert not ROW.commercial_use
    assert json.dumps(ROW.languages)


def test_every_option_reaches_the_network(checkpoint_folder):
    """Each another than it is by itself; what it does is for test_xtts.py to show."""
    from deployments.backends.voice.xtts.sampling import Sampling

    chosen = {
        "temperature": 0.5,
        "top_k": 9,
        "top_p": 0.5,
        "repetition_penalty": 2.0,
        "beams": 3,
        "length_penalty": -1.0,
        "seed": 7,
    }
    assert {field.name for field in fields(Sampling)} == set(chosen)
    assert not {(name, value) for name, value in chosen.items()} & set(asdict(Sampling()).items())
    more = {"piece_tokens": 31, "clip_seconds": 12, "clip_piece_seconds": 6}
    voice = built(checkpoint_folder, **chosen, **more)
    assert asdict(voice._manner) == chosen
    assert (voice._every, voice._clip) == (31, (12, 6))
    for name in chosen:
        with pytest.raises(SettingsError, match=name):
            built(checkpoint_folder, **{name: -99})
