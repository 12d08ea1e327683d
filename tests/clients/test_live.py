"""Live sessions over a real WebSocket, with the real voice and the real face: what is seen and heard, and when."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import av
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from clients.python.client import Client
from clients.python.live import Live
from deployments.operations import Operations
from pipeline.contracts import SpeakRequest
from pipeline.contracts.live import MESSAGE_CHARACTERS, LiveNews, LiveRequest
from pipeline.errors import InvalidMedia, InvalidRequest, NotFound, Unavailable, UnknownName, UnusableFace
from pipeline.media.audio import decode_audio
from pipeline.media.resampler import Resampler
from pipeline.settings import Settings
from tests.clients.conftest import over_http

RATE = 48_000


class Watched:
    """A session, and what came of it so far."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.news: list[LiveNews] = []
        self.data = b""
        self._coming: Iterator[LiveNews | bytes] = iter(live)

    def until(self, wanted: Callable[[LiveNews], bool]) -> LiveNews:
        for item in self._coming:
            if isinstance(item, bytes):
                self.data += item
                continue
            self.news.append(item)
            if wanted(item):
                return item
        raise EOFError

    def state(self, type: str) -> LiveNews:
        return self.until(lambda news: news.type == type)

    def pieces(self, count: int) -> None:
        while count:
            item = next(self._coming)
            if isinstance(item, bytes):
                self.data += item
                count -= 1
            else:
                self.news.append(item)

    def rest(self) -> None:
        self.live.finish()
        self.state("closed")
        assert list(self._coming) == []

    def frames(self) -> np.ndarray:
        """(frames, height, width) float32 luma."""
        with av.open(io.BytesIO(self.data), "r") as file:
            return np.stack([f.to_ndarray()[: f.height].astype(np.float32) for f in file.decode(video=0)])

    def sound(self) -> np.ndarray:
        with av.open(io.BytesIO(self.data), "r") as file:
            return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


