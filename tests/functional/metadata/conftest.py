"""One cluster with a metadata service; a guest is whoever a request says it is."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.metadata import app as metadata
from services.metadata.callers import signature
from tests.support.cluster import Cluster, running_cluster
from tests.support.postgres import _named, execute

SECRET = "between-the-agent-and-us"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")


@dataclass
class World:
    cluster: Cluster
    url: str = ""

    async def start(self, **settings: Any) -> None:
        """The metadata service, again with other settings."""
        if "metadata" in self.cluster.members:
            await self.cluster.stop_member("metadata")
        own = {
            "listen_port": 0, "cache_s": 0.0, "trust_forwarded_for": True, "shared_secret": SECRET,
            **settings,
        }  # fmt: skip
        service = await self.cluster.start_member("metadata", metadata.create, metadata=own)
        self.url = f"http://127.0.0.1:{service.port}"

    async def ask(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: Any = None,
    ) -> Answer:
        async with self.cluster.http.request(
            method, self.url + path, headers=headers, data=body
        ) as response:
            return Answer(response.status, await response.read(), dict(response.headers))

    async def as_guest(self, server_id: str, path: str, **more: Any) -> Answer:
        """As the network service's metadata agent asks for it."""
        return await self.ask(path, await self.proof(server_id), **more)

    async def proof(self, server_id: str) -> dict[str, str]:
        row = await self.cluster.row(server_id)
        return {
            "X-Instance-ID": server_id,
            "X-Instance-ID-Signature": signature(SECRET, server_id),
            "X-Tenant-ID": row["project_id"],
        }

    async def created(self, **fields: Any) -> str:
        server_id = await self.cluster.create_server(**fields)
        server = await self.cluster.settled(server_id)
        assert server is not None
        assert server["status"] == "ACTIVE", server
        return server_id

    async def address(self, server_id: str) -> str:
        row = await self.cluster.row(server_id)
        return str(row["network_info"][0]["fixed_ips"][0]["address"])


@pytest.fixture(scope="module")
async def world(
    postgres_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    name = f"muster_metadata_{next(_numbers)}"
    await execute(postgres_server, f"create database {name} template {template_database}")
    scratch = tmp_path_factory.mktemp("cluster")
    async with running_cluster(_named(postgres_server, name), scratch, hosts=("a",)) as cluster:
        made = World(cluster)
        await made.start()
        yield made
