"""The real class on a model of random weights, in the layout of the published files."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from benchmarks import random_whisper
from benchmarks.viseme_corpus import espeak
from pipeline.contracts import Speech, TranscriptionRequest
from pipeline.errors import Damaged, InvalidAudio, MissingWeights, UnknownName

if os.environ.get("CI") != "true":
    pytest.importorskip("faster_whisper")

from deployments.backends.transcribe.align import Align
from deployments.backends.transcribe.sounds import sounds
from deployments.backends.transcribe.whisper import Whisper

TEXT = "The birch canoe slid on the smooth planks."


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_whisper.write(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def whisper(published: Path) -> Whisper:
    return Whisper(weights=str(published), beam=1, threads=1)


@pytest.fixture(scope="module")
def clip() -> Speech:
    return espeak(TEXT, "en-us")


def test_words_have_times_and_probabilities(whisper: Whisper, clip: Speech) -> None:
    found = whisper.transcribe(TranscriptionRequest(clip.samples, clip.sample_rate))
    assert found.words
    assert found.text == " ".join(word.text for word in found.words)
    assert all(word.text == word.text.strip() for word in found.words)
    assert all(0 <= word.start < word.end and 0 <= word.confidence <= 1 for word in found.words)
    assert all(one.end <= other.start + 1e-6 for one, other in pairwise(found.words))
    assert found.words[-1].end <= clip.seconds + 0.02
    assert (found.phonemes, 0 <= found.no_speech <= 1, 0 < found.confidence <= 1) == (None, True, True)
    assert whisper.transcribe(TranscriptionRequest(clip.samples, clip.sample_rate)) == found, "and again"


def test_a_language_is_found_or_taken(whisper: Whisper, clip: Speech) -> None:
    heard = whisper.transcribe(TranscriptionRequest(clip.samples, clip.sample_rate))
    assert heard.language in random_whisper.codes()
    asked = whisper.transcribe(TranscriptionRequest(clip.samples, clip.sample_rate, language="pt-br"))
    assert asked.language == "pt-br"
    assert asked != heard
    with pytest.raises(UnknownName, match="tlh") as refused:
        whisper.transcribe(TranscriptionRequest(clip.samples, clip.sample_rate, language="tlh"))
    assert refused.value.field == "language"
    assert "tl" in str(refused.value.accepted).split(", ")


def test_a_temperature_draws_other_words(whisper: Whisper, clip: Speech) -> None:
    def words(temperature: float) -> set[str]:
        asked = TranscriptionRequest(clip.samples, clip.sample_rate, language="en", temperature=temperature)
        return {word.text for word in whisper.transcribe(asked).words}

    likeliest = words(0.0)
    assert any(words(1.0) - likeliest for _ in range(8)), "each may draw the likeliest"


def test_a_known_text_keeps_its_words(whisper: Whisper, clip: Speech) -> None:
    found = whisper.transcribe(TranscriptionRequest(clip.samples, clip.sample_rate, TEXT, "en"))
    assert (found.text, " ".join(word.text for word in found.words)) == (TEXT, TEXT)
    assert found.confidence < 0.3, "it hears something else"
    assert all(one.end <= other.start + 1e-6 for one, other in pairwise(found.words))


def test_the_sounds_of_what_is_said_and_of_nothing_else(whisper: Whisper, clip: Speech) -> None:
    """The known text stands for a recogniser that hears right; by itself this one hears anything."""
    asked = TranscriptionRequest(clip.samples, clip.sample_rate, TEXT, "en")
    assert whisper.transcribe(asked).phonemes == Align().transcribe(asked).phonemes
    assert whisper.transcribe(replace(asked, text=None)).phonemes is None
    assert sounds(asked, TEXT, "en") is not None
    assert sounds(asked, "Seventeen more of them were never heard of again, as far as anybody knows.", "en") is None
    assert sounds(asked, 20 * TEXT, "en") is None
    assert sounds(asked, TEXT, "tlh") is None
    assert sounds(replace(asked, sample_rate=1), TEXT, "en") is None


def test_nobody_speaks(whisper: Whisper) -> None:
    hum = 0.1 * np.sin(np.arange(32_000) / 20, dtype=np.float32)
    with pytest.raises(InvalidAudio) as refused:
        whisper.transcribe(TranscriptionRequest(hum.astype(np.float32), 16_000))
    assert refused.value.code == "no_speech"


def test_missing_files_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights) as nowhere:
        Whisper()
    assert nowhere.value.accepted == "mouthpiece models pull faster-whisper-small"
    part = copytree(published, tmp_path / "own")
    (part / "tokenizer.json").unlink()  # faster-whisper alone would fetch another one
    with pytest.raises(MissingWeights, match=r"tokenizer\.json"):
        Whisper(weights=str(part))


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("how", ["cut", "garbage", "empty"])
def test_damaged_files_are_refused(published: Path, tmp_path: Path, name: str, how: str) -> None:
    folder = copytree(published, tmp_path / "own")
    data = (folder / name).read_bytes()
    made = {"cut": data[: len(data) // 2], "garbage": b"<html>" + data[6:], "empty": b""}[how]
    (folder / name).write_bytes(made)
    with pytest.raises(Damaged) as refused:
        Whisper(weights=str(folder), threads=1)
    assert (refused.value.code, refused.value.accepted) == (
        "damaged_weights",
        "mouthpiece models pull faster-whisper-small",
    )


def test_options_are_checked(published: Path) -> None:
    with pytest.raises(ValueError, match="beam"):
        Whisper(weights=str(published), beam=0)
    with pytest.raises(ValueError, match="float16 is not computed on this cpu"):
        Whisper(weights=str(published), precision="float16")


def test_eight_bits(published: Path, clip: Speech) -> None:
    small = Whisper(weights=str(published), int8=True, beam=1, threads=1)
    assert small.transcribe(TranscriptionRequest(clip.samples, clip.sample_rate, language="en")).words
