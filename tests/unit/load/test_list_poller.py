"""Waiting for servers by one shared list."""

from __future__ import annotations

import asyncio

import pytest

from common.runtime.ports import Clock
from common.runtime.tasks import Tasks
from deploy.load.client import Unreachable
from deploy.load.list_poller import ListPoller
from tests.support.wait import wait_for


class Listed:
    """A list that a test changes, and that can be held back or out of reach."""

    def __init__(self, *present: str) -> None:
        self.present = set(present)
        self.answering = asyncio.Event()
        self.answering.set()
        self.asked = 0
        self.reachable = True

    async def __call__(self) -> set[str]:
        self.asked += 1
        present = set(self.present)
        await self.answering.wait()
        if not self.reachable:
            raise Unreachable("gone")
        return present


class CountingClock(Clock):
    """Counts the turns of a loop."""

    turns = 0

    async def sleep(self, seconds: float) -> None:
        self.turns += 1
        await super().sleep(seconds)


def poller(
    listed: Listed, patience_s: float = 60.0, clock: Clock | None = None
) -> tuple[ListPoller, Tasks]:
    clock = clock or Clock()
    made = ListPoller(listed, clock, interval_s=0.001, patience_s=patience_s)
    tasks = Tasks(clock)
    tasks.spawn("poller", made.run())
    return made, tasks


async def test_who_leaves_the_list_is_told() -> None:
    listed = Listed("a", "b")
    made, tasks = poller(listed)
    a = tasks.spawn("a", made.wait("a"))
    b = tasks.spawn("b", made.wait("b"))
    await wait_for(lambda: listed.asked > 2)
    assert not a.done()
    listed.present.discard("a")
    await asyncio.wait_for(a, 5)
    assert not b.done()
    await tasks.stop()


async def test_a_list_asked_for_before_somebody_waited_says_nothing_about_them() -> None:
    listed = Listed("a")
    made, tasks = poller(listed)
    tasks.spawn("a", made.wait("a"))
    listed.answering.clear()
    asked = listed.asked
    await wait_for(lambda: listed.asked > asked)
    listed.present.add("b")  # made after that list was read, and on its way
    b = tasks.spawn("b", made.wait("b"))
    await wait_for(lambda: len(made._waiting) == 2)
    listed.answering.set()
    asked = listed.asked
    await wait_for(lambda: listed.asked > asked + 1)
    assert not b.done()
    await tasks.stop()


async def test_nothing_is_asked_while_nobody_waits() -> None:
    listed, clock = Listed(), CountingClock()
    made, tasks = poller(listed, clock=clock)
    await asyncio.wait_for(made.wait("x"), 5)
    asked, turns = listed.asked, clock.turns
    await wait_for(lambda: clock.turns > turns + 3)
    assert listed.asked == asked
    await tasks.stop()


async def test_a_short_outage_of_the_list_is_waited_out_and_counted() -> None:
    listed = Listed("a")
    listed.reachable = False
    made, tasks = poller(listed)
    a = tasks.spawn("a", made.wait("a"))
    await wait_for(lambda: made.failed_polls > 2)
    listed.present.clear()
    listed.reachable = True
    await asyncio.wait_for(a, 5)
    await tasks.stop()


async def test_a_long_outage_is_told_to_all_who_wait() -> None:
    listed = Listed("a")
    listed.reachable = False
    made, tasks = poller(listed, patience_s=0.01)
    with pytest.raises(Unreachable):
        await asyncio.wait_for(made.wait("a"), 5)
    await tasks.stop()
