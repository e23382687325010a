"""What servers show of their ports, and whose turn it is to look after it.

Owns: reads and the compare-and-set of `network_info` and `security_groups` outside of workflows,
and table `reconciler_turns`. Entries of network_info come and go with workflows only.
May not: ask the network service. Crash story: each function is one statement; a turn that was taken
and not ended is taken again with the same page.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool, Record

_sql = load("addresses")


@dataclass(frozen=True)
class Shown:
    """One server."""

    uuid: UUID
    host: str | None
    vm_state: str
    network_info: list[dict[str, Any]]
    security_groups: list[str]

    @classmethod
    def from_row(cls, row: Record) -> Shown:
        return cls(**dict(row))


@dataclass(frozen=True)
class Place:
    """Where a server is, and what is being done to it."""

    uuid: UUID
    host: str | None
    task_state: str | None


async def places(pool: Pool, uuids: Collection[UUID]) -> dict[UUID, Place]:
    """Those of them that exist."""
    return {row["uuid"]: Place(**dict(row)) async for row in _sql.places(pool, uuids=list(uuids))}


async def shown(pool: Pool, uuids: Sequence[UUID]) -> list[Shown]:
    """Those of them that exist."""
    return [Shown.from_row(row) async for row in _sql.shown(pool, uuids=list(uuids))]


async def page(pool: Pool, after: str | None, most: int) -> list[Shown]:
    return [Shown.from_row(row) async for row in _sql.page(pool, after=after, most=most)]


async def write(
    pool: Pool, before: Shown, network_info: list[dict[str, Any]], security_groups: list[str]
) -> bool:
    """False: the server shows something else by now."""
    written = await _sql.write(
        pool,
        uuid=before.uuid,
        shown=before.network_info,
        network_info=network_info,
        security_groups=security_groups,
    )
    return bool(written)


async def take_turn(pool: Pool, name: str, every_s: float) -> tuple[bool, str | None]:
    """Whether the next page is the caller's, and what it comes after; None: it is the first."""
    row = await _sql.take_turn(pool, name=name, every_s=every_s)
    return (False, None) if row is None else (True, row["position"])


async def end_turn(pool: Pool, name: str, position: str | None) -> None:
    await _sql.end_turn(pool, name=name, position=position)
