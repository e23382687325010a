"""A process that stands still inside a transaction holds up nobody for long. Real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from common.config.settings import DatabaseSettings
from common.db.pool import BUSY, OUT_OF_REACH, Pool, close_pool, create_pool
from common.db.stores import services as store
from common.db.stores.services import Hearing, Heartbeats
from tests.support.cluster import running_cluster
from tests.support.wait import wait_for

WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"


def limits(url: str) -> DatabaseSettings:
    return DatabaseSettings(url=url, idle_transaction_s=0.3, lock_timeout_s=1.0)


@pytest.fixture
async def other_pool(database_url: str) -> AsyncIterator[Pool]:
    """Another process's."""
    pool = await create_pool(limits(database_url))
    yield pool
    await close_pool(pool)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await create_pool(limits(database_url))
    yield pool
    await close_pool(pool)


async def test_the_observer_row_is_taken_from_a_frozen_conductor(
    pool: Pool, other_pool: Pool
) -> None:
    async with other_pool.acquire() as frozen:
        transaction = frozen.transaction()
        await transaction.start()
        await frozen.execute("update observer set beat_at = now()")
        async with asyncio.timeout(5):
            await store.beat(pool, Heartbeats(), Hearing(0), down_time_s=10)
        with pytest.raises(OUT_OF_REACH):
            await frozen.execute("select 1")


async def test_a_row_that_somebody_keeps_fails_the_query_and_not_its_caller(
    pool: Pool, database_url: str
) -> None:
    """A person's session has no limits of ours."""
    person = await asyncpg.connect(database_url)
    try:
        async with person.transaction():
            await person.execute("update observer set beat_at = now()")
            with pytest.raises(BUSY) as raised:
                async with asyncio.timeout(5):
                    await store.beat(pool, Heartbeats(), Hearing(0), down_time_s=10)
        assert isinstance(raised.value, OUT_OF_REACH)
        await store.beat(pool, Heartbeats(), Hearing(0), down_time_s=10)
    finally:
        await person.close()


async def test_a_deadlock_is_worth_another_try(pool: Pool) -> None:
    await pool.execute("create table pairs (name text primary key)")
    await pool.execute("insert into pairs values ('a'), ('b')")
    met = asyncio.Barrier(2)

    async def both(first: str, second: str) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("select set_config('lock_timeout', '0', true)")
            await connection.execute("select from pairs where name = $1 for update", first)
            await met.wait()
            await connection.execute("select from pairs where name = $1 for update", second)

    results = await asyncio.gather(both("a", "b"), both("b", "a"), return_exceptions=True)
    (loser,) = [result for result in results if result is not None]
    assert isinstance(loser, asyncpg.DeadlockDetectedError)
    assert isinstance(loser, OUT_OF_REACH)


@pytest.mark.parametrize(
    "row", ["workflows where server_uuid = $1::uuid", "servers where uuid = $1::uuid"]
)
async def test_a_workflow_whose_row_is_held_goes_on_afterwards(
    database_url: str, tmp_path: Path, row: str
) -> None:
    async with running_cluster(
        database_url,
        tmp_path,
        hosts=("compute-1",),
        database={"lock_timeout_s": 0.3},
        compute={"simulated": {"spawn_delay_s": 0.3}},
    ) as cluster:
        person = await asyncpg.connect(database_url)
        try:
            server_id = await cluster.create_server()
            async with person.transaction():
                hold = f"select 1 from {row} for update"
                await wait_for(lambda: person.fetchval(hold, server_id))

                async def waiting() -> int:
                    return int(await person.fetchval(WAITING))

                async def nobody_waits() -> bool:
                    return await waiting() == 0

                await wait_for(waiting)
                await wait_for(nobody_waits, 5)
        finally:
            await person.close()
        server = await cluster.settled(server_id)
        assert server is not None
        assert (server["status"], server.get("fault")) == ("ACTIVE", None)
        await cluster.assert_sound()
