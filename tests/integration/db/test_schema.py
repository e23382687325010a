"""schema.sql is what the migrations make, and the code knows which migration it needs."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from common.config.settings import DatabaseSettings
from common.db import migrate
from common.db.pool import Pool, create_pool, schema_version
from common.db.version import SCHEMA_VERSION
from tests.support.postgres import _named, execute

SCHEMA = Path(migrate.__file__).parent / "schema.sql"

SHAPE = """
select 'column' as kind, table_name || '.' || column_name as name,
       concat_ws(' ', data_type, is_nullable, column_default, identity_generation) as definition
  from information_schema.columns
 where table_schema = 'public' and table_name <> 'alembic_version'
union all
select 'index', indexname, indexdef from pg_indexes
 where schemaname = 'public' and tablename <> 'alembic_version'
union all
select 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
  from pg_constraint
 where connamespace = 'public'::regnamespace and conrelid::regclass::text <> 'alembic_version'
union all
select 'option', relname, array_to_string(reloptions, ' ') from pg_class
 where relnamespace = 'public'::regnamespace and reloptions is not null
union all
select 'function', proname, prosrc from pg_proc where pronamespace = 'public'::regnamespace
order by 1, 2, 3
"""


ONE_OF_EACH = """
with service as (
    insert into services (uuid, host, binary_name) values (gen_random_uuid(), 'h', 'nova-compute')
    returning id
), node as (
    insert into compute_nodes (uuid, host, service_id, hypervisor_hostname, hypervisor_type,
                               hypervisor_version, host_ip, vcpus, memory_mib, disk_gib)
    select gen_random_uuid(), 'h', id, 'h', 't', 1, '127.0.0.1', 1, 1, 1 from service
), server as (
    insert into servers (uuid, project_id, user_id, name, hostname, reservation_id, vm_state, host,
                         flavor, flavorid, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib)
    values (gen_random_uuid(), 'p', 'u', 's', 's', 'r', 'active', 'h', '{}', '1', 1, 1, 1, 0, 0)
    returning uuid
), action as (
    insert into instance_actions (server_uuid, action, request_id)
    select uuid, 'create', 'r' from server
)
insert into workflows (kind, server_uuid, request_id, deadline_at)
select 'build', uuid, 'r', now() from server
"""


async def shape(url: str) -> list[tuple[str, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(SHAPE)]
    finally:
        await connection.close()


async def test_schema_sql_equals_the_migrations(postgres_server: str, database_url: str) -> None:
    await execute(postgres_server, "create database from_schema_sql")
    try:
        url = _named(postgres_server, "from_schema_sql")
        await execute(url, SCHEMA.read_text())
        from_schema, from_migrations = await shape(url), await shape(database_url)
    finally:
        await execute(postgres_server, "drop database from_schema_sql with (force)")
    assert len(from_schema) > 100
    assert from_schema == from_migrations


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("servers", "vm_state = 'stopped', power_state = 4, updated_at = clock_timestamp()"),
        ("servers", "task_state = 'rebooting', progress = 5, updated_at = clock_timestamp()"),
        ("servers", "network_info = '[1]', fault = '{}', generation = 2, last_generation = 2"),
        ("workflows", "lease_owner = 'me', lease_epoch = 1, lease_expires_at = now()"),
        ("workflows", "step = 2, state = '{}', wake_at = now()"),
        ("services", "lease_expires_at = now(), last_seen_up = now(), inventory = 'x'"),
        ("compute_nodes", "vcpus_used = 1, allocations_count = 1, failed_builds = 1"),
        ("instance_actions", "updated_at = now(), finish_time = now()"),
    ],
)
async def test_what_is_written_all_the_time_touches_no_index(
    pool: Pool, table: str, changes: str
) -> None:
    """Such an update stays HOT."""
    version = int(await pool.fetchval("show server_version_num"))
    if version < 160_000:
        pytest.skip("BRIN counts against HOT before PostgreSQL 16")
    await pool.execute(ONE_OF_EACH)
    hot = "select pg_stat_get_xact_tuples_hot_updated($1::text::regclass)"
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"update {table} set {changes}")
        assert await connection.fetchval(hot, table) == 1


async def test_upgrade_is_repeatable_and_reports_the_version(database_url: str) -> None:
    settings = DatabaseSettings(url=database_url)
    assert await migrate.upgrade(settings) == SCHEMA_VERSION
    assert await migrate.current(settings) == SCHEMA_VERSION


async def test_version_of_a_database_without_schema(postgres_server: str) -> None:
    settings = DatabaseSettings(url=postgres_server)
    assert await migrate.current(settings) is None
    pool = await create_pool(settings)
    try:
        assert await schema_version(pool) is None
    finally:
        await pool.close()
