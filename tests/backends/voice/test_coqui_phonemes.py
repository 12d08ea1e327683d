"""Phonemes of Coqui models that need packages which need not be there: what is missing is said, nothing is fetched."""

import json
import shutil

import pytest

from deployments.backends import registry
from pipeline.errors import MissingWeights, SettingsError

torch = pytest.importorskip("torch", reason="make models")

from benchmarks import random_vits  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def spelt(one_thread, tmp_path_factory):
    return random_vits.write(tmp_path_factory.mktemp("phonemes") / "spelt", phonemes="en-us")


@pytest.fixture
def phonemizer():
    from deployments.backends.voice.torchaudio import standing_in

    with standing_in():
        from deployments.backends.voice.coqui import phonemizer
    return phonemizer


@pytest.mark.parametrize(
    ("config", "packages", "extra"),
    [
        ({"phonemizer": "zh_cn_phonemizer"}, "pypinyin, spacy_pkuseg", "zh"),
        ({"phonemizer": None, "phoneme_language": "ja-jp"}, "fugashi", "ja"),
        ({"phonemizer": "ko_kr_phonemizer"}, "mecab_ko", "ko"),
        ({"phonemizer": "gruut"}, "gruut", "languages"),
        (
            {"phonemizer": "multi_phonemizer", "datasets": [{"language": "en-us"}, {"language": "zh-cn"}]},
            "pypinyin, spacy_pkuseg",
            "zh",
        ),
    ],
)
def test_phonemes_of_packages_that_are_not_installed(tmp_path, phonemizer, config, packages, extra):
    values = {"use_phonemes": True, "phonemizer": "espeak"} | config
    with pytest.raises(SettingsError, match=packages) as refused:
        phonemizer.check(values, tmp_path / "config.json", installed=lambda _: None)
    assert refused.value.code == "missing_dependency"
    assert refused.value.accepted == f"pip install 'coqui-tts[{extra}]'"


def test_a_model_is_refused_before_it_is_built(spelt, tmp_path, monkeypatch):
    """For a package, or for the file that it would fetch where it is installed."""
    monkeypatch.setenv("PKUSEG_HOME", str(tmp_path))
    folder = tmp_path / "chinese"
    shutil.copytree(spelt, folder)
    values = json.loads((spelt / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"phonemizer": "zh_cn_phonemizer"}))
    with pytest.raises((SettingsError, MissingWeights), match=r"the phonemes of zh_cn_phonemizer|spacy_ontonotes"):
        registry.load(registry.find("voice", "coqui"), {"model": str(folder)})


def test_chinese_words_are_not_fetched_while_they_are_said(tmp_path, monkeypatch, phonemizer):
    monkeypatch.setenv("PKUSEG_HOME", str(tmp_path))
    values = {"use_phonemes": True, "phonemizer": "zh_cn_phonemizer"}
    with pytest.raises(MissingWeights, match="spacy_ontonotes") as missing:
        phonemizer.check(values, tmp_path / "config.json", installed=lambda name: name)
    assert "spacy_pkuseg.pkuseg()" in str(missing.value.accepted)
    (tmp_path / "spacy_ontonotes").mkdir()
    phonemizer.check(values, tmp_path / "config.json", installed=lambda name: name)
