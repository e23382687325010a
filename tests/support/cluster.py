"""A whole cluster in the test's own event loop: every service, real PostgreSQL, real HTTP.

Timers are short, guests start at once, ports are chosen by the system. Services can be killed
and started one by one; invariants are checked against the database, the network service and the
guests' own drivers.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from common.bus.memory import MemoryBroker, MemoryBus
from common.config.settings import DatabaseSettings, Settings
from common.db.pool import close_pool, create_pool
from common.runtime.ports import Ports
from common.runtime.service import Service
from services.api import app as api
from services.compute import app as compute
from services.compute.drivers.simulated.log import overlaps, running_intervals
from services.conductor import app as conductor
from services.conductor.engine.definition import Definition
from services.conductor.workflows import DEFINITIONS
from services.consoles import app as consoles
from services.scheduler import app as scheduler
from services.standins import app as standins
from tests.support.volumes import VolumesOf, assert_volumes_sound
from tests.support.wait import wait_for

FAST: dict[str, Any] = {
    "servicegroup": {
        "report_interval_s": 0.2,
        "service_down_time_s": 6.0,
        "beat_interval_s": 0.05,
    },
    "conductor": {
        "host_name": "conductor-1",
        "lease_s": 1.0,
        "sweep_interval_s": 0.1,
        "host_command_resend_s": 0.5,
        "reconcile_interval_s": 0.2,
    },
    "scheduler": {"host_name": "scheduler-1", "snapshot_max_age_s": 0.0},
    "quota": {"instances": -1, "cores": -1, "ram_mib": -1},
    "compute": {"simulated": {"spawn_delay_s": 0.0}, "fence_gap_s": 0.5},
}


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings on top of each other."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
                result[key] = merged(result[key], value)
            else:
                result[key] = value
    return result


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Member:
    service: Any
    bus: MemoryBus


@dataclass
class Cluster:
    """Start with `running_cluster`."""

    database_url: str
    scratch: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)
    hosts: tuple[str, ...] = ("compute-1", "compute-2", "compute-3")

    def __post_init__(self) -> None:
        self.broker = MemoryBroker()
        self.members: dict[str, Member] = {}
        self.pool: asyncpg.Pool[asyncpg.Record]
        self.http: aiohttp.ClientSession
        self._api_port = free_port()  # the stand-ins must know it before the API starts
        self._urls: dict[str, Any] = {}
        self._tokens: dict[str, str] = {}

    def settings(self, **more: Any) -> Settings:
        base: dict[str, Any] = {
            "database": {"url": self.database_url},
            "api": {"listen_port": self._api_port},
            "consoles": {"listen_port": 0},
        }
        own = {
            "listen_port": 0,
            "state_dir": str(self.scratch / "standins"),
            "compute_public_url": f"http://127.0.0.1:{self._api_port}/v2.1",
        }
        state = {"standins": own}
        return Settings(**merged(FAST, base, state, self._urls, self.overrides, more))

    async def start(self) -> None:
        limits = {"pool_size": 20, **self.overrides.get("database", {})}
        self.pool = await create_pool(DatabaseSettings(url=self.database_url, **limits))
        self.http = aiohttp.ClientSession()
        await self.start_member("standins", standins.create)
        identity = f"http://127.0.0.1:{self.members['standins'].service.port}"
        self._urls = {
            "identity": {"auth_url": f"{identity}/identity"},
            "standins": {"public_url": identity, "internal_url": identity},
        }
        await self.start_member("scheduler", scheduler.create)
        await self.start_conductor()
        for host in self.hosts:
            await self.start_host(host)
        await self.start_consoles()
        await self.start_member("api", api.create)

    @property
    def identity_url(self) -> str:
        return str(self._urls["identity"]["auth_url"])

    @property
    def compute_url(self) -> str:
        return f"http://127.0.0.1:{self.members['api'].service.port}/v2.1"

    async def start_member(self, name: str, create: Any, **settings: Any) -> Any:
        bus = MemoryBus(self.broker)
        await bus.start()
        service: Service = create(self.settings(**settings), Ports(bus=bus, pool=self.pool))
        await service.start()
        self.members[name] = Member(service, bus)
        return service

    async def start_conductor(
        self,
        name: str = "conductor",
        definitions: Mapping[str, Definition] = DEFINITIONS,
        **settings: Any,
    ) -> Any:
        def create(settings: Settings, ports: Ports) -> Any:
            return conductor.create(settings, ports, definitions)

        return await self.start_member(name, create, **settings)

    async def start_consoles(self, **settings: Any) -> Any:
        """The proxy, and its address in the settings of what is started later."""
        proxy = await self.start_member("consoles", consoles.create, consoles=settings)
        address = f"127.0.0.1:{proxy.port}"
        self._urls["consoles"] = {
            "listen_port": proxy.port,
            "novncproxy_base_url": f"http://{address}/vnc_auto.html",
            "html5proxy_base_url": f"http://{address}/spice_auto.html",
            "serial_base_url": f"ws://{address}/",
        }
        return proxy

    async def start_host(self, host: str) -> Any:
        state = str(self.scratch / "compute")
        return await self.start_member(
            host, compute.create, compute={"host_name": host, "state_dir": state}
        )

    async def kill(self, name: str) -> None:
        """As kill -9: no goodbye, what was unacknowledged goes back to its queue."""
        member = self.members.pop(name)
        await member.bus.crash()
        await member.service.crash()

    async def stop_member(self, name: str) -> None:
        member = self.members.pop(name)
        await member.service.stop()
        await member.bus.stop()

    async def stop(self) -> None:
        order = ["api", *self.hosts, "scheduler"]
        rest = [name for name in self.members if name not in order and name != "standins"]
        for name in [*order, *rest, "standins"]:
            if name in self.members:
                await self.stop_member(name)
        await self.http.close()
        await close_pool(self.pool)

    # --- as a user -------------------------------------------------------------------------
    async def token(self, user: str = "admin") -> str:
        if user not in self._tokens:
            domain = {"name": "Default"}
            body = {
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {"user": {"name": user, "domain": domain, "password": user}},
                    },
                    "scope": {"project": {"name": user, "domain": domain}},
                }
            }
            url = f"{self.identity_url}/v3/auth/tokens"
            async with self.http.post(url, json=body) as response:
                assert response.status == 201, await response.text()
                self._tokens[user] = response.headers["X-Subject-Token"]
        return self._tokens[user]

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str = "admin",
        version: str = "2.96",
        url: str | None = None,
    ) -> tuple[int, Any]:
        """Status and body of a Compute API request."""
        headers = {
            "X-Auth-Token": await self.token(user),
            "OpenStack-API-Version": f"compute {version}",
        }
        async with self.http.request(
            method, (url or self.compute_url) + path, json=body, headers=headers
        ) as response:
            text = await response.read()
            is_json = text and "json" in response.headers.get("Content-Type", "")
            return response.status, await response.json() if is_json else text

    async def network(self, path: str) -> Any:
        """GET from the network service as admin."""
        url = self.identity_url.removesuffix("/identity") + "/network/v2.0"
        _, body = await self.request("GET", path, url=url)
        return body

    async def image_id(self) -> str:
        url = self.identity_url.removesuffix("/identity") + "/image/v2"
        _, body = await self.request("GET", "/images?name=cirros", url=url)
        return str(body["images"][0]["id"])

    async def queued_image(self, server_id: str, name: str) -> str:
        """The record of an image that a server's disk is to be uploaded to."""
        url = self.identity_url.removesuffix("/identity") + "/image/v2"
        body = {
            "name": name,
            "visibility": "private",
            "container_format": "bare",
            "disk_format": "qcow2",
            "image_type": "snapshot",
            "instance_uuid": server_id,
        }
        status, image = await self.request("POST", "/images", body, url=url)
        assert status == 201, image
        return str(image["id"])

    async def network_id(self, name: str = "private") -> str:
        return str((await self.network(f"/networks?name={name}"))["networks"][0]["id"])

    async def create_server(self, *, user: str = "admin", status: int = 202, **fields: Any) -> str:
        """POST /servers with a port on the private network; the new server's id."""
        top = {k: fields.pop(k) for k in list(fields) if k.startswith("os:")}
        server = {
            "name": "s1",
            "flavorRef": "1",
            "imageRef": await self.image_id(),
            "networks": [{"uuid": await self.network_id()}],
            **fields,
        }
        got, body = await self.request("POST", "/servers", {"server": server, **top}, user=user)
        assert got == status, body
        return str(body["server"]["id"]) if status == 202 else ""

    async def server(self, server_id: str) -> dict[str, Any] | None:
        """The server, or None when it is gone."""
        status, body = await self.request("GET", f"/servers/{server_id}")
        assert status in (200, 404), body
        return body["server"] if status == 200 else None

    async def action(
        self, server_id: str, body: dict[str, Any], status: int = 202, *, version: str = "2.90"
    ) -> None:
        """Before 2.95 an evacuated server runs again on its new host."""
        path = f"/servers/{server_id}/action"
        got, answer = await self.request("POST", path, body, version=version)
        assert got == status, answer

    async def settled(self, server_id: str, timeout_s: float = 15.0) -> dict[str, Any] | None:
        """The server once no workflow is left for it; None when it is gone."""

        async def idle() -> bool:
            query = "select count(*) from workflows where server_uuid = $1::uuid"
            return int(await self.pool.fetchval(query, server_id)) == 0

        await wait_for(idle, timeout_s, f"workflows of {server_id} to end")
        return await self.server(server_id)

    @property
    def volumes(self) -> VolumesOf:
        """The volume service."""
        return VolumesOf(self)

    # --- invariants ------------------------------------------------------------------------
    async def row(self, server_id: str) -> asyncpg.Record:
        return await self.pool.fetchrow("select * from servers where uuid = $1::uuid", server_id)

    async def guests(self) -> dict[str, list[tuple[str, int]]]:
        """(host, generation) of every guest that exists, by server, as the drivers know it."""
        found: dict[str, list[tuple[str, int]]] = {}
        for host in self.hosts:
            if host not in self.members:
                continue
            driver = self.members[host].service.agents[host].driver
            for guest in await driver.list_guests():
                found.setdefault(str(guest.uuid), []).append((host, guest.generation))
        return found

    async def assert_sound(self) -> None:
        """Nothing leaked, nothing double: claims, ledgers, ports, volumes and guests all agree, and
        what workflows left behind has been worked off."""
        await wait_for(self._nothing_left_over, 5, "leftovers to be worked off")
        servers = {
            str(r["uuid"]): r
            for r in await self.pool.fetch("select * from servers where deleted_at is null")
        }
        placed = {u: r["host"] for u, r in servers.items() if r["host"] is not None}
        kept = {  # what the source of an unsettled resize keeps
            (str(r["server_uuid"]), r["source_compute"]): r["source_generation"]
            for r in await self.pool.fetch(UNSETTLED)
        }
        claims = [
            (str(r["server_uuid"]), r["host"])
            for r in await self.pool.fetch("select server_uuid, host from allocations")
        ]
        assert sorted(claims) == sorted([*placed.items(), *kept]), "claims are the placed servers"
        assert not await self.pool.fetch(LEDGER_ERRORS), "ledgers are the sums of claims"
        ports = (await self.network("/ports"))["ports"]
        owned = {p["device_id"] for p in ports if p["device_owner"].startswith("compute:")}
        assert owned <= set(servers), "no port of a server that is gone"
        for uuid, row in servers.items():
            mine = sorted(p["id"] for p in ports if p["device_id"] == uuid)
            assert mine == sorted(v["port_id"] for v in row["network_info"]), "ports are shown"
        await self._assert_guests_sound(servers, kept)
        await self._assert_interfaces_sound(servers)
        await self._assert_images_sound(servers)
        await assert_volumes_sound(self)
        logs = sorted(self.scratch.glob("compute/*/driver.log*"))
        assert logs, "the drivers have logged"
        twice = overlaps(running_intervals(logs))
        assert not twice, "no guest ran twice at any instant"

    async def _nothing_left_over(self) -> bool:
        return not await self.pool.fetchval("select count(*) from leftovers")

    async def _assert_guests_sound(
        self, servers: dict[str, asyncpg.Record], kept: dict[tuple[str, str], int]
    ) -> None:
        """Hosts that are up have the guests of their servers and no other. What is over is gone
        with the next report of the host, so that may take a moment."""
        truth = {(u, r["host"], r["generation"]) for u, r in servers.items() if r["host"]}
        truth |= {(u, host, generation) for (u, host), generation in kept.items()}
        found: set[tuple[str, str, int]] = set()

        async def agree() -> bool:
            guests = await self.guests()
            found.clear()
            found.update((u, host, g) for u, places in guests.items() for host, g in places)
            return found <= truth

        try:
            await wait_for(agree, 5)
        except AssertionError:
            raise AssertionError(f"guests {found - truth} are not the servers {truth}") from None

    async def _assert_interfaces_sound(self, servers: dict[str, asyncpg.Record]) -> None:
        """Guests that have no move behind them have the interfaces that their servers show."""
        for host in self.hosts:
            if host not in self.members:
                continue
            for guest in await self.members[host].service.agents[host].driver.list_guests():
                row = servers.get(str(guest.uuid))
                if row is None or (row["host"], row["generation"]) != (host, guest.generation):
                    continue
                shown = sorted(vif["port_id"] for vif in row["network_info"])
                assert sorted(guest.port_ids) == shown, f"interfaces of {guest.uuid}"

    async def _assert_images_sound(self, servers: dict[str, asyncpg.Record]) -> None:
        url = self.identity_url.removesuffix("/identity") + "/image/v2"
        _, body = await self.request("GET", "/images?limit=1000", url=url)
        for image in body["images"]:
            assert image["status"] == "active", f"image left behind: {image}"
            if image["name"].endswith("-shelved"):
                owner = servers.get(image["instance_uuid"])
                assert owner, f"shelved image of no server: {image}"
                assert owner["system_metadata"].get("shelved_image_id") == image["id"], image


UNSETTLED = """
select m.server_uuid, m.source_compute, m.source_generation
  from migrations m join servers s on s.uuid = m.server_uuid
 where m.status = 'finished' and s.deleted_at is null
"""

LEDGER_ERRORS = """
select n.host from compute_nodes n left join allocations a on a.host = n.host
 group by n.host, n.vcpus_used, n.memory_mib_used, n.disk_gib_used, n.allocations_count
having (n.vcpus_used, n.memory_mib_used, n.disk_gib_used, n.allocations_count) <>
       (coalesce(sum(a.vcpus), 0), coalesce(sum(a.memory_mib), 0),
        coalesce(sum(a.disk_gib), 0), count(a.host))
"""


@asynccontextmanager
async def running_cluster(
    database_url: str, scratch: Path, **overrides: Any
) -> AsyncIterator[Cluster]:
    """A started cluster that is stopped afterwards; `overrides` are sections of the settings."""
    hosts = overrides.pop("hosts", None)
    cluster = Cluster(database_url, scratch, overrides, **({"hosts": hosts} if hosts else {}))
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()
