"""What a commit writes, and that it writes all of it or nothing, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from common.config.settings import DatabaseSettings
from common.db.pool import Connection, Pool, close_pool, create_pool
from common.db.stores import claims
from common.db.stores.claims import Claim, Purpose, Ratios, Release, Resources
from common.db.stores.commit import (
    CLAIMED_HOST,
    CLAIMED_NODE,
    NOW,
    Changes,
    Committed,
    Event,
    Leftover,
    Outcome,
    commit,
)
from common.db.stores.workflows import Workflow
from tests.integration.scheduler.rows import (
    DISABLED,
    DOWN,
    FORCED_DOWN,
    RATIOS,
    add_action,
    add_host,
    add_migration,
    add_server,
    add_workflow,
    change_service,
    so_many_wait,
    someone_waits_for,
    used,
    workflow_row,
)
from tests.support.wait import wait_for

SMALL = Resources(1, 1024, 10)
NOTHING = (0, 0, 0, 0)


@pytest.fixture
async def wide_pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await create_pool(DatabaseSettings(url=database_url, pool_size=20))
    yield pool
    await close_pool(pool)


async def fresh(pool: Pool | Connection, **columns: Any) -> Workflow:
    """A workflow of a new server."""
    workflow_id = await add_workflow(pool, await add_server(pool))
    for name, value in columns.items():
        await pool.execute(f"update workflows set {name} = $1 where id = $2", value, workflow_id)
    return await workflow_row(pool, workflow_id)


def claiming(*hosts: str, resources: Resources = SMALL, **fields: Any) -> Changes:
    purpose: Purpose = fields.pop("purpose", "server")
    ratios: Ratios = fields.pop("ratios", RATIOS)
    return Changes(claim=Claim(hosts, purpose, resources, ratios, **fields))


async def write(
    db: Pool | Connection,
    workflow: Workflow,
    changes: Changes,
    *,
    ended: bool = False,
    even_if_cancelled: bool = False,
    take_lease: tuple[str, float] | None = None,
) -> Committed:
    return await commit(
        db,
        workflow,
        changes,
        ended=ended,
        even_if_cancelled=even_if_cancelled,
        take_lease=take_lease,
    )


async def claimed(pool: Pool, *hosts: str, **fields: Any) -> str | Outcome:
    """A new server's claim: the host, or why there is none."""
    result = await write(pool, await fresh(pool), claiming(*hosts, **fields))
    return result.host or result.outcome


async def allocations(pool: Pool, server: UUID) -> list[tuple[str, str]]:
    rows = await pool.fetch(
        "select host, purpose from allocations where server_uuid = $1 order by 1, 2", server
    )
    return [(row["host"], row["purpose"]) for row in rows]


async def everything(pool: Pool) -> dict[str, list[tuple[Any, ...]]]:
    """All rows a commit may write."""
    tables = {
        "workflows": "id",
        "servers": "uuid",
        "allocations": "server_uuid, host, purpose",
        "compute_nodes": "host",
        "services": "host",
        "instance_actions": "id",
        "instance_action_events": "id",
        "migrations": "id",
        "leftovers": "id",
    }
    return {
        table: [tuple(row) for row in await pool.fetch(f"select * from {table} order by {order}")]
        for table, order in tables.items()
    }


async def one(pool: Pool, query: str, *parameters: Any) -> Any:
    row = await pool.fetchrow(query, *parameters)
    return tuple(row) if row is not None and len(row) > 1 else row and row[0]


# What is written ------------------------------------------------------------------------------


async def test_progress_is_written_under_the_lease(pool: Pool) -> None:
    workflow = await fresh(pool)
    workflow.step, workflow.attempt, workflow.unwinding = 2, 1, True
    workflow.state, workflow.error = {"host": "a"}, {"code": "bug"}
    assert await write(pool, workflow, Changes()) == Committed(Outcome.WRITTEN)
    assert await workflow_row(pool, workflow.id) == workflow


