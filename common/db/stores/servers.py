"""Servers as requests see and change them.

Owns: rows of `servers` from their insertion, and what requests write to them at once: metadata,
tags, names. How actions begin is in stores/server_actions.py, what workflows write in
stores/workflows.py.
May not: decide whether a request is allowed, beyond the states it is given.
Crash story: every function is one statement or one transaction: a server, its action and its
workflow exist together or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from common.config.settings import QuotaSettings
from common.db.loader import load
from common.db.pool import Pool, Record
from common.db.stores import block_devices, quotas
from common.db.stores.quotas import UNLIMITED, Caps, Limits, ProjectLimits, Usage
from common.domain.block_devices import BlockDevice
from common.domain.host_status import HostStatus, Precedence, host_status
from common.domain.server import Server
from common.errors import OverQuota

if TYPE_CHECKING:
    from common.db.stores.quotas import Executor

_sql = load("servers")

COUNTED = ("instances", "cores", "ram")
"""What servers use up of a quota."""


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
    host_fenced: bool
    """Nothing executes there, by the operator's word or the host's own."""
    host_zone: str | None
    """None: the host has none of its own, and so is in the default zone."""

    @classmethod
    def from_row(cls, row: Record) -> PlacedServer:
        return cls(
            Server.from_row(row),
            row["has_service"],
            row["host_disabled"],
            row["host_forced_down"],
            row["host_fresh"],
            row["host_fenced"],
            row["host_zone"],
        )

    def zone(self, default_zone: str) -> str:
        """Of the host; what was asked for until there is one."""
        if self.server.host:
            return self.host_zone or default_zone
        return self.server.availability_zone or ""

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
class CreateContext:
    """What a create request names, as the database knows it, and what its project may have."""

    flavor: dict[str, Any] | None
    """Columns of `flavors`; None: unknown, or not for this project."""
    key_name: str | None
    public_key: str | None
    limits: ProjectLimits


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
    every_flavor: bool,
    quota: QuotaSettings,
) -> CreateContext:
    row = await _sql.create_context(
        pool,
        flavorid=flavorid,
        key_name=key_name,
        project_id=project_id,
        user_id=user_id,
        every_flavor=every_flavor,
        class_row=quotas.CLASS_ROW,
    )
    return CreateContext(
        flavor=row["flavor"],
        key_name=row["key_name"],
        public_key=row["public_key"],
        limits=quotas.effective(row, quota),
    )


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
    limits: Caps,
    deadline_s: float,
    reserve_s: float = 0.0,
    devices: Sequence[BlockDevice] = (),
) -> dict[UUID, int]:
    """Insert as many of `candidates` as the quota allows, with their actions and workflows.

    `common` has the columns that are the same for all; each gets disks like `devices`. Returns
    workflow ids by server, in the order of the candidates; raises `OverQuota` when of the `wanted`
    servers fewer than `at_least` fit.
    """
    limited = {name: _or_none(limits.project[name]) for name in COUNTED}
    limited |= {f"user_{name}": _or_none(limits.user.get(name, UNLIMITED)) for name in COUNTED}
    grouped = common.get("server_group") is not None
    limited["group_members"] = _or_none(limits["server_group_members"]) if grouped else None

    async def insert(db: Executor) -> dict[UUID, int]:
        rows = _sql.insert_servers(
            db,
            uuids=[new.uuid for new in candidates],
            names=[new.name for new in candidates],
            hostnames=[new.hostname for new in candidates],
            common=common,
            request_id=request_id,
            workflow_state=workflow_state,
            deadline_s=deadline_s,
            reserve_s=reserve_s,
            at_least=at_least,
            devices=[block_devices.as_json(device) for device in devices],
            **limited,
        )
        ids = {row["server_uuid"]: row["id"] async for row in rows}
        return {new.uuid: ids[new.uuid] for new in candidates if new.uuid in ids}

    if not any(limit is not None for limit in limited.values()):
        return await insert(pool)  # one statement needs no transaction around it
    project_id = common["project_id"]
    async with pool.acquire() as connection, connection.transaction():
        await quotas.lock(connection, project_id)
        if not (ids := await insert(connection)):
            sizes = {"cores": common["vcpus"], "ram": common["memory_mib"], "instances": 1}
            asked = {name: wanted * size for name, size in sizes.items()}
            over = await over_quota(connection, project_id, common["user_id"], limits, asked)
            raise OverQuota(over or "Quota exceeded, too many servers in group.")
    return ids


def _or_none(limit: int) -> int | None:
    return None if limit == UNLIMITED else limit


async def over_quota(
    db: Executor, project_id: str, user_id: str, limits: Caps, asked: dict[str, int]
) -> str | None:
    """Why the project or its user cannot have `asked` more; None: they can. Exact under `lock`."""
    over = refusal(limits.project, await quotas.usage(db, project_id), asked)
    if over is None and limits.user:
        own = {name: limits.user.get(name, UNLIMITED) for name in COUNTED}
        over = refusal(own, await quotas.usage(db, project_id, user_id), asked)
    return over


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


def texts(states: Collection[str | None]) -> list[str]:
    return [state or "" for state in states]


UPDATABLE = frozenset(
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
"""Columns a user may change at any time."""


async def server_update(pool: Pool, uuid: UUID, columns: dict[str, Any]) -> bool:
    """Change what a user may change at any time; False: there is no such server."""
    unknown = columns.keys() - UPDATABLE
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
        pool, uuid=uuid, metadata=metadata, replace=replace, vm_states=texts(vm_states), most=most
    )
    return None if row is None else dict(row["metadata"])


async def metadata_delete(pool: Pool, uuid: UUID, key: str, *, vm_states: Collection[str]) -> bool:
    row = await _sql.delete_metadata(pool, uuid=uuid, key=key, vm_states=texts(vm_states))
    return row is not None


async def set_security_groups(pool: Pool, uuid: UUID, names: Sequence[str]) -> None:
    """Write the names that the server shows."""
    await _sql.set_security_groups(pool, uuid=uuid, names=list(names))


async def tags_replace(
    pool: Pool, uuid: UUID, tags: Sequence[str], *, vm_states: Collection[str]
) -> bool:
    row = await _sql.replace_tags(pool, uuid=uuid, tags=list(tags), vm_states=texts(vm_states))
    return row is not None


async def tag_add(
    pool: Pool, uuid: UUID, tag: str, *, vm_states: Collection[str], most: int
) -> bool:
    """False: it is there already, the state forbids it, or there would be more than `most`."""
    row = await _sql.add_tag(pool, uuid=uuid, tag=tag, vm_states=texts(vm_states), most=most)
    return row is not None


async def tag_remove(pool: Pool, uuid: UUID, tag: str, *, vm_states: Collection[str]) -> bool:
    """False: it is not there, or the state forbids it."""
    row = await _sql.remove_tag(pool, uuid=uuid, tag=tag, vm_states=texts(vm_states))
    return row is not None
