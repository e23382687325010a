"""Guests that are made wait to be let go, and nothing but the truth of after their hold does it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.domain.states import PowerState
from common.messages.compute import GuestReport, HostReport, Verdict
from services.compute.drivers.base import MADE, GuestInfo, Phase
from services.compute.faults import Effect, FaultRule
from tests.integration.compute.support import HOST, Life, Rig, code
from tests.integration.drivers.support import make_spec
from tests.support.wait import wait_for


async def info(life: Life, uuid: str) -> GuestInfo:
    return await life.driver().guest_info(uuid)


async def made(rig: Rig, verb: str = "spawn", **params: object) -> str:
    """A guest that is made and waits."""
    spec = make_spec()
    reply = await rig.conductor.tell(verb, spec, **params)  # type: ignore[arg-type]
    assert (reply.error, reply.power_state) == (None, 1)
    return spec.uuid


@pytest.mark.parametrize("verb", ["spawn", "finish_migration"])
async def test_what_is_made_waits_for_its_release(rig: Rig, verb: str) -> None:
    life = await rig.start()
    uuid = await made(rig, verb)
    guest = await info(life, uuid)
    assert (guest.phase, guest.hold and guest.hold.reason) == (Phase.READY, MADE)
    assert "running" not in rig.log(uuid)
    await rig.conductor.release(uuid)
    await wait_for(lambda: "running" in rig.log(uuid))
    assert rig.conductor.questions() == rig.conductor.reports("inventory") == []


async def test_what_must_run_before_the_commit_does(rig: Rig) -> None:
    life = await rig.start()
    uuid = await made(rig, "finish_migration", held=False)
    assert not (await info(life, uuid)).held


async def test_a_repeated_spawn_does_not_hold_what_was_released(rig: Rig) -> None:
    life = await rig.start()
    spec = make_spec()
    for attempt in (1, 2):
        reply = await rig.conductor.tell("spawn", spec, attempt=attempt, workflow_id=1000)
        assert reply.error is None
        await rig.conductor.release(spec.uuid)
        await wait_for(lambda: life.driver().held_guests() == [])
    assert rig.log(spec.uuid).count("held") == 1


async def test_a_lost_release_is_made_up_for_by_the_host(rig: Rig) -> None:
    """Its workflow is still at it when it asks for the first time."""
    await rig.start()
    rig.conductor.otherwise = "hold"
    uuid = await made(rig)
    await wait_for(lambda: rig.conductor.reports("inventory"))
    assert "running" not in rig.log(uuid)
    rig.conductor.otherwise = "keep"
    await wait_for(lambda: "running" in rig.log(uuid))


async def test_a_spawn_that_fails_late_leaves_nothing_unasked(rig: Rig) -> None:
    life = await rig.start()
    life.service.faults.add(FaultRule(effect=Effect.DONE_BUT_REPORTED_FAILED, verb="spawn"))
    spec = make_spec()
    rig.conductor.otherwise = "destroy"
    assert code(await rig.conductor.tell("spawn", spec)) == "host_command_failed"
    await wait_for(lambda: "destroyed" in rig.log(spec.uuid))
    assert "running" not in rig.log(spec.uuid)


@pytest.mark.parametrize("why", ["old", "from the future", "another generation", "fenced"])
async def test_a_release_in_doubt_makes_the_host_ask(rig: Rig, why: str) -> None:
    await rig.start()
    rig.conductor.otherwise = "hold"
    uuid = await made(rig)
    if why == "fenced":
        await rig.conductor.tell("fence", uuid)
    age_s = {"old": 60.0, "from the future": -60.0}.get(why, 0.0)
    reports = len(rig.conductor.reports("inventory"))
    await rig.conductor.release(uuid, 2 if why == "another generation" else 1, age_s=age_s)
    await wait_for(lambda: len(rig.conductor.reports("inventory")) > reports, timeout_s=1.0)
    assert "running" not in rig.log(uuid)


async def test_a_release_while_the_truth_is_not_known_releases_nothing(rig: Rig) -> None:
    life = await rig.start()
    rig.conductor.otherwise = "hold"
    uuid = await made(rig)
    life.service.freeze()
    await rig.conductor.release(uuid)
    rig.clock.ahead_s += 60
    await rig.conductor.release(uuid)  # fresh, but the host has stood still since it was made
    hellos = len(rig.conductor.reports("hello"))
    life.service.thaw()
    await wait_for(lambda: len(rig.conductor.reports("hello")) > hellos and life.service.ready)
    assert "running" not in rig.log(uuid)


async def test_a_release_of_a_guest_that_runs_is_nothing(rig: Rig) -> None:
    await rig.start()
    uuid = await rig.conductor.spawn()
    await rig.conductor.release(uuid)
    await rig.conductor.tell("reboot", uuid)
    assert rig.conductor.reports("inventory") == []


async def test_an_answer_from_before_the_fence_does_not_release(rig: Rig) -> None:
    life = await rig.start()
    uuid = await rig.conductor.spawn()
    rig.conductor.answering.clear()
    await rig.conductor.recheck()
    await wait_for(lambda: rig.conductor.reports("inventory"))  # keep, says the answer to come
    assert code(await rig.conductor.tell("fence", uuid)) is None
    rig.conductor.verdicts[uuid] = "hold"
    rig.conductor.answering.set()
    await wait_for(lambda: len(rig.conductor.reports("inventory")) > 1)
    assert rig.after_boot(uuid) == ["held"]
    assert (await info(life, uuid)).held
    rig.conductor.verdicts[uuid] = "keep"  # the move was given up
    await wait_for(lambda: rig.after_boot(uuid) == ["held", "released", "running"])


async def test_an_answer_from_before_the_commit_does_not_hold_what_is_released(rig: Rig) -> None:
    """It would stand still until the host has asked again."""
    life = await rig.start()
    rig.conductor.otherwise = "hold"
    uuid = await made(rig)
    rig.conductor.answering.clear()
    before = len(rig.conductor.reports("inventory"))
    await rig.conductor.recheck()
    await wait_for(lambda: len(rig.conductor.reports("inventory")) > before)
    rig.conductor.otherwise = "keep"
    await rig.conductor.release(uuid)
    await wait_for(lambda: "running" in rig.log(uuid))
    rig.conductor.answering.set()
    reports = life.service.agents[HOST].reports
    assert reports is not None
    await wait_for(lambda: reports.holds.due_in_s is not None, what="the answer to be applied")
    await wait_for(lambda: reports.holds.due_in_s is None, what="the guest to be decided")
    assert rig.after_boot(uuid) == []


async def test_an_answer_to_a_question_from_before_the_fence_does_not_release(rig: Rig) -> None:
    life = await rig.start()
    uuid = await rig.conductor.spawn()
    life.driver().hold(uuid, "test")
    rig.conductor.answering.clear()
    reboot = asyncio.ensure_future(rig.conductor.tell("reboot", uuid))
    await wait_for(rig.conductor.questions)
    await rig.conductor.tell("fence", uuid)
    rig.conductor.verdicts[uuid] = "hold"
    rig.conductor.answering.set()
    await wait_for(lambda: rig.conductor.reports("inventory"))
    assert not reboot.done()
    assert rig.after_boot(uuid) == ["held"]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [("keep", None), ("destroy", "stale_generation"), ("unknown", "not_found")],
)
async def test_a_verb_on_a_held_guest_asks_about_the_guest(
    rig: Rig, verdict: Verdict, expected: str | None
) -> None:
    await rig.start()
    uuid = await made(rig)
    rig.conductor.otherwise = verdict
    assert code(await rig.conductor.tell("reboot", uuid, kind="hard")) == expected
    (question,) = rig.conductor.questions()
    (guest,) = question.guests
    assert (guest.uuid, guest.held, guest.pending) == (uuid, True, False)
    assert question.inventory is None
    assert ("running" in rig.log(uuid)) is (expected is None)


async def test_a_held_guest_is_no_obstacle_to_what_makes_or_ends_it(rig: Rig) -> None:
    life = await rig.start()
    rig.conductor.otherwise = "hold"
    uuid = await made(rig)
    life.driver().hold(uuid, "test")
    rebuilt = make_spec(uuid, generation=2)
    assert code(await rig.conductor.tell("spawn", rebuilt)) is None
    assert (await info(life, uuid)).generation == 2
    assert code(await rig.conductor.tell("destroy", uuid, 2)) is None
    assert rig.conductor.questions() == []
    assert "running" not in rig.log(uuid)


async def test_a_guest_comes_back_held_or_running(rig: Rig) -> None:
    life = await rig.start()
    for held in (True, False):
        uuid = await rig.conductor.spawn()
        await rig.conductor.tell("migrate_out", uuid)
        reply = await rig.conductor.tell("revert_migration", uuid, new_generation=3, held=held)
        assert (reply.error, reply.power_state) == (None, PowerState.RUNNING)
        assert (await info(life, uuid)).held is held


async def test_lifting_a_hold_that_is_newer_than_the_command_is_asked_about(rig: Rig) -> None:
    life = await rig.start()
    uuid = await rig.conductor.spawn()
    await rig.conductor.tell("migrate_out", uuid)
    rule = life.service.faults.add(FaultRule(effect=Effect.HANG, verb="migrate_out"))
    first = asyncio.ensure_future(rig.conductor.tell("migrate_out", uuid, workflow_id=9000))
    await wait_for(lambda: life.service.faults.fired(rule.id) == 1)
    behind = asyncio.ensure_future(
        rig.conductor.tell("revert_migration", uuid, workflow_id=9000, new_generation=2, held=False)
    )
    await wait_for(lambda: len(life.service.agents[HOST].commands or ()) == 2)
    await rig.conductor.tell("fence", uuid)
    rig.conductor.verdicts[uuid] = "destroy"
    life.service.faults.clear()
    await first
    assert code(await behind) == "stale_generation"
    assert rig.after_boot(uuid).count("running") == 0


@pytest.mark.parametrize("verb", ["power_on", "reboot"])
@pytest.mark.parametrize("verdict", ["keep", "destroy"])
async def test_what_a_move_has_left_goes_on_only_if_the_truth_wants_it(
    rig: Rig, verb: str, verdict: Verdict
) -> None:
    """However fresh the command: the server may run elsewhere."""
    await rig.start()
    uuid = await rig.conductor.spawn()
    await rig.conductor.tell("migrate_out", uuid)

    def judge(report: HostReport, guest: GuestReport) -> Verdict:
        return verdict if guest.pending else "keep"

    rig.conductor.judge = judge
    params: dict[str, Any] = {"kind": "hard"} if verb == "reboot" else {}
    reply = await rig.conductor.tell(verb, uuid, workflow_id=9000, **params)
    (question,) = rig.conductor.questions()
    assert [(g.pending, g.workflow_id) for g in question.guests] == [(True, 9000)]
    assert code(reply) == (None if verdict == "keep" else "stale_generation")
    assert (rig.log(uuid).count("running") == 2) is (verdict == "keep")
