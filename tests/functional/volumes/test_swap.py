"""Another volume takes the place of one; what may be changed of an attachment."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.volumes.support import running, volumes_of, with_volume
from tests.support.cluster import Cluster


async def put(
    cluster: Cluster,
    server_id: str,
    volume_id: str,
    attachment: dict[str, Any],
    *,
    version: str = "2.85",
    user: str = "admin",
) -> tuple[int, Any]:
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    body = {"volumeAttachment": attachment}
    return await cluster.request("PUT", path, body, version=version, user=user)


@pytest.mark.parametrize("version", ["2.1", "2.85"])
async def test_swap(cluster: Cluster, version: str) -> None:
    server_id, old = await with_volume(cluster)
    new = await cluster.volumes.make(2)
    status, body = await put(cluster, server_id, old, {"volumeId": new}, version=version)
    assert status == 202, body
    await cluster.settled(server_id)
    assert await volumes_of(cluster, server_id) == [new]
    assert await cluster.volumes.status(old) == "available"
    assert await cluster.volumes.status(new) == "in-use"
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    assert body["instanceActions"][0]["action"] == "swap_volume"
    await cluster.assert_sound()


async def test_what_is_no_swap(cluster: Cluster) -> None:
    server_id, old = await with_volume(cluster)
    _, taken = await with_volume(cluster)
    new, unknown = await cluster.volumes.make(), "6f70656e-7374-6163-6b20-617069206f6b"
    big_server, big = await running(cluster), await cluster.volumes.make(2)
    for name, at, volume_id, to, expected in (
        ("of an unknown volume", server_id, unknown, new, 404),
        ("to an unknown volume", server_id, old, unknown, 400),
        ("to one in use", server_id, old, taken, 400),
        ("of one that is elsewhere", server_id, taken, new, 404),
        ("of one that is not attached", big_server, big, new, 404),
    ):
        status, body = await put(cluster, at, volume_id, {"volumeId": to}, version="2.84")
        assert status == expected, (name, body)
    assert await cluster.volumes.status(old) == "in-use"
    assert await cluster.volumes.status(new) == "available"
    status, _ = await put(cluster, server_id, old, {"volumeId": new}, user="demo")
    assert status in (403, 404), "services and administrators only"


async def test_a_smaller_volume(cluster: Cluster) -> None:
    server_id, small = await with_volume(cluster)
    big = await cluster.volumes.make(2)
    assert (await put(cluster, server_id, small, {"volumeId": big}))[0] == 202
    await cluster.settled(server_id)
    status, body = await put(cluster, server_id, big, {"volumeId": small})
    assert status == 400, body
    assert "same size or larger" in body["badRequest"]["message"]


async def test_whether_it_ends_with_the_server_can_be_changed(cluster: Cluster) -> None:
    server_id, volume_id = await with_volume(cluster)
    same = {"volumeId": volume_id, "id": volume_id, "serverId": server_id, "device": "/dev/vdb"}
    status, body = await put(cluster, server_id, volume_id, {**same, "delete_on_termination": True})
    assert status == 202, body
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    _, body = await cluster.request("GET", path, version="2.85")
    assert body["volumeAttachment"]["delete_on_termination"] is True
    for other in (
        {"device": "/dev/vdx"},
        {"tag": "t"},
        {"serverId": volume_id},
        {"id": server_id},
    ):
        status, body = await put(cluster, server_id, volume_id, {**same, **other})
        assert status == 400, body
        assert "not mutable" in body["badRequest"]["message"]
    unknown = "6f70656e-7374-6163-6b20-617069206f6b"
    status, body = await put(cluster, server_id, unknown, {"volumeId": unknown})
    assert status == 404, body
    await cluster.request("DELETE", f"/servers/{server_id}")
    assert await cluster.settled(server_id) is None
    await cluster.volumes.becomes(volume_id, None)
