"""schema.sql is what the migrations make, and the code knows which migration it needs."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from common.config.settings import DatabaseSettings
from common.db import migrate
from common.db.pool import create_pool, schema_version
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
