"""The contract on the in-memory bus, and what only it can do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from common.bus.memory import MemoryBroker, MemoryBus
from common.bus.port import BusClosed
from tests.integration.bus.contract import (
    BusContract,
    Env,
    Impatient,
    Inbox,
    Job,
    OutageContract,
    publish_all,
    queue,
)
from tests.support.wait import wait_for


class MemoryEnv:
    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.buses: list[MemoryBus] = []

    async def connect(self) -> MemoryBus:
        bus = MemoryBus(self.broker, random=Impatient())
        self.buses.append(bus)
        await bus.start()
        return bus

    async def break_broker(self, *, abruptly: bool = False) -> None:
        self.broker.stop()

    async def mend_broker(self) -> None:
        self.broker.start()


@pytest.fixture
async def env() -> AsyncIterator[MemoryEnv]:
    env = MemoryEnv()
    yield env
    for bus in env.buses:
        await bus.stop()


class TestMemoryBus(BusContract):
    async def test_cut_connection_comes_back(self, env: Env) -> None:
        assert isinstance(env, MemoryEnv)
        work, inbox = queue(), Inbox(closed=True)
        sender, cut = await env.connect(), await env.connect()
        await cut.consume(work, inbox, prefetch=2)
        await publish_all(sender, work, 2)
        await inbox.has(2)
        env.broker.disconnect(cut)
        assert sender.connected
        assert not cut.connected
        assert await sender.depth(work) == 2
        with pytest.raises(BusClosed):
            await cut.publish(work, Job(), timeout_s=0.01)
        assert (sender.connections, cut.connections) == (1, 1)
        env.broker.reconnect(cut)
        assert (sender.connections, cut.connections) == (1, 2)
        inbox.gate.set()
        await wait_for(lambda: inbox.finished == 4)
        assert inbox.numbers == [0, 1, 0, 1]
        assert await sender.depth(work) == 0

    async def test_publish_cut_before_its_confirmation_says_so(self, env: Env) -> None:
        assert isinstance(env, MemoryEnv)
        work, bus = queue(), await env.connect()
        publish = asyncio.ensure_future(bus.publish(work, Job()))
        asyncio.get_running_loop().call_soon(env.broker.disconnect, bus)
        with pytest.raises(BusClosed):
            await publish


class TestMemoryOutage(OutageContract):
    async def test_stopping_broker_delivers_nothing_more(self, env: Env) -> None:
        work, one, two = queue(), Inbox(closed=True), Inbox(closed=True)
        first, second = await env.connect(), await env.connect()
        await first.consume(work, one, prefetch=1)
        await first.publish(work, Job())
        await one.has(1)
        await second.consume(work, two, prefetch=1)
        await env.break_broker()
        await env.mend_broker()
        await wait_for(lambda: len(one.deliveries) + len(two.deliveries) == 2)
        again = [d for d in one.deliveries + two.deliveries if d.redelivered]
        assert len(again) == 1
        assert await first.depth(work) == 0
