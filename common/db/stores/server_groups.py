"""Groups of servers and their policies.

Owns: table `server_groups`. Members are not written down: they are the servers whose column
`server_group` names the group, from their creation to their end.
May not: keep a policy; claims do (stores/claims.py), under the lock of the group's row.
Crash story: every function is one statement or one transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool, Record
from common.db.stores import quotas
from common.db.stores.quotas import UNLIMITED, Caps
from common.errors import NotFound, OverQuota

_sql = load("server_groups")

_QUOTA = "server_groups"


@dataclass(frozen=True)
class ServerGroup:
    uuid: UUID
    project_id: str
    user_id: str
    name: str
    policy: str
    max_per_host: int | None
    """Of an anti-affinity group; None: it was not said, which is one."""
    members: list[UUID]
    created_at: dt.datetime


@dataclass(frozen=True)
class GroupPlacement:
    """Where the members of a group are; a move is in two places."""

    policy: str
    max_per_host: int
    places: frozenset[tuple[UUID, str]] = field(default_factory=frozenset)
    """(server, host)."""


def _group(row: Record) -> ServerGroup:
    return ServerGroup(**{name: row[name] for name in ServerGroup.__dataclass_fields__})


def _missing(uuid: UUID | str) -> NotFound:
    return NotFound(f"Instance group {uuid} could not be found.")


def _or_none(limit: int) -> int | None:
    return None if limit == UNLIMITED else limit


async def find(
    pool: Pool, project_id: str | None, *, limit: int | None = None, offset: int = 0
) -> list[ServerGroup]:
    """Oldest first; a project of None is all."""
    rows = _sql.groups(pool, project_id=project_id, uuid=None, count=limit, skip=offset)
    return [_group(row) async for row in rows]


async def get(pool: Pool, uuid: UUID) -> ServerGroup:
    """Raises `NotFound`."""
    async for row in _sql.groups(pool, project_id=None, uuid=uuid, count=1, skip=0):
        return _group(row)
    raise _missing(uuid)


async def create(
    pool: Pool,
    uuid: UUID,
    *,
    project_id: str,
    user_id: str,
    name: str,
    policy: str,
    max_per_host: int | None,
    caps: Caps,
) -> ServerGroup:
    """Raises `OverQuota` when the project, or the user in it, has as many as it may."""
    async with pool.acquire() as connection, connection.transaction():
        await quotas.lock(connection, project_id)
        created = await _sql.create_group(
            connection,
            uuid=uuid,
            project_id=project_id,
            user_id=user_id,
            name=name,
            policy=policy,
            max_per_host=max_per_host,
            project_most=_or_none(caps.project[_QUOTA]),
            user_most=_or_none(caps.user.get(_QUOTA, UNLIMITED)),
        )
    if created is None:
        raise OverQuota("Quota exceeded, too many server groups.")
    return await get(pool, uuid)


async def delete(pool: Pool, uuid: UUID) -> None:
    """Its members stay, in no group any more; raises `NotFound`."""
    async with pool.acquire() as connection, connection.transaction():
        await _sql.leave_group(connection, uuid=uuid)
        if await _sql.delete_group(connection, uuid=uuid) is None:
            raise _missing(uuid)


async def placement(pool: Pool, uuid: UUID) -> GroupPlacement | None:
    """Read anew each time: it is what the next claim of a member is judged by. None: it is gone."""
    rows: Collection[Record] = [row async for row in _sql.group_placement(pool, uuid=uuid)]
    for first in rows:
        places = frozenset((r["server_uuid"], r["host"]) for r in rows if r["host"] is not None)
        return GroupPlacement(first["policy"], first["max_per_host"], places)
    return None
