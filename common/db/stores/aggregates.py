"""Aggregates of hosts, and the zone that a host has from them.

Owns: tables `aggregates` and `aggregate_hosts`, and the zone in `compute_nodes`: that of the host's
aggregates, of which those that have one have the same. Constraints keep it so.
May not: move servers; a host on which there are any stays in its zone.
Crash story: every change is one transaction. It holds the hosts concerned, so that no claim is made
there under the zone they leave.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from common.db.loader import load
from common.db.pool import Pool, PoolConnection, Record
from common.errors import Conflict, InvalidInput, MusterError, NotFound

_sql = load("aggregates")

ZONE = "availability_zone"
"""The key under which operators see and set an aggregate's zone among its metadata."""


@dataclass(frozen=True)
class Aggregate:
    id: int
    uuid: UUID
    name: str
    availability_zone: str | None
    metadata: dict[str, str]
    """With the zone."""
    hosts: list[str]
    created_at: dt.datetime
    updated_at: dt.datetime | None


def _aggregate(row: Record) -> Aggregate:
    zone = row["availability_zone"] or None
    return Aggregate(
        id=row["id"],
        uuid=row["uuid"],
        name=row["name"],
        availability_zone=zone,
        metadata=row["metadata"] | ({ZONE: zone} if zone else {}),
        hosts=row["hosts"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _missing(aggregate_id: int) -> NotFound:
    return NotFound(f"Aggregate {aggregate_id} could not be found.")


async def find(pool: Pool) -> list[Aggregate]:
    """In the order in which they were created."""
    return [_aggregate(row) async for row in _sql.aggregates(pool, id=None)]


async def get(pool: Pool, aggregate_id: int) -> Aggregate:
    """Raises `NotFound`."""
    async for row in _sql.aggregates(pool, id=aggregate_id):
        return _aggregate(row)
    raise _missing(aggregate_id)


async def create(pool: Pool, uuid: UUID, name: str, zone: str | None) -> Aggregate:
    """Without hosts; raises `Conflict` for a name that is taken."""
    try:
        created: int = await _sql.create_aggregate(pool, uuid=uuid, name=name, zone=zone or "")
    except asyncpg.UniqueViolationError as error:
        raise Conflict(f"Aggregate {name} already exists.") from error
    return await get(pool, created)


async def delete(pool: Pool, aggregate_id: int) -> None:
    """Raises `InvalidInput` while it has hosts."""
    try:
        if await _sql.delete_aggregate(pool, id=aggregate_id) is None:
            raise _missing(aggregate_id)
    except asyncpg.ForeignKeyViolationError as error:
        raise InvalidInput(
            f"Cannot delete aggregate {aggregate_id}. Reason: Host aggregate is not empty."
        ) from error


async def update(
    pool: Pool,
    aggregate_id: int,
    *,
    name: str | None = None,
    zone: str | None = None,
    metadata: dict[str, str | None] | None = None,
    default_zone: str,
) -> Aggregate:
    """Change what is given; metadata of None is removed. Raises `Conflict` for a name that is taken
    and `InvalidInput` for a zone that its hosts cannot have."""
    items = metadata or {}
    async with _changing(pool, aggregate_id) as (connection, before):
        if zone is not None and zone != before[ZONE]:
            hosts = [row["host"] async for row in _sql.hosts_in(connection, id=aggregate_id)]
            now = await _lock(connection, hosts)
            problem = await _cannot_be_in(connection, aggregate_id, now, zone, default_zone)
            if problem:
                raise InvalidInput(f"Cannot update aggregate {aggregate_id}. Reason: {problem}")
        try:
            await _sql.update_aggregate(
                connection,
                id=aggregate_id,
                name=before["name"] if name is None else name,
                zone=before[ZONE] if zone is None else zone,
                removed=list(items),
                added={key: value for key, value in items.items() if value is not None},
            )
        except asyncpg.UniqueViolationError as error:
            raise Conflict(f"Aggregate {name} already exists.") from error
        if zone is not None and zone != before[ZONE]:
            await _sql.set_zones(connection, hosts=hosts)
    return await get(pool, aggregate_id)


async def add_host(pool: Pool, aggregate_id: int, host: str, *, default_zone: str) -> Aggregate:
    """Raises `NotFound` for a host that is not known; `Conflict` when it is in there already, has
    another zone, or has servers that would be in another zone."""
    async with _changing(pool, aggregate_id) as (connection, aggregate):
        now = await _lock(connection, [host])
        if not now:
            raise NotFound(f"Compute host {host} could not be found.")
        if zone := aggregate[ZONE]:
            problem = await _cannot_be_in(connection, aggregate_id, now, zone, default_zone)
            if problem:
                raise Conflict(f"Cannot add host to aggregate {aggregate_id}. Reason: {problem}")
        try:
            await _sql.add_host(connection, id=aggregate_id, host=host)
        except asyncpg.UniqueViolationError as error:
            raise Conflict(f"Aggregate {aggregate_id} already has host {host}.") from error
        await _sql.set_zones(connection, hosts=[host])
        await _sql.touch_aggregate(connection, id=aggregate_id)
    return await get(pool, aggregate_id)


async def remove_host(pool: Pool, aggregate_id: int, host: str, *, default_zone: str) -> Aggregate:
    """Raises `NotFound` for a host that is not in there, and `Conflict` when it has servers that
    would be in another zone."""
    async with _changing(pool, aggregate_id) as (connection, aggregate):
        await _lock(connection, [host])
        if await _sql.remove_host(connection, id=aggregate_id, host=host) is None:
            raise NotFound(f"Aggregate {aggregate_id} has no host {host}.")
        zone = aggregate[ZONE]
        left = [row["zone"] async for row in _sql.zones_of(connection, hosts=[host], but=0)]
        if zone and not left and zone != default_zone:
            await _refuse_servers(
                connection,
                [host],
                Conflict(
                    f"Cannot remove host from aggregate {aggregate_id}. Reason: {_HAS_SERVERS}"
                ),
            )
        await _sql.set_zones(connection, hosts=[host])
        await _sql.touch_aggregate(connection, id=aggregate_id)
    return await get(pool, aggregate_id)


async def zone_of(pool: Pool, host: str, default_zone: str) -> str | None:
    """The zone of a host; None: there is no such host."""
    zone: str | None = await _sql.zone_of(pool, host=host, default_zone=default_zone)
    return zone


async def zone_has_hosts(pool: Pool, zone: str, default_zone: str) -> bool:
    """Whether any host in it takes servers."""
    return bool(await _sql.zone_has_hosts(pool, zone=zone, default_zone=default_zone))


_HAS_SERVERS = "One or more hosts contain servers, which would be in another availability zone."


@asynccontextmanager
async def _changing(pool: Pool, aggregate_id: int) -> AsyncIterator[tuple[PoolConnection, Record]]:
    """The aggregate's row, locked until the transaction ends."""
    try:
        async with pool.acquire() as connection, connection.transaction():
            row = await _sql.lock_aggregate(connection, id=aggregate_id)
            if row is None:
                raise _missing(aggregate_id)
            yield connection, row
    except asyncpg.ForeignKeyViolationError as error:
        # The constraint speaks last: somebody wrote past the locks above.
        raise Conflict(f"A host of aggregate {aggregate_id} has another zone.") from error


async def _lock(connection: PoolConnection, hosts: Sequence[str]) -> dict[str, str | None]:
    """The hosts that exist, held, with their zones."""
    rows = _sql.lock_hosts(connection, hosts=list(hosts))
    return {row["host"]: row["availability_zone"] async for row in rows}


async def _cannot_be_in(
    connection: PoolConnection,
    aggregate_id: int,
    hosts: dict[str, str | None],
    zone: str,
    default_zone: str,
) -> str | None:
    """Why these hosts, locked and with the zones they have, cannot be in `zone`; None: they can."""
    rows = _sql.zones_of(connection, hosts=list(hosts), but=aggregate_id)
    if others := [row["zone"] async for row in rows if row["zone"] != zone]:
        return f"One or more hosts already in availability zone(s) {', '.join(others)}."
    moved = [host for host, now in hosts.items() if (now or default_zone) != zone]
    return _HAS_SERVERS if await _sql.occupied(connection, hosts=moved) else None


async def _refuse_servers(
    connection: PoolConnection, hosts: list[str], refusal: MusterError
) -> None:
    if await _sql.occupied(connection, hosts=hosts):
        raise refusal
