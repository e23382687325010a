"""A claim holds on a real PostgreSQL whoever claims at the same time, and however often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest

from common.db.pool import Pool
from common.db.stores import claims
from common.db.stores.claims import ClaimRequest, Held, Refusal, Resources
from tests.integration.scheduler.rows import (
    DISABLED,
    DOWN,
    FORCED_DOWN,
    RATIOS,
    add_host,
    add_server,
    add_workflow,
    change_service,
    someone_waits_for,
    used,
)

SMALL = Resources(1, 1024, 10)
NOTHING = (0, 0, 0, 0)


async def new_request(pool: Pool, resources: Resources = SMALL) -> ClaimRequest:
    return ClaimRequest(await add_server(pool), "server", resources)


async def claim(pool: Pool, request: ClaimRequest, host: str = "a") -> str | Refusal:
    held = await claims.claim(pool, request, host, RATIOS)
    return held.host if isinstance(held, Held) else held


async def test_many_at_once_fill_a_host_exactly(pool: Pool) -> None:
    await add_host(pool, "a", memory_mib=512 + 8 * 1024)
    requests = [await new_request(pool) for _ in range(30)]
    results = await asyncio.gather(*(claim(pool, request) for request in requests))
    assert results.count("a") == 8
    assert results.count(Refusal.HOST) == 22
    assert await used(pool, "a") == (8, 8192, 80, 8)
    assert await claims.ledger_errors(pool) == []


@pytest.mark.parametrize("room", [1, 100])
async def test_one_server_claimed_by_many_schedulers_is_counted_once(pool: Pool, room: int) -> None:
    await add_host(pool, "a", memory_mib=512 + room * 1024)
    request = await new_request(pool)
    results = await asyncio.gather(*(claim(pool, request) for _ in range(20)))
    assert set(results) == {"a"}
    assert await used(pool, "a") == (1, 1024, 10, 1)


async def test_schedulers_that_prefer_different_hosts_agree_on_one(pool: Pool) -> None:
    hosts = ["a", "b", "c", "d"]
    for host in hosts:
        await add_host(pool, host)
    for _ in range(10):
        request = await new_request(pool)
        results = await asyncio.gather(*(claim(pool, request, host) for host in hosts))
        assert len(set(results)) == 1
        assert [c.host for c in await claims.claims_of(pool, request.server_uuid)] == results[:1]
    assert await claims.ledger_errors(pool) == []


async def test_the_statement_alone_counts_once_without_the_lock_before_it(pool: Pool) -> None:
    """The unique key must decide when two snapshots both lack the row."""
    await add_host(pool, "a")
    server = await add_server(pool)
    first, second = await pool.acquire(), await pool.acquire()

    async def statement(connection: asyncpg.Connection) -> tuple[str, bool]:
        row = await claims._sql.claim(
            connection,
            server_uuid=server,
            host="a",
            purpose="server",
            vcpus=1,
            memory_mib=1024,
            disk_gib=10,
            cpu_ratio=4.0,
            ram_ratio=1.0,
            disk_ratio=1.0,
            forced=False,
            exclude_hosts=[],
            only_host=None,
        )
        return row["host"], row["is_new"]

    try:
        async with first.transaction():
            assert await statement(first) == ("a", True)
            waiting = asyncio.ensure_future(statement(second))
            await someone_waits_for(pool, first)
        assert await waiting == ("a", False)
    finally:
        await pool.release(first)
        await pool.release(second)
    assert await used(pool, "a") == (1, 1024, 10, 1)


async def test_capacity_is_total_less_reserved_times_ratio(pool: Pool) -> None:
    await add_host(pool, "a", vcpus=2, memory_mib=1536, disk_gib=20)
    for resources in (Resources(3, 1, 1), Resources(1, 1025, 1), Resources(1, 1, 21)):
        assert await claim(pool, await new_request(pool, resources)) is Refusal.HOST
    assert await used(pool, "a") == NOTHING
    for _ in range(4):
        assert await claim(pool, await new_request(pool, Resources(2, 256, 5))) == "a"
    assert await used(pool, "a") == (8, 1024, 20, 4)
    assert await claim(pool, await new_request(pool, Resources(1, 0, 0))) is Refusal.HOST


async def test_a_class_that_is_not_asked_for_does_not_count(pool: Pool) -> None:
    await add_host(pool, "a", disk_gib=100)
    assert await claim(pool, await new_request(pool, Resources(1, 512, 100))) == "a"
    await pool.execute("update compute_nodes set disk_gib = 50")
    assert await claim(pool, await new_request(pool, Resources(1, 512, 1))) is Refusal.HOST
    assert await claim(pool, await new_request(pool, Resources(1, 512, 0))) == "a"


@pytest.mark.parametrize("change", [DISABLED, FORCED_DOWN, DOWN])
async def test_a_host_out_of_service_is_claimed_by_force_only(pool: Pool, change: str) -> None:
    await add_host(pool, "a", vcpus=1)
    await change_service(pool, "a", change)
    request = await new_request(pool)
    assert await claim(pool, request) is Refusal.HOST
    forced = replace(request, forced=True)
    too_much = replace(forced, resources=Resources(2, 1, 1))
    assert await claim(pool, too_much) is Refusal.HOST
    assert await claim(pool, forced) == "a"


async def test_nobody_is_down_while_nobody_listens(pool: Pool) -> None:
    """All conductors were away for an hour: the host's lease is judged in observed time."""
    await add_host(pool, "a")
    await pool.execute("update observer set beat_at = now() - interval '1 hour'")
    await change_service(pool, "a", "lease_expires_at = now() - interval '59 minutes'")
    assert await claim(pool, await new_request(pool)) == "a"


