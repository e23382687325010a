"""Telling compute that a server's network changed behind its back.

Owns: a bounded list of events, sent in batches to `os-server-external-events`.
May not: delay or fail a request because compute does not listen.

What a caller with the `service` role does is not told: that is compute itself, which knows.

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
from services.standins.web import Caller, Fault

log = structlog.get_logger(__name__)

GATHER_S = 0.1
"""Changes within this time travel together."""
BATCH = 100
MOST_WAITING = 10_000
TIMEOUT_S = 5.0
ATTEMPTS = 3
PAUSE_S = 1.0

CHANGED = "network-changed"
DELETED = "network-vif-deleted"


class Events:
    def __init__(self, compute_url: str, token: Callable[[], str], clock: Clock) -> None:
        self._url = compute_url.rstrip("/") + "/os-server-external-events"
        self._token = token
        self._clock = clock
        self._tasks = Tasks(clock)
        self._waiting: deque[Doc] = deque(maxlen=MOST_WAITING)
        self._wake = asyncio.Event()

    def start(self) -> None:
        self._tasks.spawn("network-events", self._run())

    async def stop(self) -> None:
        await self._tasks.stop()

    def tell(self, caller: Caller, port: Doc | None, name: str = CHANGED) -> None:
        """Note an event for the server that uses `port`, if one does."""
        if port is None or "service" in caller.roles:
            return
        if not port["device_owner"].startswith("compute:") or not port["device_id"]:
            return
        self._waiting.append({"name": name, "server_uuid": port["device_id"], "tag": port["id"]})
        self._wake.set()

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
                        log.debug("network_events_sent", count=len(events), status=answer.status)
                        return
                    reason = f"status {answer.status}"
            except (aiohttp.ClientError, TimeoutError, Fault) as error:
                reason = repr(error)
            if attempt < ATTEMPTS:
                await self._clock.sleep(PAUSE_S)
        log.warning("network_events_dropped", count=len(events), url=self._url, reason=reason)
