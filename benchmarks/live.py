"""Live sessions at once: whether each is served in time, how soon words are heard, how soon an interruption is.

    python -m benchmarks.live [--sessions 4] [--seconds 30] [--size 512]

On a server of its own, over WebSockets, with the embedded backends. Wants an idle machine. Read at the client, as a
player that begins when it has half a second: a fragment is late when it comes after the moment it is shown.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.product import photo
from benchmarks.server import server
from clients.python.client import Client
from clients.python.live import Live
from pipeline.contracts.live import LiveNews, LiveRequest

FRAGMENT = 0.32
"""Seconds of a fragment."""
BUFFERED = 0.5
"""Seconds that a player has when it begins."""
SOUND_LAG = 4096 / 48_000
"""Seconds by which the sound of a fragment ends before its pictures: so much sooner the next one is needed."""
TEXT = (
    "Well, take {} of session {} is rather long, so that there is something in it to be cut off, which is done soon. "
)


@dataclass
class Session:
    """What one client saw; times are of its own clock."""

    number: int
    ready: float = 0.0
    arrived: list[float] = field(default_factory=list)
    words: list[float] = field(default_factory=list)
    """Seconds from the text to the first word, as it is shown."""
    answers: list[float] = field(default_factory=list)
    """Seconds from an interruption to its answer."""
    silent: list[float] = field(default_factory=list)
    """Seconds from an interruption to the first fragment without speech."""
    _asked: float = 0.0
    _stopped: float = 0.0
    _quiet_from: float = float("inf")

    def run(self, url: str, request: LiveRequest, seconds: float) -> None:
        sent = time.monotonic()
        with Client(url) as client, client.live(request) as live:
            speaker: threading.Thread | None = None
            for item in live:
                now = time.monotonic()
                if isinstance(item, LiveNews):
                    self._told(item, now)
                    continue
                if not self.ready:
                    self.ready = now - sent  # the header
                    speaker = threading.Thread(target=self._talk, args=(live, seconds))
                    speaker.start()
                    continue
                self.arrived.append(now)
                if self._stopped and len(self.arrived) * FRAGMENT > self._quiet_from + FRAGMENT / 2:
                    self.silent.append(now - self._stopped)
                    self._stopped = 0.0
            if speaker is not None:
                speaker.join()

    def _talk(self, live: Live, seconds: float) -> None:
        """Says something, cuts it off, waits, again."""
        end, take = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            take += 1
            self._asked = time.monotonic()
            for word in TEXT.format(take, self.number).split(" "):
                live.say(word + " ")
            live.end()
            time.sleep(3)  # The script of the session, as is the next: it speaks so long, then it is cut off.
            self._quiet_from, self._stopped = float("inf"), time.monotonic()
            live.interrupt()
            time.sleep(1.5)
        live.finish()

    def _told(self, news: LiveNews, now: float) -> None:
        if news.type == "speaking" and self._asked:
            self.words.append(self.plays_at(news.at or 0.0) - self._asked)
            self._asked = 0.0
        elif news.type == "interrupted" and self._stopped:
            self.answers.append(now - self._stopped)
            self._quiet_from = news.at or 0.0

    def plays_at(self, moment: float) -> float:
        """When a moment of the video is shown."""
        return self.arrived[int(BUFFERED / FRAGMENT)] + moment

    def margins(self) -> list[float]:
        """How long before it was needed each fragment came, after those that the player began with. One that came later
        made the player wait for it, and show what follows so much later."""
        found, waited = [], 0.0
        for number, arrived in enumerate(self.arrived):
            if number * FRAGMENT > BUFFERED:
                margin = self.plays_at(number * FRAGMENT - SOUND_LAG) + waited - arrived
                waited += max(0.0, -margin)
                found.append(margin)
        return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--size", type=int, default=512)
    options = parser.parse_args()
    request = LiveRequest(portrait=photo(), size=options.size)
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as running:
        Session(0).run(running.url, request, 3)  # everything is loaded then
        for count in sorted({1, options.sessions}):
            sessions = [Session(number) for number in range(count)]
            threads = [
                threading.Thread(target=session.run, args=(running.url, request, options.seconds))
                for session in sessions
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            report(sessions, options.size)


def report(sessions: list[Session], size: int) -> None:
    margins = sorted(margin for session in sessions for margin in session.margins())
    words = sorted(second for session in sessions for second in session.words)
    answers = sorted(second for session in sessions for second in session.answers)
    silent = sorted(second for session in sessions for second in session.silent)
    late = [-margin for margin in margins if margin < 0]
    print(f"{len(sessions)} sessions at once, {size} x {size} at 25 a second, {len(margins)} fragments:")
    print(f"    first picture after           {max(session.ready for session in sessions):6.3f} s at the most")
    print(f"    stalls                        {len(late):6d}, {sum(late):.2f} s in all (asked: none)")
    print(f"    came before they were due     {margins[0]:6.3f} s at the least, {_half(margins):.3f} in the middle")
    print(f"    text to first word, as shown  {_half(words):6.3f} s in the middle, {words[-1]:.3f} at the most")
    print(f"    interruption to its answer    {_half(answers):6.3f} s in the middle, {answers[-1]:.3f} at the most")
    print("                                  (asked: 0.2; what is sent after it says no more)")
    print(f"    to a fragment without speech  {_half(silent):6.3f} s in the middle, {silent[-1]:.3f} at the most")


def _half(values: list[float]) -> float:
    return values[len(values) // 2]


if __name__ == "__main__":
    main()
