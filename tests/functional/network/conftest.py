"""A whole cluster whose servers have ports, shared by the modules of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.cluster import Cluster, running_cluster
from tests.support.postgres import _named, execute
from tests.support.wait import wait_for

NEVER_BY_ITSELF = {"network": {"refresh_interval_s": 0}}
"""What shows is what was said; the rounds of all servers do not help."""


@dataclass
class Network:
    """What tests do with a cluster's servers and their ports, as the administrator unless said."""

    cluster: Cluster

    async def call(
        self, method: str, path: str, body: Any = None, *, user: str = "admin"
    ) -> tuple[int, Any]:
        """A request of the network service."""
        url = self.cluster.identity_url.removesuffix("/identity") + "/network/v2.0"
        return await self.cluster.request(method, path, body, user=user, url=url)

    async def made(self, kind: str, user: str = "admin", **fields: Any) -> dict[str, Any]:
        path = f"/{kind.replace('_', '-')}s"
        status, body = await self.call("POST", path, {kind: fields}, user=user)
        assert status == 201, body
        return dict(body[kind])

    async def changed(self, kind: str, resource_id: str, **fields: Any) -> None:
        path = f"/{kind.replace('_', '-')}s/{resource_id}"
        status, body = await self.call("PUT", path, {kind: fields})
        assert status == 200, body

    async def port(self, **fields: Any) -> dict[str, Any]:
        return await self.made("port", network_id=await self.cluster.network_id(), **fields)

    async def ports_of(self, server_id: str) -> list[dict[str, Any]]:
        return list((await self.cluster.network(f"/ports?device_id={server_id}"))["ports"])

    async def server(self, **fields: Any) -> str:
        """An ACTIVE server with one port on the private network."""
        server_id = await self.cluster.create_server(**fields)
        shown = await self.cluster.settled(server_id)
        assert shown is not None
        assert shown["status"] == "ACTIVE", shown
        return server_id

    async def attach(
        self, server_id: str, *, version: str = "2.70", user: str = "admin", **asked: Any
    ) -> tuple[int, Any]:
        body = {"interfaceAttachment": asked}
        path = f"/servers/{server_id}/os-interface"
        return await self.cluster.request("POST", path, body, version=version, user=user)

    async def interfaces(self, server_id: str, version: str = "2.70") -> list[dict[str, Any]]:
        path = f"/servers/{server_id}/os-interface"
        status, body = await self.cluster.request("GET", path, version=version)
        assert status == 200, body
        return list(body["interfaceAttachments"])

    async def addresses(self, server_id: str, kind: str = "fixed") -> list[str]:
        server = await self.cluster.server(server_id)
        assert server is not None
        return [
            entry["addr"]
            for entries in server["addresses"].values()
            for entry in entries
            if entry["OS-EXT-IPS:type"] == kind
        ]

    async def guest_ports(self, server_id: str) -> list[str]:
        """The ports for which the guest has interfaces."""
        row = await self.cluster.row(server_id)
        driver = self.cluster.members[row["host"]].service.agents[row["host"]].driver
        return list((await driver.guest_info(server_id)).port_ids)

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        await wait_for(condition, 10, what)


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return NEVER_BY_ITSELF


@pytest.fixture(scope="module")
async def cluster(
    postgres_server: str,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
    overrides: dict[str, Any],
) -> AsyncIterator[Cluster]:
    await execute(postgres_server, "drop database if exists network with (force)")
    await execute(postgres_server, f"create database network template {template_database}")
    scratch = tmp_path_factory.mktemp("cluster")
    url = _named(postgres_server, "network")
    hosts = ("compute-1", "compute-2")
    async with running_cluster(url, scratch, hosts=hosts, **overrides) as running:
        yield running


@pytest.fixture
async def network(cluster: Cluster) -> AsyncIterator[Network]:
    """Every server is deleted afterwards, and nothing is left of any."""
    yield Network(cluster)
    _, body = await cluster.request("GET", "/servers?all_tenants=1")
    ids = [server["id"] for server in body["servers"]]
    for server_id in ids:
        await cluster.request("POST", f"/servers/{server_id}/action", {"forceDelete": None})
    for server_id in ids:
        assert await cluster.settled(server_id) is None
    await cluster.assert_sound()
