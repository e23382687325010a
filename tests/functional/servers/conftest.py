"""Servers over HTTP with real PostgreSQL and real neighbours, and nobody who conducts.

What conductors would be told is collected instead, so that a test sees exactly what a request left
behind: rows, a workflow, a message. One deployment serves a whole module.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg
import pytest

from common.auth.sealing import unseal
from common.bus.memory import MemoryBroker, MemoryBus
from common.bus.port import Delivery
from common.bus.topology import CONDUCTOR, SCHEDULER
from common.config.settings import DatabaseSettings, Settings
from common.db.pool import close_pool, create_pool
from common.domain.guest_data.secrets import GuestSecrets
from common.messages.base import Message
from common.messages.workflow import CANCEL_TOPIC
from common.runtime.ports import Ports
from services.api import app as api
from services.standins import app as standins
from tests.functional.api.conftest import PEOPLE, Answer, Deployment, _add_people
from tests.support.postgres import execute

_numbers = itertools.count(1)

FLAVOR = {
    "id": "1", "name": "m1.tiny", "vcpus": 1, "memory_mib": 512, "root_gib": 1, "ephemeral_gib": 0,
    "swap_mib": 0, "extra_specs": {"hw:watchdog_action": "reset"}, "disabled": False,
    "rxtx_factor": 1.0, "is_public": True,
}  # fmt: skip


def given(workflow: asyncpg.Record) -> tuple[dict[str, Any], GuestSecrets]:
    """The state of a workflow, and apart from it what it carries sealed for the guest."""
    state = dict(workflow["state"])
    sealed = state.pop("sealed_secrets", None)
    return state, GuestSecrets.from_text(unseal(sealed, "muster")) if sealed else GuestSecrets()


@dataclass
class Stack(Deployment):
    """A deployment and what its requests leave behind."""

    heard: list[Message] = field(default_factory=list)
    """Messages to conductors and cancel events, in order."""
    image: str = ""
    private: str = ""
    public: str = ""

    def body(self, name: str = "s", **fields: Any) -> dict[str, Any]:
        """A POST /servers body that is accepted at every version."""
        server = {
            "name": name,
            "flavorRef": "1",
            "imageRef": self.image,
            "networks": [{"uuid": self.private}],
            **fields,
        }
        return {"server": {key: value for key, value in server.items() if value is not ...}}

    async def create(
        self, name: str = "s", *, user: str = "demo", v: int = 104, **fields: Any
    ) -> Answer:
        return await self.call("POST", "/servers", self.body(name, **fields), user=user, v=v)

    async def created(self, name: str = "s", *, user: str = "demo", **fields: Any) -> str:
        answer = await self.create(name, user=user, **fields)
        assert answer.status == 202, answer.body
        return str(answer.body["server"]["id"])

    async def server(self, *, user: str = "demo", **columns: Any) -> str:
        """A row as a conductor leaves it: ACTIVE and launched, unless `columns` say otherwise."""
        launched = await self.pool.fetchval("select now()")
        values = {"flavor": FLAVOR, "launched_at": launched, "power_state": 1, **columns}
        host = values.pop("host", None)
        return await self.add_server(user, host, **values)

    async def action(
        self, server_id: str, body: dict[str, Any], *, user: str = "demo", v: int = 104
    ) -> Answer:
        return await self.call("POST", f"/servers/{server_id}/action", body, user=user, v=v)

    async def show(self, server_id: str, *, user: str = "demo", v: int = 104) -> dict[str, Any]:
        answer = await self.call("GET", f"/servers/{server_id}", user=user, v=v)
        assert answer.status == 200, answer.body
        return dict(answer.body["server"])

    async def row(self, server_id: str) -> asyncpg.Record:
        return await self.pool.fetchrow("select * from servers where uuid = $1::uuid", server_id)

    async def workflows(self, server_id: str) -> list[asyncpg.Record]:
        return list(
            await self.pool.fetch(
                "select * from workflows where server_uuid = $1::uuid order by id", server_id
            )
        )

    async def actions(self, server_id: str) -> list[str]:
        rows = await self.pool.fetch(
            "select action from instance_actions where server_uuid = $1::uuid order by id",
            server_id,
        )
        return [row["action"] for row in rows]

    async def count(self, table: str) -> int:
        return int(await self.pool.fetchval(f"select count(*) from {table}"))

    async def neighbour(
        self, service: str, path: str, *, method: str = "GET", body: Any = None
    ) -> Any:
        url = self.identity_url.removesuffix("identity") + service + path
        headers = {"X-Auth-Token": self.tokens["admin"]}
        async with self.http.request(method, url, json=body, headers=headers) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def new_image(self, data: bytes = b"0" * 100, **fields: Any) -> str:
        """An active image."""
        body = {"visibility": "public", "disk_format": "raw", "container_format": "bare", **fields}
        image = await self.neighbour("image", "/v2/images", method="POST", body=body)
        url = self.identity_url.removesuffix("identity") + f"image/v2/images/{image['id']}/file"
        headers = {
            "X-Auth-Token": self.tokens["admin"],
            "Content-Type": "application/octet-stream",
        }
        async with self.http.put(url, data=data, headers=headers) as response:
            assert response.status == 204, await response.text()
        return str(image["id"])

    async def find_neighbours(self) -> None:
        images = await self.neighbour("image", "/v2/images?name=cirros")
        self.image = images["images"][0]["id"]
        networks = (await self.neighbour("network", "/v2.0/networks"))["networks"]
        ids = {network["name"]: network["id"] for network in networks}
        self.private, self.public = ids["private"], ids["public"]


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    """Settings sections a module wants to have changed; modules redefine this."""
    return {"quota": {"instances": -1, "cores": -1, "ram_mib": -1}}


@pytest.fixture(scope="module")
async def stack(
    postgres_server: str,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
    overrides: dict[str, Any],
) -> AsyncIterator[Stack]:
    name = f"muster_servers_{next(_numbers)}"
    await execute(postgres_server, f"create database {name} template {template_database}")
    url = postgres_server.replace("/postgres?", f"/{name}?")
    pool = await create_pool(DatabaseSettings(url=url))
    bus = MemoryBus(MemoryBroker())
    await bus.start()
    ports = Ports(bus=bus, pool=pool)
    state_dir = str(tmp_path_factory.mktemp("standins"))
    stand_ins = standins.create(
        Settings(standins={"listen_port": 0, "state_dir": state_dir}), ports
    )
    await stand_ins.start()
    root = f"http://127.0.0.1:{stand_ins.port}"
    sections: dict[str, Any] = {
        "api": {},
        **overrides,
        "identity": {"auth_url": f"{root}/identity"},
        "neighbours": {
            "image_endpoint": f"{root}/image",
            "network_endpoint": f"{root}/network",
            **overrides.get("neighbours", {}),
        },
    }
    sections["api"] = {"listen_port": 0, **sections["api"]}
    service = api.create(Settings(**sections), ports)
    await service.start()
    async with aiohttp.ClientSession() as http:
        made = Stack(
            pool=pool,
            bus=bus,
            http=http,
            identity_url=f"{root}/identity",
            base_url=f"http://127.0.0.1:{service.port}",
            database_url=url,
        )

        async def hear(delivery: Delivery) -> None:
            made.heard.append(delivery.message)

        await bus.consume(CONDUCTOR, hear, prefetch=10)
        await bus.consume(SCHEDULER, hear, prefetch=10)
        await bus.subscribe(CANCEL_TOPIC, hear)
        await made.login("admin", "admin")
        await _add_people(made)
        for user, (project, _) in PEOPLE.items():
            await made.login(user, project)
        await made.find_neighbours()
        yield made
    await service.stop()
    await stand_ins.stop()
    await bus.stop()
    await close_pool(pool)
    await execute(postgres_server, f"drop database {name} with (force)")