async def test_the_server_and_its_migration(pool: Pool) -> None:
    workflow = await fresh(pool)
    migration = await add_migration(pool, workflow.server_uuid)
    changes = Changes(
        server={"vm_state": "active", "launched_at": NOW},
        migration={"status": "done", "dest_compute": "b"},
        migration_uuid=migration,
    )
    assert (await write(pool, workflow, changes)).outcome is Outcome.WRITTEN
    assert await one(
        pool,
        "select vm_state, launched_at <= clock_timestamp() from servers where uuid = $1",
        workflow.server_uuid,
    ) == ("active", True)
    assert await one(
        pool, "select status, dest_compute from migrations where uuid = $1", migration
    ) == ("done", "b")


async def test_the_end_removes_the_workflow_and_tells_of_followers(pool: Pool) -> None:
    workflow = await fresh(pool)
    follower = await add_workflow(pool, workflow.server_uuid)
    await fresh(pool)
    assert await write(pool, workflow, Changes(), ended=True) == Committed(
        Outcome.WRITTEN, followers=True
    )
    last = await workflow_row(pool, follower)
    assert await write(pool, last, Changes(), ended=True) == Committed(Outcome.WRITTEN)
    assert await one(pool, "select count(*) from workflows") == 1


async def test_a_delete_that_comes_while_the_end_is_written_is_a_follower(pool: Pool) -> None:
    """Its row is newer than what the statement sees; its cancel request is not missed."""
    workflow = await fresh(pool)
    async with pool.acquire() as api, api.transaction():
        await api.execute("update workflows set cancel_requested = true")
        ending = asyncio.ensure_future(
            write(pool, workflow, Changes(), ended=True, even_if_cancelled=True)
        )
        await someone_waits_for(pool, api)
        await add_workflow(api, workflow.server_uuid)
    assert await ending == Committed(Outcome.WRITTEN, followers=True)


async def test_events_and_the_action(pool: Pool) -> None:
    workflow = await fresh(pool)
    action = await add_action(pool, workflow.server_uuid)
    workflow.action_id = action
    await pool.execute("update workflows set action_id = $1", action)
    await write(pool, workflow, Changes(insert_events=[Event("build", "a"), Event("other")]))
    assert await one(pool, "select updated_at is null from instance_actions") is False
    changes = Changes(
        insert_events=[Event("schedule", None, "Success", started_ago_s=60.0)],
        finish_events=[Event("build", result="Error", details="no")],
        action_failed=True,
        action_finished=True,
    )
    await write(pool, workflow, changes)
    rows = await pool.fetch(
        "select event, host, result, details, finish_time is not null as finished,"
        " clock_timestamp() - start_time > interval '59 s' as long_ago"
        " from instance_action_events where action_id = $1 order by event",
        action,
    )
    assert [tuple(row) for row in rows] == [
        ("build", "a", "Error", "no", True, False),
        ("other", None, None, None, False, False),
        ("schedule", None, "Success", None, True, True),
    ]
    assert await one(
        pool, "select message, finish_time is not null from instance_actions where id = $1", action
    ) == ("Error", True)


async def test_an_event_begun_and_finished_by_one_commit_is_one_row(pool: Pool) -> None:
    workflow = await fresh(pool)
    await pool.execute(
        "update workflows set action_id = $1", await add_action(pool, workflow.server_uuid)
    )
    changes = Changes(
        insert_events=[Event("stop", "a", started_ago_s=60.0)],
        finish_events=[Event("stop", result="Success", details="fine")],
    )
    await write(pool, workflow, changes)
    assert await one(
        pool,
        "select host, result, details, finish_time - start_time > interval '59 s'"
        " from instance_action_events",
    ) == ("a", "Success", "fine", True)


async def test_a_workflow_without_an_action_writes_no_events(pool: Pool) -> None:
    workflow = await fresh(pool)
    changes = Changes(insert_events=[Event("x")], finish_events=[Event("y", result="Error")])
    assert (await write(pool, workflow, changes)).outcome is Outcome.WRITTEN
    assert await one(pool, "select count(*) from instance_action_events") == 0


async def test_leftovers_are_recorded_once(pool: Pool) -> None:
    workflow = await fresh(pool)
    ports = Leftover("ports", {}, "the network service is away")
    image = Leftover("image", {"id": "i"}, "protected")
    await write(pool, workflow, Changes(leftovers=[ports, image, ports]))
    await write(pool, workflow, Changes(leftovers=[ports]))
    rows = await pool.fetch(
        "select server_uuid, kind, detail, reason, request_id from leftovers order by kind"
    )
    assert [tuple(row) for row in rows] == [
        (workflow.server_uuid, "image", {"id": "i"}, "protected", workflow.request_id),
        (workflow.server_uuid, "ports", {}, "the network service is away", workflow.request_id),
    ]


