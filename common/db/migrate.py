"""Bring a database to the schema of this code.

Owns: running Alembic revisions, one writer at a time (advisory lock).
May not: move data; migrations change structure only, and each must work with the code before it.
Crash story: every revision runs in one transaction; a killed upgrade left nothing behind.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from common.config.settings import DatabaseSettings
from common.db.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
SEEDS = Path(__file__).parent / "seeds.sql"
_LOCK = 0x6D757374  # "must"


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


async def _connect(settings: DatabaseSettings) -> asyncpg.Connection[asyncpg.Record]:
    password = settings.password.get_secret_value() if settings.password else None
    return await asyncpg.connect(settings.url, password=password, timeout=10)


async def current(settings: DatabaseSettings) -> str | None:
    """The revision the database is at; None for an empty database."""
    connection = await _connect(settings)
    try:
        version: str | None = await connection.fetchval("select version_num from alembic_version")
        return version
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()


async def upgrade(settings: DatabaseSettings) -> str:
    """Run what is missing, then the seeds; returns the revision reached. Safe to repeat."""
    guard = await _connect(settings)
    try:
        await guard.execute("select pg_advisory_lock($1)", _LOCK)
        if await current(settings) != SCHEMA_VERSION:
            await _run_alembic(settings)
        await guard.execute(SEEDS.read_text())
    finally:
        await guard.close()
    return SCHEMA_VERSION


async def _run_alembic(settings: DatabaseSettings) -> None:
    from alembic import command
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    # SQLAlchemy only carries the connection: asyncpg makes it from the same URL as everywhere.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: _connect(settings), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()
