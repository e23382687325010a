"""Plans on a filled database: what runs all the time must not read what it does not need.

100,000 servers of one project, of them 1,000 softly deleted, some shelved, some resized. The plans
are those of the queries as they are shipped.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest

from common.config.settings import DatabaseSettings
from common.db.loader import load
from common.db.pool import Pool, close_pool, create_pool
from common.db.stores import quotas, reconcilers, server_lists, workflows
from common.db.stores.server_lists import Criteria, Lifetime
from tests.support.postgres import _named, execute
from tests.support.wait import wait_for

SERVERS = 100_000
SOFT_DELETED = 1_000
SHELVED = 50
RESIZED = 20
WORKFLOWS = 800
"""All held by a conductor."""
LEFT_AND_DUE = 7
LATELY = 200
"""Servers that have changed in the last five minutes."""

FILL = f"""
insert into servers (uuid, project_id, user_id, name, hostname, reservation_id, vm_state, flavor,
                     flavorid, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib, host,
                     system_metadata, created_at, updated_at)
select gen_random_uuid(), 'big', 'somebody', 's-' || n, 's-' || n, 'r-' || n,
       case when n <= {SOFT_DELETED} then 'soft-delete'
            when n <= {SOFT_DELETED + SHELVED} then 'shelved'
            when n <= {SOFT_DELETED + SHELVED + 10_000} then 'shelved_offloaded'
            when n > {SERVERS - RESIZED} then 'resized' else 'active' end,
       jsonb_build_object('name', 'm1.tiny', 'padding', repeat('x', 200)),
       '1', 1 + n % 3, 512, 1, 0, 0,
       case when n between {SOFT_DELETED + SHELVED + 1} and {SOFT_DELETED + SHELVED + 10_000}
            then null else 'host-' || n % 1000 end,
       case when n <= {SOFT_DELETED}
            then jsonb_build_object('soft_deleted_at', to_char(
                now() at time zone 'UTC' - make_interval(hours => n),
                'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00')
            when n <= {SOFT_DELETED + SHELVED + 10_000}
            then jsonb_build_object('shelved_at', '2026-01-01T00:00:00.000000+00:00')
            else '{{}}' end,
       now() - make_interval(secs => n), now() - make_interval(days => 1, secs => n)
  from generate_series(1, {SERVERS}) n;
update servers set updated_at = now()
 where uuid in (select uuid from servers order by name limit {LATELY});
insert into servers (uuid, project_id, user_id, name, hostname, reservation_id, vm_state, flavor,
                     flavorid, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib, deleted_at,
                     updated_at)
select gen_random_uuid(), 'big', 'somebody', 'gone', 'gone', 'r-1', 'deleted', '{{}}', '1', 1, 512,
       1, 0, 0, now() - make_interval(mins => n), now() - make_interval(mins => n)
  from generate_series(10, 20000) n;
insert into migrations (uuid, server_uuid, migration_type, status, source_compute, updated_at)
select gen_random_uuid(), uuid, 'resize', 'confirmed', host, now() - interval '1 day'
  from servers where deleted_at is null and vm_state = 'active' limit 50000;
insert into migrations (uuid, server_uuid, migration_type, status, source_compute, updated_at)
select gen_random_uuid(), uuid, 'resize', 'finished', host, now() - interval '1 day'
  from servers where vm_state = 'resized';
insert into workflows (kind, server_uuid, request_id, deadline_at, lease_expires_at)
select 'build', uuid, 'r', now() + interval '1 hour', now() + interval '1 hour'
  from servers where vm_state = 'active' and deleted_at is null limit {WORKFLOWS};
insert into leftovers (server_uuid, kind, reason, due_at)
select uuid, 'ports', 'away', case when row_number() over () <= {LEFT_AND_DUE} then now()
                                   else now() + interval '1 hour' end
  from servers where vm_state = 'deleted' limit 10000;
"""

Plan = dict[str, Any]


@pytest.fixture(scope="module")
async def filled(postgres_server: str, template_database: str) -> AsyncIterator[Pool]:
    await execute(postgres_server, f"create database filled template {template_database}")
    url = _named(postgres_server, "filled")
    await execute(url, FILL)
    pool = await create_pool(DatabaseSettings(url=url))

    async def all_visible() -> bool:
        """As autovacuum leaves it; one that finds an older snapshot about has to come again."""
        await execute(url, "vacuum analyze")
        share = "select relallvisible > 0.99 * relpages from pg_class where relname = 'servers'"
        return bool(await pool.fetchval(share))

    await wait_for(all_visible, 30)
    yield pool
    await close_pool(pool)
    await execute(postgres_server, "drop database filled with (force)")


@asynccontextmanager
async def undone(connection: Any) -> AsyncIterator[None]:
    """What is written inside is rolled back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


class Explaining:
    """In the place of a pool: runs each statement under EXPLAIN and keeps the plans."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.plans: list[Plan] = []

    async def _explain(self, sql: str, *parameters: Any) -> list[asyncpg.Record]:
        async with self._pool.acquire() as connection:
            analysed = f"explain (analyze, buffers, format json) {sql}"
            async with undone(connection):
                self.plans.append((await connection.fetchval(analysed, *parameters))[0])
            async with undone(connection):
                return list(await connection.fetch(sql, *parameters))

    async def fetch(self, sql: str, *parameters: Any) -> list[asyncpg.Record]:
        return await self._explain(sql, *parameters)

    async def fetchrow(self, sql: str, *parameters: Any) -> asyncpg.Record | None:
        return next(iter(await self._explain(sql, *parameters)), None)

    async def fetchval(self, sql: str, *parameters: Any) -> Any:
        row = await self.fetchrow(sql, *parameters)
        return row[0] if row else None

    async def execute(self, sql: str, *parameters: Any) -> None:
        await self._explain(sql, *parameters)


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def every_node(plans: list[Plan]) -> list[Plan]:
    return list(itertools.chain.from_iterable(nodes(plan["Plan"]) for plan in plans))


def scans(plans: list[Plan], table: str) -> set[str]:
    """Kinds of scan of `table`."""
    return {n["Node Type"] for n in every_node(plans) if n.get("Relation Name") == table}


def indexes(plans: list[Plan]) -> set[str]:
    return {node["Index Name"] for node in every_node(plans) if "Index Name" in node}


def pages(plans: list[Plan]) -> int:
    return sum(p["Plan"]["Shared Hit Blocks"] + p["Plan"]["Shared Read Blocks"] for p in plans)


async def test_usage_is_counted_without_looking_at_servers(filled: Pool) -> None:
    db = Explaining(filled)
    usage = await quotas.usage(cast("Pool", db), "big")
    counted = await filled.fetchrow(
        "select count(*), sum(vcpus), sum(memory_mib) from servers "
        "where deleted_at is null and vm_state <> 'soft-delete'"
    )
    assert (usage.instances, usage.cores, usage.ram) == tuple(counted)
    assert usage.instances == SERVERS - SOFT_DELETED
    every = [n for n in every_node(db.plans) if n.get("Index Name") == "servers_usage_idx"]
    assert [node["Node Type"] for node in every] == ["Index Only Scan"]
    assert every[0]["Heap Fetches"] < SERVERS / 100
    assert every[0]["Shared Hit Blocks"] + every[0]["Shared Read Blocks"] < 500
    assert "Seq Scan" not in scans(db.plans, "servers")


NEW = {
    "project_id": "big", "user_id": "u", "reservation_id": "r", "flavor": {}, "flavorid": "1",
    "vcpus": 1, "memory_mib": 1, "root_gib": 1, "ephemeral_gib": 0, "swap_mib": 0,
    "image_properties": {}, "kernel_id": "", "ramdisk_id": "", "config_drive": "", "tags": [],
    "auto_disk_config": False, "metadata": {}, "security_groups": [], "requested_networks": [],
    "scheduler_hints": {},
}  # fmt: skip


@pytest.mark.parametrize("limit", [None, SERVERS])
async def test_a_boot_counts_from_the_index_and_only_if_there_is_a_limit(
    filled: Pool, limit: int | None
) -> None:
    db = Explaining(filled)
    rows = load("servers").insert_servers(
        db, uuids=[uuid4()], names=["s"], hostnames=["s"], common=NEW, request_id="r",
        workflow_state={}, deadline_s=1.0, reserve_s=1.0, at_least=1, instances=limit, cores=None,
        ram=None, user_instances=None, user_cores=None, user_ram=None, group_members=limit,
        devices=[],
    )  # fmt: skip
    assert len([row async for row in rows]) == 1
    counted = [n for n in every_node(db.plans) if n.get("Index Name") == "servers_usage_idx"]
    ran = [node["Node Type"] for node in counted if node["Actual Loops"]]
    assert ran == (["Index Only Scan"] if limit else [])
    assert "Seq Scan" not in scans(db.plans, "servers")


async def test_softly_deleted_servers_are_found_by_the_time_they_are_due(filled: Pool) -> None:
    db = Explaining(filled)
    due = await reconcilers.servers_to_reclaim(cast("Pool", db), 995.5 * 3600, 100)
    assert len(due) == 5
    assert indexes(db.plans) == {"servers_soft_deleted_idx"}
    assert pages(db.plans) < 50, "those that are not due are not looked at"


async def test_all_softly_deleted_servers_at_once(filled: Pool) -> None:
    db = Explaining(filled)
    due = await reconcilers.servers_to_reclaim(cast("Pool", db), 0, 2000)
    assert len(due) == SOFT_DELETED
    assert "Seq Scan" not in scans(db.plans, "servers")


async def test_shelved_servers_are_found_among_offloaded_ones(filled: Pool) -> None:
    db = Explaining(filled)
    assert len(await reconcilers.servers_to_offload(cast("Pool", db), 60, 100)) == SHELVED
    assert indexes(db.plans) == {"servers_shelved_idx"}
    assert pages(db.plans) < 3 * SHELVED


async def test_resizes_to_confirm_are_found_by_their_migrations(filled: Pool) -> None:
    db = Explaining(filled)
    assert len(await reconcilers.resizes_to_confirm(cast("Pool", db), 60, 100)) == RESIZED
    assert "migrations_finished_idx" in indexes(db.plans)
    assert "Seq Scan" not in scans(db.plans, "servers")
    assert pages(db.plans) < 20 * RESIZED


async def test_a_sweep_that_finds_nothing_looks_at_workflows_only(filled: Pool) -> None:
    db = Explaining(filled)
    assert await workflows.sweep(cast("Pool", db), "me", 6.0, 100) == []
    assert "Seq Scan" not in scans(db.plans, "servers")
    assert pages(db.plans) < 5 * WORKFLOWS


async def test_leftovers_are_found_by_the_time_they_are_due(filled: Pool) -> None:
    db = Explaining(filled)
    rows = load("leftovers").take_due(db, most=100, retry_s=60.0)
    assert len([row async for row in rows]) == LEFT_AND_DUE
    assert "leftovers_due_idx" in indexes(db.plans)
    assert "Seq Scan" not in scans(db.plans, "leftovers")


async def test_changes_since_a_time_are_found_by_the_pages_they_are_on(filled: Pool) -> None:
    db = Explaining(filled)
    since = await filled.fetchval("select now() - interval '5 minutes'")
    criteria = Criteria(
        1000, lifetime=Lifetime.ALL, exact={"project_id": "big"}, changed_since=since
    )
    found = await server_lists.servers_index(cast("Pool", db), criteria)
    assert len(found) == LATELY
    assert indexes(db.plans) == {"servers_updated_idx"}
    assert pages(db.plans) < await filled.fetchval("select pg_relation_size('servers') / 8192 / 2")