async def test_hosts_are_forgiven_and_blamed(pool: Pool) -> None:
    await add_host(pool, "a")
    await add_host(pool, "b")
    workflow = await fresh(pool)
    failures = "select array_agg(failed_builds order by host) from compute_nodes"
    await write(pool, workflow, Changes(failed_on="a"))
    await write(pool, workflow, Changes(failed_on="a", built_on="b"))
    assert await one(pool, failures) == [2, 0]
    await write(pool, workflow, Changes(built_on="a"))
    assert await one(pool, failures) == [0, 0]
    await write(pool, workflow, Changes(built_on="unknown", failed_on="unknown"))
    assert await one(pool, failures) == [0, 0]


async def test_hosts_to_be_told_are_unsettled(pool: Pool) -> None:
    for host in ("a", "b", "c"):
        await add_host(pool, host)
    await pool.execute("update services set inventory = 'hash' where host <> 'b'")
    changes = Changes(recheck_hosts=["b", "a", "unknown"])
    assert (await write(pool, await fresh(pool), changes)).outcome is Outcome.WRITTEN
    assert await one(pool, "select array_agg(inventory order by host) from services") == [
        None,
        None,
        "hash",
    ]


async def test_who_settles_a_report_notices_that_it_is_old(pool: Pool) -> None:
    """By the version of the row, which is a new one even where nothing was settled before; and what
    is settled while the commit waits is taken back."""
    await add_host(pool, "a")
    version = "select xmin::text from services"
    before = await one(pool, version)
    await write(pool, await fresh(pool), Changes(recheck_hosts=["a"]))
    assert await one(pool, version) != before
    async with pool.acquire() as other, other.transaction():
        await other.execute("update services set inventory = 'settled before'")
        writing = asyncio.ensure_future(
            write(pool, await fresh(pool), Changes(recheck_hosts=["a"]))
        )
        await someone_waits_for(pool, other)
    assert (await writing).outcome is Outcome.WRITTEN
    assert await one(pool, "select inventory from services") is None


async def test_a_claim_is_written_wherever_it_is_named(pool: Pool) -> None:
    await add_host(pool, "a")
    workflow = await fresh(pool, state={"flavor": "small", "dest": "old"})
    migration = await add_migration(pool, workflow.server_uuid)
    await pool.execute(
        "update workflows set action_id = $1", await add_action(pool, workflow.server_uuid)
    )
    changes = claiming("unknown", "a")
    changes.server = {"host": CLAIMED_HOST, "node": CLAIMED_NODE, "task_state": "networking"}
    changes.claimed_state = {"dest": "host", "node": "node"}
    changes.migration, changes.migration_uuid = {"dest_compute": CLAIMED_HOST}, migration
    changes.insert_events = [Event("build", CLAIMED_HOST)]
    assert await write(pool, workflow, changes) == Committed(Outcome.WRITTEN, "a", "a.node")
    assert await one(pool, "select host, node, task_state from servers") == (
        "a",
        "a.node",
        "networking",
    )
    assert (await workflow_row(pool, workflow.id)).state == {
        "flavor": "small",
        "dest": "a",
        "node": "a.node",
    }
    assert await one(pool, "select dest_compute from migrations") == "a"
    assert await one(pool, "select host from instance_action_events") == "a"
    assert await allocations(pool, workflow.server_uuid) == [("a", "server")]
    assert await used(pool, "a") == (1, 1024, 10, 1)


async def test_each_commit_is_one_statement(pool: Pool) -> None:
    await add_host(pool, "a")
    workflow = await fresh(pool)
    everything_at_once = claiming("a")
    everything_at_once.server = {"host": CLAIMED_HOST}
    everything_at_once.insert_events = [Event("x"), Event("y", CLAIMED_HOST)]
    everything_at_once.finish_events = [Event("z", result="Success")]
    everything_at_once.leftovers = [Leftover("ports", {}, "r")]
    everything_at_once.recheck_hosts = ["a"]
    everything_at_once.failed_on = "a"
    queries: list[str] = []
    async with pool.acquire() as connection:
        connection.add_query_logger(lambda query: queries.append(query.query))
        for changes in (
            everything_at_once,
            claiming("unknown"),
            Changes(release=Release(), promote="a", built_on="a", recheck_hosts=["a"]),
        ):
            await write(connection, workflow, changes)
        await wait_for(lambda: len(queries) >= 3, what="three statements")
    assert len(queries) == 3


