"""Whole schedulers between a bus and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest

from common.bus.memory import MemoryBroker, MemoryBus
from common.bus.topology import DEAD, SCHEDULER
from common.config.settings import SchedulerSettings, Settings
from common.db.pool import Pool
from common.db.stores import claims
from common.db.stores.claims import ClaimRequest, Resources
from common.messages.scheduler import HostSelected, SelectHost
from common.messages.workflow import RunWorkflow
from common.runtime.ports import Ports, Random
from services.scheduler.app import Scheduler, create
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
from tests.support.wait import wait_for

LONG_S = 3600.0
"""A copy is never too old by itself."""

Start = Callable[..., Awaitable[Scheduler]]


@pytest.fixture
async def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
async def start(pool: Pool, broker: MemoryBroker) -> AsyncIterator[Start]:
    """Starts a scheduler with a connection of its own, `start(name, snapshot_max_age_s=...)`."""
    async with AsyncExitStack() as cleanup:

        async def start_one(name: str = "s1", **settings: Any) -> Scheduler:
            bus = MemoryBus(broker)
            await bus.start()
            cleanup.push_async_callback(bus.stop)
            ports = Ports(bus=bus, pool=pool, random=Random(len(name)))
            scheduler = create(
                Settings(scheduler=SchedulerSettings(host_name=name, **settings)), ports
            )
            await scheduler.start()
            cleanup.push_async_callback(scheduler.stop)
            return scheduler

        yield start_one


@pytest.fixture
async def caller(broker: MemoryBroker) -> AsyncIterator[MemoryBus]:
    bus = MemoryBus(broker)
    await bus.start()
    yield bus
    await bus.stop()


def question(server: UUID, **fields: Any) -> SelectHost:
    return SelectHost(
        **{
            "server_uuid": str(server),
            "project_id": "demo",
            "vcpus": 1,
            "memory_mib": 1024,
            "disk_gib": 10,
            **fields,
        }
    )


async def ask(caller: MemoryBus, server: UUID, **fields: Any) -> HostSelected:
    answer = await caller.call(SCHEDULER, question(server, **fields), timeout_s=20)
    assert isinstance(answer, HostSelected)
    return answer


async def test_a_host_is_claimed_and_described(pool: Pool, start: Start, caller: MemoryBus) -> None:
    for host in ("a", "b", "c", "d"):
        await add_host(pool, host)
    await change_service(pool, "d", FORCED_DOWN)
    await start(max_alternates=1)
    answer = await ask(caller, await add_server(pool), request_id="req-1")
    assert answer.host in {"a", "b", "c"}
    assert answer.node == f"{answer.host}.node"
    assert answer.availability_zone == "nova"
    assert answer.request_id == "req-1"
    assert answer.eliminated == {"ComputeFilter (down)": 1}
    assert len(answer.alternates) == 1
    assert answer.alternates[0] in {"a", "b", "c"} - {answer.host}
    assert await used(pool, answer.host) == (1, 1024, 10, 1)


async def test_servers_are_spread(pool: Pool, start: Start, caller: MemoryBus) -> None:
    for host in ("a", "b", "c"):
        await add_host(pool, host)
    await start(snapshot_max_age_s=LONG_S)
    servers = [await add_server(pool) for _ in range(6)]
    answers = await asyncio.gather(*(ask(caller, server) for server in servers))
    assert sorted(str(answer.host) for answer in answers) == ["a", "a", "b", "b", "c", "c"]


async def test_no_host_is_explained(pool: Pool, start: Start, caller: MemoryBus) -> None:
    await start()
    server = await add_server(pool)
    answer = await ask(caller, server)
    assert answer.host is None
    assert answer.reason == "No valid host was found. No host has registered yet."
    for host, change in (("a", DOWN), ("b", DISABLED), ("c", "uuid = uuid")):
        await add_host(pool, host, memory_mib=512 + 1023)
        await change_service(pool, host, change)
    answer = await ask(caller, server)
    assert answer.host is None
    assert answer.reason == (
        "No valid host was found. 3 hosts: 1 removed by ComputeFilter (down), "
        "1 by ComputeFilter (disabled), 1 by RamFilter."
    )
    assert sum(answer.eliminated.values()) == 3


async def test_asking_twice_gives_the_same_host(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    for host in ("a", "b", "c"):
        await add_host(pool, host, memory_mib=512 + 1024)
    await start("s1")
    await start("s2")
    server = await add_server(pool)
    answers = await asyncio.gather(*(ask(caller, server) for _ in range(10)))
    assert len({answer.host for answer in answers}) == 1
    assert len(await claims.claims_of(pool, server)) == 1
    assert await claims.ledger_errors(pool) == []


async def test_a_claim_is_found_again_when_it_fills_the_only_host(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    await add_host(pool, "a", memory_mib=512 + 1024)
    await start()
    server = await add_server(pool)
    assert (await ask(caller, server)).host == "a"
    again = await ask(caller, server)
    assert (again.host, again.node, again.reason) == ("a", "a.node", None)
    assert (await ask(caller, server, exclude_hosts=["a"])).host is None
    assert (await ask(caller, server, purpose="migration")).host is None


async def test_no_is_never_said_from_an_old_copy(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    await add_host(pool, "a", memory_mib=512 + 1024)
    await start(snapshot_max_age_s=LONG_S)
    first, second = await add_server(pool), await add_server(pool)
    assert (await ask(caller, first)).host == "a"
    await claims.release(pool, first)
    assert (await ask(caller, second)).host == "a"


@pytest.mark.parametrize("change", [DISABLED, FORCED_DOWN, DOWN])
async def test_a_host_that_went_away_since_the_copy_falls_through_to_the_next(
    pool: Pool, start: Start, caller: MemoryBus, change: str
) -> None:
    await add_host(pool, "big", vcpus=64, memory_mib=65536, disk_gib=9000)
    await add_host(pool, "small")
    await start(snapshot_max_age_s=LONG_S)
    assert (await ask(caller, await add_server(pool))).host == "big"
    await change_service(pool, "big", change)
    assert (await ask(caller, await add_server(pool))).host == "small"
    # and the copy that was wrong is not used again
    answer = await ask(caller, await add_server(pool))
    assert list(answer.eliminated.values()) == [1]


async def test_claims_in_the_air_turn_others_elsewhere(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    """The second does not queue up behind the first for room that will be gone."""
    await add_host(pool, "big", vcpus=64, memory_mib=65536, disk_gib=9000)
    await add_host(pool, "small")
    await start(snapshot_max_age_s=LONG_S)
    first, second = await add_server(pool), await add_server(pool)
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute("select from compute_nodes where host = 'big' for update")
        waiting = asyncio.ensure_future(ask(caller, first, memory_mib=65000))
        await someone_waits_for(pool, holder)
        assert (await ask(caller, second)).host == "small"
    assert (await waiting).host == "big"


async def test_no_is_never_said_because_of_a_claim_that_may_fail(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    """The first reads the hosts; the others wait for that and share the next copy, in which the
    claim of a workflow that is just ending takes the only room."""
    await add_host(pool, "a", memory_mib=512 + 1024)
    await start(snapshot_max_age_s=0)
    first, ending, last = [await add_server(pool) for _ in range(3)]
    workflow = await add_workflow(pool, ending)
    async with pool.acquire() as conductor, conductor.transaction():
        await conductor.execute("delete from workflows where id = $1", workflow)
        asking = [
            asyncio.ensure_future(ask(caller, first, memory_mib=0)),
            asyncio.ensure_future(ask(caller, ending, workflow_id=workflow)),
            asyncio.ensure_future(ask(caller, last)),
        ]
        await someone_waits_for(pool, conductor)
        assert (await asking[2]).host == "a"
    assert (await asking[1]).host is None
    assert (await asking[0]).host == "a"


async def test_two_schedulers_fill_the_cluster_exactly(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    for host in ("a", "b", "c", "d", "e"):
        await add_host(pool, host, memory_mib=512 + 4 * 1024)
    await start("s1", snapshot_max_age_s=LONG_S)
    await start("s2", snapshot_max_age_s=LONG_S)
    servers = [await add_server(pool) for _ in range(30)]
    answers = await asyncio.gather(*(ask(caller, server) for server in servers))
    assert sum(answer.host is not None for answer in answers) == 20
    reasons = {answer.reason for answer in answers if answer.host is None}
    assert reasons == {"No valid host was found. 5 hosts: 5 removed by RamFilter."}
    for host in ("a", "b", "c", "d", "e"):
        assert (await used(pool, host))[3] == 4
    assert await claims.ledger_errors(pool) == []


async def test_hints_name_servers_on_hosts_or_about_to_be(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    for host in ("a", "b", "c"):
        await add_host(pool, host)
    await start()
    on_a, building_on_b = await add_server(pool, "a"), await add_server(pool)
    await claims.claim(pool, ClaimRequest(building_on_b, "server", Resources(1, 1, 1)), "b", RATIOS)

    async def where(**hints: Any) -> str | None:
        return (await ask(caller, await add_server(pool), scheduler_hints=hints)).host

    assert await where(same_host=str(on_a)) == "a"
    assert await where(same_host=[str(building_on_b)]) == "b"
    assert await where(different_host=[str(on_a), str(building_on_b)]) == "c"
    assert await where(same_host=[str(on_a), str(building_on_b)], different_host=str(on_a)) == "b"
    assert await where(same_host=str(uuid4())) is None
    assert await where(same_host="no uuid") is None
    assert await where(different_host=["no uuid", 7], unknown="x") is not None


async def test_forced_and_requested_hosts(pool: Pool, start: Start, caller: MemoryBus) -> None:
    await add_host(pool, "a")
    await add_host(pool, "b", memory_mib=512 + 1024)
    await change_service(pool, "b", DISABLED)
    await start()
    assert (await ask(caller, await add_server(pool), requested_host="a")).host == "a"
    refused = await ask(caller, await add_server(pool), requested_host="b")
    assert refused.eliminated == {"RequestedHostFilter": 1, "ComputeFilter (disabled)": 1}
    assert (await ask(caller, await add_server(pool), force_host="b")).host == "b"
    full = await ask(caller, await add_server(pool), force_host="b")
    assert full.eliminated == {"ForcedHostFilter": 1, "RamFilter": 1}


async def test_zones(pool: Pool, start: Start, caller: MemoryBus) -> None:
    await add_host(pool, "a")
    await start()
    assert (await ask(caller, await add_server(pool), availability_zone="nova")).host == "a"
    answer = await ask(caller, await add_server(pool), availability_zone="west")
    assert answer.eliminated == {"AvailabilityZoneFilter": 1}


async def test_a_question_whose_workflow_is_over_claims_nothing(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    await add_host(pool, "a")
    await start()
    server = await add_server(pool)
    workflow = await add_workflow(pool, server)
    await pool.execute("delete from workflows where id = $1", workflow)
    answer = await ask(caller, server, workflow_id=workflow)
    assert answer.host is None
    assert answer.reason is not None
    assert answer.reason.startswith("No valid host was found. The request is over")
    assert await used(pool, "a") == (0, 0, 0, 0)


async def test_a_scheduler_that_dies_in_mid_question_is_replaced(
    pool: Pool, broker: MemoryBroker, start: Start, caller: MemoryBus
) -> None:
    await add_host(pool, "a")
    first = await start("s1")
    server = await add_server(pool)
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute("select from compute_nodes for update")
        waiting = asyncio.ensure_future(ask(caller, server))
        await someone_waits_for(pool, holder)
        await start("s2")
        assert isinstance(first._bus, MemoryBus)
        await first._bus.crash()
        await first.crash()
        assert not waiting.done()
    assert (await waiting).host == "a"
    assert await used(pool, "a") == (1, 1024, 10, 1)


async def test_it_reports_itself_and_says_goodbye(pool: Pool, start: Start) -> None:
    scheduler = await start("s1")
    up = "select is_fresh(s) from services s where binary_name = 'nova-scheduler' and host = 's1'"
    await wait_for(lambda: pool.fetchval(up), what="the scheduler is up")
    await scheduler.stop()
    assert await pool.fetchval(up) is False


async def test_what_is_no_question_is_put_aside(
    broker: MemoryBroker, start: Start, caller: MemoryBus
) -> None:
    await start()
    await caller.publish(SCHEDULER, RunWorkflow(workflow_id=1, server_uuid=str(uuid4())))
    await wait_for(lambda: broker.depth(DEAD) == 1, what="a dead letter")
