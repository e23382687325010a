"""Start, verdicts, stop: what an agent does before it serves and when it ends."""

from __future__ import annotations

import asyncio

import pytest

from common.bus.topology import host_queue
from common.errors import Conflict, HostCommandFailed, InvalidInput
from common.messages.compute import (
    GuestEvent,
    Heartbeat,
    HostGoodbye,
    HostReport,
)
from services.compute import holds
from services.compute.drivers.base import MADE, GuestInfo, Phase
from services.compute.faults import Effect, FaultRule
from services.compute.reports import Refused
from tests.integration.compute.support import HOST, Rig, code
from tests.integration.drivers.support import make_spec
from tests.support.wait import wait_for


async def test_says_hello_before_anything_else(rig: Rig) -> None:
    await rig.start()
    await wait_for(lambda: rig.conductor.heartbeats() >= 2)
    first, *rest = rig.conductor.heard
    assert isinstance(first, HostReport)
    assert (first.kind, first.host, first.guests) == ("hello", HOST, [])
    assert first.resources.vcpus == 16
    beats = [message for message in rest if isinstance(message, Heartbeat)]
    assert {beat.epoch for beat in beats} == {first.epoch}


async def test_waits_for_a_conductor_and_for_its_verdicts(rig: Rig) -> None:
    rig.conductor.answering.clear()
    life = await rig.create()
    starting = asyncio.ensure_future(life.service.start())
    await wait_for(lambda: rig.conductor.reports("hello"))
    assert not starting.done()
    assert not life.service.ready
    assert rig.conductor.heartbeats() == 0
    rig.conductor.answering.set()
    await starting
    assert life.service.ready


async def test_every_life_has_an_epoch_and_every_host_one_id(rig: Rig) -> None:
    await rig.kill(await rig.start())
    await rig.start()
    first, second = rig.conductor.reports("hello")
    assert first.host_id == second.host_id
    assert first.epoch != second.epoch


async def test_a_guest_whose_generation_is_over_never_executes_again(rig: Rig) -> None:
    life = await rig.start()
    evacuated, mine = await rig.conductor.spawn(), await rig.conductor.spawn()
    await rig.kill(life)
    rig.conductor.verdicts[evacuated] = "destroy"
    inventories = len(rig.conductor.reports("inventory"))
    await rig.start()

    hello = rig.conductor.reports("hello")[-1]
    assert {guest.uuid for guest in hello.guests} == {evacuated, mine}
    assert all(guest.held for guest in hello.guests)
    # The kill left `running` open in the log: `stopped` and `held` are the new life's first words.
    assert rig.last_life(evacuated) == ["stopped", "held", "destroyed"]
    assert rig.last_life(mine) == ["stopped", "held", "released", "running"]
    # Unasked, so that the evacuation can be completed.
    await wait_for(lambda: len(rig.conductor.reports("inventory")) > inventories)
    assert [guest.uuid for guest in rig.conductor.reports("inventory")[-1].guests] == [mine]


async def test_a_guest_that_cannot_be_destroyed_stays_held_and_is_destroyed_later(
    rig: Rig,
) -> None:
    life = await rig.start()
    doomed = await rig.conductor.spawn()
    await rig.kill(life)
    rig.conductor.verdicts[doomed] = "destroy"
    life = await rig.create()
    rule = life.service.faults.add(FaultRule(effect=Effect.ERROR, verb="destroy", count=1))
    await life.service.start()
    await wait_for(lambda: rig.last_life(doomed)[-1] == "destroyed")
    assert life.service.faults.fired(rule.id) == 1
    assert "running" not in rig.last_life(doomed)


async def test_a_destroy_that_hangs_does_not_keep_the_other_guests_waiting(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "DESTROY_TIMEOUT_S", 0.2)
    life = await rig.start()
    doomed = await rig.conductor.spawn()
    rig.conductor.verdicts[doomed] = "destroy"
    rule = life.service.faults.add(FaultRule(effect=Effect.HANG, verb="destroy"))
    await rig.conductor.recheck()
    await wait_for(lambda: life.service.faults.fired(rule.id) == 1)
    spec = make_spec()
    assert (await rig.conductor.tell("spawn", spec)).error is None
    await wait_for(lambda: "running" in rig.log(spec.uuid), what="its host to ask about it")
    assert rig.last_life(doomed)[-1] == "held"
    life.service.faults.clear()
    await wait_for(lambda: rig.last_life(doomed)[-1] == "destroyed")