# What keeps it from being written ---------------------------------------------------------------


def all_changes() -> Changes:
    changes = claiming("a", "b")
    changes.server = {"vm_state": "active", "host": CLAIMED_HOST}
    changes.claimed_state = {"dest": "host"}
    changes.insert_events = [Event("x", CLAIMED_HOST)]
    changes.finish_events = [Event("running", result="Success")]
    changes.action_finished = True
    changes.leftovers = [Leftover("ports", {}, "r")]
    changes.failed_on = "a"
    changes.recheck_hosts = ["a"]
    return changes


def all_given_back() -> Changes:
    changes = all_changes()
    changes.claim, changes.claimed_state = None, {}
    changes.server, changes.insert_events = {"vm_state": "active"}, [Event("x")]
    changes.release, changes.promote = Release(), "b"
    return changes


async def populated(pool: Pool) -> Workflow:
    """A workflow for which each of `all_changes` would change a row."""
    for host in ("a", "b"):
        await add_host(pool, host)
    await pool.execute("update services set inventory = 'hash'")
    workflow = await fresh(pool)
    workflow.action_id = await add_action(pool, workflow.server_uuid)
    await pool.execute("update workflows set action_id = $1", workflow.action_id)
    await write(pool, workflow, Changes(insert_events=[Event("running")]))
    for host, purpose in (("a", "migration"), ("b", "migration")):
        await write(pool, workflow, claiming(host, purpose=purpose))
    workflow.step = 7
    return workflow


@pytest.mark.parametrize("changes", [all_changes(), all_given_back()], ids=["claim", "give back"])
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(
    ("obstacle", "outcome"),
    [
        ("update workflows set lease_epoch = lease_epoch + 1", Outcome.LOST),
        ("delete from workflows", Outcome.LOST),
        ("update workflows set cancel_requested = true", Outcome.CANCELLED),
    ],
)
async def test_all_or_nothing(
    pool: Pool, changes: Changes, ended: bool, obstacle: str, outcome: Outcome
) -> None:
    workflow = await populated(pool)
    await pool.execute(obstacle)
    before = await everything(pool)
    assert await write(pool, workflow, changes, ended=ended) == Committed(outcome)
    assert await everything(pool) == before


@pytest.mark.parametrize("changes", [all_changes(), all_given_back()], ids=["claim", "give back"])
@pytest.mark.parametrize(
    ("obstacle", "outcome"),
    [
        ("update workflows set lease_epoch = lease_epoch + 1", Outcome.LOST),
        ("delete from workflows", Outcome.LOST),
        ("update workflows set cancel_requested = true", Outcome.CANCELLED),
    ],
)
async def test_nothing_when_it_changes_while_the_commit_waits(
    pool: Pool, changes: Changes, obstacle: str, outcome: Outcome
) -> None:
    """The statement saw the row as it was; what counts is the version its lock returns."""
    workflow = await populated(pool)
    async with pool.acquire() as other, other.transaction():
        await other.execute(obstacle)
        writing = asyncio.ensure_future(write(pool, workflow, changes))
        await someone_waits_for(pool, other)
    before = await everything(pool)
    assert await writing == Committed(outcome)
    assert await everything(pool) == before


async def test_a_refused_claim_writes_nothing(pool: Pool) -> None:
    workflow = await populated(pool)
    before = await everything(pool)
    for ended in (False, True):
        changes = all_changes()
        changes.claim = Claim(["a", "b"], "server", Resources(1, 1 << 20, 1), RATIOS)
        assert await write(pool, workflow, changes, ended=ended) == Committed(Outcome.REFUSED)
    assert await everything(pool) == before


