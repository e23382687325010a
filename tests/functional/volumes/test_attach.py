"""Volumes come to running servers and go from them."""

from __future__ import annotations

import pytest

from tests.functional.volumes.support import attach, detach, running, with_volume
from tests.support.cluster import Cluster


async def test_attach_and_detach(cluster: Cluster) -> None:
    server_id, volume_id = await running(cluster), await cluster.volumes.make()
    status, body = await attach(cluster, server_id, volume_id, device="/dev/vdc", tag="data")
    assert status == 200
    assert body["volumeAttachment"] == {
        "id": volume_id,
        "serverId": server_id,
        "volumeId": volume_id,
        "device": "/dev/vdc",
        "tag": "data",
        "delete_on_termination": False,
    }
    assert await cluster.volumes.status(volume_id) != "available", "reserved by the request"
    await cluster.settled(server_id)
    shown = await cluster.volumes.show(volume_id)
    assert shown["status"] == "in-use"
    assert [(a["server_id"], a["device"]) for a in shown["attachments"]] == [
        (server_id, "/dev/vdc")
    ]
    server = await cluster.server(server_id)
    assert server is not None
    assert server["os-extended-volumes:volumes_attached"] == [
        {"id": volume_id, "delete_on_termination": False}
    ]
    await cluster.assert_sound()
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    assert (await detach(cluster, server_id, volume_id))[0] == 202
    await cluster.settled(server_id)
    assert await cluster.volumes.status(volume_id) == "available"
    assert (await cluster.request("GET", path))[0] == 404
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    assert [a["action"] for a in body["instanceActions"][:2]] == ["detach_volume", "attach_volume"]


@pytest.mark.parametrize("version", ["2.1", "2.70", "2.88", "2.89", "2.104"])
async def test_what_each_version_shows(cluster: Cluster, version: str) -> None:
    server_id, volume_id = await with_volume(cluster)
    path = f"/servers/{server_id}/os-volume_attachments"
    _, body = await cluster.request("GET", path, version=version)
    (listed,) = body["volumeAttachments"]
    _, body = await cluster.request("GET", f"{path}/{volume_id}", version=version)
    assert body["volumeAttachment"] == listed
    minor = int(version.split(".")[1])
    expected = {"serverId", "volumeId", "device"}
    expected |= {"id"} if minor < 89 else {"attachment_id", "bdm_uuid"}
    expected |= {"tag"} if minor >= 70 else set()
    expected |= {"delete_on_termination"} if minor >= 79 else set()
    assert set(listed) == expected
    assert listed["device"] == "/dev/vdb"
