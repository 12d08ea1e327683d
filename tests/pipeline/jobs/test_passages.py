"""Long films are made in passages: in order, in flat memory, and no further than a crash has left to do."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from pipeline.contracts import VideoRequest
from pipeline.jobs.passages import KeptPassages, passage_key
from pipeline.media import stretches
from pipeline.media.audio import encode_audio
from pipeline.nodes import film as film_node
from pipeline.nodes import passages as node_passages
from pipeline.nodes.sound import Sound
from pipeline.storage import nodes
from pipeline.storage.database import Database
from tests.pipeline.jobs.works import CountedModels, Hold, grey, works

pytestmark = pytest.mark.anyio

FPS = 10
"""So that a passage is a hundred frames."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def asked(sentences: int, **changes: object) -> VideoRequest:
    """Each sentence lasts about 0.44 s."""
    text = " ".join(f"Sentence word {number}." for number in range(sentences))
    return VideoRequest.model_validate({"text": text, "prompt": "her", "size": 128, "fps": FPS, **changes})


def drawn(models: CountedModels) -> list[int]:
    """The first frames of the passages that were drawn, each as often as it was."""
    return sorted(
        int(name.split()[1]) for name in models.calls.elements() if name.startswith("passage ") and name[8:].isdigit()
    )


async def half_made(folder: Path, request: VideoRequest, kept: int) -> tuple[str, str]:
    """Ids of a job and of its film, closed when so many passages were kept and the next was being drawn: what a killed
    process leaves as well."""
    async with works(folder, CountedModels()) as place:
        return await held(place, request, Hold(f"passage {100 * kept}"), kept)


async def held(place: SimpleNamespace, request: VideoRequest, hold: Hold, kept: int) -> tuple[str, str]:
    """Ids of a job and of its film, of which so many passages are kept while the next is held."""
    place.models.hook = hold
    job = await place.jobs.submit(request)
    await hold.reached.wait()
    key = await key_of(place, job.id)
    while len(await passages(place, key).frames()) < kept:
        await asyncio.sleep(0.01)
    return job.id, key


async def key_of(place: SimpleNamespace, job_id: str) -> str:
    return next(step.key for step in (await place.jobs.get(job_id)).steps if step.name == "film")


def passages(place: SimpleNamespace, key: str) -> KeptPassages:
    return KeptPassages(key, place.journal, place.artifacts, set())


async def film(place: SimpleNamespace, job_id: str) -> bytes:
    return place.artifacts.read(await place.jobs.artifact(job_id))


async def ended(place: SimpleNamespace, request: VideoRequest) -> bytes:
    job = await place.jobs.wait((await place.jobs.submit(request)).id, 60)
    assert job.state == "completed", job.error
    return await film(place, job.id)


def seen(data: bytes) -> tuple[list[int], float]:
    """The greys of the pictures, and the seconds of the sound."""
    with av.open(io.BytesIO(data), "r") as file:
        greys = [round(float(picture.to_ndarray()[:128].mean())) for picture in file.decode(video=0)]
    with av.open(io.BytesIO(data), "r") as file:
        return greys, sum(frame.samples for frame in file.decode(audio=0)) / 48_000


