"""Webhooks: tells those who asked for it that their job has ended, until they have heard it.

A delivery is a row that was written with the end of its job, so no crash loses one. It may arrive twice, under the
same `webhook-id`. It is due at once, then after 10 s, 30 s, 90 s and so on, and is given up after about a day.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pipeline.errors import InvalidRequest, MouthpieceError, Unavailable
from pipeline.jobs.webhook_post import post, transport
from pipeline.jobs.webhook_signature import signed
from pipeline.jobs.webhook_target import Targets
from pipeline.metrics import Metrics
from pipeline.storage import deliveries

if TYPE_CHECKING:
    import httpx
    from sqlalchemy import Connection

    from pipeline.contracts import Event
    from pipeline.settings import Webhooks as WebhookSettings
    from pipeline.storage.database import Database
    from pipeline.storage.deliveries import Delivery

log = logging.getLogger("mouthpiece.webhooks")

SECONDS: Final = 10.0
"""One attempt, from looking the host up to the head of the answer."""
FIRST_WAIT: Final = 10.0
GROWTH: Final = 3
ATTEMPTS: Final = 10
"""The nine waits between them add up to 27 hours, or with the jitter to a day at the mean."""
JITTER: Final = 0.2
"""A wait is shortened by up to this part, so that what failed together does not come back together."""
CONCURRENT: Final = 16
GONE: Final = 410
"""The status by which a receiver says, in the specification, that it wants no more."""
LOOK_SECONDS: Final = 5.0
"""How often what is due is looked for while something is being sent, or while it can't be looked for."""
IDLE_SECONDS: Final = 60.0


def message(event: Event) -> str:
    """The body of a delivery, for `deliveries.add`: `type`, `timestamp` and `data`, as the specification has it."""
    told = {"type": event.type, "timestamp": event.at.isoformat(), "data": {"task_id": event.task_id} | event.data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def wait(attempts: int, first: float = FIRST_WAIT) -> float:
    """Seconds to wait after so many attempts, the last of which failed."""
    return first * GROWTH ** (attempts - 1) * (1 - random.uniform(0, JITTER))  # noqa: S311


class Webhooks:
    """Sends what is due, for as long as it runs. One for each database; used from one event loop.

    In seconds: `first_wait` is that after the first attempt, from which the others grow; `limit` is for one attempt.
    """

    def __init__(
        self,
        database: Database,
        settings: WebhookSettings,
        metrics: Metrics | None = None,
        *,
        first_wait: float = FIRST_WAIT,
        limit: float = SECONDS,
    ) -> None:
        self._database = database
        self._secret = settings.secret
        self._targets = Targets(settings)
        self._metrics = metrics or Metrics()
        self._first_wait = first_wait
        self._limit = limit
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def check(self, url: str) -> None:
        """Whether a job may name this URL. Raises `InvalidRequest` for the field `webhook`, and `Unavailable` where
        its host can't be looked up now."""
        if self._secret is None:
            raise InvalidRequest(
                "Webhooks are not set up here: webhooks.secret, which signs them, is not set.",
                code="webhooks_off",
                field="webhook",
                accepted="no webhook, or a server with MOUTHPIECE_WEBHOOKS__SECRET_FILE set",
            )
        await self._targets.find(url)

    def start(self) -> None:
        """Sends what is due, and from then on what becomes due."""
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="webhooks")

    def nudge(self) -> None:
        """Something may be due now."""
        self._news.set()

    async def close(self) -> None:
        """What is being sent is cut off, and is due again when somebody starts."""
        tasks = [*self._sending.values(), *([self._running] if self._running else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running = None
        self._targets.close()

    async def _run(self) -> None:
        async with await asyncio.to_thread(transport) as through:
            while True:
                self._news.clear()
                pause = LOOK_SECONDS
                try:
                    found, pause = await self._due()
                    for delivery in found[: CONCURRENT - len(self._sending)]:
                        self._sending[delivery.id] = asyncio.create_task(self._deliver(delivery, through))
                except Exception:
                    # Whatever it was, who waits for a call gets it when it is over.
                    log.exception("what is due can't be read")
                # Not `wait_for`, which in Python 3.11 can lose a cancellation.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._news.wait()

    async def _due(self) -> tuple[list[Delivery], float]:
        """What is due and not being sent; and seconds until there can be more of it, as far as that is known."""
        # Before it is read: what ends meanwhile is due no more, whatever was read.
        busy, now = set(self._sending), datetime.now(UTC)

        def read(c: Connection) -> tuple[list[Delivery], datetime | None]:
            return deliveries.due(c, now, 2 * CONCURRENT), deliveries.next_due(c)

        found, coming = await asyncio.to_thread(lambda: self._database.read(read))
        if found or busy:
            return [delivery for delivery in found if delivery.id not in busy], LOOK_SECONDS
        return [], IDLE_SECONDS if coming is None else min(IDLE_SECONDS, (coming - now).total_seconds())

    async def _deliver(self, delivery: Delivery, through: httpx.AsyncHTTPTransport) -> None:
        try:
            problem, final = await self._attempt(delivery, through)
            while True:
                try:
                    await self._record(delivery, problem, final=final)
                    return
                except MouthpieceError as error:
                    # Until it can be written it is not sent again, except by another process.
                    log.warning("webhook %s: what came of it can't be written: %s", delivery.id, error)
                    await asyncio.sleep(self._first_wait)
        finally:
            del self._sending[delivery.id]
            self._news.set()

    async def _record(self, delivery: Delivery, problem: str | None, *, final: bool) -> None:
        attempts, now = delivery.attempts + 1, datetime.now(UTC)
        if problem is None:
            await self._write(lambda c: deliveries.delivered(c, delivery.id, now))
            self._metrics.webhook("delivered")
        elif final or attempts >= ATTEMPTS:
            await self._write(lambda c: deliveries.give_up(c, delivery.id, problem, now))
            self._metrics.webhook("given_up")
            log.warning("webhook %s: %s; given up after attempt %d", delivery.id, problem, attempts)
        else:
            seconds = wait(attempts, self._first_wait)
            until = now + timedelta(seconds=seconds)
            await self._write(lambda c: deliveries.postpone(c, delivery.id, until, problem))
            self._metrics.webhook("postponed")
            log.info("webhook %s: %s; attempt %d, the next in %.0f s", delivery.id, problem, attempts, seconds)

    async def _attempt(self, delivery: Delivery, through: httpx.AsyncHTTPTransport) -> tuple[str | None, bool]:
        """What was wrong, None where it was heard; and whether trying again is of no use."""
        import httpx

        if self._secret is None:
            return "webhooks.secret is not set", False
        body = delivery.body.encode()
        now = int(datetime.now(UTC).timestamp())
        headers = signed(self._secret.get_secret_value(), delivery.id, now, body)
        try:
            async with asyncio.timeout(self._limit):
                status = await post(through, await self._targets.find(delivery.url), headers, body)
        except TimeoutError:
            return f"no answer within {self._limit:g} s", False
        except (InvalidRequest, Unavailable) as error:
            return error.message, False
        except httpx.TransportError as error:
            return f"{type(error).__name__}: {error}", False
        if 200 <= status < 300:
            return None, False
        return f"answered {status}", status == GONE

    async def _write(self, work: Callable[[Connection], None]) -> None:
        await asyncio.to_thread(self._database.run, work)