async def test_an_unknown_host_refuses(pool: Pool) -> None:
    assert await claim(pool, await new_request(pool), "nowhere") is Refusal.HOST


async def test_a_claim_is_found_again_though_the_host_is_full_and_down(pool: Pool) -> None:
    await add_host(pool, "a", memory_mib=512 + 1024)
    await add_host(pool, "b")
    request = await new_request(pool)
    assert await claim(pool, request) == "a"
    await change_service(pool, "a", DOWN)
    assert await claim(pool, request, "a") == "a"
    assert await claim(pool, request, "b") == "a"
    assert await claims.standing(pool, request) == "a"
    assert await used(pool, "b") == NOTHING


async def test_a_claim_on_an_excluded_or_another_host_is_not_the_answer(pool: Pool) -> None:
    for host in ("a", "b", "c"):
        await add_host(pool, host)
    request = await new_request(pool)
    assert await claim(pool, request, "a") == "a"
    assert await claim(pool, replace(request, exclude_hosts=["a"]), "b") == "b"
    assert await claim(pool, replace(request, only_host="c"), "c") == "c"
    assert await claim(pool, replace(request, purpose="migration"), "c") == "c"
    held = [(c.host, c.purpose) for c in await claims.claims_of(pool, request.server_uuid)]
    assert held == [("a", "server"), ("b", "server"), ("c", "server"), ("c", "migration")]
    assert await used(pool, "c") == (2, 2048, 20, 2)


async def test_nothing_is_claimed_for_a_server_that_is_gone(pool: Pool) -> None:
    await add_host(pool, "a")
    request = await new_request(pool)
    await pool.execute("update servers set deleted_at = now() where uuid = $1", request.server_uuid)
    assert await claim(pool, request) is Refusal.REQUEST
    assert await claim(pool, replace(request, server_uuid=uuid4())) is Refusal.REQUEST
    assert await used(pool, "a") == NOTHING


@pytest.mark.parametrize(
    "ending",
    ["delete from workflows where id = $1", "update workflows set unwinding = true where id = $1"],
)
async def test_nothing_is_claimed_for_a_workflow_that_ends_meanwhile(
    pool: Pool, ending: str
) -> None:
    """A paused scheduler wakes up: the workflow's last word and the claim meet in the database."""
    await add_host(pool, "a")
    server = await add_server(pool)
    request = ClaimRequest(server, "server", SMALL, workflow_id=await add_workflow(pool, server))
    async with pool.acquire() as conductor, conductor.transaction():
        await conductor.execute(ending, request.workflow_id)
        waiting = asyncio.ensure_future(claim(pool, request))
        await someone_waits_for(pool, conductor)
    assert await waiting is Refusal.REQUEST
    assert await used(pool, "a") == NOTHING