async def test_a_long_film_is_whole_and_its_passages_go_when_it_is_there(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as place:
        job = await place.jobs.submit(asked(100))
        told = {now.progress async for now in place.jobs.watch(job.id)}
        greys, seconds = seen(await film(place, job.id))
        assert greys == pytest.approx([grey(number) for number in range(len(greys))], abs=2)
        assert len(greys) > 300
        assert abs(seconds - len(greys) / FPS) < 1 / FPS
        assert drawn(place.models) == [0, 100, 200, 300]
        assert not place.models.filmed
        assert len(told) > 5
        assert not await passages(place, await key_of(place, job.id)).frames()
        assert len(list(place.artifacts.list())) < 105  # the sentences, the portrait, the film: none of the passages


async def test_same_request_same_bytes_and_short_films_are_made_in_one_piece(tmp_path: Path) -> None:
    async with works(tmp_path / "one", CountedModels()) as place:
        first = await ended(place, asked(50))
        assert place.models.calls["film"] == 0
        await ended(place, asked(20))
        assert place.models.calls["film"] == 1
        await ended(place, asked(50, format="webm"))
        assert place.models.calls["film"] == 2
    async with works(tmp_path / "two", CountedModels()) as place:
        assert await ended(place, asked(50)) == first


async def test_a_long_recording_is_made_in_passages(tmp_path: Path) -> None:
    tone = (0.2 * np.sin(np.arange(25 * 16_000) / 20)).astype(np.float32)
    wav = b"".join(encode_audio(iter([tone]), 16_000, "wav"))
    async with works(tmp_path, CountedModels()) as place:
        data = await ended(place, asked(0, text=None, audio=wav))
        assert drawn(place.models) == [0, 100, 200]
        greys, seconds = seen(data)
        assert (len(greys), seconds) == (250, pytest.approx(25, abs=0.03))


async def test_what_a_crash_left_is_not_drawn_again_and_the_film_is_the_same(tmp_path: Path) -> None:
    async with works(tmp_path / "other", CountedModels()) as place:
        whole, places = await ended(place, asked(140)), drawn(place.models)
    job_id, _ = await half_made(tmp_path / "one", asked(140), 4)
    async with works(tmp_path / "one", again := CountedModels()) as place:
        assert (await place.jobs.wait(job_id, 60)).state == "completed"
        assert await film(place, job_id) == whole
    assert drawn(again) == places[4:]
    assert not [name for name in again.calls if name.startswith("speak")]


@pytest.mark.parametrize("damaged", [0, 2])
async def test_a_passage_that_was_damaged_is_drawn_again(damaged: int, tmp_path: Path) -> None:
    async with works(tmp_path / "other", CountedModels()) as place:
        whole = await ended(place, asked(120))
    job_id, key = await half_made(tmp_path / "one", asked(120), 3)
    database = Database.in_folder(tmp_path / "one")
    made = database.read(lambda connection: nodes.find(connection, passage_key(key, damaged)))
    database.close()
    assert made is not None
    digest = made.artifact
    path = tmp_path / "one" / "artifacts" / digest[:2] / digest
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    async with works(tmp_path / "one", again := CountedModels()) as place:
        assert (await place.jobs.wait(job_id, 60)).state == "completed"
        assert await film(place, job_id) == whole
    # Of the header, all depends.
    assert drawn(again)[0] == {0: 0, 2: 100}[damaged]
    assert 200 not in drawn(again) or damaged == 0


async def test_cancelled_within_a_passage_and_removed_with_all_that_was_made(tmp_path: Path) -> None:
    models = CountedModels()
    models.hook = hold = Hold("passage 300")
    async with works(tmp_path, models) as place:
        job = await place.jobs.submit(asked(140))
        await hold.reached.wait()
        made = passages(place, await key_of(place, job.id))
        while len(await made.frames()) < 3:
            await asyncio.sleep(0.01)
        assert (await place.jobs.cancel(job.id)).state == "cancelled"
        calls = models.calls.total()
        await asyncio.sleep(0.05)
        assert models.calls.total() == calls
        assert len(await made.frames()) == 3  # for whoever asks for the same again
        await place.jobs.delete(job.id)
        assert not await made.frames()


async def test_what_two_films_share_stays_when_one_of_them_is_removed(tmp_path: Path) -> None:
    """Those whose scripts begin alike have the same header and the same fragments."""
    models = CountedModels()
    async with works(tmp_path, models) as place:
        one, key = await held(place, asked(70), Hold("passage 200"), 2)
        await place.jobs.cancel(one)
        models.calls.clear()
        other, others = await held(place, asked(50), hold := Hold("passage 100"), 1)
        shared = [await passages(place, key).find(number) for number in range(2)]
        assert None not in shared
        await place.jobs.delete(one)
        assert not await passages(place, key).frames()
        assert [await passages(place, others).find(number) for number in range(2)] == shared
        hold.go.set()
        assert (await place.jobs.wait(other, 60)).state == "completed"
        assert drawn(models) == [0, 100]
        assert not [kept for kept in place.artifacts.list() if place.artifacts.read(kept.digest) in shared]


async def test_what_two_films_share_stays_when_one_of_them_is_finished(tmp_path: Path) -> None:
    models = CountedModels()
    async with works(tmp_path, models, video=2) as place:
        one, key = await held(place, asked(70), hold := Hold("passage 200"), 2)
        shared = [await passages(place, key).find(number) for number in range(3)]
        await ended(place, asked(50))
        assert [await passages(place, key).find(number) for number in range(3)] == shared
        assert None not in shared
        hold.go.set()
        assert (await place.jobs.wait(one, 60)).state == "completed"
        assert drawn(models) == [0, 0, 100, 100, 200]


async def test_encoded_otherwise_by_another_version_it_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, _ = await half_made(tmp_path, asked(120), 3)
    options = stretches.options
    monkeypatch.setattr(stretches, "options", lambda *given, **named: options(*given, **named) | {"refs": "4"})
    async with works(tmp_path, again := CountedModels()) as place:
        assert (await place.jobs.wait(job_id, 60)).state == "completed"
        greys, _ = seen(await film(place, job_id))
    assert greys == pytest.approx([grey(number) for number in range(len(greys))], abs=2)
    assert drawn(again)[0] == 0


async def test_what_is_in_memory_does_not_grow_with_the_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the sound, no more than is heard in the passages that are being drawn, and around them."""
    most = 0

    class Weighed(Sound):
        def forget(self, before: int) -> None:
            nonlocal most
            most = max(most, sum(len(part.samples) for _, part in self._held))
            super().forget(before)

    for module in (film_node, node_passages):
        monkeypatch.setattr(module, "Sound", Weighed)
    async with works(tmp_path, CountedModels()) as place:
        job = await place.jobs.wait((await place.jobs.submit(asked(200))).id, 60)
        assert job.result is not None
        assert job.result.seconds > 80
        assert 0 < most / 8000 < 45
