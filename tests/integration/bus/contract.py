"""What a bus must do, whichever adapter it is; each adapter's test module inherits `BusContract`.

The `env` fixture of the subclass gives new connections and an outage of the broker.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Protocol

import pytest
from structlog.testing import capture_logs

from common.bus import handling
from common.bus.handling import LATE_REPLIES
from common.bus.port import (
    Bus,
    BusClosed,
    Delivery,
    GiveBack,
    Queue,
    QueueKind,
    RejectMessage,
    Subscription,
    Unroutable,
)
from common.bus.topology import DEAD, RULES, host_queue
from common.errors import Timeout
from common.messages.base import Message
from common.runtime.ports import Random
from tests.support.wait import wait_for

_names = itertools.count(1)


class Job(Message):
    TYPE = "test.job"
    number: int = 0


class Garbage(Message):
    """Bytes with a type that no service knows."""

    TYPE = ""


class Impatient(Random):
    """Hardly a pause before a failed message or connection is tried again."""

    def uniform(self, low: float, high: float) -> float:
        return min(high, low + 0.01)


class TestedBus(Bus, Protocol):
    async def depth(self, queue: Queue) -> int: ...


class Env(Protocol):
    """What a test needs around the bus."""

    def connect(self) -> Coroutine[Any, Any, TestedBus]:
        """A new started connection; it is stopped after the test."""

    async def break_broker(self, *, abruptly: bool = False) -> None:
        """Stop the broker, or kill it; every connection is lost."""

    async def mend_broker(self) -> None:
        """Start it again with the data it had on disk."""


class Inbox:
    """A handler that keeps what it got. `gate` holds handlers back; `fail` makes them raise."""

    def __init__(self, fail: Exception | None = None, *, closed: bool = False) -> None:
        self.deliveries: list[Delivery] = []
        self.fail = fail
        self.gate = asyncio.Event()
        self.finished = 0
        if not closed:
            self.gate.set()

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        await self.gate.wait()
        if self.fail:
            raise self.fail
        self.finished += 1

    @property
    def numbers(self) -> list[int]:
        return [d.message.number for d in self.deliveries if isinstance(d.message, Job)]

    async def has(self, count: int) -> None:
        await wait_for(
            lambda: len(self.deliveries) >= count, what=f"{count} messages, got {self.numbers}"
        )


def queue(kind: QueueKind = QueueKind.WORK) -> Queue:
    """A queue no other test uses."""
    return Queue(f"test.{next(_names)}", kind)


def limit_length(monkeypatch: pytest.MonkeyPatch, kind: QueueKind, length: int) -> None:
    monkeypatch.setitem(RULES, kind, replace(RULES[kind], max_length=length))


async def publish_all(bus: Bus, to: Queue, count: int) -> None:
    for number in range(count):
        await bus.publish(to, Job(number=number))


async def is_empty(bus: TestedBus, checked: Queue) -> None:
    async def empty() -> bool:
        return await bus.depth(checked) == 0

    await wait_for(empty, what=f"{checked.name} is empty")


async def has_waiting(bus: TestedBus, checked: Queue, count: int) -> None:
    async def full() -> bool:
        return await bus.depth(checked) == count

    await wait_for(full, what=f"{count} messages wait in {checked.name}")


class BusContract:
    async def test_work_is_shared_by_two_consumers(self, env: Env) -> None:
        work, one, two = queue(), Inbox(), Inbox()
        sender, first, second = [await env.connect() for _ in range(3)]
        await first.consume(work, one, prefetch=5)
        await second.consume(work, two, prefetch=5)
        await publish_all(sender, work, 40)
        await wait_for(lambda: len(one.deliveries) + len(two.deliveries) == 40)
        assert sorted(one.numbers + two.numbers) == list(range(40))
        assert min(len(one.numbers), len(two.numbers)) >= 10

    async def test_prefetch_bounds_what_is_handled_at_a_time(self, env: Env) -> None:
        work, inbox, bus = queue(), Inbox(closed=True), await env.connect()
        await publish_all(bus, work, 10)
        await bus.consume(work, inbox, prefetch=3)
        await has_waiting(bus, work, 7)
        await inbox.has(3)
        assert inbox.numbers == [0, 1, 2]
        inbox.gate.set()
        await inbox.has(10)
        assert inbox.numbers == list(range(10))

    async def test_returning_acknowledges(self, env: Env) -> None:
        work, inbox, again = queue(), Inbox(), Inbox()
        bus = await env.connect()
        subscription = await bus.consume(work, inbox, prefetch=10)
        await publish_all(bus, work, 5)
        await wait_for(lambda: inbox.finished == 5)
        await subscription.cancel()
        await bus.consume(work, again, prefetch=10)
        await bus.publish(work, Job(number=99))
        await again.has(1)
        assert again.numbers == [99]

    async def test_failed_message_comes_again_marked_redelivered(self, env: Env) -> None:
        for kind in (QueueKind.WORK, QueueKind.HOST):
            work, bus = queue(kind), await env.connect()
            seen: list[bool] = []

            async def fail_once(delivery: Delivery, seen: list[bool] = seen) -> None:
                seen.append(delivery.redelivered)
                if len(seen) == 1:
                    raise RuntimeError("the first time goes wrong")

            await bus.consume(work, fail_once, prefetch=1)
            await bus.publish(work, Job())
            await wait_for(lambda seen=seen: len(seen) == 2)
            assert seen == [False, True]
            await is_empty(bus, work)

    @pytest.mark.parametrize("kind", [QueueKind.WORK, QueueKind.HOST])
    async def test_message_that_always_fails_is_dead_after_its_limit(
        self, env: Env, kind: QueueKind
    ) -> None:
        work, inbox, dead = queue(kind), Inbox(RuntimeError("always")), Inbox()
        bus = await env.connect()
        await bus.consume(work, inbox, prefetch=1)
        await bus.consume(DEAD, dead, prefetch=10)
        await bus.publish(work, Job(number=7))
        await dead.has(1)
        assert dead.numbers == [7]
        assert len(inbox.deliveries) == RULES[kind].deliveries
        await is_empty(bus, work)

    @pytest.mark.parametrize("kind", [QueueKind.WORK, QueueKind.HOST])
    async def test_rejected_message_is_dead_at_once(self, env: Env, kind: QueueKind) -> None:
        work, inbox, dead = queue(kind), Inbox(RejectMessage("never")), Inbox()
        bus = await env.connect()
        await bus.consume(work, inbox, prefetch=1)
        await bus.consume(DEAD, dead, prefetch=10)
        await bus.publish(work, Job(number=8))
        await dead.has(1)
        assert dead.numbers == [8]
        assert len(inbox.deliveries) == 1

    async def test_undecodable_message_is_dead_and_blocks_nobody(self, env: Env) -> None:
        work, inbox, bus = queue(), Inbox(), await env.connect()
        before = await bus.depth(DEAD)
        await bus.consume(work, inbox, prefetch=1)
        await bus.publish(work, Garbage())
        await bus.publish(work, Job(number=1))
        await inbox.has(1)
        assert inbox.numbers == [1]
        await has_waiting(bus, DEAD, before + 1)

    @pytest.mark.parametrize("kind", [QueueKind.LOSSY, QueueKind.CONVERSATION])
    async def test_failed_lossy_message_is_tried_thrice_and_dropped(
        self, env: Env, kind: QueueKind
    ) -> None:
        lossy, inbox, bus = queue(kind), Inbox(RuntimeError("no")), await env.connect()
        before = await bus.depth(DEAD)
        await bus.consume(lossy, inbox, prefetch=1)
        await publish_all(bus, lossy, 2)
        await inbox.has(6)
        assert inbox.numbers == [0, 0, 0, 1, 1, 1]
        await is_empty(bus, lossy)
        assert await bus.depth(DEAD) == before

    @pytest.mark.parametrize("kind", [QueueKind.LOSSY, QueueKind.CONVERSATION])
    async def test_what_one_gives_back_another_can_handle(self, env: Env, kind: QueueKind) -> None:
        lossy, cannot, can = queue(kind), Inbox(GiveBack("no database")), Inbox()
        first, second = await env.connect(), await env.connect()
        subscription = await first.consume(lossy, cannot, prefetch=10)
        cannot.gate.clear()
        await publish_all(first, lossy, 10)
        await cannot.has(10)
        await second.consume(lossy, can, prefetch=10)
        ending = asyncio.ensure_future(subscription.cancel())
        await asyncio.wait({ending}, timeout=0.05)
        cannot.gate.set()
        with capture_logs() as logs:
            await ending
        await can.has(10)
        assert sorted(can.numbers) == list(range(10))
        assert all(delivery.redelivered for delivery in can.deliveries)
        assert {(line["event"], line["log_level"]) for line in logs} == {
            ("handler_failed", "debug")
        }

    async def test_unknown_host_is_unroutable_and_breaks_nothing(self, env: Env) -> None:
        bus, inbox, work = await env.connect(), Inbox(), queue()
        with pytest.raises(Unroutable, match=r"compute\.nobody"):
            await bus.publish(host_queue("nobody"), Job())
        with pytest.raises(Unroutable, match=r"compute\.nobody"):
            await bus.call(host_queue("nobody"), Job(), timeout_s=5)
        await bus.consume(work, inbox, prefetch=1)
        await bus.publish(work, Job())
        await inbox.has(1)

    async def test_host_queue_waits_for_its_absent_consumer(self, env: Env) -> None:
        host, inbox, sender = queue(QueueKind.HOST), Inbox(), await env.connect()
        agent = await env.connect()
        await agent.consume(host, Inbox(), prefetch=1)
        await agent.stop()
        await publish_all(sender, host, 3)
        agent = await env.connect()
        await agent.consume(host, inbox, prefetch=10)
        await inbox.has(3)
        assert inbox.numbers == [0, 1, 2]

    async def test_deleted_queue_is_as_if_it_had_never_been(self, env: Env) -> None:
        host, inbox, sender = queue(QueueKind.HOST), Inbox(), await env.connect()
        agent = await env.connect()
        subscription = await agent.consume(host, Inbox(), prefetch=1)
        assert not await sender.delete_queue(host)
        await sender.publish(host, Job(number=1))
        await subscription.cancel()
        await publish_all(sender, host, 2)
        assert await sender.delete_queue(host)
        with pytest.raises(Unroutable):
            await sender.publish(host, Job(number=2))
        assert await sender.delete_queue(host)
        await agent.consume(host, inbox, prefetch=1)  # on the connection that declared it before
        await sender.publish(host, Job(number=3))
        await inbox.has(1)
        assert inbox.numbers == [3]
        assert (agent.connections, sender.connections) == (1, 1)

    async def test_crash_gives_unacknowledged_messages_to_another(self, env: Env) -> None:
        work, stuck, inbox = queue(), Inbox(closed=True), Inbox()
        sender, victim, other = [await env.connect() for _ in range(3)]
        await victim.consume(work, stuck, prefetch=3)
        await publish_all(sender, work, 5)
        await stuck.has(3)
        await victim.crash()
        stuck.gate.set()
        await other.consume(work, inbox, prefetch=1)
        await inbox.has(5)
        assert inbox.numbers == [0, 1, 2, 3, 4]
        assert [d.redelivered for d in inbox.deliveries] == [True, True, True, False, False]
        assert stuck.finished == 0
        assert not victim.connected

    async def test_stop_lets_handlers_finish(self, env: Env) -> None:
        work, inbox, sender = queue(), Inbox(closed=True), await env.connect()
        worker = await env.connect()
        await worker.consume(work, inbox, prefetch=2)
        await publish_all(sender, work, 5)
        await inbox.has(2)
        stopping = asyncio.ensure_future(worker.stop())
        await has_waiting(sender, work, 3)
        assert not stopping.done()
        inbox.gate.set()
        await stopping
        assert inbox.finished == 2
        await has_waiting(sender, work, 3)

    async def test_handler_that_does_not_end_is_cancelled_and_its_message_kept(
        self, env: Env, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(handling, "DRAIN_S", 0.05)
        work, hanging, inbox, bus = queue(), Inbox(closed=True), Inbox(), await env.connect()
        subscription = await bus.consume(work, hanging, prefetch=1)
        await bus.publish(work, Job(number=1))
        await hanging.has(1)
        await subscription.cancel()
        await bus.consume(work, inbox, prefetch=1)
        await inbox.has(1)
        assert inbox.numbers == [1]
        assert hanging.finished == 0

    @pytest.mark.parametrize("kind", [QueueKind.WORK, QueueKind.HOST])
    async def test_subscription_may_be_cancelled_by_its_own_handler(
        self, env: Env, kind: QueueKind
    ) -> None:
        work, bus = queue(kind), await env.connect()
        seen: list[Delivery] = []
        cancelled = asyncio.Event()
        subscription: Subscription

        async def only_one(delivery: Delivery) -> None:
            seen.append(delivery)
            await subscription.cancel()
            cancelled.set()

        subscription = await bus.consume(work, only_one, prefetch=1)
        await publish_all(bus, work, 2)
        await asyncio.wait_for(cancelled.wait(), 10)
        await has_waiting(bus, work, 1)
        assert len(seen) == 1

    async def test_consumers_of_hosts_end_each_for_itself(self, env: Env) -> None:
        """One ends in the middle of its work, another with its work done; a third goes on."""
        hosts = [queue(QueueKind.HOST) for _ in range(3)]
        inboxes = [Inbox(closed=True) for _ in hosts]
        bus, sender = await env.connect(), await env.connect()
        subscriptions = [
            await bus.consume(host, inbox, prefetch=prefetch)
            for host, inbox, prefetch in zip(hosts, inboxes, (1, 2, 3), strict=True)
        ]
        for host in hosts:
            await publish_all(sender, host, 4)
        for host, inbox, prefetch in zip(hosts, inboxes, (1, 2, 3), strict=True):
            await inbox.has(prefetch)
            await has_waiting(sender, host, 4 - prefetch)
        first = asyncio.ensure_future(subscriptions[0].cancel())
        inboxes[1].gate.set()
        await inboxes[1].has(4)
        await subscriptions[1].cancel()
        inboxes[0].gate.set()
        await first
        await has_waiting(sender, hosts[0], 3)
        assert inboxes[0].finished == 1
        inboxes[2].gate.set()
        await inboxes[2].has(4)
        assert [d.redelivered for d in inboxes[2].deliveries] == [False] * 4
        again = Inbox()
        await bus.consume(hosts[0], again, prefetch=10)
        await again.has(3)
        assert again.numbers == [1, 2, 3]
        assert bus.connections == 1

    async def test_lossy_queue_keeps_the_newest(
        self, env: Env, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limit_length(monkeypatch, QueueKind.LOSSY, 10)
        lossy, inbox, bus = queue(QueueKind.LOSSY), Inbox(), await env.connect()
        await publish_all(bus, lossy, 13)
        assert await bus.depth(lossy) == 10
        await bus.consume(lossy, inbox, prefetch=100)
        await inbox.has(10)
        assert inbox.numbers == list(range(3, 13))

    async def test_what_waited_too_long_in_a_conversation_is_dropped(
        self, env: Env, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kind = QueueKind.CONVERSATION
        monkeypatch.setitem(RULES, kind, replace(RULES[kind], ttl_s=0.2))
        asked, inbox, bus = queue(kind), Inbox(), await env.connect()
        dead = await bus.depth(DEAD)
        await publish_all(bus, asked, 3)
        await is_empty(bus, asked)
        await bus.consume(asked, inbox, prefetch=10)
        await bus.publish(asked, Job(number=99))
        await inbox.has(1)
        assert inbox.numbers == [99]
        assert await bus.depth(DEAD) == dead

    async def test_question_ends_with_the_patience_of_its_caller(self, env: Env) -> None:
        asked, inbox, bus = queue(QueueKind.CONVERSATION), Inbox(), await env.connect()
        with pytest.raises(Timeout):
            await bus.call(asked, Job(number=1), timeout_s=0.2)
        await is_empty(bus, asked)
        await bus.consume(asked, inbox, prefetch=10)
        await bus.publish(asked, Job(number=2))
        await inbox.has(1)
        assert inbox.numbers == [2]

    async def test_command_outlives_the_patience_of_its_caller(self, env: Env) -> None:
        host, inbox, bus = queue(QueueKind.HOST), Inbox(), await env.connect()
        subscription = await bus.consume(host, Inbox(), prefetch=1)
        await subscription.cancel()
        with pytest.raises(Timeout):
            await bus.call(host, Job(number=1), timeout_s=0.2)
        await bus.consume(host, inbox, prefetch=1)
        await inbox.has(1)
        assert inbox.numbers == [1]

    async def test_full_work_queue_refuses(self, env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
        limit_length(monkeypatch, QueueKind.WORK, 10)
        work, inbox, bus = queue(), Inbox(), await env.connect()

        async def refused() -> bool:
            """A broker may notice a little late that the queue is full."""
            try:
                await bus.publish(work, Job())
            except BusClosed as error:
                return "full" in str(error)
            return False

        await wait_for(refused, what="a publish is refused")
        await bus.consume(work, inbox, prefetch=100)
        await is_empty(bus, work)
        await bus.publish(work, Job(number=99))
        await wait_for(lambda: 99 in inbox.numbers)

    async def test_call_gets_its_own_reply(self, env: Env) -> None:
        work, server, client = queue(), await env.connect(), await env.connect()

        async def double(delivery: Delivery) -> None:
            assert isinstance(delivery.message, Job)
            await server.reply(delivery, Job(number=2 * delivery.message.number))

        await server.consume(work, double, prefetch=10)
        replies = await asyncio.gather(
            *(client.call(work, Job(number=n), timeout_s=10) for n in range(20))
        )
        assert [r.number for r in replies if isinstance(r, Job)] == [2 * n for n in range(20)]

    async def test_late_reply_is_dropped(self, env: Env) -> None:
        work, inbox = queue(), Inbox()
        server, client = await env.connect(), await env.connect()
        await server.consume(work, inbox, prefetch=10)
        with pytest.raises(Timeout, match=r"test\.job"):
            await client.call(work, Job(), timeout_s=0.1)
        await inbox.has(1)
        late = LATE_REPLIES._value.get()
        await server.reply(inbox.deliveries[0], Job())
        await wait_for(lambda: LATE_REPLIES._value.get() == late + 1)

    async def test_reply_to_a_caller_that_is_gone_is_no_error(self, env: Env) -> None:
        work, inbox = queue(), Inbox()
        server, client = await env.connect(), await env.connect()
        await server.consume(work, inbox, prefetch=10)
        call = asyncio.ensure_future(client.call(work, Job(), timeout_s=30))
        await inbox.has(1)
        await client.crash()
        with pytest.raises(BusClosed):
            await call
        await server.reply(inbox.deliveries[0], Job())

    async def test_events_reach_every_subscriber_in_order(self, env: Env) -> None:
        sender, one, two = await env.connect(), Inbox(), Inbox()
        listener = await env.connect()
        topic = f"test{next(_names)}"
        await sender.subscribe(f"{topic}.a", one)
        cancelled = await listener.subscribe(f"{topic}.#", two)
        for number in range(5):
            await sender.publish_event(f"{topic}.a", Job(number=number))
        await sender.publish_event(f"{topic}.b.c", Job(number=5))
        await two.has(6)
        await one.has(5)
        assert one.numbers == [0, 1, 2, 3, 4]
        assert two.numbers == [0, 1, 2, 3, 4, 5]
        await cancelled.cancel()
        await sender.publish_event(f"{topic}.a", Job(number=6))
        await one.has(6)
        assert len(two.deliveries) == 6

    async def test_one_subscription_hears_many_topics_in_order(self, env: Env) -> None:
        bus, inbox, name = await env.connect(), Inbox(), f"test{next(_names)}"
        topics = [f"{name}.{number}" for number in range(1000)]
        subscription = await bus.subscribe([*topics, f"{name}.*.loud", f"{name}.0.#"], inbox)
        for number in (999, 0, 500):
            await bus.publish_event(topics[number], Job(number=number))
        await bus.publish_event(f"{name}.0.loud", Job(number=7))  # matches twice, comes once
        await bus.publish_event(f"{name}.other", Job(number=8))
        await bus.publish_event(topics[1], Job(number=1))
        await inbox.has(5)
        assert inbox.numbers == [999, 0, 500, 7, 1]
        await subscription.cancel()

    async def test_event_handler_that_fails_gets_the_next_event(self, env: Env) -> None:
        bus, inbox, topic = await env.connect(), Inbox(RuntimeError("no")), f"test{next(_names)}"
        await bus.subscribe(topic, inbox)
        await bus.publish_event(topic, Job(number=1))
        await bus.publish_event(topic, Job(number=2))
        await inbox.has(2)
        assert inbox.numbers == [1, 2]

    async def test_publishes_at_the_same_time_are_all_confirmed(self, env: Env) -> None:
        work, inbox, bus = queue(), Inbox(), await env.connect()
        await asyncio.gather(*(bus.publish(work, Job(number=n)) for n in range(500)))
        await bus.consume(work, inbox, prefetch=100)
        await inbox.has(500)
        assert Counter(inbox.numbers) == Counter(range(500))

    async def test_sender_is_known(self, env: Env) -> None:
        work, inbox, bus = queue(), Inbox(), await env.connect()
        await bus.consume(work, inbox, prefetch=1)
        await bus.publish(work, Job(request_id="req-1"))
        await inbox.has(1)
        assert inbox.deliveries[0].user_id == "muster"
        assert inbox.deliveries[0].message.request_id == "req-1"

    async def test_stopped_bus_refuses(self, env: Env) -> None:
        bus = await env.connect()
        await bus.stop()
        assert not bus.connected
        with pytest.raises(BusClosed):
            await bus.publish(queue(), Job())
        await bus.publish_event("test", Job())
        await bus.stop()


class OutageContract:
    """The broker goes away and comes back; slower, so apart."""

    async def test_everything_works_again_after_outages(self, env: Env) -> None:
        """The first outage is in order, the second not: RabbitMQ 3.10 has a new quorum queue on
        disk some hundred milliseconds after its declaration only."""
        work, kept, lossy = queue(), queue(QueueKind.HOST), queue(QueueKind.LOSSY)
        topic, inbox, heard, stuck = f"test{next(_names)}", Inbox(), Inbox(), Inbox(closed=True)
        server, client = await env.connect(), await env.connect()
        assert server.connections == client.connections == 1

        async def echo(delivery: Delivery) -> None:
            await inbox(delivery)
            await server.reply(delivery, delivery.message)

        await server.consume(work, echo, prefetch=5)
        await server.subscribe(topic, heard)
        await server.consume(kept, stuck, prefetch=1)
        await publish_all(client, kept, 3)

        for turn, abruptly in enumerate((False, True)):
            await client.publish(lossy, Job())
            await stuck.has(turn + 1)
            await client.call(work, Job(number=10 * turn), timeout_s=10)
            lost = asyncio.ensure_future(client.call(kept, Job(number=3 + turn), timeout_s=100))
            await has_waiting(client, kept, 3 + turn)

            await env.break_broker(abruptly=abruptly)
            with pytest.raises(BusClosed):
                await lost
            await wait_for(lambda: not server.connected and not client.connected)
            with pytest.raises(BusClosed):
                await client.publish(work, Job(), timeout_s=0.2)
            with pytest.raises(BusClosed):
                await client.call(work, Job(), timeout_s=0.2)
            await client.publish_event(topic, Job())
            patient = asyncio.ensure_future(
                client.publish(work, Job(number=10 * turn + 1), timeout_s=100)
            )

            await env.mend_broker()
            await patient
            await wait_for(lambda: server.connected and client.connected, timeout_s=60)
            await client.call(work, Job(number=10 * turn + 2), timeout_s=30)
            await client.publish_event(topic, Job(number=turn))
            await heard.has(turn + 1)
            assert await client.depth(lossy) == 0
            assert server.connections == client.connections == turn + 2

        assert inbox.numbers == [0, 1, 2, 10, 11, 12]
        assert heard.numbers == [0, 1]
        await stuck.has(3)
        stuck.gate.set()
        await stuck.has(7)
        assert stuck.numbers == [0, 0, 0, 1, 2, 3, 4]
        assert [d.redelivered for d in stuck.deliveries[:3]] == [False, True, True]

    async def test_stop_during_an_outage_is_quick(self, env: Env) -> None:
        work, bus = queue(), await env.connect()
        await bus.consume(work, Inbox(), prefetch=1)
        await env.break_broker(abruptly=True)
        await wait_for(lambda: not bus.connected)
        publish = asyncio.ensure_future(bus.publish(work, Job(), timeout_s=60))
        await asyncio.wait_for(bus.stop(), 5)
        with pytest.raises(BusClosed, match="stopped"):
            await asyncio.wait_for(publish, 5)
        await env.mend_broker()

    async def test_start_waits_for_the_broker(self, env: Env) -> None:
        await env.break_broker(abruptly=True)
        starting = asyncio.ensure_future(env.connect())
        done, _ = await asyncio.wait({starting}, timeout=0.3)
        assert not done
        await env.mend_broker()
        assert (await starting).connected
