"""An XTTS of random weights, made once for the session, and two people to clone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.backends.voice.espeak import Espeak
from pipeline.contracts import Speech, SpeechRequest
from tests.conftest import torch_threads

CLIP = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory) -> Path:
    """As published: config.json, vocab.json, model.pth and speakers_xtts.pth. Says at most 25 tokens, 1.2 s."""
    pytest.importorskip("torch", reason="make models")
    from benchmarks.random_xtts import write

    return write(tmp_path_factory.mktemp("xtts"), audio_tokens=28)


@pytest.fixture(scope="session")
def xtts(checkpoint_folder):
    from deployments.backends.voice.xtts.backend import Xtts

    return Xtts(weights=str(checkpoint_folder))


@pytest.fixture(scope="session")
def people() -> tuple[Speech, Speech]:
    """Two voices saying the same."""
    espeak = Espeak()
    one, other = (Speech.join(espeak.speak(SpeechRequest(CLIP, voice=voice))) for voice in ("en-us", "f3"))
    return one, other


@pytest.fixture(scope="session")
def conditionings(xtts, people):
    return tuple(xtts.condition(person.samples, person.sample_rate) for person in people)
