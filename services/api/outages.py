"""That the database is away is said once, and once that it is back.

Owns: waiting for its return. May not: hold up a request: each is answered 503 at once.
Crash story: a new process finds out for itself.
"""

from __future__ import annotations

import asyncio

import asyncpg

from common.db.pool import BUSY, out_of_reach
from common.runtime.ports import Clock
from common.runtime.tasks import Tasks
from common.telemetry.outages import Outages

PROBE_S = 1.0
_WHAT = "database"


class DatabaseOutage:
    """Told about every failure; knows which of them are the beginning of an outage."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], clock: Clock, tasks: Tasks) -> None:
        self._pool = pool
        self._clock = clock
        self._tasks = tasks
        self._outages = Outages(clock)
        self._waiting: asyncio.Task[None] | None = None

    def noticed(self, error: BaseException) -> None:
        if not out_of_reach(error) or isinstance(error, BUSY):
            return
        self._outages.away(_WHAT, repr(error))
        if self._waiting is None or self._waiting.done():
            self._waiting = self._tasks.spawn("await-database", self._await_return())

    async def _await_return(self) -> None:
        while True:
            try:
                await self._pool.execute("select 1")
            except Exception as error:
                if not out_of_reach(error):
                    raise
                await self._clock.sleep(PROBE_S)
            else:
                self._outages.back(_WHAT)
                return
