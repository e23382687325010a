"""A host that was cut off from the broker believes nothing that was said before it is back."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from common.bus.topology import host_queue
from common.messages.compute import GuestReport, HostReply, HostReport, Verdict
from services.compute.faults import Effect, FaultRule
from tests.integration.compute.support import HOST, Life, Rig, code
from tests.integration.drivers.support import make_spec
from tests.support.wait import wait_for


@pytest.fixture(autouse=True)
def short_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.compute.app.SPREAD_S", 0.1)


def only_questions(verdict: Verdict) -> Any:
    """The guest may run as it is, and the command is not wanted."""

    def judge(report: HostReport, _: GuestReport) -> Verdict | None:
        return verdict if report.kind == "question" else None

    return judge


async def cut_off(rig: Rig, life: Life) -> None:
    rig.broker.disconnect(life.bus)
    await wait_for(lambda: not life.service.ready)


async def waits(rig: Rig, verb: str, guest: str, **params: Any) -> asyncio.Task[HostReply]:
    """A command that waits in the host's queue."""
    command = asyncio.ensure_future(rig.conductor.tell(verb, guest, **params))
    await wait_for(lambda: rig.broker.depth(host_queue(HOST)) == 1)
    return command


# What comes first, then what waits in the queue.
MUTATING: list[tuple[str | None, str, dict[str, Any]]] = [
    ("power_off", "power_on", {}),
    (None, "power_off", {"timeout_s": 0}),
    (None, "reboot", {"kind": "hard"}),
    (None, "rescue", {}),
    ("migrate_out", "revert_migration", {"new_generation": 2, "held": False}),
    ("pause", "unpause", {}),
    (None, "migrate_out", {}),
    (None, "set_admin_password", {"password": "x"}),
]


@pytest.mark.parametrize(("before", "verb", "params"), MUTATING, ids=[m[1] for m in MUTATING])
async def test_what_waited_is_asked_about_whatever_its_verb(
    rig: Rig, before: str | None, verb: str, params: dict[str, Any]
) -> None:
    """It waited for less than a moment, and was never delivered before."""
    life = await rig.start()
    guest = await rig.conductor.spawn()
    if before:
        assert code(await rig.conductor.tell(before, guest)) is None
    was = rig.log(guest)
    await cut_off(rig, life)
    command = await waits(rig, verb, guest, workflow_id=9000, **params)
    rig.conductor.judge = only_questions("destroy")
    rig.broker.reconnect(life.bus)
    assert code(await command) == "stale_generation"
    assert rig.log(guest) == was
    (question,) = rig.conductor.questions()
    assert [(g.uuid, g.generation, g.pending, g.workflow_id) for g in question.guests] == [
        (guest, 1, True, 9000)
    ]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [("keep", None), ("unknown", "not_found"), ("hold", "unavailable")],
)
async def test_what_waited_goes_on_when_it_is_wanted(
    rig: Rig, verdict: Verdict, expected: str | None
) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    await cut_off(rig, life)
    command = await waits(rig, "power_off", guest)
    rig.conductor.judge = only_questions(verdict)
    rig.broker.reconnect(life.bus)
    assert code(await command) == expected


@pytest.mark.parametrize(
    ("verdict", "expected"), [("keep", None), ("destroy", None), ("unknown", "not_found")]
)
async def test_to_destroy_a_generation_that_is_over_is_always_right(
    rig: Rig, verdict: Verdict, expected: str | None
) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    await cut_off(rig, life)
    command = await waits(rig, "destroy", guest)
    rig.conductor.judge = only_questions(verdict)
    rig.broker.reconnect(life.bus)
    assert code(await command) == expected
    assert (rig.log(guest)[-1] == "destroyed") is (expected is None)


