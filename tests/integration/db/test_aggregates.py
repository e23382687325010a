"""Aggregates and zones: a host has one, and not another while servers are there."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from common.db.pool import Connection, Pool
from common.db.stores import aggregates, os_services
from common.db.stores.aggregates import Aggregate
from common.db.stores.claims import Claim, Resources
from common.db.stores.commit import Changes, commit
from common.errors import Conflict, InvalidInput, NotFound
from tests.integration.scheduler.rows import (
    RATIOS,
    add_host,
    add_server,
    add_workflow,
    someone_waits_for,
    workflow_row,
)

DEFAULT = "nova"


async def create(pool: Pool, name: str, zone: str | None = None) -> int:
    return (await aggregates.create(pool, uuid4(), name, zone)).id


async def add(pool: Pool, aggregate: int, *hosts: str) -> Aggregate:
    for host in hosts:
        found = await aggregates.add_host(pool, aggregate, host, default_zone=DEFAULT)
    return found


async def remove(pool: Pool, aggregate: int, host: str) -> Aggregate:
    return await aggregates.remove_host(pool, aggregate, host, default_zone=DEFAULT)


async def zone_of(pool: Pool, host: str) -> str | None:
    return await aggregates.zone_of(pool, host, DEFAULT)


async def occupy(db: Pool | Connection, host: str) -> None:
    workflow = await workflow_row(db, await add_workflow(db, await add_server(db)))
    claim = Claim([host], "server", Resources(1, 1, 1), RATIOS)
    done = await commit(db, workflow, Changes(claim=claim), ended=True, even_if_cancelled=True)
    assert done.host == host


async def test_hosts_have_the_zone_of_their_aggregates(pool: Pool) -> None:
    await add_host(pool, "a")
    await add_host(pool, "b")
    plain, west, other = [
        await create(pool, name, zone)
        for name, zone in (("plain", None), ("west", "west"), ("west too", "west"))
    ]
    assert await zone_of(pool, "a") == DEFAULT
    assert await zone_of(pool, "nowhere") is None
    await add(pool, plain, "a", "b")
    assert await zone_of(pool, "a") == DEFAULT
    await add(pool, west, "b", "a")
    assert (await add(pool, other, "a")).hosts == ["a"]
    assert (await aggregates.get(pool, west)).hosts == ["b", "a"]
    assert [await zone_of(pool, host) for host in ("a", "b")] == ["west", "west"]
    await remove(pool, west, "a")
    assert await zone_of(pool, "a") == "west", "of the other one"
    await remove(pool, other, "a")
    assert await zone_of(pool, "a") == DEFAULT
    found = await aggregates.update(pool, west, zone="east", default_zone=DEFAULT)
    assert (found.availability_zone, found.metadata) == ("east", {"availability_zone": "east"})
    assert await zone_of(pool, "b") == "east"
    assert [each.name for each in await aggregates.find(pool)] == ["plain", "west", "west too"]


async def test_a_second_zone_is_refused(pool: Pool) -> None:
    await add_host(pool, "a")
    west, east, plain = [
        await create(pool, name, zone)
        for name, zone in (("west", "west"), ("east", "east"), ("plain", None))
    ]
    await add(pool, west, "a")
    await add(pool, plain, "a")
    with pytest.raises(Conflict, match=r"already in availability zone\(s\) west"):
        await add(pool, east, "a")
    with pytest.raises(InvalidInput, match=r"already in availability zone\(s\) west"):
        await aggregates.update(pool, plain, zone="east", default_zone=DEFAULT)
    assert (await aggregates.get(pool, east)).hosts == []
    assert await zone_of(pool, "a") == "west"


@pytest.mark.parametrize(
    "past_the_store",
    [
        "update aggregates set availability_zone = 'east' where name = 'plain'",
        "update compute_nodes set availability_zone = 'east'",
        "update compute_nodes set availability_zone = null",
        (
            "insert into aggregate_hosts select a.id, n.id, 'a', a.availability_zone"
            " from aggregates a, compute_nodes n where a.name = 'east'"
        ),
        (
            "insert into aggregate_hosts select a.id, n.id, 'a', ''"
            " from aggregates a, compute_nodes n where a.name = 'east'"
        ),
    ],
)
async def test_constraints_keep_one_zone(pool: Pool, past_the_store: str) -> None:
    await add_host(pool, "a")
    await create(pool, "east", "east")
    await add(pool, await create(pool, "west", "west"), "a")
    await add(pool, await create(pool, "plain"), "a")
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await pool.execute(past_the_store)


async def test_names_hosts_and_ids_that_do_not_fit(pool: Pool) -> None:
    await add_host(pool, "a")
    first, second = await create(pool, "first"), await create(pool, "second")
    with pytest.raises(Conflict, match="Aggregate first already exists"):
        await create(pool, "first")
    with pytest.raises(Conflict, match="Aggregate first already exists"):
        await aggregates.update(pool, second, name="first", default_zone=DEFAULT)
    await add(pool, first, "a")
    with pytest.raises(Conflict, match="already has host a"):
        await add(pool, first, "a")
    with pytest.raises(NotFound, match="Compute host b could not be found"):
        await add(pool, first, "b")
    with pytest.raises(NotFound, match="has no host a"):
        await remove(pool, second, "a")
    with pytest.raises(InvalidInput, match="not empty"):
        await aggregates.delete(pool, first)
    await remove(pool, first, "a")
    await aggregates.delete(pool, first)
    for gone in (
        aggregates.get(pool, first),
        aggregates.delete(pool, first),
        add(pool, first, "a"),
        remove(pool, first, "a"),
        aggregates.update(pool, first, name="x", default_zone=DEFAULT),
    ):
        with pytest.raises(NotFound, match=f"Aggregate {first} could not be found"):
            await gone


async def test_metadata(pool: Pool) -> None:
    one = await create(pool, "one", "west")

    async def change(**items: str | None) -> dict[str, str]:
        found = await aggregates.update(pool, one, metadata=items, default_zone=DEFAULT)
        assert found.updated_at is not None
        return found.metadata

    assert await change(a="1", b="2") == {"a": "1", "b": "2", "availability_zone": "west"}
    assert await change(a=None, b="3", c=None) == {"b": "3", "availability_zone": "west"}


async def test_a_host_with_servers_stays_in_its_zone(pool: Pool) -> None:
    for host in ("a", "b"):
        await add_host(pool, host)
        await occupy(pool, host)
    west, nova, plain = [
        await create(pool, name, zone)
        for name, zone in (("west", "west"), ("nova", DEFAULT), ("plain", None))
    ]
    with pytest.raises(Conflict, match="contain servers"):
        await add(pool, west, "a")
    await add(pool, plain, "a")
    await add(pool, nova, "a")
    with pytest.raises(InvalidInput, match="contain servers"):
        await aggregates.update(pool, nova, zone="west", default_zone=DEFAULT)
    await remove(pool, nova, "a")
    await add_host(pool, "c")
    await add(pool, west, "c")
    await occupy(pool, "c")
    with pytest.raises(Conflict, match="contain servers"):
        await remove(pool, west, "c")
    assert (await aggregates.get(pool, west)).hosts == ["c"]
    assert await zone_of(pool, "c") == "west"


async def test_a_server_that_comes_at_this_moment_counts(pool: Pool) -> None:
    await add_host(pool, "a")
    west = await create(pool, "west", "west")
    async with pool.acquire() as session, session.transaction():
        await occupy(session, "a")
        adding = asyncio.ensure_future(add(pool, west, "a"))
        await someone_waits_for(pool, session)
    with pytest.raises(Conflict, match="contain servers"):
        await adding


async def test_a_host_that_is_deleted_leaves_its_aggregates(pool: Pool) -> None:
    await add_host(pool, "a")
    west = await create(pool, "west", "west")
    await add(pool, west, "a")
    (service,) = await os_services.find(pool, host="a")
    await os_services.delete(pool, service)
    assert (await aggregates.get(pool, west)).hosts == []
    await add_host(pool, "a")
    assert await zone_of(pool, "a") == DEFAULT


async def test_a_zone_has_hosts_while_they_take_servers(pool: Pool) -> None:
    await add_host(pool, "a")
    await add(pool, await create(pool, "west", "west"), "a")
    assert await aggregates.zone_has_hosts(pool, "west", DEFAULT)
    assert not await aggregates.zone_has_hosts(pool, DEFAULT, DEFAULT)
    await pool.execute("update services set disabled = true")
    assert not await aggregates.zone_has_hosts(pool, "west", DEFAULT)
