"""F5-TTS through the real classes of f5-tts and vocos, with random weights in the published layout.

They run where those packages are: `tests/serve/test_isolation.py` runs them in the environment that Ray made.
"""

import math
import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from deployments.backends.published.catalogue import find
from deployments.backends.voice.f5 import recording
from deployments.backends.voice.transpose import transpose
from pipeline.contracts import Speech, SpeechRequest, VoiceConditioning
from pipeline.errors import Damaged, InvalidRequest, InvalidText, MissingWeights, UnknownName
from tests.backends.voice.test_torchaudio import mel

torch = pytest.importorskip("torch", reason="make models")
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(
        find_spec("f5_tts") is None, reason="f5-tts has an environment of its own: tests/serve/test_isolation.py"
    ),
]

TEXT = "Mama buys a pie."


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    from benchmarks import random_f5

    return random_f5.write(tmp_path_factory.mktemp("f5"))


@pytest.fixture(scope="module")
def people():
    """The person of the recording that comes with f5-tts, and a higher one."""
    from deployments.backends.voice.f5 import library

    one = library.example()
    return one, replace(one, samples=transpose(one.samples, one.sample_rate, 5.0))


@pytest.fixture(scope="module")
def said_by(tmp_path_factory, people):
    """A folder with two people who say something that is known."""
    folder = tmp_path_factory.mktemp("voices")
    for name, person in zip(("ann", "bob"), people, strict=True):
        soundfile.write(folder / f"{name}.flac", person.samples, person.sample_rate)
        (folder / f"{name}.txt").write_text(person.text.replace(",", ",\n"))
    return folder


@pytest.fixture(scope="module")
def build(folders):
    from deployments.backends.voice.f5.backend import F5

    def built(**options: Any) -> F5:
        chosen: dict[str, Any] = {**folders, "flow_steps": 3, **options}
        return F5(**chosen)

    return built


@pytest.fixture(scope="module")
def voice(build):
    return build()


@pytest.fixture(scope="module")
def people_of_ours(build, said_by):
    return build(voices=str(said_by))


def said(model, text=TEXT, **wishes) -> np.ndarray:
    return Speech.join(model.speak(SpeechRequest(text, **wishes))).samples


def test_the_published_file_is_this_network():
    """Names, shapes and count, on torch's meta device; the bytes of the file are the tensors and their names."""
    from benchmarks import random_f5
    from deployments.backends.voice.f5 import library

    shapes = dict(random_f5.shapes(**random_f5.PUBLISHED))
    with torch.device("meta"):
        network = library.part("f5_tts.model.backbones.dit", "DiT")(
            dim=1024, depth=22, heads=16, ff_mult=2, text_dim=512, conv_layers=4, text_num_embeds=2545, mel_dim=100
        )
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == shapes
    count = sum(map(prod, shapes.values()))
    assert (len(shapes), count) == (364, 337_096_836)
    sizes = [file.size or 0 for name in ("f5-tts-v1", "vocos-mel-24khz") for file in find(name).files]
    assert 364 * 100 < sizes[0] - 4 * count < 364 * 150
    vocoder = sum(prod(shape) for _, shape in random_f5.vocoder_shapes(**random_f5.VOCODER))
    assert 0 < sizes[3] - 4 * vocoder < 30_000