@pytest.mark.parametrize("error", [OSError("no such device"), HostCommandFailed("busy")])
async def test_a_host_whose_driver_fails_it_reports_again_and_not_all_the_time(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    life = await rig.start()
    driver, asked = life.driver(), 0
    list_guests = driver.list_guests

    async def fails() -> list[GuestInfo]:
        nonlocal asked
        asked += 1
        raise error

    monkeypatch.setattr(holds, "REASK_S", 0.0)
    monkeypatch.setattr(driver, "list_guests", fails)
    spec = make_spec()
    assert (await rig.conductor.tell("spawn", spec)).error is None
    await wait_for(lambda: asked > 0)
    for _ in range(100):
        await rig.conductor.tell("guest_info", spec.uuid)
    assert asked < 50, "a pause after each, and the heartbeats"
    monkeypatch.setattr(driver, "list_guests", list_guests)
    await wait_for(lambda: "running" in rig.log(spec.uuid), what="its host to ask about it")


async def test_an_undecided_guest_is_held_until_the_conductor_knows(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    await rig.kill(life)
    rig.conductor.verdicts[guest] = "hold"
    await rig.start()
    waiting = asyncio.ensure_future(rig.conductor.tell("reboot", guest))
    inventories = len(rig.conductor.reports("inventory"))
    # It asks again by itself, and may do nothing with the guest meanwhile.
    await wait_for(lambda: len(rig.conductor.reports("inventory")) > inventories)
    assert not waiting.done()
    assert rig.last_life(guest)[-1] == "held"
    rig.conductor.verdicts[guest] = "keep"
    await rig.conductor.recheck()
    assert (await waiting).error is None
    assert "released" in rig.last_life(guest)


async def test_a_recheck_makes_the_host_report_at_once(rig: Rig) -> None:
    await rig.start()
    await rig.conductor.recheck()
    await wait_for(lambda: rig.conductor.reports("inventory"), timeout_s=2.0)


async def test_a_running_guest_is_held_when_an_inventory_says_so(rig: Rig) -> None:
    await rig.start()
    guest = await rig.conductor.spawn()
    rig.conductor.verdicts[guest] = "hold"
    await rig.conductor.recheck()
    await wait_for(lambda: rig.last_life(guest)[-1] == "held")


async def test_a_guest_nobody_knows_is_left_alone(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    await rig.kill(life)
    rig.conductor.verdicts[guest] = "unknown"
    life = await rig.start()
    assert [g.uuid for g in life.driver().held_guests()] == [guest]
    assert code(await rig.conductor.tell("reboot", guest)) == "not_found"
    assert (await life.driver().guest_info(guest)).held


async def test_refused_by_the_conductor(rig: Rig) -> None:
    rig.conductor.refuse = lambda _: "another machine reports as 'compute-1'"
    life = await rig.create()
    with pytest.raises(Refused, match="compute-1 is not accepted: another machine reports") as it:
        await life.service.start()
    assert "\n" not in str(it.value)
    assert rig.conductor.all(HostGoodbye) == []
    assert rig.conductor.heartbeats() == 0
    rig.conductor.refuse = lambda _: None
    await rig.start()  # the refused one has let go of the host


async def test_second_agent_in_one_directory(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    second = await rig.create()
    with pytest.raises(Conflict, match="another agent already runs compute-1") as it:
        await second.service.start()
    assert str(rig.state_dir / HOST) in str(it.value)
    assert "\n" not in str(it.value)
    # The first one has not even noticed.
    assert life.service.ready
    assert rig.after_boot(guest) == []
    assert (await rig.conductor.tell("power_off", guest)).error is None


async def test_forgotten_host_registers_again(rig: Rig) -> None:
    await rig.start()
    rig.conductor.refuse = lambda report: "who?" if report.kind == "inventory" else None
    await rig.conductor.recheck()
    await wait_for(lambda: len(rig.conductor.reports("hello")) > 1)
    rig.conductor.refuse = lambda _: None
    await rig.conductor.spawn()


async def test_replaced_host_serves_nothing_more(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    rig.conductor.refuse = lambda _: "another machine has this name"
    await rig.conductor.recheck()
    await wait_for(lambda: life.service.agents[HOST].reports.refused)  # type: ignore[union-attr]
    assert not life.service.ready
    waiting = asyncio.ensure_future(rig.conductor.tell("power_off", guest))
    await wait_for(lambda: len(life.service.agents[HOST].commands or ()) == 1)
    assert rig.after_boot(guest) == []  # nobody has said that the guest is over
    rig.conductor.refuse = lambda _: None
    await rig.conductor.recheck()
    assert (await waiting).power_state == 4


async def test_goodbye_comes_after_the_guests_have_stopped(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    rule = life.service.faults.add(FaultRule(effect=Effect.HANG, verb="power_off"))
    begun = asyncio.ensure_future(rig.conductor.tell("power_off", guest))
    await wait_for(lambda: life.service.faults.fired(rule.id) == 1)
    behind = asyncio.ensure_future(rig.conductor.tell("power_on", guest))
    await wait_for(lambda: len(life.service.agents[HOST].commands or ()) == 2)

    stopping = asyncio.ensure_future(rig.stop(life))
    await wait_for(lambda: rig.broker.depth(host_queue(HOST)) == 1)
    assert not stopping.done()  # what has begun is finished
    life.service.faults.clear()
    assert (await begun).power_state == 4
    await stopping
    await wait_for(lambda: rig.conductor.all(HostGoodbye))
    assert rig.conductor.all(HostGoodbye)[0].epoch == rig.conductor.reports("hello")[0].epoch
    assert rig.last_life(guest)[-1] == "stopped"

    await rig.start()  # the next life finds what was given back
    assert (await behind).power_state == 1


async def test_stopped_guests_are_still_wanted(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    await rig.stop(life)
    assert rig.last_life(guest)[-1] == "stopped"
    await rig.start()
    assert rig.last_life(guest)[-2:] == ["released", "running"]


async def test_start_that_is_given_up_lets_go_of_the_host(rig: Rig) -> None:
    rig.conductor.answering.clear()
    life = await rig.create()
    starting = asyncio.ensure_future(life.service.start())
    await wait_for(lambda: rig.conductor.reports("hello"))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    rig.conductor.answering.set()
    await rig.start()
    assert rig.conductor.all(HostGoodbye) == []


async def test_reports_after_the_bus_was_away(rig: Rig) -> None:
    life = await rig.start()
    rig.broker.disconnect(life.bus)
    await wait_for(lambda: not life.service.ready)
    rig.broker.reconnect(life.bus)
    await wait_for(lambda: life.service.ready)
    assert len(rig.conductor.reports("hello")) == 2


async def test_tells_what_a_guest_does_by_itself(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    life.driver().simulate_guest_event(guest, "shutdown")
    await wait_for(lambda: rig.conductor.all(GuestEvent))
    event = rig.conductor.all(GuestEvent)[0]
    assert (event.server_uuid, event.generation, event.power_state) == (guest, 1, 4)


async def test_several_hosts_in_one_process(rig: Rig) -> None:
    hosts = ["compute-1", "compute-2", "compute-3"]
    life = await rig.start(hosts=hosts)
    guests = {host: await rig.conductor.spawn(host=host) for host in hosts}
    for host in hosts:
        assert [g.uuid for g in await life.driver(host).list_guests()] == [guests[host]]
    hellos = [rig.conductor.reports("hello", host)[0] for host in hosts]
    assert len({hello.epoch for hello in hellos}) == len({hello.host_id for hello in hellos}) == 3

    await life.service.agents["compute-2"].crash()
    assert life.service.agents["compute-3"].serving
    await rig.conductor.tell("power_off", guests["compute-3"], host="compute-3")
    beats = rig.conductor.heartbeats("compute-2")
    enough = rig.conductor.heartbeats("compute-3") + 5
    await wait_for(lambda: rig.conductor.heartbeats("compute-3") >= enough)
    assert rig.conductor.heartbeats("compute-2") == beats
    await rig.start(host_name="compute-2")  # its lock is free again
    assert rig.last_life(guests["compute-2"], "compute-2")[-1] == "running"


async def test_one_refused_host_stops_the_start_of_all(rig: Rig) -> None:
    rig.conductor.refuse = lambda report: "taken" if report.host == "compute-2" else None
    life = await rig.create(hosts=["compute-1", "compute-2"])
    with pytest.raises(Refused, match="compute-2"):
        await life.service.start()
    await wait_for(lambda: rig.conductor.all(HostGoodbye))
    await rig.start()


async def test_a_host_listed_twice(rig: Rig) -> None:
    with pytest.raises(InvalidInput, match=r"compute.hosts: 'a' is listed twice"):
        await rig.create(hosts=["a", "b", "a"])


async def test_a_command_from_before_the_crash_is_carried_out_by_the_next_life(rig: Rig) -> None:
    life = await rig.start()
    spec = make_spec()
    rule = life.service.faults.add(FaultRule(effect=Effect.HANG, verb="spawn"))
    answer = asyncio.ensure_future(rig.conductor.tell("spawn", spec))
    await wait_for(lambda: life.service.faults.fired(rule.id) == 1)
    await rig.kill(life)
    assert not answer.done()
    life = await rig.start()
    assert (await answer).power_state == 1
    (made,) = await life.driver().list_guests()
    assert (made.phase, made.hold and made.hold.reason) == (Phase.READY, MADE)
    # It came again, so the truth was asked for once more before it was carried out.
    assert [guest.uuid for guest in rig.conductor.questions()[-1].guests] == [spec.uuid]
