"""What periodic tasks look for.

Owns: queries only; the actions they lead to begin like any other (stores/servers.py).
Crash story: reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool

_sql = load("reconcilers")


@dataclass(frozen=True)
class DueResize:
    """A resize whose time to be confirmed has come."""

    uuid: UUID
    migration_uuid: UUID
    source: str
    source_generation: int


async def resizes_to_confirm(pool: Pool, window_s: float, most: int) -> list[DueResize]:
    rows = _sql.resizes_to_confirm(pool, window_s=window_s, most=most)
    return [DueResize(**dict(row)) async for row in rows]


async def servers_to_reclaim(pool: Pool, interval_s: float, most: int) -> list[UUID]:
    """Softly deleted servers whose time is over."""
    rows = _sql.servers_to_reclaim(pool, interval_s=interval_s, most=most)
    return [row["uuid"] async for row in rows]


async def servers_to_offload(pool: Pool, time_s: float, most: int) -> list[UUID]:
    """Shelved servers that are to leave their hosts."""
    rows = _sql.servers_to_offload(pool, time_s=time_s, most=most)
    return [row["uuid"] async for row in rows]
