"""Aggregates over HTTP, and what they mean for zones."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from common.bus.port import Delivery
from common.bus.topology import host_queue
from common.messages.compute import HostCommand
from tests.functional.api.conftest import Answer, Deployment
from tests.functional.servers.conftest import FLAVOR
from tests.support.wait import wait_for

FIELDS = {
    "availability_zone", "created_at", "deleted", "deleted_at", "hosts", "id", "metadata", "name",
    "updated_at",
}  # fmt: skip


async def create(deployment: Deployment, name: str, zone: str | None = None, v: int = 104) -> Any:
    body = {"aggregate": {"name": name, "availability_zone": zone}}
    answer = await deployment.call("POST", "/os-aggregates", body, v=v)
    assert answer.status == 200, answer.body
    return answer.body["aggregate"]


async def act(deployment: Deployment, aggregate: Any, action: str, **argument: Any) -> Answer:
    path = f"/os-aggregates/{aggregate['id']}/action"
    return await deployment.call("POST", path, {action: argument})


@pytest.mark.parametrize("v", [1, 40, 41, 104])
async def test_life(deployment: Deployment, v: int) -> None:
    await deployment.add_host(f"life-{v}")
    fields = FIELDS | ({"uuid"} if v >= 41 else set())
    made = await create(deployment, f"life {v}", "zone life", v=v)
    assert set(made) == fields - {"hosts", "metadata"}
    one = f"/os-aggregates/{made['id']}"
    shown = (await deployment.call("GET", one, v=v)).body["aggregate"]
    assert set(shown) == fields
    assert shown["metadata"] == {"availability_zone": "zone life"}
    assert (shown["hosts"], shown["deleted"], shown["updated_at"]) == ([], False, None)
    added = (await act(deployment, made, "add_host", host=f"life-{v}")).body["aggregate"]
    assert added["hosts"] == [f"life-{v}"]
    assert (await deployment.call("DELETE", one, v=v)).status == 400
    body = {"aggregate": {"name": f" renamed {v} "}}
    renamed = (await deployment.call("PUT", one, body, v=v)).body["aggregate"]
    assert (renamed["name"], renamed["availability_zone"]) == (f"renamed {v}", "zone life")
    listed = (await deployment.call("GET", "/os-aggregates", v=v)).body["aggregates"]
    assert renamed in listed
    gone = (await act(deployment, made, "remove_host", host=f"life-{v}")).body["aggregate"]
    assert gone["hosts"] == []
    deleted = await deployment.call("DELETE", one, v=v)
    assert (deleted.status, deleted.body) == (200, b"")
    assert (await deployment.call("GET", one, v=v)).status == 404


async def test_metadata(deployment: Deployment) -> None:
    made = await create(deployment, "with metadata")

    async def set_(**items: Any) -> Answer:
        return await act(deployment, made, "set_metadata", metadata=items)

    both = (await set_(ssd="true", availability_zone="meta")).body["aggregate"]
    assert both["metadata"] == {"ssd": "true", "availability_zone": "meta"}
    assert both["availability_zone"] == "meta"
    assert (await set_(ssd=None)).body["aggregate"]["metadata"] == {"availability_zone": "meta"}
    for zone in (None, "", "a:b"):
        assert (await set_(availability_zone=zone)).status == 400
    assert (await set_(ssd=1)).status == 400
    assert (await set_(**{"bad/key": "x"})).status == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/os-aggregates/0", None, 404),
        ("GET", "/os-aggregates/x", None, 400),
        ("GET", "/os-aggregates/-1", None, 404),
        ("DELETE", "/os-aggregates/99999999999999999999", None, 404),
        ("POST", "/os-aggregates", {"aggregate": {}}, 400),
        ("POST", "/os-aggregates", {"aggregate": {"name": "a", "availability_zone": "b:c"}}, 400),
        ("POST", "/os-aggregates", {"aggregate": {"name": "a", "availability_zone": ""}}, 400),
        ("POST", "/os-aggregates", {"aggregate": {"name": " a"}}, 400),
        ("PUT", "/os-aggregates/0", {"aggregate": {}}, 400),
        ("PUT", "/os-aggregates/0", {"aggregate": {"availability_zone": None}}, 400),
        ("PUT", "/os-aggregates/0", {"aggregate": {"name": "nobody"}}, 404),
        ("POST", "/os-aggregates/0/action", {"add_host": {"host": "a"}}, 404),
        ("POST", "/os-aggregates/0/action", {"add_host": {"host": "a/b"}}, 400),
        ("POST", "/os-aggregates/0/action", {"no_such": {}}, 400),
        ("POST", "/os-aggregates/0/images", {"cache": []}, 400),
        ("POST", "/os-aggregates/0/images", {"cache": [{"id": "x"}]}, 400),
        (
            "POST",
            "/os-aggregates/0/images",
            {"cache": [{"id": str(uuid4())} for _ in range(65)]},
            400,
        ),
    ],
)
async def test_refusals(
    deployment: Deployment, method: str, path: str, body: Any, status: int
) -> None:
    assert (await deployment.call(method, path, body)).status == status


async def test_conflicts(deployment: Deployment) -> None:
    await deployment.add_host("conflict-1")
    first = await create(deployment, "conflict a", "zone a")
    second = await create(deployment, "conflict b", "zone b")
    again = await deployment.call("POST", "/os-aggregates", {"aggregate": {"name": "conflict a"}})
    assert (again.status, again.fault()) == (409, "Aggregate conflict a already exists.")
    taken = {"aggregate": {"name": "conflict a"}}
    assert (await deployment.call("PUT", f"/os-aggregates/{second['id']}", taken)).status == 409
    assert (await act(deployment, first, "add_host", host="nowhere")).status == 404
    assert (await act(deployment, first, "remove_host", host="conflict-1")).status == 404
    assert (await act(deployment, first, "add_host", host="conflict-1")).status == 200
    assert (await act(deployment, first, "add_host", host="conflict-1")).status == 409
    elsewhere = await act(deployment, second, "add_host", host="conflict-1")
    assert elsewhere.status == 409
    assert "already in availability zone(s) zone a" in elsewhere.fault()


async def test_zones_are_those_of_hosts(deployment: Deployment) -> None:
    for host in ("zones-1", "zones-2"):
        await deployment.add_host(host)
    made = await create(deployment, "zones", "west")

    async def zones(path: str = "") -> dict[str, Any]:
        answer = await deployment.call("GET", f"/os-availability-zone{path}")
        return {each["zoneName"]: each for each in answer.body["availabilityZoneInfo"]}

    assert "west" not in await zones()
    await act(deployment, made, "add_host", host="zones-1")
    west = (await zones())["west"]
    assert west == {"zoneName": "west", "zoneState": {"available": True}, "hosts": None}
    detailed = await zones("/detail")
    assert set(detailed["west"]["hosts"]) == {"zones-1"}
    assert "zones-2" in detailed["nova"]["hosts"]
    service = detailed["west"]["hosts"]["zones-1"]["nova-compute"]
    assert set(service) == {"active", "available", "updated_at"}
    listed = (await deployment.call("GET", "/os-services?host=zones-1")).body["services"]
    assert [each["zone"] for each in listed] == ["west"]
    await deployment.pool.execute("update services set disabled = true where host = 'zones-1'")
    assert (await zones())["west"]["zoneState"] == {"available": False}


async def test_servers_show_and_are_found_by_the_zone_of_their_host(
    deployment: Deployment,
) -> None:
    for host in ("shown-1", "shown-2"):
        await deployment.add_host(host)
    made = await create(deployment, "shown", "shown zone")
    await act(deployment, made, "add_host", host="shown-1")
    here = await deployment.add_server("admin", "shown-1", flavor=FLAVOR)
    there = await deployment.add_server("admin", "shown-2", flavor=FLAVOR)
    asked = await deployment.add_server("admin", None, flavor=FLAVOR, availability_zone="asked")

    async def zone(server_id: str) -> str:
        shown = (await deployment.call("GET", f"/servers/{server_id}")).body["server"]
        return str(shown["OS-EXT-AZ:availability_zone"])

    assert [await zone(each) for each in (here, there, asked)] == ["shown zone", "nova", "asked"]

    async def found(query: str) -> list[str]:
        answer = await deployment.call("GET", f"/servers/detail?{query}")
        return [each["id"] for each in answer.body["servers"]]

    assert await found("availability_zone=shown zone") == [here]
    assert there in await found("availability_zone=nova")
    assert await found("availability_zone=asked") == [asked]
    ordered = await found("sort_key=availability_zone&sort_dir=desc")
    assert ordered.index(here) < ordered.index(asked) < ordered.index(there)


async def test_images_are_put_on_hosts_in_service(deployment: Deployment) -> None:
    heard: list[tuple[str, HostCommand]] = []
    for host in ("cache-1", "cache-2", "cache-3"):
        await deployment.add_host(host, fresh=host != "cache-2")

        async def hear(delivery: Delivery, host: str = host) -> None:
            assert isinstance(delivery.message, HostCommand)
            heard.append((host, delivery.message))

        await deployment.bus.consume(host_queue(host), hear, prefetch=1)
    await deployment.pool.execute("update services set disabled = true where host = 'cache-3'")
    made = await create(deployment, "cache")
    for host in ("cache-1", "cache-2", "cache-3"):
        await act(deployment, made, "add_host", host=host)
    root = deployment.identity_url.removesuffix("identity")
    headers = {"X-Auth-Token": deployment.tokens["admin"]}
    async with deployment.http.get(f"{root}image/v2/images", headers=headers) as response:
        image = (await response.json())["images"][0]["id"]
    path = f"/os-aggregates/{made['id']}/images"

    async def cache(*ids: str, v: int = 104) -> Answer:
        return await deployment.call("POST", path, {"cache": [{"id": each} for each in ids]}, v=v)

    assert (await cache(image, v=80)).status == 404
    assert (await cache(image, image)).status == 400
    assert (await cache(image, str(uuid4()))).fault().endswith("could not be found.")
    assert heard == []
    answer = await cache(image)
    assert (answer.status, answer.body) == (202, b"")
    await wait_for(lambda: heard, what="a command")
    await asyncio.sleep(0)
    ((host, command),) = heard
    assert (host, command.verb, command.params) == (
        "cache-1",
        "cache_images",
        {"image_ids": [image]},
    )
