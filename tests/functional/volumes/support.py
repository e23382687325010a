"""What the tests of volumes share: servers with volumes, and requests about them."""

from __future__ import annotations

from typing import Any

from tests.support.cluster import Cluster


async def attach(
    cluster: Cluster,
    server_id: str,
    volume_id: str,
    *,
    version: str = "2.79",
    user: str = "admin",
    **fields: Any,
) -> tuple[int, Any]:
    body = {"volumeAttachment": {"volumeId": volume_id, **fields}}
    path = f"/servers/{server_id}/os-volume_attachments"
    return await cluster.request("POST", path, body, version=version, user=user)


async def detach(
    cluster: Cluster, server_id: str, volume_id: str, *, version: str = "2.79"
) -> tuple[int, Any]:
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    return await cluster.request("DELETE", path, version=version)


async def active(cluster: Cluster, server_id: str) -> dict[str, Any]:
    """The server, which must be at rest and ACTIVE."""
    server = await cluster.settled(server_id)
    assert server is not None
    assert server["status"] == "ACTIVE", server
    return server


async def running(cluster: Cluster, **fields: Any) -> str:
    server_id = await cluster.create_server(**fields)
    await active(cluster, server_id)
    return server_id


async def with_volume(cluster: Cluster, **fields: Any) -> tuple[str, str]:
    """A server and its volume."""
    server_id, volume_id = await running(cluster), await cluster.volumes.make()
    status, body = await attach(cluster, server_id, volume_id, **fields)
    assert status in (200, 202), body
    await cluster.settled(server_id)
    assert await cluster.volumes.status(volume_id) == "in-use"
    return server_id, volume_id


async def root_of_image(cluster: Cluster, **fields: Any) -> dict[str, Any]:
    """A root volume that the build makes."""
    return {
        "uuid": await cluster.image_id(),
        "source_type": "image",
        "destination_type": "volume",
        "boot_index": 0,
        "volume_size": 1,
        **fields,
    }


def blank(**fields: Any) -> dict[str, Any]:
    """A data volume that the build makes."""
    made = {"source_type": "blank", "destination_type": "volume", "volume_size": 1}
    return {**made, "delete_on_termination": True, **fields}


async def volume_backed(cluster: Cluster, *, temporary: bool = True, **fields: Any) -> str:
    """A server that boots from a volume made of the image; `temporary`: both end together."""
    root = await root_of_image(cluster, delete_on_termination=temporary)
    return await running(cluster, imageRef="", block_device_mapping_v2=[root], **fields)


async def volumes_of(cluster: Cluster, server_id: str) -> list[str]:
    server = await cluster.server(server_id)
    assert server is not None
    return [volume["id"] for volume in server["os-extended-volumes:volumes_attached"]]


async def gone(cluster: Cluster, server_id: str) -> None:
    status, body = await cluster.request("DELETE", f"/servers/{server_id}")
    assert status == 204, body
    assert await cluster.settled(server_id) is None
