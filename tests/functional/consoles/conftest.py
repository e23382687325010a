"""One cluster with one server for all who look at consoles, and what they do there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.support.cluster import Cluster, running_cluster
from tests.support.postgres import _named, execute
from tests.support.rfb import RfbClient

HOSTS = ("a", "b")


@dataclass
class Consoles:
    """A cluster as somebody sees it who wants to see consoles."""

    cluster: Cluster

    async def ask(
        self,
        server_id: str,
        protocol: str = "vnc",
        type_name: str = "novnc",
        *,
        user: str = "admin",
        version: str = "2.104",
    ) -> tuple[int, Any]:
        body = {"remote_console": {"protocol": protocol, "type": type_name}}
        path = f"/servers/{server_id}/remote-consoles"
        return await self.cluster.request("POST", path, body, user=user, version=version)

    async def url(
        self, server_id: str, protocol: str = "vnc", type_name: str = "novnc", **how: Any
    ) -> str:
        status, body = await self.ask(server_id, protocol, type_name, **how)
        assert status == 200, body
        return str(body["remote_console"]["url"])

    async def act(
        self, server_id: str, action: str, type_name: str, *, version: str = "2.1"
    ) -> tuple[int, Any]:
        path = f"/servers/{server_id}/action"
        body = {action: {"type": type_name}}
        return await self.cluster.request("POST", path, body, version=version)

    def websocket_url(self, url: str) -> str:
        """As noVNC's page makes it of its own address."""
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        path = query["path"][0] if "path" in query else f"?{parts.query}"
        return f"ws://{parts.netloc}/{path}"

    @asynccontextmanager
    async def opened(self, url: str, **how: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.cluster.http.ws_connect(
            self.websocket_url(url), protocols=("binary",), **how
        ) as socket:
            yield socket

    @asynccontextmanager
    async def screen(self, url: str) -> AsyncIterator[RfbClient]:
        async with self.opened(url) as socket:
            client = RfbClient.over_websocket(socket)
            await client.connect()
            yield client

    async def status_of(self, url: str, **headers: str) -> int:
        """What a WebSocket is refused with; 101 when it is not."""
        try:
            async with self.opened(url, headers=headers):
                return 101
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status


@asynccontextmanager
async def deployed(
    server: str, template: str, scratch: Any, name: str, **overrides: Any
) -> AsyncIterator[Consoles]:
    await execute(server, f"create database {name} template {template}")
    async with running_cluster(_named(server, name), scratch, hosts=HOSTS, **overrides) as running:
        yield Consoles(running)
    await execute(server, f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    """Settings that a module wants to be different."""
    return {}


@pytest.fixture(scope="module")
async def consoles(
    postgres_server: str,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
    overrides: dict[str, Any],
) -> AsyncIterator[Consoles]:
    scratch = tmp_path_factory.mktemp("consoles")
    async with deployed(
        postgres_server, template_database, scratch, "consoles", **overrides
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def server_id(consoles: Consoles) -> str:
    """A running server that every test leaves as it is."""
    made = await consoles.cluster.create_server(name="web-1")
    await consoles.cluster.settled(made)
    return made
