"""Flavors, their extra specs, and which projects may use the private ones.

Owns: tables `flavors` and `flavor_access`. May not: touch servers; a server keeps the flavor it was
booted with. Crash story: every function is one statement.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from common.db.loader import load
from common.db.patterns import bounded
from common.db.pool import Pool, PoolConnection, Record
from common.errors import Conflict, NotFound

_sql = load("flavors")


@dataclass(frozen=True)
class Flavor:
    """One row of `flavors`."""

    id: int
    flavorid: str
    """The id users see."""
    name: str
    description: str | None
    vcpus: int
    memory_mib: int
    root_gib: int
    ephemeral_gib: int
    swap_mib: int
    rxtx_factor: float
    is_public: bool
    disabled: bool
    created_at: dt.datetime
    updated_at: dt.datetime | None
    extra_specs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FlavorFilter:
    """Which flavors a list shows."""

    project_id: str
    everything: bool = False
    """Public and private ones of everybody."""
    private_only: bool = False
    min_ram_mib: int = 0
    min_disk_gib: int = 0
    name_pattern: str | None = None
    """A PostgreSQL regular expression."""


def _flavor(row: Record) -> Flavor:
    return Flavor(**dict(row))


def _missing(flavorid: str) -> NotFound:
    return NotFound(f"Flavor {flavorid} could not be found.")


async def find(pool: Pool, wanted: FlavorFilter) -> list[Flavor]:
    """All flavors that match, in no order; raises `InvalidInput` for a bad pattern."""
    if wanted.name_pattern is None:
        return await _find(pool, wanted)
    async with bounded(pool) as connection:
        return await _find(connection, wanted)


async def _find(connection: Pool | PoolConnection, wanted: FlavorFilter) -> list[Flavor]:
    rows = _sql.visible_flavors(
        connection,
        project_id=wanted.project_id,
        everything=wanted.everything,
        private_only=wanted.private_only,
        min_ram_mib=wanted.min_ram_mib,
        min_disk_gib=wanted.min_disk_gib,
        name_pattern=wanted.name_pattern,
    )
    return [_flavor(row) async for row in rows]


async def get(pool: Pool, flavorid: str, *, project_id: str, everything: bool) -> Flavor:
    """One flavor; raises `NotFound` also for a private one the project has no access to."""
    row = await _sql.flavor_by_flavorid(
        pool, flavorid=flavorid, project_id=project_id, everything=everything
    )
    if row is None:
        raise _missing(flavorid)
    return _flavor(row)


async def create(pool: Pool, flavorid: str, name: str, **values: Any) -> Flavor:
    """`values` are the remaining columns; raises `Conflict` for a taken id or name."""
    try:
        row = await _sql.create_flavor(pool, flavorid=flavorid, name=name, **values)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "flavors_name_key":
            raise Conflict(f"Flavor with name {name} already exists.") from error
        raise Conflict(f"Flavor with ID {flavorid} already exists.") from error
    return _flavor(row)


async def describe(pool: Pool, flavorid: str, description: str | None) -> Flavor:
    row = await _sql.describe_flavor(pool, flavorid=flavorid, description=description)
    if row is None:
        raise _missing(flavorid)
    return _flavor(row)


async def delete(pool: Pool, flavorid: str) -> None:
    if await _sql.delete_flavor(pool, flavorid=flavorid) is None:
        raise _missing(flavorid)


async def add_extra_specs(pool: Pool, flavorid: str, extra_specs: dict[str, str]) -> None:
    """Add or overwrite."""
    if await _sql.add_extra_specs(pool, flavorid=flavorid, extra_specs=extra_specs) is None:
        raise _missing(flavorid)


async def delete_extra_spec(pool: Pool, flavorid: str, key: str) -> None:
    if await _sql.delete_extra_spec(pool, flavorid=flavorid, key=key) is None:
        raise NotFound(f"Flavor {flavorid} has no extra specs with key {key}.")


async def projects(pool: Pool, flavor: Flavor) -> list[str]:
    """Projects with access to a private flavor."""
    return [row["project_id"] async for row in _sql.flavor_projects(pool, flavor_id=flavor.id)]


async def add_access(pool: Pool, flavor: Flavor, project_id: str) -> None:
    if await _sql.add_access(pool, flavor_id=flavor.id, project_id=project_id) is None:
        raise Conflict(
            f"Flavor access already exists for flavor {flavor.flavorid} "
            f"and project {project_id} combination."
        )


async def remove_access(pool: Pool, flavor: Flavor, project_id: str) -> None:
    if await _sql.remove_access(pool, flavor_id=flavor.id, project_id=project_id) is None:
        raise NotFound(f"Flavor access not found for {flavor.flavorid} / {project_id} combination.")
