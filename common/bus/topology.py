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
    """How often one message is tried before it is given up. With a quorum queue the broker counts,
    deliveries that ended in a crash too; else each consumer counts its own, so that what one
    cannot handle does not go round for ever, and another one that can still gets it."""
    dead_letters: bool
    """Whether what is given up is kept in `DEAD`; else it is dropped."""
    max_length: int
    """Messages; no queue may grow without bound."""
    when_full: str
    """`drop-head` loses the oldest, `reject-publish` refuses the newest."""
    ttl_s: float | None = None
    """How long a message may wait to be delivered; then it is dropped."""

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
        if self.ttl_s is not None:
            arguments["x-message-ttl"] = int(self.ttl_s * 1000)
        if self.dead_letters:
            arguments["x-dead-letter-exchange"] = DEAD_LETTERS
        if self.counts_deliveries:
            arguments["x-delivery-limit"] = self.deliveries
        return arguments


# fmt: off
RULES: dict[QueueKind, Rules] = {
    #                             type    survives tries dead      max  when full         TTL
    QueueKind.WORK:         Rules("quorum",  True,  10, True,  100_000, "reject-publish", None),
    QueueKind.HOST:         Rules("classic", True,  10, True,   10_000, "reject-publish", None),
    QueueKind.LOSSY:        Rules("classic", False,  3, False,  20_000, "drop-head",      None),
    QueueKind.CONVERSATION: Rules("classic", False,  3, False,  20_000, "drop-head",      10.0),
    QueueKind.DEAD:         Rules("classic", True,   1, False,  10_000, "drop-head",      None),
}
EVENT_RULES =               Rules("classic", False,  1, False,  10_000, "drop-head",      None)
"""The queue of one subscriber, exclusive to its connection."""
# fmt: on

CONDUCTOR = Queue("conductor", QueueKind.WORK)
SCHEDULER = Queue("scheduler", QueueKind.WORK)
HEARTBEATS = Queue("heartbeats", QueueKind.LOSSY)
HOSTS = Queue("hosts", QueueKind.CONVERSATION)
"""What hosts report and ask: a host that got no answer asks again, so an old question is noise."""
DEAD = Queue(DEAD_LETTERS, QueueKind.DEAD)


def host_queue(host: str) -> Queue:
    """The queue of one compute host, declared by its agent only."""
    return Queue(f"compute.{host}", QueueKind.HOST)


def expires_with_its_caller(queue: Queue) -> bool:
    """Whether the question of a call is dropped when its caller has given up waiting. A command to
    a host is not: it waits for the host's return, and the call is repeated meanwhile."""
    return queue.kind is QueueKind.CONVERSATION


def topic_matches(pattern: str, topic: str) -> bool:
    """AMQP's rule: words between dots, `*` is exactly one word, `#` any number of words."""
    return _match(pattern.split("."), topic.split("."))


def _match(pattern: list[str], topic: list[str]) -> bool:
    if not pattern:
        return not topic
    if pattern[0] == "#":
        return any(_match(pattern[1:], topic[skip:]) for skip in range(len(topic) + 1))
    return bool(topic) and pattern[0] in {"*", topic[0]} and _match(pattern[1:], topic[1:])
