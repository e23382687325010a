"""Commands: once, in order, answered, whatever the bus and the conductor do."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from prometheus_client import REGISTRY

from common.errors import Timeout
from services.compute.drivers.base import Phase
from services.compute.faults import Effect, FaultRule
from tests.integration.compute.support import HOST, Life, Rig, code, new_uuid
from tests.integration.drivers.support import make_spec
from tests.support.wait import wait_for


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(f"muster_compute_{name}_total") or 0.0


def works(life: Life) -> int:
    return len(life.service.agents[HOST].commands or ())


async def hang(life: Life, verb: str) -> str:
    """A fault rule that lets `verb` hang until the rules are cleared; its id."""
    return str(life.service.faults.add(FaultRule(effect=Effect.HANG, verb=verb)).id)


async def test_verbs_reach_the_guest(rig: Rig) -> None:
    await rig.start()
    guest = await rig.conductor.spawn()
    for verb, params, power_state in (
        ("power_off", {"timeout_s": 0}, 4),
        ("power_on", {}, 1),
        ("reboot", {"kind": "hard"}, 1),
        ("pause", {}, 3),
        ("unpause", {}, 1),
        ("suspend", {}, 7),
        ("resume", {}, 1),
    ):
        reply = await rig.conductor.tell(verb, guest, **params)
        assert (verb, reply.error, reply.power_state) == (verb, None, power_state)
    reply = await rig.conductor.tell("console_output", guest, length=1)
    assert reply.result["output"].endswith("PM: suspend exit"), "one line, without its newline"
    reply = await rig.conductor.tell("destroy", guest)
    assert (reply.error, reply.power_state) == (None, None)


async def test_a_guest_that_moves(rig: Rig) -> None:
    await rig.start()
    reply = await rig.conductor.tell("finish_migration", make_spec(), power_state=4)
    assert (reply.error, reply.power_state) == (None, 4)


@pytest.mark.parametrize(
    ("verb", "generation", "params", "expected", "words"),
    [
        ("levitate", 1, {}, "unsupported", "no verb 'levitate'"),
        ("__init__", 1, {}, "unsupported", "no verb"),
        ("power_off", 1, {"speed": 3}, "invalid_input", "params.speed is not known"),
        ("set_admin_password", 1, {}, "invalid_input", "params.sealed_password is missing"),
        ("spawn", 1, {}, "invalid_input", "spec is missing"),
        ("revert_migration", 1, {"new_generation": 2}, "conflict", "is ready"),
        (
            "revert_migration",
            1,
            {"new_generation": 2, "held": "no"},
            "invalid_input",
            "params.held is neither true nor false",
        ),
        ("power_off", -1, {}, "stale_generation", "generation -1"),
        ("power_off", 2, {}, "not_found", "no such guest"),
    ],
)
async def test_refusals(
    *, rig: Rig, verb: str, generation: int, params: dict[str, Any], expected: str, words: str
) -> None:
    await rig.start()
    guest = await rig.conductor.spawn()
    reply = await rig.conductor.tell(verb, guest, generation, **params)
    assert code(reply) == expected
    assert reply.error is not None
    assert words in reply.error.message


async def test_spec_of_another_generation(rig: Rig) -> None:
    life = await rig.start()
    reply = await rig.conductor.tell("spawn", make_spec(generation=1), 2)
    assert code(reply) == "invalid_input"
    assert await life.driver().list_guests() == []


async def test_a_broken_driver_is_reported_with_its_words(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()

    async def power_on(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(life.driver(), "power_on", power_on)
    reply = await rig.conductor.tell("power_on", guest)
    assert code(reply) == "host_command_failed"
    assert reply.error is not None
    assert reply.error.message == "ZeroDivisionError: nobody thought of this"
    assert reply.power_state == 1


async def test_a_repeat_of_a_running_command_shares_its_answer(rig: Rig) -> None:
    life = await rig.start()
    spec = make_spec()
    rule = await hang(life, "spawn")
    before = counted("duplicate_commands")
    answers = [
        asyncio.ensure_future(rig.conductor.tell("spawn", spec, workflow_id=1000)) for _ in range(3)
    ]
    await wait_for(lambda: counted("duplicate_commands") == before + 2)
    life.service.faults.clear()
    replies = await asyncio.gather(*answers)
    assert [reply.power_state for reply in replies] == [1, 1, 1]
    assert rig.log(spec.uuid).count("held") == 1
    assert rule


async def test_a_repeat_of_an_answered_command_is_answered_from_memory(rig: Rig) -> None:
    await rig.start()
    guest = await rig.conductor.spawn()
    first = await rig.conductor.tell("reboot", guest, workflow_id=1000)
    reboots = (await rig.conductor.tell("console_output", guest)).result["output"].count("restart")
    assert reboots == 1
    assert await rig.conductor.tell("reboot", guest, workflow_id=1000) == first
    again = (await rig.conductor.tell("console_output", guest)).result["output"].count("restart")
    assert again == 1
    # Another attempt is another command.
    await rig.conductor.tell("reboot", guest, workflow_id=1000, attempt=2)
    third = (await rig.conductor.tell("console_output", guest)).result["output"].count("restart")
    assert third == 2


async def test_an_older_workflow_is_dropped(rig: Rig) -> None:
    await rig.start()
    guest = await rig.conductor.spawn(workflow_id=10)
    assert (await rig.conductor.tell("power_off", guest, workflow_id=12)).error is None
    before = counted("stale_commands")
    reply = await rig.conductor.tell("power_on", guest, workflow_id=11)
    assert code(reply) == "conflict"
    assert reply.error is not None
    assert "stale command" in reply.error.message
    assert reply.power_state == 4
    assert counted("stale_commands") == before + 1
    other = await rig.conductor.spawn(workflow_id=5)  # ordered per server only
    assert (await rig.conductor.tell("reboot", other, workflow_id=5)).error is None


async def test_a_waiting_command_becomes_stale_too(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn(workflow_id=1)
    rule = await hang(life, "power_off")
    first = asyncio.ensure_future(rig.conductor.tell("power_off", guest, workflow_id=2))
    await wait_for(lambda: life.service.faults.fired(rule) == 1)
    second = asyncio.ensure_future(rig.conductor.tell("power_on", guest, workflow_id=3))
    await wait_for(lambda: works(life) == 2)
    third = asyncio.ensure_future(rig.conductor.tell("pause", guest, workflow_id=4))
    await wait_for(lambda: works(life) == 3)
    life.service.faults.clear()
    assert (await first).error is None
    assert code(await second) == "conflict"
    assert code(await third) == "conflict"  # carried out: a guest that is off cannot be paused
    assert "stale" not in str((await third).error)


async def test_commands_of_one_server_wait_for_each_other_and_not_for_others(rig: Rig) -> None:
    life = await rig.start()
    guest, other = await rig.conductor.spawn(), await rig.conductor.spawn()
    rule = await hang(life, "reboot")
    slow = asyncio.ensure_future(rig.conductor.tell("reboot", guest))
    await wait_for(lambda: life.service.faults.fired(rule) == 1)
    behind = asyncio.ensure_future(rig.conductor.tell("power_off", guest))
    await wait_for(lambda: works(life) == 2)
    assert (await rig.conductor.tell("power_off", other)).error is None
    assert (await rig.conductor.tell("console_output", guest)).error is None
    assert not behind.done()
    life.service.faults.clear()
    assert ((await slow).power_state, (await behind).power_state) == (1, 4)


@pytest.mark.parametrize("later", [0, 1], ids=["same workflow", "later workflow"])
@pytest.mark.parametrize("verb", ["destroy", "cancel"])
async def test_a_destroy_ends_a_running_spawn(rig: Rig, verb: str, later: int) -> None:
    life = await rig.start()
    spec = make_spec()
    rule = await hang(life, "spawn")
    spawning = asyncio.ensure_future(rig.conductor.tell("spawn", spec, workflow_id=50))
    await wait_for(lambda: life.service.faults.fired(rule) == 1)
    reply = await rig.conductor.tell(verb, spec.uuid, workflow_id=50 + later)
    assert reply.error is None
    assert code(await spawning) == "conflict"
    life.service.faults.clear()
    assert works(life) == 0
    assert "running" not in rig.log(spec.uuid)
    if verb == "destroy":
        assert await life.driver().list_guests() == []
        assert code(await rig.conductor.tell("spawn", spec, workflow_id=60)) == "stale_generation"


async def test_a_spawn_that_was_ended_before_its_first_step_is_answered_too(rig: Rig) -> None:
    life = await rig.start()
    spec = make_spec()
    spawned, destroyed = await asyncio.gather(
        rig.conductor.tell("spawn", spec, workflow_id=50, patience_s=3.0),
        rig.conductor.tell("destroy", spec.uuid, workflow_id=50),
    )
    assert destroyed.error is None
    assert code(spawned) == "stale_generation"
    assert works(life) == 0
    assert "running" not in rig.log(spec.uuid)


async def test_an_older_destroy_ends_nothing(rig: Rig) -> None:
    life = await rig.start()
    spec = make_spec()
    rule = await hang(life, "spawn")
    spawning = asyncio.ensure_future(rig.conductor.tell("spawn", spec, workflow_id=50))
    await wait_for(lambda: life.service.faults.fired(rule) == 1)
    old = asyncio.ensure_future(rig.conductor.tell("destroy", spec.uuid, workflow_id=49))
    await wait_for(lambda: works(life) == 2)
    life.service.faults.clear()
    assert (await spawning).power_state == 1
    assert code(await old) == "conflict"
    assert len(await life.driver().list_guests()) == 1


async def test_a_delete_gets_through_a_verb_that_hangs(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    rule = await hang(life, "power_off")
    hanging = asyncio.ensure_future(rig.conductor.tell("power_off", guest))
    await wait_for(lambda: life.service.faults.fired(rule) == 1)
    assert (await rig.conductor.tell("destroy", guest)).error is None
    assert code(await hanging) == "conflict"


async def test_a_lost_reply_is_made_up_for_by_the_repeat(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    rule = life.service.faults.add(
        FaultRule(effect=Effect.LOST_REPLY, verb="power_off", host=HOST, count=1)
    )
    with pytest.raises(Timeout):
        await rig.conductor.tell("power_off", guest, workflow_id=1000, patience_s=0.1)
    assert life.service.faults.fired(rule.id) == 1
    reply = await rig.conductor.tell("power_off", guest, workflow_id=1000)
    assert (reply.error, reply.power_state) == (None, 4)
    assert rig.log(guest).count("stopped") == 1


async def test_a_doubled_reply_does_no_harm(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    rule = life.service.faults.add(FaultRule(effect=Effect.DUPLICATE_REPLY, count=1))
    late = REGISTRY.get_sample_value("muster_bus_late_replies_total") or 0.0
    assert (await rig.conductor.tell("power_off", guest)).power_state == 4
    assert life.service.faults.fired(rule.id) == 1
    await wait_for(lambda: REGISTRY.get_sample_value("muster_bus_late_replies_total") == late + 1.0)
    assert (await rig.conductor.tell("power_on", guest)).power_state == 1


async def test_a_failure_of_the_moment_is_not_remembered(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    rule = life.service.faults.add(FaultRule(effect=Effect.HANG, verb="reboot", count=1))
    reboot = asyncio.ensure_future(rig.conductor.tell("reboot", guest, workflow_id=1000))
    await wait_for(lambda: life.service.faults.fired(rule.id) == 1)
    rig.conductor.judge = lambda report, _: "hold" if report.kind == "question" else None
    rig.clock.ahead_s += 60  # what it was sent for is in doubt, and then it is not decided
    life.service.faults.clear()
    assert code(await reboot) == "unavailable"
    rig.conductor.judge = lambda *_: None
    assert code(await rig.conductor.tell("reboot", guest, workflow_id=1000)) is None


OLD = dt.timedelta(minutes=5)


async def test_a_fresh_spawn_costs_no_question(rig: Rig) -> None:
    await rig.start()
    await rig.conductor.spawn()
    assert rig.conductor.questions() == []


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("keep", None),
        ("destroy", "stale_generation"),
        ("unknown", "not_found"),
        ("hold", "unavailable"),
    ],
)
@pytest.mark.parametrize("off_by", [-OLD, OLD], ids=["old", "from the future"])
async def test_a_spawn_that_is_not_fresh_is_asked_about(
    rig: Rig, verdict: str, expected: str | None, off_by: dt.timedelta
) -> None:
    """It waited in a queue while the truth moved on, or its clock cannot be relied on."""
    life = await rig.start()
    spec = make_spec()
    rig.conductor.otherwise = verdict  # type: ignore[assignment]
    reply = await rig.conductor.tell("spawn", spec, sent_at=rig.clock.utcnow() + off_by)
    assert code(reply) == expected
    (question,) = rig.conductor.questions()
    assert [(g.uuid, g.generation, g.pending) for g in question.guests] == [(spec.uuid, 1, True)]
    made = [guest.phase for guest in await life.driver().list_guests()] == [Phase.READY]
    assert made is (expected is None)


async def test_many_questions_are_asked_together(rig: Rig) -> None:
    await rig.start()
    rig.conductor.answering.clear()
    answers = [
        asyncio.ensure_future(
            rig.conductor.tell("spawn", make_spec(), sent_at=rig.clock.utcnow() - OLD)
        )
        for _ in range(20)
    ]
    await wait_for(rig.conductor.questions)
    rig.conductor.answering.set()
    assert [reply.power_state for reply in await asyncio.gather(*answers)] == [1] * 20
    assert len(rig.conductor.questions()) <= 3


async def test_a_question_while_the_host_is_silent_does_not_lose_the_command(rig: Rig) -> None:
    await rig.start()
    rig.conductor.answering.clear()
    answer = asyncio.ensure_future(
        rig.conductor.tell("spawn", make_spec(), sent_at=rig.clock.utcnow() - OLD)
    )
    await wait_for(lambda: len(rig.conductor.questions()) >= 2)  # asked again after the time-out
    rig.conductor.answering.set()
    assert (await answer).power_state == 1


async def test_which_guest_is_there(rig: Rig) -> None:
    await rig.start()
    spec = make_spec(generation=3)
    await rig.conductor.tell("spawn", spec)
    reply = await rig.conductor.tell("guest_info", spec.uuid, 2)
    assert reply.result == {"generation": 3, "phase": "ready", "power_state": 1, "held": True}
    assert code(await rig.conductor.tell("guest_info", new_uuid())) == "not_found"


async def test_console_of_nobody(rig: Rig) -> None:
    await rig.start()
    assert code(await rig.conductor.tell("console_output", new_uuid())) == "not_found"
