"""A host's clock, which can stand still while the rest of the process goes on.

Owns: freezing one host of a process, as SIGSTOP does with a process of its own: everything a host
does waits for its clock, and the monotonic time goes on, so that a thawed host notices its gap.
May not: know what waits. Crash story: none; a new life starts thawed.
"""

from __future__ import annotations

import asyncio
import datetime as dt

from common.runtime.ports import Clock


class HostClock(Clock):
    """`clock`, whose sleeps do not end while frozen."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._thawed = asyncio.Event()
        self._thawed.set()

    @property
    def frozen(self) -> bool:
        return not self._thawed.is_set()

    def freeze(self) -> None:
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    async def passage(self) -> None:
        """Wait while frozen; called wherever the host is about to do something."""
        await self._thawed.wait()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def utcnow(self) -> dt.datetime:
        return self._clock.utcnow()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self.passage()
