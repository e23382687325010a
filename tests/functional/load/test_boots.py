"""The benchmark and the invariants against a whole cluster in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from common.runtime.ports import Ids
from common.runtime.tasks import Tasks
from deploy.chaos.invariants import check, gather
from deploy.load.boots import Boots, Options, enough_quota, measure
from deploy.load.client import Client
from deploy.local.home import Home
from tests.support.cluster import Cluster, running_cluster
from tests.support.wait import wait_for

SMALL = Options(count=8, concurrency=4, poll_interval_s=0.01)


@asynccontextmanager
async def cluster_and_client(
    database_url: str, scratch: Path, **overrides: object
) -> AsyncIterator[tuple[Cluster, Client]]:
    async with running_cluster(database_url, scratch, **overrides) as cluster:
        api = cluster.compute_url
        catalog = {"compute_public_url": api, "compute_internal_url": api}
        await cluster.stop_member("standins")  # again, now that the port of the API is known
        from services.standins import app as standins

        port = int(cluster.identity_url.split(":")[2].split("/")[0])
        await cluster.start_member(
            "standins", standins.create, standins={**catalog, "listen_port": port}
        )
        auth = {
            "auth_url": cluster.identity_url,
            "username": "admin",
            "password": "admin",
            "project_name": "admin",
        }
        home = Home(scratch)
        home.clouds_file.write_text(json.dumps({"clouds": {"admin": {"auth": auth}}}))
        async with Client(home) as client:
            yield cluster, client


async def facts_of(cluster: Cluster, client: Client) -> list[str]:
    ports = (await client.get("/v2.0/ports", service="network"))["ports"]
    shown = await client.server_list("all_tenants=1", detail=True)
    return check(await gather(cluster.pool, cluster.scratch / "compute", ports, shown))


async def test_a_run_boots_counts_and_leaves_nothing(database_url: str, tmp_path: Path) -> None:
    quota = {"instances": 2, "cores": 2, "ram_mib": 1024}
    async with cluster_and_client(database_url, tmp_path, quota=quota) as (cluster, client):
        result = await measure(client, SMALL)
        assert (result["accepted"], result["active"], result["deleted"]) == (8, 8, 8)
        assert result["errors"] == {}
        assert result["boots_per_s"] > 0
        assert result["post_to_active_ms"]["p50"] >= result["post_ms"]["p50"]
        assert await client.server_list("all_tenants=1") == []
        limits = (await client.get(f"/os-quota-sets/{client.project_id}"))["quota_set"]
        assert (limits["instances"], limits["cores"], limits["ram"]) == (2, 2, 1024)
        assert await facts_of(cluster, client) == []


async def test_builds_that_fail_are_counted_by_reason(database_url: str, tmp_path: Path) -> None:
    compute = {"simulated": {"spawn_delay_s": 0.0, "memory_mib": 2048, "reserved_memory_mib": 0}}
    async with cluster_and_client(
        database_url, tmp_path, compute=compute, hosts=("compute-1",)
    ) as (_, client):
        result = await measure(client, SMALL)
        assert (result["active"], result["deleted"]) == (4, 8)
        assert sum(result["errors"].values()) == 4
        assert all("No valid host" in reason for reason in result["errors"]), result["errors"]


async def test_an_interrupted_run_deletes_what_it_made(database_url: str, tmp_path: Path) -> None:
    compute = {"simulated": {"spawn_delay_s": 30.0}}
    async with cluster_and_client(database_url, tmp_path, compute=compute) as (cluster, client):
        boots = Boots(client, SMALL, Ids(), dict)
        tasks = Tasks(client.clock)
        running = tasks.spawn("run", boots.run())
        await wait_for(lambda: len(boots.tally.began) == 4)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await client.server_list("all_tenants=1") == []
        assert await cluster.pool.fetchval("select count(*) from servers") >= 4


async def test_the_invariants_see_a_leak_in_a_live_cluster(
    database_url: str, tmp_path: Path
) -> None:
    async with cluster_and_client(database_url, tmp_path) as (cluster, client):
        server = await cluster.create_server()
        await cluster.settled(server)
        assert await facts_of(cluster, client) == []
        async with enough_quota(client):
            await cluster.pool.execute("update compute_nodes set vcpus_used = vcpus_used + 1")
            await cluster.pool.execute("update servers set generation = generation + 1")
        kinds = {line.split(":")[0] for line in await facts_of(cluster, client)}
        assert kinds == {"ledger wrong", "orphan guest", "lost"}
