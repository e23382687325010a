"""Composition root of the compute agent: one process, one or many hosts.

Owns: which driver serves which host, starting and stopping all of them, hearing events for all.
May not: touch the database. Crash story: every host is on its own, see `agent.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from common.bus.port import Delivery, Subscription
from common.config.settings import ComputeSettings, Settings
from common.errors import InvalidInput
from common.runtime.ports import Clock, Ports
from common.runtime.tasks import Tasks
from services.compute import uploads
from services.compute.agent import Agent
from services.compute.console_listener import ConsoleListener
from services.compute.drivers.base import Driver
from services.compute.drivers.simulated import FAULTY, SimulatedDriver
from services.compute.faults import FaultRegistry
from services.compute.freezing import HostClock

CONCURRENT_STARTS = 50
WATCH_BUS_S = 0.5
SPREAD_S = 2.0
SPREAD_PER_HOST_S = 0.01
CONCURRENT_REPORTS = 50
"""When a process stood still all its hosts say hello. Done all at once by thousands of hosts, that
itself takes longer than a gap, and so would never end."""
"""After an outage of the broker the hosts of a process report at random times within the first,
and longer by the second for each of them."""


@dataclass(frozen=True)
class DriverKind:
    """How a driver is made, and at which verbs it asks for fault rules."""

    make: Callable[[str, ComputeSettings, Clock, FaultRegistry], Driver]
    faulty: frozenset[str] = frozenset()


def _simulated(host: str, settings: ComputeSettings, clock: Clock, faults: FaultRegistry) -> Driver:
    return SimulatedDriver(host, settings, clock, faults=faults)


DRIVERS: Mapping[str, DriverKind] = {"simulated": DriverKind(_simulated, FAULTY)}
"""By `compute.driver`: the one place that names drivers."""


class ComputeService:
    """`agents` by host name; `faults` are the fault rules of all hosts of this process."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        compute = settings.compute
        hosts = compute.hosts or [compute.host_name]
        for host in hosts:
            if hosts.count(host) > 1:
                raise InvalidInput(f"compute.hosts: {host!r} is listed twice; name each host once")
        kind = DRIVERS[compute.driver]
        self.faults = FaultRegistry(ports.clock, ports.random, kind.faulty | {uploads.VERB})
        self._consoles = ConsoleListener(compute.consoles, ports.clock, ports.ids)
        self.agents: dict[str, Agent] = {}
        at_once = asyncio.Semaphore(CONCURRENT_REPORTS)
        for host in hosts:
            clock = HostClock(ports.clock)
            driver = kind.make(host, compute, clock, self.faults)
            self.agents[host] = Agent(
                host,
                settings,
                ports,
                driver=driver,
                clock=clock,
                consoles=self._consoles,
                faults=self.faults,
                spread_s=SPREAD_S + SPREAD_PER_HOST_S * len(hosts),
                at_once=at_once,
            )
        self._bus = ports.bus
        self._tasks = Tasks(ports.clock)
        self._events: Subscription | None = None
        self._link = (False, 0)

    @property
    def ready(self) -> bool:
        """Every host serves."""
        return all(agent.serving for agent in self.agents.values())

    async def start(self) -> None:
        """Returns when every host serves. What it raises names the host and the reason; nothing
        is held then."""
        try:
            await self._consoles.start()
            for agent in self.agents.values():
                await agent.open()
            topics = [f"host.{host}" for host in self.agents]
            self._events = await self._bus.subscribe(topics, self._on_event)
            await self._each(lambda agent: agent.serve())
        except BaseException:
            await self.stop()
            raise
        self._link = (self._bus.connected, self._bus.connections)
        self._tasks.loop("watch bus", WATCH_BUS_S, self._watch_bus)

    async def stop(self) -> None:
        await self._end()
        await self._each(lambda agent: agent.stop())

    async def crash(self) -> None:
        await self._end()
        await self._each(lambda agent: agent.crash())

    async def _end(self) -> None:
        await self._tasks.stop()
        await self._consoles.stop()
        events, self._events = self._events, None
        if events is not None:
            await events.cancel()

    def freeze(self) -> None:
        """All hosts stand still, as a process under SIGSTOP."""
        for agent in self.agents.values():
            agent.freeze()

    def thaw(self) -> None:
        for agent in self.agents.values():
            agent.thaw()

    async def _each(self, act: Callable[[Agent], Awaitable[None]]) -> None:
        """For all hosts, also when one fails; raises the first failure."""
        limit = asyncio.Semaphore(CONCURRENT_STARTS)

        async def one(agent: Agent) -> None:
            async with limit:
                await act(agent)

        results = await asyncio.gather(
            *(one(agent) for agent in self.agents.values()), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _on_event(self, delivery: Delivery) -> None:
        agent = self.agents.get(getattr(delivery.message, "host", ""))
        if agent is not None:
            agent.on_event(delivery.message)

    async def _watch_bus(self) -> None:
        link = (self._bus.connected, self._bus.connections)
        if link != self._link:
            self._link = link
            for agent in self.agents.values():
                agent.look()


def create(settings: Settings, ports: Ports) -> ComputeService:
    """See common/runtime/service.py for the life cycle."""
    return ComputeService(settings, ports)
