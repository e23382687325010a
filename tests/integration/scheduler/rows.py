"""Hosts, servers and workflows put straight into the database: what a scheduler finds there."""

from __future__ import annotations

import itertools
from uuid import UUID, uuid4

from common.db.pool import Connection, Pool
from common.db.stores import services as services_store
from common.db.stores.claims import Ratios
from common.db.stores.workflows import Workflow
from tests.support.wait import wait_for

RATIOS = Ratios(cpu=4.0, ram=1.0, disk=1.0)
_numbers = itertools.count(1)


async def add_host(
    pool: Pool,
    host: str,
    *,
    vcpus: int = 16,
    memory_mib: int = 8704,
    disk_gib: int = 1000,
    reserved_memory_mib: int = 512,
) -> None:
    """A host that has just reported; observed time stands at now."""
    assert await services_store.host_register(
        pool, host=host, host_id=f"id-{host}", epoch="1", down_time_s=60
    )
    await services_store.report_settle(
        pool,
        host=host,
        epoch="1",
        guests=[],
        inventory=None,
        as_of="",
        resources={
            "hypervisor_hostname": f"{host}.node",
            "hypervisor_type": "fake",
            "hypervisor_version": 1,
            "host_ip": "127.0.0.1",
            "cpu_info": {},
            "supported_instances": [],
            "vcpus": vcpus,
            "memory_mib": memory_mib,
            "disk_gib": disk_gib,
            "reserved_vcpus": 0,
            "reserved_memory_mib": reserved_memory_mib,
            "reserved_disk_gib": 0,
            "running_guests": 0,
        },
    )


async def change_service(pool: Pool, host: str, assignment: str) -> None:
    """E.g. "disabled = true"."""
    await pool.execute(f"update services set {assignment} where host = $1", host)


DISABLED = "disabled = true"
FORCED_DOWN = "forced_down = true"
DOWN = "lease_expires_at = now() - interval '1 hour'"


async def add_server(
    pool: Pool | Connection, host: str | None = None, *, group: UUID | None = None
) -> UUID:
    uuid = uuid4()
    await pool.execute(
        "insert into servers (uuid, project_id, user_id, name, hostname, reservation_id, vm_state,"
        " flavor, flavorid, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib, host,"
        " server_group) values"
        " ($1, 'demo', 'u', 'n', 'n', 'r-1', 'building', '{}', '1', 1, 512, 1, 0, 0, $2, $3)",
        uuid,
        host,
        group,
    )
    return uuid


async def add_group(pool: Pool, policy: str, max_per_host: int | None = None) -> UUID:
    uuid = uuid4()
    await pool.execute(
        "insert into server_groups (uuid, project_id, user_id, name, policy, max_per_host)"
        " values ($1, 'demo', 'u', 'g', $2, $3)",
        uuid,
        policy,
        max_per_host,
    )
    return uuid


async def add_workflow(pool: Pool | Connection, server_uuid: UUID) -> int:
    workflow_id: int = await pool.fetchval(
        "insert into workflows (kind, server_uuid, request_id, deadline_at)"
        " values ('build', $1, $2, now() + interval '1 hour') returning id",
        server_uuid,
        f"req-{next(_numbers)}",
    )
    return workflow_id


async def workflow_row(pool: Pool | Connection, workflow_id: int) -> Workflow:
    """As a conductor has it."""
    row = await pool.fetchrow(
        "select *, true as leased, 3600::double precision as remaining_s"
        " from workflows where id = $1",
        workflow_id,
    )
    return Workflow.from_row(row)


async def add_action(pool: Pool, server_uuid: UUID) -> int:
    action_id: int = await pool.fetchval(
        "insert into instance_actions (server_uuid, action, request_id)"
        " values ($1, 'create', $2) returning id",
        server_uuid,
        f"req-{next(_numbers)}",
    )
    return action_id


async def add_migration(pool: Pool, server_uuid: UUID) -> UUID:
    uuid = uuid4()
    await pool.execute(
        "insert into migrations (uuid, server_uuid, migration_type, status)"
        " values ($1, $2, 'resize', 'accepted')",
        uuid,
        server_uuid,
    )
    return uuid


async def used(pool: Pool, host: str) -> tuple[int, int, int, int]:
    """The ledger: vCPUs, MiB, GiB, allocations."""
    row = await pool.fetchrow(
        "select vcpus_used, memory_mib_used, disk_gib_used, allocations_count"
        "  from compute_nodes where host = $1",
        host,
    )
    return tuple(row)


async def someone_waits_for(pool: Pool, connection: Connection) -> None:
    """Until a lock of `connection` blocks somebody."""
    blocked = "select count(*) from pg_stat_activity where $1 = any(pg_blocking_pids(pid))"
    pid = connection.get_server_pid()
    await wait_for(lambda: pool.fetchval(blocked, pid), what="nobody waits for the lock")


async def so_many_wait(pool: Pool, how_many: int) -> None:
    """Until locks of whomever block so many."""
    waiting = (
        "select count(*) = $1 from pg_stat_activity"
        " where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0"
    )
    await wait_for(lambda: pool.fetchval(waiting, how_many), what="not so many wait for a lock")
