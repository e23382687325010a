"""One AMQP connection from its opening to its loss, through aio-pika; nothing else touches AMQP.

Owns: channels, declarations, confirmed publishes and acknowledgements of one connection.
A `Link` is opened, used and thrown away as a whole: anything unexpected (a closed channel, a
consumer that the broker cancelled) loses it, and its owner opens another. That is the only
recovery path; aio-pika's "robust" classes and its RPC pattern are not used.
May not: reconnect, repeat anything, know any message type.
Crash story: the broker returns what was not acknowledged, and forgets exclusive queues.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, ConnectionParameter
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)
from aiormq import ChannelAccessRefused, TransportFactory, spec
from aiormq.abc import AbstractChannel as RawChannel
from aiormq.abc import DeliveredMessage
from aiormq.connection import TCPTransportFactory, TLSTransportFactory
from yarl import URL

from common.bus.handling import Calls, Handling, Received, Verdict
from common.bus.port import BusClosed, Queue, Unroutable
from common.bus.topology import DEAD, DEAD_LETTERS, EVENT_RULES, EVENTS, RULES
from common.errors import Unauthorized, Unavailable
from common.messages.base import Message, encode

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0

GONE = (*CONNECTION_EXCEPTIONS, asyncio.InvalidStateError)
"""What aio-pika raises when the channel or connection it was using is gone."""

for _library in ("aiormq", "aio_pika"):
    # They log each failed attempt, with tracebacks; the bus says it once, with the reason.
    logging.getLogger(_library).addHandler(logging.NullHandler())
    logging.getLogger(_library).propagate = False

_Declare = Callable[[AbstractChannel, bool], Awaitable[object]]
P = ParamSpec("P")
T = TypeVar("T")


def _driver(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Raise one of `GONE` for a `CancelledError` that is none.

    aiormq ends with it what waits on a connection that it gives up; the caller would believe that
    it is being cancelled itself, and a loop would end in silence.
    """

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise ConnectionResetError("the connection was given up") from error

    return call


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
        ConnectionParameter("transport_factory", lambda wire: wire, is_kwarg=True),
    )


class Link:
    """`lost` is the reason the connection ended with; then the link is of no more use.

    `url` carries the credentials; replies to calls go to `calls`.
    """

    def __init__(self, url: URL, calls: Calls) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._user = url.user
        self._calls = calls
        self._wire = _Wire()
        self._connection = _Connection(url, transport_factory=self._wire)
        self._declared: set[str] = set()
        self._declaring = asyncio.Lock()
        self._replies: str | None = None

    @_driver
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
        self._basic_publish = _driver(raw.basic_publish)
        for name, kind in ((EVENTS, "topic"), (DEAD_LETTERS, "fanout")):

            async def declare(
                channel: AbstractChannel, passive: bool, name: str = name, kind: str = kind
            ) -> None:
                await channel.declare_exchange(name, kind, durable=True, passive=passive)

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
        raw.on_consumer_cancel_callbacks.add(lambda _: self.lose("a consumer was cancelled"))
        if channel.is_closed:
            self.lose("a channel was closed")

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

    @_driver
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

    @_driver
    async def depth(self, queue: Queue) -> int:
        """Messages that wait; 0 for a queue that does not exist."""
        try:
            async with self._connection.channel() as channel:
                declared = await channel.declare_queue(queue.name, passive=True)
                return declared.declaration_result.message_count or 0
        except ChannelNotFoundEntity:
            return 0

    @_driver
    async def reply_address(self) -> str:
        """The queue of this connection's replies, declared when the first call is made."""

        async def answered(message: DeliveredMessage) -> None:
            self._calls.answered(message.header.properties.correlation_id, message.body)

        async with self._declaring:
            if self._replies is None:
                channel, raw = await self._channel()
                replies = await channel.declare_queue(exclusive=True, auto_delete=True)
                await raw.basic_consume(replies.name, answered, no_ack=True)
                self._depend_on(channel, raw)
                self._replies = replies.name
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

    @_driver
    async def consume(self, queue: Queue, handling: Handling, prefetch: int) -> LinkConsumer:
        """Give deliveries of a queue to `handling`, at most `prefetch` at a time.

        Raises `Unavailable` when the queue has other arguments or may not be read.
        """
        await self.declare(queue)
        channel, raw = await self._channel()
        await channel.set_qos(prefetch_count=prefetch)  # counts per consumer
        try:
            return await self._begin(channel, raw, queue.name, handling)
        except ChannelAccessRefused as error:
            raise Unavailable(
                f"user {self._user!r} of the broker may not read queue {queue.name} ({error})"
            ) from error

    @_driver
    async def subscribe(self, topic: str, handling: Handling) -> LinkConsumer:
        """Give events to `handling`, one at a time, in order."""
        channel, raw = await self._channel()
        await channel.set_qos(prefetch_count=1)
        queue = await channel.declare_queue(
            exclusive=True, auto_delete=True, arguments=EVENT_RULES.arguments
        )
        await queue.bind(EVENTS, topic)
        return await self._begin(channel, raw, queue.name, handling)

    async def _begin(
        self, channel: AbstractChannel, raw: RawChannel, queue: str, handling: Handling
    ) -> LinkConsumer:
        consumer = LinkConsumer(raw, handling)
        consumed = await raw.basic_consume(queue, consumer.on_message)
        self._depend_on(channel, raw)

        async def close() -> None:
            channel.close_callbacks.discard(self._closed)  # this end is wanted
            await channel.close()

        consumer.started(consumed.consumer_tag or "", close)
        return consumer


class LinkConsumer:
    """A consumer of one link, on a channel of its own."""

    def __init__(self, raw: RawChannel, handling: Handling) -> None:
        self._raw = raw
        self._handling = handling

    def started(self, tag: str, close: Callable[[], Awaitable[None]]) -> None:
        self._tag = tag
        self._close = close

    async def on_message(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        attempts = (properties.headers or {}).get("x-delivery-count")
        received = Received(
            message.body,
            properties.message_id or "",
            bool(message.redelivered),
            attempts=attempts if isinstance(attempts, int) else 0,
            reply_to=properties.reply_to,
            correlation_id=properties.correlation_id,
            user_id=properties.user_id,
        )
        tag = message.delivery_tag or 0

        async def settle(verdict: Verdict) -> None:
            try:
                if verdict is Verdict.DONE:
                    await self._raw.basic_ack(tag, wait=False)
                else:  # reject and not nack: only the former counts as a failed delivery
                    again = verdict is Verdict.AGAIN
                    await self._raw.basic_reject(tag, requeue=again, wait=False)
            except GONE as error:
                log.debug("acknowledgement_lost", error=str(error))

        self._handling.begin(received, settle)

    async def stop(self) -> None:
        """Receive nothing more; what is in flight can still be acknowledged."""
        with suppress(*GONE):
            await _driver(self._raw.basic_cancel)(self._tag)

    async def close(self) -> None:
        """What is not acknowledged goes back."""
        with suppress(*GONE):
            await _driver(self._close)()
