"""What the scheduler reads to choose a host.

Owns: the reading of all hosts at once. May not: write; commits do (stores/commit.py).
Crash story: reads only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool
from common.db.stores.claims import Ratios

_sql = load("placement")


@dataclass
class HostColumns:
    """All hosts, one list per column, the same position is the same host; from `busy` on what is
    told by ids, or of servers.

    usable = (total - reserved) x ratio; alive = fresh heartbeats and not forced down.
    """

    ids: list[int]
    names: list[str]
    nodes: list[str]
    zones: list[str]
    enabled: list[bool]
    alive: list[bool]
    vcpus: list[int]
    memory_mib: list[int]
    disk_gib: list[int]
    usable_vcpus: list[float]
    usable_memory_mib: list[float]
    usable_disk_gib: list[float]
    vcpus_used: list[int]
    memory_mib_used: list[int]
    disk_gib_used: list[int]
    allocations: list[int]
    failed_builds: list[int]
    hypervisor_versions: list[int]
    busy: list[int]
    """Ids of hosts with operations of the kinds asked about, once for each operation."""
    aggregates: dict[str, dict[str, str]]
    """Metadata by id, the zone among them."""
    memberships: list[int]
    """Ids of aggregates, and beside each the id of one of its hosts:"""
    members: list[int]
    claimed: list[UUID]
    """Of the promised servers, those whose claim is counted here."""


@dataclass(frozen=True)
class HostFacts:
    host: str
    host_ip: str
    hypervisor_type: str
    hypervisor_version: int
    cpu_info: str
    """JSON, as is the next."""
    supported_instances: str


async def read_facts(pool: Pool) -> list[HostFacts]:
    return [HostFacts(*row.values()) async for row in _sql.facts(pool)]


async def read_hosts(
    pool: Pool,
    *,
    default_zone: str,
    ratios: Ratios,
    promised: Mapping[UUID, str],
    busy_kinds: Collection[str] = (),
) -> HostColumns:
    """Every registered host as of now. `promised`: hosts by server; `busy_kinds`: of workflows."""
    row = await _sql.hosts(
        pool,
        default_zone=default_zone,
        cpu_ratio=ratios.cpu,
        ram_ratio=ratios.ram,
        disk_ratio=ratios.disk,
        promised_servers=list(promised),
        promised_hosts=list(promised.values()),
        busy_kinds=list(busy_kinds),
    )
    return HostColumns(**{column.name: row[column.name] for column in fields(HostColumns)})


async def hosts_of(pool: Pool, server_uuids: Collection[UUID]) -> frozenset[str]:
    """Hosts that have, or are claimed for, any of these servers."""
    if not server_uuids:
        return frozenset()
    rows = _sql.hosts_of(pool, server_uuids=list(server_uuids))
    return frozenset([row["host"] async for row in rows])
