"""A recording that nobody wrote down: the transcribe backend that is named hears it, and the lips follow that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts import Phoneme, Transcript, TranscriptionRequest, VideoRequest
from pipeline.errors import Conflict, InvalidAudio, InvalidRequest
from pipeline.media.audio import encode_audio
from tests.pipeline.jobs.works import CountedModels, works

pytestmark = pytest.mark.anyio

SOUNDS = (Phoneme(0, 0.4, ""), Phoneme(0.4, 1.0, "ɑː"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Recognising(CountedModels):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[TranscriptionRequest] = []

    def recognises(self, backend: str) -> bool:
        return True

    async def transcribe(self, backend: str, request: TranscriptionRequest) -> Transcript:
        self.heard.append(request)
        return replace(await super().transcribe(backend, request), phonemes=SOUNDS)


class Deaf(Recognising):
    async def transcribe(self, backend: str, request: TranscriptionRequest) -> Transcript:
        self.calls["transcribe"] += 1
        raise InvalidAudio("Nobody is heard.", code="no_speech", field="audio")


def asked(backend: str | None, **others: object) -> VideoRequest:
    sound = (0.2 * np.sin(np.arange(16_000) / 9)).astype(np.float32)
    wav = b"".join(encode_audio(iter([sound]), 16_000, "wav"))
    return VideoRequest.model_validate(
        {"audio": wav, "prompt": "her", "size": 128, "backends": {"transcribe": backend}, **others}
    )


async def test_the_lips_follow_what_was_heard_where_a_backend_is_named(tmp_path: Path) -> None:
    models = Recognising()
    async with works(tmp_path, models) as here:
        job = await here.jobs.submit(asked("counted"))
        done = await here.jobs.wait(job.id, 20)
        assert done.state == "completed", done.error
        (transcribed,) = [step for step in done.steps if step.name == "transcribe"]
        assert transcribed.backend == "counted"
        speech = models.filmed[0].speech
        assert speech.phonemes == SOUNDS
        assert [word.text for word in speech.words or ()] == ["hello"]
        plain = await here.jobs.submit(asked(None))
        assert (await here.jobs.wait(plain.id, 20)).state == "completed"
        assert models.filmed[1].speech.phonemes is None
        assert models.calls["transcribe"] == 1


async def test_it_is_told_the_language_that_a_request_names(tmp_path: Path) -> None:
    models = Recognising()
    async with works(tmp_path, models) as here:
        for request, language in ((asked("counted"), None), (asked("counted", language="de-AT"), "de-at")):
            job = await here.jobs.submit(request)
            assert (await here.jobs.wait(job.id, 20)).state == "completed"
            assert models.heard[-1].language == language
        assert models.calls["transcribe"] == 2, "another language is another step"


async def test_where_nobody_is_heard_the_lips_follow_the_sound(tmp_path: Path) -> None:
    models = Deaf()
    async with works(tmp_path, models) as here:
        job = await here.jobs.submit(asked("counted"))
        done = await here.jobs.wait(job.id, 20)
        assert done.state == "completed", done.error
        assert models.filmed[0].speech.phonemes is None
        with pytest.raises(Conflict) as refused:
            await here.jobs.transcript(job.id)
        assert refused.value.code == "no_speech"
        plain = await here.jobs.submit(asked(None))
        assert (await here.jobs.wait(plain.id, 20)).state == "completed"
        with pytest.raises(InvalidAudio):
            await here.jobs.transcript(plain.id)
        assert models.calls["transcribe"] == 2


async def test_one_that_has_to_know_the_text_is_refused_before_there_is_a_job(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as here:
        with pytest.raises(InvalidRequest) as refused:
            await here.jobs.submit(asked("counted"))
        assert (refused.value.code, refused.value.field) == ("text_needed", "transcript")
