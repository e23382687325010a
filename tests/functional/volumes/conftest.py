"""One cluster for all tests of this folder; each leaves it without servers and leftovers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.cluster import Cluster, running_cluster
from tests.support.postgres import _named, execute


@pytest.fixture(scope="package")
async def shared(
    postgres_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    await execute(postgres_server, "drop database if exists volumes with (force)")
    await execute(postgres_server, f"create database volumes template {template_database}")
    scratch = tmp_path_factory.mktemp("volumes")
    async with running_cluster(_named(postgres_server, "volumes"), scratch) as running:
        yield running


@pytest.fixture
async def cluster(shared: Cluster) -> AsyncIterator[Cluster]:
    yield shared
    _, body = await shared.request("GET", "/servers?all_tenants=1")
    ids = [server["id"] for server in body["servers"]]
    for server_id in ids:
        await shared.request("DELETE", f"/servers/{server_id}")
    for server_id in ids:
        assert await shared.settled(server_id) is None
    await shared.assert_sound()
