"""An inventory travels when it has changed, and only then."""

from __future__ import annotations

import pytest

from common.messages.compute import Heartbeat, HostGoodbye
from services.compute import holds
from tests.integration.compute.support import HOST, Rig
from tests.support.wait import wait_for


async def beats(rig: Rig, count: int) -> None:
    enough = rig.conductor.heartbeats() + count
    await wait_for(lambda: rig.conductor.heartbeats() >= enough)


def last_beat(rig: Rig) -> Heartbeat:
    return rig.conductor.all(Heartbeat)[-1]


async def test_an_unchanged_inventory_costs_no_report(rig: Rig) -> None:
    rig.conductor.asks_for_news = True
    await rig.start()
    await rig.conductor.spawn()
    await beats(rig, 3)
    reports = len(rig.conductor.reports("inventory"))
    rig.clock.ahead_s += 2  # no gap, and time is no news
    await beats(rig, 10)
    assert len(rig.conductor.reports("inventory")) == reports
    assert last_beat(rig).inventory == rig.conductor.reports("inventory")[-1].inventory


async def test_every_change_is_news(rig: Rig) -> None:
    life = await rig.start()
    await beats(rig, 1)
    seen = {last_beat(rig).inventory}
    guest = await rig.conductor.spawn()
    for verb in ("power_off", "power_on", "destroy"):
        await beats(rig, 2)
        seen.add(last_beat(rig).inventory)
        await rig.conductor.tell(verb, guest)
    assert len(seen) == 3  # empty, running, off; running again is what it was
    await beats(rig, 2)
    assert last_beat(rig).inventory == rig.conductor.reports("hello")[0].inventory
    held = await rig.conductor.spawn()
    await beats(rig, 2)
    running = last_beat(rig).inventory
    life.driver().hold(held, "test")
    await beats(rig, 2)
    assert last_beat(rig).inventory != running


async def test_what_is_unsettled_is_reported_until_it_is_settled(rig: Rig) -> None:
    rig.conductor.asks_for_news = True
    await rig.start()
    guest = await rig.conductor.spawn()
    rig.conductor.verdicts[guest] = "unknown"
    await rig.conductor.recheck()
    reports = len(rig.conductor.reports("inventory"))
    await wait_for(lambda: len(rig.conductor.reports("inventory")) > reports + 2)
    rig.conductor.verdicts[guest] = "keep"
    await beats(rig, 4)
    reports = len(rig.conductor.reports("inventory"))
    await beats(rig, 4)
    assert len(rig.conductor.reports("inventory")) == reports


async def test_what_a_move_has_left_is_not_asked_about_for_days(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is held by a new life, and stays so until the move is confirmed or reverted."""
    monkeypatch.setattr(holds, "REASK_S", 0.05)
    life = await rig.start()
    left, other = await rig.conductor.spawn(), await rig.conductor.spawn()
    assert (await rig.conductor.tell("migrate_out", left)).error is None
    await rig.kill(life)
    rig.conductor.otherwise = "hold"
    life = await rig.start()
    reports = len(rig.conductor.reports("inventory"))
    await wait_for(lambda: len(rig.conductor.reports("inventory")) > reports + 2)
    rig.conductor.verdicts[other] = "keep"
    await wait_for(lambda: [g.uuid for g in life.driver().held_guests()] == [left])
    reports = len(rig.conductor.reports("inventory"))
    await beats(rig, 10)
    assert len(rig.conductor.reports("inventory")) <= reports + 1
    reply = await rig.conductor.tell("revert_migration", left, new_generation=1, held=False)
    assert (reply.error, reply.power_state) == (None, 1)
    assert not life.driver().held_guests()


async def test_resources_say_when_the_host_booted(rig: Rig) -> None:
    await rig.start()
    resources = rig.conductor.reports("hello")[0].resources
    assert resources.uptime is None
    assert resources.booted_at is not None
    assert abs((rig.clock.utcnow() - resources.booted_at).total_seconds()) < 60


async def test_a_goodbye_says_that_the_guests_have_stopped(rig: Rig) -> None:
    await rig.stop(await rig.start())
    await wait_for(lambda: rig.conductor.all(HostGoodbye))
    assert rig.conductor.all(HostGoodbye)[0].guests_stopped


async def test_one_subscription_serves_all_hosts(rig: Rig) -> None:
    """And a frozen host keeps no event from another."""
    life = await rig.start(hosts=["compute-1", "compute-2"])
    life.service.agents[HOST].freeze()
    await rig.conductor.recheck(HOST)
    await rig.conductor.recheck("compute-2")
    await rig.conductor.recheck("nobody")
    await wait_for(lambda: rig.conductor.reports("inventory", "compute-2"))
    assert rig.conductor.reports("inventory") == []
    life.service.agents[HOST].thaw()
    await wait_for(lambda: rig.conductor.reports("inventory"))
