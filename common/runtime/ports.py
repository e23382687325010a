"""Clock, ids and randomness as things that are passed in.

Owns: the only calls to the wall clock, the monotonic clock, sleep, uuid and random in Muster.
May not: hold business state. A test passes its own to make time and choices repeatable.
Crash story: none; nothing here outlives the call.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

    from common.bus.port import Bus


class Clock:
    """Monotonic seconds for durations, UTC for stamps that people read."""

    def monotonic(self) -> float:
        return time.monotonic()

    def utcnow(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Ids:
    """New identifiers; text forms are the ones the Compute API shows."""

    def uuid(self) -> uuid.UUID:
        return uuid.uuid4()

    def request_id(self) -> str:
        return f"req-{uuid.uuid4()}"


class Random:
    """Jitter and sampling; seeded in tests."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - jitter, not secrets

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def random(self) -> float:
        return self._random.random()


@dataclass
class Ports:
    """What a composition root gives to `create()`. `pool` is None for services without one."""

    bus: Bus
    pool: asyncpg.Pool[asyncpg.Record] | None = None
    clock: Clock = field(default_factory=Clock)
    ids: Ids = field(default_factory=Ids)
    random: Random = field(default_factory=Random)
