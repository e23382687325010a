"""The bus on RabbitMQ: keeps one connection alive and everything that was asked of it.

Owns: connecting again after a loss, and consuming again everything that is wanted.
May not: touch AMQP (common/bus/amqp_link.py does); repeat a publish (its caller decides).
While the broker is away a publish waits for it within its timeout. One that was sent but not
confirmed when the connection is lost, and a call whose reply address went with it, raise
`BusClosed` at once. Handlers run on; their acknowledgements come to nothing and the broker
delivers again.
Crash story: nothing is kept here; unacknowledged deliveries go to another consumer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any

import structlog
from yarl import URL

from common.bus.amqp_consumers import LinkConsumer
from common.bus.amqp_driver import GONE
from common.bus.amqp_link import CLOSE_TIMEOUT_S, Link
from common.bus.handling import Calls, Handling, confirmed_within, events_name
from common.bus.port import BusClosed, Delivery, Handler, Queue, QueueKind
from common.bus.topology import EVENT_RULES, EVENTS, RULES, expires_with_its_caller
from common.config.settings import BusSettings
from common.errors import InvalidInput, Unauthorized, Unavailable
from common.messages.base import Message
from common.runtime.ports import Clock, Random
from common.runtime.tasks import Tasks

log = structlog.get_logger(__name__)

HEARTBEAT_S = 5
"""A peer that vanished is noticed after 3 * (this + 1) s here and 2 * this at the broker; a closed
connection at once."""
OPEN_TIMEOUT_S = 20.0
"""For a connection, and for each thing consumed on it. A quorum queue without a leader answers
after a minute; to ask again is faster."""
ATTACHING_AT_A_TIME = 16
"""Consumers that begin together: enough that a far broker is not waited for a thousand times."""
RECONNECT_BASE_S = 0.1
RECONNECT_CAP_S = 5.0
EVENT_TIMEOUT_S = 1.0


class _Registration:
    """A `consume` or `subscribe`, for as long as it is wanted. No `queue`: events of `topics`."""

    def __init__(
        self,
        bus: RabbitBus,
        handling: Handling,
        prefetch: int,
        queue: Queue | None,
        topics: Sequence[str] = (),
    ) -> None:
        self.handling = handling
        self.link: Link | None = None
        self._bus = bus
        self._prefetch = prefetch
        self._queue = queue
        self._topics = topics
        self._consumer: LinkConsumer | None = None
        self._attaching = asyncio.Lock()
        self._wanted = True

    async def attach(self, link: Link) -> None:
        """Consume on a link, once."""
        async with self._attaching:
            if self.link is link or not self._wanted:
                return
            if self._queue:
                consumer = await link.consume(self._queue, self.handling, self._prefetch)
            else:
                consumer = await link.subscribe(self._topics, self.handling)
            self.link = link
            if self._wanted:
                self._consumer = consumer
            else:  # cancelled meanwhile
                await consumer.close()

    async def cancel(self) -> None:
        self._wanted = False
        self._bus.forget(self)
        consumer, self._consumer = self._consumer, None
        if consumer:
            await self._bus.unbroken(consumer.stop())
        await self.handling.drain()
        if consumer and self.handling.idle:  # else cancelled by its own handler, still unsettled
            await self._bus.unbroken(consumer.close())


def _url(settings: BusSettings, name: str) -> URL:
    """The broker's address with the credentials: never log it.

    A password in the URL goes before `bus.password`. Raises `InvalidInput` naming the setting.
    """
    try:
        url = URL(settings.url)
    except ValueError as error:
        raise InvalidInput(f"bus.url: {error}") from error
    if url.scheme not in {"amqp", "amqps"} or not url.host:
        raise InvalidInput("bus.url must look like amqp://user@host:5672/ or amqps://...")
    if url.user is None:
        url = url.with_user("guest")
    if url.password is None and settings.password is not None:
        url = url.with_password(settings.password.get_secret_value())
    return url.update_query({"heartbeat": str(HEARTBEAT_S), "name": name, **url.query})


class RabbitBus:
    """`name` is what the broker's tools show for this connection."""

    def __init__(self, settings: BusSettings, clock: Clock, random: Random, name: str) -> None:
        self._url = _url(settings, name)
        self._shown_url = str(self._url.with_password(None).with_query(None))
        self._clock = clock
        self._random = random
        self._tasks = Tasks(clock)
        self._calls = Calls(clock)
        self.connections = 0
        self._registrations: list[_Registration] = []
        self._attaching = asyncio.Semaphore(ATTACHING_AT_A_TIME)
        self._unbroken: set[asyncio.Task[None]] = set()
        self._link: Link | None = None
        self._up = asyncio.Event()
        self._ended: str | None = None
        self._sending = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def connected(self) -> bool:
        return self._link is not None and not self._link.lost.done()

    async def start(self) -> None:
        """Raises `Unauthorized` when the broker refuses the credentials."""
        link = await self._connect(first=True)
        self._tasks.spawn("keep connected", self._keep_connected(link))

    async def stop(self) -> None:
        await asyncio.gather(*(registration.cancel() for registration in self._registrations))
        if self.connected:
            await self._idle.wait()  # each publish has its own deadline
        link = await self._end("the bus is stopped")
        if link:
            await link.close()

    async def crash(self) -> None:
        for registration in self._registrations:
            registration.handling.abandon()
        link, self._link = self._link, None
        if link:
            link.drop()
        await self._end("the bus has crashed")

    async def _end(self, reason: str) -> Link | None:
        self._ended = reason
        link, self._link = self._link, None
        await self._tasks.stop()
        self._calls.fail_all(reason)
        self._up.set()  # who waits for a connection learns that there will be none
        return link

    async def _keep_connected(self, link: Link) -> None:
        while True:
            reason = await link.lost
            self._up.clear()
            self._link = None
            self._calls.fail_all(f"the connection was lost: {reason}")
            log.warning("bus_connection_lost", url=self._shown_url, reason=reason)
            link.drop()
            link = await self._connect(first=False)

    async def _connect(self, *, first: bool) -> Link:
        """Try until it works; one log line per change of the reason why it does not."""
        shown = ""
        longest_s = RECONNECT_BASE_S
        while True:
            link = Link(self._url, self._calls)
            try:
                await self._open(link)
                log.info("bus_connected", url=self._shown_url)
                return link
            except asyncio.CancelledError:
                link.drop()
                raise
            except Exception as error:  # whatever it is, to give up would be worse
                link.drop()
                task = asyncio.current_task()
                if task and task.cancelling():  # aiormq can put its own error in the place of this
                    raise asyncio.CancelledError from error
                if first and isinstance(error, Unauthorized):
                    raise
                reason = f"{type(error).__name__}: {error}"
            if reason != shown:
                log.warning("bus_not_reachable", url=self._shown_url, reason=reason)
                shown = reason
            await self._clock.sleep(self._random.uniform(0, longest_s))
            longest_s = min(RECONNECT_CAP_S, 2 * longest_s)

    async def _open(self, link: Link) -> None:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            await link.open()
        self.connections += 1
        while missing := [wanted for wanted in self._registrations if wanted.link is not link]:
            try:
                async with asyncio.TaskGroup() as group:
                    for registration in missing:
                        group.create_task(self._attach(registration, link))
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None
        if self._ended:
            raise BusClosed(self._ended)
        self._link = link
        self._up.set()

    async def _attach(self, registration: _Registration, link: Link) -> None:
        """The time is for this one alone: a thousand may need longer than one may."""
        async with self._attaching, asyncio.timeout(OPEN_TIMEOUT_S):
            await registration.attach(link)

    async def _connected_link(self) -> Link:
        while True:
            await self._up.wait()
            if self._ended:
                raise BusClosed(self._ended)
            if self._link is not None and self.connected:
                return self._link
            self._up.clear()

    async def publish(self, queue: Queue, message: Message, *, timeout_s: float = 5.0) -> None:
        await self._send(queue, message, timeout_s, None)

    async def _send(
        self, queue: Queue, message: Message, timeout_s: float, correlation_id: str | None
    ) -> None:
        deadline = self._clock.monotonic() + timeout_s
        question = correlation_id is not None and expires_with_its_caller(queue)
        self._sending += 1
        self._idle.clear()
        try:
            async with confirmed_within(timeout_s, queue.name):
                link = await self._connected_link()
                try:
                    if queue.kind is not QueueKind.HOST:
                        await link.declare(queue)
                    reply_to = await link.reply_address() if correlation_id else None
                except (Unavailable, *GONE) as error:
                    raise BusClosed(str(error)) from error
                await link.publish(
                    queue.name,
                    message,
                    persistent=RULES[queue.kind].persistent,
                    mandatory=True,
                    correlation_id=correlation_id,
                    reply_to=reply_to,
                    expires_s=deadline - self._clock.monotonic() if question else None,
                )
        finally:
            self._sending -= 1
            if not self._sending:
                self._idle.set()

    async def publish_event(self, topic: str, message: Message) -> None:
        if self._link is None or not self.connected:
            return
        with contextlib.suppress(BusClosed):
            async with confirmed_within(EVENT_TIMEOUT_S, topic):
                await self._link.publish(topic, message, exchange=EVENTS)

    async def consume(self, queue: Queue, handler: Handler, *, prefetch: int) -> _Registration:
        handling = Handling(
            queue.name, handler, RULES[queue.kind].deliveries, self._clock, self._random
        )
        return await self._register(_Registration(self, handling, prefetch, queue))

    async def subscribe(self, topics: str | Sequence[str], handler: Handler) -> _Registration:
        topics = [topics] if isinstance(topics, str) else list(topics)
        handling = Handling(
            events_name(topics), handler, EVENT_RULES.deliveries, self._clock, self._random
        )
        return await self._register(_Registration(self, handling, 1, None, topics))

    async def _register(self, registration: _Registration) -> _Registration:
        """Without a connection the next one consumes it."""
        self._registrations.append(registration)
        link = self._link
        if link is not None:
            try:
                await self.unbroken(self._attach(registration, link))
            except Unavailable:
                self.forget(registration)
                raise
            except GONE as error:
                link.lose(f"{type(error).__name__}: {error}")
            except asyncio.CancelledError:
                self._background(registration.cancel())
                raise
        return registration

    async def unbroken(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, even when who waits for it is cancelled: aiormq closes a channel
        on which a request was broken off, and others may be using it."""
        await asyncio.shield(self._background(work))

    def _background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._unbroken.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._unbroken.discard(task)
        if not task.cancelled():
            task.exception()  # who waits for it sees it; when nobody does any more, nobody need

    def forget(self, registration: _Registration) -> None:
        self._registrations = [other for other in self._registrations if other is not registration]

    async def delete_queue(self, queue: Queue, *, timeout_s: float = 5.0) -> bool:
        async with confirmed_within(timeout_s, queue.name, what="the removal of"):
            link = await self._connected_link()
            try:
                return await link.delete(queue)
            except GONE as error:
                raise BusClosed(str(error)) from error

    async def call(self, queue: Queue, message: Message, *, timeout_s: float) -> Message:
        async def send(correlation_id: str) -> None:
            await self._send(queue, message, timeout_s, correlation_id)

        return await self._calls.make(send, f"{message.TYPE} to {queue.name}", timeout_s)

    async def reply(self, delivery: Delivery, message: Message) -> None:
        """Raises `BusClosed` when not connected: the delivery comes again."""
        if delivery.reply_to is None:
            return
        if self._link is None:
            raise BusClosed("a reply cannot be sent: not connected")
        async with confirmed_within(CLOSE_TIMEOUT_S, delivery.reply_to):
            await self._link.publish(
                delivery.reply_to, message, correlation_id=delivery.correlation_id
            )

    async def depth(self, queue: Queue) -> int:
        """Messages of `queue` that wait to be delivered. Raises `BusClosed`."""
        link = await self._connected_link()
        try:
            return await link.depth(queue)
        except GONE as error:
            raise BusClosed(str(error)) from error
