"""Waiting for many servers with one request at a time.

Polling each server by itself would cost a request per server and look, and the generator and the
API share the machine's cores. Here one list is asked for instead, of only those servers that are
still on their way (for example `status=BUILD`): as short as the number of servers in flight, and
who is not in it any more has arrived.

Owns: the loop that asks, and who waits. May not: say where a server went; a look at the end does.
Crash story: nothing outlives the object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from common.runtime.ports import Clock
from deploy.load.client import Refused, Unreachable

Listing = Callable[[], Awaitable[set[str]]]


class ListPoller:
    """Tells when servers are gone from a list; `run()` must be running meanwhile."""

    def __init__(
        self, listing: Listing, clock: Clock, *, interval_s: float, patience_s: float
    ) -> None:
        """`patience_s`: how long the list may be out of reach before all who wait are told."""
        self._listing = listing
        self._clock = clock
        self._interval_s = interval_s
        self._patience_s = patience_s
        self._waiting: dict[str, asyncio.Future[float]] = {}
        self.failed_polls = 0

    async def wait(self, server_id: str) -> float:
        """The monotonic time at which the server was first seen to be gone from the list.

        Raises `Unreachable` or `Refused` when the list cannot be had for `patience_s`.
        """
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[server_id] = future
        try:
            return await future
        finally:
            self._waiting.pop(server_id, None)

    async def run(self) -> None:
        """Ask until cancelled."""
        good = self._clock.monotonic()
        while True:
            asked = dict(self._waiting)
            if asked:
                try:
                    present = await self._listing()
                except (Unreachable, Refused) as error:
                    self.failed_polls += 1
                    if self._clock.monotonic() - good > self._patience_s:
                        self._give_up(error)
                else:
                    good = self._clock.monotonic()
                    # Only those who waited before the question was asked: a list from before a
                    # server was made does not have it either.
                    for server_id in asked.keys() - present:
                        if not asked[server_id].done():
                            asked[server_id].set_result(good)
            else:
                good = self._clock.monotonic()
            await self._clock.sleep(self._interval_s)

    def _give_up(self, error: Exception) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
