"""Telling compute what happened to its servers behind its back.

Owns: a bounded list of events, sent in batches to `os-server-external-events`.
May not: delay or fail a request because compute does not listen; know what an event means.

Crash story: unsent events are lost. They are hints; compute reads the truth again in its own time,
only later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import aiohttp
import orjson
import structlog

from common.runtime.ports import Clock
from common.runtime.tasks import Tasks
from services.standins.store import Doc
from services.standins.web import Fault

log = structlog.get_logger(__name__)

GATHER_S = 0.1
"""Changes within this time travel together."""
BATCH = 100
MOST_WAITING = 10_000
TIMEOUT_S = 5.0
ATTEMPTS = 3
PAUSE_S = 1.0


class Events:
    """One sender for all stand-ins of a process."""

    def __init__(self, compute_url: str, token: Callable[[], str], clock: Clock) -> None:
        self._url = compute_url.rstrip("/") + "/os-server-external-events"
        self._token = token
        self._clock = clock
        self._tasks = Tasks(clock)
        self._waiting: deque[Doc] = deque(maxlen=MOST_WAITING)
        self._wake = asyncio.Event()

    def start(self) -> None:
        self._tasks.spawn("compute-events", self._run())

    async def stop(self) -> None:
        await self._tasks.stop()

    def add(self, name: str, server_uuid: str, tag: str) -> None:
        """Note an event of a server; `tag` is the port or volume it is about."""
        self._waiting.append({"name": name, "server_uuid": server_uuid, "tag": tag})
        self._wake.set()

    def add_later(self, delay_s: float, name: str, server_uuid: str, tag: str) -> None:
        """The same after a while; a stop in between forgets it, as it does what was not sent."""

        async def wait() -> None:
            await self._clock.sleep(delay_s)
            self.add(name, server_uuid, tag)

        self._tasks.spawn("compute-event-later", wait())

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                await self._wake.wait()
                await self._clock.sleep(GATHER_S)
                self._wake.clear()
                while self._waiting:
                    count = min(BATCH, len(self._waiting))
                    await self._send(session, [self._waiting.popleft() for _ in range(count)])

    async def _send(self, session: aiohttp.ClientSession, events: list[Doc]) -> None:
        body = orjson.dumps({"events": events})
        for attempt in range(1, ATTEMPTS + 1):
            try:
                headers = {"X-Auth-Token": self._token(), "Content-Type": "application/json"}
                async with session.post(self._url, data=body, headers=headers) as answer:
                    if answer.status < 500:
                        # 404 and 422 mean that the servers are gone: nobody is left to tell.
                        log.debug("compute_events_sent", count=len(events), status=answer.status)
                        return
                    reason = f"status {answer.status}"
            except (aiohttp.ClientError, TimeoutError, Fault) as error:
                reason = repr(error)
            if attempt < ATTEMPTS:
                await self._clock.sleep(PAUSE_S)
        log.warning("compute_events_dropped", count=len(events), url=self._url, reason=reason)
