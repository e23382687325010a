"""What was done to a server, for those who look back.

Owns: reads of `instance_actions` and `instance_action_events`. The rows are written with what they
record: by stores/servers.py when an action begins, by stores/workflows.py while it goes on.
May not: decide who may see what. Crash story: reads only.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool, Record

_sql = load("instance_actions")


@dataclass(frozen=True)
class InstanceAction:
    id: int
    server_uuid: UUID
    action: str
    request_id: str
    user_id: str | None
    project_id: str | None
    start_time: dt.datetime
    changed_at: dt.datetime
    """When it, or one of its events, was last written."""
    message: str | None
    """"Error" once an event has failed."""


@dataclass(frozen=True)
class ActionEvent:
    event: str
    host: str | None
    start_time: dt.datetime
    finish_time: dt.datetime | None
    result: str | None
    """"Success" or "Error"; None while it runs."""
    details: str | None
    traceback: str | None


def _made(kind: Any, row: Record) -> Any:
    return kind(**{name: row[name] for name in kind.__dataclass_fields__})


async def actions_list(
    pool: Pool,
    server_uuid: UUID,
    *,
    since: dt.datetime | None = None,
    before: dt.datetime | None = None,
    after: InstanceAction | None = None,
    most: int,
) -> list[InstanceAction]:
    """Newest first, at most `most`; `after` is the last one of the page before."""
    rows = _sql.actions(
        pool,
        server_uuid=server_uuid,
        since=since,
        before=before,
        marker_id=after.id if after else None,
        most=most,
    )
    return [_made(InstanceAction, row) async for row in rows]


async def action_get(pool: Pool, server_uuid: UUID, request_id: str) -> InstanceAction | None:
    row = await _sql.action(pool, server_uuid=server_uuid, request_id=request_id)
    return _made(InstanceAction, row) if row else None


async def events_list(pool: Pool, action_id: int) -> list[ActionEvent]:
    """In the order they started."""
    return [_made(ActionEvent, row) async for row in _sql.events(pool, action_id=action_id)]


async def outcome(pool: Pool, server_uuid: UUID, request_id: str) -> dict[str, Any] | None:
    """What an action has ended with that answers its request; None: it goes on."""
    row = await _sql.outcome(pool, server_uuid=server_uuid, request_id=request_id)
    if row is None or not row["finished"]:
        return None
    return row["outcome"] or {"error": {"code": "bug", "message": "It has ended without a word."}}