def test_the_steps_from_noise_to_sound_are_those_of_the_formula(build):
    """Mel spectrogram, text, length, guided Euler steps and vocoder, by hand in float64, with the networks alone."""
    voice = build()
    model, flow = voice._model, voice._model._flow
    whole = voice._voices["basic"]
    heard = replace(whole, samples=whole.samples * np.float32(0.3))  # which has to be raised
    made = model.said(TEXT, model.heard(heard), 1.0)
    loudness = float(np.sqrt(np.mean(heard.samples.astype(np.float64) ** 2)))
    assert loudness < 0.1
    sound = heard.samples.astype(np.float64) * 0.1 / loudness

    def hann(count):
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(count) / count)

    known = np.log(np.maximum(mel(sound, 24_000, 1024, 1024, 256, 0, 12_000, 100, hann, None, exponent=1), 1e-5)).T
    before = len(sound) // 256
    assert len(known) == before + 1
    spoken = f"{heard.text}  {TEXT}"
    assert heard.text.endswith(".")
    frames = before + int(before / (len(heard.text) + 2) * len(TEXT))
    signs = {chr(code): code - 32 for code in range(32, 127)}
    text = torch.tensor([[signs[letter] for letter in spoken]])
    transformer = model._network.transformer.double()
    condition = torch.zeros(1, frames, 100, dtype=torch.float64)
    condition[0, : before + 1] = torch.from_numpy(known)
    with torch.random.fork_rng([]):
        torch.manual_seed(flow.seed)
        state = torch.randn(frames, 100)[None].double()
    times = [step / 3 for step in range(4)]
    times = [time - (math.cos(math.pi / 2 * time) - 1 + time) for time in times]
    with torch.inference_mode():
        for time, later in pairwise(times):
            at = {"x": state, "cond": condition, "text": text, "time": torch.tensor(time, dtype=torch.float64)}
            likely = transformer(**at)
            anyhow = transformer(**at, drop_audio_cond=True, drop_text=True)
            state = state + (later - time) * (likely + 2 * (likely - anyhow))
        vocoder = model._vocoder.double()
        sound = vocoder["head"](
            vocoder["backbone"](torch.cat([condition[:, before : before + 1], state[:, before + 1 :]], 1).mT)
        )
    wanted = (sound[0] * loudness / 0.1).numpy()
    assert made.dtype == np.float32
    assert len(made) == len(wanted) == (frames - before - 1) * 256
    np.testing.assert_allclose(made, wanted, atol=2e-4 * np.abs(wanted).max())
    assert wanted.std() > 1e-3


def test_the_same_request_is_the_same_sound_and_another_seed_is_not(voice, build):
    once = said(voice)
    state = torch.get_rng_state()
    np.testing.assert_array_equal(said(voice), once)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    np.testing.assert_array_equal(said(voice), once)
    other = said(build(seed=1))
    assert len(other) == len(once)
    assert np.abs(other - once).max() > 1e-4


def test_each_option_counts(voice, build):
    once = said(voice)
    for option in ({"flow_steps": 2}, {"guidance": 0.0}, {"sway": 0.0}):
        assert np.abs(said(build(**option)) - once).max() > 1e-5
    for option in ({"flow_steps": 0}, {"guidance": -1.0}, {"sway": 2.0}, {"seed": -1}):
        with pytest.raises(ValueError, match=next(iter(option))):
            build(**option)


def test_speed_and_pitch(voice):
    def spoken(text=TEXT, **wishes):
        return len(next(iter(voice.speak(SpeechRequest(text, **wishes)))).samples) - round(
            0.15 / wishes.get("speed", 1) * 24_000
        )

    assert spoken(speed=2.0) == pytest.approx(spoken() / 2, abs=512)
    assert spoken(speed=0.5) == pytest.approx(spoken() * 2, abs=512)
    assert spoken("Hi there!") / 9 > 3 * spoken("Hi there, you!") / 14  # a word or two would be over too soon
    assert np.abs(said(voice, pitch=4.0) - said(voice)).max() > 1e-4


def test_sentences_come_one_by_one_and_chinese_by_its_sounds(voice):
    pieces = list(voice.speak(SpeechRequest(f"{TEXT} {TEXT}")))
    assert len(pieces) == 2
    assert all(piece.sample_rate == 24_000 and piece.phonemes is None for piece in pieces)
    spelt = voice._model._spelt(["你好 you"])[0]
    assert [sign for sign in spelt if sign.strip()] == ["ni2", "hao3", "y", "o", "u"]
    assert np.abs(said(voice, "你好。", language="zh-cn")).max() > 1e-3


def test_voices_are_recordings_of_the_users_own(people_of_ours, voice):
    assert people_of_ours.voices() == {"ann": ("en", "zh"), "bob": ("en", "zh")}
    assert list(voice.voices()) == ["basic"]
    ann, bob = said(people_of_ours, voice="ann"), said(people_of_ours, voice="bob")
    np.testing.assert_array_equal(said(people_of_ours), ann)
    assert ann.shape != bob.shape or np.abs(ann - bob).max() > 1e-4


def test_a_profile_colours_a_voice(people_of_ours, people):
    tint = people_of_ours.tint(people[1].samples, people[1].sample_rate)
    plain, coloured = said(people_of_ours), said(people_of_ours, tint=tint)
    assert np.isfinite(coloured).all()
    assert plain.shape != coloured.shape or np.abs(plain - coloured).max() > 1e-3


