"""Conductors under hosts that only talk: real PostgreSQL, each conductor with its own way to it.

Time is moved by moving the stamps in the rows, and a conductor's own clock with them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

from common.bus.memory import MemoryBroker, MemoryBus
from common.bus.port import Delivery
from common.bus.topology import HEARTBEATS, HOSTS
from common.config.settings import Settings
from common.db.pool import Pool, close_pool, create_pool
from common.db.stores import services as store
from common.messages.compute import (
    GuestReport,
    Heartbeat,
    HostGoodbye,
    HostReport,
    HostVerdicts,
    Resources,
)
from common.runtime.ports import Clock, Ports
from common.runtime.tasks import Tasks
from services.conductor import app as conductor
from tests.support.cluster import merged
from tests.support.database_proxy import DatabaseProxy
from tests.support.wait import wait_for

REPORT_INTERVAL_S = 0.1
DOWN_TIME_S = 3.0
"""More than an interval and the second in which observed time outlives its last beat."""
RESOURCES = Resources(
    hypervisor_hostname="node",
    hypervisor_type="fake",
    hypervisor_version=1,
    host_ip="127.0.0.1",
    vcpus=8,
    memory_mib=8192,
    disk_gib=100,
)


class ShiftedClock(Clock):
    """A clock that can jump, as that of a process that has stood still."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


class CountedPool:
    """A pool that remembers the arguments of every statement."""

    def __init__(self, pool: Pool) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        original = getattr(self._pool, name)
        if name not in ("fetch", "fetchrow", "fetchval", "execute"):
            return original

        async def counted(query: str, *args: Any, **kwargs: Any) -> Any:
            self.asked.append(args)
            return await original(query, *args, **kwargs)

        return counted


@dataclass
class Member:
    service: Any
    bus: MemoryBus
    pool: Any
    proxy: DatabaseProxy
    clock: ShiftedClock


@dataclass
class Host:
    """The voice of an agent."""

    name: str
    bus: MemoryBus
    epoch: str = field(default_factory=lambda: str(uuid4()))
    inventory: str | None = None
    guests: list[GuestReport] = field(default_factory=list)
    resources: Resources = RESOURCES
    rechecks: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def report(self, kind: Any, **said: Any) -> HostVerdicts:
        message = HostReport(
            kind=kind,
            host=self.name,
            host_id=f"id-{self.name}",
            epoch=self.epoch,
            resources=self.resources,
            guests=said.pop("guests", self.guests),
            inventory=said.pop("inventory", self.inventory),
        )
        answer = await self.bus.call(HOSTS, message, timeout_s=5)
        assert isinstance(answer, HostVerdicts), answer
        return answer

    async def heartbeat(self) -> None:
        message = Heartbeat(host=self.name, epoch=self.epoch, inventory=self.inventory)
        await self.bus.publish(HEARTBEATS, message)

    async def goodbye(self, *, guests_stopped: bool = True) -> None:
        message = HostGoodbye(host=self.name, epoch=self.epoch, guests_stopped=guests_stopped)
        await self.bus.publish(HOSTS, message)

    async def on_recheck(self, _: Delivery) -> None:
        self.rechecks += 1
        self.asked.set()


class Rig:
    def __init__(self, database_url: str, pool: Pool, **overrides: Any) -> None:
        self.pool = pool
        self.broker = MemoryBroker()
        self.members: dict[str, Member] = {}
        self.hosts: dict[str, Host] = {}
        self._url = database_url
        self._overrides = overrides
        self._tasks = Tasks(Clock())
        self._beating: dict[str, asyncio.Task[Any]] = {}

    async def conductor(self, name: str = "one", **overrides: Any) -> Member:
        proxy = DatabaseProxy(self._url)
        await proxy.start()
        base = {
            "servicegroup": {
                "report_interval_s": REPORT_INTERVAL_S,
                "service_down_time_s": DOWN_TIME_S,
                "beat_interval_s": 0.05,
            },
            "conductor": {"host_name": name},
            "database": {"url": proxy.url, "command_timeout_s": 1.0},
            "bus": {"call_timeout_s": 1.0},
        }
        settings = Settings(**merged(base, self._overrides, overrides))
        pool: Any = CountedPool(await create_pool(settings.database))
        bus, clock = MemoryBus(self.broker), ShiftedClock()
        await bus.start()
        service = conductor.create(settings, Ports(bus=bus, pool=pool, clock=clock))
        await service.start()
        self.members[name] = member = Member(service, bus, pool, proxy, clock)
        return member

    async def kill(self, name: str) -> None:
        member = self.members.pop(name)
        await member.bus.crash()
        await member.service.crash()
        member.pool.terminate()
        await member.proxy.stop()

    async def host(self, name: str = "a", *, beating: bool = True, **facts: Any) -> Host:
        """A host that has said hello."""
        bus = MemoryBus(self.broker)
        await bus.start()
        self.hosts[name] = host = Host(name, bus, **facts)
        await bus.subscribe(f"host.{name}", host.on_recheck)
        assert (await host.report("hello")).accepted
        if beating:
            self._beating[name] = self._tasks.loop(name, REPORT_INTERVAL_S, host.heartbeat)
        return host

    def silence(self, name: str) -> None:
        self._beating.pop(name).cancel()

    async def standing(self, name: str = "a") -> str:
        return await store.host_standing(self.pool, name)

    async def becomes(self, standing: str, name: str = "a", within_s: float = 10.0) -> None:
        async def there() -> bool:
            return await self.standing(name) == standing

        await wait_for(there, within_s, f"{name} to be {standing}")

    async def pass_time(self, seconds: float) -> None:
        """As if nobody had looked for so long."""
        await self.pool.execute(
            "with moved as (update observer set beat_at = beat_at - make_interval(secs => $1)) "
            "update services set lease_expires_at = lease_expires_at - make_interval(secs => $1), "
            "last_seen_up = last_seen_up - make_interval(secs => $1)",
            seconds,
        )

    async def beats(self, count: int = 1) -> None:
        """Return when observed time has moved on so often."""
        for _ in range(count):
            before = await self.pool.fetchval("select beat_at from observer")

            async def moved(before: Any = before) -> bool:
                return bool(await self.pool.fetchval("select beat_at > $1 from observer", before))

            await wait_for(moved, what="a beat")

    async def stop(self) -> None:
        await self._tasks.stop()
        for name in list(self.members):
            member = self.members.pop(name)
            await member.proxy.mend()
            await member.service.stop()
            await member.bus.stop()
            await close_pool(member.pool)
            await member.proxy.stop()
        for host in self.hosts.values():
            await host.bus.stop()


class Watch:
    """Looks at hosts all the time and remembers what else than `up` they ever were."""

    def __init__(self, rig: Rig, *names: str) -> None:
        self._rig = rig
        self._names = names
        self._task: asyncio.Task[None] | None = None
        self.seen: list[tuple[str, str]] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        assert not self.seen, "a live host was shown as down"

    async def _look(self) -> None:
        while True:
            for name in self._names:
                standing = await self._rig.standing(name)
                if standing != "up":
                    self.seen.append((name, standing))
            await asyncio.sleep(0.005)
