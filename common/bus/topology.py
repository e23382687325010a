"""Every exchange and queue of Muster, with its arguments: the one place where they are declared.

Owns: names, kinds and limits, for RabbitMQ and for the in-memory broker alike.
May not: know who publishes or consumes. RabbitMQ refuses a queue that exists with other arguments,
so a change here needs a new queue name or a deletion by the operator.
Everything is declared so that RabbitMQ 3.10 and 4.x accept it: no transient shared queues, no
global prefetch, the queue type always written out.
Crash story: declarations are idempotent; whoever comes first makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.bus.port import Queue, QueueKind

EVENTS = "muster.events"
"""Topic exchange of `publish_event`; not durable contents, only a durable name."""

DEAD_LETTERS = "muster.dead"
"""Fanout exchange that every rejected message goes through, into the queue of the same name."""


@dataclass(frozen=True)
class Rules:
    """What a kind of queue promises. All queues are durable; their messages need not be."""

    broker_type: str
    """RabbitMQ's x-queue-type."""
    persistent: bool
    """Whether a message survives a restart of the broker."""
    deliveries: int
    """How often one message is tried before it is given up; with a quorum queue the broker counts
    deliveries that ended in a crash too."""
    dead_letters: bool
    """Whether what is given up is kept in `DEAD`; else it is dropped."""
    max_length: int
    """Messages; no queue may grow without bound."""
    when_full: str
    """`drop-head` loses the oldest, `reject-publish` refuses the newest."""

    @property
    def counts_deliveries(self) -> bool:
        """Whether the broker counts; else the consumer does, for as long as it lives."""
        return self.broker_type == "quorum"

    @property
    def arguments(self) -> dict[str, Any]:
        """The queue's `x-` arguments."""
        arguments: dict[str, Any] = {
            "x-queue-type": self.broker_type,
            "x-max-length": self.max_length,
            "x-overflow": self.when_full,
        }
        if self.dead_letters:
            arguments["x-dead-letter-exchange"] = DEAD_LETTERS
        if self.counts_deliveries:
            arguments["x-delivery-limit"] = self.deliveries
        return arguments


# fmt: off
RULES: dict[QueueKind, Rules] = {
    #                        type       persistent deliveries dead   max      when full
    QueueKind.WORK:  Rules("quorum",    True,      10,        True,  100_000, "reject-publish"),
    QueueKind.HOST:  Rules("classic",   True,      10,        True,  10_000,  "reject-publish"),
    QueueKind.LOSSY: Rules("classic",   False,     1,         False, 20_000,  "drop-head"),
    QueueKind.DEAD:  Rules("classic",   True,      1,         False, 10_000,  "drop-head"),
}
EVENT_RULES =    Rules("classic",   False,     1,         False, 10_000,  "drop-head")
"""The queue of one subscriber, exclusive to its connection."""
# fmt: on

CONDUCTOR = Queue("conductor", QueueKind.WORK)
SCHEDULER = Queue("scheduler", QueueKind.WORK)
HEARTBEATS = Queue("heartbeats", QueueKind.LOSSY)
DEAD = Queue(DEAD_LETTERS, QueueKind.DEAD)


def host_queue(host: str) -> Queue:
    """The queue of one compute host, declared by its agent only."""
    return Queue(f"compute.{host}", QueueKind.HOST)


def topic_matches(pattern: str, topic: str) -> bool:
    """AMQP's rule: words between dots, `*` is exactly one word, `#` any number of words."""
    return _match(pattern.split("."), topic.split("."))


def _match(pattern: list[str], topic: list[str]) -> bool:
    if not pattern:
        return not topic
    if pattern[0] == "#":
        return any(_match(pattern[1:], topic[skip:]) for skip in range(len(topic) + 1))
    return bool(topic) and pattern[0] in {"*", topic[0]} and _match(pattern[1:], topic[1:])
