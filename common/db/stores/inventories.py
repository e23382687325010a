"""Hosts and claims as the Placement API tells of them: providers, inventories, consumers.

Owns: nothing; it reads the ledger (stores/claims.py). May not: write. Crash story: reads only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool, Record
from common.db.stores.claims import Ratios
from common.domain.traits import traits_of

_sql = load("inventories")

Amounts = dict[str, int]
"""By resource class; classes of which there is nothing are left out."""

COLUMNS = {"VCPU": "vcpus", "MEMORY_MB": "memory_mib", "DISK_GB": "disk_gib"}
"""Resource class to the columns of hosts and claims."""


@dataclass(frozen=True)
class Inventory:
    total: int
    reserved: int
    allocation_ratio: float
    used: int

    @property
    def capacity(self) -> int:
        return int((self.total - self.reserved) * self.allocation_ratio)

    def fits(self, amount: int) -> bool:
        """As claims see it: one consumer may have at most all there is."""
        usable = (self.total - self.reserved) * self.allocation_ratio
        return amount <= self.total and self.used + amount <= usable


@dataclass(frozen=True)
class Provider:
    uuid: UUID
    name: str
    generation: int
    inventories: dict[str, Inventory]
    traits: frozenset[str]
    aggregates: list[UUID]
    changed_at: dt.datetime


@dataclass(frozen=True)
class Allocation:
    """What one consumer holds of one provider."""

    provider: UUID
    generation: int
    """Of the provider."""
    amounts: Amounts


@dataclass(frozen=True)
class Consumer:
    project_id: str
    user_id: str
    generation: int
    allocations: list[Allocation]


def _amounts(row: Mapping[str, int]) -> Amounts:
    return {name: row[column] for name, column in COLUMNS.items() if row[column]}


def _provider(row: Record, ratios: Ratios) -> Provider:
    by_class = {"VCPU": ratios.cpu, "MEMORY_MB": ratios.ram, "DISK_GB": ratios.disk}
    return Provider(
        uuid=row["uuid"],
        name=row["name"],
        generation=row["generation"],
        inventories={
            name: Inventory(
                row[column], row[f"reserved_{column}"], by_class[name], row[f"{column}_used"]
            )
            for name, column in COLUMNS.items()
            if row[column]
        },
        traits=traits_of(row["arch"], disabled=row["disabled"]),
        aggregates=row["aggregates"],
        changed_at=row["changed_at"],
    )


async def providers(
    pool: Pool,
    ratios: Ratios,
    *,
    uuid: UUID | None = None,
    aggregates: Sequence[UUID] | None = None,
) -> list[Provider]:
    """In order of registration; those in any of `aggregates`."""
    wanted = None if aggregates is None else list(aggregates)
    rows = _sql.providers(pool, uuid=uuid, aggregates=wanted)
    return [_provider(row, ratios) async for row in rows]


async def consumers_of(pool: Pool, provider: UUID) -> dict[UUID, Amounts]:
    rows = _sql.claims_on(pool, host_uuid=provider)
    return {row["consumer"]: _amounts(row) async for row in rows}


async def consumer(pool: Pool, server_uuid: UUID) -> Consumer | None:
    """A server that moves holds something of two hosts. None: it holds nothing."""
    rows = [row async for row in _sql.claims_of(pool, server_uuid=server_uuid)]
    for first in rows:
        return Consumer(
            first["project_id"],
            first["user_id"],
            first["consumer_generation"],
            [Allocation(row["provider"], row["generation"], _amounts(row)) for row in rows],
        )
    return None


async def used_by(pool: Pool, project_id: str, user_id: str | None) -> tuple[int, Amounts]:
    """How many consumers, and what they hold."""
    row = await _sql.claims_of_project(pool, project_id=project_id, user_id=user_id)
    return row["consumers"], _amounts(row)
