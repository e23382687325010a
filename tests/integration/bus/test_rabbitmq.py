"""The contract on a real RabbitMQ, and what only it can do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from common.bus.rabbitmq import RabbitBus
from common.config.settings import BusSettings
from common.runtime.ports import Clock
from deploy.local.rabbitmq import PrivateRabbitMQ
from tests.integration.bus.contract import BusContract, Impatient, OutageContract
from tests.support.rabbitmq import settings_of


class RabbitEnv:
    def __init__(self, node: PrivateRabbitMQ) -> None:
        self.node = node
        self.buses: list[RabbitBus] = []

    async def connect(self, settings: BusSettings | None = None) -> RabbitBus:
        bus = RabbitBus(settings or settings_of(self.node), Clock(), Impatient(), "test")
        self.buses.append(bus)
        await bus.start()
        return bus

    async def break_broker(self, *, abruptly: bool = False) -> None:
        await asyncio.to_thread(self.node.kill if abruptly else self.node.stop)

    async def mend_broker(self) -> None:
        await asyncio.to_thread(self.node.start)

    async def stop(self) -> None:
        await asyncio.gather(*(bus.stop() for bus in self.buses))


class TestRabbitBus(BusContract):
    @pytest.fixture
    async def env(self, rabbitmq: PrivateRabbitMQ) -> AsyncIterator[RabbitEnv]:
        env = RabbitEnv(rabbitmq)
        yield env
        await env.stop()


class TestRabbitOutage(OutageContract):
    @pytest.fixture
    async def env(self, breakable_rabbitmq: PrivateRabbitMQ) -> AsyncIterator[RabbitEnv]:
        env = RabbitEnv(breakable_rabbitmq)
        yield env
        await env.stop()
