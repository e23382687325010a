"""A host that stood still serves nothing until it has been told the truth about its guests."""

from __future__ import annotations

import asyncio

import pytest

from services.compute.drivers.base import Phase
from services.compute.faults import Effect, FaultRule
from tests.integration.compute.support import HOST, Life, Rig, code
from tests.integration.drivers.support import make_spec
from tests.support.wait import wait_for


def freeze_for(rig: Rig, life: Life, seconds: float) -> None:
    life.service.freeze()
    rig.clock.ahead_s += seconds


async def test_a_frozen_host_does_nothing_while_others_go_on(rig: Rig) -> None:
    life = await rig.start(hosts=["compute-1", "compute-2"])
    guest = await rig.conductor.spawn()
    life.service.agents["compute-1"].freeze()
    command = asyncio.ensure_future(rig.conductor.tell("power_off", guest))
    await rig.conductor.spawn(host="compute-2")
    beats = rig.conductor.heartbeats()
    enough = rig.conductor.heartbeats("compute-2") + 10
    await wait_for(lambda: rig.conductor.heartbeats("compute-2") >= enough)
    assert rig.conductor.heartbeats() <= beats + 1  # one may have been on its way
    assert not command.done()
    assert rig.after_boot(guest) == []
    life.service.agents["compute-1"].thaw()
    assert (await command).power_state == 4  # too short a time to be a gap
    assert len(rig.conductor.reports("hello")) == 1


@pytest.mark.parametrize("verdict", ["keep", "destroy"])
async def test_nothing_is_served_between_thaw_and_verdicts(rig: Rig, verdict: str) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    freeze_for(rig, life, 60)
    rig.conductor.answering.clear()
    rig.conductor.verdicts[guest] = verdict  # type: ignore[assignment]
    command = asyncio.ensure_future(rig.conductor.tell("reboot", guest, kind="hard"))
    life.service.thaw()

    await wait_for(lambda: len(rig.conductor.reports("hello")) == 2)
    hello = rig.conductor.reports("hello")[1]
    assert [(g.uuid, g.held) for g in hello.guests] == [(guest, True)]
    assert hello.epoch == rig.conductor.reports("hello")[0].epoch
    assert not life.service.ready
    assert not command.done()
    rig.conductor.answering.set()
    reply = await command
    after = rig.after_boot(guest)
    if verdict == "keep":
        assert (reply.error, reply.power_state) == (None, 1)
        assert after[:4] == ["stopped", "held", "released", "running"]
    else:
        assert code(reply) in {"not_found", "stale_generation"}
        assert after == ["stopped", "held", "destroyed"]
    assert life.service.ready


async def test_a_command_that_a_gap_interrupts_is_done_after_the_verdicts(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    rule = life.service.faults.add(FaultRule(effect=Effect.HANG, verb="power_off"))
    command = asyncio.ensure_future(rig.conductor.tell("power_off", guest))
    await wait_for(lambda: life.service.faults.fired(rule.id) == 1)
    freeze_for(rig, life, 60)
    life.service.thaw()
    await wait_for(lambda: len(rig.conductor.reports("hello")) == 2 and life.service.ready)
    assert not command.done()
    life.service.faults.clear()
    assert (await command).power_state == 4


@pytest.mark.parametrize(("verdict", "expected"), [("keep", None), ("destroy", "stale_generation")])
async def test_a_spawn_that_a_gap_interrupts_is_asked_about(
    rig: Rig, verdict: str, expected: str | None
) -> None:
    life = await rig.start()
    spec = make_spec()
    rule = life.service.faults.add(FaultRule(effect=Effect.HANG, verb="spawn"))
    command = asyncio.ensure_future(rig.conductor.tell("spawn", spec))
    await wait_for(lambda: life.service.faults.fired(rule.id) == 1)
    freeze_for(rig, life, 60)
    rig.conductor.verdicts[spec.uuid] = verdict  # type: ignore[assignment]
    life.service.thaw()
    await wait_for(lambda: len(rig.conductor.reports("hello")) == 2)
    life.service.faults.clear()
    assert code(await command) == expected
    made = [guest.phase for guest in await life.driver().list_guests()] == [Phase.READY]
    assert made is (expected is None)
    assert rig.conductor.questions()


async def test_a_gap_during_the_hello_makes_another_hello(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    freeze_for(rig, life, 60)
    rig.conductor.answering.clear()
    life.service.thaw()
    await wait_for(lambda: len(rig.conductor.reports("hello")) == 2)
    # The answer will be of before this second gap: the guest may have been evacuated meanwhile.
    freeze_for(rig, life, 60)
    rig.conductor.answering.set()
    life.service.thaw()
    await wait_for(lambda: len(rig.conductor.reports("hello")) >= 3 and life.service.ready)
    assert rig.after_boot(guest)[-2:] == ["released", "running"]
    assert rig.log(guest).count("running") == 2


async def test_the_clock_alone_shows_a_gap(rig: Rig) -> None:
    """A whole process that was stopped: nothing froze the agent, only time has passed."""
    await rig.start()
    guest = await rig.conductor.spawn()
    rig.conductor.verdicts[guest] = "destroy"
    rig.clock.ahead_s += 60
    reply = await rig.conductor.tell("reboot", guest)
    assert code(reply) in {"not_found", "stale_generation"}
    assert rig.after_boot(guest) == ["stopped", "held", "destroyed"]


async def test_killed_while_frozen(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    life.service.freeze()
    answer = asyncio.ensure_future(rig.conductor.tell("power_off", guest))
    await rig.kill(life)
    life = await rig.start()
    assert (await answer).power_state == 4
    assert life.service.agents[HOST].serving