async def test_a_cancel_request_may_be_disregarded(pool: Pool) -> None:
    workflow = await populated(pool)
    await pool.execute("update workflows set cancel_requested = true")
    result = await write(pool, workflow, all_changes(), even_if_cancelled=True)
    assert (result.outcome, result.host) == (Outcome.WRITTEN, "a")


async def test_what_others_changed_while_the_commit_waited_is_kept(pool: Pool) -> None:
    """Every row it writes has a newer version than the statement saw."""
    workflow = await populated(pool)
    async with pool.acquire() as other, other.transaction():
        await other.execute("update workflows set lease_expires_at = 'infinity'")
        await other.execute("update servers set description = 'new'")
        await other.execute("update services set disabled_reason = 'new'")
        await other.execute("update compute_nodes set running_guests = 5, failed_builds = 3")
        writing = asyncio.ensure_future(write(pool, workflow, all_changes()))
        await someone_waits_for(pool, other)
    assert (await writing).host == "a"
    assert await one(pool, "select step, lease_expires_at = 'infinity' from workflows") == (7, True)
    assert await one(pool, "select description, vm_state, host from servers") == (
        "new",
        "active",
        "a",
    )
    assert await one(pool, "select disabled_reason, inventory from services where host = 'a'") == (
        "new",
        None,
    )
    assert await one(
        pool, "select running_guests, failed_builds from compute_nodes where host = 'a'"
    ) == (5, 4)
    assert await claims.ledger_errors(pool) == []


@pytest.mark.parametrize("give_back", [Changes(release=Release()), Changes(promote="b")])
async def test_what_others_claimed_while_claims_are_given_back_is_kept(
    pool: Pool, give_back: Changes
) -> None:
    workflow = await populated(pool)
    give_back.failed_on = "a"
    async with pool.acquire() as other, other.transaction():
        assert (await write(other, await fresh(other), claiming("a"))).host == "a"
        await other.execute("update servers set description = 'new'")
        writing = asyncio.ensure_future(write(pool, workflow, give_back))
        await someone_waits_for(pool, other)
    assert (await writing).outcome is Outcome.WRITTEN
    assert await used(pool, "a") == (1, 1024, 10, 1)
    assert await claims.ledger_errors(pool) == []


# Leases -----------------------------------------------------------------------------------------


async def test_the_first_commit_takes_the_lease(pool: Pool) -> None:
    workflow = await fresh(pool)
    taken = await write(pool, workflow, Changes(), take_lease=("c1", 30.0))
    assert taken.outcome is Outcome.WRITTEN
    assert await one(
        pool,
        "select lease_owner, lease_epoch, lease_expires_at - clock_timestamp() between"
        " interval '25 s' and interval '30 s' from workflows",
    ) == ("c1", workflow.lease_epoch + 1, True)
    assert (await write(pool, workflow, Changes())).outcome is Outcome.LOST
    workflow.lease_epoch += 1
    assert (await write(pool, workflow, Changes())).outcome is Outcome.WRITTEN


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("late", range(3))
async def test_of_conductors_that_prefer_different_hosts_one_claims(
    wide_pool: Pool, ended: bool, late: int
) -> None:
    """None has a lease yet. In each round another one comes later, by so many queries. Whoever is
    first, and also when its host is full, one claim is made; the others are told that they have
    lost. Rounds go on until all hosts are full."""
    pool, hosts = wide_pool, ["a", "b", "c", "d"]
    for host in hosts:
        await add_host(pool, host, memory_mib=512 + 8 * 1024)

    async def conductor(workflow: Workflow, first: int, wait: int) -> Committed:
        for _ in range(wait):
            await pool.execute("select")
        walk = hosts[first:] + hosts[:first]
        return await write(
            pool, workflow, claiming(*walk), ended=ended, take_lease=(f"c{first}", 30.0)
        )

    claims_made: Counter[str | None] = Counter()
    for round_ in range(33):
        workflow = await fresh(pool)
        results = await asyncio.gather(
            *(conductor(workflow, n, late if n == round_ % 4 else 0) for n in range(4))
        )
        outcomes = Counter(result.outcome for result in results)
        if round_ == 32:  # four hosts with room for eight
            assert outcomes == {Outcome.REFUSED: 4}
            break
        assert outcomes == {Outcome.WRITTEN: 1, Outcome.LOST: 3}
        (winner,) = [result.host for result in results if result.outcome is Outcome.WRITTEN]
        assert await allocations(pool, workflow.server_uuid) == [(winner, "server")]
        claims_made[winner] += 1
    assert claims_made == dict.fromkeys(hosts, 8)
    assert await claims.ledger_errors(pool) == []


