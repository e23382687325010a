"""The transport every service speaks: queues with acknowledgement, events, calls with a deadline.

Owns: the semantics both adapters must show; `tests/integration/bus` runs one contract on both.
May not: know any message type beyond the envelope.
Crash story: a message may be lost, doubled, delayed or reordered (rule 1 of docs/architecture.md);
an unacknowledged delivery of a dead consumer is delivered again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from common.messages.base import Message


class QueueKind(Enum):
    """How much a queue must survive; arguments per kind are in common/bus/topology.py."""

    WORK = "work"  # durable quorum queue, delivery limit, dead letters: conductor, scheduler
    HOST = "host"  # durable classic queue of one host, dead letters
    LOSSY = "lossy"  # bounded, drop-head, non-persistent messages: heartbeats
    CONVERSATION = "conversation"  # as LOSSY, and nothing outlives the call that asked it: hosts
    DEAD = "dead"  # what was given up, bounded, for the operator


@dataclass(frozen=True)
class Queue:
    """A named queue; publishers and consumers declare it identically."""

    name: str
    kind: QueueKind


@dataclass(frozen=True)
class Delivery:
    """One message as received. `reply_to` is opaque: pass it to `Bus.reply`."""

    message: Message
    redelivered: bool = False
    reply_to: str | None = None
    correlation_id: str | None = None
    user_id: str | None = None
    """The broker-validated sender, where per-service broker users are configured."""


Handler = Callable[[Delivery], Awaitable[None]]
"""Returning acknowledges. `RejectMessage` dead-letters. `GiveBack` puts the message back for
another consumer. Any other exception puts it back for another delivery after a pause, with a log
line; the last of the deliveries that its kind of queue allows dead-letters too. What is LOSSY or
part of a CONVERSATION is tried three times, within a fraction of a second, and then dropped: for
another consumer that can, not for later. Events are tried once."""


class RejectMessage(Exception):
    """This message can never be handled; it goes to the dead-letter queue."""


class GiveBack(Exception):
    """This consumer cannot handle what it receives now; nothing is wrong with the message. Counts
    as any other failure, but without a log line: all have the same reason, and it was said."""


class Unroutable(Exception):
    """A mandatory message reached no queue (the consumer's queue does not exist)."""


class BusClosed(Exception):
    """Not confirmed (the connection is down, the queue full): it may or may not arrive."""


class Subscription(Protocol):
    async def cancel(self) -> None:
        """Stop receiving; deliveries in flight are finished, unstarted ones go back."""


class Bus(Protocol):
    """One connection of one service."""

    @property
    def connected(self) -> bool:
        """True while the broker can be reached; liveness judgements must not be made otherwise."""

    @property
    def connections(self) -> int:
        """How many connections have been established so far, this one included. A handler that
        finds another number than its process remembers may be holding what waited through an
        outage: the count goes up before anything is delivered on the new connection."""

    async def start(self) -> None:
        """Connect (waiting and retrying with jitter while the broker is not there yet). Raises
        `common.errors.Unauthorized` when the broker refuses the credentials."""

    async def stop(self) -> None:
        """Finish deliveries (within a deadline) and publishes in flight, close."""

    async def crash(self) -> None:
        """Drop the connection without a word: unacknowledged deliveries go back to their queues."""

    async def publish(self, queue: Queue, message: Message, *, timeout_s: float = 5.0) -> None:
        """Send to a queue and return when the broker has it (confirmed). Declares the queue for
        WORK and LOSSY; a HOST queue is declared by its consumer only, so publishing to a host that
        never existed raises `Unroutable`. Waits for a lost connection to come back; raises
        `BusClosed` when not confirmed in time, and at once when cut off before the confirmation."""

    async def publish_event(self, topic: str, message: Message) -> None:
        """Best-effort fan-out to every subscriber of this moment; never raises."""

    async def consume(self, queue: Queue, handler: Handler, *, prefetch: int) -> Subscription:
        """Up to `prefetch` deliveries are handled concurrently. Survives reconnects. Raises
        `common.errors.Unavailable` when the queue exists with other arguments."""

    async def subscribe(self, topics: str | Sequence[str], handler: Handler) -> Subscription:
        """Receive events published from now on, one at a time and in order; exclusive to this
        process, no redelivery. A topic may hold `*` (one word) and `#` (any number of words). An
        event that several of the topics match comes once. However many topics there are, it is one
        queue and one channel; a handler that waits keeps the events of all of them waiting."""

    async def delete_queue(self, queue: Queue, *, timeout_s: float = 5.0) -> bool:
        """Remove a HOST queue with what waits in it, unless somebody consumes it; whether it is
        gone. A publish finds it as if it had never been. Raises `BusClosed` when that is not known,
        `common.errors.Unavailable` when this user may not remove it."""

    async def call(self, queue: Queue, message: Message, *, timeout_s: float) -> Message:
        """Publish with a reply address and wait for the reply. Raises `common.errors.Timeout`,
        `Unroutable`, `BusClosed`. A reply that comes later is dropped with a counter. In a
        CONVERSATION queue the question expires with its caller's patience: nobody is handed a
        question whose answer nobody waits for any more."""

    async def reply(self, delivery: Delivery, message: Message) -> None:
        """Answer a call. A caller that is gone is not an error: it will ask again."""