async def test_the_workflow_of_another_server_does_not_count(pool: Pool) -> None:
    await add_host(pool, "a")
    workflow = await add_workflow(pool, await add_server(pool))
    request = replace(await new_request(pool), workflow_id=workflow)
    assert await claim(pool, request) is Refusal.REQUEST


async def test_release_gives_back_exactly_once(pool: Pool) -> None:
    await add_host(pool, "a")
    await add_host(pool, "b")
    request = await new_request(pool)
    other = await new_request(pool)
    await claim(pool, request, "a")
    await claim(pool, other, "a")
    await claim(pool, replace(request, purpose="migration"), "b")
    released = await asyncio.gather(
        *(claims.release(pool, request.server_uuid) for _ in range(10)),
        *(claims.release(pool, request.server_uuid, host="b") for _ in range(5)),
    )
    assert sum(released) == 2
    assert await used(pool, "a") == (1, 1024, 10, 1)
    assert await used(pool, "b") == NOTHING
    assert await claims.ledger_errors(pool) == []


async def test_release_of_some(pool: Pool) -> None:
    for host in ("a", "b", "c"):
        await add_host(pool, host)
    request = await new_request(pool)
    await claim(pool, request, "a")
    await claim(pool, replace(request, only_host="b"), "b")
    await claim(pool, replace(request, purpose="migration"), "a")

    async def held() -> list[tuple[str, str]]:
        return [(c.host, c.purpose) for c in await claims.claims_of(pool, request.server_uuid)]

    assert await claims.release(pool, request.server_uuid, host="c") == 0
    assert await claims.release(pool, request.server_uuid, purpose="server", keep_host="a") == 1
    assert await held() == [("a", "server"), ("a", "migration")]
    assert await claims.release(pool, request.server_uuid, host="a", purpose="server") == 1
    assert await held() == [("a", "migration")]
    assert await claims.ledger_errors(pool) == []


@pytest.mark.parametrize("release", [claims.release, partial(claims.promote, host="b")])
async def test_hosts_are_locked_in_the_order_of_their_names(
    pool: Pool, release: Callable[[asyncpg.Connection, UUID], Awaitable[object]]
) -> None:
    """Or else two opposite moves that end together would wait for each other for ever."""
    for host in ("c", "b", "a"):  # the order in which the table has them
        await add_host(pool, host)
    request = await new_request(pool)
    assert await claim(pool, request, "c") == "c"
    assert await claim(pool, replace(request, exclude_hosts=["c"]), "a") == "a"
    assert await claim(pool, replace(request, purpose="migration"), "b") == "b"
    lock = "select from compute_nodes where host = $1 for update"
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute(lock, "a")
        waiting = asyncio.ensure_future(release(pool, request.server_uuid))
        await someone_waits_for(pool, holder)
        await pool.execute(f"{lock} nowait", "c")
    await waiting
    assert await claims.ledger_errors(pool) == []


@pytest.mark.parametrize("target", ["a", "b"])
async def test_promote_makes_the_move_the_server_and_may_be_repeated(
    pool: Pool, target: str
) -> None:
    await add_host(pool, "a")
    await add_host(pool, "b")
    request = await new_request(pool, Resources(1, 1024, 10))
    server = request.server_uuid
    await claim(pool, request, "a")
    await claim(
        pool, replace(request, purpose="migration", resources=Resources(2, 2048, 20)), target
    )
    done = await asyncio.gather(*(claims.promote(pool, server, target) for _ in range(5)))
    assert sorted(done) == [False] * 4 + [True]
    assert [(c.host, c.purpose) for c in await claims.claims_of(pool, server)] == [
        (target, "server")
    ]
    assert await used(pool, target) == (2, 2048, 20, 1)
    assert await claims.ledger_errors(pool) == []


async def test_ledger_errors_names_what_is_wrong(pool: Pool) -> None:
    await add_host(pool, "a")
    await add_host(pool, "b")
    await claim(pool, await new_request(pool), "a")
    await pool.execute("update compute_nodes set vcpus_used = 7 where host = 'a'")
    (error,) = await claims.ledger_errors(pool)
    assert (error.host, error.ledger.vcpus, error.claimed.vcpus) == ("a", 7, 1)
    assert error.ledger_count == error.claimed_count == 1