# Claims -----------------------------------------------------------------------------------------


async def test_capacity_is_total_less_reserved_times_ratio(pool: Pool) -> None:
    await add_host(pool, "a", vcpus=2, memory_mib=1536, disk_gib=20)
    for too_much in (Resources(3, 1, 1), Resources(1, 1025, 1), Resources(1, 1, 21)):
        assert await claimed(pool, "a", resources=too_much) is Outcome.REFUSED
    assert await used(pool, "a") == NOTHING
    for _ in range(4):
        assert await claimed(pool, "a", resources=Resources(2, 256, 5)) == "a"
    assert await used(pool, "a") == (8, 1024, 20, 4)
    assert await claimed(pool, "a", resources=Resources(1, 0, 0)) is Outcome.REFUSED
    five_times = Ratios(cpu=5.0, ram=1.0, disk=1.0)
    assert await claimed(pool, "a", resources=Resources(2, 0, 0), ratios=five_times) == "a"


async def test_a_class_that_is_not_asked_for_does_not_count(pool: Pool) -> None:
    await add_host(pool, "a", disk_gib=100)
    assert await claimed(pool, "a", resources=Resources(1, 512, 100)) == "a"
    await pool.execute("update compute_nodes set disk_gib = 50")
    assert await claimed(pool, "a", resources=Resources(1, 512, 1)) is Outcome.REFUSED
    assert await claimed(pool, "a", resources=Resources(1, 512, 0)) == "a"


@pytest.mark.parametrize("change", [DISABLED, FORCED_DOWN, DOWN])
async def test_a_host_out_of_service_is_claimed_by_force_only(pool: Pool, change: str) -> None:
    await add_host(pool, "a", vcpus=1)
    await change_service(pool, "a", change)
    assert await claimed(pool, "a") is Outcome.REFUSED
    assert await claimed(pool, "a", forced=True, resources=Resources(2, 1, 1)) is Outcome.REFUSED
    assert await claimed(pool, "a", forced=True) == "a"


async def test_nobody_is_down_while_nobody_listens(pool: Pool) -> None:
    """All conductors were away for an hour: the host's lease is judged in observed time."""
    await add_host(pool, "a")
    await pool.execute("update observer set beat_at = now() - interval '1 hour'")
    await change_service(pool, "a", "lease_expires_at = now() - interval '59 minutes'")
    assert await claimed(pool, "a") == "a"


async def test_the_walk_is_in_the_order_of_the_claim(pool: Pool) -> None:
    for host in ("a", "b", "c"):
        await add_host(pool, host, memory_mib=512 + 1024)
    walks = [await claimed(pool, "c", "nowhere", "a", "b") for _ in range(4)]
    assert walks == ["c", "a", "b", Outcome.REFUSED]
    assert await claimed(pool) is Outcome.REFUSED


async def test_a_claim_that_is_there_already_is_not_counted_again(pool: Pool) -> None:
    await add_host(pool, "a")
    workflow = await fresh(pool)
    for _ in range(2):
        assert (await write(pool, workflow, claiming("a"))).host == "a"
    assert (await write(pool, workflow, claiming("a", purpose="migration"))).host == "a"
    assert await used(pool, "a") == (2, 2048, 20, 2)


async def test_the_host_that_fills_while_the_claim_waits_for_it_is_passed_over(pool: Pool) -> None:
    """Two sessions: when the second one's statement began, `b` had room."""
    for host in ("a", "b"):
        await add_host(pool, host, memory_mib=512 + 1024)
    workflow = await fresh(pool)
    async with pool.acquire() as first, first.transaction():
        assert (await write(first, await fresh(first), claiming("b"))).host == "b"
        waiting = asyncio.ensure_future(write(pool, workflow, claiming("b", "a")))
        await someone_waits_for(pool, first)
    assert await waiting == Committed(Outcome.WRITTEN, "a", "a.node")
    assert await claims.ledger_errors(pool) == []


