"""The scheduler's copy of all hosts.

Owns: reading it no more often than needed, and only once however many wait for it.
May not: be trusted; the claim checks again in the database.
Crash story: gone with the process, read again by the next.
"""

from __future__ import annotations

import asyncio

import numpy as np
from numpy.typing import NDArray

from common.db.pool import Pool
from common.db.stores.claims import Ratios
from common.db.stores.placement import HostColumns, read_hosts
from common.runtime.ports import Clock
from services.scheduler.hosts import Aggregate, Hosts
from services.scheduler.promises import Promises

BUSY_KINDS = (
    "build",
    "create_backup",
    "create_image",
    "evacuate",
    "live_migrate",
    "migrate",
    "rebuild",
    "rescue",
    "resize",
    "shelve",
    "unshelve",
)
"""Workflows that make their hosts read or write much."""


Positions = NDArray[np.intp]


class _ById:
    """Positions of hosts from their ids; one reading sees the same hosts everywhere."""

    def __init__(self, ids: list[int]) -> None:
        self._ids = np.array(ids, dtype=np.int64)
        self._order = np.argsort(self._ids)

    def positions(self, ids: list[int]) -> Positions:
        wanted = np.array(ids, dtype=np.int64)
        places = np.searchsorted(self._ids, wanted, sorter=self._order)
        found: Positions = self._order[places]
        return found


def _aggregates(columns: HostColumns, by_id: _ById) -> list[Aggregate]:
    """Those without metadata tell nobody anything and are left out."""
    ids, positions = np.array(columns.memberships, dtype=np.int64), by_id.positions(columns.members)
    return [
        Aggregate(
            {key: frozenset(_listed(value)) for key, value in metadata.items()},
            positions[ids == int(id_)],
        )
        for id_, metadata in columns.aggregates.items()
        if metadata
    ]


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]


def arrays(columns: HostColumns, read_at: float) -> Hosts:
    c, by_id = columns, _ById(columns.ids)
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
        busy=np.bincount(by_id.positions(c.busy), minlength=len(c.ids)),
        hypervisor_versions=np.array(c.hypervisor_versions, dtype=np.int64),
        aggregates=_aggregates(c, by_id),
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
                busy_kinds=BUSY_KINDS,
            )
            self._latest = arrays(columns, began)
            self._promises.carry_over(self._latest, columns.claimed)
            return self._latest

    def _usable(self, not_older_than: float) -> Hosts | None:
        latest = self._latest
        return latest if latest is not None and latest.read_at >= not_older_than else None
