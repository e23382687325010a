"""What happens to one delivery, whichever broker it came from, and to calls that wait.

Owns: decoding, running the handler, the pause before another try, giving up, matching replies.
May not: talk to a broker; the adapters carry out the `Verdict`.
Crash story: failures are remembered in this process for queues whose broker does not count them,
so a message that kills its consumer is counted from the start by the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import structlog
from prometheus_client import Counter

from common.bus.port import BusClosed, Delivery, GiveBack, Handler, RejectMessage
from common.errors import Timeout
from common.messages.base import Message, UndecodableMessage, decode
from common.runtime.ports import Clock, Random
from common.runtime.tasks import Tasks

log = structlog.get_logger(__name__)

RETRY_BASE_S = 0.05
RETRY_CAP_S = 5.0
"""A failed delivery waits a random time below base * 2^attempt, at most this, before it goes back:
ten tries of a message outlast a restart of the database."""
REMEMBERED_FAILURES = 10_000
DRAIN_S = 10.0
"""How long a consumer that ends waits for its handlers before it cancels them."""

LATE_REPLIES = Counter("muster_bus_late_replies_total", "Replies that nobody waited for any more")
GIVEN_UP = Counter("muster_bus_given_up_total", "Messages not delivered again", ["queue", "reason"])


def events_name(topics: Sequence[str]) -> str:
    """What a subscription is called in logs."""
    more = f" and {len(topics) - 1} more" if len(topics) > 1 else ""
    return f"events {topics[0]}{more}"


class Verdict(Enum):
    """What the adapter must tell the broker about a delivery."""

    DONE = "done"
    AGAIN = "again"
    GIVE_UP = "give_up"


@dataclass(frozen=True)
class Received:
    """A delivery as bytes and properties. `attempts` is the broker's count of earlier ones."""

    body: bytes
    message_id: str
    redelivered: bool
    attempts: int = 0
    reply_to: str | None = None
    correlation_id: str | None = None
    user_id: str | None = None


class Handling:
    """One consumer's handler, the deliveries it is busy with and its memory of failures.

    `deliveries` is how often one message is tried; `queue` is its name, for logs and counters.
    """

    def __init__(
        self, queue: str, handler: Handler, deliveries: int, clock: Clock, random: Random
    ) -> None:
        self._queue = queue
        self._handler = handler
        self._deliveries = deliveries
        self._random = random
        self._tasks = Tasks(clock)
        self._running: set[asyncio.Task[None]] = set()
        self._failures: dict[str, int] = {}
        self._ending = asyncio.Event()
        self._abandoned = False

    def begin(self, received: Received, settle: Callable[[Verdict], Awaitable[None]]) -> None:
        """Handle a delivery in the background and pass the verdict to `settle`."""

        async def handle_and_settle() -> None:
            try:
                verdict = await self._handle(received)
            except asyncio.CancelledError:
                if not self._abandoned:
                    await settle(Verdict.AGAIN)
                raise
            await settle(verdict)

        task = self._tasks.spawn(f"handle {self._queue}", handle_and_settle())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    @property
    def idle(self) -> bool:
        return not self._running

    async def drain(self) -> None:
        """Wait for deliveries in flight (not for the one that asks); cancel what takes too long."""
        self._ending.set()
        others = self._running - {asyncio.current_task()}
        if not others:
            return
        _, slow = await asyncio.wait(others, timeout=DRAIN_S)
        for task in slow:
            log.warning("handler_cancelled", queue=self._queue, deadline_s=DRAIN_S)
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)

    def abandon(self) -> None:
        """Stop all handlers where they are, as a killed process would."""
        self._abandoned = True
        for task in self._running:
            task.cancel()

    async def _handle(self, received: Received) -> Verdict:
        try:
            message = decode(received.body)
        except UndecodableMessage as error:
            return self._give_up(received, "undecodable", error)
        if message.request_id:
            structlog.contextvars.bind_contextvars(request_id=message.request_id)
        delivery = Delivery(
            message,
            redelivered=received.redelivered,
            reply_to=received.reply_to,
            correlation_id=received.correlation_id,
            user_id=received.user_id,
        )
        try:
            await self._handler(delivery)
        except RejectMessage as error:
            return self._give_up(received, "rejected", error)
        except GiveBack as error:
            return await self._failed(received, message, error, said=True)
        except Exception as error:
            return await self._failed(received, message, error)
        self._failures.pop(received.message_id, None)
        return Verdict.DONE

    def _give_up(
        self, received: Received, reason: str, error: Exception, *, said: bool = False
    ) -> Verdict:
        self._failures.pop(received.message_id, None)
        GIVEN_UP.labels(queue=self._queue, reason=reason).inc()
        level = logging.DEBUG if said else logging.ERROR
        log.log(level, "message_given_up", queue=self._queue, reason=reason, error=str(error))
        return Verdict.GIVE_UP

    async def _failed(
        self, received: Received, message: Message, error: Exception, *, said: bool = False
    ) -> Verdict:
        attempt = 1 + max(received.attempts, self._failures.get(received.message_id, 0))
        log.log(
            logging.DEBUG if said else logging.WARNING,
            "handler_failed",
            queue=self._queue,
            message=message.TYPE,
            attempt=attempt,
            error=repr(error),
            exc_info=error if attempt == 1 and not said else None,
        )
        if attempt >= self._deliveries:
            return self._give_up(received, "failed", error, said=said)
        self._remember(received.message_id, attempt)
        pause_s = self._random.uniform(0, min(RETRY_CAP_S, RETRY_BASE_S * 2 ** min(attempt, 10)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._ending.wait()
        return Verdict.AGAIN

    def _remember(self, message_id: str, attempt: int) -> None:
        self._failures[message_id] = attempt
        if len(self._failures) > REMEMBERED_FAILURES:  # the oldest went to another consumer
            del self._failures[next(iter(self._failures))]


class Calls:
    """Calls of one process that wait for their replies."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Message]] = {}

    async def make(
        self, send: Callable[[str], Awaitable[None]], what: str, timeout_s: float
    ) -> Message:
        """`send` a request with the correlation id it is given and wait for its reply.

        Raises what `send` raises, `Timeout`, and `BusClosed` when the reply address is lost.
        """
        began = self._clock.monotonic()
        correlation_id = str(next(self._numbers))
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = reply
        try:
            await send(correlation_id)
            async with asyncio.timeout(timeout_s - (self._clock.monotonic() - began)):
                return await reply
        except TimeoutError:
            raise Timeout(f"{what} was not answered within {timeout_s:g} s") from None
        finally:
            del self._waiting[correlation_id]
            if not reply.cancel() and not reply.cancelled():
                reply.exception()  # seen; else asyncio complains when nobody waited for it

    def answered(self, correlation_id: str | None, body: bytes) -> None:
        """Hand a reply to its call; one that nobody waits for is dropped."""
        reply = self._waiting.get(correlation_id or "")
        if reply is None or reply.done():
            LATE_REPLIES.inc()
            log.debug("late_reply_dropped", correlation_id=correlation_id)
            return
        try:
            reply.set_result(decode(body))
        except UndecodableMessage as error:
            reply.set_exception(error)

    def fail_all(self, reason: str) -> None:
        """The reply address is gone: no reply can come any more."""
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(BusClosed(reason))


@contextlib.asynccontextmanager
async def confirmed_within(
    timeout_s: float, queue: str, what: str = "a message to"
) -> AsyncIterator[None]:
    """Raise `BusClosed` when the block, a publish to `queue`, takes longer than `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise BusClosed(f"{what} {queue} was not confirmed within {timeout_s:g} s") from None
