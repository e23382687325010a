"""How everything that is done to a server begins.

Owns: the start of an action: compare-and-set of the task_state, the instance action, the workflow
and, for moves, the migration; deletes and state resets, which overtake; locks.
May not: decide whether a request is allowed, beyond the states it is given.
Crash story: every function is one statement or one transaction: an action and its workflow exist
together or not at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from common.db.loader import load
from common.db.pool import Pool
from common.db.stores import block_devices, leftovers, quotas
from common.db.stores.quotas import UNLIMITED, Caps
from common.db.stores.servers import UPDATABLE, over_quota, texts
from common.domain.actions import Action
from common.domain.block_devices import BlockDevice
from common.domain.states import TaskState, VmState
from common.errors import Conflict, InvalidInput, OverQuota

if TYPE_CHECKING:
    from common.db.stores.quotas import Executor, InTransaction

_sql = load("server_actions")

_WITH_ACTION = UPDATABLE | {
    "availability_zone",
    "image_ref",
    "image_properties",
    "kernel_id",
    "ramdisk_id",
    "metadata",
    "key_name",
    "key_data",
    "user_data",
    "trusted_certs",
}
"""What a request may change of the server together with the beginning of an action."""


@dataclass(frozen=True)
class Requester:
    """Who asks, as it is written to the instance action; None: nobody, it is due by itself."""

    request_id: str
    user_id: str | None
    project_id: str | None


@dataclass(frozen=True)
class MigrationStart:
    """The migration row an action opens, in status "accepted"."""

    uuid: UUID
    migration_type: str
    dest_compute: str | None = None
    new_flavorid: str | None = None
    """The flavor it goes to, as users call it; None: the one it has."""


async def begin_action(
    db: Executor,
    uuid: UUID,
    action: Action,
    *,
    state: dict[str, Any],
    requester: Requester,
    deadline_s: float,
    reserve_s: float = 0.0,
    migration: MigrationStart | None = None,
    columns: dict[str, Any] | None = None,
) -> int | None:
    """Set the task_state, record the action, insert the workflow with `state`, in one statement.

    `columns` are written to the server with it. For `reserve_s` only who is woken takes the
    workflow; give it when a wake-up follows. An action that settles a resize takes the migration
    `state["migration_uuid"]` with it, so that of confirm and revert only one begins.
    Returns the workflow's id; None when the server is not (or no longer) in a state the action is
    allowed in, and nothing was written.
    """
    if action.settles is not None:
        return await _begin_settling(
            db,
            uuid,
            action,
            state=state,
            requester=requester,
            deadline_s=deadline_s,
            reserve_s=reserve_s,
        )
    return await _begin(
        db,
        uuid,
        action,
        state=state,
        requester=requester,
        deadline_s=deadline_s,
        reserve_s=reserve_s,
        migration=migration,
        columns=columns or {},
    )


_BEGIN = """
with sv as (
    update servers
       set task_state = coalesce($2, task_state), updated_at = clock_timestamp(){assignments}
     where uuid = $1 and deleted_at is null and vm_state = any($3::text[])
       and ($4::text[] is null or coalesce(task_state, '') = any($4::text[]))
    returning uuid, host, node, generation, flavorid
), ac as (
    insert into instance_actions (server_uuid, action, request_id, user_id, project_id)
    select uuid, $5, $6, $7, $8 from sv
    returning id, server_uuid
), mg as (
    insert into migrations (uuid, server_uuid, migration_type, status, source_compute, source_node,
                            source_generation, dest_compute, user_id, project_id, old_flavor_id,
                            new_flavor_id)
    select $9, sv.uuid, $10, 'accepted', sv.host, sv.node, sv.generation, $11, $7, $8,
           (select id from flavors where flavorid = sv.flavorid),
           (select id from flavors where flavorid = coalesce($12, sv.flavorid))
      from sv where $9::uuid is not null
)
insert into workflows (kind, server_uuid, request_id, action_id, state, deadline_at,
                       lease_expires_at)
select $13, server_uuid, $6, id, $14, now() + make_interval(secs => $15),
       now() + make_interval(secs => $16)
  from ac
