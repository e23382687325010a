"""Who is alive: heartbeats, observed time, registration. Real PostgreSQL, real clock of its own.

Time is moved by moving the stamps in the rows, never by waiting.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from common.db.pool import Pool
from common.db.stores import services as store
from common.db.stores.services import Hearing, Heartbeats

RESOURCES: dict[str, Any] = {
    "hypervisor_hostname": "a",
    "hypervisor_type": "simulated",
    "hypervisor_version": 1,
    "host_ip": "127.0.0.1",
    "cpu_info": {},
    "supported_instances": [],
    "vcpus": 4,
    "memory_mib": 4096,
    "disk_gib": 40,
    "reserved_vcpus": 0,
    "reserved_memory_mib": 0,
    "reserved_disk_gib": 0,
    "running_guests": 0,
}
DOWN_TIME_S = 10.0


async def register(pool: Pool, host: str = "a", host_id: str = "id-1", epoch: str = "e1") -> bool:
    return await store.host_register(
        pool, host=host, host_id=host_id, epoch=epoch, down_time_s=DOWN_TIME_S
    )


async def beat(
    pool: Pool, heartbeats: Heartbeats | None = None, *, listened_s: float = 3600.0, **hearing: Any
) -> store.Beat:
    """By a conductor that has been listening all the time, unless it says otherwise."""
    return await store.beat(
        pool,
        heartbeats or Heartbeats(),
        Hearing(listened_s, **hearing),
        down_time_s=DOWN_TIME_S,
    )


async def goodbye(pool: Pool, epoch: str, *, guests_stopped: bool = True) -> None:
    await store.host_goodbye(pool, "a", epoch, guests_stopped=guests_stopped)


async def settle(pool: Pool, epoch: str = "e1", **said: Any) -> store.Settling:
    report: dict[str, Any] = {"guests": [], "inventory": None, "as_of": "", "resources": RESOURCES}
    return await store.report_settle(pool, host="a", epoch=epoch, **report | said)


async def pass_time(pool: Pool, seconds: float, *, observed: bool) -> None:
    """As if `seconds` had gone by; `observed`: conductors were looking all the time."""
    await pool.execute(
        "update services set lease_expires_at = lease_expires_at - make_interval(secs => $1), "
        "last_seen_up = last_seen_up - make_interval(secs => $1)",
        seconds,
    )
    unseen_s = 0.0 if observed else seconds
    await pool.execute("update observer set beat_at = now() - make_interval(secs => $1)", unseen_s)


def heartbeat(epoch: str = "e1", age_s: float = 0.0, inventory: str | None = None) -> Heartbeats:
    return Heartbeats(["a"], [epoch], [age_s], [inventory])


async def test_a_registered_host_is_up_until_its_lease_runs_out(pool: Pool) -> None:
    assert await register(pool)
    await beat(pool)
    assert await store.host_is_up(pool, "a")
    await pass_time(pool, DOWN_TIME_S - 0.5, observed=True)
    assert await store.host_is_up(pool, "a")
    await pass_time(pool, 1.0, observed=True)
    assert not await store.host_is_up(pool, "a")


async def test_heartbeats_extend_the_lease_from_when_they_were_heard(pool: Pool) -> None:
    await register(pool)
    await pass_time(pool, DOWN_TIME_S - 1, observed=True)
    await beat(pool, heartbeat(age_s=4.0))
    left = await pool.fetchval(
        "select extract(epoch from lease_expires_at - now())::float8 from services"
    )
    assert 5.0 < left <= 6.0


async def test_heartbeats_of_an_earlier_life_do_not_count(pool: Pool) -> None:
    await register(pool, epoch="e1")
    await register(pool, epoch="e2")
    await pass_time(pool, DOWN_TIME_S + 1, observed=True)
    await beat(pool, heartbeat("e1"))
    assert not await store.host_is_up(pool, "a")
    await beat(pool, heartbeat("e2"))
    assert await store.host_is_up(pool, "a")


async def test_time_stands_still_while_nobody_looks(pool: Pool) -> None:
    await register(pool)
    await pass_time(pool, 1000, observed=False)
    assert await store.host_is_up(pool, "a")


async def test_an_outage_is_given_back_to_hosts_that_were_alive(pool: Pool) -> None:
    await register(pool)
    await register(pool, host="b")
    await beat(pool)
    await pool.execute(
        "update services set lease_expires_at = now() - interval '1 s' where host = 'b'"
    )
    await pass_time(pool, 1000, observed=False)
    given_back_s = (await beat(pool, listened_s=0)).given_back_s
    assert 999 < given_back_s < 1010
    assert await store.host_is_up(pool, "a")
    assert not await store.host_is_up(pool, "b")
    assert (await beat(pool)).given_back_s == 0.0


async def test_a_host_that_registers_after_an_outage_is_given_one_lease(pool: Pool) -> None:
    """Conductors hear agents before their own first beat: that is no time given back."""
    await pass_time(pool, 1000, observed=False)
    await register(pool)
    await beat(pool)
    await pass_time(pool, DOWN_TIME_S + 0.5, observed=True)
    assert not await store.host_is_up(pool, "a")


async def test_goodbye_counts_only_from_the_present_life(pool: Pool) -> None:
    await register(pool, epoch="e1")
    await register(pool, epoch="e2")
    await goodbye(pool, "e1")
    assert await store.host_is_up(pool, "a")
    await goodbye(pool, "e2")
    assert not await store.host_is_up(pool, "a")


async def test_forced_down_is_down_however_fresh(pool: Pool) -> None:
    await register(pool)
    await pool.execute("update services set forced_down = true")
    await beat(pool, heartbeat())
    assert not await store.host_is_up(pool, "a")


async def test_a_host_is_up_then_silent_and_fenced_only_by_somebodys_word(pool: Pool) -> None:
    assert await store.host_standing(pool, "a") == "silent", "nobody knows it: its agent may run"
    await register(pool)
    assert await store.host_standing(pool, "a") == "up"
    await pass_time(pool, DOWN_TIME_S + 1, observed=True)
    assert await store.host_standing(pool, "a") == "silent"
    await pool.execute("update services set forced_down = true")
    assert await store.host_standing(pool, "a") == "fenced", "the operator's word"
    await beat(pool, heartbeat())
    assert await store.host_standing(pool, "a") == "fenced", "however fresh its heartbeats"
    await pool.execute("update services set forced_down = false")
    assert await store.host_standing(pool, "a") == "up"
    await goodbye(pool, "e1")
    assert await store.host_standing(pool, "a") == "fenced", "its own word"


async def test_another_machine_may_not_take_a_living_name(pool: Pool) -> None:
    assert await register(pool, host_id="id-1")
    assert not await register(pool, host_id="id-2", epoch="e2")
    assert await register(pool, host_id="id-1", epoch="e3")
    await pass_time(pool, DOWN_TIME_S + 1, observed=True)
    assert await register(pool, host_id="id-2", epoch="e4")
    assert not (await settle(pool, "e3")).registered


async def test_only_the_time_nobody_listened_in_is_given_back(pool: Pool) -> None:
    """Beats may be far apart: who hears all the time owes nothing."""
    await register(pool)
    await pass_time(pool, 8, observed=False)
    assert (await beat(pool, listened_s=8)).given_back_s == 0.0
    await pass_time(pool, 8, observed=False)
    assert (await beat(pool, listened_s=7.5)).given_back_s == 0.0, "half a second is no outage"
    assert await store.host_standing(pool, "a") == "silent"


async def test_a_beat_that_was_long_on_its_way_has_not_listened_meanwhile(pool: Pool) -> None:
    """Sent to a server that stood still, and carried out when it went on."""
    await register(pool)
    previous = await beat(pool, heartbeat())
    await pass_time(pool, 1000, observed=False)
    long_ago = previous.at - dt.timedelta(seconds=1000)

    async def late() -> float:
        found = await beat(pool, heartbeat(age_s=0.1), previous_at=long_ago, elapsed_s=0.5)
        return found.given_back_s

    assert 999 < await late() < 1001
    assert await store.host_standing(pool, "a") == "up"
    assert await late() == 0.0, "it has been given back already"


async def test_a_goodbye_is_not_undone_by_heartbeats_of_its_life(pool: Pool) -> None:
    await register(pool)
    await goodbye(pool, "e1")
    await beat(pool, heartbeat())
    assert await store.host_standing(pool, "a") == "fenced"
    await register(pool, epoch="e2")
    assert await store.host_standing(pool, "a") == "up"
    await goodbye(pool, "e2", guests_stopped=False)
    await beat(pool, heartbeat("e2"))
    assert await store.host_standing(pool, "a") == "silent", "its guests run on"
    await pass_time(pool, 1000, observed=False)
    await beat(pool, listened_s=0)
    assert await store.host_standing(pool, "a") == "silent", "there is no lease to extend"


async def test_a_goodbye_is_not_undone_by_a_hello_of_its_life(pool: Pool) -> None:
    """One that the agent has given up waiting for, and that waited for the database meanwhile."""
    await register(pool)
    await goodbye(pool, "e1")
    assert not await register(pool)
    assert await store.host_standing(pool, "a") == "fenced"
    assert await store.guests_truth(pool, "a", "e1", []) is None
    assert await register(pool, epoch="e2")
    assert await store.host_standing(pool, "a") == "up"


async def test_a_heartbeat_tells_whether_the_inventory_is_the_settled_one(pool: Pool) -> None:
    await register(pool)
    truth = await store.guests_truth(pool, "a", "e1", [])
    assert truth is not None
    await settle(pool, inventory="x", as_of=truth.as_of)
    assert (await beat(pool, heartbeat(inventory="x"))).changed == []
    assert (await beat(pool, heartbeat(inventory="y"))).changed == ["a"]
    assert (await beat(pool, heartbeat("e0", inventory="x"))).changed == ["a"], "of another life"
    assert (await beat(pool, heartbeat())).changed == [], "of an agent that does not say"


async def test_an_inventory_is_not_settled_when_the_truth_has_changed_since(pool: Pool) -> None:
    await register(pool)
    truth = await store.guests_truth(pool, "a", "e1", [])
    assert truth is not None
    await pool.execute("update services set inventory = null")
    await settle(pool, inventory="x", as_of=truth.as_of)
    assert await pool.fetchval("select inventory from services") is None
    assert await store.guests_truth(pool, "a", "e0", []) is None, "another life"


async def test_what_has_not_changed_is_not_written(pool: Pool) -> None:
    await register(pool)
    await settle(pool)
    written = "select xmin::text from {}"
    node, service = [await pool.fetchval(written.format(t)) for t in ("compute_nodes", "services")]
    await settle(pool)
    assert await pool.fetchval(written.format("compute_nodes")) == node
    assert await pool.fetchval(written.format("services")) == service
    await settle(pool, resources={**RESOURCES, "memory_mib": 8192})
    assert await pool.fetchval("select memory_mib from compute_nodes") == 8192
