"""What a chaos run works on: a throw-away cluster, a client, its database, its switches.

Owns: the settings such a cluster has, and looking at all of it at once.
May not: do anything to it by itself. Crash story: see deploy/load/throwaway.py.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.config.settings import DatabaseSettings
from common.db.pool import Pool, close_pool, create_pool
from common.runtime.ports import Clock
from deploy.chaos.invariants import Facts, gather
from deploy.chaos.volumes import Volumes
from deploy.load.client import Client
from deploy.load.throwaway import ROOMY, settings_of
from deploy.local import control
from deploy.local.home import Home, LocalClusterError
from deploy.local.relay import RelayControl

POLL_S = 0.02
Say = Callable[[str], None]


@dataclass(frozen=True)
class Timers:
    """Short ones, so that a run takes a minute and not ten. Seconds."""

    report_interval_s: float = 1.0
    service_down_time_s: float = 5.0
    spawn_delay_s: float = 0.1
    request_s: float = 10.0
    """What an API that dies has told the volume service is undone after this."""
    more: tuple[tuple[str, object], ...] = ()
    """Further settings, named as for `settings_of`."""

    def settings(self) -> dict[str, str]:
        return settings_of(
            servicegroup__report_interval_s=self.report_interval_s,
            servicegroup__service_down_time_s=self.service_down_time_s,
            compute__simulated__spawn_delay_s=self.spawn_delay_s,
            disks__request_s=self.request_s,
            **dict(self.more),
            **dict(ROOMY),
        )


class Testbed:
    """Made by `running_testbed`."""

    def __init__(self, home: Home, client: Client, pool: Pool) -> None:
        self.home = home
        self.client = client
        self.pool = pool
        self.clock: Clock = client.clock
        self.brought: set[str] = set()
        """Volumes that the run has made as a user; nobody else may delete them."""

    @property
    def compute(self) -> Path:
        """Where the hosts keep their state."""
        return self.home.path / "compute"

    async def act(self, action: str, name: str) -> None:
        """kill, start, freeze, thaw, ... one service; returns when it has had its effect."""
        await asyncio.to_thread(control.connect(self.home).act, action, name)

    async def cut(self, name: str, *services: str) -> int:
        """Cut a service off all it talks to, or off `services` ("bus", "database") only; how many
        of its connections hang now."""
        return await asyncio.to_thread(self._relay.cut, name, services)

    async def mend(self, name: str, *, reset: bool = False) -> None:
        """What was held back arrives; with `reset` its connections break instead."""
        await asyncio.to_thread(self._relay.mend, name, reset=reset)

    @property
    def _relay(self) -> RelayControl:
        return RelayControl(self.home.relay_socket)

    async def until(
        self, what: str, probe: Callable[[], Awaitable[bool]], *, within_s: float = 60.0
    ) -> float:
        """Seconds until `probe` says yes; raises `LocalClusterError` when it does not."""
        began = self.clock.monotonic()
        while not await probe():
            if self.clock.monotonic() - began > within_s:
                raise LocalClusterError(f"waited {within_s:.0f} s in vain: {what}")
            await self.clock.sleep(POLL_S)
        return round(self.clock.monotonic() - began, 3)

    async def read_disks(self) -> Path:
        """The directory with the hosts' state, as it is now."""
        return self.compute

    async def look(self) -> Facts:
        """All facts now. The API must be reachable."""
        await self.read_disks()
        images = (await self.client.get("/v2/images?limit=1000", service="image"))["images"]
        ports = (await self.client.get("/v2.0/ports", service="network"))["ports"]
        shown = await self.client.server_list("all_tenants=1", detail=True)
        disks = await Volumes.gather(self.pool, self.client, self.brought)
        return await gather(self.pool, self.compute, ports, shown, images=images, disks=disks)

    async def hosts(self) -> dict[str, dict[str, Any]]:
        """Records of all hosts in os-services, by name."""
        services = (await self.client.get("/os-services?binary=nova-compute"))["services"]
        return {service["host"]: service for service in services}

    async def compute_service(self, host: str) -> dict[str, Any]:
        """The host's record in os-services."""
        path = f"/os-services?host={host}&binary=nova-compute"
        service: dict[str, Any] = (await self.client.get(path))["services"][0]
        return service

    async def force_down(self, host: str, *, forced: bool) -> None:
        service = await self.compute_service(host)
        await self.client.must("PUT", f"/os-services/{service['id']}", {"forced_down": forced})

    async def enable(self, service: dict[str, Any], *, enabled: bool) -> None:
        """Whether new servers may go to a host."""
        status = "enabled" if enabled else "disabled"
        await self.client.must("PUT", f"/os-services/{service['id']}", {"status": status})


def database_of(home: Home) -> DatabaseSettings:
    """The database of a cluster of processes, from the configuration of the one service that never
    reaches it through a relay."""
    config = tomllib.loads((home.path / "config" / "standins.toml").read_text())
    return DatabaseSettings(**{**config["database"], "pool_size": 2})


@asynccontextmanager
async def running_testbed(home: Home, *, connections: int = 60) -> AsyncIterator[Testbed]:
    """Client and database sessions for as long as the block runs."""
    async with Client(home, connections=connections) as client:
        pool = await create_pool(database_of(home), application="muster-chaos", min_size=0)
        try:
            yield Testbed(home, client, pool)
        finally:
            await close_pool(pool)
