"""The bus on RabbitMQ, through aio-pika; no other module touches AMQP.

Owns: one connection of one service, its channels, and getting all of it back after a loss.
A connection is a `_Link` that is opened, used and thrown away as a whole: anything unexpected (a
closed channel, a cancelled consumer) loses the link, and a new one consumes everything again. This
is the only recovery path. aio-pika's own "robust" classes are not used.
May not: know any message type; repeat a publish (its caller decides).
While the broker is away a publish waits for it within its timeout. One that was sent but not
confirmed when the link is lost, and a call whose reply address went with it, raise `BusClosed` at
once. Handlers run on; their acknowledgements come to nothing and the broker delivers again.
Crash story: the broker returns what was not acknowledged, and forgets exclusive queues.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)
from aiormq import ChannelAccessRefused, TransportFactory
from aiormq.connection import TCPTransportFactory, TLSTransportFactory
from yarl import URL

from common.bus.handling import Calls, Handling, Received, Verdict, confirmed_within
from common.bus.port import BusClosed, Delivery, Handler, Queue, QueueKind, Unroutable
from common.bus.topology import DEAD, DEAD_LETTERS, EVENT_RULES, EVENTS, RULES
from common.config.settings import BusSettings
from common.errors import InvalidInput, Unauthorized, Unavailable
from common.messages.base import Message, encode
from common.runtime.ports import Clock, Random
from common.runtime.tasks import Tasks

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 5.0
HEARTBEAT_S = 5
"""A peer that vanished is noticed after 3 * (this + 1) s here and 2 * this at the broker; a closed
connection at once."""
RECONNECT_BASE_S = 0.1
RECONNECT_CAP_S = 5.0
EVENT_TIMEOUT_S = 1.0
CLOSE_TIMEOUT_S = 5.0

_GONE = (*CONNECTION_EXCEPTIONS, asyncio.InvalidStateError)
"""What aio-pika raises when the channel or connection it was using is gone."""

_Declare = Callable[[AbstractChannel, bool], Awaitable[None]]


class _Wire(TransportFactory):
    """Opens the socket as usual and keeps it, because a crash must drop it without a goodbye."""

    _writer: asyncio.StreamWriter | None = None

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        usual = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, self._writer = await usual.create(url, **kwargs)
        return reader, self._writer

    def drop(self) -> None:
        if self._writer:
            self._writer.transport.abort()


class _Connection(aio_pika.Connection):
    PARAMETERS = (
        *aio_pika.Connection.PARAMETERS,
        aio_pika.abc.ConnectionParameter("transport_factory", lambda wire: wire, is_kwarg=True),
    )


class _Link:
    """One live connection. `lost` is the reason it ended with; then it is of no more use."""

    def __init__(self, url: URL, calls: Calls) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._calls = calls
        self._wire = _Wire()
        self._connection = _Connection(url, transport_factory=self._wire)
        self._declared: set[str] = set()
        self._declaring = asyncio.Lock()
        self._replies: AbstractQueue | None = None

    async def open(self) -> None:
        await self._connection.connect(timeout=CONNECT_TIMEOUT_S)
        self._connection.close_callbacks.add(self._closed)
        self._publisher = await self.channel(on_return_raises=True)
        self._events = await self._publisher.get_exchange(EVENTS, ensure=False)
        for name, kind in ((EVENTS, "topic"), (DEAD_LETTERS, "fanout")):

            async def declare(
                channel: AbstractChannel, passive: bool, name: str = name, kind: str = kind
            ) -> None:
                await channel.declare_exchange(name, kind, durable=True, passive=passive)

            await self._declare(f"exchange {name}", declare)
        await self.declare(DEAD)

    async def close(self) -> None:
        self.lose("closed")
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close()
        except (TimeoutError, *_GONE):
            self._wire.drop()

    def drop(self) -> None:
        self.lose("dropped")
        self._wire.drop()

    def lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)

    def _closed(self, _sender: object, error: BaseException | None) -> None:
        self.lose(str(error) or repr(error))

    async def channel(self, *, on_return_raises: bool = False) -> AbstractChannel:
        """A channel whose end is the end of the link."""
        channel = self._connection.channel(on_return_raises=on_return_raises)
        await channel.initialize()
        channel.close_callbacks.add(self._closed)
        raw = await channel.get_underlay_channel()
        raw.on_consumer_cancel_callbacks.add(lambda _: self.lose("a consumer was cancelled"))
        return channel

    async def _declare(self, what: str, declare: _Declare) -> None:
        """Run `declare(channel, passive)` on a channel of its own: a refusal closes the channel.

        Who may not configure (a host's own user) only checks that somebody else has declared it.
        """
        try:
            try:
                async with self._connection.channel() as channel:
                    await declare(channel, False)
            except ChannelAccessRefused:
                async with self._connection.channel() as channel:
                    await declare(channel, True)
        except ChannelPreconditionFailed as error:
            raise Unavailable(
                f"{what} exists with other arguments than this version of Muster declares; "
                f"delete it and it is made anew ({error})"
            ) from error

    async def declare(self, queue: Queue) -> None:
        """Declare a queue once; raises `Unavailable` when it exists with other arguments."""
        if queue.name in self._declared:
            return

        async def declare(channel: AbstractChannel, passive: bool) -> None:
            declared = await channel.declare_queue(
                queue.name, durable=True, passive=passive, arguments=RULES[queue.kind].arguments
            )
            if queue == DEAD and not passive:
                await declared.bind(DEAD_LETTERS, "")

        async with self._declaring:
            if queue.name not in self._declared:
                await self._declare(f"queue {queue.name}", declare)
                self._declared.add(queue.name)

    async def depth(self, queue: Queue) -> int:
        try:
            async with self._connection.channel() as channel:
                declared = await channel.declare_queue(queue.name, passive=True)
                return declared.declaration_result.message_count or 0
        except ChannelNotFoundEntity:
            return 0

    async def reply_address(self) -> str:
        """The queue of this connection's replies, declared when the first call is made."""
        async with self._declaring:
            if self._replies is None:
                replies = await (await self.channel()).declare_queue(
                    exclusive=True, auto_delete=True
                )
                await replies.consume(self._on_reply, no_ack=True)
                self._replies = replies
        return self._replies.name

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        self._calls.answered(message.correlation_id, message.body)

    async def publish(self, to: str, message: aio_pika.Message, *, mandatory: bool = True) -> None:
        """Send to the queue `to` and wait for the confirmation."""
        async with self._confirmation(to):
            await self._publisher.default_exchange.publish(message, to, mandatory=mandatory)

    async def publish_event(self, topic: str, message: aio_pika.Message) -> None:
        async with self._confirmation(topic):
            await self._events.publish(message, topic, mandatory=False)

    @contextlib.asynccontextmanager
    async def _confirmation(self, to: str) -> AsyncIterator[None]:
        try:
            yield
        except PublishError:
            self._declared.discard(to)
            raise Unroutable(f"there is no queue {to}") from None
        except DeliveryError:
            raise BusClosed(f"queue {to} is full") from None
        except _GONE as error:
            raise BusClosed(f"the connection was lost before {to} confirmed: {error}") from error
        except asyncio.CancelledError:
            # aiormq rejects what waits with this error when the connection closes; without this
            # the caller would believe that it is being cancelled.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise BusClosed(f"the connection was closed before {to} confirmed") from None


class _Registration:
    """A `consume` or `subscribe`, for as long as it is wanted. No `queue`: events of `topic`."""

    def __init__(
        self, bus: RabbitBus, handling: Handling, prefetch: int, queue: Queue | None, topic: str
    ) -> None:
        self.handling = handling
        self._bus = bus
        self._prefetch = prefetch
        self._queue = queue
        self._topic = topic
        self._source: AbstractQueue | None = None
        self._tag = ""

    async def attach(self, link: _Link) -> None:
        """Consume on a new link; prefetch counts per consumer."""
        channel = await link.channel()
        await channel.set_qos(prefetch_count=self._prefetch)
        if self._queue:
            await link.declare(self._queue)
            source = await channel.get_queue(self._queue.name, ensure=False)
        else:
            source = await channel.declare_queue(
                exclusive=True, auto_delete=True, arguments=EVENT_RULES.arguments
            )
            await source.bind(EVENTS, self._topic)
        self._source, self._tag = source, await source.consume(self._on_message)

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        received = Received(
            message.body,
            message.message_id or "",
            bool(message.redelivered),
            attempts=_as_int(message.headers.get("x-delivery-count")),
            reply_to=message.reply_to,
            correlation_id=message.correlation_id,
            user_id=message.user_id,
        )

        async def settle(verdict: Verdict) -> None:
            try:
                if verdict is Verdict.DONE:
                    await message.ack()
                else:  # reject and not nack: only the former counts as a failed delivery
                    await message.reject(requeue=verdict is Verdict.AGAIN)
            except _GONE as error:
                log.debug("acknowledgement_lost", error=str(error))

        self.handling.begin(received, settle)

    async def cancel(self) -> None:
        self._bus.forget(self)
        source, self._source = self._source, None
        with contextlib.suppress(*_GONE):
            if source:
                await source.cancel(self._tag)
        await self.handling.drain()
        with contextlib.suppress(*_GONE):
            if source and self.handling.idle:
                await source.channel.close()


def _as_int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _url(settings: BusSettings, name: str) -> URL:
    """Raises `InvalidInput` naming the setting; the result carries the password: never log it."""
    try:
        url = URL(settings.url)
    except ValueError as error:
        raise InvalidInput(f"bus.url: {error}") from error
    if url.scheme not in {"amqp", "amqps"} or not url.host:
        raise InvalidInput("bus.url must look like amqp://user@host:5672/ or amqps://...")
    if settings.password is not None:
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
        self._registrations: list[_Registration] = []
        self._attaching = asyncio.Lock()
        self._link: _Link | None = None
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

    async def _end(self, reason: str) -> _Link | None:
        self._ended = reason
        link, self._link = self._link, None
        await self._tasks.stop()
        self._calls.fail_all(reason)
        self._up.set()  # who waits for a connection learns that there will be none
        return link

    async def _keep_connected(self, link: _Link) -> None:
        while True:
            reason = await link.lost
            self._up.clear()
            self._link = None
            self._calls.fail_all(f"the connection was lost: {reason}")
            log.warning("bus_connection_lost", url=self._shown_url, reason=reason)
            await link.close()
            link = await self._connect(first=False)

    async def _connect(self, *, first: bool) -> _Link:
        """Try until it works; one log line per change of the reason why it does not."""
        shown = ""
        attempt = 0
        while True:
            link = _Link(self._url, self._calls)
            try:
                await link.open()
                async with self._attaching:
                    for registration in self._registrations:
                        await registration.attach(link)
                    self._link = link
            except ProbableAuthenticationError as error:
                reason = (
                    f"the broker refuses user {self._url.user!r}: set bus.url and bus.password "
                    "to what the broker knows"
                )
                if first:
                    raise Unauthorized(f"{reason} ({error})") from error
            except (TimeoutError, Unavailable, *_GONE) as error:
                reason = str(error) or type(error).__name__
            except asyncio.CancelledError:
                link.drop()
                raise
            else:
                log.info("bus_connected", url=self._shown_url)
                self._up.set()
                return link
            await link.close()
            if reason != shown:
                log.warning("bus_not_reachable", url=self._shown_url, reason=reason)
                shown = reason
            longest_s = min(RECONNECT_CAP_S, RECONNECT_BASE_S * 2**attempt)
            attempt += 1
            await self._clock.sleep(self._random.uniform(0, longest_s))

    async def _connected_link(self) -> _Link:
        while True:
            await self._up.wait()
            if self._ended:
                raise BusClosed(self._ended)
            if self._link is not None and self.connected:
                return self._link
            self._up.clear()

    def _message(self, message: Message, *, persistent: bool) -> aio_pika.Message:
        return aio_pika.Message(
            encode(message),
            content_type="application/json",
            type=message.TYPE,
            delivery_mode=2 if persistent else 1,
            user_id=self._url.user,
        )

    async def publish(self, queue: Queue, message: Message, *, timeout_s: float = 5.0) -> None:
        await self._send(queue, message, timeout_s, None)

    async def _send(
        self, queue: Queue, message: Message, timeout_s: float, correlation_id: str | None
    ) -> None:
        self._sending += 1
        self._idle.clear()
        try:
            async with confirmed_within(timeout_s, queue.name):
                link = await self._connected_link()
                if queue.kind is not QueueKind.HOST:
                    try:
                        await link.declare(queue)
                    except (Unavailable, *_GONE) as error:
                        raise BusClosed(str(error)) from error
                outgoing = self._message(message, persistent=RULES[queue.kind].persistent)
                if correlation_id:
                    outgoing.correlation_id = correlation_id
                    outgoing.reply_to = await link.reply_address()
                await link.publish(queue.name, outgoing)
        finally:
            self._sending -= 1
            if not self._sending:
                self._idle.set()

    async def publish_event(self, topic: str, message: Message) -> None:
        if self._link is None or not self.connected:
            return
        with contextlib.suppress(BusClosed):
            async with confirmed_within(EVENT_TIMEOUT_S, topic):
                await self._link.publish_event(topic, self._message(message, persistent=False))

    async def consume(self, queue: Queue, handler: Handler, *, prefetch: int) -> _Registration:
        handling = Handling(
            queue.name, handler, RULES[queue.kind].deliveries, self._clock, self._random
        )
        return await self._register(_Registration(self, handling, prefetch, queue, ""))

    async def subscribe(self, topic: str, handler: Handler) -> _Registration:
        handling = Handling(
            f"events {topic}", handler, EVENT_RULES.deliveries, self._clock, self._random
        )
        return await self._register(_Registration(self, handling, 1, None, topic))

    async def _register(self, registration: _Registration) -> _Registration:
        """Without a connection the next one consumes it."""
        async with self._attaching:
            self._registrations.append(registration)
            if self._link is not None:
                try:
                    await registration.attach(self._link)
                except Unavailable:
                    self.forget(registration)
                    raise
                except _GONE as error:
                    self._link.lose(str(error))
        return registration

    def forget(self, registration: _Registration) -> None:
        self._registrations = [other for other in self._registrations if other is not registration]

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
        outgoing = self._message(message, persistent=False)
        outgoing.correlation_id = delivery.correlation_id
        async with confirmed_within(CLOSE_TIMEOUT_S, "a reply"):
            await self._link.publish(delivery.reply_to, outgoing, mandatory=False)

    async def depth(self, queue: Queue) -> int:
        """Messages of `queue` that wait to be delivered. Raises `BusClosed`."""
        link = await self._connected_link()
        try:
            return await link.depth(queue)
        except _GONE as error:
            raise BusClosed(str(error)) from error