def steps(frames: np.ndarray) -> np.ndarray:
    """How much each frame differs from the one before it: the mean of the 5 % that differ most of the means of 8 x 8
    pixels, in which a move shows and the noise of the encoder does not."""
    count, height, width = frames.shape
    means = frames.reshape(count, height // 8, 8, width // 8, 8).mean(axis=(2, 4))
    differences = np.abs(np.diff(means, axis=0)).reshape(count - 1, -1)
    return np.sort(differences, axis=1)[:, -differences.shape[1] // 20 :].mean(axis=1)


def at(seconds: float | None) -> int:
    assert seconds is not None
    return round(seconds * 25)


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


def test_a_face_that_waits_speaks_is_cut_short_and_speaks_again(client: Client, photo: bytes) -> None:
    with client.live(LiveRequest(portrait=photo, size=256, seed=3)) as live:
        seen = Watched(live)
        assert seen.state("ready").content_type == 'video/mp4; codecs="avc1.64000d,mp4a.40.2"'
        seen.pieces(4)  # idle
        for piece in (
            "What a ",
            "fine day, isn't",
            " it? I would",
            " say that we all go out for a walk along the river",
        ):
            live.say(piece)
        live.end()
        first = seen.state("speaking")
        second = seen.state("speaking")
        assert (first.text, (second.text or "")[:11]) == ("What a fine day, isn't it?", "I would say")
        seen.pieces(3)
        live.interrupt()
        cut = seen.state("interrupted")
        assert second.text is not None
        assert second.text.startswith(cut.text or "-")
        assert seen.state("listening").at == cut.at
        seen.pieces(3)
        live.say("Well.")
        live.end()
        third = seen.state("speaking")
        seen.state("listening")
        seen.pieces(1)
        seen.rest()
    frames, sound = seen.frames(), seen.sound()
    assert abs(len(frames) / 25 - len(sound) / RATE) < 1 / 25
    assert len(frames) == at(seen.news[-1].at)
    # Something moves in every second, also where nothing is said.
    moved = steps(frames)
    seconds = [frames[second : second + 25] for second in range(0, len(frames) - 25, 5)]
    assert min(np.abs(span - span[0]).mean(axis=(1, 2)).max() for span in seconds) > 0.2
    # No jump where one fragment follows another, where speech begins and ends, and where it is cut off.
    waiting = range(1, at(first.at) - 8)
    joins = [moved[frame] for frame in waiting if frame % 8 == 7]
    assert max(joins) < 1.5 * max(moved[frame] for frame in waiting if frame % 8 != 7)
    inside = max(step for frame, step in enumerate(moved) if frame % 8 != 7)
    for moment in (first.at, second.at, cut.at, third.at):
        assert moved[at(moment) - 3 : at(moment) + 3].max() < 1.1 * inside
    # Silence but for what is said, and no click in it.
    assert cut.at is not None
    assert third.at is not None
    assert first.at is not None
    assert np.abs(sound[: round((first.at - 0.03) * RATE)]).max() < 0.003
    assert np.abs(sound[round((cut.at + 0.08) * RATE) : round((third.at - 0.03) * RATE)]).max() < 0.003
    assert np.abs(sound[round((cut.at - 0.2) * RATE) : round(cut.at * RATE)]).max() > 0.02
    around = np.abs(np.diff(sound))
    end = round(cut.at * RATE)
    assert around[end : end + 4000].max() <= around[: end - 480].max()


def test_several_at_once_hear_each_their_own(client: Client) -> None:
    """Each speaks at a pitch of its own, which is found again in its sound and in no other's."""
    pitches = (-7.0, 0.0, 7.0)
    found: dict[float, Watched] = {}

    def session(pitch: float) -> None:
        with client.live(LiveRequest(prompt="her", size=128, pitch=pitch)) as live:
            found[pitch] = seen = Watched(live)
            seen.state("ready")
            live.say("Oh, we are all away, are we?")
            live.end()
            seen.state("speaking")
            seen.pieces(5)
            seen.rest()

    threads = [threading.Thread(target=session, args=(pitch,)) for pitch in pitches]
    for thread in threads:
        thread.start()
    alone = {pitch: spoken(client, pitch) for pitch in pitches}
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for pitch, seen in found.items():
        (said,) = [news for news in seen.news if news.type == "speaking"]
        sound = seen.sound()[round((said.at or 0) * RATE) :]
        for other in pitches:
            count = min(len(sound), len(alone[other]), RATE)
            alike = float(np.corrcoef(sound[:count], alone[other][:count])[0, 1])
            assert (alike > 0.98) == (other == pitch), (pitch, other, alike)


def spoken(client: Client, pitch: float) -> np.ndarray:
    """The same sentence without a face."""

    wav = b"".join(client.speak(SpeakRequest(text="Oh, we are all away, are we?", pitch=pitch)))
    samples, rate = decode_audio(wav, field="audio", max_seconds=60)
    resampler = Resampler(rate, RATE)
    return np.concatenate([resampler.feed(samples), resampler.finish()])


def test_what_is_wrong_is_said_and_the_next_session_works(client: Client) -> None:
    for request, kind, field in (
        (LiveRequest(avatar="nobody"), NotFound, None),
        (LiveRequest(prompt="her", voice="nobody"), UnknownName, "voice"),
        (LiveRequest(prompt="her", avatar="her"), InvalidRequest, "prompt"),
        (LiveRequest(portrait=b"nothing"), InvalidMedia, "portrait"),
        (LiveRequest(portrait=noise()), UnusableFace, "portrait"),
    ):
        with client.live(request) as live, pytest.raises(kind) as caught:
            Watched(live).state("ready")
        assert field is None or getattr(caught.value, "field", None) == field
    with client.live(LiveRequest(prompt="her", size=128)) as live:
        Watched(live).state("ready")


def noise() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (256, 256, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("first", "code", "field"),
    [
        ("not json", "invalid_json", "body"),
        ("[1]", "invalid_json", "body"),
        (b"bytes", "invalid_request", "body"),
        ('{"size": 127}', "invalid_request", "size"),
        ('{"size": "512"}', "invalid_request", "size"),
        ('{"colour": "red"}', "unknown_field", "colour"),
        ('{"text": "Hello."}', "unknown_field", "text"),
        ('{"portrait": "%%%"}', "invalid_base64", "portrait"),
        ('{"portrait": 7}', "invalid_base64", "portrait"),
        ('{"language": "xx"}', "unknown_name", "language"),
    ],
)
def test_a_first_message_that_is_none(url: str, first: str | bytes, code: str, field: str) -> None:
    with socket(url) as connection:
        connection.send(first)
        refused(connection, code, field)


@pytest.mark.parametrize(
    ("later", "code", "field"),
    [
        ("not json", "invalid_json", "body"),
        ('{"type": "sing"}', "invalid_request", "type"),
        ('{"text": "no type"}', "missing_field", "type"),
        ('{"type": "text", "text": 7}', "invalid_request", "text"),
        (json.dumps({"type": "text", "text": "x" * 70_000}), "text_too_long", "text"),
    ],
)
def test_a_later_message_that_is_none(url: str, later: str, code: str, field: str) -> None:
    with socket(url) as connection:
        connection.send('{"prompt": "her", "size": 128}')
        connection.send(later)
        refused(connection, code, field)


class Opening:
    """Operations of a server that is opening a session, and goes on doing so."""

    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        self.ended: list[str] = []

    async def begin_live(self, session: str, request: LiveRequest, longest: float) -> None:
        self.begun.set()
        await asyncio.Event().wait()

    def end_live(self, session: str) -> None:
        self.ended.append(session)
        self.over.set()


@pytest.mark.parametrize("said", [("text", ""), ("text", "x" * MESSAGE_CHARACTERS)])
def test_no_more_waits_than_may_while_a_session_is_opened(settings: Settings, said: tuple[str, str]) -> None:
    opening = Opening()
    type, text = said
    with over_http(cast("Operations", opening), settings) as url, socket(url) as connection:
        connection.send('{"prompt": "her", "size": 128}')
        message = json.dumps({"type": type, "text": text})
        with suppress(ConnectionClosed):
            for _ in range(5000 if not text else 20):
                connection.send(message)
        refused(connection, "too_many_messages", "body")
    assert len(opening.ended) == 1


def test_a_client_who_leaves_while_a_session_is_opened_ends_it(settings: Settings) -> None:
    opening = Opening()
    with over_http(cast("Operations", opening), settings) as url:
        with socket(url) as connection:
            connection.send('{"prompt": "her", "size": 128}')
            assert opening.begun.wait(60)
        assert opening.over.wait(60)


def test_the_longest_text_may_be_escaped(url: str) -> None:
    with socket(url) as connection:
        connection.send('{"prompt": "her", "size": 128}')
        connection.send(json.dumps({"type": "text", "text": "\U0001f642" * MESSAGE_CHARACTERS}))
        refused(connection, "text_too_long", "text")  # by the session, which has a limit of its own


def socket(url: str) -> ClientConnection:
    return connect(f"{url.replace('http', 'ws')}/api/v1/live", proxy=None)


def refused(connection: ClientConnection, code: str, field: str) -> None:
    error: dict[str, Any] = {}
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            message = connection.recv()
            if isinstance(message, str) and (found := json.loads(message))["type"] == "error":
                error = found["error"]
    assert (error["code"], error["field"]) == (code, field)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, code)


def test_no_server_there() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(Unavailable) as caught, client.live(LiveRequest()):
        pass
    assert caught.value.code == "no_server"
