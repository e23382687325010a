"""Shares of a file service that servers have.

Owns: table `server_shares`. May not: know the file service.
Crash story: every function is one statement.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool, Record

_sql = load("server_shares")


@dataclass(frozen=True)
class ServerShare:
    uuid: UUID
    server_uuid: UUID
    share_id: UUID
    tag: str
    export_location: str
    status: str
    """attaching, inactive, active, detaching or error."""

    @classmethod
    def from_row(cls, row: Record) -> ServerShare:
        return cls(**{field.name: row[field.name] for field in fields(cls)})


async def find(pool: Pool, server_uuid: UUID) -> list[ServerShare]:
    """Oldest first."""
    return [ServerShare.from_row(r) async for r in _sql.shares_of(pool, server_uuid=server_uuid)]


async def get(pool: Pool, server_uuid: UUID, share_id: UUID) -> ServerShare | None:
    row = await _sql.share(pool, server_uuid=server_uuid, share_id=share_id)
    return None if row is None else ServerShare.from_row(row)


async def delete(pool: Pool, server_uuid: UUID, share_id: UUID) -> bool:
    """False: there was none."""
    gone = await _sql.delete_share(pool, server_uuid=server_uuid, share_id=share_id)
    return gone is not None
