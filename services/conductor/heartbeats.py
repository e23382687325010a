"""Hearing hosts: from a heartbeat in the queue to a lease in the database.

Owns: consuming heartbeats, writing them in one statement every beat, and the knowledge since when
this conductor has been listening without a break.
May not: decide what is up (that is the database's clock); keep what it cannot write. A heartbeat is
acknowledged when it is written. A conductor whose flush fails gives its heartbeats back and hears
nothing more until a flush succeeds, so that those who have the database get them.
Crash story: heartbeats not yet written go back to the queue; observed time stands still while
nobody beats (see schema.sql), so nobody goes down for it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence

import asyncpg
import structlog

from common.bus.port import BusClosed, Delivery, GiveBack, Subscription
from common.bus.topology import HEARTBEATS
from common.db.pool import OUT_OF_REACH, PoolConnection
from common.db.stores import services as store
from common.messages.compute import Heartbeat, HostRecheck, Probe
from common.runtime.tasks import Tasks
from services.conductor.engine.context import Deps

log = structlog.get_logger(__name__)

PROBE_S = 0.5
PROBE_TIMEOUT_S = 1.0
UNHEARD_S = 2.5
"""A broker that has taken no probe for this long counts as gone, and so do we: a process that stood
still has listened to nothing. More than a probe that just succeeds and the pause after it."""

PREFETCH = 5000
"""Heartbeats this conductor may hold until its next flush. Half of 10,000 hosts that report every
10 s are 500 a second: a flush may take its time."""
NOT_TAKEN = asyncpg.DataError
"""Something in a heartbeat is no value for the database. Another would not take it either, so it is
dropped, with those that came with it. Any other failure is this conductor's or the database's."""

RECHECKS_AT_ONCE = 20
MOST_RECHECKS = 200
"""Hosts asked to report per beat. Who is left out is found by its next heartbeat."""


class _Batch:
    """What was heard since the latest flush; the newest heartbeat of a host counts."""

    def __init__(self) -> None:
        self.heard: dict[str, tuple[float, Heartbeat]] = {}
        self.settled = asyncio.Event()
        self.given_back = False

    def rows(self, now: float) -> store.Heartbeats:
        rows = store.Heartbeats()
        for host, (at, message) in self.heard.items():
            rows.hosts.append(host)
            rows.epochs.append(message.epoch)
            rows.ages_s.append(now - at)
            rows.inventories.append(message.inventory)
        return rows


class Listener:
    """From `start` on it listens whenever both the broker and the database can be used."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._tasks = Tasks(deps.clock)
        self._down_time_s = deps.settings.servicegroup.service_down_time_s
        self._batch = _Batch()
        self._subscription: Subscription | None = None
        self._deaf = True
        self._since: float | None = None
        self._probed_at = 0.0
        self._previous: tuple[float, dt.datetime] | None = None
        self._rechecking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when a heartbeat would be heard, if one can be at the moment."""
        await self.probe()
        try:
            await self.beat()
        except OUT_OF_REACH as error:
            log.warning("not_listening", error=repr(error))
        self._tasks.loop("probe", PROBE_S, self.probe)
        self._tasks.loop("beat", self._deps.settings.servicegroup.beat_interval_s, self.beat)

    async def stop(self) -> None:
        """Give back what is not written."""
        await self._tasks.stop()
        await self._stop_listening()

    async def crash(self) -> None:
        await self._tasks.stop()

    async def on_heartbeat(self, delivery: Delivery) -> None:
        """Hold the delivery until it has been written."""
        message = delivery.message
        if isinstance(message, Probe):
            return
        assert isinstance(message, Heartbeat), message
        if self._deaf:
            raise GiveBack
        batch = self._batch
        batch.heard[message.host] = (self._deps.clock.monotonic(), message)
        await batch.settled.wait()
        if batch.given_back:
            raise GiveBack

    async def probe(self) -> None:
        """Ask whether heartbeats could come through: whether the broker takes one of ours.

        While it is out of reach, or stands still with open connections, nobody could be heard.
        """
        try:
            await self._deps.bus.publish(HEARTBEATS, Probe(), timeout_s=PROBE_TIMEOUT_S)
        except BusClosed:
            self._since = None
            return
        now = self._deps.clock.monotonic()
        if self._since is None or now - self._probed_at > UNHEARD_S:
            self._since = now
        self._probed_at = now

    def _listened_s(self) -> float | None:
        """How long every heartbeat would have been heard here; None: not at the moment."""
        now = self._deps.clock.monotonic()
        if not self._deps.bus.connected or now - self._probed_at > UNHEARD_S:
            self._since = None
        if self._since is None:
            return None
        return 0.0 if self._deaf else now - self._since

    async def beat(self) -> None:
        """Move observed time on and write what was heard; begin to listen when that worked."""
        try:
            async with self._deps.pool.acquire() as connection:
                beat = await self._flush(connection)
        except NOT_TAKEN:
            self._since = self._deps.clock.monotonic()  # what it brought is lost
            raise
        except Exception:
            await self._stop_listening()
            raise
        if beat is None:
            return
        if beat.given_back_s:
            log.warning("leases_extended", outage_s=round(beat.given_back_s, 1))
        if self._deaf:
            await self._listen()
        self._recheck(beat.changed)

    async def _flush(self, connection: PoolConnection) -> store.Beat | None:
        """None: nobody could be heard at the moment, so time must not move on."""
        listened_s = self._listened_s()
        if listened_s is None:
            return None
        batch, self._batch = self._batch, _Batch()
        now = self._deps.clock.monotonic()
        hearing = store.Hearing(listened_s)
        if self._previous is not None:
            sent, at = self._previous
            hearing = store.Hearing(listened_s, at, now - sent)
        try:
            beat = await store.beat(
                connection, batch.rows(now), hearing, down_time_s=self._down_time_s
            )
        except NOT_TAKEN:
            raise
        except BaseException:
            batch.given_back = True
            raise
        finally:
            batch.settled.set()
        self._previous = now, beat.at
        return beat

    async def _listen(self) -> None:
        self._deaf = False
        try:
            self._subscription = await self._deps.bus.consume(
                HEARTBEATS, self.on_heartbeat, prefetch=PREFETCH
            )
        except BaseException:
            self._deaf = True
            raise
        self._since = self._deps.clock.monotonic()
        log.info("listening")

    async def _stop_listening(self) -> None:
        """Let other consumers of the queue have what waits here."""
        if not self._deaf:
            log.warning("stopped_listening")
        self._deaf = True
        self._batch.given_back = True
        self._batch.settled.set()
        self._batch = _Batch()
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.cancel()

    def _recheck(self, hosts: Sequence[str]) -> None:
        """Ask hosts for a report, unless the hosts before them are still being asked."""
        if hosts and (self._rechecking is None or self._rechecking.done()):
            first = int(self._deps.random.random() * len(hosts))
            some = [*hosts[first:], *hosts[:first]][:MOST_RECHECKS]
            self._rechecking = self._tasks.spawn("recheck", self._ask(some))

    async def _ask(self, hosts: Sequence[str]) -> None:
        """Best effort: their next heartbeats ask again."""
        bus = self._deps.bus
        for first in range(0, len(hosts), RECHECKS_AT_ONCE):
            some = hosts[first : first + RECHECKS_AT_ONCE]
            await asyncio.gather(
                *(bus.publish_event(f"host.{host}", HostRecheck(host=host)) for host in some)
            )
