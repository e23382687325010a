"""Fault rules set through a host's queue."""

from __future__ import annotations

import asyncio
from typing import Any

from common.bus.topology import host_queue
from common.messages.faults import FaultRules, FaultRulesAnswer
from services.compute.faults import Effect, FaultRule
from tests.integration.compute.support import HOST, Rig, code
from tests.support.wait import wait_for


async def ask(rig: Rig, action: Any, host: str = HOST, **fields: Any) -> FaultRulesAnswer:
    question = FaultRules(action=action, **fields)
    answer = await rig.conductor.bus.call(host_queue(host), question, timeout_s=5)
    assert isinstance(answer, FaultRulesAnswer)
    return answer


async def test_off_unless_enabled(rig: Rig) -> None:
    life = await rig.start()
    for action in ("add", "list", "clear"):
        answer = await ask(rig, action, rule={"effect": "error"})
        assert answer.error is not None
        assert answer.error.code == "unsupported"
        assert "compute.fault_rules_enabled" in answer.error.message
    assert life.service.faults.list() == []


async def test_a_rule_fires_is_counted_and_cleared(rig: Rig) -> None:
    await rig.start(fault_rules_enabled=True)
    server = await rig.conductor.spawn()
    rule = {"effect": "error", "verb": "power_off", "count": 1, "message": "no power"}
    (added,) = (await ask(rig, "add", rule=rule)).rules
    assert (added.rule["id"], added.rule["host"]) == ("compute-1-fault-1", HOST)
    failed = await rig.conductor.tell("power_off", server)
    assert (code(failed), failed.error and failed.error.message) == (
        "host_command_failed",
        "no power",
    )
    assert code(await rig.conductor.tell("power_off", server)) is None
    (listed,) = (await ask(rig, "list")).rules
    assert (listed.rule, listed.fired) == (added.rule, 1)
    (gone,) = (await ask(rig, "clear", rule_id="compute-1-fault-1")).rules
    assert gone == listed
    assert (await ask(rig, "list")).rules == []
    again = await ask(rig, "clear", rule_id="compute-1-fault-1")
    assert again.error is not None
    assert again.error.code == "not_found"


async def test_hosts_of_one_process_have_their_own_rules(rig: Rig) -> None:
    life = await rig.start(hosts=["a", "b"], fault_rules_enabled=True)
    everywhere = life.service.faults.add(FaultRule(effect=Effect.DELAY, verb="reboot"))
    for host in ("a", "b"):
        await ask(rig, "add", host, rule={"effect": "lost_reply", "verb": "pause"})
    ids = [r.rule["id"] for r in (await ask(rig, "list", "a")).rules]
    assert ids == [everywhere.id, "a-fault-2"]
    assert [r.rule["id"] for r in (await ask(rig, "clear", "a")).rules] == ["a-fault-2"]
    assert [s.rule.id for s in life.service.faults.list()] == [everywhere.id, "b-fault-3"]
    elsewhere = await ask(rig, "add", "a", rule={"effect": "error", "host": "b"})
    assert elsewhere.error is not None
    assert "ask b itself" in elsewhere.error.message


async def test_what_a_rule_cannot_be_is_named(rig: Rig) -> None:
    await rig.start(fault_rules_enabled=True)
    for rule, named in (
        ({}, "effect: Field required"),
        ({"effect": "sing"}, "effect: Input should be"),
        ({"effect": "error", "verb": "fly"}, "verb: no such verb 'fly'"),
        ({"effect": "error", "count": 0}, "count: "),
        ({"effect": "error", "probability": 2}, "probability: "),
        ({"effect": "error", "only_on_sundays": True}, "only_on_sundays: Extra inputs"),
    ):
        answer = await ask(rig, "add", rule=rule)
        assert answer.error is not None
        assert answer.error.code == "invalid_input"
        assert named in answer.error.message
    assert (await ask(rig, "list")).rules == []


async def test_a_slow_live_migration_is_seen_and_aborted(rig: Rig) -> None:
    await rig.start(fault_rules_enabled=True)
    server = await rig.conductor.spawn()
    rule = {"effect": "delay", "verb": "live_migrate", "delay_s": 5.0}
    await ask(rig, "add", rule=rule)
    migrating = asyncio.ensure_future(rig.conductor.tell("live_migrate", server))
    seen: list[int] = []

    async def progresses() -> bool:
        progress = await rig.conductor.tell("live_migration_progress", server)
        seen.append(progress.result.get("memory_processed_bytes", 0))
        return 0 < seen[-1] < int(progress.result["memory_total_bytes"])

    await wait_for(progresses)
    assert code(await rig.conductor.tell("live_migration_abort", server)) is None
    reply = await asyncio.wait_for(migrating, 3)
    assert (code(reply), reply.power_state) == ("migration_aborted", 1)
