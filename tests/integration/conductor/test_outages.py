"""Dead hosts go down and live ones do not, whoever else has been away meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from common.bus.topology import HEARTBEATS
from common.messages.compute import Heartbeat
from tests.integration.conductor.support import DOWN_TIME_S, Rig, Watch
from tests.support.wait import wait_for

SLOW_COMMITS = """
create function dawdle() returns trigger language plpgsql as $$
begin
    perform pg_sleep(1.3);
    return null;
end $$;
create constraint trigger dawdle after update on observer deferrable initially deferred
    for each row execute function dawdle();
"""

FULL_DISK = """
create function refuse() returns trigger language plpgsql as $$
begin
    raise exception 'no space left on device' using errcode = 'disk_full';
end $$;
create trigger refuse before update on observer for each row execute function refuse();
"""


@pytest.mark.parametrize("why", ["the interval is long", "commits are slow"])
async def test_a_dead_host_goes_down_however_far_apart_beats_are(rig: Rig, why: str) -> None:
    slow = why == "commits are slow"
    group = {} if slow else {"beat_interval_s": 1.3}
    await rig.conductor(servicegroup=group, database={"command_timeout_s": 10.0})
    for name in ("alive", "dead"):
        await rig.host(name)
    if slow:
        await rig.pool.execute(SLOW_COMMITS)
    async with Watch(rig, "alive"):
        await rig.beats(1)
        rig.silence("dead")
        await rig.becomes("silent", "dead", within_s=3 * DOWN_TIME_S)


@pytest.mark.parametrize("away", ["conductors", "broker", "database", "database, silently"])
async def test_a_live_host_is_up_during_and_after_an_outage(rig: Rig, away: str) -> None:
    member = await rig.conductor()
    await rig.host("alive")
    await rig.host("dead", beating=False)
    await rig.becomes("silent", "dead")
    await rig.beats(3)
    async with Watch(rig, "alive"):
        if away == "conductors":
            await rig.kill("one")
        elif away == "broker":
            rig.broker.stop()
        elif away == "database":
            await member.proxy.cut()
        else:
            member.proxy.block()
        if away != "conductors":
            await stands_still(rig)
        if away != "database, silently":  # a beat is still on its way: only real time will do
            await rig.pass_time(1000)
        assert await rig.standing("alive") == "up"
        if away == "conductors":
            await rig.conductor("two")
        elif away == "broker":
            rig.broker.start()
        else:
            await member.proxy.mend()
        await rig.beats(10)
    assert await rig.standing("dead") == "silent"


async def test_time_in_which_no_beat_could_be_written_is_given_back(rig: Rig) -> None:
    """Also when the database is within reach: nothing that was heard meanwhile has counted."""
    listener = (await rig.conductor()).service._listener
    host = await rig.host()
    await rig.beats(3)
    await rig.pool.execute(FULL_DISK)
    await stands_still(rig)
    rig.silence("a")  # so that no heartbeat of afterwards helps
    await wait_for(lambda: not listener._batch.heard)
    async with Watch(rig, "a"):
        await rig.pool.execute("drop trigger refuse on observer")
        await rig.beats(3)
    await rig.pool.execute("update services set last_seen_up = '2000-01-01'")
    await rig.beats(1)

    async def written() -> bool:
        await host.heartbeat()
        query = "select last_seen_up > '2001-01-01' from services where host = 'a'"
        return bool(await rig.pool.fetchval(query))

    await wait_for(written, what="the conductor to listen again")


async def test_a_heartbeat_that_the_database_does_not_take_harms_no_other(rig: Rig) -> None:
    await rig.conductor()
    host = await rig.host(beating=False)
    async with Watch(rig, "a"):
        await host.bus.publish(HEARTBEATS, Heartbeat(host="\0", epoch="e"))
        await wait_for(lambda: rig.broker.depth(HEARTBEATS) == 0)
        await rig.beats(3)
        await rig.pool.execute("update services set last_seen_up = '2000-01-01'")
        await host.heartbeat()

        async def written() -> bool:
            query = "select last_seen_up > '2001-01-01' from services where host = 'a'"
            return bool(await rig.pool.fetchval(query))

        await wait_for(written)


async def stands_still(rig: Rig) -> None:
    """Return when no beat has come for longer than a lease lasts."""

    async def still() -> bool:
        still_s = "extract(epoch from now() - beat_at)::float8"
        return float(await rig.pool.fetchval(f"select {still_s} from observer")) > DOWN_TIME_S + 1

    await wait_for(still, what="observed time to stand still")


async def test_a_conductor_that_stood_still_has_listened_to_nothing(rig: Rig) -> None:
    member = await rig.conductor()
    await rig.host("alive")
    await rig.beats(3)
    async with Watch(rig, "alive"):
        member.clock.ahead_s += 1000  # no turn of the loop between the two
        await rig.pass_time(1000)
        await rig.beats(10)


@pytest.mark.parametrize("trouble", ["cut", "block"])
async def test_a_conductor_without_the_database_leaves_heartbeats_to_others(
    rig: Rig, trouble: str
) -> None:
    """Each of many hosts is heard once, by either conductor: all must be written."""
    one = await rig.conductor("one")
    await rig.conductor("two")
    hosts = [await rig.host(f"h{number}", beating=False) for number in range(20)]
    await rig.pool.execute("update services set last_seen_up = '2000-01-01'")
    if trouble == "cut":
        await one.proxy.cut()
    else:
        one.proxy.block()
    await asyncio.gather(*(host.heartbeat() for host in hosts))

    async def all_written() -> bool:
        query = "select count(*) from services where last_seen_up > '2001-01-01' and epoch <> ''"
        return bool(await rig.pool.fetchval(query) == len(hosts))

    await wait_for(all_written, what="all heartbeats to be written")
    await one.proxy.mend()
    await heard_by(rig, one.service)


async def heard_by(rig: Rig, service: object) -> None:
    """Return when `service` listens again."""
    host = rig.hosts["h0"]
    listener = service._listener  # type: ignore[attr-defined]

    async def heard() -> bool:
        await host.heartbeat()
        return bool(listener._batch.heard)

    await wait_for(heard, what="the conductor to listen again")


async def test_a_heartbeat_is_acknowledged_when_it_is_written(rig: Rig) -> None:
    """A conductor that is killed before that has swallowed nothing."""
    one = await rig.conductor("one", servicegroup={"beat_interval_s": 3600})
    host = await rig.host(beating=False)
    await host.heartbeat()
    await wait_for(lambda: "a" in one.service._listener._batch.heard)
    assert rig.broker.depth(HEARTBEATS) == 0
    await rig.pool.execute("update services set last_seen_up = '2000-01-01'")
    await rig.kill("one")
    await rig.conductor("two")

    async def written() -> bool:
        query = "select last_seen_up > '2001-01-01' from services where host = 'a'"
        return bool(await rig.pool.fetchval(query))

    await wait_for(written)


@pytest.mark.parametrize("guests_stopped", [True, False])
async def test_a_goodbye_is_the_last_word_of_a_life(rig: Rig, guests_stopped: bool) -> None:
    """Its heartbeats that any conductor still holds are written afterwards and count no more."""
    holders = [await rig.conductor(name, servicegroup={"beat_interval_s": 0.8}) for name in "xy"]
    hosts = [await rig.host(f"h{number}", beating=False) for number in range(6)]
    await asyncio.gather(*(host.heartbeat() for host in hosts))

    def held() -> int:
        return sum(len(holder.service._listener._batch.heard) for holder in holders)

    await wait_for(lambda: held() == len(hosts), what="all to be held")
    for host in hosts:
        await host.goodbye(guests_stopped=guests_stopped)
    expected = "fenced" if guests_stopped else "silent"
    for host in hosts:
        await rig.becomes(expected, host.name)
    await wait_for(lambda: held() == 0, what="all to be written")
    await rig.beats(2)
    for host in hosts:
        assert await rig.standing(host.name) == expected
        assert not (await host.report("inventory")).accepted
