"""The page of live sessions in a real browser: it plays what comes, as it comes, and nothing from anywhere else."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
import httpx
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from benchmarks.lips import correlation, watched
from deployments.ingress.api import make_api
from deployments.operations import Operations
from pipeline.contracts.live import LiveRequest
from pipeline.errors import Busy
from pipeline.settings import Settings
from tests.clients.conftest import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RATE = 25
SAMPLES = 48_000 // RATE
"""A frame's."""

LISTENING = """
() => {
  const video = document.querySelector("video");
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  const source = context.createMediaElementSource(video);
  source.connect(analyser);
  analyser.connect(context.destination);
  const samples = new Float32Array(analyser.fftSize);
  window.seen = { frames: [], waits: [], loud: 0, begin: null, pieces: 0 };
  const shown = (_, { mediaTime }) => {
    window.seen.frames.push(mediaTime);
    window.seen.begin ??= video.buffered.start(0);
    window.seen.pieces = Math.max(window.seen.pieces, video.buffered.length);
    video.requestVideoFrameCallback(shown);
  };
  video.requestVideoFrameCallback(shown);
  video.addEventListener("waiting", () => {
    const last = video.buffered.length - 1;
    if (window.seen.frames.length) window.seen.waits.push(video.buffered.end(last) - video.currentTime);
  });
  setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    window.seen.loud = Math.max(...samples.map(Math.abs));
  }, 20);
}
"""
"""Looks at the frames as they are shown, listens to the sound as it is played, and notes where there was nothing."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium as the machine has it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no Chromium, and CI has to have one")
        pytest.skip("there is no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--mute-audio"])
        yield browser
        browser.close()


class Heard:
    """What a page was sent, and what it asked for."""

    def __init__(self, page: Page) -> None:
        self.data = b""
        self.news: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("websocket", lambda socket: socket.on("framereceived", self._received))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _received(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            self.data += payload
        else:
            self.news.append(json.loads(payload))

    def frame(self, kind: str) -> int | None:
        """Frame of the video from which on the first news of this kind holds; None where there was none."""
        return next((round(news["at"] * RATE) for news in self.news if news["type"] == kind), None)


def state(page: Page, name: str) -> None:
    page.wait_for_selector(f'body[data-state="{name}"]', timeout=60_000)


def until(page: Page, expression: str) -> None:
    """Waits for it. (Playwright's own way evaluates strings in the page, which its policy forbids.)"""
    for _ in range(1200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


def test_the_page_plays_a_session(
    url: str, browser: Browser, photo: bytes, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    page = browser.new_page(viewport={"width": 700, "height": 900})
    heard = Heard(page)
    page.goto(f"{url}/live?size=256&seed=4")
    (tmp_path / "face.png").write_bytes(photo)
    page.set_input_files("input[name=portrait]", tmp_path / "face.png")
    page.evaluate(LISTENING)
    page.click("text=Begin")
    until(page, "document.querySelector('video').currentTime > 1")
    state(page, "listening")
    shot(page, "listening")
    page.fill("textarea", "Good morning. It is a pleasure to see you all here, on such a fine day.")
    page.press("textarea", "Enter")
    state(page, "speaking")
    until(page, "window.seen.loud > 0.02")
    assert page.inner_text("#caption") in ("Good morning.", "It is a pleasure to see you all here, on such a fine day.")
    shot(page, "speaking")
    until(page, "document.getElementById('caption').textContent.startsWith('It is')")
    page.click("text=Interrupt")
    state(page, "listening")
    until(page, "window.seen.loud < 0.001")
    assert page.inner_text("#caption") == ""
    seen: dict[str, Any] = page.evaluate("window.seen")
    facts = page.evaluate(
        "(({videoWidth, currentTime, error}) => ({videoWidth, currentTime, error}))(document.querySelector('video'))"
    )
    assert (facts["videoWidth"], facts["error"]) == (256, None)
    record_property("waits", seen["waits"])
    # It never waited for what had come; a busy machine may have sent it late.
    assert [ahead for ahead in seen["waits"] if ahead > 0.1] == []
    # Pictures and sound are there from the same moment on, and without a gap: what is buffered is what both have.
    assert (seen["begin"], seen["pieces"]) == (pytest.approx(0, abs=0.001), 1)
    frames = seen["frames"]
    assert frames == sorted(frames)
    assert len(frames) > 20
    page.evaluate("session.send({ type: 'close' })")
    state(page, "closed")
    assert heard.complaints == []
    assert {request.removeprefix(url) for request in heard.requests if not request.startswith(("blob:", "data:"))} == {
        "/live?size=256&seed=4",
        "/live/live.css",
        "/live/live.js",
    }
    page.close()
    with av.open(io.BytesIO(heard.data), "r") as file:
        pictures = list(file.decode(video=0))
    with av.open(io.BytesIO(heard.data), "r") as file:
        sound = list(file.decode(audio=0))
    for parts, each in ((pictures, 1 / RATE), (sound, 1024 / 48_000)):
        assert [part.time for part in parts] == pytest.approx([number * each for number in range(len(parts))])
    samples = np.concatenate([part.to_ndarray().mean(0) for part in sound])
    assert abs(len(pictures) / RATE - len(samples) / 48_000) < 1 / RATE
    begin = max(0, (heard.frame("speaking") or 0) - RATE)
    end = heard.frame("interrupted")  # then the sound is gone at once, and the mouth closes
    together(pictures[begin:end], samples[begin * SAMPLES :])


def together(pictures: list[av.VideoFrame], samples: np.ndarray) -> None:
    """That the mouth in the pictures opens with the sound that begins with them. On videos of this face with other
    texts, opening and loudness correlated with r 0.77 to 0.91, always best at the same frame."""
    lips = watched(picture.to_ndarray(format="rgb24") for picture in pictures)
    assert lips.missing == 0
    frames = samples[: len(pictures) * SAMPLES].reshape(len(pictures), SAMPLES)
    r, lag = correlation(lips.gap, np.sqrt(np.mean(frames**2, axis=1)), furthest=8)
    assert r > 0.5
    assert abs(lag) <= 2


def shot(page: Page, name: str) -> None:
    """A picture of the page for whoever wants to see it."""
    folder = os.environ.get("MOUTHPIECE_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"live-{name}.png")


def test_what_is_wrong_is_shown_and_another_try_works(url: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{url}/live?size=127")
    page.click("text=Begin")
    page.wait_for_selector("#error:not([hidden])")
    assert "size" in page.inner_text("#error")
    state(page, "closed")
    page.goto(f"{url}/live?size=128")
    page.fill("input[name=prompt]", "a man")
    page.click("text=Begin")
    until(page, "document.querySelector('video').currentTime > 0.2")
    page.click("text=Leave")
    state(page, "closed")
    page.close()


WITHOUT = {
    "no media source": ("delete window.MediaSource", "no Media Source Extensions"),
    "not its type": ("MediaSource.isTypeSupported = () => false", "can't play H.264 video with AAC sound"),
    "not the type that comes": (
        "window.times = 0; MediaSource.isTypeSupported = () => window.times++ === 0",
        "can't play H.264 video with AAC sound",
    ),
    "no buffer": (
        "MediaSource.prototype.addSourceBuffer = () => { throw new DOMException('Enough of them.') }",
        "Enough of them.",
    ),
}
"""What takes it away from a browser, and what the page says then."""


@pytest.mark.parametrize(("lost", "told"), WITHOUT.values(), ids=WITHOUT)
def test_a_browser_that_can_not_play_is_told_so(url: str, browser: Browser, lost: str, told: str) -> None:
    page = browser.new_page()
    heard = Heard(page)
    page.add_init_script(lost)
    page.goto(f"{url}/live?size=128&prompt=a+man")
    page.click("text=Begin")
    page.wait_for_selector("#error:not([hidden])")
    assert told in page.inner_text("#error")
    state(page, "closed")
    assert page.is_visible("#opening")
    shot(page, "can-not-play")
    until(page, "session === null")
    assert heard.complaints == []
    page.close()


def test_a_double_click_opens_one_session(url: str, browser: Browser, photo: bytes, tmp_path: Path) -> None:
    page = browser.new_page()
    opened: list[str] = []
    page.on("websocket", lambda socket: opened.append(socket.url))
    page.goto(f"{url}/live?size=128")
    (tmp_path / "face.png").write_bytes(photo)
    page.set_input_files("input[name=portrait]", tmp_path / "face.png")
    page.evaluate("for (let click = 0; click < 2; click++) document.getElementById('opening').requestSubmit()")
    until(page, "document.querySelector('video').currentTime > 0.2")
    assert len(opened) == 1
    page.click("text=Leave")
    state(page, "closed")
    (tmp_path / "face.png").unlink()
    page.click("text=Begin")
    page.wait_for_selector("#error:not([hidden])")
    state(page, "closed")
    assert len(opened) == 1
    page.close()


def test_the_page_works_below_a_prefix(settings: Settings, browser: Browser) -> None:
    """Under the application's `route_prefix`."""

    class Refusing:
        async def begin_live(self, session: str, request: LiveRequest, longest: float) -> None:
            raise Busy("It is found.", code="too_many_sessions")

        def end_live(self, session: str) -> None: ...

    api = make_api(cast("Operations", Refusing()), settings)
    with served(Starlette(routes=[Mount("/studio", api)])) as url:
        page = browser.new_page()
        page.goto(f"{url}/studio/live")
        page.click("text=Begin")
        page.wait_for_selector("#error:not([hidden])")
        assert page.inner_text("#error") == "It is found."
        assert page.evaluate("document.styleSheets[0].cssRules.length") > 0
        page.close()


def test_the_page_may_load_nothing_from_elsewhere(url: str) -> None:
    for path in ("/live", "/live/live.js", "/live/live.css"):
        answer = httpx.get(url + path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"].split("; ")
        assert "default-src 'none'" in policy
        assert not any("http" in rule or "unsafe" in rule or "*" in rule for rule in policy)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "//" not in answer.text.replace("// ", "")
