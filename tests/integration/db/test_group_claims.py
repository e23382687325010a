"""Policies of server groups hold whoever claims at the same moment, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from common.config.settings import DatabaseSettings
from common.db.pool import Connection, Pool, close_pool, create_pool
from common.db.stores import claims
from common.db.stores.claims import Claim, Purpose, Release, Resources
from common.db.stores.commit import Changes, Committed, Outcome, commit
from common.db.stores.workflows import Workflow
from tests.integration.scheduler.rows import (
    RATIOS,
    add_group,
    add_host,
    add_server,
    add_workflow,
    someone_waits_for,
    workflow_row,
)

HOSTS = ("a", "b", "c", "d")
SMALL = Resources(1, 256, 1)


@pytest.fixture
async def wide_pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await create_pool(DatabaseSettings(url=database_url, pool_size=20))
    yield pool
    await close_pool(pool)


async def hosts(pool: Pool) -> None:
    for host in HOSTS:
        await add_host(pool, host)


async def member(db: Pool | Connection, group: UUID) -> Workflow:
    return await workflow_row(db, await add_workflow(db, await add_server(db, group=group)))


async def claim(
    db: Pool | Connection,
    workflow: Workflow,
    group: UUID,
    *walk: str,
    purpose: Purpose = "server",
    forced: bool = False,
) -> Committed:
    wanted = Claim(walk, purpose, SMALL, RATIOS, forced=forced, group=group)
    changes = Changes(claim=wanted)
    return await commit(db, workflow, changes, ended=False, even_if_cancelled=False)


async def give_back(pool: Pool, workflow: Workflow, purpose: Purpose | None = None) -> None:
    changes = Changes(release=Release(purpose))
    done = await commit(pool, workflow, changes, ended=False, even_if_cancelled=False)
    assert done.outcome is Outcome.WRITTEN


async def placed(pool: Pool, group: UUID) -> Counter[str]:
    rows = await pool.fetch(
        "select a.host, count(distinct a.server_uuid) as members from allocations a"
        " join servers s on s.uuid = a.server_uuid where s.server_group = $1 group by 1",
        group,
    )
    return Counter({row["host"]: row["members"] for row in rows})


@pytest.mark.parametrize("most", [None, 1, 2, 3])
async def test_anti_affinity_under_a_storm_of_claims(wide_pool: Pool, most: int | None) -> None:
    """Everybody prefers the same host, then the next: what fits by the rule is claimed, no more."""
    pool = wide_pool
    await hosts(pool)
    group = await add_group(pool, "anti-affinity", most)
    members = [await member(pool, group) for _ in range(16)]
    done = await asyncio.gather(*(claim(pool, each, group, *HOSTS) for each in members))
    full = (most or 1) * len(HOSTS)
    outcomes = Counter(each.outcome for each in done)
    assert outcomes == +Counter({Outcome.WRITTEN: full, Outcome.REFUSED: 16 - full})
    assert await placed(pool, group) == dict.fromkeys(HOSTS, most or 1)
    assert await claims.ledger_errors(pool) == []


async def test_affinity_under_a_storm_of_claims(wide_pool: Pool) -> None:
    """Everybody prefers another host: the first decides for all."""
    pool = wide_pool
    await hosts(pool)
    for _ in range(5):
        group = await add_group(pool, "affinity")
        members = [await member(pool, group) for _ in range(16)]
        dice = random.Random(1)
        done = await asyncio.gather(
            *(claim(pool, each, group, *dice.sample(HOSTS, 2)) for each in members)
        )
        found = await placed(pool, group)
        assert len(found) == 1
        assert Counter(each.host for each in done if each.host) == found


async def test_the_member_that_comes_while_the_claim_waits_counts(pool: Pool) -> None:
    """Two sessions: when the second one's statement began, nobody of the group was anywhere."""
    await hosts(pool)
    group = await add_group(pool, "anti-affinity")
    second = await member(pool, group)
    async with pool.acquire() as session, session.transaction():
        first = await member(session, group)
        assert (await claim(session, first, group, "a")).host == "a"
        waiting = asyncio.ensure_future(claim(pool, second, group, "a", "b"))
        await someone_waits_for(pool, session)
    assert (await waiting).host == "b"


