"""A run that stood still tells nobody what was right before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from common.runtime.ports import Clock
from services.conductor.engine.context import Context
from services.conductor.engine.lease import Lease, LeaseLost
from services.conductor.engine.retries import until_deadline


class StillClock(Clock):
    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


def test_it_runs_out_by_this_process_own_clock() -> None:
    clock = StillClock()
    lease = Lease(clock, asked_at=99.0, for_s=6.0)
    lease.check()
    clock.now_s = 105.0
    with pytest.raises(LeaseLost):
        lease.check()
    lease.extend(104.0, 6.0)
    lease.extend(98.0, 1.0)  # an answer that was late shortens nothing
    lease.check()
    clock.now_s = 110.0
    with pytest.raises(LeaseLost):
        lease.check()


class Broker:
    """Counts what it is given; nothing may be."""

    sent = 0

    async def call(self, *_: Any, **__: Any) -> None:
        self.sent += 1
        raise AssertionError("a command was sent")


def context_of(clock: Clock, broker: Broker) -> Context:
    settings = SimpleNamespace(conductor=SimpleNamespace(host_command_resend_s=3.0))
    deps = SimpleNamespace(clock=clock, bus=broker, settings=settings)
    server = SimpleNamespace(uuid=uuid4(), vm_state="building")
    return Context(
        deps=cast("Any", deps),
        workflow=cast("Any", SimpleNamespace(request_id="r", id=1, attempt=0)),
        server=cast("Any", server),
        lease=Lease(clock, asked_at=clock.monotonic(), for_s=6.0),
        step_name="leave",
        deadline=clock.monotonic() + 600,
    )


async def test_no_command_is_sent_and_no_step_begun_without_a_lease() -> None:
    clock, broker = StillClock(), Broker()
    context = context_of(clock, broker)
    clock.now_s += 6.0  # frozen, and thawed
    with pytest.raises(LeaseLost):
        await context.command("revert_migration", host="a", generation=1)
    assert broker.sent == 0
    begun = []

    async def act(_: Context) -> None:
        begun.append(1)

    with pytest.raises(LeaseLost):
        await until_deadline("leave", act, context, lambda _: None)
    assert not begun
