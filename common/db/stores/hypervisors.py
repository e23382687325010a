"""Compute nodes as operators see them.

Owns: nothing; it reads `compute_nodes` and `services`. May not: write.
Crash story: reads only.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool, Record
from common.errors import NotFound

_sql = load("hypervisors")


@dataclass(frozen=True)
class Hypervisor:
    """A compute node with its service's flags. Used amounts are those of servers; what the host
    reserves for itself stands beside them."""

    id: int
    uuid: UUID
    host: str
    hypervisor_hostname: str
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str
    cpu_info: dict[str, Any]
    booted_at: dt.datetime | None
    vcpus: int
    memory_mib: int
    disk_gib: int
    reserved_memory_mib: int
    reserved_disk_gib: int
    vcpus_used: int
    memory_mib_used: int
    disk_gib_used: int
    servers: int
    current_workload: int
    service_number: int
    service_uuid: UUID
    disabled: bool
    disabled_reason: str | None
    up: bool


@dataclass(frozen=True)
class Statistics:
    """Sums over all enabled nodes; used amounts include what hosts reserve."""

    count: int
    vcpus: int
    vcpus_used: int
    memory_mib: int
    memory_mib_used: int
    disk_gib: int
    disk_gib_used: int
    servers: int
    current_workload: int


def _hypervisor(row: Record) -> Hypervisor:
    return Hypervisor(**{name: row[name] for name in Hypervisor.__dataclass_fields__})


async def find(
    pool: Pool, *, after_id: int = 0, pattern: str | None = None, limit: int | None = None
) -> list[Hypervisor]:
    """In order of registration; `pattern` is a part of the hypervisor's host name."""
    rows = _sql.hypervisors(pool, after_id=after_id, pattern=pattern, count=limit)
    return [_hypervisor(row) async for row in rows]


async def get(pool: Pool, hypervisor_id: UUID | int) -> Hypervisor:
    """By UUID, or by the number older clients use; raises `NotFound`."""
    if isinstance(hypervisor_id, UUID):
        row = await _sql.hypervisor_by_uuid(pool, uuid=hypervisor_id)
    else:
        row = await _sql.hypervisor_by_id(pool, id=hypervisor_id)
    if row is None:
        raise NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")
    return _hypervisor(row)


async def get_by_host(pool: Pool, host: str) -> Hypervisor:
    """Raises `NotFound`."""
    row = await _sql.hypervisor_by_host(pool, host=host)
    if row is None:
        raise NotFound(f"Compute host {host} could not be found.")
    return _hypervisor(row)


async def used_by_projects(pool: Pool, host: str) -> dict[str, tuple[int, int, int]]:
    """vCPUs, MiB and GiB claimed by each project's servers there."""
    rows = _sql.used_by_projects(pool, host=host)
    return {
        row["project_id"]: (row["vcpus"], row["memory_mib"], row["disk_gib"]) async for row in rows
    }


async def statistics(pool: Pool) -> Statistics:
    row = await _sql.statistics(pool)
    return Statistics(**dict(row))


async def servers_on(pool: Pool, hosts: Sequence[str]) -> dict[str, list[tuple[UUID, str]]]:
    """Host to (uuid, name) of its servers; hosts without servers are left out."""
    found: dict[str, list[tuple[UUID, str]]] = defaultdict(list)
    async for row in _sql.servers_on(pool, hosts=list(hosts)):
        found[row["host"]].append((row["uuid"], row["name"]))
    return dict(found)
