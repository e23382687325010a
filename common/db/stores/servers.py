"""Servers as requests see and change them.

Owns: rows of `servers` from their insertion, and everything requests write to them: the start of an
action (compare-and-set, with the instance action and the workflow in the same statement), locks,
metadata, tags, names. What workflows write is in stores/workflows.py.
May not: decide whether a request is allowed, beyond the states it is given.
Crash story: every function is one statement or one transaction: a server, its action and its
workflow exist together or not at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from common.db.loader import load
from common.db.pool import Pool, Record
from common.db.stores import quotas
from common.db.stores.quotas import UNLIMITED, Limits, Usage
from common.domain.actions import Action
from common.domain.host_status import HostStatus, Precedence, host_status
from common.domain.server import Server
from common.domain.states import TaskState, VmState
from common.errors import OverQuota

if TYPE_CHECKING:
    from common.db.stores.quotas import Executor, InTransaction

_sql = load("servers")


@dataclass(frozen=True, slots=True)
class PlacedServer:
    """A server with the facts about its host, read together. Never kept: the next request must
    see what operators and heartbeats have changed since."""

    server: Server
    has_service: bool
    """The server has a host and that host has a compute service record."""
    host_disabled: bool
    host_forced_down: bool
    host_fresh: bool

    @classmethod
    def from_row(cls, row: Record) -> PlacedServer:
        return cls(
            Server.from_row(row),
            row["has_service"],
            row["host_disabled"],
            row["host_forced_down"],
            row["host_fresh"],
        )

    @property
    def host_up(self) -> bool:
        return self.has_service and self.host_fresh and not self.host_forced_down

    def host_status(self, precedence: Precedence) -> HostStatus:
        return host_status(
            has_service=self.has_service,
            fresh=self.host_fresh,
            forced_down=self.host_forced_down,
            disabled=self.host_disabled,
            precedence=precedence,
        )


@dataclass(frozen=True)
class Requester:
    """Who asks, as it is written to the instance action."""

    request_id: str
    user_id: str
    project_id: str


@dataclass(frozen=True)
class MigrationStart:
    """The migration row an action opens, in status "accepted"."""

    uuid: UUID
    migration_type: str
    dest_compute: str | None = None
    new_flavorid: str | None = None
    """The flavor it goes to, as users call it; None: the one it has."""


@dataclass(frozen=True)
class CreateContext:
    """What a create request names, as the database knows it."""

    flavor: dict[str, Any] | None
    """Columns of `flavors`; None: unknown, or not for this project."""
    key_name: str | None
    public_key: str | None


@dataclass(frozen=True)
class NewServer:
    uuid: UUID
    name: str
    hostname: str


async def server_get(
    pool: Pool, uuid: UUID, *, include_deleted: bool = False
) -> PlacedServer | None:
    row = await _sql.server(pool, uuid=uuid, include_deleted=include_deleted)
    return PlacedServer.from_row(row) if row else None


async def create_context(
    pool: Pool,
    *,
    flavorid: str,
    key_name: str | None,
    project_id: str,
    user_id: str,
    is_admin: bool,
) -> CreateContext:
    row = await _sql.create_context(
        pool,
        flavorid=flavorid,
        key_name=key_name,
        project_id=project_id,
        user_id=user_id,
        is_admin=is_admin,
    )
    return CreateContext(**dict(row))


async def compute_node_find(
    pool: Pool, *, host: str | None, node: str | None
) -> tuple[str, str] | None:
    """(host, node) of the compute node that has the given names; None: there is none."""
    row = await _sql.compute_node(pool, host=host, node=node)
    return (row["host"], row["node"]) if row else None


async def servers_create(
    pool: Pool,
    candidates: Sequence[NewServer],
    *,
    wanted: int,
    at_least: int,
    common: dict[str, Any],
    workflow_state: dict[str, Any],
    request_id: str,
    limits: Limits,
    deadline_s: float,
) -> dict[UUID, int]:
    """Insert as many of `candidates` as the quota allows, with their actions and workflows.

    `common` has the columns that are the same for all. Returns workflow ids by server, in the order
    of the candidates; raises `OverQuota` when of the `wanted` servers fewer than `at_least` fit.
    """
    project_id = common["project_id"]
    async with pool.acquire() as connection, connection.transaction():
        if any(limits[name] != UNLIMITED for name in ("instances", "cores", "ram")):
            await quotas.lock(connection, project_id)
            used = await quotas.usage(connection, project_id)
            size = (common["vcpus"], common["memory_mib"])
            fits = how_many_fit(limits, used, wanted, *size)
            if fits < at_least:
                raise OverQuota(_over(limits, used, wanted, *size))
            candidates = candidates[:fits]
        rows = _sql.insert_servers(
            connection,
            uuids=[new.uuid for new in candidates],
            names=[new.name for new in candidates],
            hostnames=[new.hostname for new in candidates],
            common=common,
            request_id=request_id,
            workflow_state=workflow_state,
            deadline_s=deadline_s,
        )
        ids = {row["server_uuid"]: row["id"] async for row in rows}
    return {new.uuid: ids[new.uuid] for new in candidates}


def how_many_fit(limits: Limits, used: Usage, wanted: int, vcpus: int, memory_mib: int) -> int:
    """At most `wanted` servers of this size within the limits."""
    for limit, in_use, each in (
        (limits["instances"], used.instances, 1),
        (limits["cores"], used.cores, vcpus),
        (limits["ram"], used.ram, memory_mib),
    ):
        if limit != UNLIMITED and each:
            wanted = min(wanted, max(0, limit - in_use) // each)
    return wanted


def _over(limits: Limits, used: Usage, wanted: int, vcpus: int, memory_mib: int) -> str:
    """The refusal of `wanted` servers of a size."""
    asked = {"cores": wanted * vcpus, "instances": wanted, "ram": wanted * memory_mib}
    return refusal(limits, used, asked) or ""


def refusal(limits: Limits, used: Usage, asked: dict[str, int]) -> str | None:
    """Names every resource that does not suffice, in alphabetical order; None: all do. What is not
    asked for more of cannot be refused, whatever is used."""
    in_use = {"cores": used.cores, "instances": used.instances, "ram": used.ram}
    over = [
        name
        for name, more in sorted(asked.items())
        if more > 0 and limits[name] != UNLIMITED and in_use[name] + more > limits[name]
    ]
    if not over:
        return None

    def listed(values: dict[str, int]) -> str:
        return ", ".join(str(values[name]) for name in over)

    names = ", ".join(over)
    return (
        f"Quota exceeded for {names}: Requested {listed(asked)}, "
        f"but already used {listed(in_use)} of {listed(limits)} {names}"
    )


async def begin_action(
    db: Executor,
    uuid: UUID,
    action: Action,
    *,
    state: dict[str, Any],
    requester: Requester,
    deadline_s: float,
    migration: MigrationStart | None = None,
    columns: dict[str, Any] | None = None,
) -> int | None:
    """Set the task_state, record the action, insert the workflow with `state`, in one statement.

    `columns` are written to the server with it. An action that settles a resize takes the
    migration `state["migration_uuid"]` with it, so that of confirm and revert only one begins.
    Returns the workflow's id; None when the server is not (or no longer) in a state the action is
    allowed in, and nothing was written.
    """
    if action.settles is not None:
        return await _begin_settling(
            db, uuid, action, state=state, requester=requester, deadline_s=deadline_s
        )
    return await _begin(
        db,
        uuid,
        action,
        state=state,
        requester=requester,
        deadline_s=deadline_s,
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
insert into workflows (kind, server_uuid, request_id, action_id, state, deadline_at)
select $13, server_uuid, $6, id, $14, now() + make_interval(secs => $15)
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
    migration: MigrationStart | None = None,
    columns: dict[str, Any],
) -> int | None:
    parameters: list[Any] = [
        uuid,
        action.starts,
        _texts(action.vm_states),
        None if action.task_states is None else _texts(action.task_states),
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
    limits: Limits,
    adds: dict[str, int],
    **rest: Any,
) -> int | None:
    """`begin_action` for one that makes the server count for more: by `adds` instances, cores and
    MiB of ram. What resizes under way will add counts as used. Raises `OverQuota`."""
    async with pool.acquire() as connection, connection.transaction():
        if any(more > 0 and limits[name] != UNLIMITED for name, more in adds.items()):
            await quotas.lock(connection, project_id)
            used = await quotas.usage_with_resizes(connection, project_id)
            if reason := refusal(limits, used, adds):
                raise OverQuota(reason)
        return await begin_action(connection, uuid, action, **rest)


def _texts(states: Collection[str | None]) -> list[str]:
    return [state or "" for state in states]


async def begin_delete(
    pool: Pool, uuid: UUID, *, requester: Requester, deadline_s: float, soft: bool = False
) -> tuple[bool, int | None]:
    """Whatever runs on the server gives way to its deletion; a soft one gives way to a real one.

    Returns (the server existed, id of the new workflow). No id: a delete is under way already, or
    the server is softly deleted as it was asked to be.
    """
    yields_to = ["delete", "soft_delete"] if soft else ["delete"]
    async with pool.acquire() as connection, connection.transaction():
        await _sql.overtake(connection, uuid=uuid, yields_to=yields_to)
        vm_state = await _sql.lock_server(connection, uuid=uuid)
        if vm_state is None or (soft and vm_state == VmState.SOFT_DELETED):
            return vm_state is not None, None
        workflow_id = await _sql.begin_delete(
            connection,
            uuid=uuid,
            kind=yields_to[-1],
            yields_to=yields_to,
            task_state=TaskState.SOFT_DELETING if soft else TaskState.DELETING,
            action="delete",
            request_id=requester.request_id,
            user_id=requester.user_id,
            project_id=requester.project_id,
            deadline_s=deadline_s,
        )
    return True, workflow_id


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


_UPDATABLE = frozenset(
    {
        "name",
        "hostname",
        "description",
        "access_ip_v4",
        "access_ip_v6",
        "auto_disk_config",
        "pinned_availability_zone",
    }
)
_WITH_ACTION = _UPDATABLE | {
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


async def server_update(pool: Pool, uuid: UUID, columns: dict[str, Any]) -> bool:
    """Change what a user may change at any time; False: there is no such server."""
    unknown = columns.keys() - _UPDATABLE
    assert not unknown, f"not a user's to change: {unknown}"
    assignments = "".join(f"{name} = ${n}, " for n, name in enumerate(columns, 2))
    found = await pool.fetchval(
        f"update servers set {assignments}updated_at = clock_timestamp() "
        "where uuid = $1 and deleted_at is null returning true",
        uuid,
        *columns.values(),
    )
    return bool(found)


async def metadata_write(
    pool: Pool,
    uuid: UUID,
    metadata: dict[str, str],
    *,
    replace: bool,
    vm_states: Collection[str],
    most: int,
) -> dict[str, str] | None:
    """Merge into the metadata, or replace it; the result, or None: the state forbids it or there
    would be more than `most` items (-1: any number)."""
    row = await _sql.write_metadata(
        pool, uuid=uuid, metadata=metadata, replace=replace, vm_states=_texts(vm_states), most=most
    )
    return None if row is None else dict(row["metadata"])


async def metadata_delete(pool: Pool, uuid: UUID, key: str, *, vm_states: Collection[str]) -> bool:
    row = await _sql.delete_metadata(pool, uuid=uuid, key=key, vm_states=_texts(vm_states))
    return row is not None


async def tags_replace(
    pool: Pool, uuid: UUID, tags: Sequence[str], *, vm_states: Collection[str]
) -> bool:
    row = await _sql.replace_tags(pool, uuid=uuid, tags=list(tags), vm_states=_texts(vm_states))
    return row is not None


async def tag_add(
    pool: Pool, uuid: UUID, tag: str, *, vm_states: Collection[str], most: int
) -> bool:
    """False: it is there already, the state forbids it, or there would be more than `most`."""
    row = await _sql.add_tag(pool, uuid=uuid, tag=tag, vm_states=_texts(vm_states), most=most)
    return row is not None


async def tag_remove(pool: Pool, uuid: UUID, tag: str, *, vm_states: Collection[str]) -> bool:
    """False: it is not there, or the state forbids it."""
    row = await _sql.remove_tag(pool, uuid=uuid, tag=tag, vm_states=_texts(vm_states))
    return row is not None
