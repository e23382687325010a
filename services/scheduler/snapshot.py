"""The scheduler's copy of all hosts.

Owns: reading it no more often than needed, and only once however many wait for it.
May not: be trusted; the claim checks again in the database.
Crash story: gone with the process, read again by the next.
"""

from __future__ import annotations

import asyncio

import numpy as np

from common.db.pool import Pool
from common.db.stores.claims import Ratios
from common.db.stores.placement import HostColumns, read_hosts
from common.runtime.ports import Clock
from services.scheduler.hosts import Hosts
from services.scheduler.promises import Promises


def arrays(columns: HostColumns, read_at: float) -> Hosts:
    c = columns
    return Hosts(
        names=c.names,
        nodes=c.nodes,
        zones=np.array(c.zones, dtype=np.str_),
        enabled=np.array(c.enabled, dtype=np.bool_),
        alive=np.array(c.alive, dtype=np.bool_),
        total=np.array([c.vcpus, c.memory_mib, c.disk_gib], dtype=np.int64),
        usable=np.array([c.usable_vcpus, c.usable_memory_mib, c.usable_disk_gib], dtype=np.float64),
        used=np.array([c.vcpus_used, c.memory_mib_used, c.disk_gib_used], dtype=np.int64),
        allocations=np.array(c.allocations, dtype=np.int64),
        failed_builds=np.array(c.failed_builds, dtype=np.int64),
        read_at=read_at,
    )


class Snapshots:
    """The latest copy, and when to make a new one."""

    def __init__(
        self, pool: Pool, clock: Clock, ratios: Ratios, default_zone: str, promises: Promises
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ratios = ratios
        self._default_zone = default_zone
        self._promises = promises
        self._latest: Hosts | None = None
        self._reading = asyncio.Lock()

    async def get(self, not_older_than: float) -> Hosts:
        """A copy whose reading began at monotonic `not_older_than` or later."""
        if (latest := self._usable(not_older_than)) is not None:
            return latest
        async with self._reading:
            if (latest := self._usable(not_older_than)) is not None:
                return latest  # somebody else has read it while we waited
            began = self._clock.monotonic()
            columns = await read_hosts(
                self._pool,
                default_zone=self._default_zone,
                ratios=self._ratios,
                promised=self._promises.hosts(),
            )
            self._latest = arrays(columns, began)
            self._promises.carry_over(self._latest, columns.claimed)
            return self._latest

    def _usable(self, not_older_than: float) -> Hosts | None:
        latest = self._latest
        return latest if latest is not None and latest.read_at >= not_older_than else None
