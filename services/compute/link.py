"""A host's link to the broker, as far as the truth about its guests hangs on it.

Owns: noticing that the link was lost, also when it is back by the time anybody looks; when the
present connection began; the pause before the host speaks on a new one, so that not all hosts
report in the moment in which the broker is back.
May not: connect, that is the bus; or say what a loss means, that is `reports.py`.
Crash story: none; nothing is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from common.bus.port import Bus
from common.runtime.ports import Clock, Random
from common.runtime.tasks import Tasks

log = structlog.get_logger(__name__)


class Link:
    """`on_lost` is called when a loss is noticed, `on_back` when the host may speak again: within
    `spread_s` seconds of the new connection."""

    def __init__(
        self,
        host: str,
        bus: Bus,
        *,
        clock: Clock,
        random: Random,
        tasks: Tasks,
        spread_s: float,
        on_lost: Callable[[], None],
        on_back: Callable[[], None],
    ) -> None:
        self._host = host
        self._bus = bus
        self._clock = clock
        self._random = random
        self._tasks = tasks
        self._spread_s = spread_s
        self._on_lost = on_lost
        self._on_back = on_back
        self._number = bus.connections
        self._up = True
        self._usable = asyncio.Event()
        self._usable.set()
        self.since = clock.utcnow()
        """When the present connection was first seen: what was sent before may have waited in a
        queue while nobody here heard what became of it."""

    def look(self) -> int:
        """The number of the present connection. Called before anything that comes over the link
        is believed."""
        connected, number = self._bus.connected, self._bus.connections
        if self._up and not (connected and number == self._number):
            self._up = False
            self._usable.clear()
            log.warning("link_lost", host=self._host)
            self._on_lost()
        if number != self._number:
            self._number, self.since = number, self._clock.utcnow()
        if connected and not self._up:
            self._up = True
            self._tasks.spawn(f"speak again {self._host}", self._speak_again(number))
        return number

    async def usable(self) -> None:
        """Wait for a connection on which this host may speak."""
        self.look()
        await self._usable.wait()

    async def _speak_again(self, number: int) -> None:
        await self._clock.sleep(self._random.uniform(0, self._spread_s))
        if self.look() == number and self._up:
            self._usable.set()
            self._on_back()
