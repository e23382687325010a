"""Policies of groups and zones in a whole cluster: two conductors, two schedulers, three hosts.

Members are made, moved and brought back at the same time; whatever the schedulers propose, the
claims keep the policy.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.scheduler import app as scheduler
from tests.functional.servers.test_lifecycles import active, deployed, do, expect
from tests.support.cluster import Cluster
from tests.support.wait import wait_for


@pytest.fixture(scope="module")
async def cluster(
    postgres_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    scratch = tmp_path_factory.mktemp("affinity")
    async with deployed(
        postgres_server,
        template_database,
        scratch,
        "affinity",
        conductor={"shelved_offload_time_s": 0},
        # What was promised to servers that are gone again counts for a moment as well.
        scheduler={"soft_anti_affinity_weight_multiplier": 1000},
    ) as running:
        await running.start_conductor("conductor-2", conductor={"host_name": "conductor-2"})
        await running.start_member(
            "scheduler-2", scheduler.create, scheduler={"host_name": "scheduler-2"}
        )
        yield running


@pytest.fixture(autouse=True)
async def empty(cluster: Cluster) -> AsyncIterator[None]:
    yield
    _, body = await cluster.request("GET", "/servers")
    for server in body["servers"]:
        await cluster.request("DELETE", f"/servers/{server['id']}")
    for server in body["servers"]:
        await expect(cluster, server["id"], None)
    await cluster.assert_sound()


async def group(cluster: Cluster, policy: str, **rules: int) -> dict[str, Any]:
    """The hint that makes a server a member of a new group."""
    body = {"server_group": {"name": "g", "policy": policy, "rules": rules}}
    status, made = await cluster.request("POST", "/os-server-groups", body, version="2.96")
    assert status == 200, made
    return {"os:scheduler_hints": {"group": made["server_group"]["id"]}}


async def members(cluster: Cluster, hint: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """So many new members, asked for at the same time; as they are in the end."""
    ids = await asyncio.gather(*(cluster.create_server(**hint) for _ in range(count)))
    found = [await cluster.settled(each) for each in ids]
    return [each for each in found if each is not None]


async def hosts_of(cluster: Cluster, servers: list[dict[str, Any]]) -> Counter[str]:
    rows = [await cluster.row(each["id"]) for each in servers]
    return Counter(row["host"] for row in rows if row["host"] is not None)


@pytest.mark.parametrize("most", [1, 2])
async def test_members_that_are_to_be_apart(cluster: Cluster, most: int) -> None:
    hint = await group(cluster, "anti-affinity", max_server_per_host=most)
    made = await members(cluster, hint, 3 * most + 2)
    assert Counter(each["status"] for each in made) == {"ACTIVE": 3 * most, "ERROR": 2}
    assert await hosts_of(cluster, made) == dict.fromkeys(cluster.hosts, most)
    fault = next(each["fault"] for each in made if each["status"] == "ERROR")
    assert "removed by ServerGroupAntiAffinityFilter" in fault["message"]


async def test_members_that_are_to_be_together(cluster: Cluster) -> None:
    made = await members(cluster, await group(cluster, "affinity"), 6)
    assert Counter(each["status"] for each in made) == {"ACTIVE": 6}
    assert len(await hosts_of(cluster, made)) == 1


async def test_soft_policies_are_kept_while_they_can_be(cluster: Cluster) -> None:
    hint = await group(cluster, "soft-anti-affinity")
    for _ in range(3):
        await active(cluster, **hint)
    _, body = await cluster.request("GET", "/servers")
    assert set((await hosts_of(cluster, body["servers"])).values()) == {1}
    assert (await members(cluster, hint, 1))[0]["status"] == "ACTIVE"


async def test_moves_keep_members_apart(cluster: Cluster) -> None:
    """Cold, live, and both at once: of three hosts one is free."""
    hint = await group(cluster, "anti-affinity")
    first, second = await active(cluster, **hint), await active(cluster, **hint)
    both = [{"id": first}, {"id": second}]
    for body in ({"os-migrateLive": {"host": None, "block_migration": "auto"}}, {"migrate": None}):
        ((action, argument),) = body.items()
        await asyncio.gather(*(do(cluster, each, action, argument) for each in (first, second)))
        for each in (first, second):
            await cluster.settled(each)
        assert set((await hosts_of(cluster, both)).values()) == {1}
        claims = await cluster.pool.fetch("select host, count(*) as n from allocations group by 1")
        assert {row["n"] for row in claims} == {1}


async def test_a_full_house_cannot_move(cluster: Cluster) -> None:
    hint = await group(cluster, "anti-affinity")
    made = await members(cluster, hint, 3)
    before = await cluster.row(made[0]["id"])
    await do(cluster, made[0]["id"], "migrate")
    await cluster.settled(made[0]["id"])
    after = await cluster.row(made[0]["id"])
    assert (after["host"], after["vm_state"]) == (before["host"], "active")
    assert "ServerGroupAntiAffinityFilter" in after["fault"]["message"]
    here = {"host": next(h for h in cluster.hosts if h != before["host"]), "force": True}
    await do(
        cluster,
        made[0]["id"],
        "os-migrateLive",
        {**here, "block_migration": "auto"},
        version="2.30",
    )
    await cluster.settled(made[0]["id"])
    assert (await cluster.row(made[0]["id"]))["host"] == before["host"]


async def test_who_comes_back_keeps_the_policy(cluster: Cluster) -> None:
    """Shelved members have no place, and count nowhere until they have one again."""
    hint = await group(cluster, "affinity")
    first, second = await active(cluster, **hint), await active(cluster, **hint)
    host = (await cluster.row(first))["host"]
    for each in (first, second):
        await do(cluster, each, "shelve")
        await expect(cluster, each, "SHELVED_OFFLOADED")
    third = await active(cluster, **hint)
    await asyncio.gather(*(do(cluster, each, "unshelve", None) for each in (first, second)))
    for each in (first, second):
        await expect(cluster, each, "ACTIVE")
    everybody = [{"id": each} for each in (first, second, third)]
    assert len(await hosts_of(cluster, everybody)) == 1
    assert host in cluster.hosts


async def test_evacuation_keeps_members_apart(cluster: Cluster) -> None:
    hint = await group(cluster, "anti-affinity")
    first, second = await active(cluster, **hint), await active(cluster, **hint)
    lost, other = (await cluster.row(first))["host"], (await cluster.row(second))["host"]
    await cluster.kill(lost)
    _, body = await cluster.request("GET", f"/os-services?host={lost}")
    service = f"/os-services/{body['services'][0]['id']}"
    await cluster.request("PUT", service, {"forced_down": True})
    await cluster.action(first, {"evacuate": {}}, 200)
    await expect(cluster, first, "ACTIVE")
    assert (await cluster.row(first))["host"] not in {lost, other}
    await cluster.start_host(lost)
    await cluster.pool.execute("update services set forced_down = false where host = $1", lost)


async def test_a_zone_is_where_its_hosts_are(cluster: Cluster) -> None:
    body = {"aggregate": {"name": "west", "availability_zone": "west"}}
    _, made = await cluster.request("POST", "/os-aggregates", body)
    path = f"/os-aggregates/{made['aggregate']['id']}/action"
    status, _ = await cluster.request("POST", path, {"add_host": {"host": "compute-2"}})
    assert status == 200
    try:
        servers = [await active(cluster, availability_zone="west") for _ in range(3)]
        shown = [await expect(cluster, each, "ACTIVE") for each in servers]
        assert {each["OS-EXT-AZ:availability_zone"] for each in shown} == {"west"}
        assert {each["OS-EXT-SRV-ATTR:host"] for each in shown} == {"compute-2"}
        # They are pinned: nowhere else to go.
        await do(cluster, servers[0], "migrate")
        await cluster.settled(servers[0])
        row = await cluster.row(servers[0])
        assert row["host"] == "compute-2"
        assert "AvailabilityZoneFilter" in row["fault"]["message"]
        status, refused = await cluster.request(
            "POST", path, {"remove_host": {"host": "compute-2"}}
        )
        assert (status, "contain servers" in refused["conflictingRequest"]["message"]) == (
            409,
            True,
        )
    finally:
        for each in servers:
            await cluster.request("DELETE", f"/servers/{each}")
            await cluster.settled(each)
        status, _ = await cluster.request("POST", path, {"remove_host": {"host": "compute-2"}})
        assert status == 200


async def test_images_reach_the_hosts_of_an_aggregate(cluster: Cluster) -> None:
    _, made = await cluster.request("POST", "/os-aggregates", {"aggregate": {"name": "cache"}})
    one = f"/os-aggregates/{made['aggregate']['id']}"
    await cluster.request("POST", f"{one}/action", {"add_host": {"host": "compute-3"}})
    image = await cluster.image_id()
    status, _ = await cluster.request("POST", f"{one}/images", {"cache": [{"id": image}]})
    assert status == 202

    async def cached(host: str) -> list[str]:
        return list(await cluster.members[host].service.agents[host].driver.cached_images())

    async def there() -> bool:
        return await cached("compute-3") == [image]

    await wait_for(there, what="the image to be there")
    assert await cached("compute-1") == []
