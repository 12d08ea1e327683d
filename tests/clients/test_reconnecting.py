"""The client over connections that break and servers that restart, refuse for a while or lose an answer."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.responses import PlainTextResponse

from clients.python.client import Client
from pipeline.contracts import VideoFacts, VideoRequest
from pipeline.errors import Busy, Conflict, InvalidRequest, MouthpieceError, NotFound, Unavailable
from tests.clients.standin import ID, Standin, refusal

REQUEST = VideoRequest(text="Hello.")
SOON = 0.01


@pytest.fixture
def there() -> Iterator[Standin]:
    with Standin() as standin:
        yield standin


@pytest.fixture
def client(there: Standin) -> Iterator[Client]:
    with Client(there.url, patience=20) as client:
        yield client


# Calls


def test_a_video_whose_answer_is_lost_is_made_once(there: Standin, client: Client) -> None:
    there.troubles += ["lost", "gone"]
    assert client.render(REQUEST).id == ID
    assert len(there.paths("POST")) == 3
    assert len(there.videos) == 1
    client.render(REQUEST)
    assert len(there.videos) == 2, "another call is another video"


def test_a_key_of_the_callers_own(there: Standin, client: Client) -> None:
    assert client.render(REQUEST, "mine") == client.render(REQUEST, "mine")
    assert list(there.videos) == ["mine"]
    for key in ("", "a b", "a\nb", "ä", "x" * 256):
        with pytest.raises(InvalidRequest) as refused:
            client.render(REQUEST, key)
        assert refused.value.field == "idempotency_key"
    assert list(there.videos) == ["mine"]


@pytest.mark.parametrize(
    "answer",
    [
        refusal(Busy("The queue is full.", code="queue_full", retry_after=SOON)),
        refusal(Unavailable("It is being started.", retry_after=SOON)),
        refusal(Unavailable("It is being started.")),
        PlainTextResponse("Deployment is unavailable.", 503),
        PlainTextResponse("Path '/api/v1/videos' not found. Ping http://.../-/routes for available routes.", 404),
        PlainTextResponse("Slow down.", 429, headers={"Retry-After": "0"}),
    ],
)
def test_what_is_refused_for_a_while(there: Standin, client: Client, answer: PlainTextResponse) -> None:
    there.troubles += [answer, answer]
    assert client.render(REQUEST).id == ID
    there.troubles += [answer]
    assert client.job(ID).id == ID


def test_patience_ends(there: Standin) -> None:
    busy = refusal(Busy("The queue is full.", code="queue_full", retry_after=30))
    with Client(there.url, patience=20) as client:
        there.troubles += [busy]
        with pytest.raises(Busy) as refused:
            client.render(REQUEST)
    assert (refused.value.code, refused.value.retry_after) == ("queue_full", 30)
    assert len(there.asked) == 1, "to ask again sooner than the server says is no use"
    with Client(there.url, patience=0.5) as client:
        there.troubles += ["gone"] * 10
        with pytest.raises(Unavailable) as lost:
            client.job(ID)
    assert lost.value.code == "connection_lost"
    assert 2 <= len(there.asked[1:]) < 10


def test_retry_after_of_a_header_alone(there: Standin) -> None:
    there.troubles += [PlainTextResponse("Wait.", 503, headers={"Retry-After": "3600"})]
    with Client(there.url) as client, pytest.raises(Unavailable) as refused:
        client.job(ID)
    assert refused.value.retry_after == 3600


def test_what_might_be_done_twice_is_not_repeated(there: Standin, client: Client) -> None:
    there.troubles += ["lost"]
    with pytest.raises(Unavailable) as lost:
        client.cancel_job(ID)
    assert lost.value.code == "connection_lost"
    assert len(there.asked) == 1
    with pytest.raises(Conflict):
        client.cancel_job(ID)


def test_what_was_removed_by_a_lost_call_is_removed(there: Standin, client: Client) -> None:
    there.troubles += ["lost"]
    client.delete_job(ID)
    assert len(there.asked) == 2
    with pytest.raises(NotFound):
        client.delete_job(ID)


def test_a_gateway_between(there: Standin, client: Client) -> None:
    """What it says before Mouthpiece was ever heard from is no reason to wait."""
    there.troubles += [PlainTextResponse("Bad gateway", 502)]
    with pytest.raises(Unavailable) as bad:
        client.job(ID)
    assert bad.value.code == "bad_answer"
    assert client.job(ID).id == ID
    there.troubles += [PlainTextResponse("Internal server error", 500)]
    assert client.job(ID).id == ID


def test_a_server_that_restarts_between_calls(there: Standin, client: Client) -> None:
    assert client.job(ID).id == ID
    there.stop()
    with Client(there.url) as stranger, pytest.raises(Unavailable) as nobody:
        stranger.job(ID)
    assert nobody.value.code == "no_server"
    there.start()
    assert client.job(ID).id == ID


def test_what_is_tried_again_is_told_to_whoever_looks_closely(
    there: Standin, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    there.troubles += ["gone"]
    with caplog.at_level(logging.INFO, "mouthpiece.client"):
        client.job(ID)
    assert [(record.levelname, "Trying again" in record.getMessage()) for record in caplog.records] == [("INFO", True)]


# Streams


def test_a_download_is_taken_up_where_it_broke(there: Standin, client: Client, tmp_path: Path) -> None:
    there.cut_after += [300_000, 0, 500_000]
    there.happens("task.completed", "completed")
    digest = hashlib.sha256(there.content).hexdigest()
    made = VideoFacts(
        seconds=1,
        frames=1,
        fps=1,
        size=2,
        width=2,
        height=2,
        format="mp4",
        bytes=1,
        sha256=digest,
        timings={},
        backends={},
    )
    job = client.video(ID).model_copy(update={"result": made})
    assert client.download(job, tmp_path / "a.mp4").read_bytes() == there.content
    ranges = [headers.get("range") for _, path, headers in there.asked if path.endswith("content")]
    assert ranges == [None, "bytes=300000-", "bytes=300000-", "bytes=800000-"]


def test_a_download_is_not_pieced_together_of_two_files(there: Standin, client: Client) -> None:
    there.cut_after += [1000]
    pieces = client.content(ID)
    next(pieces)
    there.troubles += [PlainTextResponse("Everything once more.")]
    with pytest.raises(MouthpieceError) as bad:
        list(pieces)
    assert bad.value.code == "bad_answer"


def test_events_go_on_after_a_cut_and_a_restart(there: Standin, client: Client) -> None:
    there.happens("task.queued", type="video")
    with closing(client.events(after=0)) as events:
        assert next(events).type == "task.queued"
        there.cut()
        there.happens("task.started")
        assert next(events).type == "task.started"
        there.stop()
        there.happens("task.progress", percent=10.0, message="a\u2028b\x85c")
        there.start()
        assert next(events).data == {"percent": 10.0, "message": "a\u2028b\x85c"}
        there.happens("task.completed", "completed")
        assert next(events).id == 28
    asked = [headers.get("last-event-id") for _, path, headers in there.asked if path == "/api/v1/events"]
    assert (asked[0], asked[-1]) == ("0", "14")


def test_no_event_is_missed_before_the_first(there: Standin, client: Client) -> None:
    """The server says where the stream begins."""
    there.happens("task.queued")
    with closing(client.events()) as events, ThreadPoolExecutor() as pool:
        first = pool.submit(lambda: next(events))
        there.until_listened()
        there.stop()
        there.happens("task.started")
        there.start()
        assert first.result().type == "task.started"


def test_events_that_the_server_refuses(there: Standin, client: Client) -> None:
    there.troubles += [refusal(NotFound("There is no job.", field="job"))]
    with pytest.raises(NotFound):
        next(client.events(job="vid_none"))


def test_a_job_is_watched_across_a_restart(there: Standin, client: Client) -> None:
    with closing(client.watch_job(ID)) as states:
        assert next(states).state == "pending"
        there.happens("task.started", "in_progress")
        assert next(states).state == "in_progress"
        there.happens("task.progress", percent=30.0, message="filming", frames_made=3)
        assert next(states).progress == 30
        there.stop()
        there.happens("task.progress", percent=60.0, message="filming", frames_made=6)
        there.start()
        assert next(states).frames_made == 6
        there.cut()
        there.happens("task.completed", "completed", percent=100.0)
        *_, last = states
    assert last.state == "completed"
    assert [step.state for step in last.steps] == ["completed", "completed"]


def test_what_happens_while_nobody_is_connected_is_seen(there: Standin, client: Client) -> None:
    """Its end was too long ago for its events to be kept."""
    with closing(client.watch_job(ID)) as states:
        next(states)
        there.stop()
        there.happens("task.completed", "completed")
        there.events.clear()
        there.start()
        assert [job.state for job in states] == ["completed"]
    there.cut()
    assert [job.state for job in client.watch_job(ID)] == ["completed"]


def test_a_watched_job_that_is_removed(there: Standin, client: Client) -> None:
    with closing(client.watch_job(ID)) as states:
        next(states)
        client.delete_job(ID)
        there.happens("task.deleted")
        with pytest.raises(NotFound):
            next(states)
    with pytest.raises(InvalidRequest):
        next(client.watch_job(""))


def test_a_video_is_watched_across_a_restart(there: Standin, client: Client) -> None:
    with closing(client.watch(ID)) as states:
        assert next(states).status == "queued"
        there.happens("task.started", "in_progress")
        assert next(states).status == "running"
        there.stop()
        there.happens("task.completed", "completed")
        there.start()
        assert [job.status for job in states] == ["completed"]


def test_a_server_that_stays_away_ends_a_watch(there: Standin) -> None:
    with Client(there.url, patience=0.5) as client, closing(client.watch_job(ID)) as states:
        next(states)
        there.stop()
        with pytest.raises(Unavailable) as gone:
            list(states)
    assert gone.value.code == "no_server"
    there.start()