async def test_the_member_that_leaves_makes_room(pool: Pool) -> None:
    await hosts(pool)
    group = await add_group(pool, "anti-affinity")
    first, second = await member(pool, group), await member(pool, group)
    assert (await claim(pool, first, group, "a")).host == "a"
    assert (await claim(pool, second, group, "a")).outcome is Outcome.REFUSED
    await give_back(pool, first)
    assert (await claim(pool, second, group, "a")).host == "a"


async def test_a_move_counts_on_both_hosts_until_it_is_settled(pool: Pool) -> None:
    await hosts(pool)
    group = await add_group(pool, "anti-affinity")
    moving, other = await member(pool, group), await member(pool, group)
    await claim(pool, moving, group, "a")
    assert (await claim(pool, moving, group, "a", purpose="migration")).host == "a"
    await give_back(pool, moving, "migration")
    assert (await claim(pool, moving, group, "b", purpose="migration")).host == "b"
    assert (await claim(pool, other, group, "a", "b", "c")).host == "c"
    await give_back(pool, other)
    await give_back(pool, moving, "migration")
    assert (await claim(pool, other, group, "a", "b")).host == "b"


async def test_members_together_move_only_alone(pool: Pool) -> None:
    await hosts(pool)
    group = await add_group(pool, "affinity")
    first, second = await member(pool, group), await member(pool, group)
    await claim(pool, first, group, "a")
    assert (await claim(pool, second, group, "b", "a")).host == "a"
    moved = await claim(pool, second, group, "b", purpose="migration")
    assert moved.outcome is Outcome.REFUSED
    await give_back(pool, second)
    assert (await claim(pool, first, group, "b", purpose="migration")).host == "b"
    # The first one may end on either host.
    assert (await claim(pool, second, group, *HOSTS)).outcome is Outcome.REFUSED


async def test_force_does_not_break_a_policy(pool: Pool) -> None:
    await hosts(pool)
    group = await add_group(pool, "anti-affinity")
    await claim(pool, await member(pool, group), group, "a")
    forced = await claim(pool, await member(pool, group), group, "a", forced=True)
    assert forced.outcome is Outcome.REFUSED


@pytest.mark.parametrize("policy", ["soft-affinity", "soft-anti-affinity", None])
async def test_a_soft_policy_or_a_group_that_is_gone_refuses_nobody(
    pool: Pool, policy: str | None
) -> None:
    await hosts(pool)
    group = await add_group(pool, policy) if policy else uuid4()
    walk = [await claim(pool, await member(pool, group), group, h) for h in ("a", "a", "b")]
    assert [each.host for each in walk] == ["a", "a", "b"]


async def test_a_zone_is_read_from_the_host_as_it_is_now(pool: Pool) -> None:
    await hosts(pool)
    await pool.execute("update compute_nodes set availability_zone = 'west' where host = 'b'")

    async def claimed(zone: str | None, *walk: str, forced: bool = False) -> str | None:
        workflow = await workflow_row(pool, await add_workflow(pool, await add_server(pool)))
        wanted = Claim(walk, "server", SMALL, RATIOS, forced=forced, zone=zone, default_zone="nova")
        changes = Changes(claim=wanted)
        done = await commit(pool, workflow, changes, ended=True, even_if_cancelled=False)
        return done.host

    assert await claimed("west", "a", "b") == "b"
    assert await claimed("nova", "b", "a") == "a"
    assert await claimed(None, "b", "a") == "b"
    assert await claimed("west", "a") is None
    assert await claimed("west", "a", forced=True) == "a"
    async with pool.acquire() as operator, operator.transaction():
        await operator.execute("update compute_nodes set availability_zone = null")
        waiting = asyncio.ensure_future(claimed("west", "b"))
        await someone_waits_for(pool, operator)
    assert await waiting is None
