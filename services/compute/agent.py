"""One life of the agent of one host: from its lock to its goodbye.

Owns: the order of start and stop, heartbeats, the host's queue, its clock.
May not: serve a command before the truth about this host's guests is known; subscribe to events,
which is done once for all hosts of a process (`app.py`).
Crash story: guests are held by the next life until it has been told the truth; commands that were
not answered come again; the host counts as down when its heartbeats have been missing for long
enough.
"""

from __future__ import annotations

import asyncio

import structlog

from common.bus.port import Bus, BusClosed, Delivery, Subscription, Unroutable
from common.bus.topology import HEARTBEATS, HOSTS, host_queue
from common.config.settings import Settings
from common.errors import Conflict, MusterError
from common.messages.base import Message
from common.messages.compute import GuestEvent, GuestRelease, Heartbeat, HostGoodbye, HostRecheck
from common.messages.faults import FaultRules
from common.runtime.ports import Ports
from common.runtime.tasks import Tasks
from services.compute import fault_rules
from services.compute.commands import Commands
from services.compute.console_listener import ConsoleListener
from services.compute.consoles import Consoles
from services.compute.drivers.base import Driver, GuestInfo
from services.compute.drivers.optional import Gap, GuestEvents
from services.compute.faults import FaultRegistry
from services.compute.freezing import HostClock
from services.compute.identity import load_host_id
from services.compute.metrics import HELD
from services.compute.provisioning import Provisioning
from services.compute.reports import Refused, Reports
from services.compute.secrets import Secrets
from services.compute.uploads import Uploads
from services.compute.verbs import Actors

log = structlog.get_logger(__name__)

GOODBYE_TIMEOUT_S = 2.0
HEARTBEAT_TIMEOUT_S = 5.0


