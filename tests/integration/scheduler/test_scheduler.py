"""Whole schedulers between a bus and a real PostgreSQL; the test is the conductor that claims."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest

from common.bus.memory import MemoryBroker, MemoryBus
from common.bus.topology import DEAD, SCHEDULER
from common.config.scheduler import SchedulerSettings
from common.config.settings import Settings
from common.db.pool import Pool
from common.db.stores import aggregates, claims
from common.db.stores.claims import Claim, Release, Resources
from common.db.stores.commit import Changes, Outcome, commit
from common.messages.scheduler import HostSelected, SelectHost
from common.messages.workflow import RunWorkflow
from common.runtime.ports import Ports, Random
from services.scheduler.app import Scheduler, create
from tests.integration.scheduler.rows import (
    DISABLED,
    DOWN,
    FORCED_DOWN,
    RATIOS,
    add_group,
    add_host,
    add_server,
    add_workflow,
    change_service,
    someone_waits_for,
    used,
    workflow_row,
)
from tests.support.wait import wait_for

LONG_S = 3600.0
"""A copy is never too old by itself, a promise never."""

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


async def claim(pool: Pool, server: UUID, answer: HostSelected) -> str | None:
    """What a conductor does with an answer; None when no host has room."""
    assert answer.host is not None
    workflow = await workflow_row(pool, await add_workflow(pool, server))
    walk = Claim([answer.host, *answer.alternates], "server", Resources(1, 1024, 10), RATIOS)
    result = await commit(pool, workflow, Changes(claim=walk), ended=True, even_if_cancelled=False)
    return result.host


async def place(pool: Pool, caller: MemoryBus, **fields: Any) -> tuple[str | None, HostSelected]:
    """A new server's host, asking again as a conductor does; and the last answer."""
    server, fresh = await add_server(pool), False
    while True:
        answer = await ask(caller, server, fresh=fresh, **fields)
        if answer.host is None:
            return None, answer
        if (host := await claim(pool, server, answer)) is not None:
            return host, answer
        fresh = True


async def release(pool: Pool, server: UUID) -> None:
    workflow = await workflow_row(pool, await add_workflow(pool, server))
    changes = Changes(release=Release())
    result = await commit(pool, workflow, changes, ended=True, even_if_cancelled=False)
    assert result.outcome is Outcome.WRITTEN


