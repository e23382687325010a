"""Volumes and snapshots through the Compute API, with the real volume stand-in behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from tests.functional.api.conftest import Answer, Deployment

UNKNOWN = "11111111-2222-3333-4444-555555555555"
VOLUME = {
    "id", "status", "size", "availabilityZone", "createdAt", "attachments", "displayName",
    "displayDescription", "volumeType", "snapshotId", "metadata",
}  # fmt: skip
SNAPSHOT = {
    "id", "volumeId", "status", "size", "createdAt", "displayName", "displayDescription"
}  # fmt: skip


async def call(
    deployment: Deployment, method: str, path: str, body: Any = None, **how: Any
) -> Answer:
    return await deployment.call(method, path, body, **{"v": 1, "user": "demo", **how})


async def volume_service(
    deployment: Deployment, method: str, path: str, body: Any, user: str = "demo"
) -> Any:
    """A call to the volume service itself."""
    url = deployment.identity_url.replace("/identity", "/volume/v3" + path)
    headers = {
        "X-Auth-Token": deployment.tokens[user],
        "OpenStack-API-Version": "volume 3.54",
    }
    async with deployment.http.request(method, url, json=body, headers=headers) as response:
        assert response.status < 300, await response.text()
        return await response.json() if await response.read() else None


@pytest.fixture
async def volume_id(deployment: Deployment) -> AsyncIterator[str]:
    """A volume that is gone after the test."""
    answer = await call(deployment, "POST", "/os-volumes", {"volume": {"size": 1}})
    assert answer.status == 200, answer.body
    yield answer.body["volume"]["id"]
    await call(deployment, "DELETE", f"/os-volumes/{answer.body['volume']['id']}")


async def test_a_volume_from_its_creation_to_its_end(deployment: Deployment) -> None:
    wanted = {
        "size": "2",
        "display_name": "v",
        "display_description": "d",
        "metadata": {"a": "b"},
        "availability_zone": "nova",
        "volume_type": "multiattach",
    }
    answer = await call(deployment, "POST", "/os-volumes", {"volume": wanted})
    assert answer.status == 200
    made = answer.body["volume"]
    assert (set(made), made["status"]) == (VOLUME, "creating")
    path = f"/os-volumes/{made['id']}"
    assert answer.headers["Location"] == f"{deployment.base_url}/v2.1{path}"
    answer = await call(deployment, "GET", path)
    assert answer.status == 200
    shown = answer.body["volume"]
    assert shown == {
        "id": made["id"],
        "status": "available",
        "size": 2,
        "availabilityZone": "nova",
        "createdAt": made["createdAt"],
        "attachments": [{}],
        "displayName": "v",
        "displayDescription": "d",
        "volumeType": "multiattach",
        "snapshotId": None,
        "metadata": {"a": "b"},
    }
    for listing in ("/os-volumes", "/os-volumes/detail"):
        assert (await call(deployment, "GET", listing)).body == {"volumes": [shown]}
        assert (await call(deployment, "GET", listing, user="other")).body == {"volumes": []}
    assert (await call(deployment, "GET", path, user="other")).status == 404
    assert (await call(deployment, "DELETE", path)).status == 202
    for method in ("GET", "DELETE"):
        answer = await call(deployment, method, path)
        message = f"Volume {made['id']} could not be found."
        assert (answer.status, answer.fault()) == (404, message)


async def test_an_attached_volume_shows_its_servers(deployment: Deployment, volume_id: str) -> None:
    server = str(uuid4())
    wanted = {
        "volume_uuid": volume_id,
        "instance_uuid": server,
        "connector": {"host": "h", "mountpoint": "/dev/vdb"},
    }
    body = {"attachment": wanted}
    made = (await volume_service(deployment, "POST", "/attachments", body))["attachment"]["id"]
    path = f"/os-volumes/{volume_id}"
    complete: Any = {"os-complete": {}}
    await volume_service(deployment, "POST", f"/attachments/{made}/action", complete)
    volume = (await call(deployment, "GET", path)).body["volume"]
    assert volume["status"] == "in-use"
    assert volume["attachments"] == [
        {"id": volume_id, "volumeId": volume_id, "serverId": server, "device": "/dev/vdb"}
    ]
    assert (await call(deployment, "DELETE", path)).status == 400
    reset = {"os-reset_status": {"status": "available", "attach_status": "detached"}}
    await volume_service(deployment, "POST", f"/volumes/{volume_id}/action", reset, "admin")


@pytest.mark.parametrize("collection", ["volumes", "snapshots"])
async def test_windows(deployment: Deployment, volume_id: str, collection: str) -> None:
    body = {
        "volumes": {"volume": {"size": 1}},
        "snapshots": {"snapshot": {"volume_id": volume_id}},
    }[collection]
    made = [
        (await call(deployment, "POST", f"/os-{collection}", body)).body[collection[:-1]]["id"]
        for _ in range(3)
    ]
    newest = [made[2], made[1], made[0], *([volume_id] if collection == "volumes" else [])]
    for query, expected in (
        ("", newest),
        ("limit=2", newest[:2]),
        ("limit=1&offset=1&whatever=1", newest[1:2]),
        ("offset=2", newest[2:]),
        ("limit=0", newest),
        ("offset=9", []),
    ):
        for path in (f"/os-{collection}", f"/os-{collection}/detail"):
            answer = await call(deployment, "GET", f"{path}?{query}")
            assert [item["id"] for item in answer.body[collection]] == expected, query
    for query in ("limit=-1", "limit=x", "offset=x"):
        assert (await call(deployment, "GET", f"/os-{collection}?{query}")).status == 400
    for each in made:
        assert (await call(deployment, "DELETE", f"/os-{collection}/{each}")).status == 202


async def test_a_snapshot_from_its_creation_to_its_end(
    deployment: Deployment, volume_id: str
) -> None:
    wanted = {"volume_id": volume_id, "display_name": "s", "display_description": "d"}
    answer = await call(deployment, "POST", "/os-snapshots", {"snapshot": wanted})
    assert (answer.status, set(answer.body["snapshot"])) == (200, SNAPSHOT)
    made = answer.body["snapshot"]
    path = f"/os-snapshots/{made['id']}"
    answer = await call(deployment, "GET", path)
    shown = {**made, "status": "available"}
    assert answer.body == {"snapshot": shown}
    assert (shown["displayName"], shown["displayDescription"]) == ("s", "d")
    assert (shown["volumeId"], shown["size"]) == (volume_id, 1)
    assert (await call(deployment, "GET", "/os-snapshots/detail")).body == {"snapshots": [shown]}
    assert (await call(deployment, "GET", "/os-snapshots", user="other")).body == {"snapshots": []}
    restored = {"volume": {"size": 1, "snapshot_id": made["id"]}}
    volume = (await call(deployment, "POST", "/os-volumes", restored)).body["volume"]
    assert volume["snapshotId"] == made["id"]
    assert (await call(deployment, "DELETE", f"/os-volumes/{volume['id']}")).status == 202
    assert (await call(deployment, "DELETE", path)).status == 202
    for method in ("GET", "DELETE"):
        assert (await call(deployment, method, path)).status == 404


async def test_a_volume_in_use_needs_force(deployment: Deployment, volume_id: str) -> None:
    action = f"/volumes/{volume_id}/action"
    status = {"os-reset_status": {"status": "in-use"}}
    await volume_service(deployment, "POST", action, status, "admin")
    for force, expected in (("False", 400), (None, 400), ("on", 200)):
        wanted = {"volume_id": volume_id, **({} if force is None else {"force": force})}
        answer = await call(deployment, "POST", "/os-snapshots", {"snapshot": wanted})
        assert answer.status == expected, answer.body
    made = answer.body["snapshot"]["id"]
    assert (await call(deployment, "DELETE", f"/os-snapshots/{made}")).status == 202
    status = {"os-reset_status": {"status": "available"}}
    await volume_service(deployment, "POST", action, status, "admin")


@pytest.mark.parametrize(
    ("volume", "status"),
    [
        ({}, 400),
        ({"size": 0}, 400),
        ({"size": "x"}, 400),
        ({"size": 1, "name": "v"}, 400),
        ({"size": 1, "availability_zone": "mars"}, 400),
        ({"size": 1, "metadata": {"a": 1}}, 400),
        ({"size": 1, "snapshot_id": UNKNOWN}, 404),
        ({"size": 1, "volume_type": "nothing"}, 404),
    ],
)
async def test_volumes_that_are_refused(
    deployment: Deployment, volume: dict[str, Any], status: int
) -> None:
    answer = await call(deployment, "POST", "/os-volumes", {"volume": volume})
    assert answer.status == status, answer.body


async def test_quota_is_the_volume_services(deployment: Deployment, volume_id: str) -> None:
    path = f"/os-quota-sets/{deployment.projects['demo']}"
    for name in ("volumes", "snapshots"):
        quota = {"quota_set": {name: 1 if name == "volumes" else 0}}
        await volume_service(deployment, "PUT", path, quota, "admin")
        wanted: Any = {"volume": {"size": 1}}
        if name == "snapshots":
            wanted = {"snapshot": {"volume_id": volume_id}}
        answer = await call(deployment, "POST", f"/os-{name}", wanted)
        assert answer.status == 403, answer.body
    await volume_service(deployment, "DELETE", path, None, "admin")


async def test_readers_only_read(deployment: Deployment, volume_id: str) -> None:
    for path in ("/os-volumes", f"/os-volumes/{volume_id}", "/os-snapshots/detail"):
        assert (await call(deployment, "GET", path, user="reader")).status == 200
    for method, path, body in (
        ("POST", "/os-volumes", {"volume": {"size": 1}}),
        ("DELETE", f"/os-volumes/{volume_id}", None),
        ("POST", "/os-snapshots", {"snapshot": {"volume_id": volume_id}}),
        ("DELETE", f"/os-snapshots/{UNKNOWN}", None),
    ):
        answer = await call(deployment, method, path, body, user="reader")
        assert answer.status == 403


async def test_where_the_versions_end(deployment: Deployment, volume_id: str) -> None:
    for path in ("/os-volumes", f"/os-volumes/{volume_id}", "/os-snapshots", "/os-volumes/detail"):
        assert (await call(deployment, "GET", path, v=35)).status == 200
        assert (await call(deployment, "GET", path, v=36)).status == 404
