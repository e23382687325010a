"""One AMQP connection from its opening to its loss, through aio-pika; nothing else touches AMQP.

Owns: channels, declarations and confirmed publishes of one connection; its consumers are in
common/bus/amqp_consumers.py.
A `Link` is opened, used and thrown away as a whole: anything unexpected (a closed channel, a
consumer that the broker cancelled) loses it, and its owner opens another. That is the only
recovery path; aio-pika's "robust" classes and its RPC pattern are not used.
May not: reconnect, repeat anything, know any message type.
Crash story: the broker returns what was not acknowledged, and forgets exclusive queues.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import structlog
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import (
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)
from aiormq import ChannelAccessRefused, spec
from aiormq.abc import AbstractChannel as RawChannel
from aiormq.abc import DeliveredMessage
from yarl import URL

from common.bus.amqp_consumers import SHARED_BY, ConsumerChannel, LinkConsumer
from common.bus.amqp_driver import GONE, Connection, Wire, driver
from common.bus.handling import Calls, Handling
from common.bus.port import BusClosed, Queue, QueueKind, Unroutable
from common.bus.topology import DEAD, DEAD_LETTERS, EVENT_RULES, EVENTS, RULES
from common.errors import Unauthorized, Unavailable
from common.messages.base import Message, encode

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0
SPARE_CHANNELS = 16
"""Kept open for what a broker may refuse, which closes the channel that asked."""

_Ask = Callable[[RawChannel, bool], Awaitable[object]]


class Link:
    """`lost` is the reason the connection ended with; then the link is of no more use.

    `url` carries the credentials; replies to calls go to `calls`.
    """

    def __init__(self, url: URL, calls: Calls) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._user = url.user
        self._calls = calls
        self._wire = Wire()
        self._connection = Connection(url, transport_factory=self._wire)
        self._declared: set[str] = set()
        self._spare: list[tuple[AbstractChannel, RawChannel]] = []
        self._shared: list[ConsumerChannel] = []
        self._replies: str | None = None
        self._asking_replies = asyncio.Lock()

    @driver
    async def open(self) -> None:
        """Raises `Unauthorized` when the broker refuses the credentials, or one of `GONE`."""
        try:
            await self._connection.connect(timeout=CONNECT_TIMEOUT_S)
        except ProbableAuthenticationError as error:
            raise Unauthorized(
                f"the broker refuses user {self._user!r}: set bus.url and bus.password to what "
                f"it knows ({error})"
            ) from error
        self._connection.close_callbacks.add(self._closed)
        channel, raw = await self._channel(on_return_raises=True)
        self._depend_on(channel, raw)
        self._basic_publish = driver(raw.basic_publish)
        for name, kind in ((EVENTS, "topic"), (DEAD_LETTERS, "fanout")):

            async def declare(
                channel: RawChannel, passive: bool, name: str = name, kind: str = kind
            ) -> None:
                await channel.exchange_declare(
                    name, exchange_type=kind, durable=True, passive=passive
                )

            await self._declare(f"exchange {name}", declare)
        await self.declare(DEAD)

    async def close(self) -> None:
        """Say goodbye, or drop the connection when that takes too long."""
        self.lose("closed")
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close()
        except GONE:
            self._wire.drop()

    def drop(self) -> None:
        """Be gone without a word."""
        self.lose("dropped")
        self._wire.drop()

    def lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)

    def _closed(self, _sender: object, error: BaseException | None) -> None:
        given_up = isinstance(error, asyncio.CancelledError)
        self.lose("the broker does not answer" if given_up else str(error) or repr(error))

    async def _channel(
        self, *, on_return_raises: bool = False
    ) -> tuple[AbstractChannel, RawChannel]:
        """A channel, and aiormq's channel below it.

        The latter does what is done per message: it takes two thirds of the time.
        """
        channel = self._connection.channel(on_return_raises=on_return_raises)
        await channel.initialize()
        return channel, await channel.get_underlay_channel()

    def _depend_on(self, channel: AbstractChannel, raw: RawChannel) -> None:
        """From now on the unexpected end of the channel is the end of the link."""
        channel.close_callbacks.add(self._closed)
        raw.on_consumer_cancel_callbacks.add(self._consumer_cancelled)
        if channel.is_closed:
            self.lose("a channel was closed")

    def _consumer_cancelled(self, _: object) -> None:
        self.lose("a consumer was cancelled")

    @asynccontextmanager
    async def _spare_channel(self) -> AsyncIterator[RawChannel]:
        """A channel for one question; it is asked another one unless this was refused."""
        channel, raw = self._spare.pop() if self._spare else await self._channel()
        yield raw
        if len(self._spare) < SPARE_CHANNELS:  # not after an error: a refusal has closed it
            self._spare.append((channel, raw))
        else:
            await channel.close()

    async def _declare(self, what: str, declare: _Ask) -> None:
        """Run `declare(channel, passive)`.

        Who may not configure (a host's own user) only checks that somebody else has declared it.
        """
        try:
            try:
                async with self._spare_channel() as channel:
                    await declare(channel, False)
            except ChannelAccessRefused:
                async with self._spare_channel() as channel:
                    await declare(channel, True)
        except ChannelPreconditionFailed as error:
            raise Unavailable(
                f"{what} exists with other arguments than this version of Muster declares; "
                f"delete it and it is made anew ({error})"
            ) from error

    @driver
    async def declare(self, queue: Queue) -> None:
        """Declare a queue once; raises `Unavailable` when it exists with other arguments."""
        if queue.name in self._declared:
            return

        async def declare(channel: RawChannel, passive: bool) -> None:
            await channel.queue_declare(
                queue.name, durable=True, passive=passive, arguments=RULES[queue.kind].arguments
            )
            if queue == DEAD and not passive:
                await channel.queue_bind(queue.name, DEAD_LETTERS)

        await self._declare(f"queue {queue.name}", declare)
        self._declared.add(queue.name)

    @driver
    async def depth(self, queue: Queue) -> int:
        """Messages that wait; 0 for a queue that does not exist."""
        try:
            async with self._spare_channel() as channel:
                declared = await channel.queue_declare(queue.name, passive=True)
                return declared.message_count or 0
        except ChannelNotFoundEntity:
            return 0

    @driver
    async def delete(self, queue: Queue) -> bool:
        """Whether it is gone: one that is consumed stays."""
        self._declared.discard(queue.name)
        try:
            async with self._spare_channel() as channel:
                await channel.queue_delete(queue.name, if_unused=True)
        except ChannelPreconditionFailed:
            return False
        except ChannelAccessRefused as error:
            raise Unavailable(
                f"user {self._user!r} of the broker may not delete queue {queue.name} ({error})"
            ) from error
        return True

    @driver
    async def reply_address(self) -> str:
        """The queue of this connection's replies, declared when the first call is made."""

        async def answered(message: DeliveredMessage) -> None:
            self._calls.answered(message.header.properties.correlation_id, message.body)

        async with self._asking_replies:
            if self._replies is None:
                channel, raw = await self._channel()
                declared = await raw.queue_declare(exclusive=True, auto_delete=True)
                await raw.basic_consume(declared.queue or "", answered, no_ack=True)
                self._depend_on(channel, raw)
                self._replies = declared.queue or ""
        return self._replies

    async def publish(
        self,
        to: str,
        message: Message,
        *,
        persistent: bool = False,
        exchange: str = "",
        mandatory: bool = False,
        correlation_id: str | None = None,
        reply_to: str | None = None,
        expires_s: float | None = None,
    ) -> None:
        """Send and return when the broker has confirmed. Raises `Unroutable`, `BusClosed`."""
        properties = spec.Basic.Properties(
            content_type="application/json",
            message_type=message.TYPE,
            delivery_mode=2 if persistent else 1,
            user_id=self._user,
            correlation_id=correlation_id,
            reply_to=reply_to,
            expiration=None if expires_s is None else str(max(0, int(expires_s * 1000))),
        )
        try:
            await self._basic_publish(
                encode(message),
                exchange=exchange,
                routing_key=to,
                properties=properties,
                mandatory=mandatory,
            )
        except PublishError:
            self._declared.discard(to)
            raise Unroutable(f"there is no queue {to}") from None
        except DeliveryError:
            raise BusClosed(f"the broker refused a message: queue {to} is full") from None
        except GONE as error:
            raise BusClosed(f"the connection was lost before {to} confirmed: {error}") from error

    @driver
    async def consume(self, queue: Queue, handling: Handling, prefetch: int) -> LinkConsumer:
        """Give deliveries of a queue to `handling`, at most `prefetch` at a time.

        Raises `Unavailable` when the queue has other arguments or may not be read.
        """
        self._declared.discard(queue.name)  # it may have been deleted while nobody consumed it
        await self.declare(queue)
        channel = await self._channel_of(queue)
        try:
            return await channel.consume(queue.name, handling, prefetch)
        except ChannelAccessRefused as error:
            raise Unavailable(
                f"user {self._user!r} of the broker may not read queue {queue.name} ({error})"
            ) from error

    async def _channel_of(self, queue: Queue) -> ConsumerChannel:
        """One of its own, or for a host one that others use too. While one is busy another is
        opened, so that many who come together do not wait for each other."""
        if queue.kind is not QueueKind.HOST:
            return await self._consumer_channel(1)
        for shared in self._shared:
            if shared.takes_one_more:
                return shared
        opened = await self._consumer_channel(SHARED_BY)
        self._shared.append(opened)
        return opened

    @driver
    async def subscribe(self, topics: Sequence[str], handling: Handling) -> LinkConsumer:
        """Give events to `handling`, one at a time, in order."""
        channel = await self._consumer_channel(1)
        declared = await channel.raw.queue_declare(
            exclusive=True, auto_delete=True, arguments=EVENT_RULES.arguments
        )
        queue = declared.queue or ""
        for topic in topics[:-1]:  # nobody waits for each: the answer to the last is that to all
            await channel.raw.queue_bind(queue, EVENTS, topic, nowait=True)
        await channel.raw.queue_bind(queue, EVENTS, topics[-1])
        return await channel.consume(queue, handling, 1)

    async def _consumer_channel(self, room: int) -> ConsumerChannel:
        channel, raw = await self._channel()

        async def close() -> None:
            channel.close_callbacks.discard(self._closed)  # this end is wanted
            await channel.close()

        return ConsumerChannel(raw, close, room, lambda: self._depend_on(channel, raw))
