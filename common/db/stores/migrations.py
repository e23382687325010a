"""Migration rows as workflows and operators share them while a move is going on, and after.

Owns: `details` of a migration (progress, what is asked for), and reading migrations. The other
columns are written with the steps of workflows (stores/workflows.py).
Crash story: single statements.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool, Record
from common.domain.migrations import OVER

if TYPE_CHECKING:
    from common.db.stores.quotas import Executor

_sql = load("migrations")

AskedFor = Literal["abort", "force_complete"]


@dataclass(frozen=True)
class Unsettled:
    """A resize that is neither confirmed nor reverted, or on its way to it."""

    uuid: UUID
    status: str
    """"finished" until it is asked to be settled."""
    source: str
    source_node: str | None
    source_generation: int


@dataclass(frozen=True)
class Migration:
    """One row of `migrations`."""

    id: int
    uuid: UUID
    server_uuid: UUID
    migration_type: str
    status: str
    source_compute: str | None
    source_node: str | None
    dest_compute: str | None
    dest_node: str | None
    dest_ip: str | None
    """Address of the destination."""
    old_flavor_id: int | None
    new_flavor_id: int | None
    user_id: str | None
    project_id: str | None
    details: dict[str, Any]
    created_at: dt.datetime
    updated_at: dt.datetime | None

    @classmethod
    def from_row(cls, row: Record) -> Migration:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Criteria:
    """Which migrations a list shows, newest first; None allows everything."""

    most: int
    hidden: bool = False
    host: str | None = None
    """Source or destination."""
    server_uuid: UUID | None = None
    migration_type: str | None = None
    source_compute: str | None = None
    status: str | None = None
    user_id: str | None = None
    project_id: str | None = None
    changed_since: dt.datetime | None = None
    changed_before: dt.datetime | None = None
    after_created_at: dt.datetime | None = None
    after_id: int | None = None
    """Both of the last migration of the page before."""


async def find(pool: Pool, criteria: Criteria) -> list[Migration]:
    return [Migration.from_row(row) async for row in _sql.find(pool, **asdict(criteria))]


async def position(
    pool: Pool, uuid: UUID, project_id: str | None
) -> tuple[dt.datetime, int] | None:
    """Where in the list a migration is; None: there is no such one (in the project)."""
    row = await _sql.marker(pool, uuid=uuid, project_id=project_id)
    return (row["created_at"], row["id"]) if row else None


async def of_server(pool: Pool, server_uuid: UUID, number: int) -> Migration | None:
    """A migration by the number users see, if it is one of this server."""
    row = await _sql.migration_of_server(pool, id=number, server_uuid=server_uuid)
    return Migration.from_row(row) if row else None


async def live_in_progress(pool: Pool, server_uuid: UUID) -> list[Migration]:
    rows = _sql.live_migrations_of(pool, server_uuid=server_uuid, over=sorted(OVER))
    return [Migration.from_row(row) async for row in rows]


async def progress_record(pool: Pool, uuid: UUID, progress: dict[str, Any]) -> set[str]:
    """Write how far a live migration is (`memory_total_bytes`, `memory_processed_bytes`), also as
    the server's percentage; returns what operators have asked for."""
    asked: list[str] | None = await _sql.record_progress(pool, uuid=uuid, progress=progress)
    if total := progress.get("memory_total_bytes"):
        percent = min(99, 100 * progress.get("memory_processed_bytes", 0) // total)
        await _sql.progress_of_server(pool, uuid=uuid, percent=percent)
    return set(asked or ())


async def ask_for(db: Executor, uuid: UUID, what: AskedFor) -> None:
    """An operator's wish; the workflow passes it on to the source host."""
    await _sql.ask_for(db, uuid=uuid, what=what)


async def unsettled(pool: Pool, server_uuid: UUID) -> list[Unsettled]:
    """Newest first; at most one for a sound server."""
    return [Unsettled(**dict(row)) async for row in _sql.unsettled(pool, server_uuid=server_uuid)]
