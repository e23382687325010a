"""What projects have used in a period, counted from the servers that ran in it.

Owns: reading servers, deleted and archived ones too, as usage. May not: write anything; there is no
ledger of usage that could differ from the servers.
Crash story: reads only.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from common.db.loader import load

if TYPE_CHECKING:
    from common.db.pool import Pool

_sql = load("usage")

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Period:
    """From `since` to before `until`."""

    since: dt.datetime
    until: dt.datetime


@dataclass(frozen=True)
class ServerUsage:
    """One server that ran in the period."""

    uuid: UUID
    project_id: str
    name: str
    vm_state: str
    flavor: str | None
    vcpus: int
    memory_mib: int
    local_gib: int
    launched_at: dt.datetime
    ended_at: dt.datetime | None

    def hours_in(self, period: Period) -> float:
        """A server that runs on counts to the end of the period, though that may lie ahead."""
        end = min(self.ended_at or period.until, period.until)
        return (end - max(self.launched_at, period.since)).total_seconds() / _SECONDS_PER_HOUR


@dataclass(frozen=True)
class ProjectUsage:
    """Hours of all servers of a project, and hours times their sizes."""

    project_id: str
    hours: float = 0.0
    vcpu_hours: float = 0.0
    memory_mib_hours: float = 0.0
    local_gib_hours: float = 0.0

    def plus(self, server: ServerUsage, period: Period) -> ProjectUsage:
        hours = server.hours_in(period)
        return ProjectUsage(
            self.project_id,
            self.hours + hours,
            self.vcpu_hours + hours * server.vcpus,
            self.memory_mib_hours + hours * server.memory_mib,
            self.local_gib_hours + hours * server.local_gib,
        )


async def servers(
    pool: Pool,
    period: Period,
    *,
    project_id: str | None = None,
    after: tuple[str, UUID] | None = None,
    most: int | None = None,
) -> list[ServerUsage]:
    """By project and id, after the given ones; None: of all projects, from the first, all."""
    after_project, after_uuid = after or (None, None)
    rows = _sql.servers(
        pool,
        since=period.since,
        until=period.until,
        project_id=project_id,
        after_project=after_project,
        after_uuid=after_uuid,
        most=most,
    )
    return [ServerUsage(**row) async for row in rows]


async def sums(pool: Pool, period: Period) -> list[ProjectUsage]:
    """Of every project that used anything, by id."""
    rows = _sql.sums(pool, since=period.since, until=period.until)
    return [ProjectUsage(**row) async for row in rows]


async def place_of(pool: Pool, server_id: UUID, project_id: str | None) -> tuple[str, UUID] | None:
    """Where a server comes in the order of `servers`; None: there is and was none, or none in that
    project."""
    found = await _sql.project_of(pool, uuid=server_id, project_id=project_id)
    return None if found is None else (found, server_id)
