"""The bus inside one process, with the semantics of a real broker.

Owns: queues with prefetch, acknowledgement, redelivery, limits, dead letters; confirmed and
unroutable publishes; events; lost connections. Messages cross as bytes, as on a network.
May not: be kinder than RabbitMQ; `tests/integration/bus` runs one contract on both.
Crash story: everything is in the `MemoryBroker` and dies with its process; `MemoryBroker.stop()`
is a broker's outage (what is persistent survives it), `disconnect(bus)` a lost connection.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from common.bus.handling import (
    Calls,
    Handling,
    Received,
    Verdict,
    confirmed_within,
    events_name,
)
from common.bus.port import BusClosed, Delivery, Handler, Queue, QueueKind, Unroutable
from common.bus.topology import (
    DEAD,
    EVENT_RULES,
    RULES,
    Rules,
    expires_with_its_caller,
    topic_matches,
)
from common.messages.base import Message, encode
from common.runtime.ports import Clock, Random

log = structlog.get_logger(__name__)


@dataclass
class _Stored:
    """A message in a queue; `attempts` counts deliveries that were not acknowledged."""

    body: bytes
    message_id: str
    user_id: str
    reply_to: str | None = None
    correlation_id: str | None = None
    expires_at: float = math.inf
    attempts: int = 0
    redelivered: bool = False


class _Queue:
    def __init__(self, broker: MemoryBroker, name: str, rules: Rules) -> None:
        self.name = name
        self.rules = rules
        self._broker = broker
        self.ready: deque[_Stored] = deque()
        self.consumers: deque[_Consumer] = deque()

    def put(self, stored: _Stored) -> None:
        """Append; raises `BusClosed` when the queue is full and refuses."""
        self.expire()
        if len(self.ready) >= self.rules.max_length:
            if self.rules.when_full == "reject-publish":
                raise BusClosed(f"queue {self.name} is full ({self.rules.max_length} messages)")
            self.ready.popleft()
        if self.rules.ttl_s is not None:
            expires_at = self._broker.clock.monotonic() + self.rules.ttl_s
            stored.expires_at = min(stored.expires_at, expires_at)
        self.ready.append(stored)
        self.dispatch()

    def give_back(self, stored: _Stored) -> None:
        """Return an unacknowledged delivery to the head of the queue."""
        stored.redelivered = True
        stored.attempts += 1
        if self.rules.counts_deliveries and stored.attempts > self.rules.deliveries:
            self.give_up(stored)
        else:
            self.ready.appendleft(stored)

    def give_up(self, stored: _Stored) -> None:
        if self.rules.dead_letters:
            self._broker.declare(DEAD).put(stored)

    def expire(self) -> None:
        """Drop what has waited too long, at the head only: as RabbitMQ does."""
        now = self._broker.clock.monotonic()
        while self.ready and self.ready[0].expires_at <= now:
            self.give_up(self.ready.popleft())

    def dispatch(self) -> None:
        """Deal messages out in turn to the consumers that may hold one more."""
        self.expire()
        idle = 0
        while self._broker.running and self.ready and idle < len(self.consumers):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if len(consumer.unacknowledged) < consumer.prefetch:
                idle = 0
                consumer.deliver(self.ready.popleft())
                self.expire()
            else:
                idle += 1


class _Consumer:
    """A consumer of one connection; a new one is made after each reconnect."""

    def __init__(self, queue: _Queue, handling: Handling, prefetch: int) -> None:
        self.queue = queue
        self.prefetch = prefetch
        self.unacknowledged: dict[int, _Stored] = {}
        self._handling = handling
        self._tags = itertools.count(1)

    def deliver(self, stored: _Stored) -> None:
        tag = next(self._tags)
        self.unacknowledged[tag] = stored
        received = Received(
            stored.body,
            stored.message_id,
            stored.redelivered,
            attempts=stored.attempts if self.queue.rules.counts_deliveries else 0,
            reply_to=stored.reply_to,
            correlation_id=stored.correlation_id,
            user_id=stored.user_id,
        )

        async def settle(verdict: Verdict) -> None:
            self._settle(tag, verdict)

        self._handling.begin(received, settle)

    def _settle(self, tag: int, verdict: Verdict) -> None:
        stored = self.unacknowledged.pop(tag, None)
        if stored is None:  # the connection was lost meanwhile; the message is back already
            return
        if verdict is Verdict.AGAIN:
            self.queue.give_back(stored)
        elif verdict is Verdict.GIVE_UP:
            self.queue.give_up(stored)
        self.queue.dispatch()

    def detach(self) -> None:
        """Receive nothing more; what is in flight may still be settled."""
        if self in self.queue.consumers:
            self.queue.consumers.remove(self)

    def lose(self) -> None:
        """The connection is gone: what was not acknowledged goes back, in its old order."""
        self.detach()
        for stored in reversed(self.unacknowledged.values()):
            self.queue.give_back(stored)
        self.unacknowledged.clear()
        self.queue.dispatch()


@dataclass
class _Registration:
    """A `consume` or `subscribe`, for as long as it is wanted. No `queue`: events of `topics`."""

    bus: MemoryBus
    handling: Handling
    prefetch: int
    queue: Queue | None
    topics: Sequence[str] = ()
    consumer: _Consumer | None = field(default=None)

    async def cancel(self) -> None:
        self.bus.forget(self)
        if self.consumer:
            self.consumer.detach()
        await self.handling.drain()


class MemoryBroker:
    """What all `MemoryBus` of a process connect to."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.running = True
        self._queues: dict[str, _Queue] = {}
        self._events: list[tuple[Sequence[str], _Queue]] = []
        self._buses: list[MemoryBus] = []
        self._cut: list[MemoryBus] = []
        self._numbers = itertools.count(1)

    def stop(self) -> None:
        """An outage: every connection is lost, what is not persistent is gone."""
        self.running = False
        for bus in self._buses:
            bus.disconnected("the broker stopped")
        for queue in self._queues.values():
            if not queue.rules.persistent:
                queue.ready.clear()

    def start(self) -> None:
        """End the outage; every bus that is not cut off connects again."""
        self.running = True
        for bus in self._buses:
            self.accept(bus)

    def disconnect(self, bus: MemoryBus) -> None:
        """Cut one connection until `reconnect`."""
        self._cut.append(bus)
        bus.disconnected("the connection was cut")

    def reconnect(self, bus: MemoryBus) -> None:
        self._cut = [other for other in self._cut if other is not bus]
        self.accept(bus)

    def depth(self, queue: Queue) -> int:
        """Messages that wait to be delivered."""
        found = self._queues.get(queue.name)
        if found is None:
            return 0
        found.expire()
        return len(found.ready)

    def add(self, bus: MemoryBus) -> None:
        self._buses.append(bus)
        self.accept(bus)

    def remove(self, bus: MemoryBus) -> None:
        self._buses = [other for other in self._buses if other is not bus]

    def accept(self, bus: MemoryBus) -> None:
        wanted = any(other is bus for other in self._buses)
        if wanted and self.running and not any(other is bus for other in self._cut):
            bus.accepted()

    def declare(self, queue: Queue) -> _Queue:
        if queue.name not in self._queues:
            self._queues[queue.name] = _Queue(self, queue.name, RULES[queue.kind])
        return self._queues[queue.name]

    def publish(self, queue: Queue, stored: _Stored) -> None:
        """Raises `Unroutable` for a host queue that was never declared."""
        if queue.kind is QueueKind.HOST and queue.name not in self._queues:
            raise Unroutable(f"there is no queue {queue.name}")
        self.declare(queue).put(stored)

    def delete(self, queue: Queue) -> bool:
        """Whether it is gone: one that is consumed stays."""
        found = self._queues.get(queue.name)
        if found is not None and found.consumers:
            return False
        self._queues.pop(queue.name, None)
        return True

    def publish_event(self, topic: str, stored: _Stored) -> None:
        for patterns, queue in list(self._events):
            if topic in patterns or any(topic_matches(pattern, topic) for pattern in patterns):
                queue.put(stored)

    def bind_events(self, patterns: Sequence[str]) -> _Queue:
        """A queue of one subscriber."""
        queue = _Queue(self, events_name(patterns), EVENT_RULES)
        self._events.append((patterns, queue))
        return queue

    def unbind(self, queue: _Queue) -> None:
        self._events = [bound for bound in self._events if bound[1] is not queue]

    def reply(self, reply_to: str, correlation_id: str | None, body: bytes) -> None:
        for bus in self._buses:
            if bus.reply_address == reply_to:
                bus.calls.answered(correlation_id, body)

    def new_id(self) -> str:
        return str(next(self._numbers))


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
        registration.consumer = _Consumer(queue, registration.handling, registration.prefetch)
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

    def _stored(self, message: Message) -> _Stored:
        return _Stored(encode(message), self._broker.new_id(), self._user)

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
