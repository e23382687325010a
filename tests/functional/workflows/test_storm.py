"""Moves of many servers at once, while their hosts are killed and started again.

Afterwards nothing is stuck, nothing is on two hosts, and the books are exact. What a killed host
makes of a single move is open (it may end in ERROR, with a reason); that everything ends is not.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

from common.domain.actions import LIVE_MIGRATE, MIGRATE, RESIZE, REVERT_RESIZE, SHELVE, UNSHELVE
from tests.functional.workflows.test_every_step import action
from tests.support.cluster import Cluster, running_cluster
from tests.support.wait import wait_for

EACH = 20
STATUSES = {"ACTIVE", "VERIFY_RESIZE", "SHELVED_OFFLOADED", "SHELVED", "SHUTOFF", "ERROR"}


async def boot(cluster: Cluster, prefix: str) -> list[str]:
    names = [f"{prefix}-{n}" for n in range(EACH)]
    ids = await asyncio.gather(*(cluster.create_server(name=name) for name in names))
    servers = await asyncio.gather(*(cluster.settled(i, 60) for i in ids))
    assert [s and s["status"] for s in servers] == ["ACTIVE"] * EACH, prefix
    return list(ids)


async def in_turn(cluster: Cluster, server_id: str, *steps: Any) -> None:
    """Each step once the one before has ended well; a server in ERROR is left as it is."""
    for begin in steps:
        server = await cluster.settled(server_id, 90)
        assert server is not None
        if server["status"] == "ERROR":
            return
        try:
            await begin(cluster, server_id)
        except (AssertionError, ValueError):
            # The step before has put it back where this one may not begin from.
            status = await cluster.pool.fetchval(
                "select vm_state from servers where uuid = $1", UUID(server_id)
            )
            assert status in ("active", "shelved", "stopped"), status


async def kill_in_turn(cluster: Cluster, done: asyncio.Event) -> int:
    """Kill and start one host after the other, each time some more workflows have ended, so that
    every kill hits work in flight; how many kills."""

    async def ended() -> int:
        query = "select count(*) from instance_actions where finish_time is not null"
        return int(await cluster.pool.fetchval(query))

    kills = 0
    while True:
        for host in cluster.hosts[:3]:
            before = await ended()

            async def progress(before: int = before) -> bool:
                return done.is_set() or await ended() >= before + 6

            await wait_for(progress, 60, "workflows to end")
            if done.is_set():
                return kills
            await cluster.kill(host)
            kills += 1
            await cluster.start_host(host)


async def test_moves_under_fire(database_url: str, tmp_path: Path) -> None:
    hosts = ("compute-1", "compute-2", "compute-3", "compute-4")
    async with running_cluster(database_url, tmp_path, hosts=hosts) as cluster:
        resized = {"bigger": True, "migration": "resize"}
        plans = {
            "live": [action(LIVE_MIGRATE, migration="live-migration")],
            "cold": [action(MIGRATE, migration="migration")],
            "back": [action(RESIZE, **resized), action(REVERT_RESIZE, unsettled=True)],
            "shelf": [action(SHELVE), action(UNSHELVE)],
        }
        ids = {kind: await boot(cluster, kind) for kind in plans}
        done = asyncio.Event()
        killing = asyncio.ensure_future(kill_in_turn(cluster, done))
        moves = [in_turn(cluster, i, *plans[kind]) for kind in plans for i in ids[kind]]
        try:
            await asyncio.gather(*moves)
            everyone = [i for of_kind in ids.values() for i in of_kind]
            servers = await asyncio.gather(*(cluster.settled(i, 90) for i in everyone))
        finally:
            done.set()
            kills = await killing
        assert kills >= 3
        for server in servers:
            assert server is not None
            assert server["status"] in STATUSES, server
            assert server["OS-EXT-STS:task_state"] is None, server
            if server["status"] == "ERROR":
                assert server["fault"]["message"], server
        good = sum(server["status"] != "ERROR" for server in servers if server)
        assert good >= len(servers) // 2, "most moves survive"
        await cluster.assert_sound()


async def test_evacuate_a_whole_host_that_returns_meanwhile(
    database_url: str, tmp_path: Path
) -> None:
    async with running_cluster(database_url, tmp_path) as cluster:
        image, network = await cluster.image_id(), await cluster.network_id()
        body = {
            "server": {
                "name": "many",
                "flavorRef": "1",
                "imageRef": image,
                "networks": [{"uuid": network}],
                "min_count": 50,
                "host": "compute-1",
            }
        }
        status, answer = await cluster.request("POST", "/servers", body, version="2.74")
        assert status == 202, answer
        ids = [
            str(r["uuid"])
            for r in await cluster.pool.fetch("select uuid from servers order by launch_index")
        ]
        await asyncio.gather(*(cluster.settled(i, 60) for i in ids))
        await cluster.kill("compute-1")
        _, listed = await cluster.request("GET", "/os-services?host=compute-1")
        service = f"/os-services/{listed['services'][0]['id']}"
        await cluster.request("PUT", service, {"forced_down": True})

        async def evacuate(server_id: str) -> None:
            await cluster.action(server_id, {"evacuate": {}}, 200)

        begun = asyncio.gather(*(evacuate(i) for i in ids))
        await cluster.start_host("compute-1")  # in the middle of it
        await begun
        servers = await asyncio.gather(*(cluster.settled(i, 60) for i in ids))
        assert {s and s["status"] for s in servers} == {"ACTIVE"}
        assert "compute-1" not in {s and s["OS-EXT-SRV-ATTR:host"] for s in servers}

        async def let_back() -> bool:
            got, _ = await cluster.request("PUT", service, {"forced_down": False})
            return got == 200

        await wait_for(let_back, 10, "the old guests to be destroyed")
        await cluster.assert_sound()