def test_a_recording_has_to_be_one_person_for_a_while_with_its_words(tmp_path, people):
    def write(name, samples, text="Some words."):
        soundfile.write(tmp_path / f"{name}.wav", samples, person.sample_rate)
        if text is not None:
            (tmp_path / f"{name}.txt").write_text(text)
        return pytest.raises(ValueError, match=rf"{name}\.")

    person = people[0]
    with pytest.raises(ValueError, match="no folder with recordings"):
        recording.recordings(str(tmp_path / "nowhere"))
    for name, samples, text in (
        ("wordless", person.samples, None),
        ("empty", person.samples, " \n"),
        ("silent", np.zeros(24_000 * 4, np.float32), "Nothing."),
        ("long", np.tile(person.samples, 4), "Some words."),
    ):
        with write(name, samples, text):
            recording.recordings(str(tmp_path))
        (tmp_path / f"{name}.wav").unlink()


@pytest.mark.parametrize(
    ("wishes", "error", "code"),
    [
        ({"language": "sv"}, UnknownName, "unknown_name"),
        ({"voice": "nobody"}, UnknownName, "unknown_name"),
        ({"text": "…"}, InvalidText, "nothing_to_say"),
        ({"speed": 9.0}, InvalidRequest, None),
        (
            {"conditioning": VoiceConditioning({"latent": np.zeros(1, np.float32)})},
            InvalidRequest,
            "foreign_conditioning",
        ),
    ],
)
def test_what_can_not_be_said(voice, wishes, error, code):
    with pytest.raises(error) as caught:
        said(voice, **{"text": TEXT, **wishes})
    assert code in (None, caught.value.code)


def test_every_tensor_has_its_place(build, folders, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = tmp_path / "F5TTS_v1_Base"
    weights.mkdir()
    (weights / "vocab.txt").write_bytes((Path(folders["weights"]) / "F5TTS_v1_Base/vocab.txt").read_bytes())
    tensors = load_file(Path(folders["weights"]) / "F5TTS_v1_Base/model_1250000.safetensors")
    name = "ema_model.transformer.transformer_blocks.1.attn.to_k.weight"
    early = {"ema_model.mel_spec.mel_stft.spectrogram.window": torch.zeros(1024)}
    for changed, match in (
        ({key: tensor for key, tensor in tensors.items() if key != name}, "no transformer.*to_k.weight"),
        (tensors | {"ema_model.transformer.extra": torch.zeros(1)}, "extra that the network has not"),
        (tensors | {name: torch.zeros(64, 63)}, r"\(64, 63\) for \(64, 64\)"),
        ({"a": torch.zeros(1)}, "no F5-TTS"),
        (tensors | early, ""),
    ):
        save_file(changed, weights / "model_1250000.safetensors")
        if match:
            with pytest.raises(Damaged, match=match) as caught:
                build(weights=str(tmp_path))
            assert caught.value.code == "damaged_weights"
        else:
            assert build(weights=str(tmp_path)).voices()
    with pytest.raises(MissingWeights):
        build(weights=str(tmp_path / "F5TTS_v1_Base"))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("vocos.models.VocosBackbone", "os.system", "a os.system, for vocos.models.VocosBackbone"),
        ("num_layers: 1", "layers: 1", "no configuration of Vocos"),
        ("backbone:", "spine:", "no configuration of Vocos"),
        ("dim: 32", "dim: 48", "does not fit the network"),
    ],
)
def test_the_configuration_of_the_vocoder_names_no_other_class(build, folders, tmp_path, old, new, match):
    published = Path(folders["vocoder"])
    (tmp_path / "config.yaml").write_text((published / "config.yaml").read_text().replace(old, new))
    (tmp_path / "pytorch_model.bin").write_bytes((published / "pytorch_model.bin").read_bytes())
    with pytest.raises(Damaged, match=match):
        build(vocoder=str(tmp_path))


def test_what_trains_and_fetches_is_not_imported(voice):
    brought = {"wandb", "datasets", "ema_pytorch", "cached_path", "gradio", "encodec", "hydra"}
    assert not brought & {name.partition(".")[0] for name in sys.modules}
