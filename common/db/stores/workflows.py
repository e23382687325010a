"""Workflow rows and their leases.

Owns: who may run a workflow: columns lease_*, wake_at of `workflows`.
May not: write progress or effects; that is the one statement of stores/commit.py.
Crash story: each function is one statement. A lease that is not renewed runs out, and whoever takes
the row next raises its epoch, so that the old holder writes nothing any more.

A request inserts a workflow reserved for whoever is woken for it: until the reservation ends the
sweep leaves it alone. Who is woken runs it without a lease (`read_fresh`) until the first commit.
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
    """A row of table workflows that is being run."""

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
    leased: bool
    remaining_s: float
    """Until its deadline, by the database's clock at the time it was read."""

    @classmethod
    def from_row(cls, row: Record) -> Workflow:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Leased:
    """A workflow to run, and its server (deleted ones included; None: there is none)."""

    workflow: Workflow
    server: Server | None

    @classmethod
    def from_row(cls, row: Record) -> Leased:
        server = Server.from_row(row) if row["uuid"] is not None else None
        return cls(Workflow.from_row(row), server)


async def read_fresh(pool: Pool, workflow_id: int) -> Leased | None:
    """A workflow that nobody has begun, not leased; None when it was begun, waits for another of
    its server, or has ended."""
    row = await _sql.read_fresh(pool, id=workflow_id)
    return Leased.from_row(row) if row else None


async def take(pool: Pool, workflow: Workflow, owner: str, lease_s: float) -> bool:
    """Lease what `read_fresh` has returned; False when somebody else has or it has ended."""
    epoch = await _sql.take(
        pool, id=workflow.id, owner=owner, lease_epoch=workflow.lease_epoch, lease_s=lease_s
    )
    if epoch is None:
        return False
    workflow.lease_epoch, workflow.leased = epoch, True
    return True


async def lease(pool: Pool, workflow_id: int, owner: str, lease_s: float) -> Leased | None:
    """Take the workflow; None when it is held, waits, is not the oldest of its server, or ended."""
    row = await _sql.lease(pool, id=workflow_id, owner=owner, lease_s=lease_s)
    return Leased.from_row(row) if row else None


async def lease_next(pool: Pool, server_uuid: UUID, owner: str, lease_s: float) -> Leased | None:
    """Take what waits on this server, also what is reserved for who is being woken."""
    row = await _sql.lease_next(pool, server_uuid=server_uuid, owner=owner, lease_s=lease_s)
    return Leased.from_row(row) if row else None


async def sweep(pool: Pool, owner: str, lease_s: float, most: int) -> list[Leased]:
    """Take up to `most` workflows nobody holds."""
    rows = _sql.sweep(pool, owner=owner, lease_s=lease_s, most=most)
    return [Leased.from_row(row) async for row in rows]


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
    """Give them back at once, for a conductor that stops."""
    await _sql.release(pool, owner=owner, ids=list(ids))


async def park(pool: Pool, workflow: Workflow, wait_s: float) -> None:
    """Give it back and let nobody take it for `wait_s` seconds."""
    await _sql.park(pool, id=workflow.id, lease_epoch=workflow.lease_epoch, wait_s=wait_s)
