"""What workflows could not clean up, until it is done.

Owns: table `leftovers` (a commit or `add` inserts, the reconciler works off).
May not: clean up anything. Crash story: each function is one statement; a row that was worked off
and not deleted is worked off again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool, Record
from common.db.stores.commit import Leftover

if TYPE_CHECKING:
    from common.db.stores.quotas import Executor

_sql = load("leftovers")


@dataclass(frozen=True)
class Row:
    """One of them, as found."""

    id: int
    server_uuid: UUID
    kind: str
    detail: dict[str, Any]
    reason: str
    attempts: int
    created_at: dt.datetime
    due_at: dt.datetime
    """When it is tried next."""

    @classmethod
    def from_row(cls, row: Record) -> Row:
        return cls(**{field.name: row[field.name] for field in fields(cls)})


async def add(pool: Pool, server_uuid: UUID, request_id: str, found: Sequence[Leftover]) -> None:
    """Write down what a run that has lost its lease may have left."""
    for each in found:
        await _sql.add(
            pool,
            server_uuid=server_uuid,
            kind=each.kind,
            detail=each.detail,
            reason=each.reason,
            request_id=request_id,
        )


def _intent(volume_id: str, request_id: str) -> dict[str, Any]:
    return {"volume_id": volume_id, "request_id": request_id}


async def intend(
    pool: Pool, server_uuid: UUID, volume_id: str, request_id: str, *, due_s: float
) -> None:
    """Write down, before a request tells the volume service, that it is about to: should it die
    before the database knows what it has done, the row is left over, and worked off after `due_s`.
    End it with `redeem` or `intended`."""
    await _sql.intend(
        pool,
        server_uuid=server_uuid,
        detail=_intent(volume_id, request_id),
        reason="a request has begun to change who is attached to the volume, and did not end",
        request_id=request_id,
        due_s=due_s,
    )


async def redeem(db: Executor, server_uuid: UUID, volume_id: str, request_id: str) -> bool:
    """For the transaction that writes down what the request has done. False: it is too late, what
    it had reserved is being given back."""
    redeemed = await _sql.redeem(db, server_uuid=server_uuid, detail=_intent(volume_id, request_id))
    return bool(redeemed)


async def intended(pool: Pool, server_uuid: UUID, volume_id: str, request_id: str) -> None:
    """The request has ended: the database knows what it has done, or it has undone it."""
    await _sql.intended(pool, server_uuid=server_uuid, detail=_intent(volume_id, request_id))


async def add_new(pool: Pool, server_uuid: UUID, found: Leftover) -> bool:
    """Write down what somebody has noticed; False: it is on record already."""
    added = await _sql.add_new(
        pool, server_uuid=server_uuid, kind=found.kind, detail=found.detail, reason=found.reason
    )
    return bool(added)


async def take_due(pool: Pool, most: int, retry_s: float) -> list[Row]:
    """Rows that are due and whose server is at rest, each for one taker; they are due again after
    `retry_s` times a factor that doubles with every attempt, at most an hour."""
    rows = _sql.take_due(pool, most=most, retry_s=retry_s)
    return [Row.from_row(row) async for row in rows]


async def at_rest(pool: Pool, server_uuid: UUID) -> bool:
    """Whether no workflow owns the server, or waits for it: one may have come since the row was
    taken, and what it makes is nobody's leftover."""
    return bool(await _sql.at_rest(pool, server_uuid=server_uuid))


async def listing(pool: Pool) -> list[Row]:
    """All of them, oldest first."""
    return [Row.from_row(row) async for row in _sql.listing(pool)]


async def done(pool: Pool, row_id: int) -> None:
    """It is cleaned up."""
    await _sql.done(pool, id=row_id)


async def failed(pool: Pool, row_id: int, reason: str) -> None:
    """It stays; `reason` is shown to people."""
    await _sql.failed(pool, id=row_id, reason=reason)


async def counts(pool: Pool) -> dict[str, int]:
    """How many there are of each kind."""
    return {row["kind"]: row["count"] async for row in _sql.counts(pool)}


async def guests_that_may_run(pool: Pool, server_uuid: UUID, *, except_host: str) -> list[str]:
    """Other hosts that were told to let a guest of the server execute, are not fenced and have not
    said that it is gone."""
    rows = _sql.guests_that_may_run(pool, server_uuid=server_uuid, except_host=except_host)
    return [row["host"] async for row in rows]
