"""The API with a real database and the real identity stand-in, over real HTTP.

One deployment serves a whole test module; tests use names of their own. Hosts are rows: what agents
and conductors do to them is tested elsewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from common.bus.memory import MemoryBroker, MemoryBus
from common.config.settings import DatabaseSettings, Settings
from common.db.pool import close_pool, create_pool
from common.runtime.ports import Ports
from services.api import app as api
from services.standins import app as standins
from tests.support.postgres import execute

_numbers = itertools.count(1)
PEOPLE = {
    "admin": ("admin", None),
    "demo": ("demo", None),
    "reader": ("demo", "reader"),
    "other": ("other", "member"),
    "nobody": ("demo", "nothing"),
}
"""User to (project, role to give it; None for the seeded ones). Passwords equal names."""


@dataclass
class Answer:
    status: int
    headers: Any
    body: Any

    def fault(self) -> str:
        """The message of the one fault in the body."""
        (fault,) = self.body.values()
        assert fault["code"] == self.status
        return str(fault["message"])


@dataclass
class Deployment:
    """What tests talk to."""

    pool: asyncpg.Pool[asyncpg.Record]
    bus: MemoryBus
    http: aiohttp.ClientSession
    identity_url: str
    base_url: str
    database_url: str
    tokens: dict[str, str] = field(default_factory=dict)
    projects: dict[str, str] = field(default_factory=dict)

    async def login(self, user: str, project: str, password: str | None = None) -> None:
        domain = {"name": "Default"}
        who = {"name": user, "domain": domain, "password": password or user}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": who}},
                "scope": {"project": {"name": project, "domain": domain}},
            }
        }
        async with self.http.post(f"{self.identity_url}/v3/auth/tokens", json=body) as response:
            assert response.status == 201, await response.text()
            self.tokens[user] = response.headers["X-Subject-Token"]
            self.projects[user] = (await response.json())["token"]["project"]["id"]

    async def identity(self, method: str, path: str, body: Any = None) -> Any:
        """A call to the identity service as the administrator."""
        headers = {"X-Auth-Token": self.tokens["admin"]}
        url = f"{self.identity_url}/v3{path}"
        async with self.http.request(method, url, json=body, headers=headers) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.status != 204 else None

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str | None = "admin",
        v: int | None = 104,
        headers: dict[str, str] | None = None,
        root: str = "/v2.1",
        data: bytes | None = None,
    ) -> Answer:
        """A request of the Compute API at microversion 2.`v`."""
        sent = dict(headers or {})
        if user is not None:
            sent["X-Auth-Token"] = self.tokens[user]
        if v is not None:
            sent["OpenStack-API-Version"] = f"compute 2.{v}"
        payload = {"data": data} if data is not None else {"json": body}
        async with self.http.request(
            method,
            f"{self.base_url}{root}{path}",
            headers=sent,
            skip_auto_headers=["Content-Type"] if body is data is None else [],
            **payload,
        ) as response:
            raw = await response.read()
            is_json = raw and "json" in response.headers.get("Content-Type", "")
            return Answer(
                response.status, response.headers, await response.json() if is_json else raw
            )

    async def add_host(
        self,
        host: str,
        *,
        binary: str = "nova-compute",
        fresh: bool = True,
        forced_down: bool = False,
    ) -> int:
        """A service row, with its node for a compute host; the service's number."""
        lease = "now() + interval '1 hour'" if fresh else "now() - interval '1 hour'"
        service_id = await self.pool.fetchval(
            "insert into services (uuid, host, binary_name, last_seen_up, lease_expires_at, "
            f"forced_down) values (gen_random_uuid(), $1, $2, now(), {lease}, $3) returning id",
            host,
            binary,
            forced_down,
        )
        if binary == "nova-compute":
            await self.pool.execute(
                "insert into compute_nodes (uuid, host, service_id, hypervisor_hostname, "
                "hypervisor_type, hypervisor_version, host_ip, vcpus, memory_mib, disk_gib, "
                "reserved_memory_mib, booted_at, cpu_info) values "
                "(gen_random_uuid(), $1, $2, $1, 'simulated', 1000, '127.0.0.1', 8, 16384, 100, "
                "512, now() - interval '1 day 1 hour', '{\"arch\": \"x86_64\"}')",
                host,
                service_id,
            )
        return int(service_id)

    async def add_server(self, project: str, host: str | None, **columns: Any) -> str:
        """A row of `servers`, as if it had been booted."""
        values = {
            "project_id": self.projects[project],
            "user_id": "somebody",
            "name": "s",
            "hostname": "s",
            "reservation_id": "r-1",
            "vm_state": "active",
            "host": host,
            "flavor": {},
            "flavorid": "1",
            "vcpus": 1,
            "memory_mib": 512,
            "root_gib": 1,
            "ephemeral_gib": 0,
            "swap_mib": 0,
            **columns,
        }
        if values["vm_state"] == "soft-delete":
            values.setdefault("system_metadata", {"soft_deleted_at": "2026-01-01T00:00:00+00:00"})
        holes = ", ".join(f"${index}" for index in range(1, len(values) + 1))
        uuid = await self.pool.fetchval(
            f"insert into servers (uuid, {', '.join(values)}) "
            f"values (gen_random_uuid(), {holes}) returning uuid",
            *values.values(),
        )
        return str(uuid)

    async def add_person(self, user: str, *, project: str, role: str) -> None:
        """A user with one role in one project, each made when it is not there; logged in."""
        project_id = await self._named("projects", project, domain_id="default")
        role_id = await self._named("roles", role)
        body = {"user": {"name": user, "password": user, "domain_id": "default"}}
        user_id = (await self.identity("POST", "/users", body))["user"]["id"]
        grant = f"/projects/{project_id}/users/{user_id}/roles/{role_id}"
        await self.identity("PUT", grant)
        await self.login(user, project)

    async def _named(self, kind: str, name: str, **fields: str) -> str:
        found = (await self.identity("GET", f"/{kind}?name={name}"))[kind]
        if not found:
            one = kind.removesuffix("s")
            made = await self.identity("POST", f"/{kind}", {one: {"name": name, **fields}})
            found = [made[one]]
        return str(found[0]["id"])