async def test_the_truth_is_told_before_anything_is_served(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    await rig.conductor.tell("power_off", guest)
    await cut_off(rig, life)
    command = await waits(rig, "power_on", guest)
    rig.conductor.verdicts[guest] = "destroy"  # it lives elsewhere by now
    rig.broker.reconnect(life.bus)
    assert code(await command) in {"not_found", "stale_generation"}
    assert rig.after_boot(guest) == ["stopped", "held", "destroyed"]
    assert len(rig.conductor.reports("hello")) == 2


async def test_guests_run_on_meanwhile(rig: Rig) -> None:
    life = await rig.start()
    guest = await rig.conductor.spawn()
    await cut_off(rig, life)
    assert life.driver().held_guests() == []
    rig.broker.reconnect(life.bus)
    await wait_for(lambda: life.service.ready)
    assert rig.after_boot(guest) == []
    assert not any(guest.held for guest in rig.conductor.reports("hello")[-1].guests)


async def test_a_loss_that_nobody_saw_is_one(rig: Rig) -> None:
    """The link was back before anybody looked."""
    life = await rig.start()
    guest = await rig.conductor.spawn()
    rig.broker.disconnect(life.bus)
    command = asyncio.ensure_future(rig.conductor.tell("power_off", guest))
    await wait_for(lambda: rig.broker.depth(host_queue(HOST)) == 1)
    rig.conductor.judge = only_questions("destroy")
    rig.broker.reconnect(life.bus)
    assert code(await command) == "stale_generation"
    assert len(rig.conductor.reports("hello")) == 2
    assert rig.after_boot(guest) == []


async def test_what_was_under_way_is_asked_about_again(rig: Rig) -> None:
    """It waited for its turn here while the link was lost."""
    life = await rig.start()
    guest = await rig.conductor.spawn()
    rule = life.service.faults.add(FaultRule(effect=Effect.HANG, verb="reboot", count=1))
    first = asyncio.ensure_future(rig.conductor.tell("reboot", guest, workflow_id=9000))
    await wait_for(lambda: life.service.faults.fired(rule.id) == 1)
    ahead = rig.clock.utcnow() + dt.timedelta(seconds=4)  # by the clock of its conductor
    behind = asyncio.ensure_future(
        rig.conductor.tell("power_off", guest, workflow_id=9000, sent_at=ahead)
    )
    await wait_for(lambda: len(life.service.agents[HOST].commands or ()) == 2)
    await cut_off(rig, life)
    rig.conductor.judge = only_questions("destroy")
    rig.broker.reconnect(life.bus)
    await wait_for(lambda: life.service.ready)
    life.service.faults.clear()
    assert code(await first) is None  # it had begun when nothing was in doubt
    assert code(await behind) == "stale_generation"
    assert rig.after_boot(guest) == []


async def test_a_release_from_before_is_not_believed(rig: Rig) -> None:
    life = await rig.start()
    rig.conductor.otherwise = "hold"
    spec = make_spec()
    await rig.conductor.tell("spawn", spec)
    rig.broker.disconnect(life.bus)
    rig.broker.reconnect(life.bus)
    await rig.conductor.release(spec.uuid)  # on the new connection, and no hello was answered
    await wait_for(lambda: len(rig.conductor.reports("hello")) == 2 and life.service.ready)
    assert "running" not in rig.log(spec.uuid)


async def test_hosts_of_a_process_do_not_report_all_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.compute.app.SPREAD_S", 0.0)
    monkeypatch.setattr("services.compute.app.SPREAD_PER_HOST_S", 0.05)
    hosts = [f"h{n}" for n in range(20)]
    life = await rig.start(hosts=hosts)
    await cut_off(rig, life)
    rig.broker.reconnect(life.bus)
    loop = asyncio.get_running_loop()
    came: dict[str, float] = {}

    def all_came() -> bool:
        for host in hosts:
            if len(rig.conductor.reports("hello", host)) == 2:
                came.setdefault(host, loop.time())
        return len(came) == len(hosts)

    await wait_for(all_came)
    assert max(came.values()) - min(came.values()) > 0.3  # of one second
    await wait_for(lambda: life.service.ready)


async def test_a_command_that_is_older_than_the_connection_is_asked_about(rig: Rig) -> None:
    """A short outage that the clocks alone would not show."""
    life = await rig.start()
    guest = await rig.conductor.spawn()
    sent_at = rig.clock.utcnow()
    await cut_off(rig, life)
    rig.broker.reconnect(life.bus)
    await wait_for(lambda: life.service.ready)
    await rig.conductor.tell("power_off", guest, sent_at=sent_at)
    await rig.conductor.tell("power_on", guest)
    assert len(rig.conductor.questions()) == 1