async def test_the_host_that_gets_room_while_the_claim_waits_is_taken(pool: Pool) -> None:
    await add_host(pool, "a", memory_mib=512 + 1024)
    leaving, coming = await fresh(pool), await fresh(pool)
    await write(pool, leaving, claiming("a"))
    async with pool.acquire() as first, first.transaction():
        await write(first, leaving, Changes(release=Release()))
        waiting = asyncio.ensure_future(write(pool, coming, claiming("a")))
        await someone_waits_for(pool, first)
    assert (await waiting).host == "a"
    assert await used(pool, "a") == (1, 1024, 10, 1)


async def test_walks_in_opposite_directions_do_not_wait_for_each_other(pool: Pool) -> None:
    """Each finds its first host full when it gets the lock, and goes on to the other's."""
    for host in ("a", "b"):
        await add_host(pool, host, memory_mib=512 + 1024)
    forth, back = await fresh(pool), await fresh(pool)
    async with pool.acquire() as filling, filling.transaction():
        for host in ("a", "b"):
            assert (await write(filling, await fresh(filling), claiming(host))).host == host
        waiting = [
            asyncio.ensure_future(write(pool, forth, claiming("a", "b"))),
            asyncio.ensure_future(write(pool, back, claiming("b", "a"))),
        ]
        await so_many_wait(pool, 2)
    assert [result.outcome for result in await asyncio.gather(*waiting)] == [Outcome.REFUSED] * 2


async def test_many_at_once_fill_the_hosts_exactly(wide_pool: Pool) -> None:
    """With releases and promotions among them, and nobody waits in a circle."""
    pool, hosts = wide_pool, ["a", "b", "c", "d"]
    for host in hosts:
        await add_host(pool, host, memory_mib=512 + 10 * 1024)
    going, moving = [[await fresh(pool) for _ in range(8)] for _ in range(2)]
    for n, workflow in enumerate(going):
        await write(pool, workflow, claiming(hosts[n % 4]))
        await write(pool, workflow, claiming(hosts[-1 - n % 4], purpose="migration"))
    for n, workflow in enumerate(moving):
        await write(pool, workflow, claiming(hosts[-1 - n % 4]))
        await write(pool, workflow, claiming(hosts[n % 4], purpose="migration"))
    # 32 of 40 places are taken: 8 servers give back two, 8 more one.
    lots = random.Random(16)
    walks = [lots.sample(hosts, 4) for _ in range(50)]
    coming = [await fresh(pool) for _ in walks]

    async def persistent(workflow: Workflow, walk: list[str]) -> str | None:
        """Like a conductor: a refusal is no answer while there may be room again."""
        while True:
            final = all(giving.done() for giving in givings)
            result = await write(pool, workflow, claiming(*walk))
            if result.outcome is Outcome.WRITTEN or final:
                return result.host

    givings = [
        *(
            asyncio.ensure_future(write(pool, workflow, Changes(release=Release())))
            for workflow in going
        ),
        *(
            asyncio.ensure_future(write(pool, workflow, Changes(promote=hosts[n % 4])))
            for n, workflow in enumerate(moving)
        ),
    ]
    results = await asyncio.gather(
        *(persistent(workflow, walk) for workflow, walk in zip(coming, walks, strict=True))
    )
    await asyncio.gather(*givings)
    assert sum(host is not None for host in results) == 32
    for host in hosts:
        assert await used(pool, host) == (10, 10240, 100, 10)
    assert await claims.ledger_errors(pool) == []


# Locks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [all_changes(), all_given_back()], ids=["claim", "give back"])
@pytest.mark.parametrize(
    ("held", "after_it"),
    [
        ("workflows", ["servers", "migrations", "compute_nodes", "services"]),
        ("servers", ["migrations", "compute_nodes", "services"]),
        ("migrations", ["compute_nodes", "services"]),
        ("compute_nodes where host = 'a'", ["compute_nodes where host = 'b'", "services"]),
        ("compute_nodes where host = 'b'", ["services"]),
        ("services where host = 'a'", ["services where host = 'b'"]),
    ],
)
async def test_rows_are_locked_in_one_order(
    pool: Pool, changes: Changes, held: str, after_it: list[str]
) -> None:
    """Or else commits, heartbeats and requests would wait for each other for ever. Who waits for
    one row holds none of those that come after it."""
    workflow = await populated(pool)
    changes = replace(
        changes,
        recheck_hosts=["b", "a"],
        migration={"status": "done"},
        migration_uuid=await add_migration(pool, workflow.server_uuid),
    )
    if changes.claim:
        changes.claim = replace(changes.claim, hosts=["b", "a"])
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute(f"select from {held} for update")
        writing = asyncio.ensure_future(write(pool, workflow, changes))
        await someone_waits_for(pool, holder)
        for rows in after_it:
            await pool.execute(f"select from {rows} for update nowait")
    assert (await writing).outcome is Outcome.WRITTEN
    assert await claims.ledger_errors(pool) == []


