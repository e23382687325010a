"""Workflow rows and their leases.

Owns: who runs a workflow; its progress is written by stores/commit.py.
May not: decide anything; the engine and the workflows do.
Crash story: a lease that is not renewed runs out, and another conductor takes the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool, Record
from common.domain.server import Server

_sql = load("workflows")


@dataclass
class Workflow:
    """A leased row of table workflows."""

    id: int
    kind: str
    server_uuid: UUID
    request_id: str
    action_id: int | None
    state: dict[str, Any]
    step: int
    attempt: int
    unwinding: bool
    error: dict[str, Any] | None
    cancel_requested: bool
    lease_epoch: int
    remaining_s: float
    """Until its deadline, by the database's clock at the time of the lease."""

    @classmethod
    def from_row(cls, row: Record) -> Workflow:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


async def lease(pool: Pool, workflow_id: int, owner: str, lease_s: float) -> Workflow | None:
    """Take the workflow; None when it is held, waits, is not the oldest of its server, or ended."""
    row = await _sql.lease(pool, id=workflow_id, owner=owner, lease_s=lease_s)
    return Workflow.from_row(row) if row else None


async def lease_next(pool: Pool, server_uuid: UUID, owner: str, lease_s: float) -> Workflow | None:
    row = await _sql.lease_next(pool, server_uuid=server_uuid, owner=owner, lease_s=lease_s)
    return Workflow.from_row(row) if row else None


async def sweep(pool: Pool, owner: str, lease_s: float, most: int) -> list[Workflow]:
    """Take up to `most` workflows nobody holds."""
    return [
        Workflow.from_row(row)
        async for row in _sql.sweep(pool, owner=owner, lease_s=lease_s, most=most)
    ]


async def renew(
    pool: Pool, owner: str, ids: Sequence[int], lease_s: float
) -> tuple[set[int], set[int]]:
    """Keep leases; returns (ids still ours, those of them with a cancel request)."""
    ours, cancelled = set(), set()
    async for row in _sql.renew(pool, owner=owner, ids=list(ids), lease_s=lease_s):
        ours.add(row["id"])
        if row["cancel_requested"]:
            cancelled.add(row["id"])
    return ours, cancelled


async def release(pool: Pool, owner: str, ids: Sequence[int]) -> None:
    """Give leases back at once, for a conductor that stops."""
    await _sql.release(pool, owner=owner, ids=list(ids))


async def park(pool: Pool, workflow: Workflow, wait_s: float) -> None:
    """Give it back and let nobody take it for `wait_s` seconds."""
    await _sql.park(pool, id=workflow.id, lease_epoch=workflow.lease_epoch, wait_s=wait_s)


async def is_cancelled(pool: Pool, workflow: Workflow) -> bool | None:
    """Whether a delete has overtaken it; None when the lease is lost or the row is gone."""
    row = await _sql.reread(pool, id=workflow.id, lease_epoch=workflow.lease_epoch)
    return None if row is None else bool(row["cancel_requested"])


async def server_read(pool: Pool, uuid: UUID) -> Server | None:
    """The server a workflow works on, deleted ones included."""
    row = await _sql.server(pool, uuid=uuid)
    return Server.from_row(row) if row else None


async def failed_build_count(pool: Pool, host: str) -> None:
    """Make the scheduler prefer other hosts."""
    await _sql.count_failed_build(pool, host=host)
