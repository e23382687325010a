"""A host to which the network service can bind no port is none for a server with ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.standins.network.ports import FAILING_HOST
from tests.functional.network.conftest import Network
from tests.support.cluster import Cluster, running_cluster


@pytest.fixture
async def cluster(database_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    hosts = (FAILING_HOST, "compute-1")
    async with running_cluster(database_url, tmp_path, hosts=hosts) as running:
        yield running


async def test_a_build_goes_to_another_host(network: Network, cluster: Cluster) -> None:
    ids = [await network.server(name=f"s{n}") for n in range(4)]
    assert {(await cluster.row(each))["host"] for each in ids} == {"compute-1"}
    failed = "select count(*) from instance_action_events where result = 'Error' and host = $1"
    assert await cluster.pool.fetchval(failed, FAILING_HOST), "it was tried"
    await cluster.assert_sound()


async def test_there_is_no_other(network: Network, cluster: Cluster) -> None:
    _, body = await cluster.request("GET", "/os-services?host=compute-1")
    service = body["services"][0]["id"]
    await cluster.request("PUT", f"/os-services/{service}", {"status": "disabled"})
    server_id = await cluster.create_server()
    server = await cluster.settled(server_id)
    assert server is not None
    assert server["status"] == "ERROR"
    assert "Binding failed for port" in server["fault"]["message"]
    assert await network.ports_of(server_id) == []
