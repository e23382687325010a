"""Workflow rows: leases, and the one statement that moves a workflow and its server on.

Owns: table `workflows` after its insertion, and every write a workflow makes to `servers`,
`instance_actions`, `instance_action_events` and `migrations`.
May not: decide anything; the engine and the workflows do.
Crash story: `commit` is one statement guarded by the lease epoch, so progress and its effects
happen together or not at all, and a conductor that has lost the lease writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool, Record
from common.domain.server import Server

_sql = load("workflows")


class Sql(str):
    """A column's new value as an SQL expression, e.g. `NOW`; never made from input."""

    __slots__ = ()


NOW = Sql("clock_timestamp()")


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


@dataclass
class Event:
    """An instance-action event to write with a commit. `result` None: it starts now."""

    name: str
    host: str | None = None
    result: str | None = None
    details: str | None = None
    started_ago_s: float = 0.0


@dataclass
class Changes:
    """What a commit writes beside the progress of the workflow itself."""

    server: dict[str, Any] = field(default_factory=dict)
    """Columns of `servers` by name."""
    insert_events: list[Event] = field(default_factory=list)
    finish_events: list[Event] = field(default_factory=list)
    """Events started by an earlier commit."""
    action_failed: bool = False
    action_finished: bool = False
    migration: dict[str, Any] = field(default_factory=dict)
    """Columns of the migration row named by `migration_uuid`."""
    migration_uuid: UUID | None = None
    built_on: str | None = None
    """A host that has just built a server: its failures are forgiven."""
    recheck_hosts: list[str] = field(default_factory=list)
    """Hosts to be told, once this is written, that the truth about a guest of theirs has changed.
    Told before, they would be given the old answer."""


class _Statement:
    """Collects parameters while common table expressions are put together."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.parameters: list[Any] = []

    def p(self, value: Any, cast: str = "") -> str:
        self.parameters.append(value)
        return f"${len(self.parameters)}{cast}"

    def assignments(self, columns: dict[str, Any]) -> str:
        return ", ".join(
            f"{name} = {value if isinstance(value, Sql) else self.p(value)}"
            for name, value in columns.items()
        )


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


async def commit(
    pool: Pool, workflow: Workflow, changes: Changes, *, ended: bool, even_if_cancelled: bool
) -> bool:
    """Write progress and effects in one statement; False when the lease is lost or, unless
    `even_if_cancelled`, when a cancel request has come in. Nothing is written then."""
    s = _Statement()
    guard = f"id = {s.p(workflow.id)} and lease_epoch = {s.p(workflow.lease_epoch)}"
    if not even_if_cancelled:
        guard += " and not cancel_requested"
    returning = "returning id, server_uuid, action_id"
    if ended:
        s.parts.append(f"wf as (delete from workflows where {guard} {returning})")
    else:
        progress = {
            "step": workflow.step,
            "attempt": workflow.attempt,
            "unwinding": workflow.unwinding,
            "state": workflow.state,
            "error": workflow.error,
        }
        s.parts.append(
            f"wf as (update workflows set {s.assignments(progress)} where {guard} {returning})"
        )
    if changes.server:
        s.parts.append(
            f"sv as (update servers set {s.assignments(changes.server)}, "
            "updated_at = clock_timestamp() from wf where servers.uuid = wf.server_uuid)"
        )
    if changes.migration and changes.migration_uuid:
        s.parts.append(
            f"mg as (update migrations set {s.assignments(changes.migration)}, "
            "updated_at = clock_timestamp() from wf "
            f"where migrations.uuid = {s.p(changes.migration_uuid)})"
        )
    if changes.built_on:
        s.parts.append(
            "cn as (update compute_nodes n set failed_builds = 0 from wf "
            f"where n.host = {s.p(changes.built_on)} and n.failed_builds <> 0)"
        )
    _add_events(s, changes)
    text = f"with {', '.join(s.parts)} select count(*) from wf"
    return bool(await pool.fetchval(text, *s.parameters))


def _add_events(s: _Statement, changes: Changes) -> None:
    for n, event in enumerate(changes.finish_events):
        s.parts.append(
            f"fe{n} as (update instance_action_events e set finish_time = clock_timestamp(), "
            f"result = {s.p(event.result)}, details = {s.p(event.details)} from wf "
            f"where e.action_id = wf.action_id and e.event = {s.p(event.name)} "
            "and e.finish_time is null)"
        )
    for n, event in enumerate(changes.insert_events):
        finish = "null::timestamptz" if event.result is None else "clock_timestamp()"
        s.parts.append(
            f"ie{n} as (insert into instance_action_events "
            "(action_id, event, host, start_time, finish_time, result, details) "
            f"select wf.action_id, {s.p(event.name, '::text')}, {s.p(event.host, '::text')}, "
            f"clock_timestamp() - make_interval(secs => {s.p(event.started_ago_s)}), {finish}, "
            f"{s.p(event.result, '::text')}, {s.p(event.details, '::text')} "
            "from wf where wf.action_id is not null)"
        )
    if not (changes.finish_events or changes.insert_events or changes.action_finished):
        return
    columns = ["updated_at = clock_timestamp()"]
    if changes.action_finished:
        columns.append("finish_time = clock_timestamp()")
    if changes.action_failed:
        columns.append("message = 'Error'")
    s.parts.append(
        f"ac as (update instance_actions a set {', '.join(columns)} from wf "
        "where a.id = wf.action_id)"
    )
