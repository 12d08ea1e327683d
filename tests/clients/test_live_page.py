"""The page of live sessions in a real browser: it plays what comes, as it comes, and nothing from anywhere else."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from deployments.ingress.api import make_api
from deployments.operations import Operations
from pipeline.contracts.live import LiveRequest
from pipeline.errors import Busy
from pipeline.settings import Settings
from tests.clients.conftest import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LISTENING = """
() => {
  const video = document.querySelector("video");
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  const source = context.createMediaElementSource(video);
  source.connect(analyser);
  analyser.connect(context.destination);
  const samples = new Float32Array(analyser.fftSize);
  window.seen = { frames: [], stalls: [], loud: 0 };
  const shown = (_, { mediaTime }) => {
    window.seen.frames.push(mediaTime);
    video.requestVideoFrameCallback(shown);
  };
  video.requestVideoFrameCallback(shown);
  video.addEventListener("waiting", () => {
    const last = video.buffered.length - 1;
    window.seen.stalls.push(last < 0 ? 0 : video.buffered.end(last) - video.currentTime);
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
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("websocket", lambda socket: socket.on("framereceived", self._received))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _received(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            self.data += payload


def state(page: Page, name: str) -> None:
    page.wait_for_selector(f'body[data-state="{name}"]', timeout=60_000)


def until(page: Page, expression: str) -> None:
    """Waits for it. (Playwright's own way evaluates strings in the page, which its policy forbids.)"""
    for _ in range(1200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


def test_the_page_plays_a_session(url: str, browser: Browser, photo: bytes, tmp_path: Path) -> None:
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
    # It never waited for what had come; a busy machine may have sent it late.
    assert [ahead for ahead in seen["stalls"] if ahead > 0.1] == []
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
        pictures = sum(1 for packet in file.demux(video=0) if packet.size) / 25
    with av.open(io.BytesIO(heard.data), "r") as file:
        sound = sum(frame.samples for frame in file.decode(audio=0)) / 48_000
    assert abs(pictures - sound) < 1 / 25


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
