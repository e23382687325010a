"""Who is alive: heartbeats, observed time, registration. Real PostgreSQL, real clock of its own.

Time is moved by moving the stamps in the rows, never by waiting.
"""

from __future__ import annotations

from typing import Any

from common.db.pool import Pool
from common.db.stores import services as store
from common.db.stores.services import Heartbeats

RESOURCES: dict[str, Any] = {
    "hypervisor_hostname": "a",
    "hypervisor_type": "simulated",
    "hypervisor_version": 1,
    "host_ip": "127.0.0.1",
    "cpu_info": {},
    "supported_instances": [],
    "uptime": None,
    "vcpus": 4,
    "memory_mib": 4096,
    "disk_gib": 40,
    "reserved_vcpus": 0,
    "reserved_memory_mib": 0,
    "reserved_disk_gib": 0,
    "running_guests": 0,
}
DOWN_TIME_S = 10.0


async def register(
    pool: Pool, host: str = "a", host_id: str = "id-1", epoch: str = "e1"
) -> str | None:
    return await store.host_register(
        pool,
        host=host,
        host_id=host_id,
        epoch=epoch,
        resources=RESOURCES,
        down_time_s=DOWN_TIME_S,
    )


async def pass_time(pool: Pool, seconds: float, *, observed: bool) -> None:
    """As if `seconds` had gone by; `observed`: conductors were looking all the time."""
    await pool.execute(
        "update services set lease_expires_at = lease_expires_at - make_interval(secs => $1), "
        "last_seen_up = last_seen_up - make_interval(secs => $1)",
        seconds,
    )
    unseen_s = 0.0 if observed else seconds
    await pool.execute("update observer set beat_at = now() - make_interval(secs => $1)", unseen_s)


def heartbeat(epoch: str = "e1", age_s: float = 0.0) -> Heartbeats:
    return Heartbeats(["a"], [epoch], [age_s], ["up 1 day"], [0])


async def test_a_registered_host_is_up_until_its_lease_runs_out(pool: Pool) -> None:
    assert await register(pool) is None
    await store.beat(pool, Heartbeats(), DOWN_TIME_S)
    assert await store.host_is_up(pool, "a")
    await pass_time(pool, DOWN_TIME_S - 0.5, observed=True)
    assert await store.host_is_up(pool, "a")
    await pass_time(pool, 1.0, observed=True)
    assert not await store.host_is_up(pool, "a")


async def test_heartbeats_extend_the_lease_from_when_they_were_heard(pool: Pool) -> None:
    await register(pool)
    await pass_time(pool, DOWN_TIME_S - 1, observed=True)
    await store.beat(pool, heartbeat(age_s=4.0), DOWN_TIME_S)
    left = await pool.fetchval(
        "select extract(epoch from lease_expires_at - now())::float8 from services"
    )
    assert 5.0 < left <= 6.0


async def test_heartbeats_of_an_earlier_life_do_not_count(pool: Pool) -> None:
    await register(pool, epoch="e1")
    await register(pool, epoch="e2")
    await pass_time(pool, DOWN_TIME_S + 1, observed=True)
    await store.beat(pool, heartbeat("e1"), DOWN_TIME_S)
    assert not await store.host_is_up(pool, "a")
    await store.beat(pool, heartbeat("e2"), DOWN_TIME_S)
    assert await store.host_is_up(pool, "a")


async def test_time_stands_still_while_nobody_looks(pool: Pool) -> None:
    await register(pool)
    await pass_time(pool, 1000, observed=False)
    assert await store.host_is_up(pool, "a")


async def test_an_outage_is_given_back_to_hosts_that_were_alive(pool: Pool) -> None:
    await register(pool)
    await register(pool, host="b")
    await store.beat(pool, Heartbeats(), DOWN_TIME_S)
    await pool.execute(
        "update services set lease_expires_at = now() - interval '1 s' where host = 'b'"
    )
    await pass_time(pool, 1000, observed=False)
    given_back_s = await store.beat(pool, Heartbeats(), DOWN_TIME_S)
    assert 999 < given_back_s < 1010
    assert await store.host_is_up(pool, "a")
    assert not await store.host_is_up(pool, "b")
    assert await store.beat(pool, Heartbeats(), DOWN_TIME_S) == 0.0


async def test_a_host_that_registers_after_an_outage_is_given_one_lease(pool: Pool) -> None:
    """Conductors hear agents before their own first beat: that is no time given back."""
    await pass_time(pool, 1000, observed=False)
    await register(pool)
    await store.beat(pool, Heartbeats(), DOWN_TIME_S)
    await pass_time(pool, DOWN_TIME_S + 0.5, observed=True)
    assert not await store.host_is_up(pool, "a")


async def test_goodbye_counts_only_from_the_present_life(pool: Pool) -> None:
    await register(pool, epoch="e1")
    await register(pool, epoch="e2")
    await store.host_goodbye(pool, "a", "e1")
    assert await store.host_is_up(pool, "a")
    await store.host_goodbye(pool, "a", "e2")
    assert not await store.host_is_up(pool, "a")


async def test_forced_down_is_down_however_fresh(pool: Pool) -> None:
    await register(pool)
    await pool.execute("update services set forced_down = true")
    await store.beat(pool, heartbeat(), DOWN_TIME_S)
    assert not await store.host_is_up(pool, "a")


async def test_a_host_is_up_then_silent_and_fenced_only_by_somebodys_word(pool: Pool) -> None:
    assert await store.host_standing(pool, "a") == "silent", "nobody knows it: its agent may run"
    await register(pool)
    assert await store.host_standing(pool, "a") == "up"
    await pass_time(pool, DOWN_TIME_S + 1, observed=True)
    assert await store.host_standing(pool, "a") == "silent"
    await pool.execute("update services set forced_down = true")
    assert await store.host_standing(pool, "a") == "fenced", "the operator's word"
    await store.beat(pool, heartbeat(), DOWN_TIME_S)
    assert await store.host_standing(pool, "a") == "fenced", "however fresh its heartbeats"
    await pool.execute("update services set forced_down = false")
    assert await store.host_standing(pool, "a") == "up"
    await store.host_goodbye(pool, "a", "e1")
    assert await store.host_standing(pool, "a") == "fenced", "its own word"


async def test_another_machine_may_not_take_a_living_name(pool: Pool) -> None:
    assert await register(pool, host_id="id-1") is None
    refused = await register(pool, host_id="id-2", epoch="e2")
    assert refused is not None
    assert "another machine reports as 'a'" in refused
    assert await register(pool, host_id="id-1", epoch="e3") is None
    await pass_time(pool, DOWN_TIME_S + 1, observed=True)
    assert await register(pool, host_id="id-2", epoch="e4") is None
    refreshed = await store.host_refresh(pool, host="a", epoch="e3", resources=RESOURCES)
    assert not refreshed
