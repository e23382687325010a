"""Consumers of one link, and the channels they are on.

Owns: prefetch, acknowledgements, and giving back what a consumer that ends has not finished.
A broker allows some 2,000 channels on a connection and one process may run more hosts than that:
consumers of hosts share channels, every other one has its own.
May not: end a shared channel. Whatever ends one ends the link.
Crash story: the broker gives back what was not acknowledged on a channel that is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from aiormq.abc import AbstractChannel as RawChannel
from aiormq.abc import DeliveredMessage

from common.bus.amqp_driver import GONE, driver
from common.bus.handling import Handling, Received, Verdict

log = structlog.get_logger(__name__)

SHARED_BY = 100
"""Consumers on one shared channel: few enough that the broker finds the deliveries of one among
those of all, enough for tens of thousands on a connection."""


class ConsumerChannel:
    """A channel with room for `room` consumers, or for one, with which it is closed.

    `depend` is called when it has a consumer: from then on nobody may end it but `close`.
    """

    def __init__(
        self,
        raw: RawChannel,
        close: Callable[[], Awaitable[None]],
        room: int,
        depend: Callable[[], None],
    ) -> None:
        self.raw = raw
        self._close = close
        self._depend = depend
        self._room = room
        self._shared = room > 1
        self._prefetch: int | None = None
        self._asking = asyncio.Lock()

    @property
    def takes_one_more(self) -> bool:
        """Now: it has room, and nobody is beginning to consume on it."""
        return self._room > 0 and not self._asking.locked() and not self.raw.is_closed

    async def consume(self, queue: str, handling: Handling, prefetch: int) -> LinkConsumer:
        consumer = LinkConsumer(self, handling)
        self._room -= 1
        async with self._asking:  # the prefetch that was set last is that of the next consumer
            if prefetch != self._prefetch:
                await self.raw.basic_qos(prefetch_count=prefetch)
                self._prefetch = prefetch
            consumed = await self.raw.basic_consume(queue, consumer.on_message)
        consumer.tag = consumed.consumer_tag or ""
        self._depend()
        return consumer

    async def leave(self) -> None:
        """A consumer has ended."""
        self._room += 1
        if not self._shared:
            await self._close()


class LinkConsumer:
    """One consumer and its deliveries that are not settled yet."""

    tag: str

    def __init__(self, channel: ConsumerChannel, handling: Handling) -> None:
        self._channel = channel
        self._raw = channel.raw
        self._handling = handling
        self._unsettled: set[int] = set()
        self._stopped = False
        self._left = False

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
        self._unsettled.add(tag)

        async def settle(verdict: Verdict) -> None:
            await self._settle(tag, verdict)

        self._handling.begin(received, settle)

    async def _settle(self, tag: int, verdict: Verdict) -> None:
        if tag not in self._unsettled:  # given back meanwhile
            return
        self._unsettled.discard(tag)
        try:
            if verdict is Verdict.DONE:
                await self._raw.basic_ack(tag, wait=False)
            else:  # reject and not nack: only the former counts as a failed delivery
                again = verdict is Verdict.AGAIN
                await self._raw.basic_reject(tag, requeue=again, wait=False)
        except GONE as error:
            log.debug("acknowledgement_lost", error=str(error))
        if self._stopped and not self._unsettled:
            await self._leave()

    async def stop(self) -> None:
        """Receive nothing more; what is in flight can still be settled."""
        if not self._stopped:
            with suppress(*GONE):
                await driver(self._raw.basic_cancel)(self.tag)
            self._stopped = True

    async def close(self) -> None:
        """Receive nothing more; what is not settled goes back."""
        await self.stop()
        with suppress(*GONE):
            while self._unsettled:
                await self._raw.basic_reject(self._unsettled.pop(), requeue=True, wait=False)
        await self._leave()

    async def _leave(self) -> None:
        if not self._left:
            self._left = True
            with suppress(*GONE):
                await driver(self._channel.leave)()
