"""The bus inside one process, with the semantics of a real broker.

Owns: confirmed publishes, calls, and consuming again after a lost connection. Messages cross as
bytes, as on a network; the queues are in common/bus/memory_broker.py.
May not: be kinder than RabbitMQ; `tests/integration/bus` runs one contract on both.
Crash story: as with a real connection: what was not acknowledged goes back to its queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.bus.handling import Calls, Handling, confirmed_within, events_name
from common.bus.memory_broker import BrokerConsumer, MemoryBroker, Stored
from common.bus.port import BusClosed, Delivery, Handler, Queue
from common.bus.topology import EVENT_RULES, RULES, expires_with_its_caller
from common.messages.base import Message, encode
from common.runtime.ports import Clock, Random

__all__ = ["MemoryBroker", "MemoryBus"]


@dataclass
class _Registration:
    """A `consume` or `subscribe`, for as long as it is wanted. No `queue`: events of `topics`."""

    bus: MemoryBus
    handling: Handling
    prefetch: int
    queue: Queue | None
    topics: Sequence[str] = ()
    consumer: BrokerConsumer | None = field(default=None)

    async def cancel(self) -> None:
        self.bus.forget(self)
        if self.consumer:
            self.consumer.detach()
        await self.handling.drain()


class MemoryBus:
    """One connection; `user` is what receivers see as the validated sender."""

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        user: str = "muster",
    ) -> None:
        self.calls = Calls(clock or Clock())
        self.connections = 0
        self.reply_address: str | None = None
        self._broker = broker
        self._clock = clock or Clock()
        self._random = random or Random()
        self._user = user
        self._registrations: list[_Registration] = []
        self._up = asyncio.Event()
        self._ended: str | None = None

    @property
    def connected(self) -> bool:
        return self.reply_address is not None

    async def start(self) -> None:
        self._broker.add(self)
        await self._up.wait()

    async def stop(self) -> None:
        for registration in list(self._registrations):
            await registration.cancel()
        self._end("the bus is stopped")

    async def crash(self) -> None:
        for registration in self._registrations:
            registration.handling.abandon()
        self._end("the bus has crashed")

    def _end(self, reason: str) -> None:
        self._ended = reason
        self._broker.remove(self)
        self.disconnected(reason)
        self._up.set()  # who waits for a connection learns that there will be none

    def accepted(self) -> None:
        """Called by the broker: connected (again); everything registered is consumed."""
        if self.connected:
            return
        self.reply_address = self._broker.new_id()
        self.connections += 1
        self._up.set()
        for registration in self._registrations:
            self._attach(registration)

    def disconnected(self, reason: str) -> None:
        """Called by the broker: the connection is gone."""
        if not self.connected:
            return
        self._up.clear()
        self.reply_address = None
        for registration in self._registrations:
            if registration.consumer:
                self._broker.unbind(registration.consumer.queue)
                registration.consumer.lose()
                registration.consumer = None
        self.calls.fail_all(reason)

    def _attach(self, registration: _Registration) -> None:
        queue = (
            self._broker.declare(registration.queue)
            if registration.queue
            else self._broker.bind_events(registration.topics)
        )
        registration.consumer = BrokerConsumer(queue, registration.handling, registration.prefetch)
        queue.consumers.append(registration.consumer)
        queue.dispatch()

    def _register(self, registration: _Registration) -> _Registration:
        self._registrations.append(registration)
        if self.connected:
            self._attach(registration)
        return registration

    def forget(self, registration: _Registration) -> None:
        self._registrations = [other for other in self._registrations if other is not registration]
        if registration.consumer:
            self._broker.unbind(registration.consumer.queue)

    async def consume(self, queue: Queue, handler: Handler, *, prefetch: int) -> _Registration:
        handling = Handling(
            queue.name, handler, RULES[queue.kind].deliveries, self._clock, self._random
        )
        return self._register(_Registration(self, handling, prefetch, queue))

    async def subscribe(self, topics: str | Sequence[str], handler: Handler) -> _Registration:
        topics = [topics] if isinstance(topics, str) else list(topics)
        handling = Handling(
            events_name(topics), handler, EVENT_RULES.deliveries, self._clock, self._random
        )
        return self._register(_Registration(self, handling, 1, None, topics))

    async def publish(self, queue: Queue, message: Message, *, timeout_s: float = 5.0) -> None:
        await self._send(queue, message, timeout_s, None)

    async def _send(
        self, queue: Queue, message: Message, timeout_s: float, correlation_id: str | None
    ) -> None:
        deadline = self._clock.monotonic() + timeout_s
        async with confirmed_within(timeout_s, queue.name):
            await self._ready()
        stored = self._stored(message)
        if correlation_id:
            stored.reply_to, stored.correlation_id = self.reply_address, correlation_id
            if expires_with_its_caller(queue):
                left_s = deadline - self._clock.monotonic()
                stored.expires_at = self._broker.clock.monotonic() + left_s
        self._broker.publish(queue, stored)
        address = self.reply_address
        await self._clock.sleep(0)  # a confirmation takes a turn of the loop at least
        if self.reply_address != address:
            raise BusClosed(f"the connection was lost before {queue.name} confirmed a message")

    async def _ready(self) -> None:
        await self._up.wait()
        if self._ended:
            raise BusClosed(self._ended)

    def _stored(self, message: Message) -> Stored:
        return Stored(encode(message), self._broker.new_id(), self._user)

    async def publish_event(self, topic: str, message: Message) -> None:
        if self.connected:
            self._broker.publish_event(topic, self._stored(message))
            await self._clock.sleep(0)

    async def delete_queue(self, queue: Queue, *, timeout_s: float = 5.0) -> bool:
        async with confirmed_within(timeout_s, queue.name, what="the removal of"):
            await self._ready()
        await self._clock.sleep(0)
        return self._broker.delete(queue)

    async def call(self, queue: Queue, message: Message, *, timeout_s: float) -> Message:
        async def send(correlation_id: str) -> None:
            await self._send(queue, message, timeout_s, correlation_id)

        return await self.calls.make(send, f"{message.TYPE} to {queue.name}", timeout_s)

    async def reply(self, delivery: Delivery, message: Message) -> None:
        if not self.connected:
            raise BusClosed("a reply cannot be sent: not connected")
        if delivery.reply_to:
            self._broker.reply(delivery.reply_to, delivery.correlation_id, encode(message))
            await self._clock.sleep(0)

    async def depth(self, queue: Queue) -> int:
        """Messages of `queue` that wait to be delivered."""
        return self._broker.depth(queue)
