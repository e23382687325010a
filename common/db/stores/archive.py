"""Moves deleted servers and their history out of the tables that are used all the time.

Owns: tables `archived_*`, and the end of rows in `servers`, `instance_actions`,
`instance_action_events` and `migrations`.
May not: touch a server that is not deleted, that somebody still works on, or whose host has yet to
be told that its guest is over.
Crash story: each batch is one statement: moved whole or not at all. A run that was cut short is
continued by the next; any number may run side by side, also beside a working cluster.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from common.db.loader import load
from common.domain.migrations import OVER

if TYPE_CHECKING:
    from common.db.stores.quotas import Executor

_sql = load("archive")

_SETTLED = sorted(OVER - {"done"})
"""An evacuation that is done waits for its source to come back and give up its guest."""


@dataclass(frozen=True)
class Moved:
    """Rows that one or more batches have moved."""

    servers: int = 0
    instance_actions: int = 0
    events: int = 0
    migrations: int = 0

    def __add__(self, other: Moved) -> Moved:
        each = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Moved)}
        return Moved(**each)


async def deleted_before(db: Executor, days: float) -> dt.datetime:
    """The moment so many days ago, by the database's clock."""
    moment: dt.datetime = await _sql.ago(db, seconds=days * 86_400)
    return moment


async def batches(
    db: Executor, before: dt.datetime, *, batch: int, most: int | None, keep: bool
) -> AsyncIterator[Moved]:
    """Move servers deleted before then, oldest first, at most `batch` at a time and `most` in all;
    yields what each batch has moved. Without `keep` the rows are not archived but gone."""
    left = most
    while left is None or left > 0:
        size = batch if left is None else min(batch, left)
        row = await _sql.move(db, before=before, most=size, keep=keep, settled=_SETTLED)
        moved = Moved(**dict(row))
        if not moved.servers:
            return
        left = None if left is None else left - moved.servers
        yield moved


async def remaining(db: Executor, before: dt.datetime) -> int:
    """Servers deleted before then that are still in the way."""
    count: int = await _sql.remaining(db, before=before)
    return count
