"""Connections to PostgreSQL.

Owns: how a pool is made (JSON codecs, timeouts, waiting for a server that starts later) and
the check that the schema is the one this code was written for.
May not: run business queries. Crash story: a lost connection fails its query; callers retry
at their own level (a request fails, a workflow step is repeated). The rows that a process holds
while it stands still are taken from it by the server.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import orjson
import structlog

from common.config.settings import DatabaseSettings
from common.config.urls import without_password
from common.db.version import SCHEMA_VERSION
from common.errors import MusterError
from common.runtime.ports import Clock

log = structlog.get_logger(__name__)

Pool = asyncpg.Pool
Connection = asyncpg.Connection
PoolConnection = asyncpg.pool.PoolConnectionProxy
Record = asyncpg.Record

BUSY = (
    asyncpg.LockNotAvailableError,  # somebody held a row for longer than lock_timeout_s
    asyncpg.IdleInTransactionSessionTimeoutError,  # we did, standing still
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
)
"""What a query raises that PostgreSQL ended in favour of others; it was not carried out."""

OUT_OF_REACH = (
    OSError,  # also a timeout, and a unix socket that is not there
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg makes of a session that is killed in mid-query
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    *BUSY,
)
"""What a query raises that may succeed later as it is: its session is lost or cannot be had, or it
had to yield. Unless it was one of `BUSY` it may have been carried out."""


_OVER = ("closed", "closing", "released back to the pool")
"""In the words of asyncpg's `InterfaceError` when a session or the pool has ended."""


def misused(error: BaseException) -> bool:
    """Whether asyncpg refuses what we asked of it (a value of another type, one argument too many),
    which no repetition mends. It says so with the same class as that a session has ended."""
    return isinstance(error, asyncpg.InterfaceError) and not any(
        word in str(error) for word in _OVER
    )


def out_of_reach(error: BaseException) -> bool:
    """As `OUT_OF_REACH`, without what is our own mistake."""
    return isinstance(error, OUT_OF_REACH) and not misused(error)


class DatabaseUnusable(MusterError):
    """The database cannot be used and waiting will not help."""

    code = "database_unusable"


def dumps(value: Any) -> str:
    """JSON text for a jsonb parameter."""
    return orjson.dumps(value).decode()


async def _init(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, encoder=dumps, decoder=orjson.loads, schema="pg_catalog", format="text"
        )


async def _nothing_to_reset(_: asyncpg.Connection[asyncpg.Record]) -> None:
    """Nobody leaves anything on a connection (advisory locks, LISTEN, SET), so the round trip that
    would clean it after each use is saved."""


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"


async def create_pool(
    settings: DatabaseSettings, *, application: str = "muster", min_size: int = 2
) -> asyncpg.Pool[asyncpg.Record]:
    """A ready pool; raises OSError or asyncpg errors while the server cannot be reached."""
    return await asyncpg.create_pool(
        settings.url,
        password=settings.password.get_secret_value() if settings.password else None,
        min_size=min_size,
        max_size=settings.pool_size,
        command_timeout=settings.command_timeout_s,
        max_inactive_connection_lifetime=0,
        init=_init,
        reset=_nothing_to_reset,
        server_settings={
            "application_name": application,
            "jit": "off",
            "timezone": "UTC",
            "lock_timeout": _milliseconds(settings.lock_timeout_s),
            "idle_in_transaction_session_timeout": _milliseconds(settings.idle_transaction_s),
        },
    )


_WAIT_FOR = (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError, TimeoutError)


async def open_pool(
    settings: DatabaseSettings, clock: Clock, *, application: str
) -> asyncpg.Pool[asyncpg.Record]:
    """Wait until the server answers and its schema is ours.

    Raises `DatabaseUnusable` for wrong credentials, a missing database or a newer schema; an older
    one is waited for, because the migration may be running right now.
    """
    said, url = "", without_password(settings.url)
    while True:
        try:
            pool = await create_pool(settings, application=application)
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as e:
            raise DatabaseUnusable(
                f"{url}: {e}; set MUSTER_DATABASE__URL and MUSTER_DATABASE__PASSWORD"
            ) from e
        except asyncpg.InvalidCatalogNameError as e:
            raise DatabaseUnusable(f"{url}: {e}; create it first") from e
        except _WAIT_FOR as e:
            reason = f"database not reachable: {e}"
        else:
            found = await schema_version(pool)
            if found == SCHEMA_VERSION:
                return pool
            await pool.close()
            if found is not None and found > SCHEMA_VERSION:
                raise DatabaseUnusable(
                    f"the database has schema {found}, this Muster knows {SCHEMA_VERSION}: "
                    "run a newer Muster, or point it at another database"
                )
            reason = (
                f"the database has schema {found or 'none'}, {SCHEMA_VERSION} is needed: "
                "run `muster db upgrade`"
            )
        if reason != said:
            log.warning("waiting_for_database", reason=reason)
            said = reason
        await clock.sleep(0.3)


async def schema_version(pool: asyncpg.Pool[asyncpg.Record]) -> str | None:
    """The migration the database is at, e.g. "0001"; None when it has no Muster schema."""
    try:
        version: str | None = await pool.fetchval("select version_num from alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return version


async def close_pool(pool: asyncpg.Pool[asyncpg.Record], timeout_s: float = 5.0) -> None:
    """Close politely, then by force: a frozen server must not hold up our own stop."""
    try:
        await asyncio.wait_for(pool.close(), timeout_s)
    except TimeoutError:
        pool.terminate()
