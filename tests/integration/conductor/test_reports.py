"""What reports of hosts change, what they cost, and when they are asked for."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import pytest

from common.domain.states import PowerState
from common.messages.compute import GuestReport
from tests.integration.conductor.support import RESOURCES, Host, Rig
from tests.support.wait import wait_for


async def add_server(rig: Rig, *, changed_s_ago: float = 3600, **columns: Any) -> GuestReport:
    """An idle server on host a, and what the host says of its guest when all is well."""
    uuid = uuid4()
    values = {"vm_state": "active", "host": "a", "power_state": PowerState.RUNNING} | columns
    await rig.pool.execute(
        "insert into servers (uuid, project_id, user_id, name, hostname, reservation_id, vm_state,"
        " host, power_state, generation, last_generation, flavor, flavorid, vcpus, memory_mib,"
        " root_gib, ephemeral_gib, swap_mib, updated_at)"
        " values ($1, 'demo', 'u', 'n', 'n', 'r-1', $2, $3, $4, 1, 1, '{}', '1', 1, 512, 1, 0, 0,"
        " now() - make_interval(secs => $5))",
        uuid,
        values["vm_state"],
        values["host"],
        values["power_state"],
        changed_s_ago,
    )
    return GuestReport(uuid=str(uuid), generation=1, power_state=PowerState.RUNNING)


async def add_workflow(rig: Rig, guest: GuestReport) -> None:
    await rig.pool.execute(
        "insert into workflows (kind, server_uuid, request_id, deadline_at, lease_expires_at)"
        " values ('start', $1, 'r', now() + interval '1 hour', 'infinity')",
        UUID(guest.uuid),
    )


async def settled(rig: Rig) -> str | None:
    """The hash of the report last found settled."""
    found: str | None = await rig.pool.fetchval("select inventory from services where host = 'a'")
    return found


async def settles(rig: Rig, host: Host) -> None:
    """Report until it is settled: a heartbeat that is written in the middle of a report makes it
    look as if somebody had changed the truth."""

    async def done() -> bool:
        assert (await host.report("inventory")).accepted
        return await settled(rig) == host.inventory

    await wait_for(done, what="a report to be settled")


async def test_an_inventory_travels_only_when_it_has_changed(rig: Rig) -> None:
    await rig.conductor()
    guest = await add_server(rig)
    host = await rig.host(inventory="x", guests=[guest])
    assert await settled(rig) == "x"
    await rig.beats(10)
    assert host.rechecks == 0
    host.inventory = "y"
    await wait_for(lambda: host.rechecks > 2, what="each heartbeat to be answered with a recheck")
    await settles(rig, host)
    before = host.rechecks
    await rig.beats(10)
    assert host.rechecks <= before + 1, "at most one was on its way"


async def test_a_truth_that_has_changed_is_asked_about_until_it_is_settled(rig: Rig) -> None:
    await rig.conductor()
    host = await rig.host(inventory="x")
    await rig.pool.execute("update services set inventory = null where host = 'a'")
    await wait_for(lambda: host.rechecks > 0)
    await settles(rig, host)


async def test_what_is_undecided_leaves_a_report_unsettled(rig: Rig) -> None:
    await rig.conductor()
    guest = await add_server(rig)
    host = await rig.host(inventory="x", guests=[guest], beating=False)
    assert await settled(rig) == "x"
    await add_workflow(rig, guest)
    await host.report("inventory")
    assert await settled(rig) is None, "a workflow is at it"
    await rig.pool.execute("delete from workflows")
    await host.report("inventory")
    assert await settled(rig) == "x"
    stranger = GuestReport(uuid=str(uuid4()), generation=1, power_state=1)
    await host.report("inventory", guests=[guest, stranger])
    assert await settled(rig) is None, "nobody knows the guest"
    newer = guest.model_copy(update={"generation": 2})
    await rig.pool.execute("update servers set last_generation = 2")
    await host.report("inventory", guests=[newer])
    assert await settled(rig) is None, "the truth has only just followed"
    assert await rig.pool.fetchval("select generation from servers") == 2
    await host.report("inventory", guests=[newer])
    assert await settled(rig) == "x"


async def test_what_an_unconfirmed_move_has_left_is_settled_although_it_is_held(rig: Rig) -> None:
    """As after a restart of its agent; the move is confirmed or reverted days later perhaps."""
    await rig.conductor()
    guest = await add_server(rig, host="b")
    await rig.pool.execute("update servers set generation = 2, last_generation = 2")
    await rig.pool.execute(
        "insert into migrations (uuid, server_uuid, migration_type, status, source_compute,"
        " source_generation) values (gen_random_uuid(), $1, 'resize', 'finished', 'a', 1)",
        UUID(guest.uuid),
    )
    left = guest.model_copy(update={"held": True, "power_state": PowerState.SHUTDOWN})
    host = await rig.host(beating=False)
    said = await host.report("inventory", guests=[left], inventory="x")
    assert said.verdicts == {guest.uuid: "hold"}
    assert await settled(rig) == "x"
    await add_workflow(rig, guest)
    await host.report("inventory", guests=[left], inventory="x")
    assert await settled(rig) is None, "a workflow is at it"


async def test_reports_cost_few_statements(rig: Rig) -> None:
    member = await rig.conductor()
    guests = [await add_server(rig) for _ in range(3)]
    host = await rig.host(inventory="x", guests=guests, beating=False)
    for kind, count in (("question", 1), ("inventory", 2), ("hello", 3)):
        member.pool.asked.clear()
        answer = await host.report(kind)
        assert len([args for args in member.pool.asked if "a" in args]) == count, kind
        assert answer.verdicts == {guest.uuid: "keep" for guest in guests}


async def test_a_question_settles_nothing(rig: Rig) -> None:
    await rig.conductor()
    guest = await add_server(rig)
    host = await rig.host(inventory="x", beating=False)
    before = await settled(rig)
    said = await host.report("question", guests=[guest], inventory=None)
    assert said.verdicts == {guest.uuid: "keep"}
    assert await settled(rig) == before


@pytest.mark.parametrize("kind", ["inventory", "question"])
async def test_an_earlier_life_is_told_nothing(rig: Rig, kind: str) -> None:
    await rig.conductor()
    guest = await add_server(rig)
    host = await rig.host(inventory="x", beating=False)
    host.epoch, earlier = "later", host.epoch
    assert (await host.report("hello")).accepted
    host.epoch = earlier
    said = await host.report(kind, guests=[guest])
    assert (said.accepted, said.verdicts) == (False, {})
    assert said.reason == "another agent has registered as 'a' since"


async def test_a_life_that_a_late_hello_has_displaced_is_asked_to_report(rig: Rig) -> None:
    """The hello of an earlier life, which a conductor that stood still carries out at last: the
    heartbeats of the present life count no more, and it would never learn that."""
    await rig.conductor()
    host = await rig.host(inventory="x")
    await rig.beats(2)
    assert host.rechecks == 0
    host.epoch, present = "earlier", host.epoch
    assert (await host.report("hello")).accepted
    host.epoch = present
    await wait_for(lambda: host.rechecks > 0, what="the present life to be asked")
    assert not (await host.report("inventory")).accepted, "which makes it say hello again"


async def test_a_late_inventory_does_not_judge_what_has_changed_since(rig: Rig) -> None:
    """It was made when the guest was off, and is answered when a workflow has just started it."""
    await rig.conductor()
    guest = await add_server(rig, changed_s_ago=0)
    host = await rig.host(inventory="on", guests=[guest], beating=False)
    assert await settled(rig) == "on", "what agrees is settled however lately it has changed"
    off = guest.model_copy(update={"power_state": PowerState.SHUTDOWN})
    await host.report("inventory", guests=[off], inventory="off")
    row = await rig.pool.fetchrow("select power_state, task_state from servers")
    assert tuple(row) == (PowerState.RUNNING, None)
    assert not await rig.pool.fetchval("select count(*) from instance_actions")
    assert await settled(rig) is None, "it comes again"
    await rig.pool.execute("update servers set updated_at = now() - interval '1 hour'")
    await host.report("inventory", guests=[off], inventory="off")
    assert await rig.pool.fetchval("select power_state from servers") == PowerState.SHUTDOWN
    assert await rig.pool.fetchval("select action from instance_actions") == "stop"
    assert await settled(rig) is None, "until it has been stopped"


async def test_a_guest_that_is_left_over_is_struck_off_when_it_is_gone(rig: Rig) -> None:
    await rig.conductor()
    guest = await add_server(rig, host="b")
    gone, there = {"host": "a", "generation": 7}, {"host": "a", "generation": 1}
    elsewhere = {"host": "b", "generation": 7}
    for detail in (gone, there, elsewhere):
        await rig.pool.execute(
            "insert into leftovers (server_uuid, kind, detail, reason, due_at)"
            " values ($1, 'guest', $2, '', 'infinity')",  # not for the conductor's own turn
            UUID(guest.uuid),
            detail,
        )
    host = await rig.host(guests=[guest], beating=False)
    assert (await host.report("question")).accepted
    left = [row["detail"] for row in await rig.pool.fetch("select detail from leftovers")]
    assert left == [there, elsewhere]


async def test_an_evacuation_is_complete_when_the_host_no_longer_has_the_guest(rig: Rig) -> None:
    await rig.conductor()
    guest = await add_server(rig, host="b")
    await rig.pool.execute(
        "insert into migrations (uuid, server_uuid, migration_type, status, source_compute)"
        " values (gen_random_uuid(), $1, 'evacuation', 'done', 'a')",
        UUID(guest.uuid),
    )
    status = "select status from migrations"
    host = await rig.host(guests=[guest], beating=False)
    assert await rig.pool.fetchval(status) == "done"
    await host.report("inventory", guests=[])
    assert await rig.pool.fetchval(status) == "completed"


async def test_the_time_of_a_boot_is_stored_once(rig: Rig) -> None:
    await rig.conductor()
    booted_at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    resources = RESOURCES.model_copy(update={"booted_at": booted_at, "uptime": "00:00 up 1 day"})
    host = await rig.host(resources=resources, beating=False)
    row = await rig.pool.fetchrow("select booted_at, uptime, xmin from compute_nodes")
    assert (row["booted_at"], row["uptime"]) == (booted_at, None)
    host.resources = resources.model_copy(update={"uptime": "00:00 up 2 days"})
    await host.report("inventory")
    assert await rig.pool.fetchval("select xmin from compute_nodes") == row["xmin"]
