"""A client that wants videos whatever happens: each asked for under a key, until somebody says it was accepted."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from clients.python.connection import NO_APPLICATION

OPENING = "Whatever happens, this is said once."
"""The first sentence of every text, shared by all of them."""


def own_sentence(number: int) -> str:
    return f"This is video number {number}, and nobody else says so."


def request(number: int) -> dict[str, Any]:
    """Small enough for a hundred on two cores, and each with a step of every kind of its own."""
    return {"text": f"{OPENING} {own_sentence(number)}", "prompt": "", "seed": number, "size": 256}


@dataclass
class Load:
    """Asks for `count` videos, keeping `ahead` of them unfinished, from a thread of its own."""

    url: str
    count: int
    ahead: int = 4
    accepted: dict[int, str] = field(default_factory=dict)
    """Number -> job id."""
    refused: list[str] = field(default_factory=list)
    """Answers that should never come."""
    ended: set[str] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        for number in range(self.count):
            while len(self.accepted) - len(self.ended) >= self.ahead and not self.stop.is_set():
                self.look()
                time.sleep(0.2)
            self._ask(number)
            if self.stop.is_set():
                return

    def _ask(self, number: int) -> None:
        while not self.stop.is_set():
            try:
                answer = httpx.post(
                    f"{self.url}/api/v1/videos",
                    json=request(number),
                    headers={"Idempotency-Key": f"video-{number}"},
                    timeout=60,
                )
            except httpx.TransportError:
                time.sleep(0.5)
                continue
            if answer.status_code in (200, 202):
                self.accepted[number] = answer.json()["id"]
                return
            away = answer.status_code == 404 and NO_APPLICATION in answer.text  # the proxy is back, the rest is not
            if answer.status_code < 500 and answer.status_code != 429 and not away:
                self.refused.append(f"{answer.status_code} {answer.text[:300]}")
                return
            time.sleep(0.5)

    def look(self) -> dict[str, dict[str, Any]]:
        """Every accepted job as the server has it now; none where it does not answer."""
        found: dict[str, dict[str, Any]] = {}
        after: str | None = None
        try:
            while True:
                query = {"limit": "100"} | ({"after": after} if after else {})
                page = httpx.get(f"{self.url}/api/v1/jobs", params=query, timeout=20).raise_for_status().json()
                found |= {job["id"]: job for job in page["data"]}
                if not page["has_more"]:
                    break
                after = page["data"][-1]["id"]
        except (httpx.TransportError, httpx.HTTPStatusError):
            return {}
        states = ("completed", "failed", "cancelled")
        self.ended = {job_id for job_id, job in found.items() if job["state"] in states}
        return found
