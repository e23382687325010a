"""What operators see of services and decide about them.

Owns: columns disabled, disabled_reason and forced_down of `services`, and the end of a row.
May not: touch what reports write (stores/services.py).
Crash story: every function is one statement or one transaction.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from common.db.loader import load
from common.db.pool import Pool, Record
from common.errors import Conflict, InvalidInput, NotFound

_sql = load("os_services")

COMPUTE = "nova-compute"


@dataclass(frozen=True)
class ServiceRecord:
    """One row of `services` with its liveness as of the query."""

    id: int
    uuid: UUID
    host: str
    binary_name: str
    disabled: bool
    disabled_reason: str | None
    forced_down: bool
    last_seen_up: dt.datetime | None
    fresh: bool
    """Its reports have not run out."""
    zone: str | None
    """Of a host, if it has one of its own."""

    @property
    def up(self) -> bool:
        return self.fresh and not self.forced_down


@dataclass(frozen=True)
class ServiceChange:
    """What to set; None leaves a flag as it is. A reason only counts while disabled."""

    disabled: bool | None = None
    disabled_reason: str | None = None
    forced_down: bool | None = None


def _record(row: Record) -> ServiceRecord:
    return ServiceRecord(**{name: row[name] for name in ServiceRecord.__dataclass_fields__})


async def find(
    pool: Pool, *, host: str | None = None, binary_name: str | None = None
) -> list[ServiceRecord]:
    """In order of registration."""
    rows = _sql.services(pool, host=host, binary_name=binary_name)
    return [_record(row) async for row in rows]


async def get(pool: Pool, service_id: UUID | int) -> ServiceRecord:
    """By UUID, or by the number older clients use; raises `NotFound`."""
    if isinstance(service_id, UUID):
        row = await _sql.service_by_uuid(pool, uuid=service_id)
    else:
        row = await _sql.service_by_id(pool, id=service_id)
    if row is None:
        raise NotFound(f"Service {service_id} could not be found.")
    return _record(row)


async def get_by_host(pool: Pool, host: str, binary_name: str) -> ServiceRecord:
    row = await _sql.service_by_host(pool, host=host, binary_name=binary_name)
    if row is None:
        raise NotFound(f"Could not find binary {binary_name} on host {host}.")
    return _record(row)


async def change(pool: Pool, service: ServiceRecord, wanted: ServiceChange) -> ServiceRecord:
    """Apply `wanted`; raises `InvalidInput` when a host is to come back too early."""
    async with pool.acquire() as connection, connection.transaction():
        row = await _sql.lock_service(connection, id=service.id)
        if row is None:
            raise NotFound(f"Service {service.uuid} could not be found.")
        now = _record(row)
        if (
            wanted.forced_down is False
            and now.forced_down
            and await _sql.has_uncleaned_evacuations(connection, host=now.host)
        ):
            raise InvalidInput(
                f"Service on host {now.host} cannot be forced up: servers were evacuated from it "
                "and it has not removed them yet. Start its compute service first."
            )
        disabled, reason = now.disabled, now.disabled_reason
        if wanted.disabled is not None:
            disabled = wanted.disabled
            reason = wanted.disabled_reason if disabled else None
        forced_down = now.forced_down if wanted.forced_down is None else wanted.forced_down
        row = await _sql.update_service(
            connection,
            id=now.id,
            disabled=disabled,
            disabled_reason=reason,
            forced_down=forced_down,
        )
    return _record(row)


async def delete(pool: Pool, service: ServiceRecord) -> None:
    """Remove a service and its host; raises `Conflict` while the host is in use."""
    try:
        async with pool.acquire() as connection, connection.transaction():
            if await _sql.lock_service(connection, id=service.id) is None:
                raise NotFound(f"Service {service.uuid} could not be found.")
            if service.binary_name == COMPUTE:
                await _refuse_in_use(connection, service.host)
            await _sql.delete_service(connection, id=service.id)
    except asyncpg.ForeignKeyViolationError as error:
        # A server was placed there at this very moment.
        raise Conflict(f"Host {service.host} is in use.") from error


async def _refuse_in_use(connection: asyncpg.pool.PoolConnectionProxy[Record], host: str) -> None:
    if await _sql.has_servers(connection, host=host):
        raise Conflict(
            "Unable to delete compute service that is hosting instances. "
            "Migrate or delete the instances first."
        )
    if await _sql.has_migrations(connection, host=host):
        raise Conflict(
            "Unable to delete compute service that has in-progress migrations. "
            "Complete the migrations first."
        )
