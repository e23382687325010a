"""Freezing one service of a one-process cluster: its clock and its bus stand still.

Owns: ports that wait while their gate is closed. What a frozen service can still do is finish
the step it is in; it then hangs at its next sleep, message or delivery, as a process under
SIGSTOP hangs at once. Monotonic time goes on, so a thawed agent notices the gap.
May not: know any service. Crash story: a gate lives in memory only; a new start is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from common.bus.port import Bus, Delivery, Handler, Queue, Subscription
from common.runtime.ports import Clock

if TYPE_CHECKING:
    from common.messages.base import Message


class Gate:
    """Open or closed; `passage()` returns when it is open."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    @property
    def closed(self) -> bool:
        return not self._open.is_set()

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def passage(self) -> None:
        await self._open.wait()


class FreezableClock(Clock):
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await self._gate.passage()


class FreezableBus(Bus):
    """`bus`, with every sending and every delivery through the gate."""

    def __init__(self, bus: Bus, gate: Gate) -> None:
        self._bus = bus
        self._gate = gate

    @property
    def connected(self) -> bool:
        return self._bus.connected

    @property
    def connections(self) -> int:
        return self._bus.connections

    async def start(self) -> None:
        await self._bus.start()

    async def stop(self) -> None:
        await self._bus.stop()

    async def crash(self) -> None:
        await self._bus.crash()

    async def publish(self, queue: Queue, message: Message, *, timeout_s: float = 5.0) -> None:
        await self._gate.passage()
        await self._bus.publish(queue, message, timeout_s=timeout_s)

    async def publish_event(self, topic: str, message: Message) -> None:
        await self._gate.passage()
        await self._bus.publish_event(topic, message)

    async def consume(self, queue: Queue, handler: Handler, *, prefetch: int) -> Subscription:
        return await self._bus.consume(queue, self._gated(handler), prefetch=prefetch)

    async def subscribe(self, topics: str | Sequence[str], handler: Handler) -> Subscription:
        return await self._bus.subscribe(topics, self._gated(handler))

    async def delete_queue(self, queue: Queue, *, timeout_s: float = 5.0) -> bool:
        await self._gate.passage()
        return await self._bus.delete_queue(queue, timeout_s=timeout_s)

    async def call(self, queue: Queue, message: Message, *, timeout_s: float) -> Message:
        await self._gate.passage()
        return await self._bus.call(queue, message, timeout_s=timeout_s)

    async def reply(self, delivery: Delivery, message: Message) -> None:
        await self._gate.passage()
        await self._bus.reply(delivery, message)

    def _gated(self, handler: Handler) -> Handler:
        async def when_open(delivery: Delivery) -> None:
            await self._gate.passage()
            await handler(delivery)

        return when_open