async def test_hosts_are_proposed_and_nothing_is_written(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
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
    for host in ("a", "b", "c", "d"):
        assert await used(pool, host) == (0, 0, 0, 0)


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


async def test_what_was_promised_turns_others_elsewhere(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    """Nobody claims meanwhile, and the copy is never read again."""
    for host in ("a", "b", "c"):
        await add_host(pool, host)
    await start(snapshot_max_age_s=LONG_S)
    servers = [await add_server(pool) for _ in range(6)]
    answers = await asyncio.gather(*(ask(caller, server) for server in servers))
    assert sorted(str(answer.host) for answer in answers) == ["a", "a", "b", "b", "c", "c"]


async def test_asking_again_is_not_promised_twice(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    for host in ("a", "b"):
        await add_host(pool, host, memory_mib=512 + 1024)
    await start(snapshot_max_age_s=LONG_S)
    first, second = await add_server(pool), await add_server(pool)
    for fresh in (False, False, True):
        held = (await ask(caller, first, fresh=fresh)).host
    assert (await ask(caller, second)).host == ({"a", "b"} - {held}).pop()


async def test_a_promise_that_is_claimed_is_counted_once(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    """Room for two: after one claim, seen by the next copy, there is still room for another, and
    nothing but promises kept too long would make it disregard them."""
    await add_host(pool, "a", memory_mib=512 + 2 * 1024)
    scheduler = await start(snapshot_max_age_s=0, promise_s=LONG_S)
    first, second = await add_server(pool), await add_server(pool)
    assert await claim(pool, first, await ask(caller, first)) == "a"
    assert (await ask(caller, second)).host == "a"
    assert list(scheduler._selector._promises.hosts()) == [second]


async def test_no_is_never_said_because_of_a_promise(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    await add_host(pool, "a", memory_mib=512 + 1024)
    await start(snapshot_max_age_s=LONG_S, promise_s=LONG_S)
    first, second = await add_server(pool), await add_server(pool)
    answers = [await ask(caller, server) for server in (first, second)]
    assert [answer.host for answer in answers] == ["a", "a"]
    assert await claim(pool, second, answers[1]) == "a"
    assert await claim(pool, first, answers[0]) is None
    assert (await ask(caller, first, fresh=True)).eliminated == {"RamFilter": 1}


async def test_no_is_never_said_from_an_old_copy(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    await add_host(pool, "a", memory_mib=512 + 1024)
    await start(snapshot_max_age_s=LONG_S)
    first = await add_server(pool)
    assert await claim(pool, first, await ask(caller, first)) == "a"
    assert (await ask(caller, await add_server(pool))).host is None
    await release(pool, first)
    assert (await ask(caller, await add_server(pool))).host == "a"


async def test_no_query_while_the_copy_is_young(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    await add_host(pool, "a")
    await start(snapshot_max_age_s=LONG_S)
    servers = [await add_server(pool) for _ in range(4)]
    await ask(caller, servers[0])
    await pool.execute("alter table compute_nodes rename to hidden")
    for server in servers[1:]:
        assert (await ask(caller, server)).host == "a"


@pytest.mark.parametrize("change", [DISABLED, FORCED_DOWN, DOWN])
async def test_a_host_that_went_away_since_the_copy_is_walked_past(
    pool: Pool, start: Start, caller: MemoryBus, change: str
) -> None:
    await add_host(pool, "big", vcpus=64, memory_mib=65536, disk_gib=9000)
    await add_host(pool, "small")
    await start(snapshot_max_age_s=LONG_S)
    assert (await place(pool, caller))[0] == "big"
    await change_service(pool, "big", change)
    host, answer = await place(pool, caller)
    assert (host, answer.host, answer.alternates) == ("small", "big", ["small"])


async def test_who_was_refused_is_answered_from_a_new_copy(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    await add_host(pool, "big", vcpus=64, memory_mib=65536, disk_gib=9000)
    await add_host(pool, "small")
    await start(snapshot_max_age_s=LONG_S, max_alternates=0)
    server = await add_server(pool)
    assert (await ask(caller, server)).host == "big"
    await change_service(pool, "big", DOWN)
    assert (await ask(caller, server)).host == "big"
    assert (await ask(caller, server, fresh=True)).host == "small"
    # and so are all who come after
    assert (await ask(caller, await add_server(pool))).eliminated == {"ComputeFilter (down)": 1}


@pytest.mark.parametrize("alternates", [0, 2])
async def test_two_schedulers_fill_the_cluster_exactly(
    pool: Pool, start: Start, caller: MemoryBus, alternates: int
) -> None:
    for host in ("a", "b", "c", "d", "e"):
        await add_host(pool, host, memory_mib=512 + 4 * 1024)
    for name in ("s1", "s2"):
        await start(name, snapshot_max_age_s=LONG_S, max_alternates=alternates)
    placed = await asyncio.gather(*(place(pool, caller) for _ in range(30)))
    assert sum(host is not None for host, _ in placed) == 20
    reasons = {answer.reason for host, answer in placed if host is None}
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
    assert await claim(pool, building_on_b, HostSelected(host="b")) == "b"

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
    await add_host(pool, "b", memory_mib=512 + 1023)
    await change_service(pool, "b", DISABLED)
    await start()
    requested = await ask(caller, await add_server(pool), requested_host="a")
    assert (requested.host, requested.alternates) == ("a", [])
    refused = await ask(caller, await add_server(pool), requested_host="b", memory_mib=1)
    assert refused.eliminated == {"RequestedHostFilter": 1, "ComputeFilter (disabled)": 1}
    forced = await ask(caller, await add_server(pool), force_host="b", memory_mib=1)
    assert (forced.host, forced.alternates) == ("b", [])
    full = await ask(caller, await add_server(pool), force_host="b")
    assert full.eliminated == {"ForcedHostFilter": 1, "RamFilter": 1}


async def test_zones(pool: Pool, start: Start, caller: MemoryBus) -> None:
    await add_host(pool, "a")
    await start()
    assert (await ask(caller, await add_server(pool), availability_zone="nova")).host == "a"
    answer = await ask(caller, await add_server(pool), availability_zone="west")
    assert answer.eliminated == {"AvailabilityZoneFilter": 1}


async def test_zones_and_aggregates_are_those_of_the_hosts(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    for host in ("a", "b"):
        await add_host(pool, host)
    west = await aggregates.create(pool, uuid4(), "west", "west")
    await aggregates.update(pool, west.id, metadata={"ssd": "true"}, default_zone="nova")
    await aggregates.add_host(pool, west.id, "b", default_zone="nova")
    await start(enabled_filters=["AggregateInstanceExtraSpecsFilter"])
    answer = await ask(caller, await add_server(pool), availability_zone="west")
    assert (answer.host, answer.availability_zone) == ("b", "west")
    fast = {"name": "fast", "extra_specs": {"ssd": "true"}}
    answer = await ask(caller, await add_server(pool), flavor=fast)
    assert answer.eliminated == {"AggregateInstanceExtraSpecsFilter": 1}
    assert answer.host == "b"


async def test_what_hosts_have_in_common_is_read_again_before_a_no(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    await add_host(pool, "a")
    await start(facts_max_age_s=LONG_S, snapshot_max_age_s=LONG_S)
    server, x86 = await add_server(pool), {"hw_architecture": "x86_64"}
    answer = await ask(caller, server, image_properties=x86)
    assert answer.eliminated == {"ImagePropertiesFilter": 1}
    await pool.execute(
        "update compute_nodes set supported_instances = $1", [["x86_64", "simulated", "hvm"]]
    )
    assert (await ask(caller, server, image_properties=x86)).host == "a"


async def test_a_filter_there_is_not_is_refused_at_the_start(start: Start) -> None:
    with pytest.raises(ValueError, match="NoSuchFilter"):
        await start(enabled_filters=["NoSuchFilter"])


async def test_busy_hosts_are_avoided(pool: Pool, start: Start, caller: MemoryBus) -> None:
    for host in ("a", "b"):
        await add_host(pool, host)
    for host in ("a", "b"):
        server = await add_server(pool)
        assert await claim(pool, server, HostSelected(host=host)) == host
        if host == "a":
            await add_workflow(pool, server)
    await start(promise_s=0, snapshot_max_age_s=0)
    assert {(await ask(caller, await add_server(pool))).host for _ in range(5)} == {"b"}


async def test_members_of_a_group_see_each_other_before_they_have_claimed(
    pool: Pool, start: Start, caller: MemoryBus
) -> None:
    for host in ("a", "b", "c"):
        await add_host(pool, host)
    await start(snapshot_max_age_s=LONG_S, promise_s=LONG_S)
    apart, together = await add_group(pool, "anti-affinity"), await add_group(pool, "affinity")

    async def place_in(group: UUID) -> tuple[UUID, str | None]:
        server = await add_server(pool, group=group)
        return server, (await ask(caller, server, server_group=str(group))).host

    answers = [await place_in(apart) for _ in range(3)]
    assert sorted(str(host) for _, host in answers) == ["a", "b", "c"]
    # A fourth is not refused because of what was only promised.
    assert (await place_in(apart))[1] is not None
    one = {(await place_in(together))[1] for _ in range(4)}
    assert len(one) == 1


async def test_a_group_that_is_full_says_so(pool: Pool, start: Start, caller: MemoryBus) -> None:
    for host in ("a", "b"):
        await add_host(pool, host)
    await start()
    group = await add_group(pool, "anti-affinity")
    for host in ("a", "b"):
        await claim(pool, await add_server(pool, group=group), HostSelected(host=host))
    answer = await ask(caller, await add_server(pool, group=group), server_group=str(group))
    assert answer.eliminated == {"ServerGroupAntiAffinityFilter": 2}
    gone = await ask(caller, await add_server(pool), server_group=str(uuid4()))
    assert gone.host is not None


async def test_a_scheduler_that_dies_in_mid_question_is_replaced(
    pool: Pool, broker: MemoryBroker, start: Start, caller: MemoryBus
) -> None:
    await add_host(pool, "a")
    first = await start("s1")
    server = await add_server(pool)
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute("lock table compute_nodes")
        waiting = asyncio.ensure_future(ask(caller, server))
        await someone_waits_for(pool, holder)
        await start("s2")
        assert isinstance(first._bus, MemoryBus)
        await first._bus.crash()
        await first.crash()
        assert not waiting.done()
    assert (await waiting).host == "a"


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
