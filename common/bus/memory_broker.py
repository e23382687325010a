"""The broker inside one process: queues, deliveries, events, outages.

Owns: prefetch, acknowledgement, redelivery, limits, expiry, dead letters.
May not: be kinder than RabbitMQ; `tests/integration/bus` runs one contract on both.
Crash story: everything is here and dies with its process; `MemoryBroker.stop()` is a broker's
outage (what is persistent survives it), `disconnect(bus)` a lost connection.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.bus.handling import Handling, Received, Verdict, events_name
from common.bus.port import BusClosed, Queue, QueueKind, Unroutable
from common.bus.topology import DEAD, EVENT_RULES, RULES, Rules, topic_matches
from common.runtime.ports import Clock

if TYPE_CHECKING:
    from common.bus.memory import MemoryBus


@dataclass
class Stored:
    """A message in a queue; `attempts` counts deliveries that were not acknowledged."""

    body: bytes
    message_id: str
    user_id: str
    reply_to: str | None = None
    correlation_id: str | None = None
    expires_at: float = math.inf
    attempts: int = 0
    redelivered: bool = False


class BrokerQueue:
    def __init__(self, broker: MemoryBroker, name: str, rules: Rules) -> None:
        self.name = name
        self.rules = rules
        self._broker = broker
        self.ready: deque[Stored] = deque()
        self.consumers: deque[BrokerConsumer] = deque()

    def put(self, stored: Stored) -> None:
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

    def give_back(self, stored: Stored) -> None:
        """Return an unacknowledged delivery to the head of the queue."""
        stored.redelivered = True
        stored.attempts += 1
        if self.rules.counts_deliveries and stored.attempts > self.rules.deliveries:
            self.give_up(stored)
        else:
            self.ready.appendleft(stored)

    def give_up(self, stored: Stored) -> None:
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


class BrokerConsumer:
    """A consumer of one connection; a new one is made after each reconnect."""

    def __init__(self, queue: BrokerQueue, handling: Handling, prefetch: int) -> None:
        self.queue = queue
        self.prefetch = prefetch
        self.unacknowledged: dict[int, Stored] = {}
        self._handling = handling
        self._tags = itertools.count(1)

    def deliver(self, stored: Stored) -> None:
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


class MemoryBroker:
    """What all `MemoryBus` of a process connect to."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.running = True
        self._queues: dict[str, BrokerQueue] = {}
        self._events: list[tuple[Sequence[str], BrokerQueue]] = []
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

    def declare(self, queue: Queue) -> BrokerQueue:
        if queue.name not in self._queues:
            self._queues[queue.name] = BrokerQueue(self, queue.name, RULES[queue.kind])
        return self._queues[queue.name]

    def publish(self, queue: Queue, stored: Stored) -> None:
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

    def publish_event(self, topic: str, stored: Stored) -> None:
        for patterns, queue in list(self._events):
            if topic in patterns or any(topic_matches(pattern, topic) for pattern in patterns):
                queue.put(stored)

    def bind_events(self, patterns: Sequence[str]) -> BrokerQueue:
        """A queue of one subscriber."""
        queue = BrokerQueue(self, events_name(patterns), EVENT_RULES)
        self._events.append((patterns, queue))
        return queue

    def unbind(self, queue: BrokerQueue) -> None:
        self._events = [bound for bound in self._events if bound[1] is not queue]

    def reply(self, reply_to: str, correlation_id: str | None, body: bytes) -> None:
        for bus in self._buses:
            if bus.reply_address == reply_to:
                bus.calls.answered(correlation_id, body)

    def new_id(self) -> str:
        return str(next(self._numbers))
