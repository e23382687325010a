"""Freezing a service of a one-process cluster."""

from __future__ import annotations

import asyncio

from common.bus.memory import MemoryBroker, MemoryBus
from common.bus.port import Delivery, Queue, QueueKind
from common.messages.workflow import RunWorkflow
from deploy.local.freezing import FreezableBus, FreezableClock, Gate
from tests.support.wait import wait_for

WORK = Queue("gate-test", QueueKind.WORK)
MESSAGE = RunWorkflow(workflow_id=1, server_uuid="s")


async def test_a_frozen_service_neither_hears_nor_speaks_nor_wakes() -> None:
    broker, gate, heard = MemoryBroker(), Gate(), list[str]()
    frozen, other = FreezableBus(MemoryBus(broker), gate), MemoryBus(broker)
    await frozen.start()
    await other.start()

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.message.TYPE)

    async def sleep_then_speak() -> None:
        await FreezableClock(gate).sleep(0)
        heard.append("woke")
        await frozen.publish(WORK, MESSAGE)

    await frozen.consume(WORK, hear, prefetch=10)
    gate.close()
    await other.publish(WORK, MESSAGE)
    speaking = asyncio.ensure_future(sleep_then_speak())
    done, _ = await asyncio.wait({speaking}, timeout=0.1)
    assert not done
    assert heard == []

    gate.open()
    await wait_for(lambda: len(heard) == 3, 5, "what was held back to happen")
    assert sorted(heard) == sorted(["woke", RunWorkflow.TYPE, RunWorkflow.TYPE])
    await frozen.stop()
    await other.stop()