returning id
"""
"""Compare and set: only if the server still is in an allowed state does it get the task_state, the
action, the migration and the workflow. In task_states '' stands for none; null allows all."""


async def _begin(
    db: Executor,
    uuid: UUID,
    action: Action,
    *,
    state: dict[str, Any],
    requester: Requester,
    deadline_s: float,
    reserve_s: float,
    migration: MigrationStart | None = None,
    columns: dict[str, Any],
) -> int | None:
    parameters: list[Any] = [
        uuid,
        action.starts,
        texts(action.vm_states),
        None if action.task_states is None else texts(action.task_states),
        action.records,
        requester.request_id,
        requester.user_id,
        requester.project_id,
        *(
            (migration.uuid, migration.migration_type, migration.dest_compute)
            if migration
            else (None, None, None)
        ),
        migration.new_flavorid if migration else None,
        action.workflow,
        state,
        deadline_s,
        reserve_s,
    ]
    unknown = columns.keys() - _WITH_ACTION
    assert not unknown, f"not an action's to change: {unknown}"
    more = "".join(f", {name} = ${len(parameters) + n}" for n, name in enumerate(columns, 1))
    workflow_id: int | None = await db.fetchval(
        _BEGIN.format(assignments=more), *parameters, *columns.values()
    )
    return workflow_id


@asynccontextmanager
async def _transaction(db: Executor) -> AsyncIterator[InTransaction]:
    if isinstance(db, asyncpg.Pool):
        async with db.acquire() as connection, connection.transaction():
            yield connection
    else:
        async with db.transaction():
            yield db


class _SettledBefore(Exception):
    """Somebody else has begun to confirm or to revert it; roll back."""


async def _begin_settling(
    db: Executor,
    uuid: UUID,
    action: Action,
    *,
    state: dict[str, Any],
    requester: Requester,
    deadline_s: float,
    reserve_s: float,
) -> int | None:
    """Server first, then migration: the order in which workflows lock them."""
    migration_uuid = UUID(state["migration_uuid"])
    try:
        async with _transaction(db) as connection:
            workflow_id = await _begin(
                connection,
                uuid,
                action,
                state=state,
                requester=requester,
                deadline_s=deadline_s,
                reserve_s=reserve_s,
                columns={},
            )
            if workflow_id is not None and not await _sql.settle_migration(
                connection, uuid=migration_uuid, status=action.settles
            ):
                raise _SettledBefore
    except _SettledBefore:
        return None
    return workflow_id


async def begin_within_quota(
    pool: Pool,
    uuid: UUID,
    action: Action,
    *,
    project_id: str,
    user_id: str,
    limits: Caps,
    adds: dict[str, int],
    **rest: Any,
) -> int | None:
    """`begin_action` for one that makes the server of that user count for more: by `adds`
    instances, cores and MiB of ram. Raises `OverQuota`."""
    async with pool.acquire() as connection, connection.transaction():
        if any(more > 0 and limits[name] != UNLIMITED for name, more in adds.items()):
            await quotas.lock(connection, project_id)
            if reason := await over_quota(connection, project_id, user_id, limits, adds):
                raise OverQuota(reason)
        return await begin_action(connection, uuid, action, **rest)


async def begin_with_disk(
    pool: Pool,
    uuid: UUID,
    action: Action,
    *,
    disk: Callable[[Sequence[BlockDevice]], BlockDevice],
    **rest: Any,
) -> int | None:
    """`begin_action` for one that gives the server a disk, whose volume its request has reserved.
    `disk` says which, or refuses, by the disks that the server has by then: its row is locked, so
    requests that come at once see each other's. Raises `InvalidInput` when the server has the
    volume already, `Conflict` when the request was given up, and the volume with it."""
    async with pool.acquire() as connection, connection.transaction():
        workflow_id = await begin_action(connection, uuid, action, **rest)
        if workflow_id is None:
            return None
        new = disk(await block_devices.of_server(connection, uuid))
        volume_id = new.volume_id or ""
        if not await block_devices.add(connection, uuid, new):
            raise InvalidInput(f"Invalid volume: volume {volume_id} already attached")
        if not await leftovers.redeem(connection, uuid, volume_id, rest["requester"].request_id):
            raise Conflict(f"The request to attach volume {volume_id} has taken too long.")
    return workflow_id


async def begin_delete(
    pool: Pool,
    uuid: UUID,
    *,
    requester: Requester,
    deadline_s: float,
    reserve_s: float = 0.0,
    soft: bool = False,
) -> tuple[bool, int | None]:
    """Whatever runs on the server gives way to its deletion; a soft one gives way to a real one.

    Returns (the server existed, id of the new workflow). No id: a delete is under way already, or
    the server is softly deleted as it was asked to be.
    """
    yields_to = ["delete", "soft_delete"] if soft else ["delete"]
    while True:  # as often as the server changes while it waits for its row
        row = await _sql.begin_delete(
            pool,
            uuid=uuid,
            kind=yields_to[-1],
            yields_to=yields_to,
            task_state=TaskState.SOFT_DELETING if soft else TaskState.DELETING,
            unless_vm_state=VmState.SOFT_DELETED if soft else None,
            action="delete",
            request_id=requester.request_id,
            user_id=requester.user_id,
            project_id=requester.project_id,
            deadline_s=deadline_s,
            reserve_s=reserve_s,
        )
        if not row["again"]:
            return row["existed"], row["workflow_id"]


async def state_reset(pool: Pool, uuid: UUID, vm_state: str, *, requester: Requester) -> bool:
    """Force vm_state and clear task_state; whatever runs on the server gives way, so that it cannot
    write over that. False: there is no such server."""
    async with pool.acquire() as connection, connection.transaction():
        await _sql.overtake(connection, uuid=uuid, yields_to=["delete"])
        if await _sql.reset_state(connection, uuid=uuid, vm_state=vm_state) is None:
            return False
        await _record(connection, uuid, "resetState", requester, event=None)
    return True


async def lock_set(
    pool: Pool,
    uuid: UUID,
    *,
    locked_by: str | None,
    reason: str | None,
    requester: Requester,
) -> None:
    """Lock as "owner" or "admin", or unlock with None."""
    verb = "lock" if locked_by else "unlock"
    async with pool.acquire() as connection, connection.transaction():
        await _sql.set_lock(connection, uuid=uuid, locked_by=locked_by, reason=reason)
        await _record(connection, uuid, verb, requester, event=f"api_{verb}")


async def record_action(
    connection: Executor, uuid: UUID, action: Action, requester: Requester, *, event: str | None
) -> None:
    """An action that is over when its request is answered."""
    assert action.records is not None, action.key
    await _record(connection, uuid, action.records, requester, event=event)


async def _record(
    connection: Executor, uuid: UUID, action: str, requester: Requester, *, event: str | None
) -> None:
    await _sql.record_action(
        connection,
        uuid=uuid,
        action=action,
        request_id=requester.request_id,
        user_id=requester.user_id,
        project_id=requester.project_id,
        event=event,
    )