async def test_hosts_are_locked_by_name_whatever_the_order_in_the_table(pool: Pool) -> None:
    for host in ("c", "b", "a"):
        await add_host(pool, host)
    workflow = await fresh(pool)
    for host in ("c", "a"):
        await write(pool, workflow, claiming(host, purpose="migration"))
    await write(pool, workflow, claiming("b"))
    for changes in (claiming("c", "a"), Changes(release=Release(keep_host="b"))):
        async with pool.acquire() as holder, holder.transaction():
            await holder.execute("select from compute_nodes where host = 'a' for update")
            writing = asyncio.ensure_future(write(pool, workflow, changes))
            await someone_waits_for(pool, holder)
            await pool.execute("select from compute_nodes where host = 'c' for update nowait")
        assert (await writing).outcome is Outcome.WRITTEN


# Release and promotion --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_back", "left"),
    [
        (Release(), []),
        (Release(purpose="migration"), [("a", "server"), ("b", "server")]),
        (Release(keep_host="a"), [("a", "migration"), ("a", "server")]),
        (Release("server", "a"), [("a", "migration"), ("a", "server"), ("c", "migration")]),
    ],
)
async def test_which_claims_are_given_back(
    pool: Pool, given_back: Release, left: list[tuple[str, str]]
) -> None:
    for host in ("a", "b", "c"):
        await add_host(pool, host)
    workflow, other = await fresh(pool), await fresh(pool)
    await write(pool, other, claiming("a"))
    for host in ("a", "b"):
        await write(pool, workflow, claiming(host))
    for host in ("a", "c"):
        await write(pool, workflow, claiming(host, purpose="migration"))
    for _ in range(2):  # the second finds nothing to do
        await write(pool, workflow, Changes(release=given_back))
        assert await allocations(pool, workflow.server_uuid) == left
        assert await claims.ledger_errors(pool) == []
    assert await allocations(pool, other.server_uuid) == [("a", "server")]


@pytest.mark.parametrize("target", ["a", "b"])
async def test_a_promotion_leaves_the_claim_of_the_move(pool: Pool, target: str) -> None:
    for host in ("a", "b", "c"):
        await add_host(pool, host)
    workflow = await fresh(pool)
    await write(pool, workflow, claiming("a"))
    await write(pool, workflow, claiming("c", purpose="migration"))
    bigger = Resources(2, 2048, 20)
    await write(pool, workflow, claiming(target, purpose="migration", resources=bigger))
    for _ in range(2):  # the second finds it done
        await write(pool, workflow, Changes(promote=target))
        assert await allocations(pool, workflow.server_uuid) == [(target, "server")]
        assert await used(pool, target) == (2, 2048, 20, 1)
        assert await claims.ledger_errors(pool) == []


async def test_without_the_claim_of_the_move_nothing_is_promoted(pool: Pool) -> None:
    await add_host(pool, "a")
    workflow = await fresh(pool)
    await write(pool, workflow, claiming("a"))
    await write(pool, workflow, Changes(promote="b"))
    assert await allocations(pool, workflow.server_uuid) == [("a", "server")]


async def test_ledger_errors_names_what_is_wrong(pool: Pool) -> None:
    await add_host(pool, "a")
    await add_host(pool, "b")
    await claimed(pool, "a")
    await pool.execute("update compute_nodes set vcpus_used = 7 where host = 'a'")
    (error,) = await claims.ledger_errors(pool)
    assert (error.host, error.ledger.vcpus, error.claimed.vcpus) == ("a", 7, 1)
    assert error.ledger_count == error.claimed_count == 1