async def _add_people(deployment: Deployment) -> None:
    for user, (project, role) in PEOPLE.items():
        if role is None:
            await deployment.login(user, project)
        else:
            await deployment.add_person(user, project=project, role=role)


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    """Settings sections a module wants to have changed; modules redefine this."""
    return {}


@pytest.fixture(scope="module")
async def deployment(
    postgres_server: str,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
    overrides: dict[str, Any],
) -> AsyncIterator[Deployment]:
    name = f"muster_api_{next(_numbers)}"
    await execute(postgres_server, f"create database {name} template {template_database}")
    url = postgres_server.replace("/postgres?", f"/{name}?")
    pool = await create_pool(DatabaseSettings(url=url))
    scratch: Path = tmp_path_factory.mktemp("standins")
    bus = MemoryBus(MemoryBroker())
    await bus.start()
    ports = Ports(bus=bus, pool=pool)
    stand_ins = standins.create(
        Settings(standins={"listen_port": 0, "state_dir": str(scratch)}), ports
    )
    await stand_ins.start()
    identity_url = f"http://127.0.0.1:{stand_ins.port}/identity"
    sections: dict[str, Any] = {"api": {}, "identity": {}, **overrides}
    sections["api"] = {"listen_port": 0, "host_name": "api-1", **sections["api"]}
    sections["identity"] = {"auth_url": identity_url, **sections["identity"]}
    service = api.create(Settings(**sections), ports)
    await service.start()
    async with aiohttp.ClientSession() as http:
        made = Deployment(pool, bus, http, identity_url, f"http://127.0.0.1:{service.port}", url)
        await made.login("admin", "admin")
        await _add_people(made)
        yield made
    await service.stop()
    await stand_ins.stop()
    await bus.stop()
    await close_pool(pool)
    await execute(postgres_server, f"drop database {name} with (force)")
