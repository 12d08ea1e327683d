"""The words of recordings and of what was spoken here, from whoever knows them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts import Phoneme, Speech, Transcript, Word
from pipeline.errors import Conflict
from pipeline.graph import Graph, Node
from pipeline.models import Models
from pipeline.nodes.bench import Bench, Inputs
from pipeline.nodes.transcribe import transcribe
from pipeline.plan import Planner
from pipeline.settings import Settings
from pipeline.steps.transcribe import hearing
from pipeline.storage.artifact_folder import ArtifactFolder
from pipeline.storage.parcels import pack_speech, pack_transcript, unpack_speech, unpack_transcript
from tests.pipeline.jobs.works import CountedModels

RATE = 8000
SECOND = Speech(np.full(RATE, 0.1, np.float32), RATE, None, "en")
OWN = replace(SECOND, words=(Word(0.1, 0.4, "Own"), Word(0.5, 0.9, "words.")))


class Enabled(CountedModels):
    """Two transcribers, the second of which recognises speech."""

    def choose(self, capability: object, name: str | None) -> str:
        return name or "align"

    def enabled(self, capability: object) -> tuple[str, ...]:
        return ("align", "whisper")

    def recognises(self, backend: str) -> bool:
        return backend == "whisper"


def made(models: Models, folder: Path, speeches: list[Speech], sentences: tuple[str, ...]) -> Transcript:
    artifacts = ArtifactFolder(folder)
    digests = tuple(artifacts.put(pack_speech(speech)).digest for speech in speeches)
    node = Node(name="subtitles", kind="transcribe", backend="align", parameters={"sentences": list(sentences)})
    bench = Bench(models, artifacts, Settings())
    told: list[int] = []
    inputs = Inputs(artifacts, {"speech": digests})
    output = asyncio.run(transcribe(node, inputs, bench, lambda made, total, **_: told.append(made * total)))
    return unpack_transcript(artifacts.read(output.artifact.digest))


def test_a_voice_s_own_words_are_taken_and_others_are_found(tmp_path: Path) -> None:
    models = CountedModels()
    silent = Speech(np.zeros(0, np.float32), 1, (), "en")
    found = made(models, tmp_path, [OWN, silent, SECOND], ("Own words.", "?", "Two more"))
    assert found.text == "Own words. Two more"
    assert [word.start for word in found.words] == pytest.approx([0.1, 0.5, 1.0, 1.5])
    assert models.calls["transcribe"] == 1


def test_parcels_give_it_back() -> None:
    again = unpack_speech(pack_speech(OWN))
    assert again.words == OWN.words
    transcript = Transcript("Hi 我", "en", (Word(0, 1, "Hi", 0.5), Word(1, 2, "我")), (Phoneme(0, 2, "h"),), 0.5, 0.25)
    assert unpack_transcript(pack_transcript(transcript)) == transcript
    assert unpack_transcript(pack_transcript(replace(transcript, phonemes=None))).phonemes is None
    with pytest.raises(ValueError, match="not a parcel"):
        unpack_transcript(b'{"text": "Hi"}')


def test_speech_joined_keeps_words_if_all_have_them() -> None:
    assert [word.start for word in Speech.join([OWN, OWN]).words or ()] == pytest.approx([0.1, 0.5, 1.1, 1.5])
    assert Speech.join([OWN, SECOND]).words is None


def test_who_is_asked_for_a_recording() -> None:
    assert hearing(Enabled(), None, "known") == "align"
    assert hearing(Enabled(), None, None) == "whisper"
    assert hearing(Enabled(), "align", None) == "align", "and says that it can't"
    assert hearing(CountedModels(), None, None) == "counted"


def test_where_a_video_s_words_come_from() -> None:
    planner = Planner(Enabled(), Settings(), *[None] * 4)  # type: ignore[arg-type]  # ty: ignore

    def film(**sources: object) -> Node:
        return Node(name="film", kind="film", backend="b", parameters={"language": "en"}, **sources)  # ty: ignore

    speak = Node(name="speak.0001", kind="speak", backend="espeak", parameters={"text": "Hi."})
    spoken = planner.subtitles(Graph(nodes=(speak, film(inputs={"speech": ("speak.0001",)}))))
    assert (spoken.target.backend, spoken.target.parameters["sentences"]) == ("align", ["Hi."])
    recorded = planner.subtitles(Graph(nodes=(film(given={"audio": "ab"}),)))
    assert (recorded.target.backend, recorded.target.given) == ("whisper", {"audio": "ab"})
    known = Node(name="transcribe", kind="transcribe", backend="align", given={"audio": "ab"})
    both = film(given={"audio": "ab"}, inputs={"transcript": ("transcribe",)})
    assert planner.subtitles(Graph(nodes=(known, both))).target == known
    with pytest.raises(Conflict) as refused:
        planner.subtitles(Graph(nodes=(Node(name="move", kind="move", backend="kenburns"),)))
    assert refused.value.code == "no_speech"