class Agent:
    """Starts once: `open()`, `serve()`, then `stop()` or `crash()`, both at any point."""

    def __init__(
        self,
        host: str,
        settings: Settings,
        ports: Ports,
        *,
        driver: Driver,
        clock: HostClock,
        consoles: ConsoleListener,
        faults: FaultRegistry | None = None,
        spread_s: float = 0.0,
        at_once: asyncio.Semaphore | None = None,
    ) -> None:
        """`driver` runs on `clock` too, so that freezing the host freezes its guests; `consoles` is
        where their consoles are reached. After an outage of the broker the host reports at a
        random time within `spread_s`."""
        self.host = host
        self.driver = driver
        self.clock = clock
        self.epoch = str(ports.ids.uuid())
        self.reports: Reports | None = None
        self.commands: Commands | None = None
        self._settings = settings
        self._ports = ports
        self._bus: Bus = ports.bus
        self._consoles = consoles
        self._faults = faults
        self._spread_s = spread_s
        self._at_once = at_once or asyncio.Semaphore()
        self._tasks = Tasks(clock)
        self._consumer: Subscription | None = None
        self._opened = False
        self._registered = False

    @property
    def serving(self) -> bool:
        """Registered, and the truth about its guests is known."""
        return self._registered and self.reports is not None and self.reports.known.is_set()

    async def open(self) -> None:
        """Take the host; its guests of an earlier life are held. Raises `Conflict` when another
        agent runs it, `HostCommandFailed` when its state cannot be used."""
        settings = self._settings
        directory = settings.compute.state_dir / self.host
        if self.driver.capabilities.fencing:
            self.driver.on_gap = self._on_gap  # type: ignore[attr-defined]
        if isinstance(self.driver, GuestEvents):
            self.driver.on_guest_event = self._on_guest_event
        try:
            await self.driver.start()
        except Conflict as error:
            raise Conflict(
                f"another agent already runs {self.host} (its state is in {directory}); "
                "stop it first or give this host another name (MUSTER_COMPUTE__HOST_NAME)"
            ) from error
        self._opened = True
        self.reports = Reports(
            self.host,
            load_host_id(directory, self._ports.ids),
            self.epoch,
            driver=self.driver,
            bus=self._bus,
            clock=self.clock,
            random=self._ports.random,
            tasks=self._tasks,
            settings=settings,
            spread_s=self._spread_s,
            at_once=self._at_once,
        )
        uploads = Uploads(
            self.host, settings, driver=self.driver, clock=self.clock, faults=self._faults
        )
        secrets = Secrets(self.driver)
        self.commands = Commands(
            self.host,
            actors=Actors(
                driver=self.driver,
                uploads=uploads,
                reports=self.reports,
                secrets=secrets,
                provisioning=Provisioning(self.driver, secrets),
                consoles=Consoles(self.driver, self._consoles, self.clock),
            ),
            reports=self.reports,
            bus=self._bus,
            clock=self.clock,
            tasks=self._tasks,
            faults=self._faults,
        )

    async def serve(self) -> None:
        """Register, apply the verdicts, and only then serve. Waits for a conductor; raises
        `Refused` when it does not take this agent."""
        assert self.reports is not None
        assert self.commands is not None
        try:
            await self.reports.hello()
        except Refused as error:
            raise Refused(f"host {self.host} is not accepted: {error}") from error
        self._registered = True
        log.info("host_registered", host=self.host, epoch=self.epoch)
        self._consumer = await self._bus.consume(
            host_queue(self.host), self._on_message, prefetch=self._settings.bus.prefetch
        )
        self._tasks.spawn(f"reports {self.host}", self.reports.run())
        interval_s = self._settings.servicegroup.report_interval_s
        self._tasks.loop(f"heartbeat {self.host}", interval_s, self._beat)

    async def stop(self) -> None:
        """Finish what has begun, give the rest back, stop the guests, say goodbye."""
        self.clock.thaw()
        if self.commands is not None:
            self.commands.close()
        await self._stop_consuming()
        await self._tasks.stop()
        if self._opened:
            self._opened = False
            await self.driver.stop()
            HELD.labels(host=self.host).set(0)
        if self._registered:
            self._registered = False
            await self._say_goodbye()

    async def crash(self) -> None:
        """End as a killed process does: no word, nothing finished, commands back in the queue."""
        self._registered = False
        if self.commands is not None:
            self.commands.close()
        await self._tasks.stop()
        if self._opened:
            self._opened = False
            await self.driver.crash()
        await self._stop_consuming()

    async def _stop_consuming(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.cancel()

    def freeze(self) -> None:
        """Stand still, as under SIGSTOP."""
        self.clock.freeze()

    def thaw(self) -> None:
        self.clock.thaw()

    def look(self) -> None:
        """Notice a gap, and that the link to the broker was lost, if nobody has yet."""
        if self._opened and self.reports is not None and not self.clock.frozen:
            self.reports.now()

    def on_event(self, message: Message) -> None:
        """An event on this host's topic. Returns at once: other hosts wait behind it."""
        if self._registered:
            self._tasks.spawn(f"event {message.TYPE} {self.host}", self._on_event(message))

    async def _on_event(self, message: Message) -> None:
        await self.clock.passage()
        assert self.reports is not None
        if isinstance(message, HostRecheck):
            self.reports.soon()
        elif isinstance(message, GuestRelease):
            self.reports.release(message)

    async def _beat(self) -> None:
        assert self.reports is not None
        self.reports.now()
        resources = await self.driver.resources()
        heartbeat = Heartbeat(
            host=self.host,
            epoch=self.epoch,
            running_guests=resources.running_guests,
            inventory=await self.reports.inventory(resources),
        )
        try:
            await self._bus.publish(HEARTBEATS, heartbeat, timeout_s=HEARTBEAT_TIMEOUT_S)
        except BusClosed as error:
            log.warning("heartbeat_not_sent", host=self.host, error=str(error))

    async def _on_message(self, delivery: Delivery) -> None:
        assert self.commands is not None
        if isinstance(delivery.message, FaultRules):
            await self.clock.passage()
            allowed = self._faults if self._settings.compute.fault_rules_enabled else None
            reply = fault_rules.answer(allowed, self.host, delivery.message)
            await self._bus.reply(delivery, reply)
        else:
            await self.commands.handle(delivery)

    def _on_gap(self, gap: Gap) -> None:
        if self.reports is not None:  # before: recovered guests, which the first hello is about
            self.reports.gap(gap)

    def _on_guest_event(self, guest: GuestInfo) -> None:
        if self._registered:
            self._tasks.spawn(f"guest event {guest.uuid}", self._tell_guest_event(guest))

    async def _tell_guest_event(self, guest: GuestInfo) -> None:
        await self.clock.passage()
        event = GuestEvent(
            host=self.host,
            epoch=self.epoch,
            server_uuid=guest.uuid,
            generation=guest.generation,
            power_state=guest.power_state,
        )
        try:
            await self._bus.publish(HOSTS, event)
        except (BusClosed, Unroutable, MusterError) as error:  # the next report says it too
            log.warning("guest_event_not_sent", server=guest.uuid, error=str(error))

    async def _say_goodbye(self) -> None:
        stopped = self.driver.capabilities.fencing  # its guests stop with the agent
        goodbye = HostGoodbye(host=self.host, epoch=self.epoch, guests_stopped=stopped)
        try:
            await self._bus.publish(HOSTS, goodbye, timeout_s=GOODBYE_TIMEOUT_S)
        except (BusClosed, Unroutable) as error:
            log.warning("goodbye_not_sent", host=self.host, error=str(error))
